# SPDX-License-Identifier: BSD-2-Clause
"""The part of 50-net.py about runs of the agent's programs that the kernel leaves out, for a program
does not interrupt itself. It cannot be made to, so the agent's table of sockets is made to look as
it would then."""

import contextlib
import struct
import time

import live
from net_lab import B, PORT, differ, needs

# struct abi_net_sock of bpf/net_abi.h
SOCK = struct.Struct("=5Q5I2H4BI")
SOCK_MEMBERS = ("established_ns", "closed_ns", "sent_bytes", "retransmitted_bytes", "received_bytes", "sent", "received",
                "retransmits", "srtt", "mdev", "node", "peer", "state", "flags", "protocol", "error", "inode")
ESTABLISHED, SYN_SENT, CLOSE, CLOSE_WAIT = 1, 2, 7, 8
OUT, IN, OPEN, NO_NODE = 1, 2, 4, 0xffff


def table(agent):
    return live.loaded(agent.pid, "map")["tcp_socks"]


def newest(agent, **wanted):
    """The row of the agent's table of sockets, of those like that, which was established last."""
    rows = [row for row in live.bpftool("map", "dump", "id", table(agent))
            if wanted.items() <= row["formatted"]["value"].items()]
    return max(rows, key=lambda row: row["formatted"]["value"]["established_ns"])


def forge(agent, row, **changes):
    """Makes a row look as it would if the kernel had left out a run."""
    value = dict(zip(SOCK_MEMBERS, SOCK.unpack(bytes(int(byte, 16) for byte in row["value"])))) | changes
    put_back(agent, row, map(str, SOCK.pack(*value.values())))


def put_back(agent, row, value):
    live.bpftool("map", "update", "id", table(agent), "key", *row["key"], "value", *value)


def missed(report, watch, one, two):
    """What a run would have told that the kernel leaves out is seen by the state that the socket is in."""
    two.tell("serve", name="l", times=2, keep="s")
    watch.look()
    one.tell("open", name="c", to=[B, PORT], times=2)
    two.tell("join", name="l")
    forge(watch.agent, newest(watch.agent, flags=OUT | OPEN), state=SYN_SENT, flags=OUT)
    untaken = newest(watch.agent, flags=IN | OPEN, node=NO_NODE)
    live.bpftool("map", "delete", "id", table(watch.agent), "key", *untaken["key"])
    for i in range(2):
        two.tell("put", name=f"s{i}", size=10)
        one.tell("get", name=f"c{i}", size=10)
        one.tell("put", name=f"c{i}", size=20)
        two.tell("get", name=f"s{i}", size=20)
    one.tell("close", name="c", times=2)
    time.sleep(0.3)
    forge(watch.agent, newest(watch.agent, state=CLOSE_WAIT), state=ESTABLISHED)
    for i in range(2):
        two.tell("get", name=f"s{i}")  # the end
    watch.since()
    if needs(report, watch, "an end that was missed is seen when it is read", "sock_recv_length"):
        report.check("an end that was missed is seen when it is read", differ([
            ("waiting to be closed", watch.now.get("network_tcp_sockets", node_id="two", state="close_wait"), "books", 2)]))
    forge(watch.agent, newest(watch.agent, state=CLOSE_WAIT), state=ESTABLISHED)
    two.tell("close", name="s", times=2)
    time.sleep(0.3)
    watch.since()
    bytes_of = lambda node, way: watch.ours("network_bytes_total", node, protocol="tcp", direction=way)
    report.check("connections whose begin was missed count, only not how long they last", differ([
        ("connections of one", watch.ours("network_tcp_connections_total", "one", direction="out"), "books", 2 + 1),
        ("connections of two", watch.ours("network_tcp_connections_total", "two", direction="in"), "books", 2),
        ("durations of one", watch.ours("network_tcp_duration_seconds_count", "one"), "books", 1),
        ("durations of two", watch.ours("network_tcp_duration_seconds_count", "two"), "books", 1),
        ("received by two", bytes_of("two", "received"), "books", 40),
        ("sent by two", bytes_of("two", "sent"), "books", 20),
        ("sockets", watch.now.get("network_tcp_sockets", node_id="two", state="established"), "books", 0)]))
    watch.look()
    told = one.tell("refused", name="r", to=[B, 9])
    forge(watch.agent, newest(watch.agent, flags=OUT, state=CLOSE), state=SYN_SENT)
    one.tell("close", name="r")
    kernel = watch.since()
    report.check("an attempt whose end was missed fails for a reason that is unknown", differ([
        ("refused", watch.ours("network_tcp_connect_failures_total", "one", error="ECONNREFUSED"), "books",
         told.get("ECONNREFUSED")),
        ("unknown", watch.ours("network_tcp_connect_failures_total", "one", error="unknown"), "books", 1),
        ("segments out", watch.ours("network_packets_total", "one", protocol="tcp", direction="sent"), "snmp",
         kernel["a"]["Tcp.OutSegs"]),
        ("segments in", watch.ours("network_packets_total", "one", protocol="tcp", direction="received"), "snmp",
         kernel["a"]["Tcp.InSegs"])]))


def left_behind(report, watch, one, stranger):
    """Rows of sockets whose end the kernel left out: others get their addresses."""
    for i in range(12):
        one.tell("refused", name=f"r{i}", to=[B, 9])
    rows = [row for row in live.bpftool("map", "dump", "id", table(watch.agent))
            if {"flags": OUT, "state": CLOSE}.items() <= row["formatted"]["value"].items()]
    one.tell("close", name="r", times=12)
    for row in rows:
        put_back(watch.agent, row, row["value"])
    watch.look()
    stranger.tell("fail", to=[B, 9], times=60)
    watch.since()
    report.check("what a socket has left behind is no stranger's", ([] if len(rows) == 12 else [f"{len(rows)} rows"]) + differ([
        ("failures", watch.ours("network_tcp_connect_failures_total", "one"), "books", 0),
        ("packets", watch.ours("network_packets_total", "one", protocol="tcp"), "books", 0)]))
    for row in rows:
        with contextlib.suppress(RuntimeError):  # it has gone when the address was another's
            live.bpftool("map", "delete", "id", table(watch.agent), "key", *row["key"])
