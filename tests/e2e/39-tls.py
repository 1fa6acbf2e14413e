#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""TLS handshakes in shared libraries: a program with OpenSSL, as server and as client, OpenSSL's
own server, and a program with GnuTLS, against peers that are good, or offer a wrong authority, an
expired certificate, no certificate, a wrong version, garbage, silence, an early end and a reset.
How each handshake ended is equal to what the programs say, to the last one; so it is after a
restart. OpenSSL is loaded long after the program began. Who is no node has no probe, though it
maps the same file.

39-tls.py
"""
# must-run-on-reference

import contextlib
import ctypes
import json
import os
import re
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import live
from books import NEVER, Scrape

HERE = Path(__file__).parent
TIMES = 3  # of each kind of peer
LONG = 10  # seconds that our own side waits
# What GnuTLS' codes are in the profile's words; others are unknown.
GNUTLS = {0: "success", -8: "wrong_version", -87: "nothing_in_common", -12: "alert_received",
          -348: "certificate_rejected", -43: "certificate_rejected", -112: "no_certificate", -49: "no_certificate",
          -9: "malformed", -15: "malformed", -110: "connection_error", -54: "connection_error",
          -53: "connection_error"}
VERSIONS = {2: "1.0", 3: "1.1", 4: "1.2", 5: "1.3", 255: "none"}
ROLES = {1: "server", 2: "client"}
LEVELS = {1: "warning", 2: "fatal"}
ALERTS = {10: "unexpected_message", 20: "bad_record_mac", 40: "handshake_failure", 42: "bad_certificate",
          43: "unsupported_certificate", 45: "certificate_expired", 46: "certificate_unknown", 47: "illegal_parameter",
          48: "unknown_ca", 50: "decode_error", 51: "decrypt_error", 70: "protocol_version", 71: "insufficient_security",
          80: "internal_error", 109: "missing_extension", 116: "certificate_required"}


# ---- certificates -------------------------------------------------------------------

def openssl(folder, *words):
    done = live.run("openssl", *words, cwd=folder)
    if done.returncode:
        raise RuntimeError(f"openssl {words[0]}: {done.stderr.strip()[-300:]}")


def certificates(folder):
    """Two authorities; of each a server and a client, and what the first one signed long ago."""
    folder.mkdir()
    (folder / "ca.conf").write_text(
        "[ca]\ndefault_ca = own\n[own]\ndatabase = index\nserial = serial\nnew_certs_dir = .\n"
        "default_md = sha256\npolicy = any\nunique_subject = no\nx509_extensions = ext\n"
        "[any]\ncommonName = supplied\n[ext]\nsubjectAltName = DNS:localhost\n")
    (folder / "index").touch()
    (folder / "serial").write_text("01\n")
    for ca in ("ca", "other"):
        openssl(folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                f"{ca}.key", "-out", f"{ca}.pem", "-days", "2", "-subj", f"/CN={ca}")
    for name, ca, start, end in (
            ("server", "ca", "20240101000000Z", "21000101000000Z"), ("client", "ca", "20240101000000Z", "21000101000000Z"),
            ("strange", "other", "20240101000000Z", "21000101000000Z"), ("old", "ca", "20200101000000Z", "20200201000000Z")):
        openssl(folder, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key",
                "-out", f"{name}.csr", "-subj", f"/CN={name}")
        openssl(folder, "ca", "-batch", "-config", "ca.conf", "-cert", f"{ca}.pem", "-keyfile", f"{ca}.key", "-in",
                f"{name}.csr", "-out", f"{name}.pem", "-startdate", start, "-enddate", end, "-notext")
    return folder


# ---- peers of a server ----------------------------------------------------------------

def client(certs, chain="client", ca="ca", least=None, most=None, weak=False):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(certs / f"{ca}.pem")
    if weak:
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
    if chain:
        context.load_cert_chain(certs / f"{chain}.pem", certs / f"{chain}.key")
    if least:
        context.minimum_version = least
    if most:
        context.maximum_version = most
    return context


def call(port, context, session=None, patience=LONG):
    """What another call of the same context can resume."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=LONG) as sock, \
            context.wrap_socket(sock, server_hostname="localhost", session=session) as tls:
        tls.settimeout(patience)
        tls.recv(100)
        return tls.session
    return None


def call_again(port, context):
    call(port, context, call(port, context))


def send(port, data, pause=0.0, reset=False):
    """Bytes that are no handshake, or the begin of one; what comes back is not looked at."""
    with socket.create_connection(("127.0.0.1", port), timeout=LONG) as sock:
        with contextlib.suppress(OSError):
            sock.sendall(data)
            time.sleep(pause)
            if reset:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def hello(certs):
    """The first message of a client."""
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        client(certs).wrap_bio(into, out, server_hostname="localhost").do_handshake()
    return out.read()


def clients(certs, port, patience=LONG):
    """What they offer, by name. The good ones wait so long for a word of the server."""
    warnings.simplefilter("ignore", DeprecationWarning)  # an old version is what is offered
    old = ssl.TLSVersion.TLSv1_1
    first = hello(certs)
    return {
        "good, 1.3": lambda: call(port, client(certs), patience=patience),
        "good, 1.2": lambda: call(port, client(certs, most=ssl.TLSVersion.TLSv1_2), patience=patience),
        "comes again, 1.3": lambda: call_again(port, client(certs)),
        "comes again, 1.2": lambda: call_again(port, client(certs, most=ssl.TLSVersion.TLSv1_2)),
        "trusts another authority": lambda: call(port, client(certs, ca="other")),
        "trusts another authority, 1.2": lambda: call(port, client(certs, ca="other", most=ssl.TLSVersion.TLSv1_2)),
        "certificate of another authority": lambda: call(port, client(certs, "strange")),
        "the same, 1.2": lambda: call(port, client(certs, "strange", most=ssl.TLSVersion.TLSv1_2)),
        "expired certificate": lambda: call(port, client(certs, "old")),
        "no certificate": lambda: call(port, client(certs, None)),
        "no certificate, 1.2": lambda: call(port, client(certs, None, most=ssl.TLSVersion.TLSv1_2)),
        "wrong version": lambda: call(port, client(certs, least=old, most=old, weak=True)),
        "garbage": lambda: send(port, b"GET / HTTP/1.0\r\n\r\n", 0.2),
        "nothing, and an end": lambda: send(port, b""),
        "half a message, and an end": lambda: send(port, first[:100], 0.1),
        "a message, and an end": lambda: send(port, first, 0.2),
        "a message, and a reset": lambda: send(port, first, 0.2, reset=True),
        "silence": lambda: send(port, b"", 1.5),
        "silence after a message": lambda: send(port, first, 1.5),
    }


def all_at_once(jobs):
    threads = [threading.Thread(target=job) for job in jobs for _ in range(TIMES)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


# ---- peers of a client ----------------------------------------------------------------

class Server:
    """Answers every connection in one way, in a thread."""

    def __init__(self, answer):
        self.answer = answer
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=20)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            sock, _ = self.listener.accept()
            sock.settimeout(LONG)
            with contextlib.suppress(OSError), sock:
                self.answer(sock)


def welcome(certs, chain="server", least=None, most=None, ask=False):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certs / f"{chain}.pem", certs / f"{chain}.key")
    context.load_verify_locations(certs / "ca.pem")
    if ask:
        context.verify_mode = ssl.CERT_REQUIRED
    if least:
        context.minimum_version = least
    if most:
        context.maximum_version = most

    def answer(sock):
        with context.wrap_socket(sock, server_side=True) as tls:
            tls.recv(1)
    return answer


def blurt(data, pause=0.0, reset=False):
    def answer(sock):
        sock.recv(4096)
        if data:
            sock.sendall(data)
        time.sleep(pause)
        if reset:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return answer


def servers(certs):
    """(kind of client, what answers it)."""
    v12 = ssl.TLSVersion.TLSv1_2
    return [
        ("any", welcome(certs)), ("any", welcome(certs, most=v12)), ("any", welcome(certs, "strange")),
        ("again", welcome(certs)), ("again", welcome(certs, most=v12)),
        ("any", welcome(certs, "old")), ("bare", welcome(certs, ask=True)), ("bare", welcome(certs, most=v12, ask=True)),
        ("1.3", welcome(certs, most=v12)), ("any", blurt(b"HTTP/1.0 400 No\r\n\r\n")), ("any", blurt(b"")),
        ("any", blurt(b"", 0.1, reset=True)), ("any", blurt(b"", 1.0)),
    ]


# ---- the program with OpenSSL ------------------------------------------------------------

class Peer(live.Process):
    def __init__(self, program, folder, name):
        super().__init__(program, HERE / "tls_peer.py", log=folder / f"{name}.log", stdin=subprocess.PIPE,
                         env={"NODE_ID": "peer", "PYTHONHOME": sys.base_prefix})
        self.answers = 0

    def order(self, *words):
        self.child.stdin.write((" ".join(str(w) for w in words) + "\n").encode())
        self.child.stdin.flush()
        self.answers += 1
        def answered():
            lines = [line for line in self.said().split("\n")[:-1] if line.startswith("= ")]
            if "Traceback" in self.said():
                raise RuntimeError(f"{self.log.name}: {self.said().strip()[-600:]}")
            return lines if len(lines) >= self.answers else None
        return live.wait_for(f"{self.log.name}: {words[0]}", answered)[self.answers - 1][2:]

    def books(self):
        """Once no handshake is under way."""
        def still():
            books = json.loads(self.order("books"))
            return books if not books["running"] else None
        return live.wait_for("the peer is done", still, every=0.2)


def counted(metrics, name, node, labels):
    """{"VALUE VALUE …": count} of a histogram, without what is 0, and the sum of its seconds."""
    scrape = Scrape(metrics)
    counts = {}
    for those, count in scrape.samples.get(f"{name}_count", {}).items():
        those = dict(those)
        if those["node_id"] == node and count:
            counts[" ".join(those[label] for label in labels)] = int(count)
    return counts, scrape.sum(f"{name}_sum", node_id=node)


def counted_calls(metrics, name, node, labels):
    """{"VALUE VALUE …": count} of a counter, without what is 0."""
    samples = Scrape(metrics).samples.get(name, {})
    return {" ".join(dict(those)[label] for label in labels): int(count) for those, count in samples.items()
            if count and dict(those)["node_id"] == node}


def differences(got, want):
    return [f"{words}: {got.get(words, 0)} counted, {want.get(words, 0)} in the books"
            for words in sorted(got.keys() | want.keys()) if got.get(words, 0) != want.get(words, 0)]


def own_faults(metrics):
    """What the agent says of itself: everything was seen to begin and to end."""
    scrape = Scrape(metrics)
    faults = [f"{name} is {scrape.sum(name):g}" for name in NEVER if scrape.sum(name)]
    for name in ("mpc_bpf_agent_spans_open", "mpc_bpf_agent_spans_expired_total", "mpc_bpf_agent_spans_lost_total",
                 "mpc_bpf_agent_spans_ends_without_beginning_total", "mpc_bpf_agent_spans_keys_unread_total",
                 "mpc_bpf_agent_calls_in_flight"):
        if scrape.sum(name):
            faults.append(f"{name} is {scrape.sum(name):g}")
    return faults


def compare(report, name, agent, family, labels, node, books, seconds=None):
    metrics = agent.metrics()
    counts, total = counted(metrics, family, node, labels)
    faults = differences(counts, books)
    if seconds is not None and not 0 < total <= seconds:
        faults.append(f"{total} s in all, at most {seconds} in the books")
    report.check(f"{name}: {sum(books.values())} handshakes, {len(books)} kinds of end", faults)
    return metrics


def states(metrics, library):
    """{(function, where, state)} of the rows of one library."""
    found = set()
    for labels, count in Scrape(metrics).samples.get("mpc_bpf_agent_probe_state", {}).items():
        labels = dict(labels)
        if count and labels["function"].startswith(library + ":"):
            found.add((labels["function"].partition(":")[2], labels["where"], labels["state"]))
    return found


OPENSSL = ("mpc_openssl_handshake_duration_seconds", ("role", "version", "result", "certificate"))


def compare_faults(report, name, metrics, node, books):
    """What OpenSSL said of failures, with what it told the program."""
    alerts = counted_calls(metrics, "mpc_openssl_alerts_received_total", node, ("description",))
    errors = counted_calls(metrics, "mpc_openssl_errors_total", node, ("error",))
    report.note(f"{name} was told {books['alerts']} and found {books['errors']}")
    report.check(f"{name}: {sum(alerts.values())} alerts received, {len(alerts)} kinds",
                 differences(alerts, books["alerts"]))
    report.check(f"{name}: {sum(errors.values())} errors of its own, {len(errors)} kinds", differences(errors, books["errors"]))


def drive(peer, certs):
    """All kinds of peers against it, as server and as client."""
    port = int(peer.order("serve", certs))
    all_at_once(clients(certs, port).values())
    for kind, answer in servers(certs):
        server = Server(answer)
        for _ in range(TIMES):
            peer.order("connect", certs, server.port, kind)
    return peer.books()


def first_byte(pid, address):
    with open(f"/proc/{pid}/mem", "rb") as memory:
        memory.seek(address)
        return memory.read(1)[0]


def base_of(pid):
    """Where the first page of libssl is mapped."""
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        if "libssl.so.3" in line:
            return int(line.partition("-")[0], 16)
    raise RuntimeError(f"{pid} does not map libssl.so.3")


def only_nodes(report, peer):
    """The first instruction of SSL_get_error, in the node and in ourselves, who are none."""
    kernel = tuple(int(n) for n in os.uname().release.split("-")[0].split(".")[:2])
    if (6, 6) <= kernel < (6, 10):
        report.skip("who is no node has no probe", "this kernel does not filter processes")
        return
    ours = ctypes.cast(ctypes.CDLL("libssl.so.3").SSL_get_error, ctypes.c_void_p).value
    at = ours - base_of(os.getpid())
    mine, theirs = first_byte(os.getpid(), ours), first_byte(peer.pid, base_of(peer.pid) + at)
    faults = [] if mine != 0xcc else ["we have a breakpoint"]
    if theirs == mine:
        faults.append(f"the node has none: {theirs:#x}")
    report.check("who is no node has no probe, though it maps the same file", faults)


def with_openssl(report, folder, certs):
    program = folder / "peer-program"
    shutil.copy(os.path.realpath(sys.executable), program)
    with live.Agent(folder, "--profile", "openssl", "--profile", "gnutls", "--exe", program, name="openssl") as agent:
        peer = Peer(program, folder, "peer-1")
        live.wait_for("the agent finds the peer", lambda: "is pid" in agent.said())
        rows = live.wait_for("rows of what is not mapped", lambda: states(agent.metrics(), "libssl.so.3"))
        unmapped = {("SSL_do_handshake->", "not mapped", "absent"), ("SSL_get_error", "not mapped", "absent"),
                    ("SSL_free", "not mapped", "absent")}
        faults = [] if rows == unmapped else [f"rows: {sorted(rows)}"]
        probes = live.get(agent.address, "/probes").text
        if "does not map libssl.so.3" not in probes:
            faults.append("no reason among the probes")
        report.check("a library that is not mapped is a row with its reason", faults)
        peer.order("load")
        agent.until_said(rf"pid {peer.pid}\) maps \S*libssl\.so\.3")
        rows = states(agent.metrics(), "libssl.so.3")
        ready = {(name, "exported by libssl.so.3", "ready") for name, _, _ in unmapped}
        report.check("what is loaded later is found",
                     [] if rows == ready else [f"rows: {sorted(rows)}"])
        done = live.run(live.AGENT, "probes", "--profile", "openssl", "--profile", "gnutls", "--pid", peer.pid)
        faults = [f"lacks {words!r}" for words in ("ready    exported by libssl.so.3: 2 entries", "does not map libgnutls.so.30")
                  if words not in done.stdout]
        report.check("`probes` shows the libraries of a process", faults + ([done.stderr] if done.returncode else []))
        only_nodes(report, peer)
        books = drive(peer, certs)
        metrics = compare(report, "OpenSSL", agent, *OPENSSL, "peer", books["counts"], books["seconds"])
        compare_faults(report, "OpenSSL", metrics, "peer", books)
        resumed = {f"{role} {version} resumed ok" for role in ("client", "server") for version in ("1.2", "1.3")}
        report.check("OpenSSL: handshakes are resumed by both roles, with both versions",
                     [f"no {words}" for words in sorted(resumed - books["counts"].keys())])
        report.check("OpenSSL: all is seen to begin and to end", own_faults(metrics))
        peer.child.stdin.close()
        peer.stop()
        again = Peer(program, folder, "peer-2")
        again.order("load")
        agent.until_said(rf"pid {again.pid}\) maps \S*libssl\.so\.3")
        port = int(again.order("serve", certs))
        all_at_once([clients(certs, port)["good, 1.2"], clients(certs, port)["expired certificate"]])
        for words, count in again.books()["counts"].items():
            books["counts"][words] = books["counts"].get(words, 0) + count
        compare(report, "OpenSSL, and after a restart", agent, *OPENSSL, "peer", books["counts"])
        again.child.stdin.close()
        again.stop()


# ---- s_server, whose handshakes happen within SSL_read ----------------------------------------

def with_s_server(report, folder, certs):
    kinds = ["good, 1.3", "good, 1.2", "good, 1.3", "garbage", "nothing, and an end", "wrong version", "good, 1.2"]
    server = live.Process("openssl", "s_server", "-accept", "127.0.0.1:0", "-naccept", len(kinds), "-cert",
                          certs / "server.pem", "-key", certs / "server.key", log=folder / "s_server.log",
                          stdin=subprocess.PIPE)
    port = int(server.until_said(r"ACCEPT 127\.0\.0\.1:(\d+)")[1])
    peers = clients(certs, port, patience=0.1)
    with live.Agent(folder, "--profile", "openssl", "--pid", server.pid, "--node-id", "s", name="s_server-agent") as agent:
        agent.until_said(r"maps \S*libssl\.so\.3")
        for kind in kinds:
            peers[kind]()
        server.child.wait(LONG)
        begun = int(re.search(r"(\d+) server accepts \(SSL_accept", server.said())[1])
        done = int(re.search(r"(\d+) server accepts that finished", server.said())[1])
        counts, _ = counted(agent.metrics(), OPENSSL[0], "s", OPENSSL[1])
        want = {"server 1.2 success ok": 2, "server 1.3 success ok": 2, "server none tls_error ok": 3}
        faults = differences(counts, want)
        if (begun, done) != (sum(counts.values()), counts.get("server 1.2 success ok", 0) + counts.get("server 1.3 success ok", 0)):
            faults.append(f"{begun} begun and {done} finished by its own count")
        report.check(f"s_server: {begun} handshakes by its own count, {done} finished", faults)
        said = re.findall(r":error:0A[0-9A-F]{6}:SSL routines:[^:]*:([^:]*):", server.said())
        found = {words: said.count(words) for words in said}
        report.check(f"s_server: {len(said)} errors by its own words", [] if said else ["none"])
        compare_faults(report, "s_server", agent.metrics(), "s", {
            "alerts": {}, "errors": {words.replace(" ", "_"): count for words, count in found.items()}})
    server.child.stdin.close()


# ---- the program with GnuTLS ---------------------------------------------------------------

def gnutls_books(words):
    """How handshakes ended, alerts received and sent, and sessions: {"VALUE VALUE": count} of each."""
    ends, received, sent, sessions = {}, {}, {}, {}
    for word in words:
        what, count = word.split(":")
        what = what.split("/")
        if what[0] == "in":
            books, label = received, ALERTS[int(what[1])]
        elif what[0] == "out":
            books, label = sent, f"{LEVELS[int(what[1])]} {ALERTS[int(what[2])]}"
        elif what[0] == "is":
            books, label = sessions, f"{ROLES[int(what[1])]} {VERSIONS[int(what[2])]} {('no', 'yes')[int(what[3])]}"
        elif what[0] == "gone":
            books, label = ends, "none abandoned"
        else:
            books, label = ends, f"{VERSIONS[int(what[0])]} {GNUTLS.get(int(what[1]), 'unknown')}"
        if int(count):
            books[label] = books.get(label, 0) + int(count)
    return ends, received, sent, sessions


def with_gnutls(report, folder, certs):
    program = folder / "gnutls-server"
    flags = live.run("pkg-config", "--cflags", "--libs", "gnutls").stdout.split()
    done = live.run("gcc", "-O2", "-o", program, HERE / "tls_gnutls.c", *flags)
    if done.returncode:
        raise RuntimeError(f"gcc: {done.stderr[-400:]}")
    server = live.Process(program, certs, log=folder / "gnutls-server.log", stdin=subprocess.PIPE)
    port = int(server.until_said(r"port (\d+)")[1])
    with live.Agent(folder, "--profile", "gnutls", "--pid", server.pid, "--node-id", "g", name="gnutls") as agent:
        agent.until_said(r"maps \S*libgnutls\.so\.30")
        for job in clients(certs, port).values():
            all_at_once([job])
        v12, v13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
        for answer in (welcome(certs), welcome(certs, "strange"), welcome(certs, most=v12, ask=True),
                       welcome(certs, least=v13)):
            server.child.stdin.write(f"connect {Server(answer).port}\n".encode() * TIMES)
        for answer in (welcome(certs), welcome(certs, most=v12)):
            server.child.stdin.write(f"resume {Server(answer).port}\n".encode() * TIMES)
        server.child.stdin.write(b"books\n")
        server.child.stdin.flush()
        words = server.until_said(r"\n(\S*.*gone:\d+)\n")[1].split()
        report.note(f"GnuTLS said {' '.join(words)}")
        ends, received, sent, sessions = gnutls_books(words)
        metrics = compare(report, "GnuTLS", agent, "mpc_gnutls_handshake_duration_seconds", ("version", "result"), "g", ends)
        for way, books, labels in (("received", received, ("description",)), ("sent", sent, ("level", "description"))):
            counts = counted_calls(metrics, f"mpc_gnutls_alerts_{way}_total", "g", labels)
            report.check(f"GnuTLS: {sum(books.values())} alerts {way}, {len(books)} kinds",
                         differences(counts, books) if books else ["none"])
        report.check(f"GnuTLS: {sum(sessions.values())} sessions, {len(sessions)} kinds", differences(
            counted_calls(metrics, "mpc_gnutls_sessions_total", "g", ("role", "version", "resumed")), sessions))
        report.check("GnuTLS: sessions are resumed by both roles, with both versions", [
            f"no {words}" for words in (f"{role} {version} yes" for role in ROLES.values() for version in ("1.2", "1.3"))
            if words not in sessions])
        report.check("GnuTLS: all is seen to begin and to end", own_faults(metrics))
    server.child.stdin.close()
    server.stop()


def main():
    report = live.Report()
    live.need_root(report, "TLS in shared libraries")
    folder = live.scratch()
    with report.part("certificates"):
        certs = certificates(folder / "certs")
    with report.part("OpenSSL"):
        with_openssl(report, folder, certs)
    with report.part("s_server"):
        with_s_server(report, folder, certs)
    with report.part("GnuTLS"):
        with_gnutls(report, folder, certs)
    return report.status()


if __name__ == "__main__":
    sys.exit(main())
