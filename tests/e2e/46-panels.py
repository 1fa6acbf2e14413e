#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The dashboards, drawn: every panel of every dashboard is drawn in a real browser, by Grafana's own panel library as
far as it has the panel's type (it is not Grafana: tests/dashboards/viewer), with data that is made up here, and there
is something to be seen in it: a line, a number, a row. First it must find panels in which there is not.
"""
# must-run-on-reference
# timeout: 600

import json
import re
import shutil
import sys
from urllib.parse import parse_qs, urlsplit

import live
from browser import PROGRAMS, Browser
from viewer import DASHBOARDS, Viewer, drawn

BEGIN, END = 1_800_000_000, 1_800_000_240
SERIES = 2
# Panels that are not drawn, by their titles, and what is said of them.
FAULTY = {"of no type": "failed", "refused": "failed", "without data": "empty", "without a number": "nothing"}


def labels(expr, number):
    """Whatever an expression may keep has a value."""
    kept = {name.strip() for names in re.findall(r"\bby \(([^)]*)\)", expr) for name in names.split(",")} - {"le"}
    return {name: str(number + 1) for name in kept or {"instance", "node_id"}}


def answer(path):
    """As Prometheus answers."""
    asked = {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}
    expr = asked["query"]
    if expr == "refused":
        return 400, b'{"status": "error", "errorType": "bad_data", "error": "refused"}'
    count = 0 if expr == "nothing" else SERIES
    value = (lambda i, time: "NaN") if expr == "NaN" else (lambda i, time: str(1 + (i + int(time) // 60) % 2))
    if urlsplit(path).path.endswith("query"):
        result = [{"metric": labels(expr, i), "value": [float(asked["time"]), value(i, asked["time"])]} for i in range(count)]
    else:
        times = range(int(asked["start"]), int(asked["end"]) + 1, int(asked["step"]))
        result = [{"metric": labels(expr, i), "values": [[time, value(i, time)] for time in times]}
                  for i in range(count)]
    return 200, json.dumps({"status": "success", "data": {"result": result}}).encode()


def faults(panels):
    """{title: what is wrong}"""
    return {panel["title"]: panel["state"] if panel["state"] != "drawn" else "nothing"
            for panel in panels if panel["state"] != "drawn" or not panel["ink"]}


def faulty(dashboard):
    """One with the panels of FAULTY, and one that is right."""
    model = next(panel for panel in dashboard["panels"] if panel["type"] == "timeseries")
    changes = {"right": {}, "of no type": {"type": "graph"}, "refused": {"expr": "refused"},
               "without data": {"expr": "nothing"}, "without a number": {"expr": "NaN"}}
    panels = []
    for i, (title, change) in enumerate(changes.items()):
        target = {**model["targets"][0], "expr": change.get("expr", "up")}
        panels.append({**model, "id": i, "title": title, "type": change.get("type", model["type"]), "targets": [target],
                       "gridPos": {"x": 0, "y": 8 * i, "w": 12, "h": 8}})
    return {**dashboard, "panels": panels}


def check(report, folder):
    ours = {path.stem: json.loads(path.read_text()) for path in sorted(DASHBOARDS.glob("*.json"))}
    with Viewer(folder / "viewer", answer, {"faulty": faulty(ours["mpc-cluster-overview"])}) as viewer, \
            Browser(folder, "panels", dark=True) as browser:
        found = faults(drawn(browser, viewer.url("faulty", BEGIN, END)))
        report.check("panels that fail, have nothing or show nothing are found", [] if found == FAULTY else [str(found)])
        browser.console()
        for uid, dashboard in ours.items():
            panels = drawn(browser, viewer.url(uid, BEGIN, END))
            said = [line for line in browser.console() if "/public/fonts/" not in line]
            missing = {panel["title"] for panel in dashboard["panels"]} - {panel["title"] for panel in panels}
            report.check(f"{uid}: {len(panels)} panels are drawn",
                         [f"{title}: {what}" for title, what in faults(panels).items()] + said + sorted(missing))


def main():
    report = live.Report()
    for program in PROGRAMS:
        if not shutil.which(program):
            report.skip("the dashboards, drawn", f"{program} is missing; scripts/setup e2e brings it")
            return 0
    with report.part("the dashboards, drawn"):
        check(report, live.scratch())
    return report.status()


if __name__ == "__main__":
    sys.exit(main())
