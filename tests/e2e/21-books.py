#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Five nodes, all faults, 600 transactions (400 in some builds): the agent's
counts and gauges equal the nodes' books, and its durations differ by less than the probes cost.

21-books.py [thin] [fat] [dev] [stripped] [stripped-debian]      thin unless said otherwise

The first three are resolved from their own debug information. The stripped ones are
thin, without symbols and debug information, as wallets ship, and seen through a pack
that was made from the file before it was stripped; the last comes from Debian's compiler.
Builds other than thin take their time, and what differs in them is in 22-shapes.py; stripped nodes
are in 23-attach.py and 36-wallet.py too.
"""
# must-run-on-reference
# timeout: 2400

import json
import os
import sys
import time

import live
from books import Scrape, compare
from cost import Meter, check_sums, sums

WARM = ("--transactions", 20, "--dkgs", 4, "--faults", "none", "--settle")
CALM = ("--transactions", 150, "--concurrency", 1, "--dkgs", 16, "--faults", "none", "--settle")
FULL = ("--seed", 2, "--dkgs", 32, "--faults", "all", "--fault-percent", 8)
MANY, SOME = 600, 400  # transactions: in the builds that ship, and in the others
FAULTS = ("double_vote", "invalid_signature", "minority_vote", "malformed_message", "timeout",
          "unrecorded_violation", "panic_vote", "cancel_votes", "drop_peer", "hang_up")
BUILDS = {"thin": ("thin",), "fat": ("fat",), "dev": ("dev",),
          "stripped": ("thin",), "stripped-debian": ("thin", "--debian-rust")}
PACK_BYTES_MAX = 200_000
VOTE = "threshold_consensus::vote_processor::VoteProcessor::process_vote"


def process_vote_is_inlined(report, programs, build):
    """No symbol of its own, and the agent finds it inside its caller."""
    rows = json.loads(live.run(live.AGENT, "probes", "--exe", programs / "mpc-node", "--json").stdout)
    rows = [r for r in rows if r["function"] == VOTE and r["where"] != "drop glue"]
    faults = [f"{r['where']}: {r['state']}: {r['reason']}" for r in rows if r["state"] != "ready"]
    symbols = [line for line in live.run("nm", "-C", programs / "mpc-node").stdout.splitlines()
               if "process_vote::{{closure}}" in line and "drop_" not in line]
    if build not in ("fat", "dev"):
        faults += [f"a symbol of its own: {s}" for s in symbols]
        faults += [] if rows and all(r["where"].startswith("inlined in ") for r in rows) else [f"found as {rows}"]
        report.check(f"{build}, process_vote has no symbol, is inlined, and ready", faults)
    else:
        report.check(f"{build}, process_vote is ready", faults or ([] if rows else ["not found"]))


def look(cluster, agent):
    page, truths = cluster.look(agent)
    return Scrape(page), truths


class Sums:
    """Durations of one stretch of load, and what the probes cost meanwhile."""

    def __init__(self, report, what, cluster, agent, meter):
        self.report, self.what, self.cluster, self.meter = report, what, cluster, meter
        self.before = sums(*look(cluster, agent))
        self.mark = meter.mark()

    def check(self, scrape, truths):
        faults, notes = check_sums(self.before, sums(scrape, truths), self.meter.cost(self.mark))
        for note in notes:
            self.report.note(f"{self.what}: {note}")
        self.report.check(f"{self.what}, sums differ by less than the probes cost", faults)


def transactions(build):
    return MANY if build in ("thin", "stripped") else SOME


def faults_happened(report, build, summary, truths):
    """Nothing is proven by faults that were not injected."""
    missing = [f"{f} was never injected" for f in FAULTS if not summary["faults"].get(f)]
    if summary["transactions"] < transactions(build):
        missing.append(f"only {summary['transactions']} transactions")
    for state in ("panicked", "cancelled"):
        if not sum(t["functions"]["process_vote"][state] for t in truths.values()):
            missing.append(f"no process_vote was {state}")
    missing += [f"the driver says: {n} times {e}" for e, n in summary["errors"].items()]
    report.check(f"{build}, {transactions(build)} transactions, every fault injected", missing)


def packed(report, build, programs, folder):
    """Makes the pack of the node, and puts the stripped file in the node's place."""
    pack = folder / "mpc-node.pack"
    began = time.monotonic()
    done = live.run(live.AGENT, "pack", programs / "mpc-node", "-o", pack)
    seconds = time.monotonic() - began
    faults = [done.stderr.strip()] if done.returncode else []
    if not faults and pack.stat().st_size >= PACK_BYTES_MAX:
        faults.append(f"{pack.stat().st_size} bytes")
    report.check(f"{build}, the pack is made and small", faults)
    report.note(f"{build}: a pack of {pack.stat().st_size} bytes in {seconds:.1f} s")
    os.replace(programs / "mpc-node.stripped", programs / "mpc-node")
    sections = live.run("readelf", "-SW", programs / "mpc-node").stdout
    report.check(f"{build}, the node has no symbols and no debug information",
                 [word for word in (".symtab", ".debug_info") if word in sections])
    return "--pack", pack


def one_build(report, build):
    folder = live.scratch()
    profile, *compiler = BUILDS[build]
    programs = live.built(profile, folder, *compiler)
    process_vote_is_inlined(report, programs, build)
    pack = packed(report, build, programs, folder) if build.startswith("stripped") else ()
    meter = Meter(folder, optimised=build != "dev")
    with live.Cluster(programs, folder / "cluster") as cluster:
        agent = live.Agent(folder, "--exe", cluster.node, "--program-stats", *pack)
        live.never_interrupted(m["pid"] for m in cluster.members)
        report.note(f"{build}: " + agent.until_said(r'msg="([^"]*sites attached[^"]*)"')[1].rpartition("/")[2])
        first = look(cluster, agent)
        cluster.load(*WARM)
        stretch = Sums(report, f"{build}, calm", cluster, agent, meter)
        cluster.load(*CALM)
        stretch.check(*look(cluster, agent))

        stretch = Sums(report, f"{build}, loaded", cluster, agent, meter)
        summary = cluster.load(*FULL, "--transactions", transactions(build), seconds=900)
        cluster.settle()
        scrape, truths = look(cluster, agent)
        report.note(f"{build}: {summary['transactions_per_second']:.0f} transactions a second")
        faults_happened(report, build, summary, truths)
        report.check(f"{build}, no node ended, panics caught", cluster.dead())
        result = compare(scrape, truths, first)
        report.note(f"{build}: {result.compared} values compared, {len(result.differences)} differ")
        report.check(f"{build}, all counts equal the books", result.differences)
        stretch.check(scrape, truths)

        cluster.down()
        live.wait_for("the agent sees the nodes end",
                      lambda: not Scrape(agent.metrics()).sum("mpc_bpf_agent_target_up"))
        result = compare(Scrape(agent.metrics()), cluster.last_truths())
        report.check(f"{build}, after the nodes' end too", result.differences)
        status = agent.stop()
        report.check(f"{build}, the agent ends well", [] if status == 0 else [f"status {status}"])
    meter.close()


def main():
    report = live.Report()
    live.need_root(report, "books")
    for build in sys.argv[1:] or ("thin",):
        with report.part(f"{build}, all of it"):
            one_build(report, build)
    return report.status()


if __name__ == "__main__":
    sys.exit(main())
