# SPDX-License-Identifier: BSD-2-Clause
"""Handshakes and alerts of the kernel's own TLS, for real and in known numbers: ktls_play.py
Plays the daemon that the kernel asks, and the other end of NVMe targets, NVMe hosts and NFS
mounts, in every way that a handshake can end. Run alone it compares its books with the
kernel's own trace. To be run where nothing else uses the kernel's TLS, as in scripts/vm.
"""

import contextlib
import errno
import os
import re
import signal
import socket
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import ktls_daemon
import ktls_ends
import live

TRACING = Path("/sys/kernel/tracing")
SINCE = {"handshake_submit": "6.4", "handshake_submit_err": "6.4", "handshake_complete": "6.4",
         "handshake_cancel": "6.4", "tls_alert_send": "6.6", "tls_alert_recv": "6.6"}
OUTCOMES = ("server ESRCH", "client ESRCH", "server EACCES", "client EACCES", "server EKEYREJECTED", "server EIO",
            "client ETIMEDOUT", "server cancelled", "client cancelled", "server ok", "client ok",
            "received close_notify", "received user_canceled", "received bad_certificate", "received unknown_ca",
            "sent close_notify")


class Missing(RuntimeError):
    """Why nothing can be played under this kernel."""


def missing():
    """That reason, or None."""
    lacking = [name for name in SINCE if not (TRACING / "events" / "handshake" / name).exists()]
    return f"no tracepoint handshake:{lacking[0]}; there is one since {SINCE[lacking[0]]}" if lacking else None


# ---- the kernel's own trace -------------------------------------------------------------

class Trace:
    def __init__(self):
        self.folder = TRACING / "instances" / "ktls"
        self.folder.mkdir()
        (self.folder / "events" / "handshake" / "enable").write_text("1")

    def count(self):
        """{"handshakes": {result: n}, "alerts": {(direction, name): n}, "submitted": n}"""
        text = (self.folder / "trace").read_text()
        held, written = re.search(r"entries-in-buffer/entries-written: (\d+)/(\d+)", text).groups()
        if held != written:
            raise RuntimeError(f"the kernel's trace has but {held} of {written} events")
        handshakes, alerts, submitted = Counter(), Counter(), 0
        for name, rest in re.findall(r"(?m)^[^#].*?: (\w+): (.*)$", text):
            status = re.search(r"(?:status|err)=(-?\d+)", rest)
            if name in ("handshake_complete", "handshake_submit_err"):
                code = abs(int(status[1]))
                handshakes[errno.errorcode[code] if code else "ok"] += 1
            elif name == "handshake_cancel":
                handshakes["cancelled"] += 1
            elif name in ("tls_alert_send", "tls_alert_recv"):
                alerts["sent" if name.endswith("send") else "received", rest.rpartition(": ")[2].lower()] += 1
            submitted += name == "handshake_submit"
        return {"handshakes": dict(handshakes), "alerts": dict(alerts), "submitted": submitted}

    def close(self):
        self.folder.rmdir()


class Submissions:
    """The kernel calls the daemon before it holds the socket for the time of the handshake: an
    answer that comes in between frees it under the kernel's hands. What follows is the trace's event."""

    def __init__(self, trace):
        self.trace, self.called = trace, 0

    def next(self):
        self.called += 1
        live.wait_for("the kernel has submitted the handshake", lambda: self.trace.count()["submitted"] >= self.called)


# ---- the stage ------------------------------------------------------------------------------

class Stage:
    def __init__(self, folder):
        reason = missing()
        if reason:
            raise Missing(reason)
        ktls_ends.load()
        ktls_ends.set_limit(ktls_ends.LONG)
        self.books = {"handshakes": {}, "alerts": {}}
        self.folder = Path(folder) / "mount"
        self.folder.mkdir()
        self.key = ktls_ends.add_key()
        self.pool = ThreadPoolExecutor(1)
        self.target = ktls_ends.Target(4420)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(live.PATIENCE)
        self.port = self.listener.getsockname()[1]
        self.trace = Trace()
        self.submissions = Submissions(self.trace)

    def daemon(self):
        return ktls_daemon.Daemon(self.books["handshakes"], self.submissions, live.PATIENCE)

    def add(self, kind, *key):
        self.books[kind][key] = self.books[kind].get(key, 0) + 1

    @contextlib.contextmanager
    def one(self, role):
        """The other end of a connection for which the kernel, in that role, wants a handshake; in the end
        the kernel must have given it up."""
        if role == "server":
            peer = self.target.dial()
            yield peer
            ktls_ends.ended(peer)
            return
        told = self.pool.submit(ktls_ends.connect_host, self.port)
        peer, _ = self.listener.accept()
        peer.settimeout(live.PATIENCE)
        yield peer
        ktls_ends.ended(peer)
        if not told.result(live.PATIENCE):
            raise RuntimeError("the NVMe host takes a target that there is not")

    def nobody(self, role):
        """There is no daemon."""
        with self.one(role):
            pass
        self.add("handshakes", role, "ESRCH")

    def refused(self, role, status):
        with self.daemon() as daemon, self.one(role):
            daemon.refuse(status)

    def unanswered(self, role):
        """There is a daemon, and it does nothing."""
        with self.daemon() as daemon, ktls_ends.limit(ktls_ends.SHORT), self.one(role):
            daemon.called()
        self.add("handshakes", role, "cancelled")

    def died(self, role):
        """The daemon ends after it has accepted."""
        with self.daemon() as daemon, ktls_ends.limit(ktls_ends.SHORT), self.one(role):
            child = os.fork()
            if not child:
                try:
                    daemon.accept()
                    os.kill(os.getpid(), signal.SIGKILL)
                finally:
                    os._exit(1)
            daemon.close()
            _, status = os.waitpid(child, 0)
            if not os.WIFSIGNALED(status):
                raise RuntimeError("the daemon that dies could not accept")
            self.submissions.next()  # of which the child alone was told
        self.add("handshakes", role, "cancelled")

    def target_alerted(self, alert):
        """A session with the kernel's target, which this alert ends."""
        with self.daemon() as daemon, self.one("server") as peer:
            daemon.agree(peer, self.key)
            ktls_daemon.send_alert(peer, alert)
            self.add("alerts", "received", alert)

    def host_agreed(self):
        """A session with the kernel's host, whose first message comes by it; it gets no answer."""
        with self.daemon() as daemon, self.one("client") as peer:
            daemon.agree(peer, self.key)
            kind, data = ktls_daemon.receive_record(peer)
            if (kind, len(data)) != (ktls_daemon.DATA, ktls_ends.ICREQ):
                raise RuntimeError(f"the NVMe host begins with {len(data)} bytes of kind {kind}")
            peer.shutdown(socket.SHUT_RDWR)

    def mount_refused(self, status):
        with self.daemon() as daemon:
            told = self.pool.submit(ktls_ends.mount, self.port, self.folder)
            peer = ktls_ends.start_tls(self.listener)
            daemon.refuse(status)
            ktls_ends.ended(peer)
            self.failed(told)

    def mounted(self, *alerts):
        """A session with the kernel's NFS client, which hears these alerts and then that there is no NFS;
        so it takes its leave."""
        with self.daemon() as daemon:
            told = self.pool.submit(ktls_ends.mount, self.port, self.folder)
            peer = ktls_ends.start_tls(self.listener)
            daemon.agree(peer, self.key)
            xid, _ = ktls_ends.call_of(peer)
            for alert in alerts:
                ktls_daemon.send_alert(peer, alert)
                self.add("alerts", "received", alert)
            ktls_ends.reply(peer, xid, b"", ktls_ends.PROG_UNAVAIL)
            self.last_words(peer)
            self.failed(told)

    def last_words(self, peer):
        kind, data = ktls_daemon.receive_record(peer)
        if kind != ktls_daemon.ALERT:
            raise RuntimeError(f"the NFS client sent {data!r} of kind {kind}, and no alert")
        self.add("alerts", "sent", ktls_daemon.ALERTS[data[1]])
        ktls_ends.ended(peer)

    def failed(self, told):
        if not told.result(live.PATIENCE):
            raise RuntimeError("the NFS client mounts what there is not")

    def play(self):
        """Of a role, no two results come equally often, and none as often as in the other role; of the
        alerts neither, in a direction."""
        for times, act, *words in (
                (3, self.nobody, "server"), (4, self.nobody, "client"),
                (7, self.refused, "server", errno.EACCES), (5, self.refused, "server", errno.EKEYREJECTED),
                (1, self.refused, "server", None), (4, self.refused, "client", errno.EACCES),
                (2, self.refused, "client", errno.ETIMEDOUT), (1, self.mount_refused, errno.EACCES),
                (1, self.unanswered, "server"), (1, self.died, "server"), (1, self.unanswered, "client"),
                (3, self.target_alerted, "bad_certificate"), (1, self.target_alerted, "unknown_ca"),
                (1, self.host_agreed), (1, self.mounted), (1, self.mounted, "close_notify"),
                (2, self.mounted, "user_canceled", "user_canceled"), (1, self.mounted, "unknown_ca")):
            for _ in range(times):
                act(*words)

    def witness(self):
        return self.trace.count()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.trace.close()
        self.listener.close()
        self.target.close()
        self.pool.shutdown(wait=False)


# ---- alone -----------------------------------------------------------------------------------

def sums(books):
    """What the kernel's trace must have of them: it does not know the role."""
    handshakes = Counter()
    for (_, result), times in books["handshakes"].items():
        handshakes[result] += times
    return {"handshakes": dict(handshakes), "alerts": books["alerts"],
            "submitted": sum(handshakes.values()) - handshakes["ESRCH"]}


def main():
    report = live.Report()
    try:
        stage = Stage(live.scratch())
    except Missing as reason:
        report.check("what this needs", [reason])
        return report.status()
    with stage:
        report.note("set up")
        stage.play()
        books, seen = stage.books, stage.witness()
    report.note("played")
    for kind in ("handshakes", "alerts"):
        for key, times in sorted(books[kind].items()):
            print(f"    {times:3} {' '.join(key)}")
    wanted = sums(books)
    for kind, found in seen.items():
        report.check(f"the kernel's own trace, {kind}: {found}",
                     [] if found == wanted[kind] else [f"played: {wanted[kind]}"])
    played = [" ".join(key) for kind in ("handshakes", "alerts") for key in books[kind]]
    report.check(f"{len(OUTCOMES)} outcomes", [f"no {outcome}" for outcome in OUTCOMES if outcome not in played])
    return report.status()


if __name__ == "__main__":
    sys.exit(main())
