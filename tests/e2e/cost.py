# SPDX-License-Identifier: BSD-2-Clause
"""By how much durations may differ from the books: by less than the probes cost.

What a watched call costs is measured in the same minutes on the same machine, with
probe_cost.rs, built as optimised as the nodes: bursts of calls of a function that
does nothing, and books kept as the nodes' functions keep them, while an agent watches
it (two traps for each call, as there). Of this, only the second half of the first trap,
the first half of the last, and the books lie between the agent's clock and the
books' clock: what is allowed is about twice what is expected.

More threads want to run than there are processors. A thread that loses its processor
between the two clocks waits for its next turn, probes or not. Of calls that take
`cost` there, n = calls * cost * (involuntary switches per second of processor time)
are hit. The kernel says of the nodes' own threads, over the very run, how often they
lost their processor and how long they waited (/proc/PID/task/*/{status,schedstat});
the mean wait stands for the n that are expected, and, as if no other turn had been
waited for, all waiting by the involuntary switches for what chance adds to them:

    0 <= agent - books < calls * cost + n * mean wait + (4 * sqrt(n) + 4) * longest mean wait
"""

import math
import time
from pathlib import Path

import live
from books import key

SOURCE = Path(__file__).with_name("probe_cost.rs")
PROFILE = Path(__file__).with_name("probe_cost.yaml")


class Meter:
    """Runs beside the load; mark() and cost(since) tell the mean seconds of one probed call."""

    def __init__(self, folder, optimised=True):
        program = Path(folder) / "probe_cost"
        done = live.run("rustc", "--edition", "2021", "-C", f"opt-level={3 if optimised else 0}", "-g",
                        "-o", program, SOURCE)
        if done.returncode:
            raise RuntimeError(f"rustc {SOURCE.name}: {done.stderr.strip()[-300:]}")
        self.program = live.Process(program, log=Path(folder) / "probe_cost.log")
        self.agent = live.Agent(folder, "--exe", program, "--profile", PROFILE, name="probe_cost-agent")
        time.sleep(0.2)  # the first bursts pay for cold pages

    def mark(self):
        """(calls, seconds) so far."""
        line = self.program.said().rpartition("\n")[0].rpartition("\n")[2].split()
        return int(line[0]), int(line[1]) / 1e9

    def cost(self, since):
        calls, seconds = self.mark()
        return (seconds - since[1]) / (calls - since[0])

    def close(self):
        self.agent.stop()
        self.program.stop()


class Switches:
    """Processor time, waits and involuntary switches of all threads of some processes."""

    def __init__(self, pids):
        self.on_cpu = self.waited = self.turns = self.forced = 0
        for pid in pids:
            for task in Path(f"/proc/{pid}/task").iterdir():
                on_cpu, waited, turns = map(int, (task / "schedstat").read_text().split())
                status = (task / "status").read_text()
                self.on_cpu += on_cpu / 1e9
                self.waited += waited / 1e9
                self.turns += turns
                self.forced += int(status.rpartition("nonvoluntary_ctxt_switches:")[2].split()[0])

    def since(self, before):
        for name, value in vars(before).items():
            setattr(self, name, getattr(self, name) - value)
        return self

    def allowance(self, seconds):
        """How long a thread may have waited within that much of its own time."""
        expected = seconds * self.forced / max(self.on_cpu, 1e-3)
        return (expected * self.waited / max(self.turns, 1)
                + (4 * math.sqrt(expected) + 4) * self.waited / max(self.forced, 1))


def sums(scrape, truths):
    """{histogram: {(node, labels): (calls, agent's sum - books' sum)}}"""
    found = {}
    for node, truth in truths.items():
        for h in truth["histograms"]:
            ours = scrape.get(f"{h['name']}_sum", node_id=node, **h["labels"])
            found.setdefault(h["name"], {})[node, key(h["labels"])] = (h["count"], ours - h["sum"])
    return found


def check_sums(before, after, cost, switches):
    """(faults, notes) about all that came between two results of sums(): each series of
    each node, and each histogram as a whole."""
    faults, notes = [], []

    def check(what, calls, longer):
        bound = calls * cost + switches.allowance(calls * cost)
        if calls and not -1e-6 <= longer < bound:
            faults.append(f"{what}: {calls} calls are {longer:.6f} s longer than the books, allowed {bound:.6f} s")
        return bound

    for name, series in sorted(after.items()):
        total = [0, 0.0]
        for (node, labels), (calls, longer) in series.items():
            old = before.get(name, {}).get((node, labels), (0, 0.0))
            calls, longer = calls - old[0], longer - old[1]
            total = [total[0] + calls, total[1] + longer]
            check(f"{name} node {node} {dict(labels)}", calls, longer)
        if total[0]:
            bound = check(name, *total)
            notes.append(f"{name}: {total[0]} calls, {total[1] / total[0] * 1e6:.1f} µs longer each; the probes cost "
                         f"{cost * 1e6:.1f} µs a call, with waits {bound / total[0] * 1e6:.1f} µs")
    return faults, notes
