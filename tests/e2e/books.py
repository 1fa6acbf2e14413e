# SPDX-License-Identifier: BSD-2-Clause
"""Compares what the agent counted with the books that the watched programs keep.

Exact: every series of every counter, every histogram's number of observations, and
of each watched function the calls started, returned, panicked, cancelled and in
flight (of a library's, that they add up); what only one of the two knows counts as 0
with the other. Every gauge that has been set since the agent watches has the number that
the books say. What a node does by the clock it did before the agent came, too: of such functions only that is compared
which came after a first look at both, and a call that was under way when the agent came
ends without a start. Of each function and node, started = finished + cancelled + in flight + lost with lost = 0.

Durations can only be longer than the books': the agent's clock is read in the trap
before a function's first own instruction and after its last. So a sum is never less
than the books', a cumulative bucket never more. How much longer: see cost.py.

On the command line: books.py CLUSTER_FOLDER HOST:PORT
"""

import math
import re
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "scripts"))
from unbooked import FINER, FOREIGN, KERNEL  # noqa: E402 (found only now)

SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$")
LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\\n]|\\[\\n"])*)"(?:,|$)')
# Families about the agent, and about what nodes do not keep books of: tests/e2e/50-net.py
OWN = ("mpc_bpf_agent_", "process_", *KERNEL)
NEVER = {  # counters that stay at 0 while nothing goes wrong
    "mpc_bpf_agent_calls_lost_total": "lost",
    "mpc_bpf_agent_ends_without_start_total": "ends without start",
    "mpc_bpf_agent_starts_unidentified_total": "starts unidentified",
    "mpc_bpf_agent_values_unreadable_total": "values unreadable",
    "mpc_bpf_agent_program_misses_total": "programs left out",
}
FAMILIES = {  # what a wallet's dashboards ask for
    "mpc_transactions_total": "counter",
    "mpc_votes_total": "counter",
    "mpc_byzantine_violations_total": "counter",
    "mpc_signatures_total": "counter",
    "mpc_network_errors_total": "counter",
    "mpc_tls_handshake_failures_total": "counter",
    "mpc_active_nodes": "gauge",
    "mpc_consensus_threshold": "gauge",
    "mpc_presignature_pool_size": "gauge",
    "mpc_connected_peers": "gauge",
    "mpc_transaction_queue_size": "gauge",
    "mpc_signature_duration_seconds": "histogram",
    "mpc_dkg_duration_seconds": "histogram",
    "mpc_vote_processing_duration_seconds": "histogram",
    "mpc_consensus_round_duration_seconds": "histogram",
}
CALL_STATES = ("started", "finished", "panicked", "cancelled", "in_flight")
# Tracepoints whose programs read counters that the kernel keeps: what one run misses the next one has.
CATCH_UP = {"tcp_probe", "tcp_rcv_space_adjust", "tcp_retransmit_skb"}
SUM_SLACK = 1e-6  # decimal places of the two texts


def key(labels):
    return tuple(sorted(labels.items()))


class Scrape:
    """One scrape: samples[name][labels] = value. Whatever is not as it must be is an error."""

    def __init__(self, text):
        self.samples, self.types = {}, {}
        for line in text.splitlines():
            if line.startswith("# TYPE "):
                name, kind = line.split()[2:]
                if name in self.types:
                    raise ValueError(f"family {name} stands twice")
                self.types[name] = kind
            elif line and not line.startswith("#"):
                self._sample(line)
        for name, kind in self.types.items():
            if kind == "histogram":
                self._check_histogram(name)

    def _sample(self, line):
        match = SAMPLE.match(line)
        if not match:
            raise ValueError(f"not a sample: {line}")
        name, inside, value = match[1], match[2] or "", float(match[3])
        labels, at = {}, 0
        while at < len(inside):
            pair = LABEL.match(inside, at)
            if not pair or pair[1] in labels:
                raise ValueError(f"labels cannot be read: {line}")
            labels[pair[1]], at = re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], pair[2]), pair.end()
        series = self.samples.setdefault(name, {})
        if key(labels) in series:
            raise ValueError(f"series stands twice: {line}")
        if value < 0 and self.types.get(name) != "gauge":
            raise ValueError(f"negative: {line}")
        series[key(labels)] = value

    def _check_histogram(self, name):
        for labels, count in self.samples.get(f"{name}_count", {}).items():
            cumulative = self.buckets(name, dict(labels))
            values = [n for _, n in cumulative]
            if values != sorted(values) or not cumulative or cumulative[-1] != (float("inf"), count):
                raise ValueError(f"buckets of {name}{dict(labels)} are not cumulative up to {count}: {cumulative}")

    def buckets(self, name, labels):
        """[(bound, cumulative count)], the last bound is infinity."""
        found = []
        for those, value in self.samples.get(f"{name}_bucket", {}).items():
            those = dict(those)
            bound = float(those.pop("le"))
            if those == labels:
                found.append((bound, value))
        return sorted(found)

    def get(self, name, **labels):
        return self.samples.get(name, {}).get(key(labels), 0)

    def sum(self, name, **wanted):
        return sum(value for labels, value in self.samples.get(name, {}).items()
                   if wanted.items() <= dict(labels).items())

    def functions(self, node):
        return sorted({dict(labels)["function"] for labels in self.samples.get("mpc_bpf_agent_calls_started_total", {})
                       if dict(labels)["node_id"] == node})

    def calls(self, node, function):
        """Of one function: started, finished, panicked, cancelled, in_flight, lost."""
        where = {"node_id": node, "function": function}
        family = "mpc_bpf_agent_calls_finished_total"
        return {
            "started": self.get("mpc_bpf_agent_calls_started_total", **where),
            "finished": self.get(family, outcome="returned", **where),
            "panicked": self.get(family, outcome="panicked", **where),
            "cancelled": self.get("mpc_bpf_agent_calls_cancelled_total", **where),
            "in_flight": self.get("mpc_bpf_agent_calls_in_flight", **where),
            "lost": self.sum("mpc_bpf_agent_calls_lost_total", **where),
        }


def last_segments(path):
    """How the books may call a function: its last segment, its type with it, or the type of a trait's method."""
    trait = re.fullmatch(r"<(?:.*::)?(\w+) as .*>::(\w+)", path)
    if trait:
        return [f"{trait[1]}::{trait[2]}", trait[2]]
    words = path.split("::")
    return ["::".join(words[-2:]), words[-1]]


class Comparison:
    """What was compared (a number) and what differs (a line each)."""

    def __init__(self):
        self.compared = 0
        self.differences = []
        self.calls = {}  # function: calls that returned, over all nodes

    def equal(self, what, books, ours):
        self.compared += 1
        if books != ours:
            self.differences.append(f"{what}: books {books:g}, agent {ours:g}")


def calls_by_the_clock(node, function, name, books, first):
    """What of the books came after the first look, and what the agent had seen then; None without a look."""
    if not first or node not in first[1]:
        return None
    scrape, truths = first
    before, seen = truths[node]["functions"].get(name, {}), scrape.calls(node, function)
    return {state: books[state] - before.get(state, 0) + seen.get(state, 0) for state in CALL_STATES}


def compare_functions(result, scrape, truth, node, first=None):
    for function in scrape.functions(node):
        ours = scrape.calls(node, function)
        names = last_segments(function)
        name = next((n for n in names if n in truth["functions"]), names[-1])
        books = truth["functions"].get(name, {})
        if books.get("periodic"):
            books = calls_by_the_clock(node, function, name, books, first)
            if books is None:
                continue
        what = f"node {node} {names[-1] if '<' not in function else names[0]}"
        for state in () if function.startswith(FOREIGN) else CALL_STATES:
            result.equal(f"{what} {state}", books.get(state, 0), ours[state])
        ended = ours["finished"] + ours["panicked"] + ours["cancelled"] + ours["in_flight"] + ours["lost"]
        result.equal(f"{what} started = finished + cancelled + in flight + lost", ours["started"], ended)
        result.calls[function] = result.calls.get(function, 0) + ours["finished"]


def under_way(name, labels, truths, first):
    """What was there at the first look of ends whose calls began before the agent came; None without a look."""
    books = (truths or {}).get(labels.get("node_id"), {}).get("functions", {})
    if name != "mpc_bpf_agent_ends_without_start_total" or not any(
            books.get(word, {}).get("periodic") for word in last_segments(labels["function"])):
        return 0
    return first[0].get(name, **labels) if first else None


def check_never(result, scrape, truths=None, first=None):
    for name, words in NEVER.items():
        for labels, value in scrape.samples.get(name, {}).items():
            wanted = under_way(name, dict(labels), truths, first)
            if dict(labels).get("program") not in CATCH_UP and wanted is not None:
                result.equal(f"{words} {dict(labels)}", wanted, value)


def compare_counters(result, scrape, truth, node):
    books = {}
    for c in truth["counters"]:
        labels = {name: value for name, value in c["labels"].items() if name not in FINER.get(c["name"], ())}
        series = c["name"], key({**labels, "node_id": node})
        books[series] = books.get(series, 0) + c["value"]
    ours = {(name, labels): value for name, kind in scrape.types.items()
            if kind == "counter" and not name.startswith(OWN)
            for labels, value in scrape.samples.get(name, {}).items() if dict(labels).get("node_id") == node}
    for name, labels in sorted(books.keys() | ours.keys()):
        result.equal(f"{name}{dict(labels)}", books.get((name, labels), 0), ours.get((name, labels), 0))


def compare_gauges(result, scrape, truth, node):
    if truth.get("gauges") is None:
        return
    books = {(g["name"], key({**g["labels"], "node_id": node})): g["value"] for g in truth.get("gauges", [])}
    ours = {(name, labels): value for name, kind in scrape.types.items()
            if kind == "gauge" and not name.startswith(OWN)
            for labels, value in scrape.samples.get(name, {}).items() if dict(labels).get("node_id") == node}
    watched = {name for name, kind in scrape.types.items() if kind == "gauge"}
    for name, labels in sorted(books.keys() | ours.keys()):
        if (name, labels) in ours or name in watched:
            result.equal(f"{name}{dict(labels)}", books.get((name, labels), math.nan),
                         ours.get((name, labels), math.nan))


def compare_histograms(result, scrape, truth, node):
    books = {(h["name"], key({**h["labels"], "node_id": node})): h for h in truth["histograms"]}
    ours = {(name, labels) for name, kind in scrape.types.items()
            if kind == "histogram" and not name.startswith(OWN)
            for labels in scrape.samples.get(f"{name}_count", {}) if dict(labels).get("node_id") == node}
    none = {"count": 0, "sum": 0, "buckets": []}
    for name, labels in sorted(books.keys() | ours):
        book, what = books.get((name, labels), none), f"{name}{dict(labels)}"
        result.equal(f"{what} count", book["count"], scrape.get(f"{name}_count", **dict(labels)))
        mine = dict(scrape.buckets(name, dict(labels)))
        for bound, count in book["buckets"]:
            result.compared += 1
            if bound not in mine:
                result.differences.append(f"{what}: the agent has no bucket {bound:g}")
            elif mine[bound] > count:
                result.differences.append(f"{what} le={bound:g}: books {count}, agent {mine[bound]:g}: too short")
        result.compared += 1
        if scrape.get(f"{name}_sum", **dict(labels)) < book["sum"] - SUM_SLACK:
            result.differences.append(f"{what}: sum {scrape.get(f'{name}_sum', **dict(labels))} is less than the "
                                      f"books' {book['sum']}")


def compare(scrape, truths, first=None):
    """All of the above for {node_id: truth}; first: an earlier scrape and truths that belong to it."""
    result = Comparison()
    check_never(result, scrape, truths, first)
    for node, truth in truths.items():
        compare_functions(result, scrape, truth, node, first)
        compare_counters(result, scrape, truth, node)
        compare_gauges(result, scrape, truth, node)
        compare_histograms(result, scrape, truth, node)
    return result


def added(first, second):
    """The books of a node that was started again: both lives together, in flight as in the second."""
    total = {"node_id": second["node_id"], "functions": {}, "counters": [], "gauges": second.get("gauges", []), "histograms": []}
    for name in first["functions"].keys() | second["functions"].keys():
        a, b = first["functions"].get(name, {}), second["functions"].get(name, {})
        numbers = (a.keys() | b.keys()) - {"periodic"}
        total["functions"][name] = {k: a.get(k, 0) + b.get(k, 0) for k in numbers}
        total["functions"][name]["in_flight"] = b.get("in_flight", 0)
        total["functions"][name]["periodic"] = bool(a.get("periodic") or b.get("periodic"))
    counters = {}
    for c in first["counters"] + second["counters"]:
        at = (c["name"], key(c["labels"]))
        counters[at] = counters.get(at, 0) + c["value"]
    total["counters"] = [{"name": n, "labels": dict(labels), "value": v} for (n, labels), v in counters.items()]
    histograms = {}
    for h in first["histograms"] + second["histograms"]:
        at = histograms.setdefault((h["name"], key(h["labels"])), {
            "name": h["name"], "labels": h["labels"], "count": 0, "sum": 0, "buckets": [[b, 0] for b, _ in h["buckets"]]})
        at["count"] += h["count"]
        at["sum"] += h["sum"]
        at["buckets"] = [[bound, n + m] for (bound, n), (_, m) in zip(at["buckets"], h["buckets"])]
    total["histograms"] = list(histograms.values())
    return total


def since(earlier, later):
    """What was added to a node's books between two looks into them, in flight as in the later one. Of gauges
    the books do not say when they were set: they are not compared."""
    negative = {"functions": {name: {k: -v for k, v in states.items() if k != "periodic"} for name, states in earlier["functions"].items()},
                "counters": [{**c, "value": -c["value"]} for c in earlier["counters"]],
                "histograms": [{**h, "count": -h["count"], "sum": -h["sum"], "buckets": [[b, -n] for b, n in h["buckets"]]}
                               for h in earlier["histograms"]]}
    return {**added(negative, later), "gauges": None}


def main():
    import json  # only here: the tests bring their own
    from pathlib import Path

    import live

    state = json.loads((Path(sys.argv[1]) / "state.json").read_text())
    truths = {str(m["id"]): json.loads(live.get(m["rest"], "/truth").text) for m in state["nodes"]}
    result = compare(Scrape(live.get(sys.argv[2], "/metrics").text), truths)
    print("\n".join(result.differences))
    print(f"{result.compared} compared, {len(result.differences)} different")
    return 1 if result.differences else 0


if __name__ == "__main__":
    sys.exit(main())
