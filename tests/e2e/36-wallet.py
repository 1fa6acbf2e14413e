#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The whole wallet, its nodes stripped as they ship, while its ground shakes: a node is killed
and comes back, a member of etcd too, PostgreSQL is restarted, a node is cut off from its peers,
another one shows a wrong certificate. After each of these the agent's counters, gauges and
histograms equal the books.

36-wallet.py [TRANSACTIONS [MINUTES]]    360 as fast as may be unless said otherwise; with MINUTES
                                         they are spread over so long: the long run is 5000 or 1400 35
"""
# must-run-on-reference
# timeout: 1500

import contextlib
import sys
import time

import live
from books import FAMILIES, Scrape, added, compare

PARTS = 6  # so many loads share the transactions
AWAY = 50  # transactions while a node is dead: its peers wait for it, and after five minutes it is forgotten
TRANSACTIONS = 360
OUTAGE = 4  # seconds
LOST = 12  # seconds until a peer that says nothing is lost


class Run:
    """A cluster, its agent, and what is known of lives that have ended."""

    def __init__(self, report, cluster, agent, each, seconds):
        self.report, self.cluster, self.agent, self.each = report, cluster, agent, each
        self.rate = ("--rate", round(each / seconds, 3)) if seconds else ()
        self.limit = 300 + each + 2 * seconds
        self.lives, self.seed, self.began = {}, 50, 0
        page, truths = cluster.look(agent)
        self.first = Scrape(page), truths

    @contextlib.contextmanager
    def load(self, *options, transactions=0):
        """A share of the transactions, or so many, with whatever is done meanwhile."""
        self.seed += 1
        number = transactions or self.each
        process = live.Process(*self.cluster.command("load", "--seed", self.seed, "--transactions", number,
                                                     "--dkgs", 2, *(() if transactions else self.rate),
                                                     *(options or ("--faults", "all"))),
                               log=self.cluster.folder / f"load-{self.seed}.log")
        try:
            yield process
            status = process.child.wait(self.limit)
            if status:
                raise RuntimeError(f"mpc-driver load ended with {status}: {process.said()[-300:]}")
            self.began += number
        finally:
            if process.child.poll() is None:
                process.stop()

    def compare(self, what, fault=lambda scrape, truths: []):
        """All that has been counted since the beginning."""
        self.cluster.quiet()
        page, truths = self.cluster.look(self.agent)
        scrape = Scrape(page)
        truths = {node: added(self.lives[node], truth) if node in self.lives else truth
                  for node, truth in truths.items()}
        result = compare(scrape, truths, self.first)
        self.report.note(f"{what}: {result.compared} values compared, {len(result.differences)} differ")
        self.report.check(f"{what}, all counts and gauges equal the books", result.differences)
        self.report.check(f"{what}, it shows", fault(scrape, truths))
        return scrape, truths

    def gauge(self, name, node, wanted, seconds=30):
        def seen():
            return Scrape(self.agent.metrics()).sum(name, node_id=node) == wanted
        try:
            live.wait_for(f"{name} of node {node} is {wanted}", seen, seconds, every=0.3)
            return []
        except RuntimeError as error:
            return [f"{error}: it is {Scrape(self.agent.metrics()).sum(name, node_id=node):g}"]


def errors(**wanted):
    """A check that there were such network errors."""
    def check(scrape, _):
        return [] if scrape.sum("mpc_network_errors_total", **wanted) else [f"no network error {wanted or ''}"]
    return check


def calm(run):
    with run.load():
        pass
    run.compare("nothing broken")
    run.report.check("nothing broken, four peers", run.gauge("mpc_connected_peers", "1", 4))


def killed_node(run):
    cluster, fifth = run.cluster, run.cluster.members[4]
    run.lives["5"] = cluster.truth(fifth)
    cluster.fault("--kill-node", 5)
    run.report.check("a killed node, the others miss a peer", run.gauge("mpc_connected_peers", "1", 3))
    run.report.check("a killed node, four are active", run.gauge("mpc_active_nodes", "1", 4))
    del run.first[1]["5"]  # its second life began under watch
    with run.load("--faults", "none", transactions=AWAY):
        pass
    cluster.fault("--start-node", 5)
    with run.load():
        pass
    run.report.check("a killed node, all five are active again", run.gauge("mpc_active_nodes", "1", 5))
    run.report.check("a killed node, and connected", run.gauge("mpc_connected_peers", "1", 4))
    run.compare("a killed node", errors())


def killed_etcd(run):
    with run.load():
        time.sleep(2)
        run.cluster.fault("--kill-etcd", 1)
        time.sleep(OUTAGE)
        run.cluster.fault("--start-etcd", 1)
    run.compare("a killed member of etcd")


def restarted_postgres(run):
    with run.load():
        time.sleep(2)
        run.cluster.fault("--restart-postgres")
    run.compare("a restart of PostgreSQL")


def partitioned_peer(run):
    with run.load():
        time.sleep(2)
        run.cluster.fault("--partition", 2)
        time.sleep(LOST)
        run.cluster.fault("--heal", 2)
    run.compare("a node without a network", errors(error_type="timeout"))


def wrong_certificate(run):
    with run.load():
        time.sleep(2)
        run.cluster.fault("--wrong-certificate", 3)
        time.sleep(OUTAGE)
        run.cluster.fault("--right-certificate", 3)
    scrape, truths = run.compare("a wrong certificate", errors(error_type="handshake"))
    refused = {node: scrape.sum("mpc_tls_handshake_failures_total", node_id=node) for node in truths}
    sides = {side: sum(c["value"] for truth in truths.values() for c in truth["counters"]
                       if c["name"] == "mpc_tls_handshake_failures_total" and c["labels"]["side"] == side)
             for side in ("client", "server")}
    run.report.check("a wrong certificate, the others refuse it, whoever dials",
                     ([] if not refused.pop("3") and all(refused.values()) else [f"refused by {refused}"])
                     + [f"no {side} refused one" for side, n in sides.items() if not n])


def all_families(run):
    scrape, _ = run.compare("at the end")
    nodes = {str(m["id"]) for m in run.cluster.members}
    faults = []
    for family, kind in FAMILIES.items():
        name = f"{family}_count" if kind == "histogram" else family
        shown = {dict(labels)["node_id"] for labels in scrape.samples.get(name, {})}
        if scrape.types.get(family) != kind:
            faults.append(f"{family} is no {kind}")
        elif shown != nodes:
            faults.append(f"{family} is there for the nodes {', '.join(sorted(shown)) or 'none'}")
    run.report.check("all families of the wallet are there for all nodes", faults)
    run.report.check("nodes say of themselves what a process is, and none of these",
                     [fault for m in run.cluster.members for fault in own_metrics(m)])


def own_metrics(member):
    """What is wrong with a node's own page: a family that the agent has would be added up with it."""
    names = set(Scrape(live.get(member["rest"], "/metrics").text).types)
    missing = {"process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds"} - names
    return [f"node {member['id']} has no {name}" for name in sorted(missing)] + \
           [f"node {member['id']} has {name}" for name in sorted(names) if name.startswith("mpc_")]


def main():
    report = live.Report()
    live.need_root(report, "the whole wallet")
    each = int(sys.argv[1] if sys.argv[1:] else TRANSACTIONS) // PARTS
    seconds = float(sys.argv[2]) * 60 / PARTS if sys.argv[2:] else 0
    began = time.monotonic()
    with report.part("the whole wallet"):
        folder = live.scratch()
        programs = live.built("thin", folder)
        pack = live.packed(report, programs / "mpc-node", folder / "node.pack")
        with live.Cluster(programs, folder / "cluster", node=programs / "mpc-node.stripped") as cluster, \
                live.Agent(folder, "--exe", cluster.node, "--pack", pack, "--program-stats") as agent:
            run = Run(report, cluster, agent, each, seconds)
            report.parts((calm, killed_node, killed_etcd, restarted_postgres, partitioned_peer, wrong_certificate,
                          all_families), run)
            report.note(f"{run.began} transactions in {(time.monotonic() - began) / 60:.0f} minutes")
            report.check("no node ended but the one that was killed", cluster.dead())
    return report.status()


if __name__ == "__main__":
    sys.exit(main())
