# SPDX-License-Identifier: BSD-2-Clause
"""A small program that calls its two functions as often as it is told, in builds that
differ as little as one wants, for tests about files and processes: see orders.rs.
"""

import re
import subprocess
from pathlib import Path

import live
from books import Scrape

SOURCE = Path(__file__).with_name("orders.rs")
PROFILE = Path(__file__).with_name("orders.yaml")
FUNCTIONS = ("orders::first", "orders::second")


def build(path, build_id, edited=False):
    """The program with that build-id, whatever is in it; static, for it runs in empty folders."""
    done = live.run("rustc", "--edition", "2021", "-C", "opt-level=2", "-C", "target-feature=+crt-static", "-g",
                    "-C", f"link-arg=-Wl,--build-id=0x{build_id}", *(["--cfg", "edited"] if edited else []),
                    "--check-cfg", "cfg(edited)", "--crate-name", "orders", "-o", path, SOURCE)
    if done.returncode:
        raise RuntimeError(f"rustc {SOURCE.name}: {done.stderr.strip()[-300:]}")
    return Path(path)


def sites(program):
    """{function: offsets in the file} of the instructions that are probed."""
    pack = live.run(live.AGENT, "pack", program, "--profile", PROFILE, "-o", "/dev/stdout")
    if pack.returncode:
        raise RuntimeError(f"pack {program}: {pack.stderr.strip()}")
    names = re.findall(r'(?m)^func "(.*)"', pack.stdout)
    found = {name: [] for name in names}
    for func, offset in re.findall(r"(?m)^site \w+ func (\d+) row \d+ at (0x[0-9a-f]+)", pack.stdout):
        found[names[int(func)]].append(int(offset, 16))
    return found


def unlikely(program):
    """The offset of a byte of code that can be any other: see orders.rs."""
    data, constant = Path(program).read_bytes(), (0x5ea1ed0ff1cec0de).to_bytes(8, "little")
    if data.count(constant) != 1:
        raise RuntimeError(f"{program}: the constant stands {data.count(constant)} times in it")
    return data.index(constant)


class Orders(live.Process):
    """One that runs. @words start it, the last of them being the program."""

    def __init__(self, *words, folder, name):
        self.name, self.calls = name, 0
        super().__init__(*words, log=Path(folder) / f"{name}.{id(self)}.log", env={"NODE_ID": name},
                         stdin=subprocess.PIPE)
        self.until_said(r"(?m)^ready")

    def call(self, times):
        self.child.stdin.write(f"{times}\n".encode())
        self.child.stdin.flush()
        self.calls += times
        self.until_said(rf"(?m)^called {self.calls}$")

    def end(self):
        """Its books: how often it called each function."""
        self.child.stdin.close()
        if self.child.wait(live.PATIENCE):
            raise RuntimeError(f"{self.log.name}: ended with {self.child.returncode}")
        return self.calls


def up(agent, name):
    return Scrape(agent.metrics()).get("mpc_bpf_agent_target_up", node_id=name)


def until_up(agent, name, seconds=live.PATIENCE):
    live.wait_for(f"the agent watches {name}", lambda: up(agent, name), seconds)


def wrong(agent, books):
    """Of {node: calls}: what the agent counted otherwise, in words."""
    scrape, faults = Scrape(agent.metrics()), []
    for node, calls in books.items():
        for function in FUNCTIONS:
            ours = scrape.calls(node, function)
            faults += [f"{node} {function} {what}: books {calls}, agent {ours[what]:g}"
                       for what in ("started", "finished") if ours[what] != calls]
            faults += [f"{node} {function}: {ours[what]:g} {what}"
                       for what in ("panicked", "cancelled", "in_flight", "lost") if ours[what]]
        for which in ("first", "second"):
            n = scrape.get(f"orders_{which}_total", node_id=node)
            faults += [f"orders_{which}_total of {node}: books {calls}, agent {n:g}"] if n != calls else []
    there = {dict(labels)["node_id"] for labels in scrape.samples.get("mpc_bpf_agent_target_up", {})}
    return faults + [f"node {name} is nobody's" for name in sorted(there - books.keys())]
