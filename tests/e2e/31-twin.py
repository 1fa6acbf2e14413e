#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Nodes that were shipped stripped and cannot be built again: their pack comes from a
rebuild. The shipped programs are a build of their own, in another folder and without
debug information; the rebuild is the thin one. What is carried over is printed, every
count of it equals the books under the load of 21-books.py and with its bounds, and the
symbols that the shipped build had before it was stripped say that no site is in a wrong
function.

31-twin.py [debian]      debian: the node's part once more, with builds of Debian's compiler, which
                         takes a quarter of an hour to build them
"""
# must-run-on-reference
# timeout: 1200

import json
import re
import shutil
import sys
from bisect import bisect_right
from collections import Counter
from pathlib import Path

import live
from books import Comparison, Scrape, check_never, compare, compare_functions
from cost import Meter, check_sums, sums

TRANSACTIONS = 400
WARM = ("--transactions", 20, "--dkgs", 4, "--faults", "none", "--settle")
LOAD = ("--seed", 2, "--transactions", TRANSACTIONS, "--dkgs", 16, "--faults", "all", "--fault-percent", 8)
FAULTS = ("double_vote", "invalid_signature", "minority_vote", "malformed_message", "timeout",
          "unrecorded_violation", "panic_vote", "cancel_votes", "drop_peer", "hang_up")
SHAPES = Path(__file__).with_name("shapes.yaml")
SITE = re.compile(r"(?m)^site (\w+) func (\d+) row (\d+) at (0x[0-9a-f]+) bytes ([0-9a-f]+) ")
TIMES = 300


# ---- packs ------------------------------------------------------------------------------

def pack(*words):
    """Runs `pack`; 2 says that something required is missing, which is no failure here."""
    done = live.run(live.AGENT, "pack", *words)
    if done.returncode not in (0, 2):
        raise RuntimeError(f"pack {' '.join(map(str, words))}: {done.stderr.strip()}")
    return done


def rows(path, *profile):
    """{function: [row]} of a pack, as `probes` has them."""
    functions = {}
    for row in json.loads(live.run(live.AGENT, "probes", "--pack", path, "--json", *profile).stdout):
        for word in ("source", "how"):  # how many sites there are is compared below
            del row[word]
        functions.setdefault(row["function"], []).append(row)
    return functions


class Sites:
    """The sites of a pack in a file that still has its symbols."""

    def __init__(self, path, program):
        text = Path(path).read_text()
        self.functions = re.findall(r'(?m)^func "(.*)"$', text)
        self.where = re.findall(r'(?m)^  where "(.*)"$', text)
        self.all = [(kind, self.functions[int(f)], int(row), int(at, 16), bytes.fromhex(code))
                    for kind, f, row, at, code in SITE.findall(text)]
        self.program = Path(program).read_bytes()
        self.symbols = sorted((int(m[1], 16), int(m[2], 16), m[3]) for m in re.finditer(
            r"(?m)^([0-9a-f]+) ([0-9a-f]+) [tTwW] (.*)$", live.run("nm", "-CS", program).stdout))
        self.starts = [s[0] for s in self.symbols]
        words = next(line.split() for line in live.run("readelf", "-lW", program).stdout.splitlines()
                     if line.strip().startswith("LOAD") and " R E " in line)
        self.moved = int(words[2], 16) - int(words[1], 16)

    def names(self, offset):
        """What the symbols call the function at an offset in the file; several for merged ones."""
        addr = offset + self.moved
        start = self.starts[bisect_right(self.starts, addr) - 1]
        return tuple(sorted({name for low, size, name in self.symbols if low == start and addr < low + size}))

    def places(self, functions):
        return Counter((kind, function, self.names(at)) for kind, function, _, at, _ in self.all
                       if function in functions)

    def faults(self):
        """Sites whose bytes are not there, or whose function is not the one that their row names."""
        for kind, function, row, at, code in self.all:
            if self.program[at:at + len(code)] != code:
                yield f"{kind} of {function} at {at:#x}: the file has {self.program[at:at + len(code)].hex()}"
            named = re.match(r"(?:poll function|function|inlined in) (.*?)(?: at \S+)?$", self.where[row])
            if named and named[1] not in self.names(at):
                yield f"{kind} of {function} at {at:#x} is in {self.names(at)}, not in {named[1]}"


class Twin:
    """A pack of a shipped program from its rebuild, beside the pack of the rebuild itself."""

    def __init__(self, folder, name, rebuild, shipped, symbols, *profile):
        self.path, plain = folder / f"{name}.pack", folder / f"{name}-rebuild.pack"
        self.done = pack("--twin", rebuild, shipped, "-o", self.path, *profile)
        pack(rebuild, "-o", plain, *profile)
        self.rows, self.plain = rows(self.path, *profile), rows(plain, *profile)
        self.whole = {f for f in self.plain if self.rows[f] == self.plain[f]}
        self.sites, self.plain_sites = Sites(self.path, symbols), Sites(plain, rebuild)

    def check(self, report, name, least):
        report.note(self.done.stdout.partition("\n")[0])
        for function, all_rows in self.rows.items():
            report.note(f"{'whole' if function in self.whole else 'not whole'}: {function}")
            for row in all_rows if function not in self.whole else ():
                report.note(f"    {row['state']} {row['where']}: {row['reason']}")
        report.note(f"{name}: {len(self.whole)} of {len(self.plain)} functions carried over whole")
        report.check(f"{name}, at least {least} functions are carried over whole",
                     [] if len(self.whole) >= least else [f"only {sorted(self.whole)}"])
        report.check(f"{name}, what is not whole says why",
                     [f"{f}: {r['where']}" for f, all_rows in self.rows.items() if f not in self.whole
                      for r in all_rows if r["state"] != "ready" and not r["reason"]])
        said = [line for line in self.done.stdout.splitlines() if line in self.plain]
        report.check(f"{name}, the table names every function", set(self.plain) - set(said))
        there, should = self.sites.places(self.plain), self.plain_sites.places(self.plain)
        faults = [*self.sites.faults(), *(f"{place} is no place of the rebuild" for place in there.keys() - should.keys())]
        there, should = self.sites.places(self.whole), self.plain_sites.places(self.whole)
        faults += [f"{place}: {there[place]} sites, {should[place]} in the rebuild"
                   for place in there.keys() | should.keys() if there[place] != should[place]]
        report.note(f"{name}: {len(self.sites.all)} sites compared with the symbols, {len(faults)} wrong")
        report.check(f"{name}, no site is in a wrong function", faults or
                     ([] if self.sites.all else ["there are no sites"]))


# ---- runs -------------------------------------------------------------------------------

def only(scrape, truths, twin):
    """What can be compared: functions that were carried over whole, metrics that only those feed."""
    metrics = {m for all_rows in twin.plain.values() for r in all_rows for m in r["metrics"]} - {
        m for f, all_rows in twin.plain.items() if f not in twin.whole for r in all_rows for m in r["metrics"]}

    def wanted(family, labels):
        if family.startswith(("mpc_bpf_agent_", "process_")):
            return dict(labels).get("function", next(iter(twin.whole))) in twin.whole
        return re.sub(r"_(bucket|sum|count)$", "", family) in metrics or family in metrics

    scrape.samples = {family: {labels: value for labels, value in series.items() if wanted(family, labels)}
                      for family, series in scrape.samples.items()}
    scrape.types = {name: kind for name, kind in scrape.types.items() if name in metrics or name.startswith("mpc_bpf")}
    for truth in truths.values():
        for kind in ("counters", "gauges", "histograms"):
            truth[kind] = [series for series in truth[kind] if series["name"] in metrics]
    return scrape, truths


def look(nodes, agent, twin):
    page, truths = nodes.look(agent)
    return only(Scrape(page), truths, twin)


def cluster(report, folder, rebuild, shipped, twin):
    node = folder / "shipped" / "mpc-node"
    node.parent.mkdir()
    shutil.copy(shipped / "mpc-node.stripped", node)
    sections = live.run("readelf", "-SW", node).stdout
    report.check("the nodes have no symbols and no debug information",
                 [word for word in (".symtab", ".debug_info") if word in sections])
    meter = Meter(folder)
    with live.Cluster(rebuild, folder / "cluster", node=node) as nodes:
        agent = live.Agent(folder, "--exe", node, "--pack", twin.path, "--program-stats")
        live.never_interrupted(m["pid"] for m in nodes.members)
        report.note(agent.until_said(r'msg="([^"]*sites attached[^"]*)"')[1].rpartition("/")[2])
        nodes.load(*WARM)
        before, mark = sums(*look(nodes, agent, twin)), meter.mark()
        summary = nodes.load(*LOAD, seconds=600)
        nodes.settle()
        scrape, truths = look(nodes, agent, twin)
        missing = [f"{f} was never injected" for f in FAULTS if not summary["faults"].get(f)]
        missing += [f"no process_vote was {state}" for state in ("panicked", "cancelled")
                    if not sum(t["functions"]["process_vote"][state] for t in truths.values())]
        missing += [] if summary["transactions"] >= TRANSACTIONS else [f"only {summary['transactions']} transactions"]
        missing += [f"the driver says: {n} times {e}" for e, n in summary["errors"].items()]
        report.check(f"{TRANSACTIONS} transactions, every fault injected", missing)
        report.check("no node ended, panics caught", nodes.dead())
        result = compare(scrape, truths)
        report.note(f"{result.compared} values compared, {len(result.differences)} differ; calls that returned: "
                    + ", ".join(f"{f.rpartition('::')[2]} {n:g}" for f, n in result.calls.items()))
        report.check("all counts of what is carried over equal the books", result.differences or
                     ([] if sum(result.calls.values()) > 5000 else ["hardly any calls"]))
        faults, notes = check_sums(before, sums(scrape, truths), meter.cost(mark))
        for note in notes:
            report.note(note)
        report.check("sums differ by less than the probes cost", faults)
        nodes.down()
        live.wait_for("the agent sees the nodes end",
                      lambda: not Scrape(agent.metrics()).sum("mpc_bpf_agent_target_up"))
        result = compare(*only(Scrape(agent.metrics()), nodes.last_truths(), twin))
        report.check("after the nodes' end too", result.differences)
        agent.stop()
    meter.close()


def shapes(report, folder, shipped, twin):
    program = folder / "shipped" / "mpc-shapes"
    shutil.copy(shipped / "mpc-shapes.stripped", program)
    with live.Agent(folder, "--exe", program, "--pack", twin.path, "--profile", SHAPES, name="shapes-agent") as agent:
        running = live.Shapes(program.parent, folder, TIMES)
        live.wait_for("the agent sees mpc-shapes", lambda: Scrape(agent.metrics()).get(
            "mpc_bpf_agent_target_up", node_id="shapes"))
        running.go()
        truth = running.finish()
        live.wait_for("the agent sees its end", lambda: not Scrape(agent.metrics()).sum("mpc_bpf_agent_target_up"))
        scrape, _ = only(Scrape(agent.metrics()), {}, twin)
        result = Comparison()
        check_never(result, scrape)
        compare_functions(result, scrape, truth, "shapes")
        report.note(f"shapes: {result.compared} numbers compared, {len(result.differences)} differ")
        report.check("shapes, all calls of what is carried over equal the books", result.differences)


# ---- what is no rebuild -------------------------------------------------------------------

def others(report, folder, rebuild, shipped):
    """The same file, another build, another program, one function changed."""
    pack(rebuild / "mpc-node", "-o", folder / "plain")
    pack("--twin", rebuild / "mpc-node", rebuild / "mpc-node.stripped", "-o", folder / "same")
    lines = [[line for line in (folder / name).read_text().splitlines() if not line.startswith("binary ")]
             for name in ("plain", "same")]
    report.check("the rebuild's own code gives the rebuild's own pack", [] if lines[0] == lines[1] else ["it differs"])

    dev = live.built("dev", folder)
    for name, file in (("what is not optimised", dev / "mpc-node.stripped"), ("another program", shipped / "mpc-shapes.stripped")):
        done = pack("--twin", rebuild / "mpc-node", file, "-o", folder / "other")
        faults = [] if done.returncode == 2 else [f"status {done.returncode}"]
        faults += [f"{line} has sites" for line in done.stdout.splitlines() if "  ready " in line]
        faults += [] if SITE.search((folder / "other").read_text()) is None else ["there are sites"]
        report.check(f"{name} is no twin, and that is said", faults)

    twin = Sites(folder / "twin.pack", shipped / "mpc-node")
    kind, function, _, at, code = next(s for s in twin.all if s[0] == "start")
    changed = bytearray((shipped / "mpc-node.stripped").read_bytes())
    changed[at + len(code) - 1] ^= 1
    (folder / "changed").write_bytes(changed)
    pack("--twin", rebuild / "mpc-node", folder / "changed", "-o", folder / "changed.pack")
    host = twin.names(at)
    expected = [s for s in twin.all if s[1] != function and twin.names(s[3]) != host]
    left = Sites(folder / "changed.pack", shipped / "mpc-node")
    faults = [f"{s[0]} of {s[1]} at {s[3]:#x} is gone" for s in expected if s[:2] + s[3:] not in
              {t[:2] + t[3:] for t in left.all}]
    faults += [f"{s[0]} of {function} is still there" for s in left.all if s[1] == function]
    reasons = [r["reason"] for r in rows(folder / "changed.pack")[function]]
    faults += [] if "no function of the shipped file has the same instructions" in str(reasons) else [str(reasons)]
    report.check("a function with one bit changed is left out with its reason, the others are not", faults)


def node(report, folder, rebuild, shipped):
    twin = Twin(folder, "twin", rebuild / "mpc-node", shipped / "mpc-node.stripped", shipped / "mpc-node")
    twin.check(report, "node", least=len(twin.plain) // 2)
    again = folder / "again.pack"
    pack("--twin", rebuild / "mpc-node", shipped / "mpc-node.stripped", "-o", again)
    report.check("the same inputs give the same bytes",
                 [] if again.read_bytes() == twin.path.read_bytes() else ["they differ"])
    cluster(report, folder, rebuild, shipped, twin)


def main():
    report = live.Report()
    live.need_root(report, "twin")
    folder = live.scratch()
    with report.part("twin, all of it"):
        rebuild, shipped = live.built("thin", folder), live.built("ship", folder)
        node(report, folder, rebuild, shipped)
        twin = Twin(folder, "shapes", rebuild / "mpc-shapes", shipped / "mpc-shapes.stripped",
                    shipped / "mpc-shapes", "--profile", SHAPES)
        twin.check(report, "shapes", least=len(twin.plain) // 2)
        shapes(report, folder, shipped, twin)
        others(report, folder, rebuild, shipped)
    if "debian" in sys.argv[1:]:
        report.before = "Debian's rustc, "
        with report.part("all of it"):
            folder = live.scratch()
            node(report, folder, *(live.built(build, folder, "--debian-rust") for build in ("thin", "ship")))
    return report.status()


if __name__ == "__main__":
    sys.exit(main())
