# SPDX-License-Identifier: BSD-2-Clause
"""Processes of the end-to-end tests: agents, clusters, mpc-shapes, and their end.

Whatever is started here ends with the test, by process id, also where the test is
killed: a watchdog in a session of its own waits for the test's end and then ends
what is left (the nodes of a cluster are not children of the test).
"""

import contextlib
import gzip
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
AGENT = os.environ.get("AGENT", str(ROOT / "build" / "mpc-bpf-agent"))
OUT = ROOT / "build" / "e2e"
PATIENCE = float(os.environ.get("MPC_BPF_AGENT_PATIENCE", 30))  # an emulated processor needs more
QUIET = 3  # seconds without a change in the books


# ---- result lines ---------------------------------------------------------------

class Report:
    """Prints the result lines; its status is the test's exit status."""

    def __init__(self):
        self.failed = 0
        self.before = ""  # goes before the names of results
        self.began = time.monotonic()

    def check(self, name, faults):
        """ok if there are no faults, else not ok with all of them."""
        name = self.before + name
        faults = list(faults)
        if not faults:
            print(f"ok - {name}", flush=True)
            return True
        self.failed += 1
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        print(f"not ok - {name}: {faults[0]}{more}")
        for fault in faults[:40]:
            print(f"    {fault}")
        sys.stdout.flush()
        return False

    def skip(self, name, reason):
        print(f"skip - {name}: {reason}", flush=True)

    def note(self, text):
        print(f"    {time.monotonic() - self.began:5.1f} s  {text}", flush=True)

    @contextlib.contextmanager
    def part(self, name):
        """What goes wrong inside, and is no result, is one."""
        try:
            yield
        except (OSError, RuntimeError, AssertionError, ValueError, KeyError, http.client.HTTPException,
                subprocess.SubprocessError) as error:
            self.check(name, [f"{type(error).__name__}: {error}"])

    def parts(self, parts, *subject):
        """One after the other, each by its own name; what goes wrong in one leaves the others."""
        for part in parts:
            with self.part(part.__name__):
                part(*subject)
            self.note(part.__name__)

    def status(self):
        return 1 if self.failed else 0


def need_root(report, name):
    """Ends the test with a skip where it cannot attach."""
    if os.geteuid() != 0:
        report.skip(name, "attaching probes needs root")
        sys.exit(0)


# ---- processes --------------------------------------------------------------------

def start_time(pid):
    """When a process started, as the kernel counts; None once it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def alive(pid):
    return start_time(pid) is not None


def wait_for(what, condition, seconds=PATIENCE, every=0.05):
    """The first true value of condition(), or RuntimeError."""
    limit = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > limit:
            raise RuntimeError(f"{what}: not within {seconds:g} s")
        time.sleep(every)


def _end(pid, started):
    for signo, seconds in ((signal.SIGTERM, 8), (signal.SIGKILL, 2)):
        if start_time(pid) != started:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signo)
        limit = time.monotonic() + seconds
        while start_time(pid) == started and time.monotonic() < limit:
            time.sleep(0.05)


@contextlib.contextmanager
def stopped(pids):
    """Processes that do nothing and do not answer meanwhile."""
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def never_interrupted(pids):
    """Gives all threads of these processes, and those they start, the first-in-first-out
    real-time policy: of threads with one priority none takes the processor from another,
    each runs until it waits for something."""
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(ProcessLookupError):
                os.sched_setscheduler(int(task.name), os.SCHED_FIFO, os.sched_param(1))


class Watchdog:
    def __init__(self):
        read, self.write = os.pipe()
        if os.fork():
            os.close(read)
            return
        try:
            os.setsid()
            os.close(self.write)
            quiet = os.open(os.devnull, os.O_RDWR)
            for fd in (0, 1, 2):
                os.dup2(quiet, fd)
            watched, folders = {}, []
            with os.fdopen(read) as lines:
                for line in lines:
                    kind, word = line.rstrip("\n").split(" ", 1)
                    if kind == "folder":
                        folders.append(word)
                    else:
                        watched[int(word)] = start_time(int(word))
            for pid, started in watched.items():
                if started is not None:
                    _end(pid, started)
            for folder in folders:
                shutil.rmtree(folder, ignore_errors=True)
        finally:
            os._exit(0)

    def say(self, kind, word):
        os.write(self.write, f"{kind} {word}\n".encode())


_WATCHDOG = None


def watch(pid):
    global _WATCHDOG
    _WATCHDOG = _WATCHDOG or Watchdog()
    _WATCHDOG.say("pid", pid)


def scratch():
    """A folder that goes when the test ends."""
    global _WATCHDOG
    _WATCHDOG = _WATCHDOG or Watchdog()
    path = Path(tempfile.mkdtemp(prefix="mpc-e2e-"))
    _WATCHDOG.say("folder", path)
    return path


def run(*words, seconds=120, **more):
    """A command to its end, with what it said."""
    return subprocess.run([str(w) for w in words], capture_output=True, text=True, errors="replace",
                          timeout=seconds, check=False, **more)


def built(build, folder, *options):
    """The programs of that build of the cluster, copied into a folder of the test's own:
    other agents on this machine may watch the files that all tests share."""
    done = run(ROOT / "scripts" / "cluster", build, *options, "--print", seconds=3000)
    if done.returncode:
        raise RuntimeError(f"scripts/cluster {build}: {done.stderr.strip()[-500:]}")
    programs = Path(folder) / f"programs-{build}"
    shutil.copytree(done.stdout.strip(), programs)
    return programs


def packed(report, program, pack, *options):
    """Makes the pack of a program, and says so in a result line; its path."""
    made = run(AGENT, "pack", program, *options, "-o", pack)
    report.check("a pack of the node", [made.stderr.strip() or str(made)] if made.returncode else [])
    return pack


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.raw = response.read()
        packed = self.headers.get("content-encoding") == "gzip"
        self.text = (gzip.decompress(self.raw) if packed else self.raw).decode()


def get(address, path, **headers):
    """What a local server answers; never by way of a proxy."""
    connection = http.client.HTTPConnection(address, timeout=10)
    try:
        connection.request("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})
        return Answer(connection.getresponse())
    finally:
        connection.close()


def post(address, path, body, seconds=150):
    """What a local server answers to a JSON value; it may take its time."""
    connection = http.client.HTTPConnection(address, timeout=seconds)
    try:
        connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
        answer = Answer(connection.getresponse())
    finally:
        connection.close()
    if answer.status >= 300:
        raise RuntimeError(f"POST {path}: {answer.status} {answer.text}")
    return json.loads(answer.text)


class Process:
    """A program with its output in a file."""

    def __init__(self, *words, log, env=None, stdin=subprocess.DEVNULL, **more):
        self.log = Path(log)
        with open(self.log, "w") as out:
            self.child = subprocess.Popen([str(w) for w in words], stdin=stdin, stdout=out,
                                          stderr=subprocess.STDOUT, env={**os.environ, **(env or {})}, **more)
        self.pid = self.child.pid
        watch(self.pid)

    def said(self):
        return self.log.read_text(errors="replace")

    def until_said(self, pattern, seconds=PATIENCE):
        def found():
            match = re.search(pattern, self.said())
            if not match and self.child.poll() is not None:
                raise RuntimeError(f"{self.log.name}: ended with {self.child.returncode}: {self.said()[-400:].strip()}")
            return match
        return wait_for(f"{self.log.name} says {pattern}", found, seconds)

    def stop(self, signo=signal.SIGTERM, seconds=PATIENCE):
        """Its exit status; negative where a signal ended it."""
        if self.child.poll() is None:
            self.child.send_signal(signo)
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
            raise RuntimeError(f"{self.log.name}: does not end") from None


class Agent(Process):
    """A running agent on a port of its own."""

    def __init__(self, folder, *options, name="agent", env=None, wait=True, program=AGENT):
        super().__init__(program, *options, "--web.listen-address", "127.0.0.1:0",
                         log=Path(folder) / f"{name}.log", env=env)
        self.address = None
        if wait:
            self.wait_serving()

    def wait_serving(self):
        self.address = self.until_said(r"serving http://(127\.0\.0\.1:\d+)/")[1]
        return self

    def metrics(self):
        answer = get(self.address, "/metrics")
        if answer.status != 200:
            raise RuntimeError(f"/metrics answers {answer.status}: {answer.text}")
        return answer.text

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def by_load(truth):
    """What in a node's books moves only with load."""
    functions = {name: calls for name, calls in truth["functions"].items() if not calls.get("periodic")}
    return functions, truth["counters"], truth["histograms"]


class Cluster:
    """Nodes and their services, driven by mpc-driver."""

    def __init__(self, programs, folder, nodes=5, threshold=3, node=None):
        self.driver = Path(programs) / "mpc-driver"
        self.node = Path(node or Path(programs) / "mpc-node")
        self.folder = Path(folder)
        done = run(self.driver, "up", "--node", self.node, "--dir", self.folder,
                   "--nodes", nodes, "--threshold", threshold)
        state = self.folder / "state.json"
        state = json.loads(state.read_text()) if state.exists() else {}
        self.members = state.get("nodes", [])
        # Services go after the nodes that need them.
        for process in [*self.members, *filter(None, [state.get("postgres")]), *state.get("etcd", [])]:
            watch(process["pid"])
        if done.returncode:
            raise RuntimeError(f"mpc-driver up: {done.stderr.strip()}")

    def command(self, verb, *options):
        return [str(w) for w in (self.driver, verb, "--dir", self.folder, *options)]

    def load(self, *options, seconds=240):
        """The driver's summary of a load that has come to its end."""
        done = run(*self.command("load", *options), seconds=seconds)
        if done.returncode:
            raise RuntimeError(f"mpc-driver load: {done.stderr.strip()[-400:]}")
        return json.loads(done.stdout)

    def settle(self, tries=2):
        """Waits until no node has anything left to do. A node ends its rounds one by one: after much load
        that takes longer than the driver waits. And a node that hears of the end of a transaction whose
        beginning a fault has kept from it waits for ever: then books that do not move will do."""
        for _ in range(tries):
            done = run(self.driver, "settle", "--dir", self.folder)
            if done.returncode == 0:
                return
            if "does not come to rest" not in done.stderr:
                raise RuntimeError(f"mpc-driver settle: {done.stderr.strip()}")
        self.quiet()

    def load_until_stopped(self, *options):
        return Process(*self.command("load", "--until-signal", *options), log=self.folder / "load.log")

    def quiet(self):
        """Waits until the books of all nodes have stopped moving but for what nodes do by the clock,
        after restarts too: a task of a node whose peer went away may wait for ever, so that
        mpc-driver settle would. The books then."""
        last, since = None, time.monotonic()

        def still():
            nonlocal last, since
            now = [by_load(truth) for truth in self.truths().values()]
            if now != last:
                last, since = now, time.monotonic()
            return time.monotonic() - since > QUIET
        wait_for("the nodes come to rest", still, seconds=90, every=0.2)
        return self.truths()

    def frozen(self):
        """The nodes do nothing at all meanwhile, by the clock neither."""
        return stopped([m["pid"] for m in self.members if alive(m["pid"])])

    def look(self, agent):
        """The page of an agent and the books of all nodes, which were the same before and after it:
        while there is no load, only what nodes do by the clock may come in between."""
        def still():
            before, page = self.truths(), agent.metrics()
            return (page, before) if self.truths() == before else None
        return wait_for("books that do not move", still)

    def truth(self, member):
        return json.loads(get(member["rest"], "/truth").text)

    def truths(self):
        """The books of all nodes that run by node_id, now."""
        return {str(m["id"]): self.truth(m) for m in self.members if alive(m["pid"])}

    def last_truths(self):
        """What the nodes wrote down when they ended, but for their gauges: those go with a node."""
        return {str(m["id"]): {**json.loads(Path(m["truth"]).read_text()), "gauges": []} for m in self.members}

    def restart(self, member, log):
        """Ends a node and starts it again with the same environment; its last books of before."""
        environment = dict(pair.split("=", 1) for pair in
                           Path(f"/proc/{member['pid']}/environ").read_text().rstrip("\0").split("\0"))
        os.kill(member["pid"], signal.SIGTERM)
        wait_for("a node ends", lambda: not alive(member["pid"]))
        last = json.loads(Path(member["truth"]).read_text())
        process = Process(self.node, log=log, env=environment)
        member["pid"], member["start_time"], member["process"] = process.pid, start_time(process.pid), process

        def answers():
            try:
                return get(member["rest"], "/health").status == 200
            except OSError:
                return False
        wait_for("the node answers", answers)
        return last

    def fault(self, *options):
        """mpc-driver fault; a node that it started again has another pid."""
        done = run(*self.command("fault", *options))
        state = self.state()
        for member, now in zip(self.members, state["nodes"]):
            if member["pid"] != now["pid"]:
                member.update(now)
                watch(member["pid"])
        for process in [*filter(None, [state["postgres"]]), *state["etcd"]]:
            watch(process["pid"])
        if done.returncode:
            raise RuntimeError(f"mpc-driver fault {' '.join(map(str, options))}: {done.stderr.strip()}")

    def state(self):
        """What the driver says of all that it started."""
        return json.loads((self.folder / "state.json").read_text())

    def dead(self):
        """Nodes that should run and do not, in words."""
        return [f"node {m['id']} (pid {m['pid']}) has ended: {Path(m['log']).read_text()[-300:].strip()}"
                for m in self.members if start_time(m["pid"]) != m["start_time"]]

    def down(self):
        done = run(self.driver, "down", "--dir", self.folder)
        if done.returncode:
            raise RuntimeError(f"mpc-driver down: {done.stderr.strip()}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(RuntimeError, subprocess.SubprocessError):
            self.down()


class Shapes(Process):
    """mpc-shapes, which waits for go()."""

    def __init__(self, programs, folder, times=200, seed=1, name="shapes", program="mpc-shapes"):
        folder = Path(folder)
        self.truth_file = folder / f"{name}.json"
        super().__init__(Path(programs) / program, "--times", times, "--seed", seed, "--truth", self.truth_file,
                         log=folder / f"{name}.log", env={"NODE_ID": name})
        self.until_said(r"(?m)^ready ")

    def go(self):
        self.child.send_signal(signal.SIGUSR1)

    def finish(self, seconds=120):
        status = self.child.wait(seconds)
        if status:
            raise RuntimeError(f"mpc-shapes ended with {status}: {self.said()[-300:]}")
        return json.loads(self.truth_file.read_text())


# ---- traces of an agent ----------------------------------------------------------

def changed_code(pid, program):
    """Places where a process's code is not what its file says: probes that stayed, in words."""
    changed, whole = [], Path(program).read_bytes()
    with open(f"/proc/{pid}/mem", "rb") as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            words = line.split()
            if len(words) < 6 or "x" not in words[1] or words[5] != str(Path(program).resolve()):
                continue
            begin, end = (int(word, 16) for word in words[0].split("-"))
            offset = int(words[2], 16)
            memory.seek(begin)
            code = memory.read(end - begin)
            file = whole[offset:offset + len(code)]
            changed += [f"pid {pid}: offset {offset + at:#x} is {code[at]:#04x}, not {file[at]:#04x}"
                        for at in range(len(file)) if code[at] != file[at]] if code[:len(file)] != file else []
    return changed


def kernel_objects(pid):
    """{("prog" | "map" | "link", id)} that a process holds, as its open files say."""
    held = set()
    for info in Path(f"/proc/{pid}/fdinfo").iterdir():
        with contextlib.suppress(OSError):
            held |= {(kind, int(number))
                     for kind, number in re.findall(r"(?m)^(prog|map|link)_id:\s*(\d+)", info.read_text())}
    return held


def bpftool(*words):
    """What it answers."""
    done = run(shutil.which("bpftool") or "/usr/sbin/bpftool", "-j", *words)
    if done.returncode:
        raise RuntimeError(f"bpftool {' '.join(map(str, words))}: {(done.stderr or done.stdout).strip()}")
    return json.loads(done.stdout or "null")


def loaded(pid, kind):
    """{name: number} of the programs ("prog") or tables ("map") that a process has loaded."""
    return {bpftool(kind, "show", "id", number)["name"]: number for what, number in kernel_objects(pid) if what == kind}


def remaining(held):
    """Those of the objects that the kernel still has."""
    return held & {(kind, item["id"]) for kind in ("prog", "map", "link") for item in bpftool(kind, "show") or ()}
