#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Gauges: what was given last, also where threads give at once, and what two functions
count up and down. Every one is equal to the books of gauges.rs. One that nobody sets any
more disappears and the agent says since when; those of a node that ends go at once, and
begin anew when it comes back. Once from its own debug information and once from a pack,
stripped, begun while the program was running.

33-gauges.py
"""
# must-run-on-reference
# timeout: 300

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import live
from books import NEVER, Scrape

SOURCE = Path(__file__).with_name("gauges.rs")
PROFILE = Path(__file__).with_name("gauges.yaml")
STALE = 3  # seconds, of pool_bytes
SET = ("pool_bytes", "mine", "locked", "shared", "limit")


def texts(metrics):
    """{name{labels without node_id}: value as it is written}"""
    found = {}
    for line in metrics.splitlines():
        match = re.match(r"([a-z_]+)\{(.*)\} (\S+)$", line)
        if match and 'node_id="gauges"' in match[2]:
            labels = [p.replace('"', "") for p in match[2].split(",") if not p.startswith("node_id=")]
            found[match[1] + ("{" + ",".join(labels) + "}" if labels else "")] = match[3]
    return found


def gauges_in(metrics):
    return sorted(name for name in texts(metrics) if name.split("{")[0] in (*SET, "peers"))


class Watched(live.Process):
    def __init__(self, program, folder, name):
        super().__init__(program, log=folder / f"{name}.log", env={"NODE_ID": "gauges"},
                         stdin=subprocess.PIPE)
        self.until_said("ready")

    def tell(self, line):
        before = self.said().count(f"did {line}")
        self.child.stdin.write(f"{line}\n".encode())
        self.child.stdin.flush()
        live.wait_for(line, lambda: self.said().count(f"did {line}") > before, 60)

    def quit(self):
        self.child.stdin.close()
        if self.child.wait(30):
            raise RuntimeError(f"it ended with {self.child.returncode}: {self.said()[-300:]}")


def faults_of(metrics, books, before):
    """What differs; @before are books of what was counted before the agent looked."""
    ours, faults = texts(metrics), []
    for name, possible in books.items():
        relative = name.startswith("peers") or name.endswith("_total")
        wants = [str(n - (before[name][0] if before and relative else 0)) for n in possible]
        if ours.get(name) not in wants:
            faults.append(f"{name}: books {' or '.join(wants)}, agent {ours.get(name)}")
    return faults


def missing_of(metrics):
    scrape = Scrape(metrics)
    return [f"{name} is {scrape.sum(name):g}" for name in (*NEVER, "mpc_bpf_agent_numbers_missing_total")
            if scrape.sum(name)]


def up(agent):
    return Scrape(agent.metrics()).get("mpc_bpf_agent_target_up", node_id="gauges")


def bursts(report, name, agent, watched, folder, before):
    faults = []
    for turn in range(3):
        books = folder / f"books-{turn}.json"
        watched.tell(f"burst {books}")
        metrics = agent.metrics()
        faults += faults_of(metrics, json.loads(books.read_text()), before) + missing_of(metrics)
    report.check(f"{name}, every gauge is what threads gave last", faults)


def staleness(report, name, agent, watched):
    def pulse(n):
        began = time.time()
        watched.tell(f"pulse {n}")
        metrics = agent.metrics()
        return (began, time.time()) if texts(metrics).get("pool_bytes") == str(n) else None

    began, ended = live.wait_for("the pool is shown", lambda: pulse(41), 60)
    live.wait_for("the pool is stale", lambda: "pool_bytes" not in texts(agent.metrics()), STALE + 30)
    gone = time.time()
    ours = texts(agent.metrics())
    faults = []
    if gone - began < STALE:
        faults.append(f"it was shown for {gone - began:.1f} s")
    if ours.get("mpc_bpf_agent_stale_series{metric=pool_bytes}") != "1":
        faults.append(f"stale: {ours.get('mpc_bpf_agent_stale_series{metric=pool_bytes}')}")
    said = float(ours.get("mpc_bpf_agent_last_set_timestamp_seconds{metric=pool_bytes}", 0))
    if not began - 0.1 < said < ended + 0.1:
        faults.append(f"set at {said}, not between {began} and {ended}")
    if not {"locked", "shared", "limit", "mine{thread=a}"} <= ours.keys():
        faults.append(f"others went too: {gauges_in(agent.metrics())}")
    note = {m["name"]: m["note"] for m in json.loads(live.get(agent.address, "/probes", Accept="application/json").text)
            ["metrics"]}["pool_bytes"]
    if not re.match(r"1 series stale and not shown: the latest was set \d+ s ago$", note or ""):
        faults.append(f"the page says {note!r}")
    report.check(f"{name}, what nobody sets goes stale", faults)
    live.wait_for("the pool is back", lambda: pulse(17), 60)
    report.check(f"{name}, and comes back when it is set", [])


def formats(report, name, agent):
    text = live.get(agent.address, "/metrics", Accept="application/openmetrics-text; version=1.0.0").text
    wants = ["# TYPE pool_bytes gauge", "# UNIT pool_bytes bytes", "# TYPE peers gauge",
             "# HELP peers Peers that joined and have not left."]
    faults = [f"{want!r} is missing" for want in wants if want not in text.splitlines()]
    faults += re.findall(rf"(?m)^(?:{'|'.join((*SET, 'peers'))})_created.*$", text)
    report.check(f"{name}, OpenMetrics has type and unit, and no time of creation of gauges", faults)


def restart(report, name, agent, watched, program, folder):
    joins = texts(agent.metrics())["joins_total"]
    watched.quit()
    live.wait_for("the agent sees its end", lambda: up(agent) == 0)
    report.check(f"{name}, gauges of a node that ended are gone", gauges_in(agent.metrics()))
    again = Watched(program, folder, f"{name}-again")
    live.wait_for("the agent sees it again", lambda: up(agent) == 1)
    ours = texts(agent.metrics())
    peers = {series: value for series, value in ours.items() if series.startswith("peers")}
    faults = [f"{gauge} is {ours[gauge]}" for gauge in ours if gauge.split("{")[0] in SET]
    if peers != {"peers{kind=in}": "0", "peers{kind=out}": "0"}:
        faults.append(f"{peers}")
    if ours.get("joins_total") != joins:
        faults.append(f"its counter is {ours.get('joins_total')}, and was {joins}")
    books = folder / "books-again.json"
    again.tell(f"burst {books}")
    wants = json.loads(books.read_text())
    wants["joins_total"] = [wants["joins_total"][0] + int(joins)]
    faults += faults_of(agent.metrics(), wants, None)
    again.quit()
    report.check(f"{name}, they begin anew when it comes back, and counters go on", faults)


def one_run(report, folder, name, program, *options, early=False):
    before = None
    watched = None
    if early:  # what was there before is not known
        watched = Watched(program, folder, name)
        watched.tell(f"burst {folder / 'before.json'}")
        before = json.loads((folder / "before.json").read_text())
    with live.Agent(folder, "--exe", program, "--profile", PROFILE, "--program-stats", *options,
                    name=f"{name}-agent") as agent:
        watched = watched or Watched(program, folder, name)
        live.wait_for("the agent sees it", lambda: up(agent))
        first = gauges_in(agent.metrics())
        report.check(f"{name}, what is counted begins at 0, and what is set is not there",
                     [] if first == ["peers{kind=in}", "peers{kind=out}"] and
                     {texts(agent.metrics())[g] for g in first} == {"0"} else [str(first)])
        bursts(report, name, agent, watched, folder, before)
        staleness(report, name, agent, watched)
        formats(report, name, agent)
        restart(report, name, agent, watched, program, folder)


def main():
    report = live.Report()
    live.need_root(report, "gauges")
    folder = live.scratch()
    with report.part("gauges"):
        program = folder / "gauges"
        done = live.run("rustc", "--edition", "2021", "-C", "opt-level=3", "-g", "-o", program, SOURCE)
        if done.returncode:
            raise RuntimeError(f"rustc {SOURCE.name}: {done.stderr.strip()[-300:]}")
        one_run(report, folder, "own debug information", program)
        pack, stripped = folder / "gauges.pack", folder / "stripped"
        done = live.run(live.AGENT, "pack", program, "--profile", PROFILE, "-o", pack)
        if done.returncode:
            raise RuntimeError(f"pack: {done.stderr.strip()[-300:]}")
        subprocess.run(["strip", "-s", "-o", stripped, program], check=True)
        one_run(report, folder, "pack", stripped, "--pack", pack, early=True)
    return report.status()


if __name__ == "__main__":
    sys.exit(main())
