#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The agent under other kernels, in virtual machines: Debian's 6.1, 6.12 and newest
count every call of mpc-shapes exactly and pass the tests of the network, and the oldest,
5.10, gets one clear sentence. Ends with tables of what each kernel gives; docs/network.md
has that of the network and must say the same.

60-kernels.py [6.1] [6.12] [newest] [oldest]
"""
# must-run-on-reference
# timeout: 3600

import json
import platform
import re
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor

import live

KERNELS = ("6.1", "6.12", "newest", "oldest")
SECONDS = 1200  # for one machine, most of it the emulated processor's
DID_NOT_COME_UP = 125  # scripts/vm, before the command began
AT_ONCE = 2  # machines; each waits a good part of its time for the tests' timers
DOC = live.ROOT / "docs" / "network.md"


def boot(kernel, programs, folder):
    """What kernel_guest.py found under that kernel."""
    out = folder / kernel
    out.mkdir()
    for _ in range(2):
        done = live.run(live.ROOT / "scripts" / "vm", kernel, "--out", out, "--timeout", SECONDS, "--",
                        "python3", "tests/e2e/kernel_guest.py", programs, seconds=SECONDS + 300)
        # An emulated machine may trip over a kernel that patches its own code while it starts.
        if done.returncode != DID_NOT_COME_UP:
            break
    result = out / "result.json"
    if done.returncode or not result.exists():
        raise RuntimeError(f"scripts/vm ended with {done.returncode}: {(done.stdout + done.stderr).strip()[-600:]}")
    return json.loads(result.read_text())


def too_old(report, found):
    sentence = found["said"][0].partition("is too old: ")[2].rstrip('"') if found["said"] else ""
    report.check("docs/network.md has that sentence", [] if sentence and sentence in " ".join(DOC.read_text().split())
                 else [f"it lacks: {sentence}"])
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


# ---- the network ---------------------------------------------------------------------

def since(release, why):
    """What the table says of something: there, since which kernel it would be, or what is wrong."""
    version = re.search(r"there is one since (\d+)\.(\d+)(?:, where|$)", why)
    if version and tuple(map(int, version.groups())) > tuple(map(int, re.match(r"(\d+)\.(\d+)", release).groups())):
        return f"since {version[1]}.{version[2]}"
    return why or "yes"


def network(report, found, tests, least):
    """Some rows of that kernel's column: {row: cell}."""
    release, net = found["release"], found[tests]
    bad = [line for line in net["lines"] if line.startswith("not ok")] + ([] if net["given"] else net["trouble"])
    good = sum(line.startswith("ok") for line in net["lines"])
    report.check(f"Linux {release}: {good} tests of {tests}", bad or ([] if good >= least else [f"only {good}"]))
    skipped = [line.removeprefix("skip - ") for line in net["lines"] if line.startswith("skip")]
    report.check(f"Linux {release}: what is left out of them has no tracepoint there", [
        line for line in skipped if not since(release, line).startswith("since")])
    if not net["given"]:
        return {}
    column = {f"tracepoint `{name}`": since(release, why) for name, why in net["given"]["tracepoints"].items()}
    return column | {f"`{name}`": since(release, why) for name, why in net["given"]["facts"].items()}


def documented():
    """{kernel: {row: cell}} of the table in docs/network.md."""
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in DOC.read_text().splitlines()
             if line.startswith("|")]
    begin = next((at for at, cells in enumerate(lines) if cells[1:] == list(KERNELS[:3])), len(lines))
    rows = [cells for cells in lines[begin + 2:] if len(cells) == 4]
    return {kernel: {cells[0]: cells[at] for cells in rows} for at, kernel in enumerate(KERNELS[:3], 1)}


def table_of(columns):
    """As docs/network.md has it."""
    rows = {row: None for column in columns.values() for row in column}
    yield "| | " + " | ".join(columns) + " |"
    yield "|---" * (len(columns) + 1) + "|"
    for row in rows:
        yield f"| {row} | " + " | ".join(column.get(row, "") for column in columns.values()) + " |"


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
    table, columns = [], {}
    kernels = sys.argv[1:] or KERNELS
    with ThreadPoolExecutor(AT_ONCE) as pool:
        booted = {kernel: pool.submit(boot, kernel, shared, folder) for kernel in kernels}
    for kernel in kernels:
        with report.part(f"kernel {kernel}"):
            found = booted[kernel].result()
            table.append((too_old if kernel == "oldest" else counted)(report, found))
            if "network" in found:
                columns[kernel] = network(report, found, "network", 15) | network(report, found, "ktls", 3)
    for row in table:
        report.note(row)
    for line in table_of(columns) if columns else ():
        print(line)
    for kernel, column in columns.items():
        written = documented()[kernel]
        report.check(f"docs/network.md says what {kernel} gives", [
            f"{row}: {written.get(row)} and not {column.get(row)}" for row in {**column, **written}
            if column.get(row) != written.get(row)])
    shutil.rmtree(shared, ignore_errors=True)
    return report.status()


if __name__ == "__main__":
    sys.exit(main())
