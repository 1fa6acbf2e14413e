#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Nodes that come, go and come back while the agent runs, and the agent's own end:
found within a second, one series for each node over all its lives, never less and
never double; after SIGTERM nothing of the agent is left, in the kernel or in the
nodes, and the nodes run on.
"""
# must-run-on-reference
# timeout: 300

import datetime
import os
import re
import signal
import sys
import threading
import time
from pathlib import Path

import live
from books import Comparison, Scrape, added, compare

FOUND = 1.0  # seconds


def found_after(agent, pid):
    """How long after its start the agent had found a process."""
    line = agent.until_said(rf'ts=(\S+)Z [^\n]*\bpid {pid}\b')
    found = datetime.datetime.fromisoformat(line[1]).replace(tzinfo=datetime.timezone.utc).timestamp()
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    started = time.time() - uptime + live.start_time(pid) / os.sysconf("SC_CLK_TCK")
    return found - started


class Watcher(threading.Thread):
    """Scrapes all the time: no counter of a node may ever become less, no gauge negative."""

    def __init__(self, agent):
        super().__init__(daemon=True)
        self.agent, self.faults, self.scrapes, self.over = agent, [], 0, threading.Event()
        self.start()

    def run(self):
        before = {}
        while not self.over.wait(0.1):
            try:
                scrape = Scrape(self.agent.metrics())
            except (OSError, ValueError, RuntimeError) as error:
                self.faults.append(f"a scrape failed: {error}")
                continue
            self.scrapes += 1
            now = {(name, labels): value for name, series in scrape.samples.items() for labels, value in series.items()
                   if name.endswith(("_total", "_count", "_bucket", "_sum")) and "node_id" in dict(labels)}
            self.faults += [f"{name}{dict(labels)} went from {before[name, labels]:g} to {value:g}"
                            for (name, labels), value in now.items() if value < before.get((name, labels), 0)]
            self.faults += [f"{name}{dict(labels)} is gone" for name, labels in before.keys() - now.keys()]
            before = now

    def stop(self):
        self.over.set()
        self.join()
        return self.faults


def check_restart(report, cluster, agent, folder):
    """A node restarts under load; then one is killed."""
    watcher = Watcher(agent)
    third, lives = cluster.members[2], {}
    load = cluster.load_until_stopped("--faults", "all", "--rate", 40, "--seed", 5)
    time.sleep(3)
    lives["3"] = cluster.restart(third, folder / "node-3-again.log")
    delay = found_after(agent, third["pid"])
    report.note(f"the restarted node was found after {delay * 1000:.0f} ms")
    report.check("a restarted node is found within a second", [f"after {delay:.2f} s"] if delay > FOUND else [])
    time.sleep(3)
    load.stop(seconds=120)
    cluster.quiet()
    page, truths = cluster.look(agent)
    scrape = Scrape(page)
    truths["3"] = added(lives["3"], truths["3"])
    names = sorted({dict(labels)["node_id"] for labels in scrape.samples["mpc_bpf_agent_target_up"]})
    report.check("one series for each node over both lives",
                 [] if names == sorted(truths) else [f"node_id: {', '.join(names)}"])
    result = compare(scrape, truths)
    report.note(f"{result.compared} values compared, {len(result.differences)} differ; "
                f"{truths['3']['functions']['process_vote']['started']} votes in the lives of node 3")
    report.check("after a restart all counts equal the books of both lives", result.differences)

    fifth = cluster.members[4]
    load = cluster.load_until_stopped("--faults", "none", "--rate", 40, "--seed", 6)
    time.sleep(2)
    os.kill(fifth["pid"], signal.SIGKILL)
    live.wait_for("the agent sees a killed node end",
                  lambda: not Scrape(agent.metrics()).get("mpc_bpf_agent_target_up", node_id="5"), seconds=5)
    load.stop(seconds=120)
    scrape, result = Scrape(agent.metrics()), Comparison()
    for function in scrape.functions("5"):
        calls = scrape.calls("5", function)
        result.equal(f"{function} in flight", 0, calls["in_flight"])
        result.equal(f"{function} started = finished + cancelled + lost", calls["started"],
                     calls["finished"] + calls["panicked"] + calls["cancelled"] + calls["lost"])
    report.check("a killed node, nothing in flight, what it took along is lost", result.differences)
    report.check("no counter ever decreased or vanished", watcher.stop())
    report.note(f"{watcher.scrapes} scrapes meanwhile")


def check_end(report, cluster, agent):
    held = live.kernel_objects(agent.pid)
    kinds = [kind for kind, _ in held]
    report.note(f"the agent holds {kinds.count('prog')} programs, {kinds.count('map')} maps, {kinds.count('link')} links")
    there = live.remaining(held)
    status = agent.stop(seconds=5)
    faults = [] if status == 0 else [f"status {status}"]
    if not {"prog", "map", "link"} <= {kind for kind, _ in there}:
        faults.append(f"of the kernel's objects, bpftool shows only {sorted(there)} while the agent runs")
    report.check("SIGTERM ends the agent with status 0", faults)
    try:  # maps go after a grace period
        live.wait_for("objects go", lambda: not live.remaining(held), seconds=5)
        left = []
    except RuntimeError:
        left = [f"{kind} {number} is still there" for kind, number in sorted(live.remaining(held))]
    report.check("no program, map or link of the agent is left", left)
    running = cluster.members[:4]
    report.check("the nodes' code is as in their file", [fault for member in running
                                                        for fault in live.changed_code(member["pid"], cluster.node)])
    dead = [f"node {m['id']} has ended" for m in running if not live.alive(m["pid"])]
    report.check("the nodes run on", dead + [f"node {m['id']} answers {status}" for m in running
                                             if (status := live.get(m["rest"], "/health").status) != 200])


def main():
    report = live.Report()
    live.need_root(report, "processes")
    with report.part("processes"):
        folder = live.scratch()
        programs = live.built("thin", folder)
        node = programs / "mpc-node"
        agent = live.Agent(folder, "--exe", node, "--program-stats")
        with live.Cluster(programs, folder / "cluster") as cluster:
            delays = {m["id"]: found_after(agent, m["pid"]) for m in cluster.members}
            report.note("found after " + ", ".join(f"{d * 1000:.0f} ms" for d in delays.values()))
            report.check("new nodes are found within a second",
                         [f"node {i} after {d:.2f} s" for i, d in delays.items() if d > FOUND])
            cluster.load("--transactions", 200, "--faults", "all", "--fault-percent", 20, "--settle")
            page, truths = cluster.look(agent)
            result = compare(Scrape(page), truths)
            report.check("nodes younger than the agent, all counts equal the books", result.differences)
            check_restart(report, cluster, agent, folder)
            check_end(report, cluster, agent)
    return report.status()


if __name__ == "__main__":
    sys.exit(main())
