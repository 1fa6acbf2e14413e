#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The agent on a host: make install, the manual page, completion, the systemd unit and the Debian package.

The package is installed into a Debian of its own, without systemd running as in a container, and that
Debian is booted: the real systemd starts the real unit with its user, rights and sandbox, and the agent
sees nodes that another user runs from a private file below /tmp, and holds the lease that CAP_LEASE is for.
Then each of its other rights is taken away by itself, to see that it needs them all.
"""
# must-run-on-reference
# timeout: 900

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import live
import root

RIGHTS = ("bpf", "perfmon", "sys_ptrace", "dac_read_search", "lease")
CAP_NUMBERS = {"bpf": 39, "perfmon": 38, "sys_ptrace": 19, "dac_read_search": 2, "lease": 28}
NODE_USER, AGENT_USER = 64001, 64002
PROGRAMS = ("dpkg-deb", "dpkg-shlibdeps", "lintian", "mandoc", "systemd-analyze", "systemd-nspawn", "mmdebstrap",
            "setpriv")
EXPOSURE = 28  # tenths; what systemd-analyze security says may not become worse
MANUAL = live.ROOT / "docs" / "man" / "mpc-bpf-agent.1"


def said(done):
    return (done.stdout + done.stderr).strip().splitlines()


# ---- manual page and completion -----------------------------------------------------

def help_options():
    """{option: its argument, or nothing} of --help."""
    text = live.run(live.AGENT, "--help").stdout
    return {m[1]: bool(m[2]) for m in re.finditer(r"(?m)^ +(?:-\w, )? *(--[a-z.-]+)( [A-Z|]+)?", text)}


def manual_options():
    """The same of the manual page's lists."""
    options = {}
    for line in re.findall(r"(?m)^\.It (Fl .*)", MANUAL.read_text()):
        name = re.search(r"-([a-z][a-z.-]+)", line)
        options["--" + name[1]] = " Ar " in line
    return options


def check_manual(report):
    done = live.run("mandoc", "-T", "lint", "-W", "style", MANUAL)
    # That other pages are not installed here says nothing about this one.
    faults = [line for line in said(done) if "outdated mandoc.db" not in line and "referenced manual not found" not in line]
    report.check("mandoc has nothing to say about the manual page", faults)
    shown, written = help_options(), manual_options()
    report.check("the manual page has the options of --help, with their arguments",
                 (["no option read from --help"] if len(shown) < 15 else []) +
                 [f"{name}: --help {shown.get(name, 'does not know it')}, manual {written.get(name, 'does not know it')}"
                  for name in sorted({**shown, **written}) if shown.get(name) != written.get(name)])


COMPLETE = r"""
source /usr/share/bash-completion/bash_completion
source "$1"; shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE=$* COMP_POINT=${#COMP_LINE} COMP_TYPE=9
_mpc_bpf_agent "$1" "${@: -1}" "${@: -2:1}"
printf '%s\n' "${COMPREPLY[@]}"
"""


def check_completion(report):
    file = live.ROOT / "deploy" / "completion" / "mpc-bpf-agent.bash"
    short = os.path.relpath(live.ROOT / "profiles") + "/"

    def complete(*words):
        done = live.run("bash", "-c", COMPLETE, "bash", file, live.AGENT, *words)
        return sorted(done.stdout.split()) if done.returncode == 0 and not done.stderr else [done.stderr.strip()]
    wanted = {
        ("",): ["check", "pack", "probes", "run"], ("p",): ["pack", "probes"],
        ("--",): sorted(help_options()), ("run", "--no"): ["--node-id"],
        ("--log.level", ""): ["debug", "error", "info", "warn"], ("--log.format=", "j"): None,
        ("--log.format", "j"): ["json"], ("--profile", "mpc"): ["mpc-node"],
        ("check", short + "mpc"): [short + "mpc-node.yaml"],
        ("--exe", short): sorted(short + p.name for p in (live.ROOT / "profiles").iterdir()),
        ("--web.max-requests", ""): [],
    }
    report.check("bash completes commands, options and their arguments",
                 [f"{' '.join(words)}: {found}" for words, right in wanted.items() if right is not None
                  for found in [complete(*words)] if found != right])


# ---- make install and the unit -----------------------------------------------------------

def make(*words):
    return live.run("env", "-u", "MAKEFLAGS", "make", "--no-print-directory", "-C", live.ROOT, *words)


def check_install(report, folder):
    dest = folder / "dest"
    (dest / "etc/default").mkdir(parents=True)
    (dest / "etc/default/mpc-bpf-agent").write_text("# mine\n")
    done = make("install", f"DESTDIR={dest}", "PREFIX=/opt/agent")
    faults = said(done) if done.returncode else []
    for name, mode in {"bin/mpc-bpf-agent": 0o755, "share/man/man1/mpc-bpf-agent.1": 0o644,
                       "share/bash-completion/completions/mpc-bpf-agent": 0o644,
                       "lib/systemd/system/mpc-bpf-agent.service": 0o644,
                       "lib/systemd/system/mpc-bpf-agent.socket": 0o644,
                       "share/doc/mpc-bpf-agent/copyright": 0o644}.items():
        file = dest / "opt/agent" / name
        faults += [f"{name} is not there"] if not file.is_file() else \
            [f"{name}: mode {file.stat().st_mode & 0o777:o}"] if file.stat().st_mode & 0o777 != mode else []
    faults += [] if (dest / "usr/lib/mpc-bpf-agent/packs").is_dir() else ["no folder for packs"]
    faults += [] if (dest / "etc/default/mpc-bpf-agent").read_text() == "# mine\n" else ["/etc/default was overwritten"]
    unit = (dest / "opt/agent/lib/systemd/system/mpc-bpf-agent.service").read_text()
    faults += [] if "\nExecStart=/opt/agent/bin/mpc-bpf-agent " in unit else ["the unit starts another program"]
    strange = live.run(dest / "opt/agent/bin/mpc-bpf-agent", "--version")
    faults += [] if strange.returncode == 0 else ["the program does not run"]
    report.check("make install puts everything below DESTDIR and PREFIX, and spares /etc/default", faults)
    refused = make("install", f"DESTDIR={dest}", "PREFIX=opt")
    report.check("a relative PREFIX is refused", [] if refused.returncode and "must begin with a slash" in refused.stderr
                 else [f"status {refused.returncode}: {refused.stderr.strip()}"])
    here = folder / "mpc-bpf-agent.service"  # it looks whether the program is there
    here.write_text(unit.replace("/opt/agent/", f"{dest}/opt/agent/"))
    socket = shutil.copy(live.ROOT / "deploy/systemd/mpc-bpf-agent.socket", folder)  # and whether there is its service
    done = live.run("systemd-analyze", "verify", "--man=no", here, socket)
    report.check("systemd-analyze verify", [line for line in said(done) if "mpc-bpf-agent" in line] or
                 (said(done) if done.returncode else []))
    done = live.run("systemd-analyze", "security", "--offline=yes", f"--threshold={EXPOSURE}",
                    live.ROOT / "deploy/systemd/mpc-bpf-agent.service")
    level = re.search(r"exposure level for \S+: ([\d.]+ \w+)", done.stdout)
    report.note(f"systemd-analyze security: {level[1] if level else 'says nothing'}")
    report.check("systemd-analyze security", said(done)[-1:] if done.returncode or not level else [])


# ---- the Debian package ---------------------------------------------------------------------

def check_package(report, folder):
    """The file of the package."""
    done = make("deb")
    made = re.search(r"(build/mpc-bpf-agent_\S+\.deb), (\d+) bytes", done.stdout)
    if not report.check("make deb", [] if done.returncode == 0 and made else said(done)[-5:]):
        return None
    package = folder / Path(made[1]).name
    shutil.copy(live.ROOT / made[1], package)
    time.sleep(1.1)
    make("deb")
    report.check("made again it is the same, byte for byte",
                 [] if (live.ROOT / made[1]).read_bytes() == package.read_bytes() else ["it is another"])
    done = live.run("lintian", "--allow-root", "--fail-on", "error,warning", "--tag-display-limit", "0",
                    "--display-info", package)
    # Meant: a folder that packs are put into, and no script for another init.
    meant = ("package-contains-empty-directory", "package-supports-alternative-init-but-no-init.d-script")
    faults = [line for line in said(done) if re.match(r"[EWI]:", line) and not any(tag in line for tag in meant)]
    report.check("lintian has nothing to say about it", faults + (said(done)[-1:] if done.returncode else []))
    words = " ".join((live.ROOT / "LICENSE").read_text().split("\n\n", 2)[2].split("The BPF programs")[0].split())
    notice = " ".join(re.sub(r"(?m)^ \.?", "", (live.ROOT / "deploy/debian/copyright").read_text()).split())
    report.check("its copyright file has the licence word by word", [] if words in notice else ["LICENSE says otherwise"])
    report.note(f"{made[1]}: {int(made[2]) // 1024} KiB")
    return package


class Container:
    """A Debian that its own systemd runs."""

    def __init__(self, folder, log):
        self.folder = folder
        self.nspawn = live.Process("systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--settings=no", "--boot",
                                   "--private-network", "--capability=all", "--system-call-filter=bpf perf_event_open",
                                   "-D", folder, log=log)
        self.leader = live.wait_for("systemd of the container", self._leader)
        live.wait_for("the container has booted", lambda: self.run("systemctl", "is-system-running").stdout.strip()
                      in ("running", "degraded"), seconds=90, every=0.3)

    def _leader(self):
        for pid in Path(f"/proc/{self.nspawn.pid}/task/{self.nspawn.pid}/children").read_text().split():
            with contextlib.suppress(OSError):
                if Path(f"/proc/{pid}/comm").read_text().strip() == "systemd":
                    return pid
        return None

    def run(self, *words, **more):
        return live.run("nsenter", "-t", self.leader, "-a", *words, **more)

    def as_user(self, user, *words):
        return self.run("setpriv", "--reuid", user, "--regid", user, "--clear-groups", "env", "HOME=/tmp", *words)

    def get(self, address, path):
        """What a server in the container answers."""
        ask = ("import sys, urllib.request as u\n"
               "print(u.build_opener(u.ProxyHandler({})).open(sys.argv[1], timeout=60).read().decode())")
        return live.run("nsenter", "-t", self.leader, "-n", sys.executable, "-c", ask, f"http://{address}{path}").stdout

    def unit(self, name):
        return self.run("systemctl", "show", "-P", name, "mpc-bpf-agent.service").stdout.strip()

    def stop(self):
        self.run("systemctl", "poweroff", "--force", "--force")
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.nspawn.child.wait(10)


def check_without_systemd(report, debian, package):
    shutil.copy(package, debian / "agent.deb")
    done = live.run("chroot", debian, "dpkg", "-i", "/agent.deb")
    faults = said(done) if done.returncode else []
    links = debian / "etc/systemd/system/multi-user.target.wants/mpc-bpf-agent.service"
    faults += [] if links.is_symlink() else ["the service is not enabled"]
    faults += [line for line in said(done) if re.search("(?i)fail|error|warn", line)]
    report.check("it is installed where systemd does not run, enabled and not started", faults)
    owner = [p for p in ("usr/bin/mpc-bpf-agent", "usr/share/man/man1/mpc-bpf-agent.1.gz")
             if (debian / p).stat().st_uid != 0]
    report.check("its files are root's", owner)


def check_service(report, container, programs, folder):
    """The unit under the real systemd."""
    state = live.wait_for("the service has started", lambda: container.unit("ActiveState") == "active" and
                          container.get("127.0.0.1:9464", "/healthz"))
    pid = container.unit("MainPID")
    status = container.run("cat", f"/proc/{pid}/status").stdout
    fields = dict(re.findall(r"(?m)^(\w+):\s+(.*)$", status))
    rights = sum(1 << CAP_NUMBERS[r] for r in RIGHTS)
    faults = [] if state else ["it is not active"]
    faults += [f"{name} is {fields.get(name)}" for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")
               if int(fields.get(name, "0"), 16) != rights]
    faults += [f"{name} is {fields.get(name)}" for name, right in {"NoNewPrivs": "1", "Seccomp": "2"}.items()
               if fields.get(name) != right]
    faults += ["it runs as root"] if fields.get("Uid", "0").split()[0] == "0" else []
    report.check("systemd starts it as a user of its own, with the five rights and no others", faults)

    place = container.folder / "srv" / "wallet"
    shutil.copytree(programs, place)
    for path in (place, *place.iterdir()):
        os.chown(path, NODE_USER, NODE_USER)
        path.chmod(0o700)
    # /tmp of the container is a file system that its systemd has mounted.
    container.run("cp", "-a", "/srv/wallet", "/tmp/wallet")
    done = container.as_user(NODE_USER, "/tmp/wallet/mpc-driver", "up", "--node", "/tmp/wallet/mpc-node", "--dir",
                             "/tmp/cluster", "--nodes", "3", "--threshold", "2")
    if done.returncode:
        raise RuntimeError(f"mpc-driver up: {done.stderr.strip()}")
    up = lambda: set(re.findall(r'(?m)^mpc_bpf_agent_target_up\{[^}]*node_id="([^"]*)"[^}]*\} 1$',
                                container.get("127.0.0.1:9464", "/metrics")))
    live.wait_for("the nodes are seen", lambda: len(up()) == 3, 90)
    report.check("it names the nodes that another user runs from a private file in /tmp",
                 [] if up() == {"1", "2", "3"} else [f"nodes {sorted(up())}"])
    done = container.as_user(NODE_USER, "/tmp/wallet/mpc-driver", "load", "--dir", "/tmp/cluster", "--transactions", "40",
                             "--rate", "40")
    load = json.loads(done.stdout) if done.returncode == 0 else {}
    text = container.get("127.0.0.1:9464", "/metrics")
    votes = sum(int(n) for n in re.findall(r"(?m)^mpc_votes_total\{.*\} (\d+)$", text))
    lost = sum(int(n) for n in re.findall(r"(?m)^mpc_bpf_agent_calls_lost_total\{.*\} (\d+)$", text))
    report.check("and counts what they do", ([] if load else [done.stderr.strip()]) +
                 ([] if votes >= 40 and not lost else [f"{votes} votes, {lost} lost"]))
    journal = container.run("journalctl", "-u", "mpc-bpf-agent", "-o", "cat").stdout
    (folder / "journal").write_text(journal)
    report.check("nothing is refused to it", [line for line in journal.splitlines() if re.search(
        r"level=(warn|error)|not permitted|Permission denied", line)])
    held = container.run("cat", "/proc/locks").stdout
    report.check("a writer of the executable would wait for it",
                 [] if re.search(rf"LEASE\s+ACTIVE\s+READ\s+{pid}\b", held) else ["it holds no lease"])


def check_socket(report, container):
    """With the port in systemd's hands, a scrape that comes while the agent is away waits and is answered."""
    container.as_user(NODE_USER, "/tmp/wallet/mpc-driver", "down", "--dir", "/tmp/cluster")  # nothing to attach to
    (container.folder / "etc/default/mpc-bpf-agent").write_text('ARGS="--web.systemd-socket"\n')
    faults = []
    for words in (("stop", "mpc-bpf-agent.service"), ("enable", "--now", "mpc-bpf-agent.socket"),
                  ("start", "mpc-bpf-agent.service")):
        done = container.run("systemctl", *words)
        faults += said(done) if done.returncode else []
    first = container.unit("MainPID")
    holders = live.run("nsenter", "-t", container.leader, "-n", "ss", "-Hltnp", "sport = :9464").stdout
    faults += [] if re.search(r'\("systemd",.*\("mpc-bpf-agent",|\("mpc-bpf-agent",.*\("systemd",', holders) else \
        [f"who listens: {holders.strip()}"]
    report.check("systemd hands its socket to the agent", faults)
    container.run("systemctl", "kill", "--signal=KILL", "mpc-bpf-agent.service")
    text = container.get("127.0.0.1:9464", "/metrics")  # from before systemd starts the next one, after RestartSec=
    faults = [] if 'mpc_bpf_agent_build_info{' in text else [f"/metrics: {text[:200]!r}"]
    again = container.unit("MainPID")
    faults += [] if again not in (first, "0") else [f"the agent is pid {again}, and was {first}"]
    report.check("a scrape waits while the agent is away", faults)


def check_removal(report, container):
    done = container.run("dpkg", "-r", "mpc-bpf-agent", seconds=120)
    faults = said(done) if done.returncode else []
    faults += [] if container.unit("ActiveState") == "inactive" else [f"it is {container.unit('ActiveState')}"]
    faults += [f"{f} stays" for f in ("usr/bin/mpc-bpf-agent", "lib/systemd/system/mpc-bpf-agent.service",
                                      "lib/systemd/system/mpc-bpf-agent.socket")
               if (container.folder / f).exists()]
    faults += [] if (container.folder / "etc/default/mpc-bpf-agent").exists() else ["its flags are gone"]
    report.check("removed, it has stopped, and only its flags stay", faults)
    done = container.run("dpkg", "-P", "mpc-bpf-agent")
    left = [str(p.relative_to(container.folder)) for d in ("etc", "usr", "lib", "var/lib/systemd")
            for p in (container.folder / d).rglob("*mpc-bpf-agent*") if "preferences.d" not in p.parts]
    report.check("purged, nothing stays", left + (said(done) if done.returncode else []))


def check_debian(report, folder, package, programs):
    control = live.run("dpkg-deb", "-f", package, "Depends").stdout
    depends = re.findall(r"([a-z0-9][a-z0-9.+-]+)(?: \([^)]*\))?(?:,|$)", control.strip())
    debian = folder / "debian"
    services = ["etcd-server", "postgresql"]  # the nodes' own, which mpc-driver starts
    root.unpack(root.archive("systemd", ["systemd", "systemd-sysv", "dbus", *services, *depends]), debian)
    for unit in ("etcd.service", "postgresql.service"):
        (debian / "etc/systemd/system" / unit).symlink_to("/dev/null")
    with open(debian / "etc/passwd", "a", encoding="utf-8") as users:
        users.write(f"wallet:x:{NODE_USER}:{NODE_USER}::/tmp:/bin/sh\n")  # initdb wants a name for who it runs as
    check_without_systemd(report, debian, package)
    container = Container(debian, folder / "nspawn.log")
    try:
        check_service(report, container, programs, folder)
        check_socket(report, container)
        check_removal(report, container)
    finally:
        container.stop()


# ---- the least rights --------------------------------------------------------------------------

def with_rights(agent, rights, *options):
    """The agent as another user with these rights alone."""
    inherited = ",".join(["-all", *(f"+{r}" for r in rights)])
    return live.run("setpriv", "--reuid", AGENT_USER, "--regid", AGENT_USER, "--clear-groups", "--no-new-privs",
                    "--inh-caps", inherited, "--ambient-caps", inherited, "--bounding-set", inherited,
                    agent, "--config.check", "--web.listen-address", "127.0.0.1:0", *options)


def check_rights(report, programs, folder):
    os.chmod(folder, 0o755)
    place = folder / "private"
    shutil.copytree(programs, place)
    for path in (place, *place.iterdir()):
        os.chown(path, NODE_USER, NODE_USER)
        path.chmod(0o700)
    stated = re.search(r"(?m)^AmbientCapabilities=(.*)$",
                       (live.ROOT / "deploy/systemd/mpc-bpf-agent.service").read_text())[1].lower().split()
    report.check("the unit gives the rights that are tried here",
                 [] if stated == [f"cap_{r}" for r in RIGHTS] else [f"it gives {stated}"])
    agent = folder / "agent-for-all"  # the clone may lie where another user may not enter
    shutil.copy(live.AGENT, agent)
    with live.Cluster(place, folder / "cluster", nodes=2, threshold=2) as cluster:
        exe = ("--exe", cluster.node)
        done = with_rights(agent, RIGHTS, *exe)
        report.check("with the five it names all nodes", [] if done.returncode == 0 and
                     len(re.findall(r'msg="node [12] is pid', done.stderr)) == 2 else said(done)[-4:])
        faults = []
        for missing in RIGHTS[:4]:
            done = with_rights(agent, [r for r in RIGHTS if r != missing], *exe)
            named = len(re.findall(r'msg="node [12] is pid', done.stderr))
            faults += [f"without {missing} it names {named}"] if named else []
            if missing in ("bpf", "perfmon"):
                faults += [] if done.returncode and f"CAP_{missing.upper()}" in done.stderr else \
                    [f"without {missing} it says {said(done)[-1:]}"]
        report.check("without any one of the first four it names none", faults)
        done = with_rights(agent, RIGHTS, "--program-stats", *exe)
        report.check("--program-stats asks for one more by its name",
                     [] if done.returncode and "CAP_SYS_ADMIN" in done.stderr else said(done)[-1:])


def main():
    report = live.Report()
    for program in PROGRAMS:
        if not shutil.which(program):
            report.skip("the agent on a host", f"{program} is missing; scripts/setup ship brings it")
            return 0
    live.need_root(report, "the agent on a host")
    folder = live.scratch()
    with report.part("the manual page and completion"):
        check_manual(report)
        check_completion(report)
    with report.part("make install"):
        check_install(report, folder)
    package = None
    with report.part("the package"):
        package = check_package(report, folder)
    programs = live.built("thin", folder)
    with report.part("the package, installed"):
        if package:
            check_debian(report, folder, package, programs)
    with report.part("the least rights"):
        check_rights(report, programs, folder)
    return report.status()


if __name__ == "__main__":
    sys.exit(main())
