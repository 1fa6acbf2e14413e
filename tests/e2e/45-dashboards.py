#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The dashboards, by the types of the code that reads them, and all PromQL of ours, by a parser.

Every file of dashboards/ compiles as a value of the types of @grafana/schema: unknown keys, wrong values, options of
another panel type are errors (tests/dashboards/types says what it is made of). Every expression of panels,
annotations and rules parses; and of its tree is said what a parser does not mind: a rate of what is no counter, a
quantile of what has lost its buckets, a label in a legend, a column or an alert's words that its expression has not.
Both first have to find what is wrong in broken ones.
"""
# must-run-on-reference
# timeout: 300

import copy
import json
import re
import sys

import live
import tools
from monitoring import DASHBOARDS, filled

TYPES = live.ROOT / "tests" / "dashboards" / "types"
RULES = sorted((live.ROOT / "deploy" / "prometheus" / "rules").glob("*.yml"))
SETTINGS = {"compilerOptions": {"noEmit": True, "strict": True, "skipLibCheck": True, "module": "esnext",
                                "moduleResolution": "bundler", "target": "es2022", "types": []}, "include": ["*.ts"]}
COUNTERS = re.compile(r"_(total|bucket|sum|count)$|^pg_stat_database_")  # that exporter does not say total
RATES = {"rate", "irate", "increase"}
SET = {"and", "unless"}


# ---- types -----------------------------------------------------------------------------

def first(dashboard, kind):
    return next(panel for panel in dashboard["panels"] if panel["type"] == kind)


# What is done to a dashboard that is right, and a word of what the compiler must say of it.
BREAKS = {
    "theme": lambda d: d.update(theme="dark"),
    "yaxes": lambda d: first(d, "timeseries").update(yaxes=[]),
    "graph": lambda d: first(d, "timeseries").update(type="graph"),
    "pieType": lambda d: first(d, "stat")["options"].update(pieType="donut"),
    "footer": lambda d: first(d, "table")["options"].update(footer={"show": False}),
    "areas": lambda d: first(d, "stat")["options"].update(graphMode="areas"),
    "dots": lambda d: first(d, "timeseries")["fieldConfig"]["defaults"]["custom"].update(drawStyle="dots"),
    "'\"thick\"' does not exist in type 'Partial":
        lambda d: first(d, "timeseries")["fieldConfig"]["defaults"]["custom"].update(thick=1),
    "units": lambda d: first(d, "stat")["fieldConfig"]["defaults"].update(units="s"),
    "relative": lambda d: first(d, "stat")["fieldConfig"]["defaults"]["thresholds"].update(mode="relative"),
    "LegendPlacement": lambda d: first(d, "timeseries")["options"]["legend"].update(placement="left"),
    "value: number": lambda d: first(d, "table")["fieldConfig"]["overrides"][0]["properties"].append(
        {"id": "unit", "value": 5}),
    "custom.colour": lambda d: first(d, "table")["fieldConfig"]["overrides"][0]["properties"].append(
        {"id": "custom.colour", "value": "red"}),
    "organise": lambda d: first(d, "table")["transformations"].append({"id": "organise", "options": {}}),
    "type 'Query'": lambda d: first(d, "timeseries")["targets"][0].update(legend="{{node_id}}"),
    "VariableHide": lambda d: d["templating"]["list"][0].update(hide=7),
    "type 'Annotation'": lambda d: d["annotations"]["list"][0].update(expr="up"),
    "w: number": lambda d: first(d, "stat")["gridPos"].update(width=3),
    "AnyPanel": lambda d: d["panels"].append({"type": "row", "id": 1, "title": "without its panels", "collapsed": False}),
}


def compiled(folder, dashboards):
    """What the compiler says of each of them, by name; line numbers are those of the JSON files."""
    folder.mkdir()
    (folder / "node_modules").symlink_to(tools.packages(TYPES))
    (folder / "types.ts").write_text((TYPES / "dashboard.ts").read_text())
    (folder / "tsconfig.json").write_text(json.dumps(SETTINGS))
    for name, dashboard in dashboards.items():
        (folder / f"{name}.ts").write_text(f"export const dashboard: Dashboard = {json.dumps(dashboard, indent=2)};\n"
                                           'import type { Dashboard } from "./types";\n')
    done = live.run(tools.node() / "bin/node", "node_modules/typescript/bin/tsc", "--project", ".", "--pretty", "false",
                    cwd=folder)
    said = {name: [] for name in dashboards}
    for line in done.stdout.splitlines():
        found = re.match(r"([\w-]+)\.ts\((\d+),\d+\): error (.*)", line)
        if found and found[1] in said:
            said[found[1]].append(f"{found[1]}.json:{found[2]}: {found[3]}")
        elif not line.startswith(" "):  # more words on the line before
            raise RuntimeError(f"tsc: {line} {done.stderr}")
    if bool(done.returncode) != any(said.values()):
        raise RuntimeError(f"tsc ends with {done.returncode}: {done.stdout} {done.stderr}")
    return said


def check_types(report, folder):
    ours = {path.stem: json.loads(path.read_text()) for path in DASHBOARDS}
    broken, faulty = {}, {}
    for i, (word, change) in enumerate(BREAKS.items()):
        broken[f"broken-{i}"] = word
        ours_but = copy.deepcopy(ours["mpc-cluster-overview"])
        change(ours_but)
        faulty[f"broken-{i}"] = ours_but
    said = compiled(folder / "types", {**ours, **faulty})
    report.check(f"a compiler with Grafana's types finds {len(broken)} of {len(broken)} faults",
                 [f"{word}: {said[name]}" for name, word in broken.items() if not any(word in line for line in said[name])])
    report.check(f"{len(ours)} dashboards are what Grafana's types say", [line for name in ours for line in said[name]])


# ---- PromQL ----------------------------------------------------------------------------

def labels_of(node):
    """The labels that a result has; None where only the data says."""
    kind = type(node).__name__
    if kind == "AggregateExpr":
        if str(node.op) in ("topk", "bottomk"):
            return labels_of(node.expr)
        if node.modifier is None:
            return set()
        return set(node.modifier.labels) if str(node.modifier).startswith("by") else None
    if kind in ("ParenExpr", "UnaryExpr"):
        return labels_of(node.expr)
    if kind == "Call":
        inner = [labels_of(arg) for arg in node.args if "Literal" not in type(arg).__name__]
        if node.func.name in ("vector", "time", "scalar"):
            return set()
        found = inner[0] if inner else None
        return found - {"le"} if found and node.func.name == "histogram_quantile" else found
    if kind == "BinaryExpr":
        return labels_of_both(node)
    return None


def labels_of_both(node):
    left, right = labels_of(node.lhs), labels_of(node.rhs)
    if str(node.op) == "or":
        return None if None in (left, right) else left | right
    if "Literal" in type(node.lhs).__name__:
        return right
    more = (node.modifier and node.modifier.group_labels) or []
    return left if left is None or str(node.op) in SET else left | set(more)


def tree_faults(promql, tree):
    def look(node):
        kind = type(node).__name__
        if kind == "Call" and node.func.name in RATES and type(node.args[0]).__name__ == "MatrixSelector":
            name = node.args[0].vector_selector.name or ""
            faults.extend([f"a {node.func.name} of {name}, which is no counter"] if not COUNTERS.search(name) else [])
        if kind == "Call" and node.func.name == "histogram_quantile":
            labels = labels_of(node.args[1])
            faults.extend(["a quantile without le"] if labels is not None and "le" not in labels else [])
    faults = []
    promql.walk(tree, look)
    return faults


def faults_of(promql, expr, used=()):
    """@used: labels that somebody takes from its result."""
    try:
        tree = promql.parse(expr)
    except ValueError as error:
        return [str(error)]
    has = labels_of(tree)
    return tree_faults(promql, tree) + [f"has no label {label}" for label in used if has is not None and label not in has]


def legends():
    """(where, expression, labels) of all panels and annotations."""
    for path in DASHBOARDS:
        dashboard = json.loads(path.read_text())
        for event in dashboard["annotations"]["list"]:
            yield f"{path.stem} / {event['name']}", event["target"]["expr"], ()
        for panel in dashboard["panels"]:
            for target in panel.get("targets", ()):
                yield f"{path.stem} / {panel['title']}", target["expr"], re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])


def rules():
    """(where, expression, labels) of all rules."""
    for path in RULES:
        for block in re.split(r"(?m)^ +- (?=alert:|record:)", path.read_text())[1:]:
            name = re.match(r"\w+: (\S+)", block)[1]
            lines = re.search(r"(?m)^( +)expr: (?:\|\n((?:\1 .*\n|\n)+)|(.*\n))", block)
            yield name, (lines[2] or lines[3]).strip(), re.findall(r"\$labels\.(\w+)", block)


def columns(promql):
    """Columns of tables that no expression of theirs has."""
    for path in DASHBOARDS:
        for panel in json.loads(path.read_text())["panels"]:
            if panel["type"] == "table":
                order, renamed = (panel["transformations"][1]["options"][key] for key in ("indexByName", "renameByName"))
                has = set().union(*(labels_of(promql.parse(filled(target["expr"]))) or () for target in panel["targets"]))
                yield from (f"{path.stem} / {panel['title']}: no expression has {name}"
                            for name in set(order) - set(renamed) - set(renamed.values()) - has)


WRONG = {  # expression: what it must be found to be
    "sum by (node_id (up)": "unclosed",
    "rate(mpc_votes_total)": "expected type matrix",
    'up{node_id=~"*"}': "regex",
    "rate(mpc_connected_peers[1m])": "no counter",
    "histogram_quantile(0.9, sum by (node_id) (rate(a_bucket[1m])))": "without le",
    "sum by (node_id) (up)": "no label instance",
    "histogram_quantile(0.9, sum by (le) (rate(a_bucket[1m])))": "no label instance",
    "sum(rate(a_total[1m])) / on () group_left () (max(b) > 0)": "no label instance",
    "topk(10, sum by (node_id) (up) or sum by (cluster) (up))": "no label instance",
}


def check_promql(report):
    tools.libraries(tools.PROMQL)
    import promql_parser as promql  # not before it is there
    found = {expr: faults_of(promql, expr, ["instance"]) for expr in WRONG}
    report.check("a PromQL linter finds what is wrong",
                 [f"{expr}: {said}" for expr, said in found.items() if not any(WRONG[expr] in fault for fault in said)])
    for what, asked in (("expressions of dashboards", list(legends())), ("rules", list(rules()))):
        faults = [f"{where}: {fault}: {expr}" for where, expr, used in asked
                  for fault in faults_of(promql, filled(expr), used)]
        report.check(f"{len(asked)} {what} are PromQL, and have what is taken from them", faults)
    report.check("the columns of tables are there", columns(promql))


def main():
    report = live.Report()
    folder = live.scratch()
    with report.part("the types of the dashboards"):
        check_types(report, folder)
    with report.part("the PromQL"):
        check_promql(report)
    return report.status()


if __name__ == "__main__":
    sys.exit(main())
