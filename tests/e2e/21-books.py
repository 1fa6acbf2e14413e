#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Five nodes in three builds, all faults, more than 2,000 transactions: the agent's
counts equal the nodes' books, and its durations differ by less than the probes cost.

21-books.py [thin] [fat] [dev]
"""
# must-run-on-reference
# timeout: 900

import json
import sys

import live
from books import Scrape, compare
from cost import Meter, Switches, histograms, sums

CALM = ("--transactions", 150, "--concurrency", 1, "--dkgs", 2, "--faults", "none", "--settle")
FULL = ("--seed", 2, "--transactions", 2000, "--dkgs", 8, "--faults", "all", "--fault-percent", 8, "--settle")
FAULTS = ("double_vote", "invalid_signature", "minority_vote", "malformed_message", "timeout",
          "unrecorded_violation", "panic_vote", "cancel_votes", "drop_peer", "hang_up")
VOTE = "threshold_consensus::vote_processor::VoteProcessor::process_vote"
ENOUGH = 100  # calls, for a mean without an allowance for the scheduler


def process_vote_is_inlined(report, programs, build):
    """No symbol of its own, and the agent finds it inside its caller."""
    rows = json.loads(live.run(live.AGENT, "probes", "--exe", programs / "mpc-node", "--json").stdout)
    rows = [r for r in rows if r["function"] == VOTE and r["where"] != "drop glue"]
    faults = [f"{r['where']}: {r['state']}: {r['reason']}" for r in rows if r["state"] != "ready"]
    symbols = [line for line in live.run("nm", "-C", programs / "mpc-node").stdout.splitlines()
               if "process_vote::{{closure}}" in line and "drop_" not in line]
    if build == "thin":
        faults += [f"a symbol of its own: {s}" for s in symbols]
        faults += [] if rows and all(r["where"].startswith("inlined in ") for r in rows) else [f"found as {rows}"]
        report.check("thin: process_vote has no symbol, is inlined, and ready", faults)
    else:
        report.check(f"{build}: process_vote is ready", faults or ([] if rows else ["not found"]))


def calm_sums(report, build, before, after, truths_before, truths, cost):
    """Over all nodes: strictly less than the cost of the probes."""
    faults = []
    for name in histograms(truths):
        calls = books = ours = 0
        for scrape, those, sign in ((before, truths_before, -1), (after, truths, 1)):
            for _, _, count, book, our in sums(scrape, those, name):
                calls, books, ours = calls + sign * count, books + sign * book, ours + sign * our
        if not calls:
            continue
        each = (ours - books) / calls
        report.note(f"{build}, calm: {name}: {calls} calls, {each * 1e6:.1f} µs longer than the books each; "
                    f"the probes of a call cost {cost * 1e6:.1f} µs")
        if calls >= ENOUGH and not 0 <= each < cost:
            faults.append(f"{name}: {each * 1e6:.1f} µs a call, the probes cost {cost * 1e6:.1f} µs")
    report.check(f"{build}: calm, sums differ by less than the probes cost", faults)


def loaded_sums(report, build, scrape, truths, cost, switches):
    """Of each series: less than the cost of the probes and the waits for a processor."""
    faults = []
    for name in histograms(truths):
        total = [0, 0.0]
        for node, labels, calls, books, ours in sums(scrape, truths, name):
            bound = calls * cost + switches[node].allowance(calls * cost)
            total = [total[0] + calls, total[1] + ours - books]
            if not 0 <= ours - books < bound:
                faults.append(f"{name} node {node} {labels}: {calls} calls, books {books:.6f} s, agent {ours:.6f} s, "
                              f"allowed {bound:.6f} s more")
        report.note(f"{build}, loaded: {name}: {total[0]} calls, {total[1] / total[0] * 1e6:.1f} µs longer each; "
                    f"the probes of a call cost {cost * 1e6:.1f} µs, waits allowed "
                    f"{sum(s.allowance(total[0] * cost / len(switches)) for s in switches.values()) / total[0] * 1e6:.1f} µs")
    report.check(f"{build}: loaded, sums differ by less than the probes cost", faults)


def faults_happened(report, build, summary, truths):
    """Nothing is proven by faults that were not injected."""
    missing = [f"{f} was never injected" for f in FAULTS if not summary["faults"].get(f)]
    if summary["transactions"] < 2000:
        missing.append(f"only {summary['transactions']} transactions")
    for state in ("panicked", "cancelled"):
        if not sum(t["functions"]["process_vote"][state] for t in truths.values()):
            missing.append(f"no process_vote was {state}")
    missing += [f"the driver says: {n} times {e}" for e, n in summary["errors"].items()]
    report.check(f"{build}: 2,000 transactions, every fault injected", missing)


def one_build(report, build):
    programs = live.built(build)
    process_vote_is_inlined(report, programs, build)
    folder = live.scratch()
    meter = Meter(folder)
    with live.Cluster(programs, folder / "cluster") as cluster:
        agent = live.Agent(folder, "--exe", cluster.node, "--program-stats")
        report.note(f"{build}: " + agent.until_said(r'msg="([^"]*sites attached[^"]*)"')[1].rpartition("/")[2])
        truths_before, before, mark = cluster.truths(), Scrape(agent.metrics()), meter.mark()
        cluster.load(*CALM)
        truths, scrape = cluster.truths(), Scrape(agent.metrics())
        calm_sums(report, build, before, scrape, truths_before, truths, meter.cost(mark))

        mark = meter.mark()
        summary = cluster.load(*FULL)
        cost = meter.cost(mark)
        truths, scrape = cluster.truths(), Scrape(agent.metrics())
        switches = {str(m["id"]): Switches(m["pid"]) for m in cluster.members}
        report.note(f"{build}: {summary['transactions_per_second']:.0f} transactions a second")
        faults_happened(report, build, summary, truths)
        report.check(f"{build}: no node ended, panics caught", cluster.dead())
        result = compare(scrape, truths)
        report.note(f"{build}: {result.compared} values compared, {len(result.differences)} differ")
        report.check(f"{build}: all counts equal the books", result.differences)
        loaded_sums(report, build, scrape, truths, cost, switches)

        cluster.down()
        live.wait_for("the agent sees the nodes end",
                      lambda: not Scrape(agent.metrics()).sum("mpc_bpf_agent_target_up"))
        result = compare(Scrape(agent.metrics()), cluster.last_truths())
        report.check(f"{build}: after the nodes' end too", result.differences)
        status = agent.stop()
        report.check(f"{build}: the agent ends well", [] if status == 0 else [f"status {status}"])
    meter.close()


def main():
    report = live.Report()
    live.need_root(report, "books")
    for build in sys.argv[1:] or ("thin", "fat", "dev"):
        with report.part(f"{build}: all of it"):
            one_build(report, build)
    return report.status()


if __name__ == "__main__":
    sys.exit(main())
