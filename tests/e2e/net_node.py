# SPDX-License-Identifier: BSD-2-Clause
"""A node of tests/e2e/50-net.py: does with sockets what it is told, one JSON line for each
call on standard input, and answers with a line: what its own books say of the call.

    ["dial", {"to": ["10.0.0.2", 7000], "size": 1000, "times": 3}]
"""

import errno
import json
import socket
import struct
import sys
import threading

SOCKETS = {}  # by the name that the test gives them
THREADS = {}
CHUNK = b"." * 65536
PATIENCE = 60
TCP_SYNCNT = 7


def info(sock):
    """What the kernel says of a connection: a witness that is not the agent."""
    raw = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    return {"rtt_us": struct.unpack_from("I", raw, 68)[0], "retransmits": struct.unpack_from("I", raw, 100)[0],
            "segments_out": struct.unpack_from("I", raw, 136)[0], "segments_in": struct.unpack_from("I", raw, 140)[0]}


def add(books, **more):
    for name, n in more.items():
        books[name] = books.get(name, 0) + n
    return books


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def send(sock, size, books):
    while size:
        n = sock.send(CHUNK[:size])
        add(books, sent=n)
        size -= n


def receive(sock, books, size=None):
    """Up to the end, or @size bytes."""
    while size is None or size:
        data = sock.recv(min(65536, size or 65536))
        if not data:
            return
        add(books, received=len(data))
        size = size and size - len(data)


def name_of(error):
    return errno.errorcode.get(error.errno, "timeout" if isinstance(error, TimeoutError) else str(error))


# ---- calls -----------------------------------------------------------------------------

def listen(name, port, reuse=False, address="0.0.0.0"):
    sock = SOCKETS[name] = socket.socket(family(address))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if reuse:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.bind((address, port))
    sock.listen(64)


def serve(name, times, reply=0, keep=None):
    """Begins to take connections, each read to its end and answered; join() waits for it."""
    books = {}

    def work():
        for i in range(times):
            sock, _ = SOCKETS[name].accept()
            sock.settimeout(PATIENCE)
            add(books, accepted=1)
            if keep:
                SOCKETS[f"{keep}{i}"] = sock
                continue
            try:
                receive(sock, books)
                send(sock, reply, books)
                receive(sock, books)
            except OSError as error:
                add(books, **{name_of(error): 1})
            sock.close()
    THREADS[name] = threading.Thread(target=work, daemon=True), books
    THREADS[name][0].start()


def join(name):
    thread, books = THREADS[name]
    thread.join(PATIENCE)
    return dict(books, running=thread.is_alive())


def progress(name):
    """The books of what goes on."""
    return THREADS[name][1]


def dial(to, size, times=1):
    """Connects, sends, says that this is all, reads the answer."""
    books = {}
    for _ in range(times):
        with socket.create_connection(to, PATIENCE) as sock:
            send(sock, size, books)
            sock.shutdown(socket.SHUT_WR)
            receive(sock, books)
            last = info(sock)
            books["rtt_us"] = last.pop("rtt_us")
            add(books, connected=1, **last)
    return books


def fail(to, times=1, patience=None, tries=None):
    """Connects where nobody answers well; the errors it was told."""
    books = {}
    for _ in range(times):
        sock = socket.socket()
        if tries is not None:
            sock.setsockopt(socket.IPPROTO_TCP, TCP_SYNCNT, tries)
        sock.settimeout(patience)
        try:
            sock.connect(tuple(to))
            add(books, connected=1)
        except OSError as error:
            add(books, **{name_of(error): 1})
        sock.close()
    return books


def refused(name, to):
    """Connects in vain, and keeps the socket."""
    sock = SOCKETS[name] = socket.socket()
    try:
        sock.connect(tuple(to))
    except OSError as error:
        return {name_of(error): 1}
    return {"connected": 1}


def begin(name, to):
    """Sets out to connect; who sends waits until it is done."""
    sock = SOCKETS[name] = socket.socket()
    sock.setblocking(False)
    sock.connect_ex(tuple(to))
    sock.settimeout(PATIENCE)


def told(name):
    """What the kernel says of a connection."""
    return info(SOCKETS[name])


def open_(name, to, times=1):
    for i in range(times):
        SOCKETS[f"{name}{i}"] = socket.create_connection(to, PATIENCE)


def put(name, size):
    return (lambda books: send(SOCKETS[name], size, books) or books)({})


def get(name, size=None):
    books = {}
    try:
        receive(SOCKETS[name], books, size)
    except OSError as error:
        add(books, **{name_of(error): 1})
    return books


def close(name, times=None, reset=False):
    for i in range(times or 1):
        sock = SOCKETS.pop(name if times is None else f"{name}{i}")
        if reset:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()


def corrupt(size, times, to=None, name=None):
    """Sends segments of that payload with a wrong checksum, to a port or on a connection."""
    here, there = SOCKETS[name].getsockname() if name else ("", 1), tuple(to or SOCKETS[name].getpeername())
    header = struct.pack("!HHIIBBHHH", here[1], there[1], 1, 1, 5 << 4, 0x10, 1000, 0xbad, 0)
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP) as sock:
        for _ in range(times):
            sock.sendto(header + CHUNK[:size], (there[0], 0))


def udp(name, address, port=0, buffer=None, to=None):
    sock = SOCKETS[name] = socket.socket(family(address), socket.SOCK_DGRAM)
    if buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    sock.bind((address, port))
    sock.settimeout(PATIENCE)
    if to:
        sock.connect(tuple(to))
    return {"port": sock.getsockname()[1]}


def udp_send(name, size, times=1, to=None):
    """Errors that ICMP has brought since are told by the next call."""
    books = {}
    for _ in range(times):
        try:
            n = SOCKETS[name].sendto(CHUNK[:size], tuple(to)) if to else SOCKETS[name].send(CHUNK[:size])
            add(books, sent=n, datagrams=1)
        except OSError as error:
            add(books, **{name_of(error): 1})
    return books


def udp_receive(name, seconds):
    """All that comes until nothing has for that long."""
    books = {}
    SOCKETS[name].settimeout(seconds)
    try:
        while True:
            add(books, received=len(SOCKETS[name].recv(65536)), datagrams=1)
    except TimeoutError:
        return books


CALLS = {"open": open_, **{f.__name__: f for f in (listen, serve, join, progress, dial, begin, told, refused, fail, put, get,
                                                    close, corrupt, udp, udp_send, udp_receive)}}


def main():
    print("ready", flush=True)
    for line in sys.stdin:
        call, words = json.loads(line)
        try:
            answer = CALLS[call](**words)
        except OSError as error:
            answer = {"error": f"{call}: {error}"}
        print(json.dumps(answer or {}), flush=True)


if __name__ == "__main__":
    main()
