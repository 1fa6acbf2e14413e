# SPDX-License-Identifier: BSD-2-Clause
"""By how much durations may differ from the books: by less than the probes cost.

What a watched call costs is measured in the same minutes on the same machine, with
probe_cost.rs, built as optimised as the nodes: calls of a function that does nothing,
each alone after a pause, and books kept as the nodes' functions keep them, while an
agent watches it (two traps for each call, as there). Of this, only the second half of
the first trap, the first half of the last, and the books lie between the agent's clock
and the books' clock: what is allowed is about twice what is expected.

    0 <= agent - books < calls * cost + 3 * sqrt(calls) * deviation

No call costs what another does: by the last term the sum over few calls may be above the
mean of many, by three times its measured standard deviation. Of many calls it is nothing.
A thread that loses its processor between the two clocks would add its wait for the
next turn, which has nothing to do with probes: live.never_interrupted() keeps that
from happening, here and in the nodes. The first calls of all pay for cold pages, so
there is some load before the first mark.
"""

import math
import time
from pathlib import Path

import live
from books import key

SOURCE = Path(__file__).with_name("probe_cost.rs")
PROFILE = Path(__file__).with_name("probe_cost.yaml")


class Cost:
    """Of one probed call, in seconds."""

    def __init__(self, calls, seconds, squares):
        self.mean = seconds / calls
        self.deviation = math.sqrt(max(squares / calls - self.mean ** 2, 0))

    def of(self, calls):
        return calls * self.mean + 3 * math.sqrt(calls) * self.deviation

    def __str__(self):
        return f"{self.mean * 1e6:.1f} ± {self.deviation * 1e6:.1f} µs a call"


class Meter:
    """Runs beside the load; mark() and cost(since) tell what a probed call costs."""

    def __init__(self, folder, optimised=True):
        program = Path(folder) / "probe_cost"
        done = live.run("rustc", "--edition", "2021", "-C", f"opt-level={3 if optimised else 0}", "-g",
                        "-o", program, SOURCE)
        if done.returncode:
            raise RuntimeError(f"rustc {SOURCE.name}: {done.stderr.strip()[-300:]}")
        self.program = live.Process(program, log=Path(folder) / "probe_cost.log")
        self.agent = live.Agent(folder, "--exe", program, "--profile", PROFILE, name="probe_cost-agent")
        live.never_interrupted([self.program.pid])
        time.sleep(0.2)  # the first calls pay for cold pages

    def mark(self):
        """(calls, seconds, seconds²) so far."""
        line = self.program.said().rpartition("\n")[0].rpartition("\n")[2].split()
        return int(line[0]), int(line[1]) / 1e9, int(line[2]) / 1e18

    def cost(self, since):
        return Cost(*(now - then for now, then in zip(self.mark(), since)))

    def close(self):
        self.agent.stop()
        self.program.stop()


def sums(scrape, truths):
    """{histogram: {(node, labels): (calls, agent's sum - books' sum)}}"""
    found = {}
    for node, truth in truths.items():
        for h in truth["histograms"]:
            ours = scrape.get(f"{h['name']}_sum", node_id=node, **h["labels"])
            found.setdefault(h["name"], {})[node, key(h["labels"])] = (h["count"], ours - h["sum"])
    return found


def check_sums(before, after, cost):
    """(faults, notes) about all that came between two results of sums(): each series of
    each node, and each histogram as a whole."""
    faults, notes = [], []
    for name, series in sorted(after.items()):
        total = [0, 0.0]
        for (node, labels), (calls, longer) in series.items():
            old = before.get(name, {}).get((node, labels), (0, 0.0))
            calls, longer = calls - old[0], longer - old[1]
            total = [total[0] + calls, total[1] + longer]
            if calls and not -1e-6 <= longer < cost.of(calls):
                faults.append(f"{name} node {node} {dict(labels)}: {calls} calls are {longer:.6f} s longer than the "
                              f"books, allowed {cost.of(calls):.6f} s")
        if total[0]:
            notes.append(f"{name}: {total[0]} calls, {total[1] / total[0] * 1e6:.1f} µs longer each; the probes cost "
                         f"{cost}")
    return faults, notes
