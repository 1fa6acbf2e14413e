# SPDX-License-Identifier: BSD-2-Clause
"""What the demo shows: one summary, from one scrape and its comparison with the books."""

import os
import shutil
import sys

VOTES = "mpc_vote_processing_duration_seconds"
SIGNATURES = "mpc_signature_duration_seconds"
HEAD = ("node", "approve", "reject", "p50", "p95", "success", "failure", "p50", "p95", "DKGs",
        "in flight")
GAP = 2
INDENT = 16  # of what stands beside a title below the table


def bound(seconds):
    """A quantile as far as buckets tell it: at most this much."""
    if seconds is None:
        return "-"
    if seconds == float("inf"):
        return "longer"
    return f"≤{seconds:g} s" if seconds >= 1 else f"≤{seconds * 1000:g} ms"


def row(name, scrape):
    """One line of the table: the sums, and quantiles over all that @scrape has."""
    return (name,
            *(f"{scrape.sum('mpc_votes_total', result=result):.0f}"
              for result in ("approve", "reject")),
            *(bound(scrape.quantile(q, VOTES)) for q in (0.5, 0.95)),
            *(f"{scrape.sum('mpc_signatures_total', result=result):.0f}"
              for result in ("success", "failure")),
            *(bound(scrape.quantile(q, SIGNATURES)) for q in (0.5, 0.95)),
            f"{scrape.sum('mpc_dkg_duration_seconds_count'):.0f}",
            f"{scrape.sum('mpc_bpf_agent_calls_in_flight'):.0f}")


def table(scrape, nodes):
    rows = [HEAD, *(row(node, scrape.of([node])) for node in nodes), row("all", scrape.of(nodes))]
    widths = [max(map(len, column)) for column in zip(*rows)]
    over = " " * (widths[0] + 2 * GAP) + "votes".ljust(sum(widths[1:5]) + 4 * GAP) + "signatures"
    return [over] + ["".join(cell.rjust(width + GAP) for cell, width in zip(cells, widths))
                     for cells in rows]


def in_words(sums):
    return ", ".join(f"{name} {value:.0f}" for name, value in sums.items() if value) or "none"


def cost(scrape):
    calls = scrape.sum("mpc_bpf_agent_calls_started_total")
    spent = sum(scrape.sum("mpc_bpf_agent_program_run_seconds_total", program=name) for name in ("start", "end"))
    memory = scrape.sum("process_resident_memory_bytes") / 2 ** 20
    processor = scrape.sum("process_cpu_seconds_total")
    words = [f"agent {memory:.1f} MiB resident, {processor:.2f} s CPU"]
    if calls and spent:
        words.insert(0, f"{spent / calls * 1e9:.0f} ns per call in our programs (traps not included)")
    return ", ".join(words)


def firing(alerts):
    """How many alerts of each name fire and are not only the echo of another one."""
    names = [alert["labels"]["alertname"] for alert in alerts if alert["status"]["state"] == "active"]
    return in_words({name: names.count(name) for name in sorted(set(names))})


def summary(comparison, nodes, title, alerts):
    scrape = comparison.scrape.of(nodes)
    below = {"violations": in_words(scrape.by("type", "mpc_byzantine_violations_total")),
             "transactions": in_words(scrape.by("state", "mpc_transactions_total")),
             "alerts": firing(alerts),
             "agreement": comparison.sentence(),
             "cost": cost(comparison.scrape)}
    return ["", title, *table(comparison.scrape, nodes),
            *("  " + name.ljust(INDENT - 2) + words for name, words in below.items())]


def wrapped(lines, width):
    """Long lines go on below their first word; the terminal itself must not wrap them."""
    for line in lines:
        while len(line) > width and " " in line[INDENT + 1:width]:
            at = line.rindex(" ", INDENT + 1, width + 1)
            yield line[:at]
            line = " " * INDENT + line[at + 1:]
        yield line[:width]


class Display:
    """On a terminal each summary is drawn over the one before it."""

    def __init__(self):
        self.tty = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self.drawn = 0

    def show(self, lines, over=True):
        size = shutil.get_terminal_size((100, 24))
        lines = list(wrapped(lines, size.columns - 1))
        if self.tty and over and self.drawn:
            print(f"\033[{self.drawn}F\033[J", end="")
        print("\n".join(lines), flush=True)
        # What has scrolled away cannot be drawn over.
        self.drawn = len(lines) if len(lines) < size.lines else 0
