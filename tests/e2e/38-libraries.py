#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The profiles of libraries, each on a small program that uses the published crate as a node
does and keeps books (tests/libraries): every series is equal to the books, counts to the last
digit. Once from the program's own debug information and once stripped, from a pack; then all
of these profiles at once, of which each program uses but a few.

38-libraries.py [PROGRAM...]
"""
# must-run-on-reference
# timeout: 3000

import json
import re
import shutil
import sys

import live
from books import NEVER, Scrape

# What each program uses, by the names of profiles.
PROGRAMS = {
    "frost": ["frost"],
    "tls": ["rustls", "quinn"],
    "cggmp24": ["cggmp24", "cggmp24-keygen", "round-based"],
    "givre": ["givre", "round-based"],
    "synedrion": ["synedrion", "manul"],
}
# Of spans whose objects are not moved.
OF_SPANS = ("mpc_bpf_agent_spans_ends_without_beginning_total", "mpc_bpf_agent_spans_keys_unread_total",
            "mpc_bpf_agent_spans_expired_total")
# A reset that comes for a connection that has ended already is told by quinn once more, and not to the program.
RESETS = 'mpc_quinn_connections_lost_total{reason="reset"'
EXACT_SUMS = ("mpc_quinn_rtt_seconds_sum",)  # of times that both are told
LIBRARIES = sorted({name for names in PROGRAMS.values() for name in names})


STUB = """
mod inner { #[inline(never)] pub fn work(x: &[u64; 64]) -> [u64; 32] {
    let mut out = [0; 32]; for i in 0..32 { out[i] = x[i].wrapping_mul(x[i + 7]).rotate_left(3); } out } }
mod outer { #[inline(never)] pub fn work(x: &[u64; 64]) -> [u64; 32] { crate::inner::work(x) } }
fn main() { let x = [std::env::args().count() as u64; 64];
    println!("{:?} {:?}", outer::work(&x)[0], inner::work(&x)[1]); }
"""
MINE = """profile: mine
node_id: {env: NODE_ID}
metrics:
  %s: {type: counter, help: H, from: '%s'}
"""


def flags(profiles):
    return [word for name in profiles for word in ("--profile", name)]


def served(metrics, node):
    """{name{labels without node_id, in order of names}: number}, without buckets."""
    found = {}
    for line in metrics.splitlines():
        match = re.match(r"(mpc_(?!bpf_agent)[a-z0-9_]+)\{(.*)\} (\S+)$", line)
        if not match or f'node_id="{node}"' not in match[2] or match[1].endswith("_bucket"):
            continue
        labels = sorted(p for p in re.findall(r'[a-z_]+="[^"]*"', match[2]) if not p.startswith("node_id="))
        found[match[1] + ("{" + ",".join(labels) + "}" if labels else "")] = float(match[3])
    return found


def faults_of(metrics, books, node):
    """Counts are equal, what the books do not have is 0; a sum of durations is more than nothing
    and not more than what the program saw from further outside, one of times is the same to the nanosecond."""
    ours, faults = served(metrics, node), []
    for name in sorted(ours.keys() | books.keys()):
        got, want = ours.get(name), books.get(name, 0)
        if got is None:
            faults.append(f"{name}: not served, books {want:g}")
        elif name in EXACT_SUMS:
            if abs(got - want) > 1e-9:
                faults.append(f"{name}: books {want}, agent {got}")
        elif "_seconds_sum" in name:
            if not (got == want == 0 or 0 < got <= want):
                faults.append(f"{name}: books at most {want}, agent {got}")
        elif got < want or (got > want and not name.startswith(RESETS)):
            faults.append(f"{name}: books {want:g}, agent {got:g}")
    scrape = Scrape(metrics)
    faults += [f"{name} is {scrape.sum(name):g}" for name in (*NEVER, *OF_SPANS) if scrape.sum(name)]
    return faults, len(ours.keys() | books.keys())


def not_ready(metrics):
    """Functions that a profile requires and that are not wholly seen, and others that are seen in part."""
    return [f"{s['function']} is {s['state']} ({s['where']})"
            for s in map(dict, Scrape(metrics).samples["mpc_bpf_agent_probe_state"])
            if s["state"] == "partial" or (s["state"] != "ready" and s["required"] == "true")]


def one_run(report, folder, name, program, profiles, *options):
    """The metrics at the end, once they are compared."""
    go, truth = folder / f"{name}.go", folder / f"{name}.json"
    with live.Agent(folder, "--exe", program, *flags(profiles), *options, name=f"{name}-agent", wait=False) as agent:
        # Debug information of tens of megabytes, on a machine that may build beside it.
        agent.address = agent.until_said(r"serving http://(127\.0\.0\.1:\d+)/", 180)[1]
        watched = live.Process(program, go, truth, log=folder / f"{name}.log", env={"NODE_ID": name})
        watched.until_said("ready")
        live.wait_for("the agent sees it", lambda: Scrape(agent.metrics()).get(
            "mpc_bpf_agent_target_up", node_id=name))
        go.touch()
        if watched.child.wait(240):
            raise RuntimeError(f"it ended with {watched.child.returncode}: {watched.said()[-300:]}")
        live.wait_for("the agent sees its end", lambda: not Scrape(agent.metrics()).sum("mpc_bpf_agent_target_up"))
        metrics = agent.metrics()
    books = json.loads(truth.read_text())
    faults, compared = faults_of(metrics, books, name)
    report.note(f"{name}: {compared} series compared, {len(faults)} differ")
    report.check(f"{name}, every series is as the books", faults)
    return metrics


def one_program(report, folder, programs, which):
    program, profiles = programs / f"uses-{which}", PROGRAMS[which]
    pack, stripped = folder / f"{which}.pack", folder / f"uses-{which}"
    metrics = one_run(report, folder, which, program, profiles)
    report.check(f"{which}, what the profiles require is seen wholly", not_ready(metrics))
    done = live.run(live.AGENT, "pack", program, *flags(LIBRARIES), "-o", pack)
    if done.returncode:
        raise RuntimeError(f"pack: {done.stderr.strip()[-300:]}")
    live.run("strip", "-s", "-o", stripped, program)
    one_run(report, folder, f"{which}-stripped", stripped, profiles, "--pack", pack)
    metrics = one_run(report, folder, f"{which}-of-all", program, LIBRARIES)
    samples = Scrape(metrics).samples
    used = {dict(labels)["profile"] for labels, value in samples["mpc_bpf_agent_profile_used"].items() if value}
    rows = {name for labels in samples["mpc_bpf_agent_probe_state"] for name in dict(labels)["profile"].split(",")}
    report.check(f"{which}, only libraries that it uses have rows and series", [
        f"{name} is{'' if name in used else ' not'} said to be used" for name in used ^ set(profiles)
    ] + [f"{name} has rows" for name in rows - set(profiles)])


def together(report, folder):
    """Several profiles, and what of them does not go together."""
    mine, ours = folder / "mine.yaml", folder / "ours.yaml"

    def check(*names):
        done = live.run(live.AGENT, "check", *flags(names))
        return done.returncode, (done.stdout + done.stderr).strip()

    mine.write_text(MINE % ("mine_total", "stub::outer::work"))
    status, said = check(*LIBRARIES, "mpc-node", mine)
    report.check("all built-in profiles and one's own go together", [] if status == 0 else [said])
    faults = []
    for text, names, want in (
            (MINE % ("mpc_frost_signatures_total", "a::b"), ("frost", mine),
             f"built-in frost, line [0-9]+, and {mine}, line 4, both have the metric mpc_frost_signatures_total"),
            (MINE.replace("NODE_ID", "NAME") % ("x_total", "a::b"), ("mpc-node", mine),
             f"built-in mpc-node takes the node_id from the variable NODE_ID and {mine} from NAME"),
            (MINE % ("x_total", "a::b"), (mine, mine), f"the profile {mine} is named twice")):
        mine.write_text(text)
        for status, said in (check(*names), (lambda d: (d.returncode, d.stderr))(
                live.run(live.AGENT, "probes", "--exe", "/bin/true", *flags(names)))):
            if status != 1 or not re.search(want, said):
                faults.append(f"{status}, {said!r} is not {want}")
    report.check("what does not go together is said", faults)
    (folder / "stub.rs").write_text(STUB)
    done = live.run("rustc", "-O", "-g", "-o", folder / "stub", folder / "stub.rs")
    if done.returncode:
        raise RuntimeError(f"rustc: {done.stderr.strip()[-300:]}")
    mine.write_text(MINE % ("outer_total", "stub::outer::work"))
    ours.write_text(MINE.replace("mine", "ours") % ("inner_total", "stub::inner::work"))
    rows = {row["function"]: row for row in json.loads(live.run(
        live.AGENT, "probes", "--json", "--exe", folder / "stub", *flags((mine, ours))).stdout)}
    outer, inner = rows["stub::outer::work"], rows["stub::inner::work"]
    report.check("a function that only jumps on is refused, the one that works is not", [
        f"{row}" for row, state, words in ((outer, "refused", "only jumps on"), (inner, "ready", ""))
        if row["state"] != state or words not in (row["reason"] or "")])
    report.check("rows name their profiles", [f"{row}" for row, name in ((outer, "mine"), (inner, "ours"))
                                              if row["profiles"] != [name]])


def main():
    report = live.Report()
    live.need_root(report, "libraries")
    folder = live.scratch()
    with report.part("profiles together"):
        together(report, folder)
    with report.part("libraries"):
        done = live.run(live.ROOT / "scripts" / "libraries", "--print", seconds=3000)
        if done.returncode:
            raise RuntimeError(f"scripts/libraries: {done.stderr.strip()[-500:]}")
        programs = folder / "programs"
        shutil.copytree(done.stdout.strip(), programs)
        for which in sys.argv[1:] or PROGRAMS:
            with report.part(which):
                one_program(report, folder, programs, which)
    return report.status()


if __name__ == "__main__":
    sys.exit(main())
