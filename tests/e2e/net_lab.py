# SPDX-License-Identifier: BSD-2-Clause
"""What 50-net.py works with: two network namespaces, nodes in them that keep books, and a look at
what the agent and the namespaces have counted meanwhile."""

import json
import os
import subprocess
import sys
from pathlib import Path

import live
from books import Scrape

A, B = "10.99.0.1", "10.99.0.2"
A6, B6 = "fd99::1", "fd99::2"
PORT = 7000
NODE = Path(__file__).with_name("net_node.py")


class Namespace:
    """A network namespace without a name: it goes with its last process."""

    def __init__(self, folder, name):
        self.holder = live.Process("unshare", "--net", "sleep", "100000", log=folder / f"{name}.log")
        self.enter = ["nsenter", "-t", str(self.holder.pid), "-n"]
        own = os.readlink("/proc/self/ns/net")
        live.wait_for("a namespace", lambda: os.readlink(f"/proc/{self.holder.pid}/ns/net") != own and
                      Path(f"/proc/{self.holder.pid}/comm").read_text() == "sleep\n")
        self.do("ip", "link", "set", "lo", "up")

    def do(self, *words, stdin=None):
        done = subprocess.run([*self.enter, *words], capture_output=True, text=True, input=stdin, timeout=60, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()}")
        return done.stdout

    def filter(self, chain="", hook="input"):
        """What packets that arrive have to pass; nothing: all of them may."""
        self.do("nft", "-f", "-", stdin="flush ruleset\n" + (chain and
                f"table inet t {{\nchain c {{\ntype filter hook {hook} priority 0;\n{chain}\n}}\n}}\n"))

    def counters(self):
        """{"Tcp.RetransSegs": n} of /proc/net/snmp and netstat."""
        found = {}
        for file in ("snmp", "netstat"):
            lines = self.do("cat", f"/proc/net/{file}").splitlines()
            for names, values in zip(lines[::2], lines[1::2]):
                kind = names.split(":")[0]
                found.update({f"{kind}.{name}": int(n) for name, n in zip(names.split()[1:], values.split()[1:])})
        return found


class Node(live.Process):
    def __init__(self, where, program, folder, name, log=None):
        super().__init__(*where.enter, program, NODE, log=folder / f"node-{log or name}.log", stdin=subprocess.PIPE,
                         env={"NODE_ID": name, "PYTHONHOME": sys.base_prefix})
        self.name, self.answers = name, 0
        self.until_said("ready")

    def tell(self, call, **words):
        """What its books say of the call."""
        self.child.stdin.write(f"{json.dumps([call, words])}\n".encode())
        self.child.stdin.flush()
        self.answers += 1

        def answer():
            lines = self.said().splitlines()
            if self.child.poll() is not None:
                raise RuntimeError(f"node {self.name} has ended: {self.said()[-300:]}")
            return lines[self.answers] if len(lines) > self.answers and self.said().endswith("\n") else None
        books = json.loads(live.wait_for(f"node {self.name} does {call}", answer, 90, every=0.01))
        if "error" in books:
            raise RuntimeError(f"node {self.name}: {books['error']}")
        return books


class Watch:
    """What the agent and the namespaces have counted since the last look."""

    def __init__(self, agent, a, b):
        self.agent, self.places = agent, {"a": a, "b": b}
        self.look()

    def look(self):
        self.scrape = Scrape(self.agent.metrics())
        self.counters = {name: place.counters() for name, place in self.places.items()}

    def ours(self, name, node, **labels):
        return sum(n for key, n in self.now.samples.get(name, {}).items()
                   if set({"node_id": node, **labels}.items()) <= set(key)) - \
            sum(n for key, n in self.scrape.samples.get(name, {}).items()
                if set({"node_id": node, **labels}.items()) <= set(key))

    def since(self):
        self.now = Scrape(self.agent.metrics())
        now = {name: place.counters() for name, place in self.places.items()}
        return {name: {k: now[name][k] - self.counters[name].get(k, 0) for k in now[name]} for name in now}


def differ(wants):
    """[("what", agent, witness)] where they differ, in words."""
    return [f"{what}: agent {ours:g}, {who} {truth}" for what, ours, who, truth in wants if ours != truth]


def needs(report, watch, name, *tracepoints):
    """Whether the kernel has these; else a skip that names the one it lacks."""
    for key, n in watch.now.samples["mpc_bpf_agent_tracepoint_attached"].items() if hasattr(watch, "now") else \
            watch.scrape.samples["mpc_bpf_agent_tracepoint_attached"].items():
        labels = dict(key)
        if labels["tracepoint"] in tracepoints and not n:
            report.skip(name, labels["reason"])
            return False
    return True
