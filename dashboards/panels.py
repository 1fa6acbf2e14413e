# SPDX-License-Identifier: BSD-2-Clause
"""Grafana's dashboard schema, as far as our dashboards need it (see dashboards/make).

A panel is a dict in the schema; what all panels share is said here once. Panels flow
from left to right into rows of 24 columns. A panel's id is made from its title, so that
a link to it survives panels that come and go around it.
"""

import zlib

SCHEMA_VERSION = 39  # Grafana 11; newer ones migrate it when they load it
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
GREEN, YELLOW, RED, BLUE = "green", "yellow", "red", "blue"


def panel_id(title):
    return zlib.crc32(title.encode()) % 1_000_000 + 1


# ---- queries -----------------------------------------------------------------------

def query(expr, legend="__auto"):
    """A line per series, over the time range."""
    return {"expr": expr, "legendFormat": legend, "range": True, "instant": False}


def now(expr, legend="__auto", table=False):
    """One value per series, of the end of the time range."""
    return {"expr": expr, "legendFormat": legend, "range": False, "instant": True,
            "format": "table" if table else "time_series"}


def quantiles(metric, selector, by="", legend=""):
    """p50, p95 and p99 of a histogram; `by` starts with a comma."""
    return [query(f"histogram_quantile({q}, sum by (le{by}) (rate({metric}_bucket{{{selector}}}[$__rate_interval])))",
                  f"p{round(q * 100)}{legend}") for q in (0.5, 0.95, 0.99)]


# ---- how values look -----------------------------------------------------------------

def steps(base, *more):
    """Thresholds: a colour from minus infinity on, then (value, colour) upwards."""
    return [{"color": base, "value": None}] + [{"color": c, "value": v} for v, c in more]


def words(**mapping):
    """Values as words: words(_0=("down", RED))."""
    return [{"type": "value", "options": {key.removeprefix("_"): {"text": text, "color": color, "index": i}
                                          for i, (key, (text, color)) in enumerate(mapping.items())}}]


NOTHING = {"type": "special", "options": {"match": "null", "result": {"text": "–", "color": "transparent", "index": 0}}}


def coloured(colours):
    """Overrides that give series their colours by name."""
    return [_override(name, color={"mode": "fixed", "fixedColor": color}) for name, color in colours.items()]


def panel(kind, title, description, targets, unit, size, options, custom=None, **more):
    """@more: thresholds, mappings, decimals, minimum (None: none), maximum, empty, links, overrides,
    transformations."""
    defaults = {"unit": unit, "color": {"mode": more.get("color", "thresholds")},
                "thresholds": {"mode": "absolute", "steps": more.get("thresholds") or steps(GREEN)},
                "mappings": more.get("mappings", []), "noValue": more.get("empty", "no data")}
    for name, field in (("decimals", "decimals"), ("minimum", "min"), ("maximum", "max")):
        if more.get(name) is not None:
            defaults[field] = more[name]
    if custom:
        defaults["custom"] = custom
    return {"id": panel_id(title), "type": kind, "title": title, "description": description,
            "datasource": DATASOURCE, "size": size,
            "targets": [{"refId": chr(ord("A") + i), "datasource": DATASOURCE, "editorMode": "code", **t}
                        for i, t in enumerate(targets)],
            "fieldConfig": {"defaults": defaults, "overrides": more.get("overrides", [])},
            "options": options, "links": more.get("links", []), "transformations": more.get("transformations", [])}


def _reduce(calc="lastNotNull"):
    return {"calcs": [calc], "fields": "", "values": False}


def stat(title, description, targets, unit="short", size=(4, 4), **more):
    return panel("stat", title, description, targets, unit, size,
                 {"reduceOptions": _reduce(), "colorMode": "background" if "thresholds" in more or "mappings" in more
                  else "value", "graphMode": "none", "justifyMode": "auto", "orientation": "auto",
                  "textMode": "auto", "wideLayout": True}, **more)


def gauge(title, description, targets, unit="percentunit", size=(4, 4), **more):
    return panel("gauge", title, description, targets, unit, size,
                 {"reduceOptions": _reduce(), "orientation": "auto", "showThresholdLabels": False,
                  "showThresholdMarkers": True, "sizing": "auto", "minVizHeight": 75, "minVizWidth": 75},
                 minimum=0, maximum=1, **more)


# Of the path of a function, as much as is told apart: VoteProcessor::process_vote.
SHORT_FUNCTIONS = {"id": "renameByRegex", "options": {"regex": r"/(?:\w+::)+(\w+::\w+)/", "renamePattern": "$1"}}
SHORT_METRICS = {"id": "renameByRegex", "options": {"regex": r"/(?:mpc_)?(\w+)_seconds/", "renamePattern": "$1"}}
WIDE = 12  # columns from which on the legend has room beside the lines


def lines(title, description, targets, unit="short", size=(12, 8), stacked=False, limit=None,
          calcs=("lastNotNull", "max"), **more):
    """@limit: thresholds that are drawn as lines. @calcs: what a legend beside them says of each."""
    if limit:
        more["thresholds"] = limit
    legend = {"displayMode": "table", "placement": "right", "calcs": list(calcs)} if size[0] >= WIDE else \
        {"displayMode": "list", "placement": "bottom", "calcs": []}
    custom = {"drawStyle": "line", "lineInterpolation": "linear", "lineWidth": 1, "spanNulls": False,
              "fillOpacity": 20 if stacked else 0, "showPoints": "auto", "pointSize": 4,
              "stacking": {"group": "A", "mode": "normal" if stacked else "none"},
              "thresholdsStyle": {"mode": "dashed" if limit else "off"}}
    return panel("timeseries", title, description, targets, unit, size,
                 {"legend": {**legend, "showLegend": True}, "tooltip": {"mode": "multi", "sort": "desc"}}, custom,
                 color="palette-classic", **{"minimum": 0, **more})


def states(title, description, targets, size=(12, 8), **more):
    return panel("state-timeline", title, description, targets, "none", size,
                 {"alignValue": "left", "mergeValues": True, "rowHeight": 0.9, "showValue": "auto",
                  "legend": {"displayMode": "list", "placement": "bottom", "calcs": [], "showLegend": True},
                  "tooltip": {"mode": "single", "sort": "none"}},
                 {"fillOpacity": 75, "lineWidth": 0}, **more)


def pie(title, description, targets, unit="short", size=(8, 8), **more):
    return panel("piechart", title, description, targets, unit, size,
                 {"reduceOptions": _reduce(), "pieType": "donut", "displayLabels": ["percent"],
                  "legend": {"displayMode": "table", "placement": "right", "calcs": [], "values": ["value"],
                             "showLegend": True},
                  "tooltip": {"mode": "single", "sort": "none"}}, color="palette-classic", **more)


def _override(name, **properties):
    """@properties: _ for the dot of custom."""
    return {"matcher": {"id": "byName", "options": name},
            "properties": [{"id": key.replace("_", "."), "value": value} for key, value in properties.items()]}


def table(title, description, columns, by, size=(24, 8), widths=None, colours=None, **more):
    """One row for each set of the labels `by`; columns: (name, expression, unit[, thresholds or mappings]).
    @widths: of columns, others share what is left. @colours: mappings of the values of labels."""
    renames = {f"Value #{chr(ord('A') + i)}" if len(columns) > 1 else "Value": column[0]
               for i, column in enumerate(columns)}
    # What is said of an empty table is not to be said in every cell without a value.
    overrides = [{"matcher": {"id": "byRegexp", "options": ".+"}, "properties": [{"id": "noValue", "value": "–"}]}]
    for name, _, unit, *looks in columns:
        overrides.append(_override(name, unit=unit))
        if looks and "type" in looks[0][0]:
            overrides.append(_override(name, mappings=looks[0], custom_cellOptions={"type": "color-text"}))
        elif looks:
            overrides.append(_override(name, thresholds={"mode": "absolute", "steps": looks[0]}, mappings=[NOTHING],
                                       custom_cellOptions={"type": "color-background", "mode": "basic"}))
    overrides += [_override(name, mappings=mapping, custom_cellOptions={"type": "color-text"})
                  for name, mapping in (colours or {}).items()]
    overrides += [_override(name, custom_width=width) for name, width in (widths or {}).items()]
    order = {name: i for i, name in enumerate([*by, *renames])}
    return panel("table", title, description, [now(expr, "", table=True) for _, expr, *_ in columns], "short", size,
                 {"showHeader": True, "cellHeight": "sm"},
                 {"align": "auto", "filterable": True, "cellOptions": {"type": "auto"}, "inspect": False},
                 overrides=overrides,
                 transformations=[{"id": "merge", "options": {}},
                                  {"id": "organize", "options": {
                                      "excludeByName": {"Time": True, **dict.fromkeys(more.pop("hide", ()), True)},
                                      "indexByName": order, "renameByName": renames}}], **more)


def row(title):
    return {"id": panel_id(title), "type": "row", "title": title, "size": (24, 1), "collapsed": False, "panels": []}


# ---- a dashboard -----------------------------------------------------------------------

def variable(name, label, expr):
    return {"name": name, "label": label, "type": "query", "datasource": DATASOURCE,
            "query": {"query": expr, "refId": f"variable-{name}"}, "definition": expr,
            "refresh": 2, "sort": 3, "multi": True, "includeAll": True, "allValue": ".*", "hide": 0,
            "regex": "", "skipUrlSync": False, "options": [],
            "current": {"selected": True, "text": ["All"], "value": ["$__all"]}}


def placed(panels):
    """Gives every panel its place, in reading order."""
    x = y = height = 0
    for item in panels:
        width, tall = item.pop("size")
        if x + width > 24:
            x, y, height = 0, y + height, 0
        item["gridPos"] = {"x": x, "y": y, "w": width, "h": tall}
        x, height = x + width, max(height, tall)
    return panels


def dashboard(uid, title, description, variables, panels, since="1h"):
    source = {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "hide": 0,
              "refresh": 1, "regex": "", "multi": False, "includeAll": False, "skipUrlSync": False, "options": []}
    return {
        "id": None, "uid": uid, "title": title, "description": description, "tags": ["mpc-wallet"],
        "schemaVersion": SCHEMA_VERSION, "version": 1, "editable": False, "graphTooltip": 1,
        "refresh": "10s", "time": {"from": f"now-{since}", "to": "now"}, "timezone": "browser", "weekStart": "",
        "fiscalYearStartMonth": 0, "liveNow": False, "timepicker": {},
        "annotations": {"list": [{
            "name": "Critical alerts", "enable": True, "hide": False, "iconColor": RED, "datasource": DATASOURCE,
            "target": {"refId": "Anno", "expr": 'ALERTS{alertstate="firing",severity="critical",cluster=~"$cluster|"}',
                       "interval": "15s"},
            "titleFormat": "{{alertname}}", "textFormat": "node {{node_id}} {{instance}}"}]},
        "links": [{"type": "dashboards", "title": "MPC wallet", "tags": ["mpc-wallet"], "asDropdown": False,
                   "includeVars": True, "keepTime": True, "targetBlank": False, "icon": "dashboard", "tooltip": "",
                   "url": ""}],
        "templating": {"list": [source, *variables]},
        "panels": placed(panels)}
