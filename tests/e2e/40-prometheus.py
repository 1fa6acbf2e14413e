#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The monitoring stack in the programs that read it: the files of deploy/ in a real Prometheus
and Alertmanager, over a real agent that watches five real nodes.

Every alert fires when it must, not before its time and not otherwise, and the tests that say so
fail for a rule that is broken. Every expression of every dashboard is asked: those that use what
is served today have data; those that wait for a metric of WAITING, or for an exporter that does
not run here, have none and are listed. There is no Grafana to load the dashboards into; what can
be said of their files without one, scripts/lint/dashboards says.
"""
# must-run-on-reference
# timeout: 240

import http.client
import http.server
import json
import math
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import urllib.parse

import live

DEPLOY = live.ROOT / "deploy"
DASHBOARDS = sorted((live.ROOT / "dashboards").glob("*.json"))

# Metrics that no agent serves yet: none. Take a name out when the profile has it: the test demands that.
WAITING = set()
# What agents serve with profiles other than the built-in one.
OTHER_PROFILES = {"mpc_bpf_agent_numbers_missing_total"}
# What comes from exporters that do not run in this test.
FOREIGN = re.compile(r'\b(?:etcd|pg|container|machine)_\w+|\bcontainer:[\w:]+|\bup\{job="etcd"')

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


def free_port():
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:
        return server.server_address[1]


class Stack:
    """Prometheus and Alertmanager with the shipped files; only addresses, paths and how often are changed."""

    def __init__(self, folder, agent, cluster, fake_port):
        self.address, alertmanager = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
        self.alertmanager_address = alertmanager
        files = folder / "prometheus"
        shutil.copytree(DEPLOY / "prometheus", files)
        config = files / "prometheus.yml"
        text = re.sub(r"(scrape_interval|evaluation_interval): \d+s", r"\1: 1s", config.read_text())
        text = re.sub(r"scrape_timeout: \d+s", "scrape_timeout: 1s", text)
        config.write_text(text.replace("localhost:9090", self.address))

        def targets(job, *rows):
            (files / "targets" / f"{job}.yml").write_text(json.dumps(
                [{"targets": [address], "labels": labels} for address, labels in rows]))
        where = {"cluster": "mpc-wallet"}
        targets("agents", (agent.address, where))
        targets("nodes", *((m["rest"], {**where, "node_id": str(m["id"])}) for m in cluster.members),
                (f"127.0.0.1:{fake_port}", {**where, "node_id": "fake"}))
        targets("alertmanager", (alertmanager, {}))
        for job in ("postgres", "cadvisor", "node", "etcd"):
            targets(job)
        flags = re.search(r'^ARGS="(.*)"$', (files / "prometheus.default").read_text(), re.M)[1]
        flags = flags.replace("/etc/prometheus", str(files)).replace("/var/lib/prometheus", str(folder / "tsdb"))
        self.prometheus = live.Process("prometheus", *flags.replace("127.0.0.1:9090", self.address).split(),
                                       log=folder / "prometheus.log")
        self.alertmanager = live.Process(
            "prometheus-alertmanager", f"--config.file={DEPLOY / 'alertmanager' / 'alertmanager.yml'}",
            f"--storage.path={folder / 'alertmanager'}", f"--web.listen-address={alertmanager}",
            "--cluster.listen-address=", log=folder / "alertmanager.log")
        live.wait_for("Prometheus is ready", lambda: self._ready("/-/ready"))

    def _ready(self, path):
        try:
            return live.get(self.address, path).status == 200
        except OSError:
            return False

    def ask(self, path, **parameters):
        answer = live.get(self.address, f"/api/v1/{path}?{urllib.parse.urlencode(parameters, doseq=True)}")
        said = json.loads(answer.text)
        if said["status"] != "success":
            raise ValueError(f"{said['error']} ({parameters})")
        return said["data"]

    def value(self, expr):
        """Of a query with one result; None without."""
        result = self.ask("query", query=expr)["result"]
        return float(result[0]["value"][1]) if result else None

    def alerts(self):
        return json.loads(live.get(self.alertmanager_address, "/api/v2/alerts").text)

    def stop(self):
        self.prometheus.stop()
        self.alertmanager.stop()


# ---- what is asked ------------------------------------------------------------------------

def filled(expr):
    """An expression as Grafana sends it."""
    for name, value in {"$__rate_interval": "20s", "$__range": "60s", "$cluster": "mpc-wallet|other", "$node": ".*",
                        "$protocol": ".*"}.items():
        expr = expr.replace(name, value)
    return expr


def expressions():
    """(where, expression, whether it is asked for one moment) of all panels."""
    for path in DASHBOARDS:
        dashboard = json.loads(path.read_text())
        for panel in dashboard["panels"]:
            for target in panel.get("targets", []):
                yield f"{dashboard['uid']} / {panel['title']}", target["expr"], target["instant"]


def variables():
    for path in DASHBOARDS:
        for variable in json.loads(path.read_text())["templating"]["list"]:
            if variable["type"] == "query":
                yield f"{path.stem} / ${variable['name']}", *re.fullmatch(
                    r"label_values\((.+), (\w+)\)", variable["definition"]).groups()


def waits_for(expr):
    """Why an expression has no data here: names of metrics, or None where it must have some."""
    names = set(re.findall(r"\bmpc_[a-z_]+", expr))
    waiting = {name for name in WAITING if names & {name, f"{name}_bucket", f"{name}_sum", f"{name}_count"}}
    if waiting:
        return waiting
    return {match[0] for match in FOREIGN.finditer(expr)} or None


def has_data(stack, expr, instant):
    now = time.time()
    answer = stack.ask("query", query=filled(expr), time=now) if instant else \
        stack.ask("query_range", query=filled(expr), start=now - 15, end=now, step=1)
    values = [value for series in answer["result"] for _, value in series.get("values", [series.get("value")])]
    return any(not math.isnan(float(value)) for value in values)


def check_expressions(report, stack):
    faults, waiting, asked = [], {}, 0
    for where, expr, instant in expressions():
        asked += 1
        try:
            data, why = has_data(stack, expr, instant), waits_for(expr)
        except ValueError as error:
            faults.append(f"{where}: {error}")
            continue
        if why:
            waiting.setdefault(", ".join(sorted(why)), []).append((where, expr))
            faults += [f"{where} has data now: shorten the list of {', '.join(why)}: {expr}"] if data else []
        elif not data:
            faults.append(f"{where} has no data: {filled(expr)}")
    report.check(f"{asked} expressions of {len(DASHBOARDS)} dashboards: what is served has data", faults)
    for why, rows in sorted(waiting.items()):
        report.note(f"no data without {why}:")
        for where, expr in rows:
            report.note(f"    {where}: {expr}")
    report.note(f"{asked - sum(map(len, waiting.values()))} of {asked} expressions have data")

    faults = [f"{where}: no value" for where, match, label in variables()
              if not stack.ask(f"label/{label}/values", **{"match[]": filled(match)})]
    report.check("every variable has values", faults)


def check_rules(report, stack):
    rules = {}
    faults = []
    for group in stack.ask("rules")["groups"]:
        for rule in group["rules"]:
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
    for name, rows in recorded.items():
        why = waits_for(rows[0]["query"])
        if bool(stack.ask("query", query=name)["result"]) == bool(why):
            faults.append(f"{name} has {'data now' if why else 'no data'}")
    report.check(f"{sum(map(len, alerts.values()))} alerts and {len(recorded)} recorded series, evaluated", faults)
    for name in ALERTS:
        why = set().union(*(waits_for(rule["query"]) or set() for rule in alerts.get(name, [])))
        if why:
            report.note(f"{name} cannot fire here: no {', '.join(sorted(why))}")


def check_waiting(report, stack, agent):
    """The list of what is not served is exact."""
    served = set(re.findall(r"^# TYPE (\S+)", agent.metrics(), re.M))
    faults = [f"{name} is served: take it out of WAITING" for name in sorted(WAITING & served)]
    used = set()
    queries = [expr for _, expr, _ in expressions()]
    queries += [rule["query"] for group in stack.ask("rules")["groups"] for rule in group["rules"]]
    recorded = {rule["name"] for group in stack.ask("rules")["groups"] for rule in group["rules"]}
    for query in queries:
        for name in recorded:
            query = query.replace(name, "")
        used |= {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(r"(?<![\w:\"])mpc_[a-z_]+", query)}
    faults += [f"{name} is used, is not served and not in WAITING"
               for name in sorted(used - served - WAITING - OTHER_PROFILES)]
    faults += [f"{name} is in WAITING and nothing uses it" for name in sorted(WAITING - used)]
    faults += [f"{name} is served and on no dashboard" for name in sorted(served - used) if name.startswith("mpc_")]
    report.check("which metrics are used, served and waited for", faults)


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
    double, shadow, other = live.wait_for("the violations are in Alertmanager", arrived, 30, 0.5)
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
    connection = http.client.HTTPConnection(stack.alertmanager_address, timeout=10)
    connection.request("POST", "/api/v2/alerts", json.dumps([{"labels": labels} for labels in sent]),
                       {"Content-Type": "application/json"})
    status = connection.getresponse().status
    connection.close()

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
    with live.Cluster(programs, folder / "cluster") as cluster, \
            live.Agent(folder, "--exe", cluster.node, "--program-stats") as agent:
        stack = Stack(folder, agent, cluster, fake_port)
        load = cluster.load_until_stopped("--rate", 25, "--faults", "all", "--fault-percent", 25)
        live.wait_for("Prometheus has counted for some seconds",
                      lambda: (stack.value("min(count_over_time(mpc_votes_total[1m]))") or 0) > 15)
        live.wait_for("a key is generated, and both protocols asked to sign", lambda: stack.value(
            "sum(increase(mpc_dkg_duration_seconds_count[20s])) > 0 and "
            'count(sum by (protocol) (increase(mpc_signatures_total{protocol!="unknown"}[20s])) > 0) == 2'))
        check_alertmanager(report, stack)
        check_inhibition(report, stack)
        check_dropped(report, stack, fake_port)
        check_expressions(report, stack)
        check_rules(report, stack)
        check_waiting(report, stack, agent)
        load.stop()
        stack.stop()


def main():
    report = live.Report()
    for program in ("prometheus", "promtool", "prometheus-alertmanager", "amtool"):
        if not shutil.which(program):
            report.skip("the monitoring stack", f"{program} is missing; scripts/setup e2e brings it")
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
