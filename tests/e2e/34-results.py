#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Numbers of results: what functions returned, as sums, histograms and gauges, by paths
through variants and fields, of async functions and plain ones; and metrics that skip
calls by what they returned or were given. Every series is equal to the books of
results.rs, in builds with and without optimisation, with thin and fat LTO, and in one
from a pack, stripped. A result that has another variant is counted as that, and what
cannot be read as unread: never a wrong number.

34-results.py
"""
# must-run-on-reference
# timeout: 300

import json
import re
import subprocess
import sys
from pathlib import Path

import live
from books import NEVER, Scrape

SOURCE = Path(__file__).with_name("results.rs")
PROFILE = Path(__file__).with_name("results.yaml")
MISSING = "mpc_bpf_agent_numbers_missing_total"
CALLS = 400
THIN = ["-C", "opt-level=3", "-C", "lto=thin", "-C", "codegen-units=1"]
FAT = ["-C", "opt-level=3", "-C", "lto=fat", "-C", "codegen-units=1"]
# What the code of a build hides: its row says so.
INLINED = {"inner_config_total", "inner_pool_size", "inner_votes_total"}
# Behind these something else is made of the number in the same line: whatever is not read, none is wrong.
CHANGED = {"inner_picked_total", "inner_summed_total", "inner_lucky_total"}
UNREAD = {
    "dev": set(),
    "release": INLINED,
    "thin": INLINED | {"inner_failures_total"},
    "fat": INLINED | {"inner_failures_total", "active_nodes", "answer_nodes"},
}

REFUSED = """profile: refused
metrics:
  a_total: {type: counter, help: H, from: results::config, value: {return: OK}}
  b_total: {type: counter, help: H, from: results::config, value: {return: Ok.count}}
  c_total: {type: counter, help: H, from: results::vote, value: {return: Ok}}
  d_total: {type: counter, help: H, from: results::vote, value: {return: Ok.Idempotent}}
  e_total: {type: counter, help: H, from: results::nodes, value: {return: Ok}}
  f_total: {type: counter, help: H, from: results::height, value: {return: Ok}}
  g_total: {type: counter, help: H, from: results::stats, value: {return: size}}
  h_total: {type: counter, help: H, from: results::connect, labels: {l: {return: {Err: e}, skip: [Okay]}}}
"""
REASONS = {
    "results::config": ["the result's OK is unknown: no variant \"OK\" in Result<usize, results::Fault>; "
                        'did you mean "Ok"?',
                        "the result's Ok.count is unknown: no field \"count\" in usize"],
    "results::vote": ["the result's Ok is unknown: VoteResult is an enum; name one of its variants: "
                      "Accepted, Rejected, Idempotent",
                      "the result's Ok.Idempotent is unknown: Idempotent of VoteResult holds nothing"],
    "results::nodes": ["the result's Ok is unknown: Vec<results::NodeId, alloc::alloc::Global> is no number; "
                       "how many there are is len()"],
    "results::height": ["the result's Ok is unknown: u64 has nothing in it; a number itself is called \"number\""],
    "results::stats": ["the result's size is unknown: no field \"size\" in PoolStats; it has "],
    "results::connect": ['the result is unknown: no variant "Okay" in Result<u32, results::Fault>'],
}


def texts(metrics):
    """{name{labels without node_id}: value as it is written}"""
    found = {}
    for line in metrics.splitlines():
        match = re.match(r"([a-z_]+)\{(.*)\} (\S+)$", line)
        if match and 'node_id="results"' in match[2]:
            labels = [p.replace('"', "") for p in match[2].split(",") if not p.startswith("node_id=")]
            found[match[1] + ("{" + ",".join(labels) + "}" if labels else "")] = match[3]
    return found


def same(text, number):
    """Exact where 64 bits hold it; beyond that the nearest double."""
    return text == str(number) if abs(number) < 1 << 64 else text is not None and float(text) == float(number)


def family(series):
    return re.sub(r"_(bucket|sum|count)$", "", series.partition("{")[0])


def metric_of(series):
    about = re.search(r"metric=(\w+)", series)
    return about[1] if about else family(series)


def expected(books, unread):
    """The books where the numbers and labels of some metrics are not to be read."""
    wants = {name: number for name, number in books.items() if metric_of(name) not in unread | CHANGED}
    for metric in unread:
        if metric == "inner_failures_total":
            wants[f"{metric}{{result=unknown}}"] = CALLS
        else:
            wants[f"{MISSING}{{metric={metric},reason=unread}}"] = CALLS
    return wants


def wrong(ours, books):
    """Of numbers that are easily mistaken: one that is neither missing nor right, or a call too many."""
    faults = [f"{name}: books {number}, agent {ours[name]}" for name, number in books.items()
              if metric_of(name) in CHANGED and int(ours.get(name, 0)) > number]
    faults += [f"{name} is {ours[name]}, not {books[name]}" for name in CHANGED
               if int(ours.get(name, 0)) not in (0, books[name])]
    return faults


def faults_of(metrics, books, wants):
    ours, mine = texts(metrics), {m[1] for m in re.finditer(r"(?m)^  (\w+):$", PROFILE.read_text())}
    mine -= CHANGED
    faults = [f"{name}: books {number}, agent {ours.get(name)}" for name, number in wants.items()
              if not same(ours.get(name, "0"), number)]
    faults += [f"{name} is {value}, and in no book" for name, value in ours.items()
               if name not in wants and metric_of(name) in mine and float(value) and
               (family(name) in mine or name.startswith(MISSING)) and
               not name.startswith("send_failure_seconds")]
    faults += wrong(ours, books)
    scrape = Scrape(metrics)
    return faults + [f"{name} is {scrape.sum(name):g}" for name in NEVER if scrape.sum(name)]


def one_run(report, folder, name, build, program, *options):
    go, truth = folder / f"{name}.go", folder / f"{name}.json"
    with live.Agent(folder, "--exe", program, "--profile", PROFILE, "--program-stats", *options,
                    name=f"{name}-agent") as agent:
        watched = live.Process(program, go, truth, log=folder / f"{name}.log", env={"NODE_ID": "results"})
        watched.until_said("ready")
        live.wait_for("the agent sees it", lambda: Scrape(agent.metrics()).get(
            "mpc_bpf_agent_target_up", node_id="results"))
        go.touch()
        watched.until_said("done")
        books = json.loads(truth.read_text())
        wants = expected(books, UNREAD[build])
        faults = faults_of(agent.metrics(), books, wants)
        report.note(f"{name}: {len(wants)} values compared, {len(faults)} differ, {len(UNREAD[build])} not read")
        report.check(f"{name}, every value is what was returned", faults)
        go.unlink()
        watched.child.wait(30)


def reasons(report, folder, program):
    profile = folder / "refused.yaml"
    profile.write_text(REFUSED)
    done = live.run(live.AGENT, "probes", "--exe", program, "--profile", profile, "--json")
    said = {}
    for row in json.loads(done.stdout):
        said[row["function"]] = said.get(row["function"], "") + (row["reason"] or "")
    report.check("a path that is none says so, and what was perhaps meant", [
        f"{function}: {said.get(function)!r} does not say {want!r}"
        for function, wants in REASONS.items() for want in wants if want not in said.get(function, "")])


def built(folder, name, options):
    place = folder / name
    place.mkdir()
    done = live.run("rustc", "--edition", "2021", "-g", *options, "--out-dir", place, SOURCE)
    if done.returncode:
        raise RuntimeError(f"rustc {SOURCE.name}: {done.stderr.strip()[-300:]}")
    return place / "results"


def main():
    report = live.Report()
    live.need_root(report, "results")
    folder = live.scratch()
    for name, options in (("dev", []), ("release", ["-C", "opt-level=3"]), ("thin", THIN), ("fat", FAT)):
        with report.part(name):
            program = built(folder, name, options)
            if name == "release":
                reasons(report, folder, program)
            one_run(report, folder, name, name, program)
            if name != "thin":
                continue
            pack, stripped = folder / "results.pack", folder / "stripped"
            done = live.run(live.AGENT, "pack", program, "--profile", PROFILE, "-o", pack)
            if done.returncode:
                raise RuntimeError(f"pack: {done.stderr.strip()[-300:]}")
            subprocess.run(["strip", "-s", "-o", stripped, program], check=True)
            one_run(report, folder, "pack", "thin", stripped, "--pack", pack)
    return report.status()


if __name__ == "__main__":
    sys.exit(main())
