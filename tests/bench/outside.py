# SPDX-License-Identifier: BSD-2-Clause
"""What the benchmark starts and asks: processes that end with it, the kernel's
count of their programs, what a command took."""

import contextlib
import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
AGENT = ROOT / "build" / "mpc-bpf-agent"
QUIET = {**os.environ, "LC_ALL": "C.UTF-8", "DEBUGINFOD_URLS": ""}


class Unavailable(Exception):
    """One sentence that says why something is not measured."""


def need(tool):
    if not shutil.which(tool):
        raise Unavailable(f"{tool} is not installed (scripts/setup bench)")
    return tool


def first_line(*command):
    out = subprocess.run(command, capture_output=True, text=True, check=False, env=QUIET).stdout
    return out.splitlines()[0] if out else ""


def output(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=QUIET, cwd=ROOT)
    if done.returncode:
        why = (done.stderr or done.stdout).strip().splitlines() or ["no output"]
        raise Unavailable(f"{Path(command[0]).name}: {why[-1]}")
    return done.stdout


def wait_for(what, seconds, condition, process=None, log=None):
    """The first true answer of @condition; says what was waited for if there is none."""
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        answer = condition()
        if answer:
            return answer
        if process and process.poll() is not None:
            break
        time.sleep(0.05)
    lines = Path(log).read_text(errors="replace").strip().splitlines() if log else []
    raise Unavailable(f"{what}: " + (lines[-1] if lines else f"not within {seconds} s"))


@contextlib.contextmanager
def running(command, log, last=signal.SIGTERM):
    with open(log, "w", encoding="utf-8") as out:
        process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, cwd=ROOT,
                                   stdout=out, stderr=subprocess.STDOUT, env=QUIET)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(last)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


# ---- programs in the kernel --------------------------------------------------------


def programs_of(pid):
    """The BPF programs that a process holds, {id: runs}."""
    found = {}
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            if os.readlink(fd) != "anon_inode:bpf-prog":
                continue
            info = dict(line.split(":\t") for line in
                        Path(f"/proc/{pid}/fdinfo/{fd.name}").read_text().splitlines())
            found[int(info["prog_id"])] = int(info["run_cnt"])
    return found


def run_ns_of(pid):
    """The time that the kernel has counted in all programs of a process, with run_statistics()."""
    total_ns = 0
    for info in Path(f"/proc/{pid}/fdinfo").iterdir():
        with contextlib.suppress(FileNotFoundError):  # it is closed
            total_ns += sum(map(int, re.findall(r"^run_time_ns:\s*(\d+)$", info.read_text(), re.M)))
    return total_ns


@contextlib.contextmanager
def run_statistics():
    """Has the kernel count what programs cost meanwhile."""
    switch = Path("/proc/sys/kernel/bpf_stats_enabled")
    before = switch.read_text()
    switch.write_text("1")
    try:
        yield
    finally:
        switch.write_text(before)


def program_name(number):
    bpftool = shutil.which("bpftool") or "/usr/sbin/bpftool"
    return json.loads(output(bpftool, "--json", "prog", "show", "id", str(number))).get("name", "")


@contextlib.contextmanager
def bpftrace(script, n_probes, folder):
    """bpftrace at work: yields its pid as soon as all its probes are set."""
    need("bpftrace")
    source, log = folder / "script.bt", folder / "bpftrace.log"
    source.write_text(script)
    with running(["bpftrace", source], log, signal.SIGINT) as process:
        wait_for("bpftrace", 60, lambda: len(programs_of(process.pid)) == n_probes, process, log)
        time.sleep(1)  # the last one is loaded, and in a moment attached
        yield process.pid


# ---- the agent ------------------------------------------------------------------------


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def scrape(port):
    """Samples as a list of (name, text of the labels, value)."""
    samples = []
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        for line in answer.read().decode().splitlines():
            if line and not line.startswith("#"):
                name, _, rest = line.partition("{")
                labels, _, value = rest.rpartition("} ")
                if not rest:
                    name, _, value = line.partition(" ")
                samples.append((name, labels, float(value.split(" ")[0])))
    return samples


def total(samples, name, label=""):
    return sum(v for n, labels, v in samples if n == f"mpc_bpf_agent_{name}" and label in labels)


@contextlib.contextmanager
def agent(exe, folder, *more, stats=True):
    """The agent at work: yields it and its port as soon as it serves."""
    port, log = free_port(), folder / "agent.log"
    with running([AGENT, "run", "--exe", exe, *["--program-stats"] * stats, "--web.listen-address",
                  f"127.0.0.1:{port}", *more], log) as process:
        wait_for("agent", 60, lambda: "msg=\"serving " in log.read_text(), process, log)
        yield process, port


# ---- what a command takes ---------------------------------------------------------------


def status_of(pid):
    """What /proc says of a process in kB."""
    text = Path(f"/proc/{pid}/status").read_text()
    return {key: int(kb) for key, kb in re.findall(r"^(\w+):\s+(\d+) kB$", text, re.M)}


class Taken:
    """Wall time of a command; peak memory of the largest process among its own, and how
    much of the first one's was its own at most, not pages of files (looked at all the time)."""

    LIMIT = 600

    def __init__(self):
        self.seconds, self.peak_mb, self.anonymous_mb, self.text = [], 0, 0, ""

    def look(self, pid):
        with contextlib.suppress(OSError, KeyError):  # it has ended
            while True:
                self.anonymous_mb = max(self.anonymous_mb, status_of(pid)["RssAnon"] * 1024 / 1e6)
                time.sleep(0.002)

    def measure(self, command):
        with open(os.devnull, "rb") as nothing:
            start = time.monotonic()
            process = subprocess.Popen(command, stdin=nothing, stdout=subprocess.PIPE, cwd=ROOT,
                                       stderr=subprocess.STDOUT, env=QUIET)
            looks = threading.Thread(target=self.look, args=(process.pid,), daemon=True)
            limit = threading.Timer(self.LIMIT, process.kill)
            looks.start()
            limit.start()
            with process.stdout:
                self.text = process.stdout.read().decode(errors="replace")
            limit.cancel()
            looks.join()
            _, status, use = os.wait4(process.pid, 0)
            self.seconds.append(time.monotonic() - start)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.peak_mb = max(self.peak_mb, use.ru_maxrss * 1024 / 1e6)

    @property
    def peak(self):
        """The kernel starts the count at what this process has had: less is not seen."""
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
        return f"{self.peak_mb:.0f}" if self.peak_mb > own + 1 else f"<{own + 1:.0f}"

    @property
    def best(self):
        return min(self.seconds)

    @property
    def worst(self):
        return max(self.seconds)
