#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The monitoring stack in the programs that read it: the files of deploy/ in a real Prometheus
and Alertmanager, as the demo starts them, over a real agent that watches five real nodes, their
etcd and their PostgreSQL.

Every alert fires when it must, not before its time and not otherwise, and the tests that say so
fail for a rule that is broken. Every expression of every panel, variable and rule is asked and
listed: it has data, but for those of EMPTY. There is no Grafana to load the dashboards into; what
can be said of their files without one, scripts/lint/dashboards and 45-dashboards.py say. That alerts fire and end when
something really breaks, 43-alerts.py says.
"""
# must-run-on-reference
# timeout: 420

import contextlib
import http.server
import json
import re
import shutil
import sys
import threading
import time

import live
from monitoring import (CLUSTER, DASHBOARDS, Monitoring, count_statements, expressions, filled, missing, selectors,
                        variables)
from processes import request

DEPLOY = live.ROOT / "deploy"

# What rightly has no data here, and why: of panels and recorded series the whole expression, of alerts what they choose.
EMPTY = {
    r"\bcontainer[_:][\w:]+|\bmachine_\w+": "cAdvisor: nothing here runs in a container",
    r"process_start_time_seconds.* > 600": "the agent has not run for ten minutes",
    r'^mpc_bpf_agent_probe_state\{[^}]*state=("partial"|~"refused\|absent")': "every function is wholly watched",
}

PATIENCE = 60  # seconds for what does not have data yet and should
MINUTE = 60
# name: (severity, seconds, what its expression must say); durations that the wallet states are its own.
ALERTS = {
    "MPCNodeDown": ("critical", 60, "== 0"),
    "MPCClusterDegraded": ("critical", 60, "< 4"),
    "ByzantineViolationDetected": ("critical", 0, "mpc_byzantine_violations_total[5m]) > 0"),
    "ByzantineDoubleVoteDetected": ("critical", 0, 'mpc_byzantine_violations_total{type="double_vote"}[5m]) > 0'),
    "PresignaturePoolDepleted": ("critical", 60, "mpc_presignature_pool_size == 0"),
    "EtcdNoLeader": ("critical", 30, "etcd_server_has_leader == 0"),
    "PostgresDown": ("critical", 60, "pg_up == 0"),
    "NoPeerConnectivity": ("critical", 60, "mpc_connected_peers == 0"),
    "MPCNodeHighMemoryUsage": ("warning", 5 * MINUTE, "> 0.85"),
    "MPCNodeHighCPUUsage": ("warning", 10 * MINUTE, "> 0.9"),
    "ConsensusThresholdNotReached": ("warning", 5 * MINUTE, 'state="threshold_reached"'),
    "HighTransactionFailureRate": ("warning", 5 * MINUTE, "> 0.1"),
    "SlowSignatureGeneration": ("warning", 5 * MINUTE, "> 10"),
    "PresignaturePoolLow": ("warning", 5 * MINUTE, "mpc_presignature_pool_size < 10"),
    "LowPeerConnectivity": ("warning", 5 * MINUTE, "mpc_connected_peers < 3"),
    "TLSHandshakeFailures": ("warning", 2 * MINUTE, "> 0.5"),
    "NoTransactionsProcessed": ("info", 15 * MINUTE, "== 0"),
    "MPCAgentDown": ("critical", 2 * MINUTE, 'up{job="mpc-agents"} == 0'),
    "MPCAgentNodeNotWatched": ("warning", 5 * MINUTE, "mpc_bpf_agent_target_up"),
    "MPCAgentProbeMissing": ("warning", 5 * MINUTE, 'state="partial"'),
    "MPCAgentLosingCalls": ("warning", 0, "> 0"),
    "MPCAgentOverBudget": ("warning", 10 * MINUTE, "> "),
}


# ---- the rules in promtool -----------------------------------------------------------

EXPR = re.compile(r"^        expr: (?:\|\n(?:          .*\n|\n)+|.*\n)", re.M)


class RuleTests:
    """promtool test rules, over the rules as they are and over ones that are broken."""

    BROKEN = {
        "as they are": lambda text: text,
        "that never fire": lambda text: EXPR.sub("        expr: vector(0) > 1\n", text),
        "that always fire": lambda text: EXPR.sub("        expr: vector(1)\n", text),
        "that fire at once": lambda text: re.sub(r"^        for: .*\n", "", text, flags=re.M),
    }

    def __init__(self, folder):
        self.runs = {}
        for name, change in self.BROKEN.items():
            copy = folder / f"rules {name}"
            shutil.copytree(DEPLOY / "prometheus", copy)
            rules = copy / "rules" / "alerts.yml"
            rules.write_text(change(rules.read_text()))
            self.runs[name] = live.Process("promtool", "test", "rules", copy / "tests" / "alerts.yml",
                                           log=folder / f"{name}.log", env={"GOMAXPROCS": "1"})

    def check(self, report):
        results = {name: (run.child.wait(200), run.said()) for name, run in self.runs.items()}
        status, said = results["as they are"]
        report.check("promtool test rules", said.splitlines() if status else [])
        timed = {name for name, (_, seconds, _) in ALERTS.items() if seconds}
        for name, wanted in (("that never fire", ALERTS), ("that always fire", ALERTS), ("that fire at once", timed)):
            caught = set(re.findall(r'alertname=\\"(\w+)\\"', results[name][1]))
            report.check(f"its tests catch alerts {name}",
                         [f"{alert} is broken and no test says so" for alert in wanted if alert not in caught])


def check_files(report):
    """What promtool and amtool say of the files as they are shipped."""
    amtool = ("amtool", "--alertmanager.url=http://127.0.0.1:1")  # it wants one, and asks it nothing
    routes = DEPLOY / "alertmanager" / "alertmanager.yml"
    for name, command in {
            "promtool check config": ("promtool", "check", "config", DEPLOY / "prometheus" / "prometheus.yml"),
            "promtool check rules": ("promtool", "check", "rules", "--lint=all", "--lint-fatal",
                                     *sorted((DEPLOY / "prometheus" / "rules").glob("*.yml"))),
            "amtool check-config": ("amtool", "check-config", routes)}.items():
        done = live.run(*command)
        report.check(name, (done.stdout + done.stderr).splitlines() if done.returncode else [])
    faults = []
    for severity in ("critical", "warning", "info"):
        done = live.run(*amtool, "config", "routes", "test", f"--config.file={routes}",
                        f"--verify.receivers={severity}", f"severity={severity}")
        faults += [(done.stdout + done.stderr).strip()] if done.returncode else []
    report.check("an alert goes to the receiver of its severity", faults)

    text = (DEPLOY / "prometheus" / "prometheus.yml").read_text()
    jobs = dict(re.findall(r"^  - job_name: (\S+)\n(?:    scrape_interval: (\S+)\n)?", text, re.M))
    wanted = {"prometheus": "", "mpc-agents": "10s", "mpc-nodes": "10s", "postgres": "", "cadvisor": "", "node": "",
              "etcd": ""}
    faults = [] if jobs == wanted else [f"jobs {jobs}"]
    faults += [] if re.search(r"^  scrape_interval: 15s$", text, re.M) else ["not every 15 s"]
    flags = (DEPLOY / "prometheus" / "prometheus.default").read_text()
    faults += [] if "--storage.tsdb.retention.time=30d" in flags else ["samples are not kept for 30 days"]
    report.check("intervals, jobs and 30 days", faults)


# ---- the programs ----------------------------------------------------------------------

class FakeNode(http.server.BaseHTTPRequestHandler):
    """A node whose build exports an mpc_* family of its own."""

    def do_GET(self):  # the name is the library's
        body = b'mpc_votes_total{node_id="1",result="approve"} 1e9\nfake_node_alive 1\n'
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


# ---- what is asked ------------------------------------------------------------------------

def why_empty(expr):
    """The patterns of EMPTY that an expression fits."""
    return [pattern for pattern in EMPTY if re.search(pattern, expr)]


class Asked:
    """Expressions that were asked, with what was wrong with them."""

    def __init__(self, report, stack):
        self.report, self.stack, self.faults, self.count, self.empty = report, stack, [], 0, set()
        self.until = time.monotonic() + PATIENCE

    def ask(self, where, expr):
        """Has had data, or is rightly empty."""
        self.count += 1
        try:
            why = why_empty(expr)
            data = self.stack.has_had_data(expr) if why else self.gets_data(expr)
        except ValueError as error:
            self.faults.append(f"{where}: {error}")
            return
        self.empty.update(why)
        said = "has data" if data else f"empty: {EMPTY[why[0]]}" if why else "no data"
        self.report.note(f"{where}: {said}: {' '.join(filled(expr).split())}")
        if data == bool(why):
            self.faults.append(f"{where} {said}{', and should have none' if data else ''}: {filled(expr)}")

    def gets_data(self, expr):
        """What happens rarely has no rate before it has happened twice: the load goes on meanwhile."""
        while not self.stack.has_had_data(expr):
            if time.monotonic() > self.until:
                return False
            time.sleep(1)
        return True

    def check(self, what):
        self.report.check(f"{self.count} {what}", self.faults)


def check_panels(report, stack):
    asked = Asked(report, stack)
    for where, expr in expressions():
        asked.ask(where, expr)
    asked.check(f"expressions of {len(DASHBOARDS)} dashboards have the data that they should have")
    found = list(variables())
    faults = []
    for where, match, label in found:
        values = stack.ask(f"label/{label}/values", **{"match[]": filled(match)})
        report.note(f"{where}: {', '.join(values) or 'nothing'}: {filled(match)}")
        faults += [] if values else [f"{where}: no value"]
    report.check(f"{len(found)} variables of dashboards have values", faults)
    return asked.empty


def check_expressions_of_rules(report, stack):
    """Recorded series have data. Of an alert, what it chooses has: it itself has only while it fires."""
    recorded, alerts = Asked(report, stack), Asked(report, stack)
    for rule in stack.rules():
        if rule["type"] == "recording":
            labels = "".join(f" {{{name}={value}}}" for name, value in rule.get("labels", {}).items())
            recorded.ask(f"{rule['name']}{labels}", rule["query"])
            continue
        found = stack.ask("query", query=rule["query"])["result"]
        report.note(f"{rule['name']}: is true of {len(found)}: {' '.join(rule['query'].split())}")
        for selector in sorted(set(selectors(rule["query"]))):
            alerts.ask(f"    {rule['name']}", selector)
    recorded.check("recorded series have the data that they should have")
    alerts.check("choices of series in alerts find what they should find")
    return recorded.empty | alerts.empty


def check_empty(report, seen):
    report.check("nothing else may be empty", [f"nothing asks for {pattern}" for pattern in EMPTY if pattern not in seen])


def check_rules(report, stack):
    rules = {}
    faults = []
    for rule in stack.rules():
        rules.setdefault(rule["name"], []).append(rule)
        faults += [f"{rule['name']}: {rule['health']} {rule.get('lastError')}"] if rule["health"] != "ok" else []
    alerts = {name: rows for name, rows in rules.items() if rows[0]["type"] == "alerting"}
    recorded = {name: rows for name, rows in rules.items() if rows[0]["type"] == "recording"}
    for name, (severity, seconds, words) in ALERTS.items():
        for rule in alerts.get(name, [{"labels": {}, "duration": None, "query": "nothing"}]):
            said = (rule["labels"].get("severity"), rule["duration"], words in rule["query"])
            faults += [] if said == (severity, seconds, True) else [f"{name} is {said}: {rule['query']}"]
            annotations = rule.get("annotations", {})
            faults += [f"{name} has no {word}" for word in ("summary", "description", "runbook_url", "dashboard_url")
                       if not annotations.get(word)]
            page = live.ROOT / annotations.get("runbook_url", "").partition("example.org/")[2]
            faults += [] if page.is_file() and page.stem == name else [f"{name} has no page {page}"]
    faults += [f"{name} is an alert that nobody knows" for name in alerts if name not in ALERTS]
    report.check(f"{sum(map(len, alerts.values()))} alerts and {sum(map(len, recorded.values()))} recorded series, evaluated",
                 faults)


def check_served(report, stack, agent):
    """Whatever is used of the agent's is served, and the other way round."""
    served = set(re.findall(r"^# TYPE (\S+)", agent.metrics(), re.M))
    rules = stack.rules()
    recorded = {rule["name"] for rule in rules}
    used = set()
    for query in [expr for _, expr in expressions()] + [rule["query"] for rule in rules]:
        for name in recorded:
            query = query.replace(name, "")
        used |= {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(r"(?<![\w:\"])mpc_[a-z_]+", query)}
    report.check("which metrics are used and served",
                 [f"{name} is used and not served" for name in sorted(used - served)] +
                 [f"{name} is served and on no dashboard" for name in sorted(served - used) if name.startswith("mpc_")])


def check_dropped(report, stack, fake_port):
    instance = f'instance="127.0.0.1:{fake_port}"'
    faults = []
    for what, expr, wanted in (
            ("its own series are there", f"fake_node_alive{{{instance}}}", 1),
            ("samples scraped", f"scrape_samples_scraped{{{instance}}}", 2),
            ("samples kept", f"scrape_samples_post_metric_relabeling{{{instance}}}", 1),
            ("mpc_* of the nodes", 'count({__name__=~"mpc_.*",job="mpc-nodes"})', None),
            ("the nodes' process_*", 'count(process_cpu_seconds_total{job="mpc-nodes"})', 5),
            ("the agent's votes only", "sum(mpc_votes_total) < bool 1e9", 1)):
        value = stack.value(expr)
        faults += [] if value == wanted else [f"{what}: {value}, not {wanted}"]
    report.check("a dead mpc_* series of a node is dropped", faults)


def check_alertmanager(report, stack):
    def arrived():
        named = {}
        for alert in stack.alerts():
            named.setdefault((alert["labels"]["alertname"], alert["labels"].get("type")), []).append(alert)
        pairs = [("ByzantineDoubleVoteDetected", "double_vote"), ("ByzantineViolationDetected", "double_vote"),
                 ("ByzantineViolationDetected", "timeout")]
        return [named[pair] for pair in pairs] if all(pair in named for pair in pairs) else None
    double, shadow, other = live.wait_for("the violations are in Alertmanager", arrived, 90, 0.5)
    faults = [f"received by {alert['receivers']}" for alert in double
              if [r["name"] for r in alert["receivers"]] != ["critical"]]
    faults += [f"runbook {alert['annotations']}" for alert in double
               if not alert["annotations"]["runbook_url"].endswith("/docs/runbooks/ByzantineDoubleVoteDetected.md")]
    faults += ["a double vote is told twice"] if not all(alert["status"]["inhibitedBy"] for alert in shadow) else []
    faults += ["another violation is not told"] if any(alert["status"]["inhibitedBy"] for alert in other) else []
    report.check("real violations are alerts in a real Alertmanager", faults)


# Alerts of a test of inhibition: what fires, and which of them only echo another one.
SOURCES = [{"alertname": "MPCNodeDown", "node_id": "1"}, {"alertname": "NoPeerConnectivity", "node_id": "2"},
           {"alertname": "PresignaturePoolDepleted", "node_id": "1", "protocol": "cggmp24"},
           {"alertname": "MPCClusterDegraded"}]
ECHOES = [{"alertname": "NoPeerConnectivity", "node_id": "1"}, {"alertname": "LowPeerConnectivity", "node_id": "1"},
          {"alertname": "MPCAgentNodeNotWatched", "node_id": "1"}, {"alertname": "LowPeerConnectivity", "node_id": "2"},
          {"alertname": "PresignaturePoolLow", "node_id": "1", "protocol": "cggmp24"},
          {"alertname": "NoTransactionsProcessed"}]
OTHERS = [{"alertname": "LowPeerConnectivity", "node_id": "3"}, {"alertname": "MPCAgentNodeNotWatched", "node_id": "3"},
          {"alertname": "PresignaturePoolLow", "node_id": "1", "protocol": "frost"},
          {"alertname": "PresignaturePoolLow", "node_id": "2", "protocol": "cggmp24"},
          {"alertname": "MPCNodeHighCPUUsage", "node_id": "1"}]


def check_inhibition(report, stack):
    """In a cluster of its own; the same alerts in another cluster are nobody's echo."""
    sent = [{**labels, "cluster": "inhibited"} for labels in SOURCES + ECHOES + OTHERS]
    sent += [{**labels, "cluster": "another"} for labels in ECHOES if labels["alertname"] != "NoPeerConnectivity"]
    status, _ = request(stack.alertmanager, "/api/v2/alerts", "POST", json.dumps([{"labels": labels} for labels in sent]))

    def there():
        found = [alert for alert in stack.alerts() if alert["labels"]["cluster"] in ("inhibited", "another")]
        return found if len(found) == len(sent) else None
    quiet = [alert["labels"] for alert in live.wait_for("all are there", there) if alert["status"]["inhibitedBy"]]
    wanted = [{**labels, "cluster": "inhibited"} for labels in ECHOES]
    report.check("an echo of another alert is held back, and nothing else",
                 ([] if status == 200 else [f"POST answers {status}"]) +
                 [f"not held back: {labels}" for labels in wanted if labels not in quiet] +
                 [f"held back: {labels}" for labels in quiet if labels not in wanted])


def alive_part(report, folder):
    programs = live.built("thin", folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), FakeNode)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    fake_port = server.server_address[1]
    with contextlib.ExitStack() as started:
        cluster = started.enter_context(live.Cluster(programs, folder / "cluster"))
        count_statements(cluster.state()["postgres"], lambda: cluster.fault("--restart-postgres"))
        agent = started.enter_context(live.Agent(folder, "--exe", cluster.node, "--program-stats", wait=False))
        agent.until_said("serving http://", 120)
        agent.wait_serving()
        stack = Monitoring(folder / "stack", cluster, agent)
        where = {**CLUSTER, "node_id": "fake"}
        stack.targets("nodes", *stack.nodes, (f"127.0.0.1:{fake_port}", where))
        started.enter_context(stack)
        load = cluster.load_until_stopped("--rate", 25, "--faults", "all", "--fault-percent", 25)
        live.wait_for("Prometheus has counted for some seconds",
                      lambda: (stack.value("min(count_over_time(mpc_votes_total[1m]))") or 0) > 15, 90)
        live.wait_for("a key is generated, both protocols asked to sign, a violation not recorded", lambda: stack.value(
            "sum(mpc_dkg_duration_seconds_count) > 0 and sum(mpc_byzantine_recording_failures_total) > 0 and "
            'count(sum by (protocol) (mpc_signatures_total{protocol!="unknown"}) > 0) == 2'), 120)
        # Prometheus knows this series now: from here on it can say at what rate keys are generated.
        live.post(cluster.members[0]["rest"], "/dkg", {"protocol": "frost", "threshold": 3, "total_nodes": 5})
        check_alertmanager(report, stack)
        check_inhibition(report, stack)
        check_dropped(report, stack, fake_port)
        check_rules(report, stack)
        check_empty(report, check_panels(report, stack) | check_expressions_of_rules(report, stack))
        check_served(report, stack, agent)
        report.check("no part of the stack has ended", [*stack.ended(), *cluster.dead()])
        load.stop()


def main():
    report = live.Report()
    if missing(report, "the monitoring stack"):
        return 0
    live.need_root(report, "the monitoring stack")
    folder = live.scratch()
    rule_tests = RuleTests(folder)
    with report.part("the shipped files"):
        check_files(report)
    with report.part("the stack, alive"):
        alive_part(report, folder)
    with report.part("the tests of the rules"):
        rule_tests.check(report)
    return report.status()


if __name__ == "__main__":
    sys.exit(main())
