#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Wrong input: one sentence on stderr that names what is wrong, a status that is not
zero, no crash, nothing left behind.
"""
# must-run-on-reference
# timeout: 300

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import live

NOBODY = 65534
ABSENT = """profile: absent
metrics:
  absent_total:
    type: counter
    help: Calls of a function that no program has.
    from: threshold_consensus::vote_processor::VoteProcessor::process_votes_of_nobody
"""


def sentence(done, pattern, lines=1):
    """What is wrong with how a program refused, if anything."""
    faults = []
    if done.returncode < 0:
        faults.append(f"signal {-done.returncode} ended it")
    if done.returncode == 0:
        faults.append(f"status 0: {done.stdout[-200:]}")
    said = done.stderr.strip().splitlines()
    messages = [m[1].replace('\\"', '"') if (m := re.search(r'msg="((?:[^"\\]|\\.)*)"', line)) else line for line in said]
    faults += [f"stderr has {len(said)} lines: {' | '.join(said)}"] if len(said) != lines else []
    faults += [] if any(re.search(pattern, m) for m in messages) else [f"says: {' | '.join(said) or 'nothing'}"]
    faults += ["the sanitizers complain"] if re.search("Sanitizer|runtime error", done.stderr) else []
    return faults


class Cases:
    def __init__(self, report, folder):
        self.report, self.folder = report, folder

    def refused(self, name, pattern, *words, prefix=(), lines=1):
        done = live.run(*prefix, live.AGENT, *words, seconds=60, cwd=self.folder)
        self.report.check(name, sentence(done, pattern, lines))

    def executable(self, name, pattern, path):
        """Refused by what resolves and by what attaches."""
        self.refused(f"probes, {name}", pattern, "probes", "--exe", path)
        self.refused(f"run, {name}", pattern, "run", "--exe", path, "--web.listen-address", "127.0.0.1:0")


def patched(source, path, changes):
    shutil.copyfile(source, path)
    path.chmod(0o755)
    with open(path, "r+b") as file:
        for offset, data in changes.items():
            file.seek(offset)
            file.write(data)
    return path


def shortened(source, path, size):
    shutil.copyfile(source, path)
    os.truncate(path, size)
    path.chmod(0o755)
    return path


def cut_section(source, path, section, keep, folder):
    """A copy whose section holds only its first part."""
    dumped = folder / "section"
    live.run("objcopy", "--dump-section", f"{section}={dumped}", source, "/dev/null")
    dumped.write_bytes(dumped.read_bytes()[:keep])
    done = live.run("objcopy", "--update-section", f"{section}={dumped}", source, path)
    if done.returncode:
        raise RuntimeError(f"objcopy: {done.stderr.strip()}")
    return path


def executables(cases, node, folder):
    text = folder / "text"
    text.write_text("#!/bin/sh\nexit 0\n" * 50)
    empty = folder / "empty"
    empty.touch()
    size = node.stat().st_size
    cases.executable("a missing file", "cannot be opened: No such file", folder / "nowhere")
    cases.executable("a folder", "not a regular file|Is a directory|not an ELF", folder)
    cases.executable("an empty file", "not an ELF|truncated|empty", empty)
    cases.executable("not an ELF file", "not an ELF", text)
    cases.executable("a 32-bit ELF file", "64-bit", patched(node, folder / "bits32", {4: b"\x01"}))
    cases.executable("a big-endian ELF file", "little-endian|big-endian|64-bit", patched(node, folder / "big", {5: b"\x02"}))
    cases.executable("a wrong architecture", "aarch64|AArch64|arm64|machine|architecture|built for",
                     patched(node, folder / "arm", {18: (183).to_bytes(2, "little")}))
    for name, length in (("header", 40), ("program headers", 100), ("a tenth", size // 10), ("half", size // 2)):
        cases.executable(f"an ELF file cut in its {name}" if length < 1000 else f"{name} of an ELF file",
                         "truncated|damaged|not an ELF|ends before", shortened(node, folder / f"cut{length}", length))
    for section, keep in ((".debug_info", 64), (".debug_abbrev", 32), (".debug_str", 8)):
        cases.executable(f"{section} cut to {keep} bytes", ": .*(damaged|truncated|ends)",
                         cut_section(node, folder / f"cut{section}", section, keep, folder))
    cases.executable("a stripped executable without a pack", "no debug information.*pack",
                     node.with_name("mpc-node.stripped"))
    cases.executable("an executable without any of the functions", "function|debug information",
                     Path(sys.executable).resolve())
    absent = folder / "absent.yaml"
    absent.write_text(ABSENT)
    cases.refused("run, a profile without a matching function", "no function|process_votes_of_nobody", "run",
                  "--exe", node, "--profile", absent, "--web.listen-address", "127.0.0.1:0")
    done = live.run(live.AGENT, "probes", "--exe", node, "--profile", absent)
    faults = [] if done.returncode == 2 else [f"status {done.returncode}"]
    faults += [] if "absent" in done.stdout else [f"says {done.stdout}{done.stderr}"]
    cases.report.check("probes, a profile without a matching function", faults)


def packs(cases, node, folder):
    """`probes` shows a pack as an agent would use it, or says why it would not."""
    pack, other = folder / "node.pack", folder / "other.pack"
    stripped = node.with_name("mpc-node.stripped")
    for of, to in ((node, pack), (node.with_name("mpc-shapes"), other)):
        live.run(live.AGENT, "pack", of, "-o", to)

    def rows(*words):
        done = live.run(live.AGENT, "probes", "--json", *words)
        return [{**row, "source": None} for row in json.loads(done.stdout or "[]")], done.returncode

    own, of_pack, both = rows(node), rows("--pack", pack), rows("--pack", pack, stripped)
    cases.report.check("probes of a pack shows the rows of the executable", [] if own[0] and own == of_pack else
                       [f"{own[1]} {len(own[0])} rows, {of_pack[1]} {len(of_pack[0])} rows"])
    cases.report.check("probes of a stripped executable and its pack too", [] if own == both else
                       [f"{both[1]} {len(both[0])} rows"])
    cases.refused("probes, a pack of another build", "no pack that was given is of the build", "probes",
                  "--pack", other, stripped)
    cases.refused("probes, two packs and no executable", "2 packs", "probes", "--pack", pack, "--pack", other)
    site = re.search(r"(?m)^site .* at 0x([0-9a-f]+) bytes", pack.read_text())
    at = int(site[1], 16)
    byte = stripped.read_bytes()[at] ^ 1
    cases.refused("probes, the same build-id with another byte", f"made for another build.*{at:#x}", "probes",
                  "--pack", pack, patched(stripped, folder / "patched", {at: bytes([byte])}))


def profiles(cases, node, folder):
    secret = folder / "unreadable.yaml"
    secret.write_text(ABSENT)
    secret.chmod(0)
    broken = folder / "broken.yaml"
    broken.write_text(ABSENT.replace("counter", "summary"))
    run = ("run", "--exe", node, "--web.listen-address", "127.0.0.1:0", "--profile")
    cases.refused("an unreadable profile", "Permission denied", "check", secret, prefix=as_nobody())
    cases.refused("a missing profile", "No such file|no profile|cannot", *run, folder / "none.yaml")
    cases.refused("an unknown built-in profile", "no.*profile.*mpc-nod|mpc-nod", *run, "mpc-nod")
    cases.refused("a folder as profile", "directory|folder|regular file|cannot be read", *run, f"{folder}/")
    # A fault of a profile stands with its line and a caret below it.
    done = live.run(live.AGENT, "check", broken)
    faults = [] if done.returncode == 1 and re.search(r"broken\.yaml:4:11: .*summary", done.stderr) else [done.stderr]
    cases.report.check("a wrong profile is shown with its place", faults)


def as_nobody():
    return ("setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups")


def surroundings(cases, node, folder):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        cases.refused("a port in use", f"listens on {address}", "run", "--exe", node, "--web.listen-address", address)
    cases.refused("no root", "root|CAP_BPF|privileg|permi", "run", "--exe", node, "--web.listen-address", "127.0.0.1:0",
                  prefix=as_nobody())
    hide = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /sys/kernel/btf && exec "$@"', "sh")
    if live.run(*hide, "true").returncode:
        cases.report.skip("a kernel without BTF", "/sys/kernel/btf cannot be hidden here")
    else:
        cases.refused("a kernel without BTF", "BTF", "run", "--exe", node, "--web.listen-address", "127.0.0.1:0", prefix=hide)
    ended = subprocess.Popen(["true"])
    ended.wait()
    cases.refused("a process that has ended", f"{ended.pid}", "run", "--pid", ended.pid, "--web.listen-address", "127.0.0.1:0")
    cases.refused("a process of another program", "function|debug information|stripped", "run", "--pid", os.getpid(),
                  "--web.listen-address", "127.0.0.1:0")


def words(cases):
    cases.refused("an unknown option", "--exe", "run", "--exec", "x")
    cases.refused("an unknown command", "probes", "probe")
    cases.refused("an option without its value", "--exe wants a value", "run", "--exe")
    cases.refused("a wrong number", "--pid", "run", "--pid", "-5")
    cases.refused("a wrong peer", "--peer takes NAME=ADDRESS", "run", "--peer", "node-2:7000")
    cases.refused("a profile without functions, and no process is named", "net names no function .*--exe.*--pid", "run",
                  "--profile", "net")
    cases.refused("a wrong address", "nonsense", "run", "--web.listen-address", "nonsense")
    cases.refused("a wrong telemetry path", "telemetry", "run", "--web.telemetry-path", "metrics")


def main():
    report = live.Report()
    live.need_root(report, "refusals")
    with report.part("refusals"):
        folder = live.scratch()
        folder.chmod(0o755)
        node = live.built("thin", folder) / "mpc-node"
        cases = Cases(report, folder)
        executables(cases, node, folder)
        packs(cases, node, folder)
        profiles(cases, node, folder)
        surroundings(cases, node, folder)
        words(cases)
    return report.status()


if __name__ == "__main__":
    sys.exit(main())
