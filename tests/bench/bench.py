#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The measurements of scripts/bench: bench.py [--rounds N] [--big FILE] FOLDER

FOLDER holds mpc-node, mpc-driver and mpc-shapes with their debug information; FILE is
a node with much more of it.
Prints five tables, then the targets. Other tools are asked the same in turns with
ours, so that all that is said about speed is a ratio within this one run.
"""

import argparse
import contextlib
import json
import os
import platform
import re
import shutil
import signal
import sys
import tempfile
import threading
from pathlib import Path

import net
from outside import (AGENT, ROOT, Taken, Unavailable, agent, bpftrace, first_line, need, output,
                     program_name, programs_of, running, scrape, status_of, total, wait_for)

CALLS = 20000
SHAPES_TIMES = 300
TRANSACTIONS = 300
PROCESS_VOTE = "threshold_consensus::vote_processor::VoteProcessor::process_vote"
PROCESS_VOTE_DWARF = "threshold_consensus::vote_processor::{impl#0}::process_vote::{async_fn#0}"
PROCESS_VOTE_SOURCE = "threshold_consensus/src/vote_processor.rs"

ONE_FUNCTION = """profile: bench
metrics:
  bench_call_seconds:
    type: histogram
    help: What the benchmark looks at.
    buckets: [0.001, 0.01, 0.1, 1]
    from: {}
"""


class Targets:
    def __init__(self):
        self.rows = []

    def add(self, what, wanted, measured, met):
        self.rows.append((what, wanted, measured, "met" if met else "MISSED"))

    def absent(self, wanted):
        """Rows for what a part that could not run would have measured."""
        have = {row[0] for row in self.rows}
        self.rows += [(*row, "-", "not measured") for row in wanted if row[0] not in have]

    def show(self):
        print("\nTargets\n")
        table([("", "wanted", "measured", "")] + self.rows, "<<<<")


def table(rows, align):
    widths = [max(len(row[i]) for row in rows) for i in range(len(align))]
    for row in rows:
        cells = (f"{cell:{a}{w}}" for cell, a, w in zip(row, align, widths))
        print(("  " + "  ".join(cells)).rstrip())


def mangled(path, exe):
    """The name that the poll function of an async function has in an executable."""
    parts = "".join(f"{len(word)}{word}" for word in path.split("::"))
    pattern = rf"_ZN{parts}28_\$u7b\$\$u7b\$closure\$u7d\$\$u7d\$17h[0-9a-f]{{16}}E"
    # Not read here: what this process has held counts as its children's peak memory.
    return output("grep", "-aoEm", "1", pattern, exe).splitlines()[0]


# ---- 1: program time -----------------------------------------------------------------

TIME = ("program time of a call, start and end together", "under 480 ns")
MULTIPLE = ("  as a multiple of one empty program", "under 6.23")  # 480 of 77 where it was set
SHARE = ("  as a share of bpftrace's on the same function", "under 1")
BPFTRACE_PAIR = """
uprobe:{exe}:probed_twin {{ @begun[tid] = nsecs; }}
uprobe:{exe}:probed_twin_end /@begun[tid]/ {{
    @ns = hist(nsecs - @begun[tid]);
    delete(@begun[tid]);
}}
"""
PAIRS = {"empty": "empty programs", "clock": "reading the clock, no more",
         "hash and log2 histogram": "hash and log2 histogram in C",
         "book only": "ours, no metric", "exact histogram": "ours, histogram",
         "labelled histogram and counter": "ours, labelled histogram + counter",
         "number's histogram and sum": "ours, a number's histogram + sum"}


def bpftrace_ids(stack, exe, folder):
    """bpftrace's programs on the twin function, as call_cost wants to be told."""
    pid = stack.enter_context(bpftrace(BPFTRACE_PAIR.format(exe=exe), 2, folder))
    ids = {program_name(number): str(number) for number in programs_of(pid)}
    if set(ids) != {"probed_twin", "probed_twin_end"}:
        raise Unavailable(f"bpftrace's programs are not told apart: {', '.join(ids)}")
    return ids["probed_twin"], ids["probed_twin_end"]


def program_time(targets, folder, rounds, **_):
    exe = output("tests/bench/call_cost.sh", "--build").splitlines()[-1]
    other, name = [], "bpftrace"
    with contextlib.ExitStack() as stack:
        try:
            need("bpftrace")
            name = first_line("bpftrace", "--version").replace(" v", " ")
            other = [name, *bpftrace_ids(stack, exe, folder)]
        except Unavailable as why:
            print(f"  {name} is not measured: {why}")
        result = json.loads(output(exe, str(CALLS), str(rounds), *other))
    pairs = {pair["name"]: pair for pair in result["pairs"]}
    empty = pairs["empty"]
    rows = [("ns", "start", "end", "both", "best-worst", "ratio", "cold", "ratio")]
    for pair in result["pairs"]:
        warm, cold = pair["warm"], pair["cold"]
        rows.append((PAIRS.get(pair["name"], f"{pair['name']}, histogram"),
                     f"{warm['start_ns']:.0f}", f"{warm['end_ns']:.0f}", f"{warm['best_ns']:.0f}",
                     f"{warm['best_ns']:.0f}-{warm['worst_ns']:.0f}",
                     f"{warm['best_ns'] / empty['warm']['best_ns']:.1f}", f"{cold['best_ns']:.0f}",
                     f"{cold['best_ns'] / empty['cold']['best_ns']:.1f}"))
    table(rows, "<>>>>>>>")
    print(f"\n  Best of {result['rounds']} rounds in turns, of {result['calls']} calls of a function"
          f" whose first and last\n  instruction are probed; cold: {result['cold_calls']} calls,"
          " caches filled with other data before each.\n  ratio: to the two empty programs.")
    most = max(pairs["exact histogram"], pairs["labelled histogram and counter"],
               key=lambda pair: pair["warm"]["best_ns"])["warm"]["best_ns"]
    targets.add(*TIME, f"{most:.0f} ns", most < 480)
    multiple = most / (empty["warm"]["best_ns"] / 2)
    targets.add(*MULTIPLE, f"{multiple:.2f}", multiple < 480 / 77)
    if other:
        share = most / pairs[name]["warm"]["best_ns"]
        targets.add(*SHARE, f"{share:.2f}", share < 1)


# ---- 2: traps ------------------------------------------------------------------------------

TRAPS = ("traps of an async call, however often it is polled", "2")


def shapes_traps(folder, cluster):
    """One function that suspends many times: (calls, polls or None, our traps)."""
    exe, truth, log = cluster / "mpc-shapes", folder / "shapes.json", folder / "shapes.log"
    profile = folder / "shapes.yaml"
    profile.write_text(ONE_FUNCTION.format("mpc_shapes::shapes::many_polls"))
    poll = f'uprobe:{exe}:"{mangled("mpc_shapes::shapes::many_polls", exe)}" {{ @polls = count(); }}'
    with contextlib.ExitStack() as stack:
        enter = stack.enter_context
        shapes = enter(running([exe, "--times", SHAPES_TIMES, "--listen", "127.0.0.1:0",
                                "--truth", truth], log))
        wait_for("mpc-shapes", 10, lambda: "ready" in log.read_text(), shapes, log)
        _, port = enter(agent(exe, folder, "--profile", profile))
        counter = None
        with contextlib.suppress(Unavailable):
            counter = enter(bpftrace(poll, 1, folder))
        shapes.send_signal(signal.SIGUSR1)
        wait_for("mpc-shapes", 120, lambda: "done" in log.read_text(), shapes, log)
        samples = scrape(port)
        polls = sum(programs_of(counter).values()) if counter else None
        shapes.terminate()
        shapes.wait(20)
    calls = json.loads(truth.read_text())["functions"]["many_polls"]["started"]
    return calls, polls, traps_of(samples)


def traps_of(samples):
    return tuple(total(samples, "program_runs_total", f'program="{p}"') for p in ("start", "end"))


def traps_row(name, calls, polls, traps):
    return (name, f"{calls:.0f}", f"{polls / calls:.1f}" if polls else "-", f"{traps[0]:.0f}",
            f"{traps[1]:.0f}", f"{sum(traps) / calls:.2f}")


def traps_per_call(targets, folder, cluster, node, **_):
    rows = [("", "calls", "polls each", "start traps", "end traps", "per call")]
    calls, polls, traps = shapes_traps(folder, cluster)
    rows.append(traps_row("mpc-shapes, many_polls", calls, polls, traps))
    if node:
        rows.append(traps_row(f"five mpc-nodes, {node['functions']} functions", node["calls"], None,
                              node["traps"]))
    table(rows, "<>>>>>")
    if polls:
        print("\n  polls each: what a probe on the poll function counts, in the same seconds.")
    per_call = sum(traps) / calls
    targets.add(*TRAPS, f"{per_call:.2f}" + (f" at {polls / calls:.1f} polls" if polls else ""),
                calls > 0 and abs(per_call - 2) < 0.005)


# ---- 3: resolving ----------------------------------------------------------------------------

ONE = ("time to resolve one inlined function", "below gdb and perf")
ALL = ("time to resolve the functions of the profile", "below gdb and perf")
BIG = ("  the same in 300 MB of debug information", "below gdb and perf")
BIG_MEMORY = ("  memory of its own there, of the debug information", "under 6 %")


def count(pattern, flags=0):
    """Says in how many different words of a text the pattern's group is."""
    return lambda text: len(set(re.findall(pattern, text, flags)))


def of_the_node(text):
    """Rows of its own functions, which are async; one of a library's is a trait's, which others find by no such name."""
    return [row for row in json.loads(text) if not row["function"].startswith("<")]


def ready(text):
    return len({row["function"] for row in of_the_node(text) if row["state"] == "ready"})


SCOPES = count(r"^Scope for (\S+):", re.M)
POINTS = count(r"^p:probe_mpc/(f\d)", re.M)  # a name of several places goes on as f0_1


def ask_one(folder, exe):
    """(tool, what it is asked, command, how many of the functions an answer holds)."""
    profile = folder / "one.yaml"
    profile.write_text(ONE_FUNCTION.format(PROCESS_VOTE))
    source = (ROOT / "tests/cluster" / PROCESS_VOTE_SOURCE).read_text().splitlines()
    line = next(i for i, text in enumerate(source, 1) if "fn process_vote(" in text)
    gdb, perf = ["gdb", "-nx", "-batch"], ["perf", "probe", "-x", exe]
    return [
        ("ours", "probes", [AGENT, "probes", "--json", "--profile", profile, "--exe", exe], ready),
        ("gdb", "info scope", [*gdb, "-ex", f"info scope {PROCESS_VOTE_DWARF}", exe], SCOPES),
        ("gdb", "info functions", [*gdb, "-ex", "info functions process_vote", exe],
         count(r"(\bprocess_vote::\{async_fn#0\})\(")),
        ("perf", "probe -D", [*perf, "-D", f"f0={mangled(PROCESS_VOTE, exe)}"], POINTS),
        ("perf", "probe --line", [*perf, "--line", f"{PROCESS_VOTE_SOURCE}:{line}-{line + 3}"],
         count(r"(fn process_vote)\(")),
        ("perf", "probe --funcs (symbols only)", [*perf, "--funcs"], len),
    ]


def ask_all(exe, functions):
    names = [mangled(function, exe) for function in functions]
    scopes = [word for name in names for word in ("-ex", f"info scope {name}")]
    points = [word for i, name in enumerate(names) for word in ("-D", f"f{i}={name}")]
    return [
        ("ours", "probes", [AGENT, "probes", "--json", "--exe", exe], ready),
        ("gdb", "info scope of each", ["gdb", "-nx", "-batch", *scopes, exe], SCOPES),
        ("perf", "probe -D of each", ["perf", "probe", "-x", exe, *points], POINTS),
    ]


def resolve_rows(title, questions, n, times):
    """Asks in turns; the rows of the table and what ours took, and the fastest other that
    reads the same."""
    taken = [Taken() for _ in questions]
    for _ in range(times):
        for (_, _, command, _), t in zip(questions, taken):
            t.measure(command)
    ours, rows, others = taken[0], [(title, *[""] * 6)], []
    for (tool, asked, _, found), t in zip(questions, taken):
        got = f"{found(t.text)} of {n}"
        if "symbols only" in asked:
            got = "-"
        elif t is not ours and found(t.text):
            others.append(t.best)
        rows.append((f"  {tool}, {asked}", got, f"{t.best:.2f}", f"{t.best:.2f}-{t.worst:.2f}",
                     f"{t.best / ours.best:.1f}", t.peak, f"{t.anonymous_mb:.0f}"))
    return rows, ours, min(others, default=0)


def debug_bytes(exe):
    sizes = re.findall(r"\.debug_\w+\s+PROGBITS\s+\w+\s+\w+\s+(\w+)", output("readelf", "-SW", exe))
    return sum(int(size, 16) for size in sizes)


def functions_of(exe):
    return sorted({row["function"] for row in of_the_node(output(AGENT, "probes", "--json", "--exe", exe))})


def resolve(targets, folder, cluster, rounds, big, **_):
    exe = cluster / "mpc-node"
    have = [tool for tool in ("gdb", "perf") if if_there(tool)]
    functions = functions_of(exe)
    asks = [(ONE, "process_vote, which is inlined, release build", 1, rounds // 3, ask_one(folder, exe)),
            (ALL, f"{len(functions)} functions of the profile, release build", len(functions), rounds // 3,
             ask_all(exe, functions))]
    if big:
        asks.append((BIG, f"the same, dev build with {debug_bytes(big) / 1e6:.0f} MB of debug information",
                     len(functions), rounds // 7, ask_all(big, functions)))
    rows = [("", "found", "s", "best-worst", "ratio", "peak MB", "its own")]
    for (what, wanted), title, n, times, questions in asks:
        asked = [q for q in questions if q[0] in ("ours", *have)]
        more, ours, other = resolve_rows(title, asked, n, max(times, 1))
        rows += more
        if have:
            targets.add(what, wanted.replace("gdb and perf", " and ".join(have)),
                        f"{ours.best:.2f} s, theirs {other:.2f} s", ours.best < other)
        if what == BIG[0]:
            share = ours.anonymous_mb * 1e6 / debug_bytes(big)
            targets.add(*BIG_MEMORY, f"{100 * share:.1f} %", 0 < share < 0.06)
    table(rows, "<>>>>>>")
    versions = [first_line(tool, "--version") for tool in have]
    print(f"\n  mpc-node: {exe.stat().st_size / 1e6:.0f} MB, of which debug information"
          f" {debug_bytes(exe) / 1e6:.0f} MB. {'; '.join(versions)}."
          "\n  ratio: to ours, which also finds all ends of a call, its arguments and results."
          "\n  its own: of the peak, what is not pages of files.")


def if_there(tool):
    try:
        return need(tool)
    except Unavailable as why:
        print(f"  {why}")
        return None


# ---- 4: the agent at five nodes -----------------------------------------------------------------

MEMORY = ("resident memory of the agent at five nodes", "under 16 MB")


class Watch(threading.Thread):
    """Scrapes and looks at the resident memory twice a second; keeps the most."""

    def __init__(self, pid, port):
        super().__init__(daemon=True)
        self.pid, self.port, self.enough = pid, port, threading.Event()
        self.most, self.looks = {}, 0

    def run(self):
        with contextlib.suppress(OSError):
            while not self.enough.wait(0.5):
                scrape(self.port)
                now = status_of(self.pid)
                self.looks += 1
                if now["VmRSS"] > self.most.get("VmRSS", 0):
                    self.most = now


@contextlib.contextmanager
def five_nodes(cluster, folder):
    place = folder / "cluster"
    output(cluster / "mpc-driver", "up", "--node", cluster / "mpc-node", "--dir", place)
    try:
        yield place
    finally:
        output(cluster / "mpc-driver", "down", "--dir", place)


def five_nodes_under_load(folder, cluster):
    """What the agent was at five nodes under load, for parts 2 and 4."""
    with five_nodes(cluster, folder) as place, agent(cluster / "mpc-node", folder) as (process, port):
        watch = Watch(process.pid, port)
        watch.start()
        output(cluster / "mpc-driver", "load", "--dir", place, "--seed", "1", "--transactions",
               str(TRANSACTIONS), "--dkgs", "4", "--faults", "all", "--settle")
        watch.enough.set()
        watch.join()
        samples = scrape(port)
        if not watch.looks:
            raise Unavailable("the agent could not be looked at")
        started = [sample for sample in samples if sample[0] == "mpc_bpf_agent_calls_started_total"]
        functions = {re.search(r'function="([^"]*)"', labels)[1] for _, labels, _ in started}
        return {"memory": watch.most, "looks": watch.looks, "traps": traps_of(samples),
                "calls": sum(value for _, _, value in started), "functions": len(functions),
                "up": total(samples, "target_up"),
                "sites": total(samples, "sites_attached"),
                "ns": [total(samples, "program_run_seconds_total", f'program="{p}"') * 1e9
                       for p in ("start", "end")]}


def memory(targets, node, **_):
    m = {key: kb * 1024 / 1e6 for key, kb in node["memory"].items()}
    rows = [("MB", "resident", "anonymous", "of files", "peak")]
    rows.append((f"{node['up']:.0f} nodes, {node['sites']:.0f} sites", f"{m['VmRSS']:.1f}",
                 f"{m['RssAnon']:.1f}", f"{m['RssFile'] + m['RssShmem']:.1f}", f"{m['VmHWM']:.1f}"))
    table(rows, "<>>>>")
    print(f"\n  The most of {node['looks']} looks while it was scraped twice a second. Of files: program,"
          "\n  libraries and the tables shared with the kernel. Peak: reached while starting.")
    runs = [ns / n if n else 0 for ns, n in zip(node["ns"], node["traps"])]
    print(f"  Program time of these {node['calls']:.0f} calls, which are far apart:"
          f" {runs[0]:.0f} + {runs[1]:.0f} ns.")
    targets.add(*MEMORY, f"{m['VmRSS']:.1f} MB", node["up"] == 5 and m["VmRSS"] < 16)


# ---- 5: the network -------------------------------------------------------------------------------

PACKET = ("program time of a message over TCP, both ends nodes", "under 4 of bpftrace's")
CONNECTION = ("program time of a TCP connection, both ends nodes", "below tcplife's")
STRANGER = ("  the same of a connection that is no node's", "below a half of tcplife's")


def network(targets, folder, rounds, **_):
    best, ns, absent = net.measure(folder, max(rounds // 5, 1))
    alone = best["nobody"]
    rows = [("ratio to nobody watching", *(f"{kind}{what}" for kind in net.KINDS for what in ("", ", processor")),
             "ns a message", "ns a connection")]
    for name, of in best.items():
        share = [f"{of[kind][i] / alone[kind][i]:.2f}" for kind in net.KINDS for i in (0, 1)]
        rows.append((name, *share, *(f"{ns[name][kind]:.0f}" if name in ns else "-" for kind in ("message", "connect"))))
    table(rows, "<" + ">" * 8)
    units = "; ".join(f"{kind}: {alone[kind][0]:.0f} {what} a second" for kind, what in net.KINDS.items())
    print(f"\n  Nobody watching, {units}.\n  Best of {net.TIMES * max(rounds // 5, 1)} in turns: of what was done in a"
          " second, and for a second of processors' time.\n  A message goes there and comes back; both ends of it, and of"
          " a connection, are watched. ns: of programs\n  in the kernel, by its statistics, which are off while the rest is"
          " measured; what others on this machine\n  cause meanwhile is taken off.")
    for name, why in absent:
        print(f"  {name} is not measured: {why}")
    mine, theirs = ns["ours, a node"], ns.get("tcplife, libbpf-tools")
    script = ns.get("bpftrace, three tracepoints")
    if script:
        times = mine["message"] / script["message"]
        targets.add(*PACKET, f"{mine['message']:.0f} ns, {times:.1f}", times < 4)
    if theirs:
        targets.add(*CONNECTION, f"{mine['connect']:.0f} ns, theirs {theirs['connect']:.0f}",
                    mine["connect"] < theirs["connect"])
        stranger = ns["ours, of another process"]["connect"]
        targets.add(*STRANGER, f"{stranger:.0f} ns", stranger < theirs["connect"] / 2)


# ---- all of it ---------------------------------------------------------------------------------------


def about():
    model = re.search(r"^model name\s*:\s*(.*)$", Path("/proc/cpuinfo").read_text(), re.M)
    print(f"{first_line(AGENT, '--version')}; Linux {platform.release()},"
          f" {os.cpu_count()} x {model[1] if model else platform.machine()}")


def attempt(targets, title, wanted, measure, **known):
    """A part that cannot run says why, and so do its targets."""
    print(f"\n{title}\n", flush=True)
    try:
        measure(targets, **known)
    except (Unavailable, OSError, KeyError, ValueError) as why:
        print(f"  not measured: {why}")
    targets.absent(wanted)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--big", type=Path)
    parser.add_argument("cluster", type=Path)
    given = parser.parse_args()
    # Ended from outside, everything that runs here ends too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    targets, node, why = Targets(), None, ""
    about()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        # Copies, for others may run or watch the same executables: probes are set on a file.
        cluster = Path(folder) / "programs"
        cluster.mkdir()
        for program in ("mpc-node", "mpc-driver", "mpc-shapes"):
            shutil.copy2(given.cluster / program, cluster)
        known = {"folder": Path(folder), "cluster": cluster, "rounds": given.rounds,
                 "big": given.big}
        attempt(targets, "1  Program time of one call, by the kernel's run statistics",
                [TIME, MULTIPLE, SHARE], program_time, **known)
        try:
            node = five_nodes_under_load(known["folder"], known["cluster"])
        except (Unavailable, OSError) as reason:
            why = reason
        attempt(targets, "2  Traps", [TRAPS], traps_per_call, node=node, **known)
        attempt(targets, "3  Finding functions", [ONE, ALL, BIG, BIG_MEMORY], resolve, **known)
        if node:
            attempt(targets, "4  The agent at five nodes", [MEMORY], memory, node=node)
        else:
            print(f"\n4  The agent at five nodes\n\n  not measured: {why}")
            targets.absent([MEMORY])
        attempt(targets, "5  The network", [PACKET, CONNECTION, STRANGER], network, **known)
    targets.show()


if __name__ == "__main__":
    main()
