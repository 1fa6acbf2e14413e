# SPDX-License-Identifier: BSD-2-Clause
"""By how much durations may differ from the books: by less than the probes cost.

What a probed call costs is measured in the same minutes on the same machine, with a
program that calls a function that does nothing, in bursts, and an agent that watches
it (two traps for each call, as for the calls of the nodes). The function itself takes
less than 10 ns, which is not subtracted. Between the agent's clock and the books'
lie the second half of the first trap and the first half of the last, and the keeping
of the books: so one trap and a few microseconds for a call, where two are allowed.

calm    Nothing but this may lie between: |agent - books| < calls * cost.

loaded  More threads want to run than there are processors. A thread that loses its
        processor between the two clocks waits for its next turn, probes or not. That
        happens to calls * cost * (involuntary switches per second of processor time)
        of the calls, on average; a wait takes, on average, what the kernel says
        (schedstat). Both are read of the nodes' own threads, over the very run:
        |agent - books| < calls * cost + (n + 4 * sqrt(n) + 4) * wait.
"""

import math
import time
from pathlib import Path

import live

SOURCE = Path(__file__).with_name("probe_cost.rs")
PROFILE = Path(__file__).with_name("probe_cost.yaml")


class Meter:
    """Runs beside the load; mark() and cost(since) tell the mean seconds of one probed call."""

    def __init__(self, folder):
        program = Path(folder) / "probe_cost"
        done = live.run("rustc", "--edition", "2021", "-O", "-g", "-o", program, SOURCE)
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
    """Processor time, waits and involuntary switches of all threads of a process."""

    def __init__(self, pid):
        self.on_cpu = self.waited = self.turns = self.forced = 0
        for task in Path(f"/proc/{pid}/task").iterdir():
            on_cpu, waited, turns = map(int, (task / "schedstat").read_text().split())
            status = (task / "status").read_text()
            self.on_cpu += on_cpu / 1e9
            self.waited += waited / 1e9
            self.turns += turns
            self.forced += int(status.rpartition("nonvoluntary_ctxt_switches:")[2].split()[0])

    def allowance(self, seconds):
        """How long a thread may have waited within that much of its own time."""
        expected = seconds * self.forced / max(self.on_cpu, 1e-3)
        wait = self.waited / max(self.turns, 1)
        return (expected + 4 * math.sqrt(expected) + 4) * wait


def sums(scrape, truths, name):
    """(node, labels, calls, books' sum, agent's sum) of each series of a histogram."""
    for node, truth in truths.items():
        for h in truth["histograms"]:
            if h["name"] == name and h["count"]:
                ours = scrape.get(f"{name}_sum", node_id=node, **h["labels"])
                yield node, h["labels"], h["count"], h["sum"], ours


def histograms(truths):
    return sorted({h["name"] for truth in truths.values() for h in truth["histograms"]})
