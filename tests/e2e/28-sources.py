#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Where the debug information of an executable comes from: separate debug files, a
server, the symbol table alone, a pack of a file without build-id. What is found
elsewhere gives the same plan as the executable's own, byte for byte; what is not of
this build, or not where it may be, is refused with a sentence; and with the symbol
table alone no call is counted that the books do not have.

Debug files are put into /usr/lib/debug of a mount namespace of the test's own.
"""
# must-run-on-reference
# timeout: 300

import ctypes
import http.client
import json
import os
import re
import shutil
import socket
import struct
import sys
import zlib
from pathlib import Path

import live
from books import Scrape, last_segments

PROFILE = Path(__file__).with_name("shapes.yaml")
DEBUG = Path("/usr/lib/debug")


def tool(*words):
    done = live.run(*words)
    if done.returncode:
        raise RuntimeError(f"{words[0]}: {done.stderr.strip()}")
    return done.stdout


def build_id(path):
    return re.search(r"Build ID: ([0-9a-f]+)", tool("readelf", "-n", path))[1]


class Place:
    """A stripped executable in a folder of its own, and a folder of debug files."""

    def __init__(self, folder, shapes, name):
        self.folder = folder / name
        self.debug = self.folder / "debug"
        self.exe = self.folder / "bin" / "shapes"
        for path in (self.debug, self.exe.parent):
            path.mkdir(parents=True)
        self.folder.chmod(0o755)
        tool("strip", "-s", shapes, "-o", self.exe)
        self.id = build_id(shapes)

    def path_by_id(self):
        return self.debug / ".build-id" / self.id[:2] / f"{self.id[2:]}.debug"

    def put_by_id(self, source):
        self.path_by_id().parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, self.path_by_id())

    def put_by_link(self, source, name):
        path = self.debug / self.exe.parent.relative_to("/") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, path)
        return path

    def add_link(self, name, source):
        """A .gnu_debuglink of any name, with the right checksum of @source."""
        word = name.encode() + b"\0"
        section = self.folder / "section"
        section.write_bytes(word + b"\0" * (-len(word) % 4) + struct.pack("<I", zlib.crc32(source.read_bytes())))
        tool("objcopy", "--add-section", f".gnu_debuglink={section}", self.exe)

    def within(self):
        """Words in front of a command, which then has our folder as /usr/lib/debug."""
        return ("unshare", "--mount", "sh", "-c", 'mount --bind "$0" /usr/lib/debug && exec "$@"', self.debug)


def plan(place, *options):
    """The pack without its executable's name, and what `probes` says that it is from."""
    told = live.run(*place.within(), live.AGENT, "probes", place.exe, "--profile", PROFILE, *options)
    pack = live.run(*place.within(), live.AGENT, "pack", place.exe, "--profile", PROFILE, *options)
    if told.returncode not in (0, 2):
        raise RuntimeError(f"probes: {told.stderr.strip()}")
    return re.sub(r'(?m)^binary ".*"\n', "", pack.stdout), told.stdout.partition("\n")[0]


class Cases:
    def __init__(self, report, own):
        self.report, self.own = report, own

    def same(self, name, place, source, *options):
        pack, said = plan(place, *options)
        faults = [] if said == f"resolved from {source}" else [f"says: {said}"]
        faults += [] if pack == self.own else ["the plan is another than from its own debug information"]
        self.report.check(name, faults)

    def unused(self, name, place, why, *options, left="nothing"):
        """Nothing better than @left is found, and it is said why."""
        pack, said = plan(place, *options)
        faults = [] if re.fullmatch(rf"resolved from {left}{why}", said) else [f"says: {said}"]
        faults += ["sites were found all the same"] if left == "nothing" and "\nsite " in pack else []
        self.report.check(name, faults)


class Watched:
    """Files of which it is known whether anybody opens them."""

    OPEN = 0x20  # IN_OPEN

    def __init__(self, *paths):
        libc = ctypes.CDLL(None, use_errno=True)
        self.fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        for path in paths:
            if libc.inotify_add_watch(self.fd, os.fsencode(path), self.OPEN) < 0:
                raise OSError(ctypes.get_errno(), f"inotify: {path}")

    def opened(self):
        try:
            return bool(os.read(self.fd, 4096))
        except BlockingIOError:
            return False


def not_opened(report, name, watched):
    report.check(f"{name}, and the file is not even opened", ["it was opened"] if watched.opened() else [])


def by_build_id(cases, folder, shapes, other):
    place = Place(folder, shapes, "by-id")
    debug = folder / "shapes.debug"
    source = f"debug file {DEBUG / place.path_by_id().relative_to(place.debug)}"
    cases.unused("a stripped executable, no debug file", place, "")
    place.put_by_id(debug)
    cases.same("a debug file by build-id", place, source)
    tool("objcopy", "--compress-debug-sections=zlib", debug, place.path_by_id())
    cases.same("a compressed debug file", place, source)
    place.put_by_id(other)
    cases.unused("a debug file of another build", place,
                 rf" \({source.removeprefix('debug file ')} is of another build, build-id {build_id(other)}; "
                 rf"the executable's is {place.id}\)")
    place.put_by_id(PROFILE)
    cases.unused("a debug file that is none", place, r" \(.* is not an ELF file\)")
    alt = folder / "altlink"
    alt.write_bytes(b"/nowhere/shapes.dwz\0" + bytes(20))
    tool("objcopy", "--add-section", f".gnu_debugaltlink={alt}", debug, place.path_by_id())
    cases.unused("a debug file that dwz took apart", place, r" \(.* was moved to another file by dwz.*\)")
    outside = place.folder / "outside.debug"
    shutil.copyfile(debug, outside)
    watched = Watched(outside)
    for name, target in (("absolute", outside), ("relative", "../../../outside.debug")):
        place.path_by_id().unlink()
        place.path_by_id().symlink_to(target)
        cases.unused(f"a symlink out of the folder, {name}", place,
                     rf" \(/usr/lib/debug/\S+ leads out of {DEBUG} and was not followed\)")
    not_opened(cases.report, "symlinks", watched)
    shutil.copyfile(outside, place.folder / "copy")
    cases.report.check("the test sees a file that is opened", [] if watched.opened() else ["it does not"])
    place.path_by_id().unlink()
    os.mkfifo(place.path_by_id())
    cases.unused("a FIFO", place, r" \(.* is not a regular file\)")


def by_link(cases, folder, shapes):
    debug = folder / "shapes.debug"
    place = Place(folder, shapes, "by-link")
    tool("objcopy", f"--add-gnu-debuglink={debug}", place.exe)
    shutil.copyfile(debug, place.exe.with_name("shapes.debug"))
    watched = Watched(place.exe.with_name("shapes.debug"))
    cases.unused("a debug file beside the executable, which anybody can put there", place, "")
    not_opened(cases.report, "a file beside the executable", watched)
    path = place.put_by_link(debug, "shapes.debug")
    source = DEBUG / path.relative_to(place.debug)
    cases.same("a debug file by .gnu_debuglink", place, f"debug file {source}")
    with open(path, "r+b") as file:
        file.seek(-1, os.SEEK_END)
        last = file.read(1)
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last[0] ^ 1]))
    cases.unused("a debug file of another checksum", place,
                 rf" \({source} is not the file of the executable's \.gnu_debuglink: its CRC-32 is .*\)")
    for name, word in (("..", "../shapes.debug"), ("an absolute path", f"{place.folder}/shapes.debug"),
                       ("a folder", "bin/shapes.debug")):
        place = Place(folder, shapes, f"by-link-{name.replace(' ', '-')}")
        place.add_link(word, debug)
        # There is the right file wherever the name could lead.
        right = place.folder / "shapes.debug"
        shutil.copyfile(debug, right)
        watched = Watched(right, *(place.put_by_link(debug, path) for path in ("../shapes.debug", "bin/shapes.debug")))
        cases.unused(f"a .gnu_debuglink with {name}", place,
                     rf' \(the executable\'s \.gnu_debuglink, "{re.escape(word)}", is not a plain file name '
                     r"and was not followed\)")
        not_opened(cases.report, f"a .gnu_debuglink with {name}", watched)


def given(cases, report, folder, shapes, other):
    place = Place(folder, shapes, "given")
    debug = folder / "shapes.debug"
    cases.same("--debug", place, f"debug file {debug}", "--debug", debug)
    for command in (("probes", place.exe), ("pack", place.exe), ("run", "--exe", place.exe)):
        done = live.run(live.AGENT, *command, "--profile", PROFILE, "--debug", other,
                        *(("--web.listen-address", "127.0.0.1:0") if command[0] == "run" else ()))
        says = re.search(rf"{place.exe}: {other} is of another build, build-id [0-9a-f]+; the executable's is", done.stderr)
        report.check(f"{command[0]} --debug of another build",
                     [] if done.returncode == 1 and says else [f"status {done.returncode}: {done.stderr}"])


def check_run(place, *options):
    """What a run that attaches and ends says."""
    return live.run(*place.within(), live.AGENT, "run", "--profile", PROFILE, "--config.check",
                    "--web.listen-address", "127.0.0.1:0", *options)


def serves(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def from_server(cases, report, folder, shapes):
    place = Place(folder, shapes, "server")
    if not shutil.which("debuginfod"):
        report.skip("a debuginfod server", "debuginfod is not installed: scripts/setup e2e")
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    files = place.folder / "files"
    files.mkdir()
    shutil.copyfile(folder / "shapes.debug", files / "shapes.debug")
    url = f"http://127.0.0.1:{port}"
    cases.unused("a server that is not there", place, r" \(debuginfod: Connection refused\)", "--debuginfod", url)
    server = live.Process("debuginfod", "-F", "-v", "-d", ":memory:", "-p", port, "-t", 0, "-g", 0, "-c", 1, files,
                          log=place.folder / "server.log")
    live.wait_for("debuginfod knows the file", lambda: serves(port, f"/buildid/{place.id}/debuginfo"))
    before = server.said().count("UA:elfutils")
    cases.unused("a server without the flag is not asked", place, "")
    report.check("it has seen no question", [] if server.said().count("UA:elfutils") == before else [server.said()[-300:]])
    left = set(Path("/tmp").glob("mpc-bpf-agent.*"))
    cases.same("a debuginfod server", place, f"debuginfod {url}", "--debuginfod", url)
    done = check_run(place, "--exe", place.exe, "--debuginfod", url)
    attached = f"resolved from debuginfod {url}" in done.stderr and " 0 functions absent" in done.stderr
    report.check("the agent asks a debuginfod server", [] if done.returncode == 0 and attached else [done.stderr])
    report.check("nothing of it stays in /tmp", [str(p) for p in set(Path("/tmp").glob("mpc-bpf-agent.*")) - left])
    tool("objcopy", "--remove-section=.note.gnu.build-id", place.exe)
    cases.unused("a server, and no build-id to ask with", place, r" \(debuginfod: the executable has no build-id .*\)",
                 "--debuginfod", url)
    server.stop()


def without_build_id(report, folder, shapes):
    place = Place(folder, shapes, "no-id")
    whole, packs = place.folder / "whole", place.folder / "packs"
    packs.mkdir()
    tool("objcopy", "--remove-section=.note.gnu.build-id", shapes, whole)
    tool("strip", "-s", whole, "-o", place.exe)
    live.run(live.AGENT, "pack", whole, "--profile", PROFILE, "-o", packs / "shapes.pack")
    head = (packs / "shapes.pack").read_text().splitlines()[1:4]
    good = head[1] == "build-id none" and re.fullmatch("code-sha256 [0-9a-f]{64}", head[2])
    report.check("the pack of a file without build-id has the hash of its code", [] if good else head)
    done = check_run(place, "--exe", place.exe, "--pack", packs)
    found = f"resolved from the pack {packs}/shapes.pack" in done.stderr
    report.check("it is found in a folder of packs", [] if done.returncode == 0 and found else [done.stderr])
    # One byte of the code that no site is at.
    offset = int(re.search(r"LOAD\s+(0x[0-9a-f]+)[^\n]*R E", tool("readelf", "-lW", place.exe))[1], 16)
    with open(place.exe, "r+b") as file:
        file.seek(offset + 16)
        byte = file.read(1)
        file.seek(offset + 16)
        file.write(bytes([byte[0] ^ 1]))
    done = check_run(place, "--exe", place.exe, "--pack", packs)
    report.check("and not for other code", [] if done.returncode and "no debug information" in done.stderr else [done.stderr])


def running(report, folder, shapes, programs):
    """Processes are found by their debug files, and by --debug, without being named."""
    place = Place(folder, shapes, "running")
    debug = folder / "shapes.debug"
    process = live.Shapes(programs, place.folder, 1, program=place.exe)
    for name, options, prepare, source in (
            ("by its debug file", (), lambda: place.put_by_id(debug), f"debug file {DEBUG}/.build-id/"),
            ("by --debug", ("--debug", debug), lambda: place.path_by_id().unlink(), f"debug file {debug}")):
        prepare()
        agent = live.Process(*place.within(), live.AGENT, "run", "--profile", PROFILE, *options,
                             "--web.listen-address", "127.0.0.1:0", log=place.folder / f"{name}.log")
        agent.until_said(r"serving http://")
        said = agent.said()
        report.check(f"a process is found {name}",
                     [] if f"resolved from {source}" in said and f"pid={process.pid}" in said.replace("pid ", "pid=")
                     else [said[-600:]])
        agent.stop()
    place.put_by_id(debug)
    place.path_by_id().chmod(0o600)
    done = check_run(place, "--exe", place.exe)
    report.check("a debug file that only root may read", [] if "cannot be opened: Permission denied" in done.stderr
                 else [done.stderr])
    process.stop()


SPLIT = """profile: split
metrics:
  votes_total:
    type: counter
    help: Votes.
    from: split::process_vote
    labels:
      vote: {arg: vote.approve, values: {true: approve, false: reject}}
  stores_total: {type: counter, help: Stores., from: split::store}
  plain_total:
    type: counter
    help: Calls.
    from: split::plain
    labels:
      vote: {arg: approve, values: {true: approve, false: reject}}
"""


def split(report, folder):
    """Debug information in .dwo files or a .dwp file gives the plan that it gives whole."""
    profile, plans = folder / "split.yaml", {}
    profile.write_text(SPLIT)
    for how in ("off", "packed", "unpacked"):
        place = folder / f"split-{how}"
        place.mkdir()
        tool("rustc", "--edition", "2021", "-O", "-g", "-C", f"split-debuginfo={how}", "--out-dir", place,
             Path(__file__).with_name("split.rs"))
        exe = place / "split"
        pack = live.run(live.AGENT, "pack", exe, "--profile", profile)
        plans[how] = re.sub("(?m)^build-id .*\n", "", pack.stdout)
        if how == "off":
            continue
        files = [p for p in place.iterdir() if p != exe]
        same = plans[how] == plans["off"] and "\nsite start" in pack.stdout
        report.check(f"split debug information, {how}", [] if files and same else [f"{files}: {pack.stdout}{pack.stderr}"])
        check = ("run", "--exe", exe, "--profile", profile, "--config.check", "--web.listen-address", "127.0.0.1:0")
        done = live.run(live.AGENT, *check)
        report.check(f"split debug information, {how}, attached by the agent",
                     [] if done.returncode == 0 and " 0 functions absent" in done.stderr else [done.stderr])
        for file in files:
            file.chmod(0o600)
        done = live.run(live.AGENT, *check)
        says = re.search(r"the debug information of \d+ units? is in \.dwo or \.dwp files that were not found or that "
                         r"not everybody may read, such as \S+\.dwo", done.stderr)
        report.check(f"split debug information, {how}, not for everybody",
                     [] if done.returncode == 1 and says else [done.stderr])


def symbols_alone(report, folder, programs, build):
    """Calls are counted right where the function has no inlined copy, and never too many;
    cancelled ones where glue was found."""
    shapes = programs / "mpc-shapes"
    alone = programs / "mpc-shapes.symbols"
    tool("objcopy", "--strip-debug", shapes, alone)
    inlined, rows = set(), {}
    for row in json.loads(live.run(live.AGENT, "probes", shapes, "--profile", PROFILE, "--json").stdout):
        if row["where"].startswith("inlined"):
            inlined.add(row["function"])
    for row in json.loads(live.run(live.AGENT, "probes", alone, "--profile", PROFILE, "--json").stdout):
        rows.setdefault(row["function"], []).append(row)
    every = [row for of_one in rows.values() for row in of_one]
    report.check(f"{build}, symbols alone, no row is ready, each has its reason and source",
                 [str(row) for row in every if row["state"] == "ready" or not row["reason"] or
                  row["source"] != "its symbol table only"])
    with live.Agent(folder, "--exe", alone, "--profile", PROFILE, name=f"{build}-symbols") as agent:
        process = live.Shapes(programs, folder, 200, name="symbols", program=alone.name)
        live.wait_for("the agent sees it", lambda: Scrape(agent.metrics()).get("mpc_bpf_agent_target_up", node_id="symbols"))
        process.go()
        truth = process.finish()["functions"]
        live.wait_for("the agent sees its end", lambda: not Scrape(agent.metrics()).sum("mpc_bpf_agent_target_up"))
        scrape = Scrape(agent.metrics())
    faults, equal, fewer = [], 0, []
    for function, of_one in rows.items():
        if not any(row["state"] == "partial" for row in of_one):
            continue
        name = next(n for n in last_segments(function) if n in truth)
        glue_unseen = any("its drop glue was not found" in row["reason"] for row in of_one)
        for what, family, labels in (("started", "calls_started_total", {}), ("cancelled", "calls_cancelled_total", {}),
                                     ("finished", "calls_finished_total", {"outcome": "returned"}),
                                     ("panicked", "calls_finished_total", {"outcome": "panicked"})):
            ours = scrape.get(f"mpc_bpf_agent_{family}", node_id="symbols", function=function, **labels)
            books = truth[name][what]
            if ours == books:
                equal += 1
            elif ours < books and (function in inlined or (what == "cancelled" and glue_unseen)):
                fewer.append(f"{name} {what} {ours:g} of {books}")
            else:
                faults.append(f"{name} {what}: books {books}, agent {ours:g}")
    values = [f"{name} {dict(labels)}" for name, of in scrape.samples.items() if name.startswith("shape_")
              for labels, value in of.items()
              if value and any(dict(labels).get(label, "unknown") != "unknown" for label in ("argument", "result")
                               # the one result that is a word of the profile and not read
                               if (label, dict(labels)["shape"]) != ("result", "plain"))]
    counted = scrape.sum("shape_duration_seconds_count")
    values += [] if counted else ["nothing was counted"]
    report.note(f"{build}: {sum(any(r['state'] == 'partial' for r in o) for o in rows.values())} of {len(rows)} functions "
                f"have symbols; {equal} counts equal the books; fewer, as their rows say: {', '.join(fewer) or 'none'}")
    report.check(f"{build}, symbols alone, counts equal the books, fewer only where the row says so",
                 faults or ([] if equal else ["nothing was compared"]))
    report.check(f"{build}, symbols alone, no label claims to be known", values)


def gives(rows):
    """What is in the table of the README, from the rows of `probes --json`."""
    usable = [row for row in rows if row["state"] in ("ready", "partial")]
    reads = [part for row in usable for part in (row["reads"] or "").split("; ") if part]
    counts = [re.search(r"(\d+) cancel site", row["how"] or "") for row in usable]
    return {"ready": len({row["function"] for row in usable} - {row["function"] for row in rows if row["state"] != "ready"}),
            "partial": len({row["function"] for row in usable if row["state"] == "partial"}),
            "inlined": len({row["function"] for row in usable if row["where"].startswith("inlined")}),
            "labels": len(reads), "cancel sites": sum(int(m[1]) for m in counts if m)}


def table(report, folder, programs):
    """What each source gives on the cluster's node."""
    node, stripped = programs / "mpc-node", programs / "mpc-node.stripped"
    pack, debug, symbols = folder / "mpc-node.pack", folder / "mpc-node.debug", folder / "mpc-node.symbols"
    live.run(live.AGENT, "pack", node, "-o", pack)
    tool("objcopy", "--only-keep-debug", node, debug)
    tool("objcopy", "--strip-debug", node, symbols)
    given = {}
    for source, exe, *options in (("pack", stripped, "--pack", pack), ("debug file", stripped, "--debug", debug),
                                  ("own DWARF", node), (".symtab", symbols), ("nothing", stripped)):
        done = live.run(live.AGENT, "probes", "--exe", exe, *options, "--json")
        given[source] = gives(json.loads(done.stdout))
        report.note(f"{source}: {given[source]}")
    full = given["own DWARF"]
    report.check("a pack and a debug file give what the executable's own debug information gives",
                 [f"{source}: {given[source]}" for source in ("pack", "debug file") if given[source] != full or not full["ready"]])
    less = given[".symtab"]
    report.check("the symbol table gives less, and nothing gives nothing",
                 [] if less["ready"] == less["labels"] == less["inlined"] == 0 < less["partial"] < full["ready"]
                 and not any(given["nothing"].values()) else [str(given)])


def main():
    report = live.Report()
    live.need_root(report, "sources")
    folder = live.scratch()
    folder.chmod(0o755)
    with report.part("sources"):
        programs = live.built("thin", folder)
        shapes, other = programs / "mpc-shapes", folder / "driver.debug"
        tool("objcopy", "--only-keep-debug", shapes, folder / "shapes.debug")
        tool("objcopy", "--only-keep-debug", programs / "mpc-driver", other)
        own = live.run(live.AGENT, "pack", shapes, "--profile", PROFILE).stdout
        if "\nsite " not in own:
            raise RuntimeError("mpc-shapes has no sites")
        cases = Cases(report, re.sub(r'(?m)^binary ".*"\n', "", own))
        by_build_id(cases, folder, shapes, other)
        by_link(cases, folder, shapes)
        given(cases, report, folder, shapes, other)
        from_server(cases, report, folder, shapes)
        without_build_id(report, folder, shapes)
        running(report, folder, shapes, programs)
        split(report, folder)
        table(report, folder, programs)
        symbols_alone(report, folder, programs, "thin")
        symbols_alone(report, folder, live.built("dev", folder), "dev")
    return report.status()


if __name__ == "__main__":
    sys.exit(main())
