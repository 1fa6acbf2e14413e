#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Who knocks at a node of the wallet, stripped as it ships, and is no node: clients with a
certificate of an authority that has but the name of the right one, an expired one or none,
with another protocol or version of TLS, with garbage for TLS, and some that leave early; then
datagrams that are no QUIC or of another version. What the agent counts is what the driver
offered and saw refused, and what the node's own books say, by kind and to the last digit. A
node with a wrong certificate is refused by the others, whoever dials.
"""
# must-run-on-reference
# timeout: 200

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import live
from books import Scrape, compare

NODES, DOOR, WRONG = 3, 2, 3
EACH = 3
PROFILES = [word for name in ("mpc-node", "quinn", "rustls") for word in ("--profile", name)]
REFUSED = "mpc_tls_handshake_failures_total"
# What is offered, and the alert with which a node refuses it. The wrong authority is called as the right
# one is, so that it is found and its signature is not good: 38-libraries.py has one that is unknown.
ALERTS = {
    "wrong_authority": (51, "decrypt_error"),
    "expired": (45, "certificate_expired"),
    "no_certificate": (116, "certificate_required"),
    "other_protocol": (120, "no_application_protocol"),
    "older_version": (70, "protocol_version"),
    "garbled": (50, "decode_error"),
    "out_of_turn": (10, "unexpected_message"),
}
# Of these the hello is good, so that there is a connection that can be lost.
GOOD_HELLO = ("wrong_authority", "expired", "no_certificate")
DATAGRAMS = {"unknown_version": "version negotiation", "noise": "nothing"}
SIZE = 1200  # of these datagrams
WATCHED = (REFUSED, "mpc_quinn_handshakes_refused_total", "mpc_rustls_certificates_rejected_total",
           "mpc_quinn_connections_started_total", "mpc_quinn_connections_opened_total",
           "mpc_quinn_connections_lost_total", "mpc_rustls_handshakes_total", "mpc_network_errors_total")


def series(name, **labels):
    return name, tuple(sorted(labels.items()))


def watched(scrape):
    """{node: {(name, labels): number}} of what strangers may move."""
    found = {}
    for name in WATCHED:
        for labels, value in scrape.samples.get(name, {}).items():
            rest = dict(labels)
            found.setdefault(rest.pop("node_id"), {})[series(name, **rest)] = value
    return found


def refusals(truth, side):
    """What the node's own books have."""
    return sum(c["value"] for c in truth["counters"] if c["name"] == REFUSED and c["labels"]["side"] == side)


class Door:
    """A cluster and its agent, and what both had counted at the last look."""

    def __init__(self, report, cluster, agent):
        self.report, self.cluster, self.agent = report, cluster, agent
        self.first = self.page, self.truths = self.look()

    def look(self):
        page, truths = self.cluster.look(self.agent)
        return Scrape(page), truths

    def grown(self):
        """What has been added since the last look, and the books' share: {node: {(name, labels): n}}, {node: {side: n}}."""
        before, old = watched(self.page), self.truths
        self.page, self.truths = self.look()
        grown = {node: {at: value - before.get(node, {}).get(at, 0) for at, value in now.items()
                        if value != before.get(node, {}).get(at, 0)} for node, now in watched(self.page).items()}
        books = {node: {side: refusals(truth, side) - refusals(old[node], side) for side in ("client", "server")}
                 for node, truth in self.truths.items()}
        return grown, books

    def strangers(self, kinds):
        """What the driver says of strangers of these kinds, which all come at once."""
        def one(kind):
            done = live.run(*self.cluster.command("strangers", "--node", DOOR, "--each", EACH, "--kinds", kind))
            if done.returncode:
                raise RuntimeError(f"mpc-driver strangers, {kind}: {done.stderr.strip()}")
            return json.loads(done.stdout)[kind]
        with ThreadPoolExecutor(len(kinds)) as pool:
            return dict(zip(kinds, pool.map(one, kinds)))

    def answered(self, name, books, wanted):
        self.report.check(f"{name}, what the driver saw", [
            f"{kind}: {books.get(kind)}" for kind in wanted.keys() | books.keys()
            if books.get(kind) != {"offered": EACH, "answers": {wanted.get(kind): EACH}}])

    def equal(self, name, grown, wanted):
        """That much was added at the door, and nothing at the others."""
        self.report.check(name, [
            f"node {node}: {at[0]}{dict(at[1])} grew by {grown[node].get(at, 0):g}, not by {expected.get(at, 0):g}"
            for node in sorted(grown) for expected in [wanted if node == str(DOOR) else {}]
            for at in sorted(grown[node].keys() | expected.keys()) if grown[node].get(at, 0) != expected.get(at, 0)])


def good_ones(door):
    """Handshakes between nodes, of which none is refused."""
    door.cluster.load("--seed", 44, "--transactions", 2, "--dkgs", 0, "--sign-percent", 0, "--faults", "none", "--settle")
    grown, books = door.grown()
    done = sum(n for by in grown.values() for (name, _), n in by.items() if name == "mpc_quinn_connections_opened_total")
    refused = sum(n for by in grown.values() for (name, _), n in by.items() if "refused" in name or name == REFUSED)
    door.report.check("nodes among themselves shake hands and none is refused", (
        [] if done >= 2 * NODES else [f"{done:g} opened"]) + ([f"{refused:g} refused"] if refused else []) + [
        f"the books of node {node}: {by}" for node, by in books.items() if any(by.values())])


def handshakes(door):
    said = door.strangers([*ALERTS, "early_close"])
    door.answered("handshakes", said, {kind: f"alert {number}" for kind, (number, _) in ALERTS.items()}
                  | {"early_close": "an answer"})
    refused = sum(n for kind in said.values() for answer, n in kind["answers"].items() if answer.startswith("alert "))
    grown, books = door.grown()
    door.equal("handshakes, all that the node refused and why", grown, {
        series(REFUSED): refused,
        **{series("mpc_quinn_handshakes_refused_total", side="server", alert=word): EACH for _, word in ALERTS.values()},
        series("mpc_rustls_certificates_rejected_total", role="server", reason="bad_signature"): EACH,
        series("mpc_rustls_certificates_rejected_total", role="server", reason="expired"): EACH,
        series("mpc_quinn_connections_started_total", side="server", result="success"): (len(GOOD_HELLO) + 1) * EACH,
        series("mpc_quinn_connections_started_total", side="server", result="failure"):
            (len(ALERTS) - len(GOOD_HELLO)) * EACH,
        series("mpc_quinn_connections_lost_total", side="server", reason="transport_error"): len(GOOD_HELLO) * EACH,
        series("mpc_quinn_connections_lost_total", side="server", reason="closed_by_peer_transport"): EACH,
    })
    door.report.check("handshakes, the node's own books have the same", [
        f"node {node}: {by}" for node, by in books.items()
        if by != {"client": 0, "server": refused if node == str(DOOR) else 0}])


def datagrams(door):
    """Nobody else sends anything to the node meanwhile."""
    udp = {"node_id": str(DOOR), "protocol": "udp", "direction": "received"}

    def received():
        scrape = Scrape(door.agent.metrics())
        return [scrape.sum(f"mpc_network_{what}_total", **udp) for what in ("packets", "bytes")]
    with live.stopped([m["pid"] for m in door.cluster.members if m["id"] != DOOR]):
        time.sleep(0.2)  # what was on its way
        before = received()
        said = door.strangers(DATAGRAMS)
        after = received()
    sent = len(DATAGRAMS) * EACH
    door.answered("datagrams", said, DATAGRAMS)
    got = [b - a for a, b in zip(before, after)]
    door.report.check("datagrams, the kernel has each of them and its bytes",
                      [] if got == [sent, sent * SIZE] else [f"{got[0]:g} with {got[1]:g} bytes, {sent} were sent"])
    grown, books = door.grown()
    door.equal("datagrams, and nothing else does", grown, {})
    door.report.check("datagrams, nor do the books", [f"node {n}: {by}" for n, by in books.items() if any(by.values())])


def wrong_certificate(door):
    door.cluster.fault("--wrong-certificate", WRONG)
    for member in door.cluster.members:
        live.post(member["rest"], "/transactions", {"to": "x", "amount": 100, "protocol": "frost", "sign": False})
    door.cluster.quiet()
    door.cluster.fault("--right-certificate", WRONG)
    grown, books = door.grown()
    faults = [f"node {node} refused {by}, it should be {'none' if node == str(WRONG) else 'some'}"
              for node, by in books.items() for n in by.values() if bool(n) == (node == str(WRONG))]
    for node, by in books.items():
        for side, n in by.items():
            there = {name: grown[node].get(series(name, **labels), 0) for name, labels in (
                ("mpc_quinn_handshakes_refused_total", {"side": side, "alert": "decrypt_error"}),
                ("mpc_rustls_certificates_rejected_total", {"role": side, "reason": "bad_signature"}))}
            faults += [f"node {node}: {name} of a {side} grew by {ours:g}, by the books {n}"
                       for name, ours in there.items() if ours != n]
        ours = grown[node].get(series(REFUSED), 0)
        faults += [f"node {node}: {ours:g} refused, by the books {by}"] if ours != sum(by.values()) else []
    door.report.check("a node with a wrong certificate is refused, whoever dials, as often as the books say", faults)
    door.report.note(f"refused: {books}")


def at_last(door):
    """Whatever else the node keeps books of; it keeps none of its libraries."""
    result = compare(door.page, door.truths, door.first)
    door.report.check("all counts and gauges equal the books", [
        line for line in result.differences if not line.startswith(("mpc_quinn_", "mpc_rustls_"))])
    door.report.check("no node has ended", door.cluster.dead())


def main():
    report = live.Report()
    live.need_root(report, "strangers")
    with report.part("strangers"):
        folder = live.scratch()
        programs = live.built("thin", folder)
        pack = live.packed(report, programs / "mpc-node", folder / "node.pack", *PROFILES)
        with live.Cluster(programs, folder / "cluster", NODES, 2, node=programs / "mpc-node.stripped") as cluster, \
                live.Agent(folder, "--exe", cluster.node, "--pack", pack, *PROFILES) as agent:
            report.note("a cluster and an agent")
            door = Door(report, cluster, agent)
            report.parts((good_ones, handshakes, datagrams, wrong_certificate, at_last), door)
    return report.status()


if __name__ == "__main__":
    sys.exit(main())
