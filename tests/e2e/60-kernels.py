#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The agent under other kernels, in virtual machines: Debian's 6.1, 6.12 and newest
count every call of mpc-shapes exactly, and the oldest, 5.10, gets one clear sentence.
Ends with a table of what each kernel gives.

60-kernels.py [6.1] [6.12] [newest] [oldest]
"""
# must-run-on-reference
# timeout: 900

import json
import platform
import shutil
import sys

import live

KERNELS = ("6.1", "6.12", "newest", "oldest")
SECONDS = 400  # for one machine, most of it the emulated processor's


def boot(kernel, programs, folder):
    """What kernel_guest.py found under that kernel."""
    out = folder / kernel
    out.mkdir()
    done = live.run(live.ROOT / "scripts" / "vm", kernel, "--out", out, "--timeout", SECONDS, "--",
                    "python3", "tests/e2e/kernel_guest.py", programs, seconds=SECONDS + 300)
    result = out / "result.json"
    if done.returncode or not result.exists():
        raise RuntimeError(f"scripts/vm ended with {done.returncode}: {(done.stdout + done.stderr).strip()[-600:]}")
    return json.loads(result.read_text())


def too_old(report, found):
    report.check(f"Linux {found['release']} is refused with one sentence", [] if (
        found["status"] == 1 and len(found["said"]) == 1 and "is too old: 5.15 is the oldest" in found["said"][0])
        else [f"status {found['status']}: {found['said']}"])
    return f"{found['release']:<22} refused: {found['said'][-1].partition('msg=')[2] if found['said'] else ''}"


def counted(report, found):
    release = found["release"]
    if not report.check(f"Linux {release}: the agent starts", [] if found["status"] == 0 else found["said"]):
        return f"{release:<22} does not start"
    faults = list(found["differences"])
    if found["compared"] < 200 or found["calls"] < 1000:
        faults.append(f"only {found['compared']} numbers of {found['calls']} calls were compared")
    report.check(f"Linux {release}: {found['compared']} numbers of {found['calls']} calls are the books'", faults)
    report.check(f"Linux {release}: nothing to complain about", found["said"])
    return (f"{release:<22} {found['sites']} sites by {found['attached']}; {found['calls']} calls, "
            f"{found['compared']} numbers compared, {len(found['differences'])} differ")


def main():
    report = live.Report()
    live.need_root(report, "kernels")
    if platform.machine() != "x86_64" or not shutil.which("qemu-system-x86_64"):
        report.skip("kernels", "qemu-system-x86_64 is not there; scripts/setup vm brings it")
        return 0
    folder = live.scratch()
    programs = live.built("thin", folder)
    shared = live.OUT / "kernel-programs"  # the machines see this repository, not our /tmp
    shutil.rmtree(shared, ignore_errors=True)
    shutil.copytree(programs, shared)
    table = []
    for kernel in sys.argv[1:] or KERNELS:
        with report.part(f"kernel {kernel}"):
            found = boot(kernel, shared, folder)
            table.append((too_old if kernel == "oldest" else counted)(report, found))
    for row in table:
        report.note(row)
    shutil.rmtree(shared, ignore_errors=True)
    return report.status()


if __name__ == "__main__":
    sys.exit(main())
