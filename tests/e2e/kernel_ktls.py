# SPDX-License-Identifier: BSD-2-Clause
"""TLS in the kernel. Of the host: handshakes that the kernel asks a daemon for, and alerts on
its own sockets, as ktls_play.py plays them with the kernel's NFS and NVMe; compared with what
was played and with the kernel's own trace. Of a process: what network cards make of its
records. There is no such card here nor in a virtual machine, so those programs are run by hand
(BPF_PROG_TEST_RUN), loaded as they are, on real sockets of the process.

Run by kernel_guest.py in virtual machines: kernel_ktls.py FILE, to which it writes what this
kernel gives.
"""

import ctypes
import errno
import json
import os
import shutil
import socket
import struct
import sys
from pathlib import Path

import ktls_play
import live
from books import Scrape

BPF_PROG_TEST_RUN, BPF_PROG_GET_FD_BY_ID = 10, 13
SYS_BPF = {"x86_64": 321, "aarch64": 280}[os.uname().machine]
RX, TX = 0, 1  # of enum tls_offload_ctx_dir
HOST = ("handshake_submit", "handshake_submit_err", "handshake_complete", "handshake_cancel", "tls_alert_send",
        "tls_alert_recv")
CARDS = ("tls_device_offload_set", "tls_device_decrypted", "tls_device_tx_resync_send", "tls_device_rx_resync_send")
# {fact of docs/network.md: its metric and labels, and a tracepoint that it comes from}
FACTS = {
    "ktls_handshakes client": ("network_ktls_handshakes_total", {"role": "client"}, "handshake_complete"),
    "ktls_handshakes server": ("network_ktls_handshakes_total", {"role": "server"}, "handshake_complete"),
    "ktls_handshake_duration_seconds": ("network_ktls_handshake_duration_seconds_count", {}, "handshake_submit"),
    "ktls_alerts sent": ("network_ktls_alerts_total", {"direction": "sent"}, "tls_alert_send"),
    "ktls_alerts received": ("network_ktls_alerts_total", {"direction": "received"}, "tls_alert_recv"),
    "ktls_offloads": ("network_ktls_offloads_total", {}, "tls_device_offload_set"),
    "ktls_records": ("network_ktls_records_total", {}, "tls_device_decrypted"),
    "ktls_resyncs": ("network_ktls_resyncs_total", {}, "tls_device_rx_resync_send"),
}
NODE = """
import os, socket, sys
there = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
print("ready", flush=True)
sys.stdin.read()
"""


def bpf(command, attributes):
    attributes = ctypes.create_string_buffer(attributes, 128)
    done = ctypes.CDLL(None, use_errno=True).syscall(SYS_BPF, command, attributes, len(attributes))
    if done < 0:
        raise OSError(ctypes.get_errno(), f"bpf({command}): {os.strerror(ctypes.get_errno())}")
    return done


def call(program, *arguments):
    """Runs a loaded program of a raw tracepoint as if that said these arguments."""
    said = ctypes.create_string_buffer(struct.pack("12Q", *(n & (1 << 64) - 1 for n in arguments),
                                                   *[0] * (12 - len(arguments))), 96)
    fd = bpf(BPF_PROG_GET_FD_BY_ID, struct.pack("3I", program, 0, 0))
    try:
        bpf(BPF_PROG_TEST_RUN, struct.pack("4I2Q4I2Q3I", fd, 0, 0, 0, 0, 0, 0, 0, 96, 0, ctypes.addressof(said), 0, 0, 0, 0))
    finally:
        os.close(fd)


def followed(agent):
    """Addresses of the TCP sockets that belong to the first node."""
    rows = [row["formatted"] for row in live.bpftool("map", "dump", "id", live.loaded(agent.pid, "map")["tcp_socks"])]
    return [row["key"] for row in rows if row["value"]["node"] == 0]


def given(family, scrape, *names):
    """{values of those labels: n} of a metric."""
    return {tuple(dict(key)[name] for name in names): n for key, n in scrape.samples.get(family, {}).items()}


def differ(what, ours, truth):
    return [f"{what} {key}: agent {ours.get(key, 0):g}, books {truth.get(key, 0)}" for key in sorted({*ours, *truth})
            if ours.get(key, 0) != truth.get(key, 0)]


def tracepoints(scrape):
    """{name: why it is not heard, or nothing}, of those of TLS"""
    return {dict(key)["tracepoint"]: "" if n else dict(key)["reason"]
            for key, n in scrape.samples["mpc_bpf_agent_tracepoint_attached"].items()
            if dict(key)["tracepoint"] in HOST + CARDS}


def cards(report, folder, program, agent):
    """Offloads, records and resyncs, on a socket of the node and on none."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        node = live.Process(program, "-c", NODE, server.getsockname()[1], log=folder / "node.log", stdin=-1,
                            env={"NODE_ID": "one", "PYTHONHOME": sys.base_prefix})
        node.until_said("ready")
        other, _ = server.accept()
        live.wait_for("the agent knows its socket", lambda: followed(agent))
        mine, programs = followed(agent)[0], live.loaded(agent.pid, "prog")
        played = [("on_tls_offload", (TX, 7, 0, 0), 3), ("on_tls_offload", (RX, 7, 0, -errno.EOPNOTSUPP), 2),
                  ("on_tls_offload", (RX, 7, 0, 0), 1), ("on_tls_record", (7, 0, 100, 0, 1), 5),
                  ("on_tls_record", (7, 0, 100, 1, 0), 4), ("on_tls_record", (7, 0, 100, 0, 0), 2),
                  ("on_tls_resync_out", (7, 0), 6), ("on_tls_resync_in", (7, 0, 1), 8)]
        for name, arguments, times in played:
            for _ in range(times):
                call(programs[name], mine, *arguments)
            call(programs[name], 0x1000, *arguments)  # no socket that anybody knows
        scrape = Scrape(agent.metrics())
        other.close()
        node.stop()
    truth = {
        "offloads": {("sent", "ok"): 3, ("received", "EOPNOTSUPP"): 2, ("received", "ok"): 1},
        "records": {("decrypted",): 5, ("encrypted",): 4, ("mixed",): 2},
        "resyncs": {("sent",): 6, ("received",): 8},
    }
    labels = {"offloads": ("direction", "result"), "records": ("result",), "resyncs": ("direction",)}
    report.check("what a network card makes of a process' TLS records", [
        fault for fact, books in truth.items()
        for fault in differ(fact, given(f"network_ktls_{fact}_total", scrape, "node_id", *labels[fact]),
                            {("one", *key): n for key, n in books.items()})])


def late(report, agent):
    """The module that a node's first use would bring comes while the agent is there."""
    before = tracepoints(Scrape(agent.metrics()))
    report.check("tracepoints of a module that is not loaded wait for it, and are no gap", [
        f"{name}: {before[name]}" for name in CARDS if name in before])
    live.run("modprobe", "tls")
    live.wait_for("they are heard", lambda: [tracepoints(Scrape(agent.metrics())).get(name) for name in CARDS] == [""] * 4)


def handshakes(report, stage, agent):
    """Of the kernel's NFS and NVMe, and what they say on TLS connections of theirs."""
    stage.play()
    scrape, witness = Scrape(agent.metrics()), stage.witness()
    ours = given("network_ktls_handshakes_total", scrape, "role", "result")
    by_result = {}
    for (_, result), n in ours.items():
        by_result[result] = by_result.get(result, 0) + n
    report.check(f"handshakes that the kernel asked for: {sum(stage.books['handshakes'].values())} by role and result",
                 differ("handshakes", ours, stage.books["handshakes"]) +
                 differ("by the kernel's trace", by_result, witness["handshakes"]))
    good = sum(n for (_, result), n in stage.books["handshakes"].items() if result == "ok")
    took = scrape.get("network_ktls_handshake_duration_seconds_count")
    seconds = scrape.get("network_ktls_handshake_duration_seconds_sum")
    faults = [] if took == good else [f"{took:g} durations of {good} handshakes that ended well"]
    if not 0 < seconds < 60:
        faults.append(f"they took {seconds} s together")
    report.check("how long those took that ended well", faults)
    ours = given("network_ktls_alerts_total", scrape, "direction", "alert")
    report.check(f"alerts of the kernel's: {sum(stage.books['alerts'].values())} by direction",
                 differ("alerts", ours, stage.books["alerts"]) + differ("by the kernel's trace", ours, witness["alerts"]))
    report.check("all of them are the host's, and no node's", [
        f"{name} has a node" for name in ("handshakes_total", "alerts_total", "handshake_duration_seconds_count")
        for key in scrape.samples.get(f"network_ktls_{name}", {}) if "node_id" in dict(key)])
    return scrape


def main():
    report = live.Report()
    live.need_root(report, "TLS in the kernel")
    folder = live.scratch()
    program = folder / "node"
    shutil.copy(os.path.realpath(sys.executable), program)
    missing = ktls_play.missing()
    with report.part("TLS in the kernel"), live.Agent(folder, "--profile", "net", "--exe", program) as agent:
        late(report, agent)
        cards(report, folder, program, agent)
        scrape = Scrape(agent.metrics())
        if missing:
            report.skip("handshakes that the kernel asks for", missing)
        else:
            with ktls_play.Stage(folder) as stage:
                scrape = handshakes(report, stage, agent)
        why = tracepoints(scrape)
        report.check("each of their tracepoints is heard, or says why not", [
            f"{name}: {reason}" for name, reason in why.items()
            if reason and "there is one since" not in reason])
        facts = {fact: "" if scrape.sum(family, **labels) > 0 else why[tracepoint] or "nothing"
                 for fact, (family, labels, tracepoint) in FACTS.items()}
        Path(sys.argv[1]).write_text(json.dumps({"tracepoints": why, "facts": facts}))
    return report.status()


if __name__ == "__main__":
    sys.exit(main())
