#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""An executable that is replaced: by rename and in place, by a build with one function
changed, by one with the same build-id and other bytes, under an agent that watches it
and before it does; never one wrong count, always a sentence. Then nodes that restart
fifty times under load, and an agent that is killed and started again.
"""
# must-run-on-reference
# timeout: 600

import contextlib
import errno
import os
import re
import shutil
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import live
import orders
from books import Scrape, added, compare, since
from orders import Orders

ID = "0123456789abcdef0123456789abcdef01234567"
RESTARTS = 50
AT_ONCE = 1.0  # seconds
NOBODY = 65534


def sentence(agent, pattern):
    """What the agent's log lacks, if anything."""
    lines = agent.said().splitlines()
    return [] if any(re.search(pattern, line) for line in lines) else [f"no line says {pattern}: {lines[-1:]}"]


def patched(source, path, offsets):
    """A copy in which one bit of each of these bytes is another."""
    data = bytearray(Path(source).read_bytes())
    for offset in offsets:
        data[offset] ^= 0x01
    Path(path).write_bytes(data)
    Path(path).chmod(0o755)
    return Path(path)


def stripped(source, path):
    done = live.run("strip", "-s", "-o", path, source)
    if done.returncode:
        raise RuntimeError(f"strip: {done.stderr.strip()}")
    return Path(path)


def overwrite(source, path):
    """In place, as cp does; how long that took."""
    began = time.monotonic()
    with open(path, "wb") as file:
        file.write(Path(source).read_bytes())
    return time.monotonic() - began


class Builds:
    """v1, v2 (one function changed), and what can be made of them; all with one build-id."""

    def __init__(self, folder):
        self.v1 = orders.build(folder / "v1", ID)
        self.v2 = orders.build(folder / "v2", ID, edited=True)
        self.pack = folder / "v1.pack"
        made = live.run(live.AGENT, "pack", self.v1, "--profile", orders.PROFILE, "-o", self.pack)
        if made.returncode:
            raise RuntimeError(f"pack: {made.stderr.strip()}")
        self.ships = stripped(self.v1, folder / "v1.stripped")
        self.v2_ships = stripped(self.v2, folder / "v2.stripped")
        places = orders.sites(self.v1)["orders::second"]
        self.at_site = patched(self.ships, folder / "at-site", [max(places)])
        self.beside = patched(self.ships, folder / "beside", [orders.unlikely(self.ships)])


def without_leases(folder):
    """Starts agents that are refused leases on files of other owners than themselves."""
    script = folder / "agent-without-leases"
    script.write_text(f'#!/bin/sh\nexec setpriv --bounding-set=-lease --inh-caps=-lease {live.AGENT} "$@"\n')
    script.chmod(0o755)
    return script


def check_under_watch(report, folder, builds, leases=True):
    """One path, one node; what stands there changes again and again while the agent watches."""
    label = "" if leases else "without leases, "
    path = Path(shutil.copy(builds.v1, folder / "node"))
    os.chown(path, NOBODY, NOBODY)
    program = live.AGENT if leases else without_leases(folder)
    with live.Agent(folder, "--exe", path, "--profile", orders.PROFILE, name=f"under-watch-{leases}",
                    program=program) as agent:
        def life(times):
            process = Orders(path, folder=folder, name="node")
            orders.until_up(agent, "node")
            process.call(times)
            return process

        process = life(40)
        try:
            overwrite(builds.v2, path)
            busy = ["it was overwritten"]
        except OSError as error:
            busy = [] if error.errno == errno.ETXTBSY else [str(error)]
        report.check(f"{label}a running executable cannot be overwritten", busy)
        process.call(2)
        total = process.end()
        report.check(f"{label}a refused writer changes nothing", orders.wrong(agent, {"node": total}))

        if not leases:  # how soon it is noticed that nobody runs the file
            live.wait_for("the probes come off", lambda: not orders.up(agent, "node"))
        seconds = overwrite(builds.v2, path)
        report.note(f"{label}writing in place took {seconds * 1000:.0f} ms")
        if leases:
            faults = sentence(agent, r"node is being opened for writing: its probes are off")
            report.check("in place, between two runs, the probes come off before the first byte changes",
                         faults + ([f"the writer waited {seconds:.2f} s"] if seconds > AT_ONCE else []))
        total += life(33).end()
        report.check(f"{label}in place, by a build with one function changed, its build-id the same",
                     orders.wrong(agent, {"node": total}))

        shutil.copy(builds.v1, folder / "node.new")
        os.chown(folder / "node.new", NOBODY, NOBODY)
        os.replace(folder / "node.new", path)
        total += life(21).end()
        report.check(f"{label}by rename, by a build with one function changed", orders.wrong(agent, {"node": total})
                     + sentence(agent, r"node is back as pid"))

        os.truncate(path, 5000)
        if leases:
            live.wait_for("a sentence about the truncated file",
                          lambda: not sentence(agent, r"node.*(truncated|ends before|damaged)"))
        report.check(f"{label}cut in place, no wrong count", orders.wrong(agent, {"node": total}))
        overwrite(builds.v2, path)
        total += life(8).end()
        report.check(f"{label}whole again, it is watched again", orders.wrong(agent, {"node": total}))


def check_under_run(report, folder, builds):
    """The layer below an overlay is written to while the program runs: nothing keeps that from happening."""
    lower, merged = folder / "lower", folder / "merged"
    for part in (lower, folder / "upper", folder / "work", merged):
        part.mkdir()
    shutil.copy(builds.v1, lower / "node")
    done = live.run("mount", "-t", "overlay", "none", "-o",
                    f"lowerdir={lower},upperdir={folder}/upper,workdir={folder}/work", merged)
    if done.returncode:
        report.skip("in place, under a running process", f"no overlayfs here: {done.stderr.strip()}")
        return
    with contextlib.ExitStack() as stack:
        stack.callback(live.run, "umount", "-l", merged)
        agent = stack.enter_context(live.Agent(folder, "--exe", merged / "node", "--profile", orders.PROFILE, name="under"))
        process = Orders(merged / "node", folder=folder, name="node")
        orders.until_up(agent, "node")
        process.call(60)
        counted = process.calls
        with open(lower / "node", "r+b") as file:
            file.seek(orders.unlikely(builds.v1))
            file.write(b"\x01")
        began = time.monotonic()
        live.wait_for("the agent takes its probes off", lambda: not orders.up(agent, "node"))
        seconds = time.monotonic() - began
        report.note(f"noticed after {seconds:.2f} s")
        faults = [f"after {seconds:.2f} s"] if seconds > AT_ONCE else []
        faults += sentence(agent, r"node holds other code than before") + sentence(agent, r"runs on and is not counted")
        process.call(9)
        report.check("in place, under a running process, the probes come off at once", faults)
        report.check("and what it calls then is not counted", orders.wrong(agent, {"node": counted}))
        process.end()
        again = Orders(merged / "node", folder=folder, name="node")
        orders.until_up(agent, "node")
        again.call(5)
        report.check("and its next run is", orders.wrong(agent, {"node": counted + 5}))
        again.end()


def check_packs(report, folder, builds):
    """A pack, and files that have its build-id."""
    for name, program, pattern in (
            ("by a build with one function changed", builds.v2_ships, "but not its code: one of them was patched"),
            ("by one with other bytes where a probe would be", builds.at_site, "but not its code: one of them was patched"),
            ("by one with other bytes elsewhere", builds.beside, "but not its code: one of them was patched")):
        path = folder / "packed"
        done = live.run("cp", program, path)
        assert done.returncode == 0, done.stderr
        done = live.run(live.AGENT, "--exe", path, "--pack", builds.pack, "--profile", orders.PROFILE,
                        "--web.listen-address", "127.0.0.1:0", seconds=30)
        said = done.stderr.strip()
        report.check(f"the same build-id, {name}, refused before anything is set",
                     ([] if done.returncode == 1 and re.search(pattern, said) else [f"{done.returncode}: {said}"])
                     + ([f"{len(said.splitlines())} lines"] if len(said.splitlines()) != 1 else []))
        for how in ("in place", "by rename"):
            watched_packs(report, folder, builds, name, program, how, pattern)


def watched_packs(report, folder, builds, name, program, how, pattern):
    path = folder / "watched"
    live.run("cp", builds.ships, path)
    with live.Agent(folder, "--exe", path, "--pack", builds.pack, "--profile", orders.PROFILE,
                    name=f"packs-{time.monotonic()}") as agent:
        process = Orders(path, folder=folder, name="node")
        orders.until_up(agent, "node")
        process.call(12)
        total = process.end()
        if how == "in place":
            overwrite(program, path)
        else:
            shutil.copy(program, folder / "watched.new")
            os.replace(folder / "watched.new", path)
        process = Orders(path, folder=folder, name="node")
        live.wait_for("a sentence", lambda: not sentence(agent, pattern))
        if program != builds.at_site:  # that one would crash where its byte was changed
            process.call(7)
            time.sleep(0.2)
        faults = orders.wrong(agent, {"node": total})
        rows = live.json.loads(live.get(agent.address, "/probes").text)
        refused = [i for f in rows["functions"] for i in f["instances"] if re.search(pattern, i.get("reason") or "")]
        health = live.get(agent.address, "/healthz")
        faults += [] if refused else ["no row says why"]
        faults += [] if health.status == 503 and re.search(pattern, health.text) else [f"/healthz: {health.status} {health.text}"]
        report.check(f"the same build-id, {name}, {how}, not counted, and said why", faults)
        process.stop(signal.SIGKILL)
        os.unlink(path)


def check_restarts(report, cluster, agent, folder):
    """Two nodes at a time end and start again, and the others go on."""
    load = cluster.load_until_stopped("--faults", "none", "--rate", 15, "--seed", 29)
    lives, began = {}, time.monotonic()

    def restart(member, turn):
        name, last = str(member["id"]), cluster.restart(member, folder / f"node-{member['id']}-{turn}.log")
        lives[name] = added(lives[name], last) if name in lives else last

    with ThreadPoolExecutor(2) as both:
        for turn in range(0, RESTARTS, 2):
            pair = [cluster.members[(turn + i) % len(cluster.members)] for i in (0, 1)]
            list(both.map(restart, pair, (turn, turn)))
    report.note(f"{RESTARTS} restarts in {time.monotonic() - began:.0f} s")
    load.stop(seconds=120)
    cluster.quiet()
    page, truths = cluster.look(agent)
    truths = {name: added(lives[name], truth) for name, truth in truths.items()}
    result = compare(Scrape(page), truths)
    votes = sum(truth["functions"]["process_vote"]["started"] for truth in truths.values())
    report.note(f"{result.compared} values compared, {len(result.differences)} differ; {votes} votes in all lives")
    report.check(f"{RESTARTS} restarts under load, all counts equal the books of all lives", result.differences)


def nothing_left(cluster, held):
    try:  # maps go after a grace period
        live.wait_for("objects go", lambda: not live.remaining(held), seconds=10)
        left = []
    except RuntimeError:
        left = [f"{kind} {number} is still there" for kind, number in sorted(live.remaining(held))]
    return left + cluster.dead() + [fault for m in cluster.members for fault in live.changed_code(m["pid"], cluster.node)]


def check_killed(report, cluster, agent, start):
    """SIGKILL under load; another agent takes over where the books say so."""
    load = cluster.load_until_stopped("--faults", "none", "--rate", 40, "--seed", 30)
    time.sleep(2)
    held = live.kernel_objects(agent.pid)
    there = live.remaining(held)
    agent.stop(signal.SIGKILL)
    faults = [] if {"prog", "map", "link"} <= {kind for kind, _ in there} else [f"bpftool showed only {sorted(there)}"]
    report.check("an agent that is killed leaves nothing in the kernel and the nodes", faults + nothing_left(cluster, held))
    time.sleep(1)
    load.stop(seconds=120)
    cluster.quiet()
    before = cluster.truths()
    agent = start()
    try:
        cluster.load("--transactions", 100, "--faults", "all", "--fault-percent", 20, "--seed", 31)
        cluster.quiet()
        page, truths = cluster.look(agent)
        truths = {name: since(before[name], truth) for name, truth in truths.items()}
        result = compare(Scrape(page), truths)
        report.check("the next agent counts all from then on", result.differences)
        held = live.kernel_objects(agent.pid)
    finally:
        agent.stop()
    report.check("and leaves nothing either", nothing_left(cluster, held))


def check_cluster(report, folder):
    programs = live.built("thin", folder)
    pack = live.packed(report, programs / "mpc-node", folder / "node.pack")
    with live.Cluster(programs, folder / "cluster", node=programs / "mpc-node.stripped") as cluster:
        def start(name="after"):
            return live.Agent(folder, "--exe", cluster.node, "--pack", pack, name=name)
        agent = start("before")
        check_restarts(report, cluster, agent, folder)
        check_killed(report, cluster, agent, start)


def main():
    report = live.Report()
    live.need_root(report, "replaced executables")
    with report.part("replaced executables"):
        folder = live.scratch()
        builds = Builds(folder)
        check_under_watch(report, folder, builds)
        check_under_watch(report, folder, builds, leases=False)
        check_under_run(report, folder, builds)
        check_packs(report, folder, builds)
    with report.part("restarts"):
        check_cluster(report, folder)
    return report.status()


if __name__ == "__main__":
    sys.exit(main())
