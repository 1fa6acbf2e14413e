#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The network of nodes as the kernel knows it: two network namespaces, a cable between
them, loss and delay on it, nodes that share a host. Every number of the agent is equal to
the nodes' own books (what send and recv returned) and to a second witness: the counters
of the namespace (/proc/net/snmp), what the kernel tells a connection's owner (TCP_INFO),
or the sockets that ss lists. What this kernel has no tracepoint for is skipped, by name.

50-net.py [FILE]    FILE: for 60-kernels.py, what this kernel gives
"""
# must-run-on-reference
# timeout: 300

import json
import os
import platform
import re
import shutil
import sys
import time
from pathlib import Path

import live
from books import Scrape
from net_lab import A, A6, B, B6, PORT, Namespace, Node, Watch, differ, needs
from net_missed import left_behind, missed

TRIES = 10  # until nothing was sent twice because the machine was busy
LIST = 6  # seconds in which sockets are listed anew, where the kernel does not tell who uses them
TCP = ("inet_sock_set_state", "tcp_destroy_sock", "tcp_probe", "tcp_rcv_space_adjust")
PROFILE = live.ROOT / "profiles" / "net.yaml"
# Everything that profiles/net.yaml asks for: the metric, its labels, the tracepoint that it comes from.
FACTS = (
    ("bytes_total", {"protocol": "tcp"}, "tcp_probe"),
    ("bytes_total", {"protocol": "udp"}, "sock_send_length"),
    ("packets_total", {"protocol": "tcp"}, "tcp_probe"),
    ("packets_total", {"protocol": "udp"}, "sock_send_length"),
    ("tcp_connections_total", {"direction": "out"}, "inet_sock_set_state"),
    ("tcp_connections_total", {"direction": "in"}, "inet_sock_set_state"),
    ("tcp_connect_failures_total", {}, "inet_sock_set_state"),
    ("tcp_duration_seconds", {}, "inet_sock_set_state"),
    ("tcp_rtt_seconds", {}, "tcp_probe"),
    ("tcp_retransmits_total", {}, "tcp_probe"),
    ("tcp_retransmitted_bytes_total", {}, "tcp_probe"),
    ("tcp_resets_total", {"direction": "sent"}, "tcp_send_reset"),
    ("tcp_resets_total", {"direction": "received"}, "tcp_receive_reset"),
    ("tcp_sockets", {}, "inet_sock_set_state"),
    ("socket_errors_total", {"protocol": "tcp"}, "inet_sk_error_report"),
    ("socket_errors_total", {"protocol": "udp"}, "inet_sk_error_report"),
    ("drops_total", {"protocol": "udp", "reason": "socket_rcvbuff"}, "kfree_skb"),
    ("udp_queue_failures_total", {}, "udp_fail_queue_rcv_skb"),
    ("tcp_bad_checksums_total", {}, "tcp_bad_csum"),
)
# What is nobody's here, or no network card's: kernel_ktls.py has that.
ELSEWHERE = "ktls_"
# Since when the kernel says of a packet that came in for which socket it was dropped.
DROPS_SINCE = (6, 11)


def transfer(watch, one, two, size, reply, times, first):
    """One run: what differs, and whether snmp has counted what is no socket's any more. On a
    busy machine a FIN may be sent twice; then the namespace answers for a socket that is gone."""
    watch.look()
    two.tell("serve", name="l", times=times, reply=reply)
    mine = one.tell("dial", to=[B, PORT], size=size, times=times)
    theirs = two.tell("join", name="l")
    time.sleep(0.3)
    kernel = watch.since()
    got = lambda name, node, **labels: watch.ours(f"network_{name}", node, protocol="tcp", **labels)
    links = lambda node, way: watch.ours("network_tcp_connections_total", node, direction=way)
    # the kernel answers a first segment before there is a socket
    wants = [
        ("sent by one", got("bytes_total", "one", direction="sent"), "books", mine.get("sent", 0)),
        ("received by one", got("bytes_total", "one", direction="received"), "books", mine.get("received", 0)),
        ("sent by two", got("bytes_total", "two", direction="sent"), "books", theirs.get("sent", 0)),
        ("received by two", got("bytes_total", "two", direction="received"), "books", theirs.get("received", 0)),
        ("segments of one", got("packets_total", "one", direction="sent"), "snmp",
         kernel["a"]["Tcp.OutSegs"] + kernel["a"]["Tcp.RetransSegs"]),
        ("segments to one", got("packets_total", "one", direction="received"), "snmp", kernel["a"]["Tcp.InSegs"]),
        ("segments of two", got("packets_total", "two", direction="sent"), "snmp",
         kernel["b"]["Tcp.OutSegs"] + kernel["b"]["Tcp.RetransSegs"] - times),
        ("segments to two", got("packets_total", "two", direction="received"), "snmp",
         kernel["b"]["Tcp.InSegs"] - first * times),
        ("connects", links("one", "out"), "books", mine["connected"]),
        ("connects", links("one", "out"), "snmp", kernel["a"]["Tcp.ActiveOpens"]),
        ("accepts", links("two", "in"), "books", theirs["accepted"]),
        ("accepts", links("two", "in"), "snmp", kernel["b"]["Tcp.PassiveOpens"]),
        ("not connected to", links("one", "in") + links("two", "out"), "books", 0),
        ("durations of one", watch.ours("network_tcp_duration_seconds_count", "one"), "books", times),
        ("durations of two", watch.ours("network_tcp_duration_seconds_count", "two"), "books", times),
    ]
    return differ(wants), any(kernel[place][f"Tcp.{name}"] for place in "ab" for name in ("RetransSegs", "OutRsts"))


def transfers(report, watch, one, two):
    """Books and namespaces, to the segment."""
    two.tell("listen", name="l", port=PORT)
    # whether the segment that a connection begins with is one of its own depends on the kernel
    two.tell("serve", name="l", times=1, keep="s")
    one.tell("open", name="c", to=[B, PORT])
    two.tell("join", name="l")
    first = 2 - two.tell("told", name="s0")["segments_in"]
    one.tell("close", name="c", times=1)
    two.tell("close", name="s", times=1)
    for size, reply, times in ((10, 100000, 20), (3_000_000, 7, 3), (0, 0, 5)):
        for _ in range(TRIES):
            faults, disturbed = transfer(watch, one, two, size, reply, times, first)
            if not faults or not disturbed:
                break
        faults = [f"{fault}{'' if disturbed else ', and nothing was sent twice'}" for fault in faults]
        report.check(f"{times} connections, {size} bytes there and {reply} back: bytes, segments, connects", faults)


def loss(report, watch, a, b, one, two):
    b.filter(f"tcp dport {PORT} numgen inc mod 23 == 11 drop;")
    watch.look()
    two.tell("serve", name="l", times=3, reply=1000)
    mine = one.tell("dial", to=[B, PORT], size=600_000, times=3)
    theirs = two.tell("join", name="l")
    b.filter()
    time.sleep(0.3)
    kernel = watch.since()
    again = watch.ours("network_tcp_retransmits_total", "one")
    more = watch.ours("network_tcp_retransmitted_bytes_total", "one")
    faults = differ([
        ("retransmits", again, "snmp", kernel["a"]["Tcp.RetransSegs"]),
        ("retransmits", again, "TCP_INFO", mine["retransmits"]),
        ("sent by one", watch.ours("network_bytes_total", "one", direction="sent"), "books", mine["sent"]),
        ("received by two", watch.ours("network_bytes_total", "two", direction="received"), "books",
         theirs["received"]),
        ("retransmits of two", watch.ours("network_tcp_retransmits_total", "two"), "snmp",
         kernel["b"]["Tcp.RetransSegs"]),
    ])
    if not again or not more:
        faults.append(f"nothing was lost: {again:g} segments, {more:g} bytes again")
    report.check("with loss: retransmits, and payload counted once", faults)


def slow(a):
    """Delay by netem where the kernel has it, else a slow cable with a queue; its name."""
    try:
        a.do("tc", "qdisc", "add", "dev", "cable", "root", "netem", "delay", "40ms")
        return "netem"
    except RuntimeError:
        a.do("tc", "qdisc", "add", "dev", "cable", "root", "tbf", "rate", "8mbit", "burst", "4k", "latency", "400ms")
        return "a slow queue"


def delay(report, watch, a, one, two):
    how = slow(a)
    watch.look()
    two.tell("serve", name="l", times=1, reply=10)
    rtt = one.tell("dial", to=[B, PORT], size=300_000)["rtt_us"] / 1e6
    two.tell("join", name="l")
    a.do("tc", "qdisc", "del", "dev", "cable", "root")
    watch.since()
    buckets = sorted((float(dict(key)["le"]), n) for key, n in watch.now.samples["network_tcp_rtt_seconds_bucket"].items()
                     if dict(key)["node_id"] == "one")
    before = {float(dict(key)["le"]): n for key, n in watch.scrape.samples["network_tcp_rtt_seconds_bucket"].items()
              if dict(key)["node_id"] == "one"}
    below, there = 0, None
    for bound, n in buckets:
        if there is None and rtt <= bound:
            there = n - before[bound] - below
        below = n - before[bound]
    count = watch.ours("network_tcp_rtt_seconds_count", "one")
    mean = watch.ours("network_tcp_rtt_seconds_sum", "one") / count if count else 0
    faults = [] if there else [f"the connection's own {rtt:g} s is in no bucket that grew: {buckets}"]
    if rtt < 0.005 or not (0.04 if how == "netem" else 0.001) < mean < rtt * 5:
        faults.append(f"the connection's own last is {rtt:g} s, the mean of {count:g} observations {mean:g} s")
    report.check("with delay: the round trip time that TCP_INFO says is in its bucket", faults)
    report.note(f"delay by {how}: {rtt * 1e3:.1f} ms")


def failures(report, watch, a, b, one, stranger):
    watch.look()
    told = one.tell("fail", to=[B, 9], times=3)
    stranger.tell("fail", to=[B, 9], times=2)
    b.filter("tcp dport 9 drop;")
    books = [told, one.tell("fail", to=[B, 9], tries=1), one.tell("fail", to=[B, 9], times=2, patience=0.2)]
    b.filter("tcp dport 9 reject with icmpx type host-unreachable;")
    books.append(one.tell("fail", to=[B, 9], times=2))
    b.filter()
    kernel = watch.since()
    truth = {}
    for more in books:
        for name, n in more.items():
            truth[name] = truth.get(name, 0) + n
    names = {"closed": "timeout", "ECONNREFUSED": "ECONNREFUSED", "ETIMEDOUT": "ETIMEDOUT",
             "EHOSTUNREACH": "EHOSTUNREACH"}
    wants = [(f"failures by {name}", watch.ours("network_tcp_connect_failures_total", "one", error=name), "books",
              truth.get(told, 0)) for name, told in names.items()]
    # snmp has a stranger's too, and not what the process gave up itself
    wants += [("all failures", watch.ours("network_tcp_connect_failures_total", "one"), "snmp",
               kernel["a"]["Tcp.AttemptFails"] - 2 + truth["timeout"]),
              ("resets received", watch.ours("network_tcp_resets_total", "one", direction="received"), "books", 3),
              ("no connection", watch.ours("network_tcp_connections_total", "one"), "books", 0)]
    report.check("failures to connect by errno: refused, timed out, unreachable, given up", differ(wants))
    wants = [(f"reported {name}", watch.ours("network_socket_errors_total", "one", error=name, protocol="tcp"), "books",
              truth[name]) for name in ("ECONNREFUSED", "ETIMEDOUT", "EHOSTUNREACH")]
    if needs(report, watch, "errors that the kernel reported to TCP sockets", "inet_sk_error_report"):
        report.check("errors that the kernel reported to TCP sockets", differ(wants))


def resets(report, watch, a, b, one, two):
    watch.look()
    two.tell("serve", name="l", times=4, keep="s")
    one.tell("open", name="c", to=[B, PORT], times=4)
    two.tell("join", name="l")
    one.tell("close", name="c", times=4, reset=True)
    told = [two.tell("get", name=f"s{i}") for i in range(4)]
    two.tell("close", name="s", times=4)
    kernel = watch.since()
    sent = watch.ours("network_tcp_resets_total", "one", direction="sent")
    received = watch.ours("network_tcp_resets_total", "two", direction="received")
    report.check("resets by SO_LINGER 0, sent and received", differ([
        ("sent", sent, "snmp", kernel["a"]["Tcp.OutRsts"]), ("sent", sent, "books", 4),
        ("received", received, "snmp", kernel["b"]["Tcp.EstabResets"]),
        ("received", received, "books", sum(t.get("ECONNRESET", 0) for t in told)),
        ("received by one", watch.ours("network_tcp_resets_total", "one", direction="received"), "books", 0)]))
    watch.look()
    two.tell("serve", name="l", times=2, keep="s")
    one.tell("open", name="c", to=[B, PORT], times=2)
    two.tell("join", name="l")
    b.filter(f"tcp dport {PORT} reject with tcp reset;")
    told = []
    for i in range(2):
        one.tell("put", name=f"c{i}", size=10)
        told.append(one.tell("get", name=f"c{i}"))
    b.filter()
    one.tell("close", name="c", times=2)
    watch.since()
    report.check("resets by a firewall", differ([
        ("received by one", watch.ours("network_tcp_resets_total", "one", direction="received"), "books",
         sum(t.get("ECONNRESET", 0) for t in told)),
        ("sent by two", watch.ours("network_tcp_resets_total", "two", direction="sent"), "books", 0)]))
    two.tell("close", name="s", times=2)


def checksums(report, watch, one, two):
    """Of segments for nobody, which the kernel looks at as they come, and of a connection's."""
    two.tell("serve", name="l", times=1, keep="s")
    one.tell("open", name="c", to=[B, PORT])
    two.tell("join", name="l")
    one.tell("put", name="c0", size=5)
    two.tell("get", name="s0", size=5)  # and it is known whose that is
    watch.look()
    before = watch.scrape.get("network_tcp_bad_checksums_total")
    one.tell("corrupt", to=[B, 9], size=5, times=3)
    one.tell("corrupt", name="c0", size=500, times=4)
    time.sleep(0.3)
    kernel = watch.since()
    if needs(report, watch, "wrong checksums", "tcp_bad_csum"):
        ours = watch.now.get("network_tcp_bad_checksums_total") - before
        report.check("wrong checksums, as they come and on a connection", differ([
            ("segments", ours, "books", 7),
            ("segments", ours, "snmp", kernel["a"]["Tcp.InCsumErrors"] + kernel["b"]["Tcp.InCsumErrors"])]))
    if has_sockets_of_drops() and needs(report, watch, "wrong checksums of a node's connection", "kfree_skb"):
        report.check("wrong checksums of a node's connection", differ([
            ("dropped", watch.ours("network_drops_total", "two", protocol="tcp", reason="tcp_csum"), "books", 4),
            ("of one", watch.ours("network_drops_total", "one", reason="tcp_csum"), "books", 0)]))
    one.tell("close", name="c", times=1)
    two.tell("close", name="s", times=1)


def states_of(place, pids):
    """{state: n} of the TCP sockets of these processes, as ss lists them."""
    names = {"ESTAB": "established", "LISTEN": "listen", "CLOSE-WAIT": "close_wait", "FIN-WAIT-2": "fin_wait2",
             "UNCONN": "closed"}
    found = {}
    for line in place.do("ss", "-Htanp").splitlines():
        if any(f"pid={pid}," in line for pid in pids):
            name = names.get(line.split()[0], line.split()[0])
            found[name] = found.get(name, 0) + 1
    return found


def sockets(report, watch, a, b, one, two):
    two.tell("serve", name="l", times=5, keep="s")
    one.tell("open", name="c", to=[B, PORT], times=5)
    two.tell("join", name="l")
    for i in range(5):
        one.tell("put", name=f"c{i}", size=1)
        two.tell("get", name=f"s{i}", size=1)
    two.tell("close", name="s", times=2)
    time.sleep(0.2)
    watch.since()
    faults = []
    for node, place, process in (("one", a, one), ("two", b, two)):
        ours = {dict(key)["state"]: n for key, n in watch.now.samples["network_tcp_sockets"].items()
                if dict(key)["node_id"] == node and n and not dict(key)["state"].startswith("fin_wait")}
        truth = states_of(place, [process.pid])
        if ours != truth:
            faults.append(f"{node}: agent {ours}, ss {truth}")
    report.check("sockets by state are those that ss lists", faults)
    one.tell("close", name="c", times=5)
    for i in (2, 3, 4):
        two.tell("close", name=f"s{i}")
    time.sleep(0.3)
    watch.since()
    left = {(dict(key)["node_id"], dict(key)["state"]): n
            for key, n in watch.now.samples["network_tcp_sockets"].items() if n}
    report.check("and none is left when all are closed", [] if left == {("two", "listen"): 1} else [str(left)])


def datagrams(report, watch, a, b, one, two, stranger):
    port = two.tell("udp", name="u", address=B)["port"]
    one.tell("udp", name="u", address=A)
    if not needs(report, watch, "UDP: bytes and messages", "sock_send_length", "sock_recv_length"):
        overflow(report, watch, one, two, known=False)
        unreachable(report, watch, one, known=False)
        return
    watch.look()
    stranger.tell("udp", name="u", address=A)
    mine = one.tell("udp_send", name="u", size=700, times=40, to=[B, port])
    stranger.tell("udp_send", name="u", size=50, times=9, to=[B, port])
    theirs = two.tell("udp_receive", name="u", seconds=0.3)
    kernel = watch.since()
    got = lambda name, node, way: watch.ours(f"network_{name}_total", node, protocol="udp", direction=way)
    report.check("UDP: bytes and messages, those of a stranger not counted as sent", differ([
        ("bytes sent", got("bytes", "one", "sent"), "books", mine["sent"]),
        ("sent", got("packets", "one", "sent"), "books", mine["datagrams"]),
        ("sent, with a stranger's", got("packets", "one", "sent") + 9, "snmp", kernel["a"]["Udp.OutDatagrams"]),
        ("bytes received", got("bytes", "two", "received"), "books", theirs["received"]),
        ("received", got("packets", "two", "received"), "books", theirs["datagrams"]),
        ("received", got("packets", "two", "received"), "snmp", kernel["b"]["Udp.InDatagrams"]),
        ("never sent", got("packets", "two", "sent") + got("packets", "one", "received"), "books", 0)]))
    overflow(report, watch, one, two)
    unreachable(report, watch, one)


def overflow(report, watch, one, two, known=True):
    port = two.tell("udp", name="small", address=B, buffer=4096)["port"]
    if not known:
        time.sleep(LIST)
    watch.look()
    mine = one.tell("udp_send", name="u", size=1000, times=300, to=[B, port])
    theirs = two.tell("udp_receive", name="small", seconds=0.3)
    kernel = watch.since()
    lost = mine["datagrams"] - theirs["datagrams"]
    wants = [("lost", watch.ours("network_udp_queue_failures_total", "two", error="ENOMEM"), "books", lost),
             ("lost", watch.ours("network_udp_queue_failures_total", "two"), "snmp", kernel["b"]["Udp.RcvbufErrors"])]
    if needs(report, watch, "UDP: a full receive queue", "udp_fail_queue_rcv_skb"):
        report.check("UDP: a full receive queue", differ(wants) + ([] if lost else ["nothing was lost"]))
    if known and needs(report, watch, "UDP: drops by the kernel's reason", "kfree_skb"):
        report.check("UDP: drops by the kernel's reason", differ([
            ("dropped", watch.ours("network_drops_total", "two", protocol="udp", reason="socket_rcvbuff"), "books", lost),
            ("of others", watch.ours("network_drops_total", "one"), "books", 0)]))


def unreachable(report, watch, one, known=True):
    one.tell("udp", name="to-nobody", address=A, to=[B, 9])
    if not known:
        time.sleep(LIST)
    watch.look()
    told = {}
    for _ in range(6):
        for name, n in one.tell("udp_send", name="to-nobody", size=20).items():
            told[name] = told.get(name, 0) + n
        time.sleep(0.05)
    kernel = watch.since()
    ours = watch.ours("network_socket_errors_total", "one", protocol="udp", error="ECONNREFUSED")
    if needs(report, watch, "UDP: errors that ICMP brings", "inet_sk_error_report"):
        report.check("UDP: errors that ICMP brings", differ([
            ("reported", ours, "snmp", kernel["a"]["Icmp.InDestUnreachs"]),
            ("reported", ours, "books", told.get("ECONNREFUSED", 0))]))


def other_family(report, watch, one, two):
    """IPv6, and IPv4 on a socket of IPv6."""
    two.tell("listen", name="six", port=PORT + 5, address="::")
    watch.look()
    books = {"sent": 0, "received": 0}
    for to in (B6, B):
        two.tell("serve", name="six", times=4, reply=300)
        for name, n in one.tell("dial", to=[to, PORT + 5], size=2000, times=4).items():
            books[name] = books.get(name, 0) + n
        two.tell("join", name="six")
    time.sleep(0.3)
    watch.since()
    got = lambda node, way: watch.ours("network_bytes_total", node, direction=way, protocol="tcp")
    report.check("IPv6, and IPv4 at a socket of IPv6", differ([
        ("sent by one", got("one", "sent"), "books", books["sent"]),
        ("received by one", got("one", "received"), "books", books["received"]),
        ("received by two", got("two", "received"), "books", books["sent"]),
        ("accepted", watch.ours("network_tcp_connections_total", "two", direction="in"), "books", books["connected"])]))
    if needs(report, watch, "UDP over IPv6", "sock_send_length", "sock_recv_length"):
        watch.look()
        port = two.tell("udp", name="six", address=B6)["port"]
        one.tell("udp", name="six", address=A6)
        mine = one.tell("udp_send", name="six", size=500, times=10, to=[B6, port])
        theirs = two.tell("udp_receive", name="six", seconds=0.3)
        kernel = watch.since()
        udp = lambda node, way: watch.ours("network_packets_total", node, direction=way, protocol="udp")
        report.check("UDP over IPv6", differ([("sent", udp("one", "sent"), "books", mine["datagrams"]),
                                              ("received", udp("two", "received"), "books", theirs["datagrams"])]))
    two.tell("close", name="six")


def restarted(report, watch, a, program, folder, three, two):
    """A node that comes back goes on counting, its own sockets and no others."""
    watch.look()
    before = watch.scrape
    three.child.stdin.close()
    three.child.wait(30)
    live.wait_for("the agent sees its end", lambda: Scrape(watch.agent.metrics()).get(
        "mpc_bpf_agent_target_up", node_id="three") == 0)
    again = Node(a, program, folder, "three", log="three-again")
    live.wait_for("the agent sees it again", lambda: Scrape(watch.agent.metrics()).get(
        "mpc_bpf_agent_target_up", node_id="three") == 1)
    two.tell("serve", name="l", times=3, reply=70)
    mine = again.tell("dial", to=[B, PORT], size=900, times=3)
    two.tell("join", name="l")
    time.sleep(0.3)
    watch.since()
    wants = [(f"three {way}", watch.now.get("network_bytes_total", node_id="three", protocol="tcp", direction=way) -
              before.get("network_bytes_total", node_id="three", protocol="tcp", direction=way), "books", mine[way])
             for way in ("sent", "received")]
    report.check("a node that comes back goes on counting", differ(wants))


def shared(report, watch, one, two, three, four, stranger):
    """Nodes of one host, at once, and two that listen at one port."""
    two.tell("listen", name="r", port=PORT + 1, reuse=True)
    four.tell("listen", name="r", port=PORT + 1, reuse=True)
    watch.look()
    for node in (two, four):
        node.tell("serve", name="r", times=200, reply=900)
    books = {"one": one.tell("dial", to=[B, PORT + 1], size=3000, times=20),
             "three": three.tell("dial", to=[B, PORT + 1], size=500, times=25)}
    stranger.tell("dial", to=[B, PORT + 1], size=100, times=15)
    books.update({node.name: node.tell("progress", name="r") for node in (two, four)})
    time.sleep(0.3)
    watch.since()
    wants = []
    for name, mine in books.items():
        way, links = ("out", mine["connected"]) if "connected" in mine else ("in", mine.get("accepted", 0))
        wants += [(f"{name} {what}", watch.ours("network_bytes_total", name, protocol="tcp", direction=what), "books",
                   mine.get(what, 0)) for what in ("sent", "received")]
        wants.append((f"{name} connections", watch.ours("network_tcp_connections_total", name, direction=way), "books",
                      links))
    both = books["two"].get("accepted", 0), books["four"].get("accepted", 0)
    report.check("nodes that share a host, and a port, are never mixed up",
                 differ(wants) + ([] if all(both) and sum(both) == 60 else [f"accepted {both}"]))


def has_sockets_of_drops():
    return tuple(map(int, re.findall(r"\d+", platform.release())[:2])) >= DROPS_SINCE


def before(report, folder, program, a, b, one, two):
    """Connections and ports that were there before the agent."""
    two.tell("listen", name="old", port=PORT + 2)
    two.tell("serve", name="old", times=1, keep="old")
    one.tell("open", name="old", to=[B, PORT + 2])
    two.tell("join", name="old")
    one.tell("put", name="old0", size=11111)
    two.tell("get", name="old0", size=11111)
    two.tell("put", name="old0", size=222)
    one.tell("get", name="old0", size=222)
    with live.Agent(folder, "--profile", "net", "--exe", program, "--peer", f"port-two={B}:{PORT + 2}",
                    "--peer", f"a={A}", "--peer", f"never={A}:1", name="late") as agent:
        watch = Watch(agent, a, b)
        states = {name: {dict(key)["state"]: n for key, n in watch.scrape.samples["network_tcp_sockets"].items()
                         if dict(key)["node_id"] == name and n} for name in ("one", "two")}
        report.check("sockets that were there before are known at once", [
            f"{name}: {states[name]}" for name, want in (("one", {"established": 1}),
                                                         ("two", {"established": 1, "listen": 3}))
            if states[name] != want])
        one.tell("put", name="old0", size=3000)
        two.tell("get", name="old0", size=3000)
        two.tell("put", name="old0", size=40)
        one.tell("get", name="old0", size=40)
        two.tell("serve", name="old", times=2, reply=5)
        one.tell("dial", to=[B, PORT + 2], size=7, times=2)
        two.tell("join", name="old")
        one.tell("close", name="old0")
        time.sleep(0.3)
        watch.since()
        peer = {"one": "port-two", "two": "a"}
        got = lambda node, way: watch.now.get("network_bytes_total", node_id=node, direction=way, protocol="tcp",
                                              peer=peer[node])
        report.check("and count from then on, to the byte", differ([
            ("sent by one", got("one", "sent"), "books", 3014), ("received by one", got("one", "received"), "books", 50),
            ("sent by two", got("two", "sent"), "books", 50), ("received by two", got("two", "received"), "books", 3014),
            ("accepted", watch.now.get("network_tcp_connections_total", node_id="two", direction="in", peer="a"), "books",
             2)]))
        two.tell("listen", name="new", port=PORT + 3)
        two.tell("serve", name="new", times=1, reply=6)
        one.tell("dial", to=[B, PORT + 3], size=4)
        two.tell("join", name="new")
        time.sleep(0.3)
        watch.since()
        of = lambda name: watch.now.get("network_bytes_total", node_id="one", direction="sent", protocol="tcp", peer=name)
        report.check("peers by address and port, all others together", differ([
            ("to the named port", of("port-two"), "books", 3014), ("to another", of("other"), "books", 4),
            ("to a peer that is not there", of("never"), "books", 0),
            ("at two, of a", got("two", "received"), "books", 3018)]))


def under_way(report, folder, program, a, b, one, two):
    """An attempt to connect that the agent finds begun."""
    two.tell("listen", name="slow", port=PORT + 4)
    two.tell("serve", name="slow", times=1, keep="slow")
    b.filter(f"tcp dport {PORT + 4} drop;")
    one.tell("begin", name="slow", to=[B, PORT + 4])
    with live.Agent(folder, "--profile", "net", "--exe", program, name="in-time") as agent:
        watch = Watch(agent, a, b)
        b.filter()
        one.tell("put", name="slow", size=50)
        two.tell("join", name="slow")
        two.tell("get", name="slow0", size=50)
        time.sleep(0.3)
        watch.since()
        report.check("an attempt to connect that had begun before is the node's own", differ([
            (f"{node} {way}", watch.ours("network_tcp_connections_total", node, direction=way), "books", n)
            for node, way, n in (("one", "out", 1), ("one", "in", 0), ("two", "out", 0), ("two", "in", 1))]))


def healthy(report, agent):
    scrape = Scrape(agent.metrics())
    faults = [f"{dict(key)['what']} is {n:g}" for key, n in scrape.samples["mpc_bpf_agent_network_missing_total"].items()
              if n]
    report.check("nothing is missing in the agent's own book", faults)


def tracepoints(scrape):
    """{name: why it is not heard, or nothing}, but for those of TLS"""
    return {dict(key)["tracepoint"]: "" if n else dict(key)["reason"]
            for key, n in scrape.samples["mpc_bpf_agent_tracepoint_attached"].items()
            if not dict(key)["tracepoint"].startswith(("handshake_", "tls_"))}


def counted(scrape):
    """{fact: whether anything was, or why not}, of all facts."""
    why, found = tracepoints(scrape), {}
    if not why["kfree_skb"] and not has_sockets_of_drops():
        why["kfree_skb"] = "this kernel has no socket in kfree_skb; there is one since {}.{}".format(*DROPS_SINCE)
    for name, labels, tracepoint in FACTS:
        family = f"network_{name}" + ("_count" if name.endswith("_seconds") else "")
        seen = scrape.sum(family, **labels) > 0
        found[" ".join((name.removesuffix("_total"), *labels.values()))] = "" if seen else why[tracepoint] or "nothing"
    return found


def complete(report, agent):
    """Each fact of the profile was counted by now, or its tracepoint is not there."""
    scrape = Scrape(agent.metrics())
    wanted = {name for name in re.findall(r"^  network_(\w+):$", PROFILE.read_text(), re.M)
              if not name.startswith(ELSEWHERE)}
    faults = [f"{name} is not looked at" for name in wanted - {name for name, _, _ in FACTS}]
    faults += [f"{fact}: {why}" for fact, why in counted(scrape).items() if why and "there is one since" not in why]
    report.check("all facts of the profile were counted, or have no tracepoint here", faults)
    if sys.argv[1:]:
        Path(sys.argv[1]).write_text(json.dumps({"tracepoints": tracepoints(scrape), "facts": counted(scrape)}))


def costs(report, agent):
    scrape = Scrape(agent.metrics())
    runs = scrape.samples.get("mpc_bpf_agent_program_runs_total", {})
    for key, n in sorted(runs.items()):
        name = dict(key)["program"]
        if n:
            seconds = scrape.get("mpc_bpf_agent_program_run_seconds_total", program=name)
            missed = scrape.get("mpc_bpf_agent_program_misses_total", program=name)
            report.note(f"{name}: {n:g} runs, {seconds / n * 1e9:.0f} ns each" +
                        (f", {missed:g} left out by the kernel" if missed else ""))


def main():
    report = live.Report()
    live.need_root(report, "the network of nodes")
    for tool in ("nft", "nsenter", "unshare", "ss", "tc"):
        if not shutil.which(tool, path=os.environ["PATH"] + ":/usr/sbin:/sbin"):
            report.skip("the network of nodes", f"{tool} is not installed; scripts/setup e2e brings it")
            return 0
    folder = live.scratch()
    with report.part("the network of nodes"):
        program = folder / "node"  # a program of its own, so that only nodes run it
        shutil.copy(os.path.realpath(sys.executable), program)
        a, b = Namespace(folder, "a"), Namespace(folder, "b")
        a.do("ip", "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", str(b.holder.pid))
        for place, address, address6 in ((a, A, A6), (b, B, B6)):
            place.do("ip", "address", "add", f"{address}/24", "dev", "cable")
            place.do("ip", "address", "add", f"{address6}/64", "dev", "cable", "nodad")
            # so that snmp, which counts what the cable brings at once, counts segments
            place.do("ip", "link", "set", "cable", "gso_max_segs", "1", "up")
        with live.Agent(folder, "--profile", "net", "--exe", program, "--program-stats") as agent:
            one, two = Node(a, program, folder, "one"), Node(b, program, folder, "two")
            three, four = Node(a, program, folder, "three"), Node(b, program, folder, "four")
            stranger = Node(a, sys.executable, folder, "stranger")
            live.wait_for("the agent sees four nodes", lambda: len(
                Scrape(agent.metrics()).samples.get("mpc_bpf_agent_target_up", {})) == 4)
            watch = Watch(agent, a, b)
            if not needs(report, watch, "TCP", *TCP):
                return report.status()
            transfers(report, watch, one, two)
            loss(report, watch, a, b, one, two)
            delay(report, watch, a, one, two)
            failures(report, watch, a, b, one, stranger)
            resets(report, watch, a, b, one, two)
            checksums(report, watch, one, two)
            missed(report, watch, one, two)
            left_behind(report, watch, one, stranger)
            sockets(report, watch, a, b, one, two)
            datagrams(report, watch, a, b, one, two, stranger)
            shared(report, watch, one, two, three, four, stranger)
            other_family(report, watch, one, two)
            restarted(report, watch, a, program, folder, three, two)
            healthy(report, agent)
            complete(report, agent)
            costs(report, agent)
        before(report, folder, program, a, b, one, two)
        under_way(report, folder, program, a, b, one, two)
    return report.status()


if __name__ == "__main__":
    sys.exit(main())
