#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The landing page in a real browser, over an agent that watches five nodes under load.

What is to be read on it is what /probes says as JSON, and what the nodes' own books say. It renews
itself, keeps what was unfolded, scrolled to and focused, and says so when the agent is gone. The
console stays empty, and nothing is asked for but from the page's own origin. It fits a phone, is
readable by day and by night (contrasts are measured), has a name for all that a screen reader
stops at, and shows the same without scripts.
"""
# must-run-on-reference
# timeout: 240

import contextlib
import json
import re
import shutil
import sys
import time

import live
from browser import PROGRAMS, Browser

# The rows of a table, each cell as the text that is to be seen in it.
ROWS = """
const text = e => e.innerText.replace(/\\s+/g, ' ').trim();
return [...document.querySelectorAll(arguments[0] + ' tr')].map(
    tr => [...tr.children].map(text));"""
# The pairs of colours that are to be told apart and are not: WCAG 2.1, AA.
CONTRAST = """
const channel = c => { c /= 255; return c <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4; };
const light = c => .2126 * channel(c[0]) + .7152 * channel(c[1]) + .0722 * channel(c[2]);
const rgb = s => s.match(/[\\d.]+/g).map(Number);
const ground = e => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor);
    if (c.length < 4 || c[3] === 1) return c; } return [255, 255, 255]; };
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), bad = new Set();
let n = 0;
while (walker.nextNode()) {
    const e = walker.currentNode.parentElement, style = getComputedStyle(e);
    if (!walker.currentNode.data.trim() || !e.getClientRects().length || e.closest('script,style,svg')) continue;
    const a = light(rgb(style.color)), b = light(ground(e)), ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.6 && style.fontWeight >= 700);
    let opacity = 1; for (let p = e; p; p = p.parentElement) opacity *= getComputedStyle(p).opacity;
    n++;
    if (opacity < 1 || ratio < (large ? 3 : 4.5)) bad.add(e.className + ' ' + style.color + ' ' + ratio.toFixed(2));
}
return [n, [...bad]];"""
NAMES = """
const bad = [];
for (const e of document.querySelectorAll('a, summary, [tabindex], nav, section, svg[role=img], h1, h2')) {
    const by = e.getAttribute('aria-labelledby');
    const name = by ? document.getElementById(by)?.textContent : e.getAttribute('aria-label') || e.textContent;
    if (!name?.trim()) bad.push(e.outerHTML.slice(0, 80));
}
const ids = [...document.querySelectorAll('[id]')].map(e => e.id);
for (const t of document.querySelectorAll('table'))
    for (const th of t.querySelectorAll('th')) if (!th.scope) bad.push('a head without scope: ' + th.outerHTML);
for (const s of document.querySelectorAll('svg.spark'))
    if (s.getAttribute('aria-hidden') != 'true') bad.push('a picture without words: ' + s.outerHTML.slice(0, 80));
return bad.concat(ids.filter((id, i) => ids.indexOf(id) != i).map(id => 'twice: ' + id),
    document.documentElement.lang ? [] : ['no language'], document.querySelectorAll('main').length == 1 ? [] : ['main'],
    document.querySelectorAll('h1').length == 1 ? [] : ['h1']);"""


def number(text):
    return None if text == "–" else float(re.sub(r"[\s\u202f]", "", text).replace("−", "-"))


def latency(seconds):
    """A bound of the built-in profile as the page writes it."""
    if seconds is None:
        return ("–", "off scale")
    return (f"{seconds * 1000:g} ms" if seconds < 1 else f"{seconds:g} s" if seconds < 60 else
            f"{seconds // 60:g} min {seconds % 60:g} s",)


def of_metric(series, n_nodes):
    """The line of the metric itself: its only series, or all of them added up where that has a meaning."""
    only = next((row for row in series if not row["labels"]), None)
    if only:
        return [*only["nodes"], only["all"]]
    if any(row["all"] is None for row in series):
        return [None] * (n_nodes + 1)
    return [sum(row["nodes"][i] for row in series) for i in range(n_nodes)] + [sum(row["all"] for row in series)]


def values_of(probes):
    """The table of values as it should be: (metric, labels) to numbers of nodes and of all."""
    table = {}
    for metric in probes["metrics"]:
        series = [row for row in metric["rows"] if row["of"] == "value"]
        if not metric["rows"] and not metric["series_at_zero"]:
            continue  # its values are not known to the page
        table[metric["name"], ""] = of_metric(series, len(probes["nodes"]))
        for row in metric["rows"]:
            if row["of"] != "value":
                table[metric["name"], f"{row['of']} ≤"] = [latency(value) for value in (*row["nodes"], row["all"])]
            elif row["labels"]:
                table[metric["name"], ", ".join(f"{k} {v}" for k, v in row["labels"].items())] = [*row["nodes"], row["all"]]
    return table


def shown_values(browser):
    table, metric = {}, None
    for cells in browser.run(ROWS, "table.grid tbody"):
        if cells[0].startswith("mpc_"):
            metric, label = cells[0].split(" ")[0], ""
        else:
            label = cells[0]
        table[metric, label] = cells[1:]
    return table


def check_values(report, browser, probes, truths):
    wanted, shown = values_of(probes), shown_values(browser)
    faults = [f"{key} is missing" for key in wanted if key not in shown]
    faults += [f"{key} is nowhere in /probes" for key in shown if key not in wanted]
    for key in wanted.keys() & shown.keys():
        for want, cell in zip(wanted[key], shown[key], strict=True):
            same = cell in want if isinstance(want, tuple) else number(cell) == want
            faults += [] if same else [f"{key}: {cell}, not {want}"]
    report.check(f"the page's table of values, {len(shown)} lines, is that of /probes", faults)

    head = browser.run(ROWS, "table.grid thead")[0]
    ids = [word.removeprefix("node ") for word in head[1:-1]]
    faults = [] if ids == [node["id"] for node in probes["nodes"]] else [str(head)]
    compared = 0
    for i, node in enumerate(ids):
        for counter in truths[node]["counters"]:
            labels = {f"{k} {v}" for k, v in counter["labels"].items() if k != "node_id"}
            cells = [cells for (metric, label), cells in shown.items()
                     if metric == counter["name"] and set(label.split(", ")) == labels]
            ours = number(cells[0][i]) if cells else 0  # what is 0 everywhere has no line
            compared += bool(counter["value"])
            faults += [] if ours == counter["value"] else [f"node {node}, {counter}: the page says {ours:g}"]
    report.check(f"{compared} counters on the page are as in the nodes' books", faults + ([] if compared else ["none"]))


def check_rows(report, browser, probes):
    shown = {cells[0]: cells for cells in browser.run(ROWS, "section[aria-labelledby=functions] tbody") if len(cells) > 1}
    faults = []
    for function in probes["functions"]:
        cells = shown.get(f"{function['name']} ✓ {function['state']}")
        if not cells:
            faults.append(f"{function['name']} is not there as {function['state']}: {list(shown)}")
            continue
        counts = [function[word] for word in ("in_flight", "started", "returned", "panicked", "cancelled", "lost")]
        faults += [] if [number(cell) for cell in cells[5:]] == counts else [f"{cells}: not {counts}"]
        faults += [f"{function['name']}: {cell}, not {want}" for cell, want in
                   zip(cells[3:5], (function["p50_seconds"], function["p99_seconds"]), strict=True)
                   if cell not in latency(want)]
        # bars for what is measured
        bars = sum(1 for row in function["latencies"] if row["calls"])
        drawn = browser.run("return [...document.querySelectorAll('section[aria-labelledby=functions] tbody')].filter("
                            "t => t.innerText.replace(/\\s/g, '').startsWith(arguments[0])).map("
                            "t => [...t.querySelectorAll('rect')].filter(r => r.getAttribute('height') > 0).length)[0]",
                            function["name"].replace(" ", ""))
        faults += [] if drawn == bars else [f"{function['name']}: {drawn} bars, not {bars}"]
    report.check(f"{len(probes['functions'])} functions with state, latencies and counts", faults)

    browser.run("for (const d of document.querySelectorAll('details')) d.open = true")
    places = browser.run("return document.querySelector('section[aria-labelledby=functions]').innerText")
    wanted = [(instance["where"], instance["how"], instance["state"]) for function in probes["functions"]
              for instance in function["instances"]]
    faults = [f"{where} is missing" for where, how, _ in wanted if where not in places or how not in places]
    faults += [] if places.count("✓ ready") == len(wanted) + len(probes["functions"]) else ["not all are ready"]
    report.check(f"{len(wanted)} places in the program, when unfolded", faults)
    browser.run("for (const d of document.querySelectorAll('details')) d.open = false")

    nodes = [cells[:1] + cells[2:4] for cells in browser.run(ROWS, "section[aria-labelledby=nodes] tbody")]
    wanted = [[node["id"], node["exe"], str(node["pid"])] for node in probes["nodes"]]
    report.check("the nodes are those of /probes", [] if nodes == wanted else [f"{nodes}: not {wanted}"])


def started(browser):
    return number(browser.run("return [...document.querySelectorAll('.tiles div')].find("
                              "d => d.innerText.startsWith('calls seen')).querySelector('dd').innerText"))


def check_renewal(report, browser):
    """While calls go on: numbers grow by themselves, curves are drawn, and what a person did stays."""
    browser.size(390, 700)  # narrow, so that there is something to scroll
    browser.run("const d = document.querySelectorAll('details')[1]; d.open = true; d.querySelector('summary').focus();"
                "document.getElementById('grid').scrollLeft = 40; document.body.dataset.mine = 'same document'")
    first = started(browser)
    live.wait_for("the numbers grow by themselves", lambda: started(browser) > first + 50)
    live.wait_for("curves are drawn", lambda: browser.run(
        "return document.querySelectorAll('.spark polyline').length") >= 7)
    kept = browser.run("return [document.querySelectorAll('details[open]').length, document.querySelectorAll("
                       "'details')[1].contains(document.activeElement), document.getElementById('grid').scrollLeft, "
                       "document.body.dataset.mine]")
    report.check("it renews itself and keeps what was unfolded, focused and scrolled",
                 [] if kept == [1, True, 40, "same document"] else [str(kept)])


def check_looks(report, browser, name):
    n, bad = browser.run(CONTRAST)
    report.check(f"contrast of {n} texts, {name}", bad + ([] if n > 100 else ["hardly any text"]))


def check_phone(report, browser, folder):
    browser.size(390, 844, mobile=True)
    browser.run("for (const d of document.querySelectorAll('details')) d.open = true")
    time.sleep(0.5)
    width, inner, cut = browser.run(
        "return [document.documentElement.scrollWidth, innerWidth, [...document.querySelectorAll('main *')].filter("
        "e => !e.closest('.grid, .t thead') && e.getBoundingClientRect().right > innerWidth + 1).map("
        "e => e.outerHTML.slice(0, 60))]")
    faults = [] if width == inner == 390 else [f"{width} wide, {inner} are there"]
    report.check("it fits a phone", faults + cut)
    browser.picture(folder / "phone.png")


def check_quiet(report, browser, address, name):
    own = (f"http://{address}/", "data:,")
    requests = browser.requests()
    report.check(f"nothing but the page's own origin is asked, {name}",
                 [url for url in requests if not url.startswith(own)] + ([] if requests else ["no request was seen"]))
    report.check(f"the console is empty, {name}", browser.console())


def check_without_script(report, folder, agent):
    with Browser(folder, "plain", script=False) as browser:
        browser.go(f"http://{agent.address}/")
        text, refresh = browser.run("return [document.body.innerText, document.querySelector("
                                    "'noscript meta[http-equiv=refresh]')?.content]")
        first = started(browser)
        faults = [] if "mpc_votes_total" in text and "process_vote" in text else ["not all is there"]
        faults += [] if refresh == "5" else [f"refresh {refresh}"]
        if not browser.run("return document.querySelector('.spark')"):
            live.wait_for("the page is loaded anew", lambda: started(browser) > first, 20, 0.5)
        else:
            faults.append("scripts run")
        report.check("without scripts it shows the same, and loads itself anew", faults)


def main():
    report = live.Report()
    for program in PROGRAMS:
        if not shutil.which(program):
            report.skip("the page", f"{program} is missing; scripts/setup e2e brings it")
            return 0
    live.need_root(report, "the page")
    with report.part("the page"):
        folder = live.scratch()
        live.OUT.mkdir(parents=True, exist_ok=True)
        programs = live.built("thin", folder)
        with live.Cluster(programs, folder / "cluster") as cluster, live.Agent(folder, "--exe", cluster.node) as agent, \
                Browser(folder, "light") as browser, contextlib.ExitStack() as ice:
            load = cluster.load_until_stopped("--rate", 12, "--faults", "all", "--fault-percent", 20)
            browser.size(1280, 1000)
            browser.go(f"http://{agent.address}/")
            check_renewal(report, browser)
            check_without_script(report, folder, agent)
            load.stop()
            truths = cluster.quiet()
            ice.enter_context(cluster.frozen())
            browser.size(1280, 1000)
            browser.go(f"http://{agent.address}/")
            probes = json.loads(live.get(agent.address, "/probes").text)
            check_values(report, browser, probes, truths)
            check_rows(report, browser, probes)
            report.check("a name for all that a screen reader stops at", browser.run(NAMES))
            check_looks(report, browser, "by day")
            browser.picture(live.OUT / "page-light.png")
            check_phone(report, browser, live.OUT)
            check_quiet(report, browser, agent.address, "by day")
            with Browser(folder, "dark", dark=True) as dark:
                dark.size(1280, 1000)
                dark.go(f"http://{agent.address}/")
                check_looks(report, dark, "by night")
                ground = dark.run("return getComputedStyle(document.body).backgroundColor")
                report.check("it is dark by night", [] if ground == "rgb(16, 19, 23)" else [ground])
                dark.picture(live.OUT / "page-dark.png")
                check_quiet(report, dark, agent.address, "by night")
            agent.stop()
            said = live.wait_for("the page says that the agent is gone", lambda: browser.run(
                "const s = document.getElementById('stale'); return s.hidden ? '' : s.innerText"))
            report.check("it says when its numbers are old", [] if "has not answered for" in said else [said])
    return report.status()


if __name__ == "__main__":
    sys.exit(main())
