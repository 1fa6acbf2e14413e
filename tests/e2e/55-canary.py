#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""No secret leaves a node: nodes work with plaintext, keys and votes that carry known marks, and
none of these is in a map, in the rings, the log, the trace of the kernel, what the agent serves,
or anywhere in its memory. Nor is anything else of what a node has in its memory and is no text.
That each of these places was searched is shown by marks that belong there, and by leaks that
the test makes itself.

55-canary.py
"""
# must-run-on-reference
# timeout: 600

import base64
import contextlib
import hashlib
import http.client
import json
import os
import re
import secrets
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import live
from books import Scrape

PROFILES = [word for name in ("mpc-node", "rustls", "quinn", "frost", "cggmp24") for word in ("--profile", name)]
TRANSACTIONS = 24
FAULTS = ("double_vote", "invalid_signature", "malformed_message", "minority_vote", "panic_vote")
FINAL = ("confirmed", "failed", "aborted_byzantine", "rejected")
TRACING = Path("/sys/kernel/tracing")
PAGE = os.sysconf("SC_PAGE_SIZE")
ROOM = 64  # of the agent's memory, for a leak that the test makes
BINARY = 16  # bytes of what is no text that make a find
PLAINTEXT = Path(__file__).with_name("canary_node.py")
LOOKS = 4


# ---- marks ------------------------------------------------------------------------------

def encodings(secret):
    """The ways in which somebody might print it."""
    yield secret.hex().encode()
    yield secret.hex().upper().encode()
    for shift in range(3):
        text = base64.b64encode(bytes(shift) + secret)
        yield text[4:-4]
        yield text[4:-4].translate(bytes.maketrans(b"+/", b"-_"))


class Marks:
    """What is looked for: any eight bytes in a row of a secret, in either order of bytes, which
    is as much as a program of the kernel reads at once; any twelve of what somebody might print."""

    def __init__(self):
        self.pieces, self.whole = {8: {}, 12: {}}, {}

    def _add(self, kind, text, width):
        for at in range(len(text) - width + 1):
            self.pieces[width][text[at:at + width],] = kind

    def add(self, kind, secret):
        secret = secret.encode() if isinstance(secret, str) else secret
        self.whole.setdefault(kind, []).append(secret)
        self._add(kind, secret, 8)
        self._add(kind, secret[::-1], 8)
        for text in encodings(secret):
            self._add(kind, text, 12)

    def add_number(self, kind, number):
        self._add(kind, struct.pack("<Q", number), 8)
        self._add(kind, struct.pack(">Q", number), 8)
        self._add(kind, str(number).encode(), 12)

    def found(self, image):
        """The kinds of marks that are in there."""
        return {pieces[piece] for width, pieces in self.pieces.items()
                for piece in set(pieces).intersection(windows(image, width, 1))}


def windows(image, width, step):
    """Those many bytes at each place that is a multiple of @step, as tuples of one, but for long
    runs of zeros."""
    view = memoryview(image.replace(bytes(64), b""))
    for phase in range(0, width, step):
        size = (len(view) - phase) // width * width
        yield from struct.iter_unpack(f"{width}s", view[phase:phase + size] if size > 0 else b"")


def is_binary(piece):
    """Random, as keys, shares and signatures are, and no text."""
    return len(set(piece)) >= 12 and any(byte >= 0x80 for byte in piece)


# ---- what is searched ---------------------------------------------------------------------

def memory(pid, wanted, may_go=False):
    """What is in a process' memory of those mappings, piece by piece."""
    with open(f"/proc/{pid}/mem", "rb", 0) as mem, open(f"/proc/{pid}/pagemap", "rb", 0) as pagemap:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            words = line.split(None, 5)
            name = words[5] if len(words) > 5 else ""
            if not wanted(words[1], name):
                continue
            begin, end = (int(word, 16) for word in words[0].split("-"))
            # Of a table that the kernel shares, nothing tells which pages are there: all are.
            there = [True] * ((end - begin) // PAGE)
            if not name.startswith("anon_inode"):
                pagemap.seek(begin // PAGE * 8)
                there = [entry >> 62 for entry, in struct.iter_unpack("Q", pagemap.read(len(there) * 8))]
            for first, size in runs(there):
                try:
                    mem.seek(begin + first * PAGE)
                    yield mem.read(size * PAGE)
                except OSError:
                    if not may_go:
                        raise


def runs(there):
    """(first, number) of those in a row that are."""
    first = None
    for at, is_there in enumerate([*there, False]):
        if is_there and first is None:
            first = at
        elif not is_there and first is not None:
            yield first, at - first
            first = None


def own(permissions, name):
    """No file's: what a process has made, and the tables that it shares with the kernel."""
    return "w" in permissions or "r" in permissions and not name.startswith(("/", "[v"))


def of_nodes(pids):
    """Without the data of libraries, which all who use them have."""
    def wanted(permissions, name):
        return own(permissions, name) and not name.startswith("/")
    return b"".join(piece for pid in pids for piece in memory(pid, wanted, may_go=True))


def maps_of(pid):
    """{id: (name, kind)} of all maps of the agent."""
    shown = (live.bpftool("map", "show", "id", number) for kind, number in live.kernel_objects(pid) if kind == "map")
    return {one["id"]: (one.get("name", ""), one["type"]) for one in shown}


def dump(number):
    """Its keys and values; among what bpftool prints, only their bytes are in hexadecimal."""
    return bytes.fromhex("".join(re.findall(r'"0x(..)"', json.dumps(live.bpftool("map", "dump", "id", number)))))


class Trace:
    """The kernel's trace from now on."""

    def __init__(self):
        self.pipe = os.open(TRACING / "trace_pipe", os.O_RDONLY | os.O_NONBLOCK)
        self.marker = open(TRACING / "trace_marker", "wb", 0)
        self.said = b""

    def read(self):
        with contextlib.suppress(BlockingIOError):
            while True:
                more = os.read(self.pipe, 65536)
                if not more:
                    break
                self.said += more
        return self.said


class Images:
    """All that an agent has said and kept, over several looks."""

    def __init__(self, agent, trace):
        self.agent, self.trace, self.places, self.looks, self.busy = agent, trace, {}, 0, 0

    def under_way(self):
        return Scrape(self.agent.metrics()).sum("mpc_bpf_agent_calls_in_flight")

    def look(self):
        agent = self.agent
        self.looks += 1
        self.busy += self.under_way() > 0
        now = {"/metrics": agent.metrics(), "the log": agent.said()}
        for path in ("/", "/probes"):
            now[path] = live.get(agent.address, path).text
        now = {name: text.encode() for name, text in now.items()}
        now["memory"] = b"".join(memory(agent.pid, own))
        rings = []
        for number, (name, kind) in maps_of(agent.pid).items():
            if kind == "ringbuf":  # nobody can dump one; the agent has it in its memory
                rings.append(name)
            else:
                now[f"map {name}"] = now.get(f"map {name}", b"") + dump(number)
        now["the trace"] = self.trace.read()
        for name, image in now.items():
            self.places.setdefault(name, []).append(image)
        mapped = sum("anon_inode:bpf-map" in line for line in Path(f"/proc/{agent.pid}/maps").read_text().splitlines())
        if len(rings) * 2 > mapped:
            raise RuntimeError(f"the rings {', '.join(rings)} are not in the agent's memory")

    def found(self, marks, since=0):
        """{place: kinds} in looks from that one on."""
        found = {name: set().union(*map(marks.found, set(images[since:]))) for name, images in self.places.items()}
        return {name: kinds for name, kinds in found.items() if kinds}

    def last(self):
        return b"".join(images[-1] for images in self.places.values())


# ---- a cluster with marks --------------------------------------------------------------------

def post(address, path, body):
    connection = http.client.HTTPConnection(address, timeout=60)
    try:
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read().decode()
        if answer.status >= 400:
            raise RuntimeError(f"POST {path}: {answer.status} {text}")
        return json.loads(text)
    finally:
        connection.close()


def private_scalar(der):
    """The 32 bytes of a PKCS #8 file that are secret; all else is the same in all such files."""
    return re.search(rb"\x04\x20(.{32})", der, re.S)[1]


def keys(marks, folder):
    for file in folder.glob("*.key.der"):
        if "unknown" not in file.name:
            marks.add("TLS key", private_scalar(file.read_bytes()))
    for file in folder.glob("*.vote.pk8"):
        seed = private_scalar(file.read_bytes())
        marks.add("vote key", seed)
        marks.add("vote key", hashlib.sha512(seed).digest()[32:])  # what a signer keeps of it


def environment(pid, name):
    return dict(pair.split("=", 1) for pair in Path(f"/proc/{pid}/environ").read_text().split("\0") if "=" in pair)[name]


def votes(marks, members):
    """Those that the nodes have stored."""
    n = 0
    for member in members:
        done = live.run("psql", environment(member["pid"], "POSTGRES_URL"), "-Atc",
                        "SELECT encode(signature, 'hex'), value FROM votes")
        if done.returncode:
            raise RuntimeError(f"psql: {done.stderr.strip()}")
        for line in done.stdout.split():
            signature, value = line.split("|")
            marks.add("vote", bytes.fromhex(signature))
            marks.add_number("vote", int(value) & 2 ** 64 - 1)
            n += 1
    return n


class Wallet:
    """Transactions whose every word is a mark."""

    def __init__(self, cluster, marks):
        self.cluster, self.marks, self.made, self.error = cluster, marks, [], None

    def transaction(self, number):
        new = {"id": secrets.token_urlsafe(24), "to": secrets.token_urlsafe(24), "amount": secrets.randbits(63),
               "protocol": "cggmp24" if number % 8 == 0 else "frost", "sign": number % 2 == 0}
        self.marks.add("transaction", new["id"])
        self.marks.add("transaction", new["to"])
        self.marks.add_number("transaction", new["amount"])
        return new

    def work(self):
        members = self.cluster.members
        try:
            for protocol in ("frost", "cggmp24"):
                post(members[0]["rest"], "/dkg", {"protocol": protocol, "threshold": 3, "total_nodes": 5})
            for number in range(TRANSACTIONS):
                rest, new = members[number % 5]["rest"], self.transaction(number)
                if number % 5 == 2:
                    post(rest, "/faults", {"fault": FAULTS[number // 5], "transaction": new})
                else:
                    post(rest, "/transactions", new)
                self.made.append((rest, new["id"]))
                if number % 8 == 7:  # a handshake under watch
                    post(rest, "/faults", {"drop_peer": (number + 1) % 5 + 1})
            for rest, name in self.made:
                live.wait_for(f"the end of {name}", lambda at=rest, of=name: self.state(at, of) in FINAL, 90, every=0.3)
        except (OSError, RuntimeError) as error:
            self.error = error

    def state(self, rest, name):
        answer = live.get(rest, f"/transactions/{name}")
        return json.loads(answer.text)["state"] if answer.status == 200 else None


def clean(report, name, images, marks):
    found = images.found(marks)
    report.check(f"{name}, no mark in {len(images.places)} places, looked at {images.looks} times",
                 [f"{place} has of a {kind}" for place, kinds in found.items() for kind in sorted(kinds)])


def searched(report, name, images, allowed, places):
    """What may be there, and is: each place was looked at."""
    found = images.found(allowed)
    report.check(f"{name}, what belongs there is found in each place",
                 [f"nothing in {place}" for place in places if place not in found])


def lies(report, name, marks, nodes):
    report.check(f"{name}, every kind of mark lies in the nodes' memory", [
        f"no {kind}" for kind, texts in marks.whole.items()
        if not any(text in image or text[::-1] in image for text in texts for image in nodes)])


def shared(first, second, step=1):
    """Runs of bytes that are no text and in both: in the second where a number may begin."""
    return [piece for piece, in set(windows(first, BINARY, step)).intersection(windows(second, BINARY, 8))
            if is_binary(piece)]


def overlap(report, images, nodes, first):
    report.check(f"a wallet, nor is anything that is no text of {len(nodes) >> 20} MB of the nodes' memory",
                 [f"{piece.hex()} is in both" for piece in shared(images.last(), nodes)])
    report.check("a wallet, though a node has the same as others",
                 [] if len(shared(first, nodes, 8)) > 50 else ["little"])


def plant(agent, secret, unmarked, trace):
    """Leaks: in a table of the kernel, in the agent's memory, in the trace."""
    table = next(number for number, (name, _) in maps_of(agent.pid).items() if name == "peers")
    key = [f"{byte:#04x}" for byte in secret[:16] + bytes(4)]
    live.bpftool("map", "update", "id", table, "key", *key, "value", *["0"] * 4)
    stack = next(line for line in Path(f"/proc/{agent.pid}/maps").read_text().splitlines() if "[stack]" in line)
    begin, end = (int(word, 16) for word in stack.split()[0].split("-"))
    with open(f"/proc/{agent.pid}/mem", "r+b", 0) as mem:
        mem.seek(begin)
        mem.seek(begin + mem.read(end - begin).index(b"x" * ROOM))
        mem.write(secret[-8:] + unmarked)
    trace.marker.write(b"leak " + secret.hex().encode() + b"\n")


def planted(report, images, secret, node):
    marks = Marks()
    marks.add("key", secret)
    unmarked = next(piece for piece, in windows(node, BINARY, 8) if is_binary(piece))
    plant(images.agent, secret, unmarked, images.trace)
    images.look()
    found = set(images.found(marks, since=-1))
    report.check("leaks that the test makes are found where they are and nowhere else",
                 [] if found == {"map peers", "memory", "the trace"} else [str(found)])
    report.check("so is one of what nobody has marked", [] if shared(images.last(), node) == [unmarked] else ["no"])


# ---- what the two are told to do ---------------------------------------------------------------

def look_while(images, pids, thread):
    """What lay in the processes' memory meanwhile."""
    nodes = []
    while thread.is_alive():
        nodes.append(of_nodes(pids))
        with contextlib.suppress(RuntimeError):
            live.wait_for("a call is under way", images.under_way, 3)
        images.look()
        thread.join(1)
    return [*nodes, of_nodes(pids)]


def wallet(report, folder, trace):
    marks, allowed, hidden = Marks(), Marks(), secrets.token_urlsafe(24)
    name, address = "peer" + secrets.token_hex(6), b"\xfd" + secrets.token_bytes(15)
    programs = live.built("thin", folder)
    programs = programs.rename(folder / secrets.token_hex(12))
    for mark in (programs.name, name, address):
        allowed.add("what belongs there", mark)
    marks.add("environment", hidden)
    pack, node = folder / "mpc-node.pack", programs / "mpc-node.stripped"
    done = live.run(live.AGENT, "pack", programs / "mpc-node", *PROFILES, "-o", pack)
    if done.returncode:
        raise RuntimeError(f"pack: {done.stderr.strip()}")
    peer = f"{name}={socket.inet_ntop(socket.AF_INET6, address)}"
    with live.Agent(folder, "--exe", node, "--pack", pack, *PROFILES, "--log.level", "debug", "--peer", peer,
                    env={"CANARY": "x" * ROOM}) as agent, \
            with_environment(CANARY=hidden), live.Cluster(programs, folder / "cluster", node=node) as cluster:
        keys(marks, folder / "cluster" / "certs")
        images, work = Images(agent, trace), Wallet(cluster, marks)
        pids = [member["pid"] for member in cluster.members]
        thread = threading.Thread(target=work.work, daemon=True)
        thread.start()
        nodes = look_while(images, pids, thread)
        if work.error:
            raise work.error
        stored = votes(marks, cluster.members)
        trace.marker.write(programs.name.encode() + b"\n")
        images.look()
        counted = Scrape(agent.metrics()).sum("mpc_votes_total")
        report.note(f"{images.looks} looks, {images.busy} of them with calls under way; {stored} votes stored; "
                    f"{len(images.places['memory'][-1]) >> 20} MB of memory; {', '.join(sorted(images.places))}")
        report.check("a wallet, nodes worked while the agent was looked at", [] if images.busy and
                     min(stored, counted) > 2 * TRANSACTIONS else [f"{images.busy} looks, {stored}, {counted:g} votes"])
        lies(report, "a wallet", marks, nodes)
        clean(report, "a wallet", images, marks)
        searched(report, "a wallet", images, allowed,
                 ("memory", "map peers", "/metrics", "/probes", "/", "the log", "the trace"))
        first, secret = of_nodes(pids[:1]), (folder / "cluster" / "certs" / "node-1.key.der").read_bytes()
        overlap(report, images, of_nodes(pids[1:]), first)
        planted(report, images, private_scalar(secret), first)


@contextlib.contextmanager
def with_environment(**more):
    os.environ.update(more)
    try:
        yield
    finally:
        for name in more:
            del os.environ[name]


def certificate(folder):
    done = live.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                    "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout",
                    folder / "key.pem", "-out", folder / "certificate.pem")
    if done.returncode:
        raise RuntimeError(f"openssl: {done.stderr.strip()[-300:]}")
    body = "".join(line for line in (folder / "key.pem").read_text().splitlines() if not line.startswith("-"))
    return private_scalar(base64.b64decode(body))


def network(report, folder, trace):
    """Any process, watched for what the kernel does for its sockets."""
    marks, allowed, program = Marks(), Marks(), folder / secrets.token_hex(12)
    words = {kind: secrets.token_urlsafe(24) for kind in ("environment", "TCP", "UDP", "TLS")}
    for kind, word in words.items():
        marks.add(kind, word)
    marks.add("TLS key", certificate(folder))
    allowed.add("what belongs there", program.name)
    shutil.copy(os.path.realpath(sys.executable), program)
    with live.Agent(folder, "--exe", program, "--profile", "net", "--log.level", "debug", name="net") as agent:
        node = live.Process(program, PLAINTEXT, folder, log=folder / "plaintext.log", stdin=subprocess.PIPE,
                            env={"NODE_ID": "plain", "CANARY": words.pop("environment"), "PYTHONHOME": sys.base_prefix})
        node.child.stdin.write(f"{json.dumps(words)}\n".encode())
        node.child.stdin.flush()
        node.until_said("at work")
        images, nodes = Images(agent, trace), []
        for _ in range(LOOKS):
            nodes.append(of_nodes([node.pid]))
            images.look()
            time.sleep(0.5)
        trace.marker.write(program.name.encode() + b"\n")
        images.look()
        node.child.stdin.close()
        node.child.wait(live.PATIENCE)
        sent = json.loads(node.said().splitlines()[-1])
        counted = {way: Scrape(agent.metrics()).sum("network_bytes_total", protocol=way) for way in ("tcp", "udp")}
        report.note(f"{sent} bytes of plaintext sent; bytes of payload counted: {counted}")
        # it is at both ends, and each word goes there and back
        report.check("a process, its plaintext was counted", [] if counted["tcp"] > 4 * (sent["TCP"] + sent["TLS"]) > 0
                     and counted["udp"] == 4 * sent["UDP"] > 0 else [f"{counted} of {sent}"])
        lies(report, "a process", marks, nodes)
        clean(report, "a process", images, marks)
        searched(report, "a process", images, allowed, ("memory", "/", "/probes", "the log", "the trace"))


def main():
    report = live.Report()
    live.need_root(report, "marks")
    if not (TRACING / "trace_pipe").exists():
        report.skip("marks", f"nothing is mounted at {TRACING}; scripts/setup mounts does it")
        return 0
    folder, trace = live.scratch(), Trace()
    with report.part("a process"):
        network(report, folder, trace)
    with report.part("a wallet"):
        wallet(report, folder, trace)
    return report.status()


if __name__ == "__main__":
    sys.exit(main())
