#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""CGGMP24 in five nodes: a key, presignatures until every node has what it wants, and
signatures with a presignature and without. All that the agent counts, and the size of
the presignature pools, equals the books.

37-cggmp24.py [thin] [fat] [dev]
"""
# must-run-on-reference
# timeout: 600

import json
import sys
import time
from pathlib import Path

import live
from books import Comparison, Scrape, check_never, compare_counters, compare_functions, compare_histograms

PROFILE = Path(__file__).with_name("cggmp24.yaml")
POOL = "mpc_presignature_pool_size"
TARGET = 2  # presignatures of each node
BURST = 4  # more than there are presignatures
ONE = 100  # an amount that every node approves
OUR = ("mpc_signatures_total", "mpc_signature_duration_seconds", "mpc_dkg_duration_seconds")


def sign(member, count):
    """The states in which so many transactions, begun at once, come to their end."""
    ids = [live.post(member["rest"], "/transactions", {"to": "somebody", "amount": ONE, "protocol": "cggmp24"})["id"]
           for _ in range(count)]

    def state(txid):
        state = json.loads(live.get(member["rest"], f"/transactions/{txid}").text).get("state")  # none yet at first
        return state if state in ("confirmed", "failed", "rejected", "aborted_byzantine") else None
    return [live.wait_for(txid, lambda txid=txid: state(txid), seconds=60) for txid in ids]


def finished(cluster, function):
    return sum(t["functions"].get(function, {}).get("finished", 0) for t in cluster.truths().values())


def signed(report, build, cluster):
    """With a presignature where there is one; used up, without."""
    member = cluster.members[0]
    states = sign(member, 1)
    with_one = finished(cluster, "sign_message_fast")
    report.check(f"{build}, with a presignature all three signers use it",
                 ([] if states == ["confirmed"] else [f"it is {states[0]}"])
                 + ([] if with_one == 3 else [f"{with_one} calls of sign_message_fast"])
                 + (["run_signing was called"] if finished(cluster, "run_signing") else []))
    states = sign(member, BURST)
    without = finished(cluster, "run_signing")
    report.check(f"{build}, without one they sign in all rounds",
                 [f"one is {s}" for s in states if s != "confirmed"] + ([] if without >= 3 else [f"{without} calls"]))


def compared(scrape, truths):
    """Of the books only what the profile names."""
    result = Comparison()
    check_never(result, scrape)
    scrape.types.pop("calls_total", None)
    for node, truth in truths.items():
        ours = {**truth, **{kind: [m for m in truth[kind] if m["name"] in OUR] for kind in ("counters", "histograms")}}
        for compare in (compare_functions, compare_counters, compare_histograms):
            compare(result, scrape, ours, node)
        gauge = next((g["value"] for g in truth["gauges"] if g["name"] == POOL), None)
        mine = scrape.samples.get(POOL, {}).get((("node_id", node), ("protocol", "cggmp24")))
        result.equal(f"node {node} {POOL}", -1 if gauge is None else gauge, -1 if mine is None else mine)
        result.equal(f"node {node} has its presignatures", TARGET, gauge or 0)
    return result


def one_build(report, build):
    folder = live.scratch()
    programs = live.built(build, folder)
    rows = json.loads(live.run(live.AGENT, "probes", "--profile", PROFILE, "--exe", programs / "mpc-node",
                               "--json").stdout)
    for row in sorted(rows, key=lambda row: row["function"]):
        report.note(f"{row['function']}: {row['where']}, {row['state']}")
    report.check(f"{build}, every function is ready",
                 [f"{r['function']} {r['where']}: {r['reason']}" for r in rows if r["state"] != "ready"]
                 + ([] if rows else ["no rows"]))
    with live.Cluster(programs, folder / "cluster") as cluster:
        agent = live.Agent(folder, "--exe", cluster.node, "--profile", PROFILE, wait=False)
        agent.until_said(r"serving http://", seconds=120)
        agent.wait_serving().until_said(r"sites attached")
        first = cluster.members[0]
        began = time.monotonic()
        live.post(first["rest"], "/dkg", {"protocol": "cggmp24", "threshold": 3, "total_nodes": 5})
        made = time.monotonic()
        cluster.settle()  # the pools are full again, too
        report.note(f"{build}: a key in {made - began:.1f} s, {5 * TARGET} presignatures in "
                    f"{time.monotonic() - made:.1f} s more")
        signed(report, build, cluster)
        cluster.settle()  # the pools are full again, too
        result = compared(Scrape(agent.metrics()), cluster.truths())
        report.note(f"{build}: {result.compared} values compared, {len(result.differences)} differ")
        report.check(f"{build}, all counts and the pools' sizes equal the books", result.differences)
        report.check(f"{build}, every function was called",
                     [f"{f} never" for f, calls in sorted(result.calls.items()) if not calls])
        report.check(f"{build}, no node ended", cluster.dead())
        status = agent.stop()
        report.check(f"{build}, the agent ends well", [] if status == 0 else [f"status {status}"])


def main():
    report = live.Report()
    live.need_root(report, "cggmp24")
    for build in sys.argv[1:] or ("thin",):
        with report.part(f"{build}, all of it"):
            one_build(report, build)
    return report.status()


if __name__ == "__main__":
    sys.exit(main())
