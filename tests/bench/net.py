# SPDX-License-Identifier: BSD-2-Clause
"""What it costs to know of the network: the work of net_load with nobody watching, with the agent,
and with tools that tell less, in turns."""

import contextlib
import shutil
import statistics
import subprocess
import time
from pathlib import Path

from outside import (ROOT, Unavailable, agent, bpftrace, need, output, programs_of, run_ns_of, run_statistics, running,
                     scrape, wait_for)

KINDS = {"stream": "bytes", "message": "messages there and back", "connect": "connections"}
MILLISECONDS = 400
TIMES = 3  # while one watches, of which the best counts
# The same tracepoints, and of each less: no owner, no peer, no counters of the kernel.
BPFTRACE = """
tracepoint:tcp:tcp_probe { @rtt = hist(args->srtt); @bytes[args->dport] = sum(args->data_len); }
tracepoint:sock:inet_sock_set_state /args->newstate == 1/ { @begun[args->skaddr] = nsecs; }
tracepoint:sock:inet_sock_set_state /args->newstate == 7 && @begun[args->skaddr]/ {
    @seconds = hist(nsecs - @begun[args->skaddr]);
    delete(@begun[args->skaddr]);
}
"""
# Of libbpf-tools: a line for each connection, and one for each change of its state.
TOOLS = ("tcplife", "tcpstates")
# What tells more and asks for kprobes: why it cannot be compared with here.
OTHERS = ("/usr/sbin/tcprtt", "/usr/sbin/tcpconnlat", "/usr/sbin/tcptracer", "/usr/sbin/tcplife.bt",
          "/usr/sbin/tcpretrans.bt", "/usr/sbin/tcpconnect.bt")


def build(folder):
    """The program twice: one that is watched, and one that is not."""
    exe = folder / "net_load"
    output("gcc", "-std=gnu17", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-o", exe, ROOT / "tests/bench/net_load.c")
    shutil.copy(exe, folder / "another")
    return exe


def load(exe, kind, port=None):
    """(what was done, in a second, for a second of processors' time)"""
    with subprocess.Popen([exe, kind, str(MILLISECONDS)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                          env={"NODE_ID": "client"}) as process:
        process.stdout.readline()
        if port:
            wait_for("the agent to see both ends", 20, lambda: both_up(port))
        try:
            said, _ = process.communicate("go\n", timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            raise Unavailable(f"net_load {kind} does not end") from None
    if process.returncode:
        raise Unavailable(f"net_load {kind} ended with {process.returncode}")
    n, seconds, processor = map(float, said.split())
    return n, n / seconds, n / processor


def both_up(port):
    return sum(v for name, labels, v in scrape(port) if name == "mpc_bpf_agent_target_up") == 2


@contextlib.contextmanager
def nobody(*_):
    yield None, None


@contextlib.contextmanager
def ours(exe, folder):
    with agent(exe, folder, "--profile", "net", stats=False) as (process, port):
        yield process.pid, port


@contextlib.contextmanager
def ours_of_another(exe, folder):
    with ours(exe.with_name("another"), folder) as known:
        yield known[0], None


@contextlib.contextmanager
def script(_, folder):
    with bpftrace(BPFTRACE, 3, folder) as pid:
        yield pid, None


def tool(name):
    @contextlib.contextmanager
    def watch(_, folder):
        path = Path("/usr/sbin") / name
        if not path.exists():
            raise Unavailable(f"{name} is not installed (scripts/setup bench)")
        log = folder / f"{name}.log"
        with running([path], log) as process:
            wait_for(name, 20, lambda: programs_of(process.pid), process, log)
            time.sleep(1)  # the last one is loaded, and in a moment attached
            yield process.pid, None
    return watch


WATCHERS = {"nobody": nobody, "ours, a node": ours, "ours, of another process": ours_of_another,
            **{f"{name}, libbpf-tools": tool(name) for name in TOOLS}, "bpftrace, three tracepoints": script}


def connections(port):
    """Those that the agent has counted, by direction."""
    return {way: sum(v for name, labels, v in scrape(port)
                     if name == "network_tcp_connections_total" and f'direction="{way}"' in labels)
            for way in ("out", "in")}


def measure_one(watch, exe, folder, rates):
    """Adds what was done in a second to rates[kind]; where the agent counts, that it counts all."""
    with watch(exe, folder) as (_, port):
        for kind in [*KINDS] * TIMES:
            before = connections(port) if port else None
            n, *rate = load(exe, kind, port)
            rates.setdefault(kind, []).append(rate)
            if port:
                # one more tells the server to end
                made = (n if kind == "connect" else 1) + 1
                wait_for(f"{made:.0f} connections counted", 20, lambda: connections(port) == {
                    way: before[way] + made for way in before})


def program_ns(watch, exe, folder, rounds):
    """{kind: nanoseconds of programs for each message there and back, or connection}, the best."""
    found = {kind: [] for kind in ("message", "connect")}
    with watch(exe, folder) as (pid, port), run_statistics():
        for _ in range(rounds):
            for kind, all_of in found.items():
                times = [run_ns_of(pid)]
                time.sleep(MILLISECONDS / 1e3)  # what others on this machine do meanwhile is taken off
                times.append(run_ns_of(pid))
                n = load(exe, kind, port)[0]
                times.append(run_ns_of(pid))
                all_of.append((times[2] - times[1] - (times[1] - times[0])) / n)
    return {kind: statistics.median(all_of) for kind, all_of in found.items()}


def not_here():
    """Why tools that are there cannot be compared with: [(name, reason)]."""
    for path in map(Path, OTHERS):
        if not path.exists():
            continue
        done = subprocess.run(["timeout", "-s", "INT", "8", path], capture_output=True, text=True, check=False)
        said = [line for line in (done.stdout + done.stderr).splitlines() if "kprobe" in line or "BTF" in line]
        if said:
            yield path.name, said[0].replace("libbpf: ", "")


def measure(folder, rounds):
    """({watcher: {kind: best (rate, rate of processors' time)}}, {watcher: program ns}, [(watcher, why not)])"""
    need("gcc")
    exe, rates, ns, absent = build(folder), {}, {}, []
    for name in list(WATCHERS):
        try:
            if name != "nobody":
                ns[name] = program_ns(WATCHERS[name], exe, folder, rounds)
        except Unavailable as why:
            absent.append((name, str(why)))
    left = [name for name in WATCHERS if name == "nobody" or name in ns]
    for _ in range(rounds):
        for name in left:
            measure_one(WATCHERS[name], exe, folder, rates.setdefault(name, {}))
    best = {name: {kind: tuple(map(max, zip(*all_of))) for kind, all_of in of.items()} for name, of in rates.items()}
    return best, ns, absent + list(not_here())
