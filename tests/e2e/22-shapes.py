#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Every way an async call can look, in three builds and by two compilers: many polls on many threads, a
thousand calls in flight, recursion, generics, join!, select!, timeout, spawn,
JoinSet, FuturesUnordered, async traits, #[instrument], panics, and every way to be
cancelled. All counts equal the books of mpc-shapes.

Labels are compared value by value wherever `probes` says that the value is read.
Where it says that a value is unknown, calls under `unknown` and under the values must
make the right sum and no value may have more calls than the books; it is said which.

22-shapes.py [thin] [fat] [dev] [debian]      debian: thin, of Debian's compiler
"""
# must-run-on-reference
# timeout: 600

import json
import sys
from collections import Counter
from pathlib import Path

import live
from books import Comparison, Scrape, check_never, compare_functions, last_segments

PROFILE = Path(__file__).with_name("shapes.yaml")
FAMILIES = ("shape_flag_total", "shape_digit_total", "shape_colour_total")
TIMES = 300
BUILDS = {"thin": ("thin",), "fat": ("fat", "--shapes"), "dev": ("dev",),
          "debian": ("thin", "--debian-rust", "--shapes")}

# What mpc-shapes does with these makes no difference between Ok and Err, and the
# optimiser keeps none: their results cannot be had in these builds. All others can.
NO_DIFFERENCE = {"generic (result)", "inner (result)", "at_once (result)"}


def probes(program):
    """Of each function: the states of its instances, and what is unknown of its calls."""
    done = live.run(live.AGENT, "probes", "--exe", program, "--profile", PROFILE, "--json")
    if done.returncode not in (0, 2):  # 2: not all functions can be probed, as the rows say
        raise RuntimeError(f"probes: {done.stderr.strip() or done.stdout[-500:]}")
    functions = {}
    for row in json.loads(done.stdout):
        function = functions.setdefault(row["function"], {"refused": [], "unknown": set()})
        reason = row["reason"] or ""
        if row["state"] not in ("ready", "partial"):
            function["refused"].append(f"{row['function']} {row['where']}: {row['state']}: {reason}")
        for part in reason.split("; "):
            what, is_unknown, _ = part.partition(" is unknown")
            if is_unknown:
                function["unknown"].add("result" if what == "the result" else "argument")
    return functions


def of_agent(scrape):
    """{shape: Counter of (argument, result)} as the agent has them."""
    shapes = {}
    for family in FAMILIES:
        for labels, value in scrape.samples.get(family, {}).items():
            labels = dict(labels)
            if value:
                shapes.setdefault(labels["shape"], Counter())[labels["argument"], labels["result"]] += value
    return shapes


def of_books(truth):
    shapes = {}
    for counter in truth["counters"]:
        labels = counter["labels"]
        shape = labels["shape"].replace("::", "_")
        shapes.setdefault(shape, Counter())[labels["argument"], labels["result"]] += counter["value"]
    return shapes


def compare_labels(result, shape, books, ours, unknown):
    def known(labels):
        return tuple("*" if name in unknown else value for name, value in zip(("argument", "result"), labels))

    together = (Counter(), Counter())
    for side, counts in zip(together, (books, ours)):
        for labels, n in counts.items():
            side[known(labels)] += n
    for labels in sorted(together[0].keys() | together[1].keys()):
        result.equal(f"{shape} {labels}", together[0][labels], together[1][labels])
    for labels, n in ours.items():
        if "unknown" not in labels:
            result.compared += 1
            if n > books[labels]:
                result.differences.append(f"{shape} {labels}: books {books[labels]}, agent {n:g}: too many")


def compare_durations(result, scrape, truth, shape, function):
    """The sum of what returned is not less than the books', and not absurdly more."""
    books = truth["functions"][next(n for n in last_segments(function) if n in truth["functions"])]
    where = {"node_id": "shapes", "shape": shape}
    result.equal(f"{shape} durations", books["finished"], scrape.get("shape_duration_seconds_count", **where))
    longer = scrape.get("shape_duration_seconds_sum", **where) - books["duration_sum_seconds"]
    result.compared += 1
    if longer < -1e-6:
        result.differences.append(f"{shape}: the durations' sum is {-longer:.6f} s less than the books'")


def one_build(report, build):
    folder = live.scratch()
    profile, *options = BUILDS[build]
    programs = live.built(profile, folder, *options)
    functions = probes(programs / "mpc-shapes")
    report.check(f"{build}, every instance of every shape can be probed",
                 [line for f in functions.values() for line in f["refused"]])
    with live.Agent(folder, "--exe", programs / "mpc-shapes", "--profile", PROFILE, "--program-stats") as agent:
        shapes = live.Shapes(programs, folder, TIMES)
        live.wait_for("the agent sees mpc-shapes", lambda: Scrape(agent.metrics()).get(
            "mpc_bpf_agent_target_up", node_id="shapes"))
        shapes.go()
        truth = shapes.finish()
        live.wait_for("the agent sees its end", lambda: not Scrape(agent.metrics()).sum("mpc_bpf_agent_target_up"))
        scrape = Scrape(agent.metrics())

        calls = Comparison()
        check_never(calls, scrape)
        compare_functions(calls, scrape, truth, "shapes")
        report.note(f"{build}: {calls.compared} numbers of calls compared, {len(calls.differences)} differ; "
                    f"{sum(f['started'] for f in truth['functions'].values())} calls")
        report.check(f"{build}, started, returned, panicked, cancelled, in flight", calls.differences)
        absent = truth["functions"].keys() - {n for f in functions for n in last_segments(f)}
        report.check(f"{build}, no shape is left out", [f"{name} is not in the profile" for name in absent])

        labels = Comparison()
        books, ours, unread = of_books(truth), of_agent(scrape), []
        for function, about in functions.items():
            shape = next(n for n in last_segments(function) if n in truth["functions"]).replace("::", "_")
            compare_labels(labels, shape, books.get(shape, Counter()), ours.get(shape, Counter()), about["unknown"])
            compare_durations(labels, scrape, truth, shape, function)
            unread += [f"{shape} ({word})" for word in sorted(about["unknown"])]
        report.note(f"{build}: {labels.compared} labelled counts compared, {len(labels.differences)} differ")
        report.check(f"{build}, every result that is still there when the call ends is read",
                     [f"{name} is unknown" for name in unread if name.endswith("(result)") and name not in NO_DIFFERENCE])
        if unread:
            report.note(f"{build}: unknown says probes, so only the sum: {', '.join(unread)}")
        report.check(f"{build}, labels and durations", labels.differences)


def main():
    report = live.Report()
    live.need_root(report, "shapes")
    for build in sys.argv[1:] or BUILDS:
        with report.part(f"{build}, all of it"):
            one_build(report, build)
    return report.status()


if __name__ == "__main__":
    sys.exit(main())
