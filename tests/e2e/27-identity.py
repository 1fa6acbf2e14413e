#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Which executable is which: in another mount namespace, on overlayfs, in a chroot,
deleted and still running, two containers of one image, upgraded by rename. Every call
of every process is counted once and for the right one.

Runs in namespaces of its own, so that its mounts go with it, and its agent, which is
told no executable, sees no process of anybody else's.
"""
# must-run-on-reference
# timeout: 180

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import live
import orders
from orders import Orders

INSIDE = "MPC_E2E_IDENTITY"
UPGRADED = 2.0  # seconds
WRAPPED = 60  # times


def mount(*words):
    done = live.run("mount", *words)
    if done.returncode:
        raise RuntimeError(f"mount {' '.join(map(str, words))}: {done.stderr.strip()}")


def overlay(folder, name, lower):
    """The merged folder of a container whose image is @lower."""
    top = folder / name
    for part in ("upper", "work", "merged"):
        (top / part).mkdir(parents=True)
    mount("-t", "overlay", name, "-o", f"lowerdir={lower},upperdir={top}/upper,workdir={top}/work", top / "merged")
    return top / "merged"


def in_namespace(folder, program, name):
    """Its file can be reached by no name that the agent could look up."""
    hidden = folder / "hidden"
    hidden.mkdir(exist_ok=True)
    script = f'mount -t tmpfs none {hidden} && cp {program} {hidden}/node && exec {hidden}/node'
    return Orders("unshare", "--mount", "sh", "-c", script, folder=folder, name=name)


def placed(program, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    return shutil.copy(program, path)


def everywhere(folder, program, prefix):
    """One process in each place; the deleted one's file is gone when this returns."""
    image = folder / f"{prefix}image"
    placed(program, image / "bin/node")
    one, two = (overlay(folder, f"{prefix}{name}", image) for name in ("one", "two"))
    gone = placed(program, folder / f"{prefix}deleted")
    root = folder / f"{prefix}root"
    placed(program, root / "node")
    processes = [
        in_namespace(folder, program, f"{prefix}namespace"),
        Orders(one / "bin/node", folder=folder, name=f"{prefix}overlay"),
        Orders("chroot", one, "/bin/node", folder=folder, name=f"{prefix}container-1"),
        Orders("unshare", "--mount", "chroot", two, "/bin/node", folder=folder, name=f"{prefix}container-2"),
        Orders("chroot", root, "/node", folder=folder, name=f"{prefix}chroot"),
        Orders(gone, folder=folder, name=f"{prefix}deleted"),
    ]
    os.unlink(gone)
    return processes


def check_places(report, agent, processes, when):
    for process in processes:
        orders.until_up(agent, process.name)
    for number, process in enumerate(processes):
        process.call(100 + number)
    books = {process.name: process.calls for process in processes}
    report.check(f"each process once, {when}", orders.wrong(agent, books))
    return books


def check_copied_up(report, folder, program):
    """On overlayfs a chmod makes another file of it, under the same name, while the old one is executed."""
    image = folder / "copied-image"
    placed(program, image / "node")
    node = overlay(folder, "copied", image) / "node"
    old = Orders(node, folder=folder, name="old-copy")
    os.chmod(node, 0o750)
    with live.Agent(folder, "--profile", orders.PROFILE, "--exe", node, name="copied-agent") as agent:
        agent.until_said(rf"pid {old.pid} executes another file than the one that /proc/{old.pid}/exe leads to")
        old.call(5)
        new = Orders(node, folder=folder, name="new-copy")
        orders.until_up(agent, "new-copy")
        new.call(6)
        report.check("a process of a file that was copied up is not counted, and said why; a later one is",
                     orders.wrong(agent, {"new-copy": 6}))
    old.end()
    new.end()


def check_upgrade(report, agent, folder, program, newer, books):
    """The old one runs on while the new one starts under its name."""
    path = folder / "service" / "node"
    placed(program, path)
    old, first = (Orders(path, folder=folder, name=name) for name in ("runs-on", "upgraded"))
    for process in (old, first):
        orders.until_up(agent, process.name)
        process.call(50)
    shutil.copy(newer, path.with_name("node.new"))
    os.replace(path.with_name("node.new"), path)
    first.call(7)  # still the old file
    lives = first.end()
    began = time.monotonic()
    second = Orders(path, folder=folder, name="upgraded")
    orders.until_up(agent, "upgraded")
    seconds = time.monotonic() - began
    report.note(f"counted again {seconds:.2f} s after its start")
    report.check("an upgrade by rename is probed within two seconds", [f"{seconds:.2f} s"] if seconds > UPGRADED else [])
    second.call(31)
    old.call(5)
    books |= {"runs-on": old.calls, "upgraded": lives + second.calls}
    report.check("an upgrade by rename keeps the counts, and the old file's process its probes",
                 orders.wrong(agent, books))
    os.chmod(path, 0o700)  # touches the file, and changes nothing
    os.rename(path, path.with_name("other"))
    time.sleep(1)
    second.call(11)
    books["upgraded"] = lives + second.calls
    report.check("a file that is renamed or given other rights keeps its probes", orders.wrong(agent, books))


def check_wrapped(report, agent, folder, program, books):
    """Programs that become another one: for a moment a process has its new executable and no environment yet."""
    books["wrapped"] = 0
    for _ in range(WRAPPED):
        process = Orders("env", "env", "env", "env", program, folder=folder, name="wrapped")
        orders.until_up(agent, "wrapped")
        process.call(1)
        books["wrapped"] += process.end()
    report.check("a process that was another program just before has its own name", orders.wrong(agent, books))


def check_served_meanwhile(report, folder, program, newer):
    """Looking for functions waits here for a debug file that nobody writes; everybody else is served."""
    path, debug = folder / "slow" / "node", folder / "slow.debug"
    placed(program, path)
    shutil.copy(program, debug)
    with live.Agent(folder, "--profile", orders.PROFILE, "--exe", path, "--debug", debug, name="slow-agent") as agent:
        old = Orders(path, folder=folder, name="older")
        orders.until_up(agent, "older")
        os.unlink(debug)
        os.mkfifo(debug)
        shutil.copy(newer, path.with_name("node.new"))
        os.replace(path.with_name("node.new"), path)
        new = Orders(path, folder=folder, name="newer")
        time.sleep(1)
        old.call(8)
        faults = orders.wrong(agent, {"older": 8})
        before = agent.said()
        with open(debug, "wb"):  # and that is no debug file
            live.wait_for("the end of looking", lambda: re.search(r"warn.*slow\.debug", agent.said()))
        faults += ["it did not wait"] if "level=warn" in before else []
        report.check("while functions are looked for, calls are counted and scrapes answered", faults)
        old.end()
        new.end()


def main():
    report = live.Report()
    live.need_root(report, "identity")
    if not os.environ.get(INSIDE):
        words = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
        if live.run(*words, "true").returncode:
            report.skip("identity", "no mount and pid namespaces here")
            return 0
        return subprocess.run([*words, sys.executable, *sys.argv], env={**os.environ, INSIDE: str(live.scratch())},
                              check=False).returncode
    with report.part("identity"):
        folder = Path(os.environ[INSIDE])
        mount("-t", "tmpfs", "none", folder)
        program = orders.build(folder / "program", "01" * 20)
        newer = orders.build(folder / "newer", "02" * 20, edited=True)
        before = everywhere(folder, program, "old-")
        check_served_meanwhile(report, folder, program, newer)
        check_copied_up(report, folder, program)
        with live.Agent(folder, "--profile", orders.PROFILE) as agent:
            books = check_places(report, agent, before, "older than the agent")
            after = everywhere(folder, program, "new-")
            for process in before:
                process.call(3)
            check_places(report, agent, before + after, "started later, beside the others")
            books = {p.name: p.calls for p in before + after}
            check_upgrade(report, agent, folder, program, newer, books)
            check_wrapped(report, agent, folder, program, books)
    return report.status()


if __name__ == "__main__":
    sys.exit(main())
