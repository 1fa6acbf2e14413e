#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Compares what the agent counted with the books that the nodes of tests/cluster keep.

    scripts/books.py STATE.JSON HOST:PORT     of a running cluster and a running agent

Every value is a whole number: series of counters, observations of histograms, gauges,
and calls of each function that were started, returned, panicked, cancelled or are in
flight. What only one of the two knows counts as 0 with the other. Calls of what a node
does by the clock are left out: it did so before the agent watched, too.
"""

import http.client
import json
import re
import sys

from processes import request
from unbooked import FINER, FOREIGN, KERNEL

SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
NOT_THE_NODES = ("mpc_bpf_agent_", *KERNEL)
CALLS = {  # the agent's families about calls, and what the books call them
    "mpc_bpf_agent_calls_started_total": lambda labels: "started",
    "mpc_bpf_agent_calls_cancelled_total": lambda labels: "cancelled",
    "mpc_bpf_agent_calls_in_flight": lambda labels: "in_flight",
    "mpc_bpf_agent_calls_finished_total":
        lambda labels: {"returned": "finished"}.get(labels["outcome"], labels["outcome"]),
}


def get(address, path):
    """What a local HTTP server answers where all is well."""
    status, text = request(address, path)
    if status != 200:
        raise OSError(f"http://{address}{path} answers {status}: {text.strip()}")
    return text


class Scrape:
    """One scrape of the agent, as a list of (name, labels, value)."""

    def __init__(self, samples, gauges=frozenset()):
        self.samples, self.gauges = samples, gauges

    @classmethod
    def read(cls, address):
        lines = get(address, "/metrics").splitlines()
        matches = (SAMPLE.match(line) for line in lines if line and not line.startswith("#"))
        samples = [(m[1], dict(LABEL.findall(m[2] or "")), float(m[3])) for m in matches]
        return cls(samples, {line.split()[2] for line in lines if line.startswith("# TYPE ") and line.endswith(" gauge")})

    def of(self, nodes):
        """What it says about these nodes."""
        return Scrape([sample for sample in self.samples if sample[1].get("node_id") in nodes], self.gauges)

    def some(self, name, **wanted):
        return [(labels, value) for at, labels, value in self.samples
                if at == name and wanted.items() <= labels.items()]

    def sum(self, name, **wanted):
        return sum(value for _, value in self.some(name, **wanted))

    def by(self, label, name, **wanted):
        """The sums of a family by one of its labels, in the order of the page."""
        sums = {}
        for labels, value in self.some(name, **wanted):
            sums[labels[label]] = sums.get(labels[label], 0) + value
        return sums

    def quantile(self, q, name, **wanted):
        """The bound of the bucket that holds this quantile, or None without observations."""
        buckets = self.by("le", name + "_bucket", **wanted)
        rank = q * buckets.get("+Inf", 0)
        return next((float(le) for le, n in buckets.items() if n >= rank), None) if rank else None


def names_of_nodes(address):
    """Node ids as the agent shows them, by process id."""
    return {node["pid"]: node["id"] for node in json.loads(get(address, "/probes"))["nodes"]}


def read_books(nodes):
    """nodes: {agent's node id: REST address}. The values by key, and the names of the gauges
    and of what nodes do by the clock."""
    values, gauges, clock = {}, set(), set()
    for node, rest in nodes.items():
        truth = json.loads(get(rest, "/truth"))
        for kind, field in (("counters", "value"), ("gauges", "value"), ("histograms", "count")):
            for series in truth[kind]:
                finer = FINER.get(series["name"], ())
                labels = tuple(sorted(item for item in series["labels"].items() if item[0] not in finer))
                key = node, series["name"], labels
                values[key] = values.get(key, 0) + series[field]
        gauges |= {series["name"] for series in truth["gauges"]}
        for function, calls in truth["functions"].items():
            if calls.get("periodic"):
                clock.add(function)
                continue
            for what in ("started", "finished", "panicked", "cancelled", "in_flight"):
                values[node, function, what] = calls[what]
    return values, gauges, clock


def read_agent(scrape, nodes, booked, clock):
    """The same values as the agent has them, and which of the functions in the books
    (booked: the last parts of their paths) it watches, but for those of the clock."""
    values, functions = {}, set()
    for name, labels, value in scrape.samples:
        labels = dict(labels)
        node = labels.pop("node_id", None)
        if node not in nodes:
            continue
        if name in CALLS:
            path = labels["function"]
            if path.startswith(FOREIGN):
                continue
            function = next((name for name in booked | clock if path.endswith("::" + name)), path)
            if function in clock:
                continue
            functions.add(function)
            values[node, function, CALLS[name](labels)] = value
        elif name.startswith(NOT_THE_NODES):
            continue
        elif name.endswith(("_total", "_count")) or name in scrape.gauges:
            values[node, name.removesuffix("_count"), tuple(sorted(labels.items()))] = value
    return values, functions


class Comparison:
    """A scrape between two readings of the books: a value that moved in between cannot
    be equal to both, but must lie between them (of calls in flight and gauges not even that).
    A gauge that has not been set since the agent watches is not there to be compared."""

    def __init__(self, nodes, address):
        before, _, _ = read_books(nodes)
        self.scrape = Scrape.read(address)
        after, gauges, clock = read_books(nodes)
        booked = {name for _, name, what in after if isinstance(what, str)}
        agent, functions = read_agent(self.scrape, nodes, booked, clock)
        self.equal, self.moving, self.different = 0, 0, []
        known = {key for key in after if key in agent or key[1] in functions
                 or isinstance(key[2], tuple) and key[1] not in gauges}
        for key in sorted(known | {key for key, value in agent.items() if value}, key=str):
            low, high, ours = before.get(key, 0), after.get(key, 0), agent.get(key, 0)
            if low == high == ours:
                self.equal += 1
            elif low != high and (key[2] == "in_flight" or key[1] in gauges or low <= ours <= high):
                self.moving += 1
            else:
                self.different.append((key, high, ours))
        self.total = self.equal + self.moving + len(self.different)

    def sentence(self):
        if self.equal == self.total:
            return f"agrees with the books: {self.equal} of {self.total} values"
        parts = [f"{self.equal} of {self.total} values equal"]
        if self.moving:
            parts.append(f"{self.moving} moved while they were read")
        ahead = sum(ours > books for _, books, ours in self.different)
        if ahead:
            parts.append(f"{ahead} ahead")
        if len(self.different) > ahead:
            parts.append(f"{len(self.different) - ahead} behind")
        return ", ".join(parts)

    def differences(self):
        for (node, name, what), books, ours in self.different:
            labels = what if isinstance(what, str) else ", ".join(f"{k}={v}" for k, v in what)
            yield f"node {node}, {name} ({labels}): books {books:g}, agent {ours:g}"


def settled(nodes, address, tries=50):
    """A comparison in which nothing moved, if there is one: nodes do some things by the clock."""
    comparison = Comparison(nodes, address)
    while comparison.moving and tries > 1:
        tries -= 1
        comparison = Comparison(nodes, address)
    return comparison


def nodes_of(state_file, address):
    """{the agent's node id: REST address} of the cluster that the driver started."""
    with open(state_file, encoding="utf-8") as file:
        members = json.load(file)["nodes"]
    names = names_of_nodes(address)
    absent = [str(member["pid"]) for member in members if member["pid"] not in names]
    if absent:
        raise OSError(f"the agent does not watch pid {', '.join(absent)}")
    return {names[member["pid"]]: member["rest"] for member in members}


def main():
    if len(sys.argv) != 3:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    try:
        comparison = settled(nodes_of(sys.argv[1], sys.argv[2]), sys.argv[2])
    except (OSError, http.client.HTTPException) as error:
        sys.exit(f"books: {error}")
    for line in comparison.differences():
        print(line)
    print(comparison.sentence())
    return 0 if comparison.equal == comparison.total > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
