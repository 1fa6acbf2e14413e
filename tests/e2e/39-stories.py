#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What goes wrong in a wallet at night, played on nodes that are stripped as they ship:
a double vote, one that the database does not take, a slow signature, signatures that time
out and are asked for again, a query that never ends, a lost peer, an empty pool of
presignatures, an etcd without a leader. The first scrape after a node's own books know of
it shows each as what it is. At the end all that was counted equals the books.
"""
# must-run-on-reference
# timeout: 400

import json
import sys
import time
from pathlib import Path

import live
from books import Scrape, compare

POOL = "mpc_presignature_pool_size"
TARGET = 2  # presignatures that a node keeps
ONE = 100  # an amount that every node approves of
COORDINATOR, SIGNER = 3, 4  # 3 asks 4 and 5 to sign
SLOW = 3  # seconds that a signer does not answer
SIGNING_TIMEOUT = 10  # seconds, of the node
NOTICED = 3  # seconds in which nodes notice that a connection is dead at its other end: they say that they live
PATIENCE = 8  # seconds for which a node asks etcd
QUERY = 6  # seconds that PostgreSQL does not answer
SIGN = "threshold_orchestrator::signing_coordinator::SigningCoordinator::sign_transaction"
QUEUE = "threshold_storage::postgres::PostgresStorage::get_transactions_by_state"
ACTIVE = "threshold_storage::etcd::EtcdStorage::get_active_nodes"
AGE = "mpc_bpf_agent_calls_in_flight_oldest_seconds"
AGE_SLACK = 1.0  # seconds between a look at the clock here and the scrape


def total(truths, name, **labels):
    """A counter of the books, over all nodes."""
    return sum(c["value"] for truth in truths.values() for c in truth["counters"]
               if c["name"] == name and labels.items() <= c["labels"].items())


class Night:
    def __init__(self, report, cluster, agent):
        self.report, self.cluster, self.agent, self.seed = report, cluster, agent, 390
        page, truths = cluster.look(agent)
        self.first = Scrape(page), truths

    def scrape(self):
        return Scrape(self.agent.metrics())

    def load(self, *options):
        self.seed += 1
        return self.cluster.load("--seed", self.seed, "--dkgs", 0, *options)

    def post(self, protocol="frost", sign=True):
        """A transaction for the coordinator."""
        live.post(self.cluster.members[COORDINATOR - 1]["rest"], "/transactions",
                  {"to": "x", "amount": ONE, "protocol": protocol, "sign": sign})

    def signatures(self, result, protocol="frost"):
        truth = self.cluster.truth(self.cluster.members[COORDINATOR - 1])
        return total({COORDINATOR: truth}, "mpc_signatures_total", protocol=protocol, result=result)

    def until_signed(self, result, before, protocol="frost"):
        live.wait_for(f"a signature that is a {result}", lambda: self.signatures(result, protocol) > before)

    def shown(self, name, wanted):
        """One scrape, and what it lacks: {what: (what was expected, what is there)}."""
        self.report.check(name, [f"{what}: {expected} was expected, it is {there}"
                                 for what, (expected, there) in wanted(self.scrape()).items() if expected != there])


def children(pid):
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def double_vote(night):
    night.load("--transactions", 3, "--faults", "double_vote", "--fault-percent", 100, "--settle")
    name, of = "mpc_byzantine_violations_total", {"type": "double_vote"}
    books = total(night.cluster.truths(), name, **of)
    night.report.check("a double vote happened", [] if books else ["the books have none"])
    night.shown("a double vote is a violation of its kind", lambda scrape: {name: (books, scrape.sum(name, **of))})


def unrecorded_violation(night):
    """check_vote finds the violation and ends with an error, since recording it fails."""
    night.load("--transactions", 3, "--faults", "unrecorded_violation", "--fault-percent", 100, "--settle")
    violations, failures = "mpc_byzantine_violations_total", "mpc_byzantine_recording_failures_total"
    truths = night.cluster.truths()
    there, failed = total(truths, violations), total(truths, failures, error="storage")
    night.report.check("a violation could not be recorded", [] if failed else ["the books have none"])
    night.shown("an error after a violation is a violation and an error", lambda scrape: {
        violations: (there, scrape.sum(violations)), failures: (failed, scrape.sum(failures, error="storage"))})


def slow_signature(night):
    name, node = "mpc_signature_duration_seconds", {"node_id": str(COORDINATOR), "protocol": "frost"}
    before, done = dict(night.scrape().buckets(name, node)), night.signatures("success")
    with live.stopped([night.cluster.members[SIGNER - 1]["pid"]]):
        night.post()
        time.sleep(SLOW)
    night.until_signed("success", done)
    after = dict(night.scrape().buckets(name, node))
    slower = {bound: after[bound] - before.get(bound, 0) for bound in after}
    night.report.check("a slow signature is a success above two seconds",
                       [] if (slower[2], slower[10]) == (0, 1) else [f"buckets have {slower} more"])


def timeouts(night):
    """A signer that does not answer; who waits for the signature asks again when it has failed."""
    name, node = "mpc_signatures_total", {"node_id": str(COORDINATOR), "protocol": "frost"}
    where = {"node_id": str(COORDINATOR), "function": SIGN}
    failed, scrape = night.signatures("failure"), night.scrape()
    before = scrape.sum(name, result="failure", **node)
    buckets = dict(scrape.buckets("mpc_signature_duration_seconds", node))
    for attempt in (1, 2):
        with live.stopped([night.cluster.members[SIGNER - 1]["pid"]]):
            night.post()
            live.wait_for("the books have the attempt", lambda: in_flight(night, "sign_transaction"))
            began = time.monotonic()
            time.sleep(SIGNING_TIMEOUT / 3)
            scrape, age = night.scrape(), time.monotonic() - began
            shown = scrape.get(AGE, **where)
            night.report.check(f"attempt {attempt}, meanwhile it is in flight with its age",
                               ([] if scrape.calls(str(COORDINATOR), SIGN)["in_flight"] == 1 else ["it is not in flight"])
                               + ([] if age - AGE_SLACK <= shown <= age + AGE_SLACK
                                  else [f"{shown:g} s old, in the books for {age:.1f} s"]))
            night.until_signed("failure", failed + attempt - 1)
            night.shown(f"attempt {attempt}, a timeout is a failure",
                        lambda scrape, n=attempt: {name: (before + n, scrape.sum(name, result="failure", **node))})
        # A connection that the silence has ended would make the next attempt fail at once, and not by time.
        reconnected(night)
    after = dict(night.scrape().buckets("mpc_signature_duration_seconds", node))
    longer = {bound: after[bound] - buckets.get(bound, 0) for bound in after}
    night.report.check("each took the node's whole patience",
                       [] if (longer[5], longer[30]) == (0, 2) else [f"buckets have {longer} more"])


def reconnected(night):
    """Nodes connect when they have something to send, as with a round of votes."""
    def all_are():
        night.post(sign=False)
        return all(gauge(night, "mpc_connected_peers", member["id"]) == len(night.cluster.members) - 1
                   for member in night.cluster.members)
    time.sleep(NOTICED)
    live.wait_for("all nodes are connected", all_are, every=1)


def endless_query(night):
    """PostgreSQL takes the query and never answers, and nobody gives up."""
    postgres = json.loads((night.cluster.folder / "state.json").read_text())["postgres"]["pid"]
    where = {"node_id": "1", "function": QUEUE}
    with live.stopped(children(postgres)):
        began = time.monotonic()
        live.wait_for("a query that waits", lambda: night.scrape().calls("1", QUEUE)["in_flight"], every=0.2)
        time.sleep(QUERY)
        scrape, age = night.scrape(), time.monotonic() - began
        first, calls = scrape.get(AGE, **where), scrape.calls("1", QUEUE)
    night.report.check("a call that does not end is in flight, and how long is said",
                       ([] if calls["in_flight"] == 1 else [f"{calls['in_flight']:g} in flight"])
                       + ([] if QUERY <= first <= age + AGE_SLACK else [f"{first:g} s old, after {age:.1f} s"]))
    live.wait_for("an answer", lambda: not night.scrape().calls("1", QUEUE)["in_flight"])


def empty_pool(night):
    """A signer that nobody lets in any more: presignatures are spent, and there are no new ones."""
    night.cluster.fault("--wrong-certificate", 5)
    failed = night.signatures("failure", "cggmp24")
    for spent in range(TARGET):
        night.post("cggmp24")
        night.until_signed("failure", failed + spent, "cggmp24")
    live.wait_for("the books have an empty pool", lambda: gauge(night, POOL) == 0)
    night.shown("an empty pool is empty, those of the others are not", lambda scrape: {
        f"{POOL} of {node}": (wanted, scrape.get(POOL, node_id=str(node), protocol="cggmp24"))
        for node, wanted in ((1, TARGET), (COORDINATOR, 0))})
    night.cluster.fault("--right-certificate", 5)
    live.wait_for("the books have a full pool", lambda: gauge(night, POOL) == TARGET, seconds=90)
    night.shown("a pool that was filled again is full",
                lambda scrape: {POOL: (TARGET, scrape.get(POOL, node_id=str(COORDINATOR), protocol="cggmp24"))})


def lost_peer(night):
    night.cluster.fault("--kill-node", 5)
    live.wait_for("the books miss a peer", lambda: gauge(night, "mpc_connected_peers") == 3)
    night.shown("a lost peer is missing among the connected",
                lambda scrape: {"mpc_connected_peers": (3, scrape.sum("mpc_connected_peers", node_id=str(COORDINATOR)))})


def in_flight(night, function):
    return night.cluster.truth(night.cluster.members[COORDINATOR - 1])["functions"][function]["in_flight"]


def gauge(night, name, node=COORDINATOR):
    truth = night.cluster.truth(night.cluster.members[node - 1])
    return next((g["value"] for g in truth["gauges"] if g["name"] == name), None)


def no_leader(night):
    """Two of three members of etcd are gone, and the third one cannot decide alone."""
    def refused(scrape):
        return scrape.sum("mpc_network_tcp_connect_failures_total", node_id="1", error="ECONNREFUSED")
    before = refused(night.scrape())
    night.cluster.fault("--kill-etcd", 1)
    night.cluster.fault("--kill-etcd", 2)
    etcd = json.loads((night.cluster.folder / "state.json").read_text())["etcd"][2]
    address = etcd["client"].removeprefix("http://")

    def leaderless():
        return "\netcd_server_has_leader 0" in live.get(address, "/metrics").text
    live.wait_for("etcd says that it has no leader", leaderless)
    where = {"node_id": "1", "function": ACTIVE}
    live.wait_for("a node asks in vain", lambda: night.scrape().get(AGE, **where) > PATIENCE / 2, every=0.2)
    scrape = night.scrape()
    night.report.check("without a leader nodes wait for etcd, and members refuse",
                       ([] if scrape.calls("1", ACTIVE)["in_flight"] else ["nobody waits"])
                       + ([] if refused(scrape) > before else ["no connection was refused"]))
    night.cluster.fault("--start-etcd", 1)
    night.cluster.fault("--start-etcd", 2)
    live.wait_for("etcd has a leader", lambda: not leaderless())


def at_last(night):
    night.cluster.quiet()
    page, truths = night.cluster.look(night.agent)
    result = compare(Scrape(page), truths, night.first)
    night.report.note(f"{result.compared} values compared, {len(result.differences)} differ")
    night.report.check("at the end, all counts and gauges equal the books", result.differences)


def main():
    report = live.Report()
    live.need_root(report, "stories")
    with report.part("stories"):
        folder = live.scratch()
        programs = live.built("thin", folder)
        pack = live.packed(report, programs / "mpc-node", folder / "node.pack")
        with live.Cluster(programs, folder / "cluster", node=programs / "mpc-node.stripped") as cluster, \
                live.Agent(folder, "--exe", cluster.node, "--pack", pack) as agent:
            night = Night(report, cluster, agent)
            # The second key is one of CGGMP24's.
            cluster.load("--transactions", 4, "--dkgs", 2, "--faults", "none", "--settle")
            live.wait_for("full pools", lambda: all(gauge(night, POOL, m["id"]) == TARGET for m in cluster.members), 90)
            report.parts((double_vote, unrecorded_violation, slow_signature, timeouts, endless_query, empty_pool,
                          no_leader, lost_peer, at_last), night)
    return report.status()


if __name__ == "__main__":
    sys.exit(main())
