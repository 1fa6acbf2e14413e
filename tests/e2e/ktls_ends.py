# SPDX-License-Identifier: BSD-2-Clause
"""What in the kernel speaks TLS by itself, as ktls_play.py needs it: an NVMe target, an NVMe
host and an NFS client, and what it takes to be the other end of them.
"""

import contextlib
import ctypes
import os
import socket
import struct
from pathlib import Path

import live

MODULES = ("tls", "nvme-keyring", "nvmet-tcp", "nvme-tcp", "nfsv4", "configfs")
SHORT, LONG = 2, 60  # seconds after which the kernel cancels a handshake: where it shall, and elsewhere
HOST, SUBSYSTEM = "nqn.2014-08.org.nvmexpress:uuid:00000000-0000-4000-8000-000000000001", "nqn.2014-08.local:ktls"
HOST_ID = HOST.rpartition(":")[2]
HELLO = bytes([0x16, 3, 1, 0, 123]) + bytes(123)  # as a client's first record begins
ICREQ = 128  # bytes of the first message of an NVMe host
AUTH_TLS, PROG_UNAVAIL = 7, 1
SYS_ADD_KEY = 248
LIBC = ctypes.CDLL(None, use_errno=True)


def load():
    for module in MODULES:
        done = live.run("modprobe", module)
        if done.returncode:
            raise RuntimeError(f"modprobe {module}: {done.stderr.strip()}")


def set_limit(seconds):
    for module in ("nvmet_tcp", "nvme_tcp"):
        Path(f"/sys/module/{module}/parameters/tls_handshake_timeout").write_text(str(seconds))


@contextlib.contextmanager
def limit(seconds):
    set_limit(seconds)
    yield
    set_limit(LONG)


# ---- the kernel's ends --------------------------------------------------------------------

def add_key():
    """A key that the NVMe host and the target of this machine share, in their keyring; its number."""
    keyring = next(line.split()[0] for line in Path("/proc/keys").read_text().splitlines() if ".nvme:" in line)
    secret = bytes(range(32))
    key = LIBC.syscall(SYS_ADD_KEY, b"psk", f"NVMe0R01 {HOST} {SUBSYSTEM}".encode(), secret, len(secret),
                       ctypes.c_int32(int(keyring, 16)))
    if key < 0:
        raise OSError(ctypes.get_errno(), "add_key")
    return key


class Target:
    """An NVMe target of the kernel that wants TLS; it has no disk, since nobody gets that far."""

    def __init__(self, port):
        root = Path("/sys/kernel/config")
        if not (root / "nvmet").exists():
            live.run("mount", "-t", "configfs", "none", root)
        self.port, self.subsystem = root / "nvmet" / "ports" / "1", root / "nvmet" / "subsystems" / SUBSYSTEM
        self.address = ("127.0.0.1", port)
        for folder in (self.subsystem, self.port):
            folder.mkdir()
        for name, value in (("trtype", "tcp"), ("adrfam", "ipv4"), ("traddr", "127.0.0.1"), ("trsvcid", str(port)),
                            ("tsas", "tls1.3"), ("treq", "not required")):
            (self.port / f"addr_{name}").write_text(value)
        self.link = self.port / "subsystems" / SUBSYSTEM
        self.link.symlink_to(self.subsystem)

    def dial(self):
        sock = socket.create_connection(self.address, live.PATIENCE)
        sock.sendall(HELLO)
        return sock

    def close(self):
        self.link.unlink()
        self.port.rmdir()
        self.subsystem.rmdir()


def connect_host(port):
    """The kernel's NVMe host to a target; the error it ended with."""
    words = f"transport=tcp,traddr=127.0.0.1,trsvcid={port},nqn={SUBSYSTEM},hostnqn={HOST},hostid={HOST_ID},tls"
    try:
        device = os.open("/dev/nvme-fabrics", os.O_RDWR)
        try:
            os.write(device, words.encode())
        finally:
            os.close(device)
    except OSError as error:
        return error.errno
    return 0


def mount(port, folder):
    """The kernel's NFS client to a server; the error it ended with."""
    options = (f"vers=4.2,proto=tcp,port={port},addr=127.0.0.1,clientaddr=127.0.0.1,xprtsec=tls,soft,"
               "retrans=0,timeo=600")
    done = LIBC.mount(b"127.0.0.1:/", os.fsencode(folder), b"nfs4", 0, options.encode())
    return ctypes.get_errno() if done else 0


# ---- their other ends -------------------------------------------------------------------

def exactly(sock, size):
    data = b""
    while len(data) < size:
        more = sock.recv(size - len(data))
        if not more:
            raise RuntimeError(f"the kernel's end after {len(data)} of {size} bytes")
        data += more
    return data


def ended(sock):
    """Waits until the kernel has given up the connection."""
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        while sock.recv(4096):
            pass
    sock.close()


def call_of(sock):
    """The next call of an RPC: its number and the kind of its credentials."""
    size = struct.unpack(">I", exactly(sock, 4))[0] & 0x7fffffff
    words = struct.unpack_from(">7I", exactly(sock, size))
    return words[0], words[6]


def reply(sock, xid, verifier, status):
    body = struct.pack(">5I", xid, 1, 0, 0, len(verifier)) + verifier + struct.pack(">I", status)
    sock.sendall(struct.pack(">I", 0x80000000 | len(body)) + body)


def start_tls(listener):
    """An NFS client that wants TLS, and is told that it may begin."""
    sock, _ = listener.accept()
    sock.settimeout(live.PATIENCE)
    xid, flavour = call_of(sock)
    if flavour != AUTH_TLS:
        raise RuntimeError(f"the mount asks with credentials of kind {flavour}, not for TLS")
    reply(sock, xid, b"STARTTLS", 0)
    return sock
