#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A node with 300 MB of debug information: the functions of the profile are found there
as in the small one, and without holding what is read in memory.
"""
# must-run-on-reference
# timeout: 3600

import json
import os
import re
import subprocess
import sys

import live

MEGABYTE = 1000 * 1000
SHELVES = 15  # of tests/big/generate


def debug_bytes(exe):
    """The sizes of all sections with debug information together."""
    sections = live.run("readelf", "-SW", exe).stdout
    sizes = re.findall(r"\.debug_\w+\s+PROGBITS\s+\w+\s+\w+\s+(\w+)", sections)
    return sum(int(size, 16) for size in sizes)


def folder_of(build):
    done = live.run(live.ROOT / "scripts" / "cluster", build, "--print", seconds=3000)
    if done.returncode:
        raise RuntimeError(f"scripts/cluster {build}: {done.stderr.strip()[-500:]}")
    return live.Path(done.stdout.strip())


def probes(exe, *before):
    return live.run(*before, live.AGENT, "probes", "--json", "--exe", exe)


def rows(report, name, done):
    """What is said of the functions, or nothing if it is not what it should be."""
    if done.returncode:
        report.check(name, [f"status {done.returncode}: {done.stderr.strip()[-300:]}"])
        return []
    said = json.loads(done.stdout)
    report.check(name, [f"{row['where']} is {row['state']}: {row['reason']}" for row in said
                        if row["state"] != "ready"])
    return said


def different(said, small):
    if not said:
        return ["nothing is said"]
    return [f"{row} in one of them" for row in said + small if row not in said or row not in small]


def peak_bytes(exe):
    """The most memory that was resident. How many pages of the file are among it is the
    kernel's choice, by what it has of the file already."""
    process = subprocess.Popen([live.AGENT, "probes", "--exe", exe], stdout=subprocess.DEVNULL)
    _, status, use = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return use.ru_maxrss * 1024


def books(exe):
    done = live.run(exe, env={**os.environ, "BOOKS": "1"})
    kept = re.findall(r"^shelf_\d+: Ok\(\d+\)$", done.stdout, re.M)
    return [] if done.returncode == 0 and len(kept) == SHELVES else [
        f"status {done.returncode}, {len(kept)} of {SHELVES} shelves, {done.stderr.strip()[-200:]}"]


def main():
    report = live.Report()
    with report.part("big"):
        exe = folder_of("big") / "mpc-node"
        size = debug_bytes(exe)
        report.note(f"{size / MEGABYTE:.0f} MB of debug information")
        report.check("300 MB of debug information", [] if size >= 300 * MEGABYTE else [f"only {size} bytes"])
        report.check("the generated code runs", books(exe))
        said = rows(report, "all functions are ready", probes(exe))
        dev = folder_of("dev") / "mpc-node"
        small = rows(report, "all functions of the small node are ready", probes(dev))
        report.check("the same as in the small node", different(said, small))
        # What it may have of its own is held down by the kernel, files are not: they can go again.
        bound = size // 20
        done = probes(exe, "prlimit", f"--data={bound}")
        faults = [] if done.returncode == 0 and json.loads(done.stdout) == said else [
            f"status {done.returncode} within {bound} bytes: {done.stderr.strip()[-200:]}"]
        report.check("memory of its own: at most a twentieth of the debug information", faults)
        too_low = size // 256
        done = probes(exe, "prlimit", f"--data={too_low}")
        report.check("a bound that is too low is felt", [] if done.returncode else [f"{too_low} bytes were enough"])
        report.note(f"peak resident memory {peak_bytes(exe) / MEGABYTE:.0f} MB, files among it")
    return report.status()


if __name__ == "__main__":
    sys.exit(main())
