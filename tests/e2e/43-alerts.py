#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Faults that are done to five nodes and their etcd are alerts in a real Alertmanager, with the labels
and annotations of the shipped rules, and are told to the receiver of their severity. When a fault is
taken back its alert ends, and that is told, too.

The rules are those of deploy/ but for time: Prometheus asks and evaluates every second, every duration
in the rules is a twentieth (five minutes are fifteen seconds), and Alertmanager waits a sixtieth of what it
would between notifications. Names, expressions and thresholds are as they are shipped.
"""
# must-run-on-reference
# timeout: 600

import contextlib
import json
import signal
import sys
import threading

import live
from monitoring import Monitoring, count_statements, missing

RULES_FASTER, ROUTES_FASTER = 20, 60
LIMIT = 90  # seconds until an alert is there, or gone
TARGET = 2  # presignatures of each node
SEVERITY = {
    "ByzantineDoubleVoteDetected": "critical", "MPCNodeDown": "critical", "PresignaturePoolDepleted": "critical",
    "NoPeerConnectivity": "critical", "EtcdNoLeader": "critical", "TLSHandshakeFailures": "warning",
    "SlowSignatureGeneration": "warning",
}
SMALL = 100  # an amount that every node approves

# Signers are the node that is asked and the two after it: 4 is one of those of 2, and 5 of those of 3.
STRANGER, POOR, SLOW, LONELY, DEAD = 1, 2, 3, 4, 5


class Alerts:
    """What Alertmanager has and what it has told."""

    def __init__(self, report, stack):
        self.report, self.stack, self.fired = report, stack, []

    def some(self, name, labels):
        return [alert for alert in self.stack.alerts()
                if {"alertname": name, **labels}.items() <= alert["labels"].items()]

    def told(self, status, name, labels):
        return [receiver for receiver, now, said in self.stack.receiver.told
                if now == status and {"alertname": name, **labels}.items() <= said.items()]

    def none(self):
        """None of these is there, and no news of one is on its way. Pools are empty until they are filled."""
        told = self.stack.receiver.told
        count = {status: len([labels for _, now, labels in told if now == status and labels["alertname"] in SEVERITY])
                 for status in ("firing", "resolved")}
        return count["firing"] <= count["resolved"] and not any(self.some(name, {}) for name in SEVERITY)

    def fires(self, name, **labels):
        live.wait_for(f"{name} fires", lambda: self.some(name, labels), LIMIT, 0.5)
        told = live.wait_for(f"{name} is told", lambda: self.told("firing", name, labels), LIMIT, 0.5)
        self.report.check(f"{name} fires", [fault for alert in self.some(name, labels)
                                            for fault in self.faults(name, labels, alert)] +
                          [f"it is told to {receiver}" for receiver in told if receiver != SEVERITY[name]])
        self.fired.append((name, labels))

    @staticmethod
    def faults(name, labels, alert):
        said = alert["annotations"]
        wanted = {"cluster": "mpc-wallet", "severity": SEVERITY[name]}
        yield from (f"{key} is {alert['labels'].get(key)}" for key, value in wanted.items()
                    if alert["labels"].get(key) != value)
        yield from (f"it is held back by {alert['status']['inhibitedBy']}" for _ in alert["status"]["inhibitedBy"])
        yield from (f"its description has no {key}: {said['description']}" for key, value in labels.items()
                    if value not in said["description"] and key != "type")
        yield from (f"{key}: {text}" for key, text in said.items() if not text or "{{" in text or "<no value>" in text)
        if not said["runbook_url"].endswith(f"/docs/runbooks/{name}.md") or "/d/" not in said["dashboard_url"]:
            yield f"it leads to {said['runbook_url']} and {said['dashboard_url']}"

    def all_end(self):
        for name, labels in self.fired:
            live.wait_for(f"{name} ends", lambda n=name, w=labels: not self.some(n, w), LIMIT, 0.5)
            live.wait_for(f"the end of {name} is told", lambda n=name, w=labels: self.told("resolved", n, w), LIMIT, 0.5)
            self.report.check(f"{name} ends when the fault is taken back", [])
        self.fired = []

    def note(self):
        done = live.run("amtool", f"--alertmanager.url=http://{self.stack.alertmanager}", "alert", "query", "-o", "simple")
        for line in done.stdout.splitlines():
            self.report.note(line)


class Run:
    def __init__(self, cluster, stack, alerts):
        self.cluster, self.stack, self.alerts = cluster, stack, alerts

    def rest(self, node):
        return self.cluster.members[node - 1]["rest"]

    def post(self, node, path, body, seconds=150):
        return live.post(self.rest(node), path, body, seconds)

    def key(self, protocol):
        self.post(POOR, "/dkg", {"protocol": protocol, "threshold": 3, "total_nodes": 5})

    def approved(self, node, count):
        """Transactions for CGGMP24 that node may sign, and has not signed."""
        body = {"to": "somebody", "amount": SMALL, "protocol": "cggmp24", "sign": False}
        ids = [self.post(node, "/transactions", body)["id"] for _ in range(count)]
        for txid in ids:
            live.wait_for(f"{txid} is approved", lambda txid=txid: json.loads(
                live.get(self.rest(node), f"/transactions/{txid}").text).get("state") == "approved", LIMIT)
        return ids

    def spend(self, node, ids):
        """Their presignatures are spent when the request begins; nobody waits for signatures that cannot be."""
        for txid in ids:
            with contextlib.suppress(TimeoutError):
                self.post(node, f"/transactions/{txid}/sign", None, seconds=1)

    @contextlib.contextmanager
    def asking(self, nodes, path="/transactions", fault=None):
        """A transaction every third of a second, of these nodes in turn."""
        over = threading.Event()

        def ask():
            turn = 0
            while not over.wait(0.33):
                transaction = {"to": "somebody", "amount": SMALL, "sign": fault is None}
                body = {"fault": fault, "transaction": transaction} if fault else transaction
                self.post(nodes[turn % len(nodes)], path, body)
                turn += 1
        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


# ---- the faults ------------------------------------------------------------------------------

def double_votes(run):
    with run.asking((1, 2, 3, 4, 5), "/faults", "double_vote"):
        run.alerts.fires("ByzantineDoubleVoteDetected", type="double_vote")


def outage(run):
    """A node ends, one is cut off from the others, one spends its presignatures and cannot make more
    with these two, and etcd loses two members of three."""
    cluster, alerts = run.cluster, run.alerts
    ids = run.approved(POOR, TARGET)
    cluster.fault("--kill-node", DEAD, "--partition", LONELY)
    run.spend(POOR, ids)
    alerts.fires("MPCNodeDown", node_id=str(DEAD))
    alerts.fires("PresignaturePoolDepleted", node_id=str(POOR), protocol="cggmp24")
    alerts.fires("NoPeerConnectivity", node_id=str(LONELY))
    for number in (1, 2):
        cluster.fault("--kill-etcd", number)
    alerts.fires("EtcdNoLeader", instance=cluster.state()["etcd"][2]["client"])
    alerts.note()
    for number in (1, 2):
        cluster.fault("--start-etcd", number)
    cluster.fault("--heal", LONELY)
    cluster.fault("--start-node", DEAD)


def refusals(run):
    """The node that came back has lost its keys with its process: signatures that need it wait for it
    in vain, until there is a key that it has a share of. And another one shows a wrong certificate: those
    who send to it notice."""
    run.cluster.fault("--wrong-certificate", STRANGER)
    with run.asking((STRANGER, POOR, SLOW)):
        run.alerts.fires("TLSHandshakeFailures", node_id=str(POOR))
        run.alerts.fires("SlowSignatureGeneration", protocol="frost")
        run.alerts.note()
        run.cluster.fault("--right-certificate", STRANGER)
        run.key("frost")
        run.alerts.all_end()


def ready(stack):
    """All nodes are connected and have their presignatures, and every target answers."""
    return stack.value(f"count(mpc_presignature_pool_size == {TARGET}) == 5 and count(mpc_connected_peers == 4) == 5 "
                       "and count(up == 1) == count(up)")


def main():
    report = live.Report()
    live.need_root(report, "alerts")
    if missing(report, "alerts"):
        return 0
    folder = live.scratch()
    programs = live.built("thin", folder)
    with report.part("alerts"), contextlib.ExitStack() as started:
        cluster = started.enter_context(live.Cluster(programs, folder / "cluster"))
        count_statements(cluster.state()["postgres"], lambda: cluster.fault("--restart-postgres"))
        agent = started.enter_context(live.Agent(folder, "--exe", cluster.node, wait=False))
        agent.until_said("serving http://", 120)
        agent.wait_serving()
        stack = Monitoring(folder / "stack", cluster, agent)
        stack.hurry(RULES_FASTER, ROUTES_FASTER)
        started.enter_context(stack)
        run = Run(cluster, stack, Alerts(report, stack))
        run.key("frost")
        run.key("cggmp24")
        live.wait_for("the nodes are ready", lambda: ready(stack), LIMIT, 0.5)
        live.wait_for("there are no alerts before the faults", run.alerts.none, LIMIT, 0.5)
        stack.receiver.told.clear()
        for part in (double_votes, outage, refusals):
            report.note(part.__name__.replace("_", " "))
            part(run)
        report.check("no part of the stack has ended", stack.ended())
        report.check("no node ended but the one that was killed", cluster.dead())
    return report.status()


if __name__ == "__main__":
    sys.exit(main())
