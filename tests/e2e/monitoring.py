# SPDX-License-Identifier: BSD-2-Clause
"""The stack that the demo runs, in tests: hurried, and with what dashboards and rules ask of it."""

import json
import math
import re
import shutil
import sys
import time

import live

sys.path.append(str(live.ROOT / "scripts"))
from stack import CLUSTER, Stack, count_statements  # noqa: E402, F401 (found only now; for who imports this)

DASHBOARDS = sorted((live.ROOT / "dashboards").glob("*.json"))
PROGRAMS = ("prometheus", "promtool", "prometheus-alertmanager", "amtool", "prometheus-postgres-exporter",
            "prometheus-node-exporter")
SECONDS = {"s": 1, "m": 60, "h": 3600}
DURATION = re.compile(r"(?<![\w.])(\d+)([smh])\b")  # not in cluster:…:ratio_rate5m
GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)")
RANGE = re.compile(r"\[[^\]]*\]|\boffset\s+\w+")
SELECTOR = re.compile(r'(?<![\w:.])([a-zA-Z_:][\w:]*)\b(?!\s*\()(\{(?:[^{}"]|"[^"]*")*\})?')
OPERATORS = {"and", "or", "unless", "bool"}


def missing(report, name):
    """Skips the test where a program of the stack is missing."""
    for program in PROGRAMS:
        if not shutil.which(program):
            report.skip(name, f"{program} is missing; scripts/setup stack brings it")
            return True
    return False


def hurried(text, times):
    """A text with its durations so many times shorter."""
    return DURATION.sub(lambda m: f"{round(int(m[1]) * SECONDS[m[2]] * 1000 / times)}ms", text)


class Monitoring(Stack):
    """Asks and evaluates every second. What it starts ends with the test."""

    def __init__(self, folder, cluster, agent):
        super().__init__(folder, cluster.state(), agent.address)
        self.began = time.time()
        file = self.config / "prometheus.yml"
        text = re.sub(r"(scrape_interval|evaluation_interval): \d+s", r"\1: 1s", file.read_text())
        file.write_text(re.sub(r"scrape_timeout: \d+s", "scrape_timeout: 1s", text))

    def hurry(self, rules, routes):
        """The rules, and what Alertmanager waits for, so many times faster."""
        for file in (self.config / "rules").glob("*.yml"):
            file.write_text(hurried(file.read_text(), rules))
        self.routes.write_text(hurried(self.routes.read_text(), routes))

    def has_had_data(self, expr):
        """Whether Grafana would have drawn anything since the start. ValueError where Prometheus does not understand."""
        answer = self.ask("query_range", query=filled(expr), start=self.began, end=time.time(), step=2)
        return any(not math.isnan(float(value)) for series in answer["result"] for _, value in series["values"])

    def rules(self):
        return [rule for group in self.ask("rules")["groups"] for rule in group["rules"]]

    def __enter__(self):
        try:
            self.start()
        finally:
            for program in self.programs.values():
                live.watch(program.pid)
        return self

    def __exit__(self, *_):
        self.stop()


# ---- what is asked ------------------------------------------------------------------------

def filled(expr):
    """An expression as Grafana sends it."""
    for name, value in {"$__rate_interval": "20s", "$__range": "60s", "$cluster": "mpc-wallet|other", "$node": ".*",
                        "$protocol": ".*"}.items():
        expr = expr.replace(name, value)
    return expr


def selectors(expr):
    """What an expression takes from the storage: each name with its matchers."""
    for name, matchers in SELECTOR.findall(RANGE.sub(" ", GROUPING.sub(" ", expr))):
        if name not in OPERATORS:
            yield name + matchers


def expressions():
    """(where, expression) of all panels."""
    for path in DASHBOARDS:
        dashboard = json.loads(path.read_text())
        for panel in dashboard["panels"]:
            for target in panel.get("targets", []):
                yield f"{dashboard['uid']} / {panel['title']}", target["expr"]


def variables():
    """(where, which series, the label whose values it has) of all variables."""
    for path in DASHBOARDS:
        for variable in json.loads(path.read_text())["templating"]["list"]:
            if variable["type"] == "query":
                yield f"{path.stem} / ${variable['name']}", *re.fullmatch(
                    r"label_values\((.+), (\w+)\)", variable["definition"]).groups()
