#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Nodes as they ship (stripped, with a pack) under full load, attached and detached
100 times: no crash, no wrong signature, no lost count while attached.

While attached, the books are read before and after each scrape: what the agent counted
between two scrapes lies between what the books counted at least and at most.
"""
# must-run-on-reference
# timeout: 900

import sys
import time

import live
from books import Scrape, last_segments

TIMES = 100
WINDOW = 0.3  # seconds between the two scrapes


def started(truth, name):
    return truth["functions"].get(name, {}).get("started", 0)


def finished(truth, name):
    return truth["functions"].get(name, {}).get("finished", 0)


def looks(agent, cluster):
    """A scrape between two looks into the books."""
    before = cluster.truths()
    scrape = Scrape(agent.metrics())
    return before, scrape, cluster.truths()


def check_window(first, second):
    """Lines of what does not fit between the books, and the number of calls seen."""
    (a_before, a, a_after), (b_before, b, b_after) = first, second
    faults, seen = [], 0
    for node in a_before:
        for function in b.functions(node):
            name = next((n for n in last_segments(function) if n in a_before[node]["functions"]),
                        last_segments(function)[-1])
            old, new = a.calls(node, function), b.calls(node, function)
            where = {"node_id": node, "function": function}
            counts = {
                "started": (started, new["started"] - old["started"]),
                # ends of calls that were under way when the probes were set have no start
                "finished": (finished, new["finished"] - old["finished"]
                             + b.get("mpc_bpf_agent_ends_without_start_total", **where)
                             - a.get("mpc_bpf_agent_ends_without_start_total", **where)),
            }
            for what, (count, ours) in counts.items():
                least = count(b_before[node], name) - count(a_after[node], name)
                most = count(b_after[node], name) - count(a_before[node], name)
                if not least <= ours <= most:
                    faults.append(f"node {node} {name} {what}: agent {ours:g}, books {least} to {most}")
            seen += new["started"] - old["started"]
            ended = new["finished"] + new["panicked"] + new["cancelled"] + new["in_flight"] + new["lost"]
            if new["lost"]:
                faults.append(f"node {node} {name}: {new['lost']:g} lost")
            # The numbers are read one after the other while calls begin and end: only those may stand twice or nowhere.
            moving = sum(count(b_after[node], name) - count(b_before[node], name) for count in (started, finished))
            if abs(new["started"] - ended) > moving:
                faults.append(f"node {node} {name}: started {new['started']:g}, ended or in flight {ended:g}")
    return faults, seen


def check_work(summary, truths):
    """What the nodes did meanwhile is what they always do."""
    faults = [f"{n} times {error}" for error, n in summary["errors"].items()]
    faults += [f"{n} transactions are {state}" for state, n in summary["ended"].items()
               if state not in ("confirmed", "rejected", "failed") and n]
    wrong = sum(c["value"] for t in truths.values() for c in t["counters"]
                if c["name"] == "mpc_signatures_total" and c["labels"] == {"protocol": "frost", "result": "failure"})
    if wrong:
        faults.append(f"{wrong} FROST signatures failed")
    refused = sum(c["value"] for t in truths.values() for c in t["counters"]
                  if c["name"] == "mpc_signatures_total" and c["labels"]["protocol"] == "cggmp24")
    if summary["ended"].get("failed", 0) != refused:
        faults.append(f"{summary['ended'].get('failed', 0)} transactions failed, {refused} had no key")
    violations = sum(c["value"] for t in truths.values() for c in t["counters"]
                     if c["name"] == "mpc_byzantine_violations_total")
    if violations:
        faults.append(f"{violations} Byzantine violations, none was injected")
    return faults


def main():
    report = live.Report()
    live.need_root(report, "attach and detach")
    with report.part("attach and detach"):
        folder = live.scratch()
        programs = live.built("thin", folder)
        pack = live.packed(report, programs / "mpc-node", folder / "node.pack")
        with live.Cluster(programs, folder / "cluster", node=programs / "mpc-node.stripped") as cluster:
            # One key for all: while a newer one is made, a signature may fail for want of it.
            cluster.load("--transactions", 1, "--dkgs", 1, "--faults", "none", "--settle")
            load = cluster.load_until_stopped("--transactions", 10 ** 9, "--dkgs", 0, "--faults", "none", "--settle",
                                              "--seed", 2, "--concurrency", 12)
            time.sleep(1)
            windows, statuses, seen, attach_seconds = [], [], 0, 0.0
            for turn in range(TIMES):
                began = time.monotonic()
                agent = live.Agent(folder, "--exe", cluster.node, "--pack", pack)
                attach_seconds += time.monotonic() - began
                first = looks(agent, cluster)
                time.sleep(WINDOW)
                faults, calls = check_window(first, looks(agent, cluster))
                windows += [f"turn {turn}: {fault}" for fault in faults]
                seen += calls
                status = agent.stop()
                if status:
                    statuses.append(f"turn {turn}: status {status}: {agent.said()[-200:].strip()}")
                if cluster.dead() or load.child.poll() is not None:
                    break
            report.note(f"{turn + 1} times, {attach_seconds / (turn + 1):.2f} s until it served, {seen:g} calls seen")
            report.check(f"attached and detached {TIMES} times, each agent ended well",
                         statuses + ([] if turn + 1 == TIMES else [f"only {turn + 1} times"]))
            report.check("no node crashed", cluster.dead())
            report.check("no count is lost while attached", windows + ([] if seen > TIMES else ["hardly any call seen"]))
            load.stop(seconds=120)
            summary = live.json.loads(load.said()[load.said().index("{"):])
            report.note(f"{summary['transactions']} transactions, {summary['transactions_per_second']:.0f} a second")
            report.check("no wrong signature, no error", check_work(summary, cluster.truths()))
            report.check("the nodes' code is as in their file",
                         [fault for m in cluster.members for fault in live.changed_code(m["pid"], cluster.node)])
    return report.status()


if __name__ == "__main__":
    sys.exit(main())
