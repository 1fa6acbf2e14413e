# SPDX-License-Identifier: BSD-2-Clause
"""What the kernel's TLS needs in user space: the daemon that it asks for handshakes over
generic netlink, and sockets that the kernel encrypts. No key is exchanged here: both ends
are given the same ones. The numbers are those of linux/handshake.h, genetlink.h and tls.h.
"""

import errno
import os
import socket
import struct

SOL_NETLINK, ADD_MEMBERSHIP = 270, 1
NLMSG_ERROR, REQUEST, ACK = 2, 1, 4
CONTROL, GET_FAMILY, FAMILY_ID, FAMILY_NAME, GROUPS, GROUP_NAME, GROUP_ID = 16, 3, 1, 2, 7, 1, 2
READY, ACCEPT, DONE = 1, 2, 3
ACCEPT_FD, ACCEPT_CLASS, ACCEPT_TYPE = 1, 2, 3
DONE_STATUS, DONE_FD, DONE_PEER = 1, 2, 3
CLASS_TLSHD = 1
ROLES = {1: "client", 2: "server"}  # of the kernel, by the hello that it wants
SOL_TLS, TCP_ULP, TLS_TX, TLS_RX = 282, 31, 1, 2
SET_RECORD_TYPE, GET_RECORD_TYPE = 1, 2
DATA, ALERT = 23, 21
TLS_1_3, AES_GCM_128 = 0x304, 51
ALERTS = {0: "close_notify", 42: "bad_certificate", 48: "unknown_ca", 90: "user_canceled"}  # that are played
DESCRIPTIONS = {name: number for number, name in ALERTS.items()}
WARNING, FATAL = 1, 2


# ---- generic netlink ----------------------------------------------------------------

def attribute(kind, value):
    value = struct.pack("I", value) if isinstance(value, int) else value
    return struct.pack("HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def attributes(raw):
    """{kind: value} of the attributes that lie in these bytes."""
    found = {}
    while len(raw) >= 4:
        size, kind = struct.unpack_from("HH", raw)
        found[kind & 0x3fff] = raw[4:size]
        raw = raw[(size + 3) & ~3:]
    return found


def number(value):
    return struct.unpack("I", value)[0]


class Netlink:
    def __init__(self, seconds):
        self.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 16)
        self.sock.bind((0, 0))
        self.sock.settimeout(seconds)

    def receive(self):
        """The command and attributes of the next message; OSError where it is a refusal."""
        raw = self.sock.recv(65536)
        size, kind = struct.unpack_from("IH", raw)
        if kind == NLMSG_ERROR:
            status = -struct.unpack_from("i", raw, 16)[0]
            if status:
                raise OSError(status, os.strerror(status))
            return None, {}
        return raw[16], attributes(raw[20:size])

    def ask(self, family, command, *given, flags=0):
        body = struct.pack("BBH", command, 1, 0) + b"".join(attribute(kind, value) for kind, value in given)
        self.sock.send(struct.pack("IHHII", 16 + len(body), family, REQUEST | flags, 1, 0) + body)
        return self.receive()[1]

    def find(self, name):
        """The number of a family, and those of its groups by name."""
        found = self.ask(CONTROL, GET_FAMILY, (FAMILY_NAME, name.encode() + b"\0"))
        groups = [attributes(raw) for raw in attributes(found[GROUPS]).values()]
        return struct.unpack("H", found[FAMILY_ID])[0], {
            group[GROUP_NAME].rstrip(b"\0").decode(): number(group[GROUP_ID]) for group in groups}


# ---- sockets that the kernel encrypts ---------------------------------------------------

def secure(sock, ours, theirs):
    """From now on what goes through this socket is TLS 1.3 with these keys, of 16 bytes."""
    sock.setsockopt(socket.IPPROTO_TCP, TCP_ULP, b"tls")
    for way, key in ((TLS_TX, ours), (TLS_RX, theirs)):
        sock.setsockopt(SOL_TLS, way, struct.pack("HH8s16s4s8s", TLS_1_3, AES_GCM_128, key[:8], key, key[8:12],
                                                  bytes(8)))


def send_alert(sock, name):
    """Which ends the session, but for the two that are warnings."""
    level = WARNING if name in ("close_notify", "user_canceled") else FATAL
    sock.sendmsg([bytes([level, DESCRIPTIONS[name]])], [(SOL_TLS, SET_RECORD_TYPE, bytes([ALERT]))])


def receive_record(sock, size=4096):
    """The kind of the next record, or None at the end, and what is in it."""
    data, ancillary, _, _ = sock.recvmsg(size, socket.CMSG_SPACE(1))
    kinds = [value[0] for level, kind, value in ancillary if (level, kind) == (SOL_TLS, GET_RECORD_TYPE)]
    return (kinds[0] if kinds else None), data


# ---- the daemon --------------------------------------------------------------------------

KERNEL_KEY, PEER_KEY = b"the kernel sends", b"the peer's sends"


class Daemon:
    """Listens for handshakes that the kernel wants, from its making to its end. Its books are
    what the kernel took from it: {(role, result): n}. The submissions wait for one to be complete."""

    def __init__(self, books, submissions, seconds):
        self.books, self.submissions = books, submissions
        self.commands, self.events = Netlink(seconds), Netlink(seconds)
        self.family, groups = self.commands.find("handshake")
        self.events.sock.setsockopt(SOL_NETLINK, ADD_MEMBERSHIP, groups["tlshd"])

    def called(self):
        """Waits until the kernel wants a handshake."""
        command, _ = self.events.receive()
        if command != READY:
            raise RuntimeError(f"the kernel said {command} and not that a handshake is wanted")
        self.submissions.next()

    def accept(self):
        """The kernel's socket, and its role."""
        self.called()
        given = self.commands.ask(self.family, ACCEPT, (ACCEPT_CLASS, CLASS_TLSHD))
        return socket.socket(fileno=number(given[ACCEPT_FD])), ROLES[number(given[ACCEPT_TYPE])]

    def done(self, sock, role, status, *more):
        """Tells the kernel how it went; no status at all is one too, which the kernel takes for EIO."""
        given = () if status is None else ((DONE_STATUS, status),)
        self.commands.ask(self.family, DONE, *given, (DONE_FD, sock.fileno()), *more, flags=ACK)
        name = "ok" if status == 0 else errno.errorcode[errno.EIO if status is None else status]
        self.books[role, name] = self.books.get((role, name), 0) + 1

    def refuse(self, status):
        sock, role = self.accept()
        with sock:
            self.done(sock, role, status)

    def agree(self, peer, key):
        """A session between the kernel and @peer, of whom the kernel is told that it has that key."""
        sock, role = self.accept()
        with sock:
            if role == "server":
                sock.recv(4096)  # the hello
            secure(sock, KERNEL_KEY, PEER_KEY)
            secure(peer, PEER_KEY, KERNEL_KEY)
            self.done(sock, role, 0, (DONE_PEER, key))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.commands.sock.close()
        self.events.sock.close()
