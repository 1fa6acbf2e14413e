#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Numbers of calls as metrics: lengths of every kind of container and slice, times and
integers, as sums, as histograms and beside labels, of async functions (out of line,
inlined, dropped) and plain ones. Every one is equal to what numbers.rs handed over,
to the last digit, up to sums beyond 2^64; once from its own debug information and
once from a pack, stripped. What cannot be read, is not there or below 0, is counted as missing.

32-numbers.py
"""
# must-run-on-reference
# timeout: 200

import json
import re
import subprocess
import sys
from pathlib import Path

import live
from books import NEVER, Scrape

SOURCE = Path(__file__).with_name("numbers.rs")
PROFILE = Path(__file__).with_name("numbers.yaml")
MISSING = "mpc_bpf_agent_numbers_missing_total"
ROUNDS = 500
# By value, and on the stack before the first instruction that reads it: its row says so.
UNREADABLE = {"plain_boxed_bytes_total"}

REFUSED = """profile: refused
metrics:
  a_total: {type: counter, help: H, from: numbers::by_value, value: {arg: numbers}}
  b_total: {type: counter, help: H, from: numbers::inner, value: {arg: request.kind.len()}}
  c_total: {type: counter, help: H, from: numbers::hides, value: {arg: held.len()}}
  d_total: {type: counter, help: H, from: numbers::hides, value: {arg: request.maybe.len()}}
  e_total: {type: counter, help: H, from: numbers::hides, value: {arg: request.absent.len()}}
  f_total: {type: counter, help: H, from: numbers::plain_numbers, value: {arg: kind}}
  g_seconds: {type: histogram, buckets: [1], help: H, from: numbers::plain_limit, value: {arg: limit.secs.as_secs_f64()}}
"""
REASONS = {
    "numbers::by_value": ["argument numbers is unknown: Vec<u32, alloc::alloc::Global> is no number; "
                          "how many there are is len()"],
    "numbers::inner": ["argument request.kind.len() is unknown: no length is known of it (type Kind)"],
    "numbers::hides": ["argument held.len() is unknown: &numbers::SecretShares is secret by its name",
                       "argument request.maybe.len() is unknown: no length is known of it (type Option<",
                       'argument request.absent.len() is unknown: no field "absent" in '],
    "numbers::plain_numbers": ["kind is unknown: Kind is no number"],
    "numbers::plain_limit": ["limit.secs.as_secs_f64() is unknown: u64 is no Duration"],
}


def texts(metrics):
    """{name{labels without node_id}: value as it is written}"""
    found = {}
    for line in metrics.splitlines():
        match = re.match(r"([a-z_]+)(?:\{(.*)\})? (\S+)$", line)
        if match and 'node_id="numbers"' in (match[2] or ""):
            labels = ",".join(p for p in match[2].split(",") if not p.startswith("node_id="))
            found[f"{match[1]}{{{labels}}}" if labels else match[1]] = match[3]
    return found


def series(name, kind, le=None):
    labels = [f'{k}="{v}"' for k, v in (("kind", kind), ("le", le)) if v]
    return name + ("{" + ",".join(labels) + "}" if labels else "")


def same(text, number):
    """Exact where 64 bits hold it; beyond that, and of a time in seconds, the nearest double."""
    if isinstance(number, str):
        return text is not None and float(text) == float(number)
    return text == str(number) if number < 1 << 64 else text is not None and float(text) == float(number)


def faults_of(metrics, books):
    ours, faults, compared = texts(metrics), [], 0

    def compare(name, number):
        nonlocal compared
        compared += 1
        if not same(ours.get(name), number):
            faults.append(f"{name}: books {number}, agent {ours.get(name)}")

    missing = {}
    for name, number in books["sums"].items():
        family, _, about = name.partition("/")
        if about in ("negative", "other_variant"):
            missing[family, about] = number
        elif about == "time_sum":
            compare(series(f"{family}_sum", ""), repr(number / 1e9))
        elif about.endswith("_sum"):
            compare(series(f"{family}_sum", about.removesuffix("_sum")), number)
        elif name not in UNREADABLE:
            compare(series(family, about), number)
        else:
            compare(name, 0)
            missing[name, "unread"] = ROUNDS
    for name, buckets in books["buckets"].items():
        family, _, kind = name.partition("/")
        for i, bound in enumerate(("0", "1", "10", "100", "1000", "+Inf")):
            compare(series(f"{family}_bucket", kind, le=bound), sum(buckets[:i + 1]))
        compare(series(f"{family}_count", kind), sum(buckets))
    for name, buckets in books["times"].items():
        for i, bound in enumerate(("1e-06", "0.5", "1", "3600", "+Inf")):
            compare(series(f"{name}_bucket", "", le=bound), sum(buckets[:i + 1]))
        compare(f"{name}_count", sum(buckets))
    for family in {line.split()[2] for line in metrics.splitlines() if line.startswith("# TYPE ")}:
        for reason in ("unread", "negative", "other_variant"):
            name = f'{MISSING}{{metric="{family}",reason="{reason}"}}'
            if name in ours:
                compare(name, missing.pop((family, reason), 0))
    faults += [f"{name} {reason} is not served as missing" for name, reason in missing]
    scrape = Scrape(metrics)
    faults += [f"{name} is {scrape.sum(name):g}" for name in NEVER if scrape.sum(name)]
    return faults, compared


def one_run(report, folder, name, program, *options):
    go, truth = folder / f"{name}.go", folder / f"{name}.json"
    with live.Agent(folder, "--exe", program, "--profile", PROFILE, "--program-stats", *options,
                    name=f"{name}-agent") as agent:
        watched = live.Process(program, go, truth, log=folder / f"{name}.log", env={"NODE_ID": "numbers"})
        watched.until_said("ready")
        live.wait_for("the agent sees it", lambda: Scrape(agent.metrics()).get(
            "mpc_bpf_agent_target_up", node_id="numbers"))
        go.touch()
        if watched.child.wait(60):
            raise RuntimeError(f"it ended with {watched.child.returncode}: {watched.said()[-300:]}")
        live.wait_for("the agent sees its end", lambda: not Scrape(agent.metrics()).sum("mpc_bpf_agent_target_up"))
        faults, compared = faults_of(agent.metrics(), json.loads(truth.read_text()))
        report.note(f"{name}: {compared} numbers compared, {len(faults)} differ")
        report.check(f"{name}, every number is what was handed over", faults)


def reasons(report, folder, program):
    profile = folder / "refused.yaml"
    profile.write_text(REFUSED)
    done = live.run(live.AGENT, "probes", "--exe", program, "--profile", profile, "--json")
    said = {}
    for row in json.loads(done.stdout):
        said[row["function"]] = said.get(row["function"], "") + (row["reason"] or "")
    report.check("what is no number or has no length says so", [
        f"{function}: {said.get(function)!r} does not say {want!r}"
        for function, wants in REASONS.items() for want in wants if want not in said.get(function, "")])


def main():
    report = live.Report()
    live.need_root(report, "numbers")
    folder = live.scratch()
    with report.part("numbers of calls"):
        program = folder / "numbers"
        done = live.run("rustc", "--edition", "2021", "-C", "opt-level=3", "-g", "-o", program, SOURCE)
        if done.returncode:
            raise RuntimeError(f"rustc {SOURCE.name}: {done.stderr.strip()[-300:]}")
        reasons(report, folder, program)
        one_run(report, folder, "own debug information", program)
        pack, stripped = folder / "numbers.pack", folder / "stripped"
        done = live.run(live.AGENT, "pack", program, "--profile", PROFILE, "-o", pack)
        if done.returncode:
            raise RuntimeError(f"pack: {done.stderr.strip()[-300:]}")
        subprocess.run(["strip", "-s", "-o", stripped, program], check=True)
        one_run(report, folder, "pack", stripped, "--pack", pack)
    return report.status()


if __name__ == "__main__":
    sys.exit(main())
