#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The images: built by buildah from the Dockerfiles, and the agent of the image run over nodes of the other one.

There is no registry here: Debian comes from mmdebstrap, with what scripts/setup would install already in it, and the
example of a node's image is built over a toolchain that stands in for Rust's and gives out the test cluster's node.
No container engine runs: the agent runs as one would run it, in the image as its root, which is read-only, with the
seven capabilities and no way to more; it reads packs through the node, as a sidecar does, and agrees with the books.
"""
# must-run-on-reference
# timeout: 1500

import json
import os
import re
import shutil
import sys
import time
from pathlib import Path

import live
import root
import tools
from books import Scrape, compare

PROGRAMS = ("buildah", "mmdebstrap", "capsh")
BASE = "docker.io/library/debian:bookworm-slim"
RIGHTS = ("bpf", "perfmon", "sys_ptrace", "dac_read_search", "lease", "setuid", "setgid")
DOCKERFILES = (live.ROOT / "Dockerfile", live.ROOT / "deploy/image/node.Dockerfile")
SIZE_MAX = 20_000_000  # bytes
LOAD = ("--transactions", 60, "--rate", 60, "--dkgs", 2, "--faults", "all", "--fault-percent", 10, "--settle")


class Buildah:
    """buildah with a store of its own, in which the base stays."""

    def __init__(self, folder):
        words = re.search(r"(?m)^build +(.*)$", live.run(live.ROOT / "scripts/setup", "--list").stdout)[1].split()
        packages = [*(w.split(">=")[0] for w in words), "busybox-static", "ca-certificates"]
        self.folder, self.run_folder = root.archive_folder("image", packages), folder / "run"
        self.made = []
        self("umount", "--all", check=False)  # of a test that was ended
        self("rm", "--all", check=False)
        if self("inspect", "--type=image", BASE, check=False).returncode:
            container = self("from", "scratch").stdout.strip()
            debian = root.archive("image", packages)
            self("add", "--quiet", container, debian, "/")
            self("commit", "--quiet", "--rm", container, BASE)
            debian.unlink()  # the store has it now

    def __call__(self, *words, check=True, seconds=900):
        done = live.run("buildah", "--root", self.folder, "--runroot", self.run_folder, *words, seconds=seconds)
        if check and done.returncode:
            raise RuntimeError(f"buildah {words[0]}: {(done.stdout + done.stderr).strip()[-800:]}")
        return done

    def build(self, tag, *options):
        self("build", "--isolation=chroot", "--pull-never", "--layers", "--format=docker", "--tag", tag, *options)
        self.made.append(tag)

    def inspect(self, tag):
        return json.loads(self("inspect", "--type=image", tag).stdout)

    def mount(self, tag):
        container = self("from", "--pull-never", tag).stdout.strip()
        return Path(self("mount", container).stdout.strip())

    def end(self):
        """Only the base stays: layers of every state of the sources would fill the disk."""
        self("umount", "--all", check=False)
        self("rm", "--all", check=False)
        for tag in self.made:
            self("rmi", "--force", tag, check=False)
        self("rmi", "--prune", check=False)


def check_files(report):
    done = live.run(tools.program("hadolint"), *DOCKERFILES)
    report.check("hadolint has nothing to say", (done.stdout + done.stderr).splitlines() or
                 ([f"status {done.returncode}"] if done.returncode else []))
    faults = []
    for file in DOCKERFILES:
        for name in re.findall(r"(?m)^ARG \w+=(\S+[:/]\S+)$", file.read_text()):
            faults += [] if re.search(r":[\w.-]+$", name) and not name.endswith(":latest") else [f"{name} has no tag"]
    report.check("every base has a tag", faults)


def check_image(report, buildah, mounted):
    image = buildah.inspect("mpc-bpf-agent")
    config = image["Docker"]["config"]
    listed = json.loads(buildah("images", "--json", "mpc-bpf-agent").stdout)[0]
    size = sum(p.lstat().st_size for p in mounted.rglob("*") if p.is_file() and not p.is_symlink())
    report.note(f"the image has {size / 1e6:.1f} MB in {len([p for p in mounted.rglob('*') if p.is_file()])} files; "
                f"buildah says {listed['size']}")
    report.check("it is small", [] if 0 < size < SIZE_MAX else [f"{size} bytes"])
    wanted = {"User": "0:0", "Entrypoint": ["/usr/bin/mpc-bpf-agent"], "Cmd": ["run", "--web.listen-address=:9464"]}
    faults = [f"{name} is {config.get(name)}" for name, value in wanted.items() if config.get(name) != value]
    faults += [] if config.get("Healthcheck") else ["no health check"]
    faults += [] if config["Labels"].get("org.opencontainers.image.revision") == "made-by-test" else ["no revision"]
    shells = [p.name for p in mounted.rglob("*") if p.name in ("sh", "bash", "dash", "apt", "dpkg", "perl")]
    report.check("its configuration; no shell, no package manager", faults + shells)
    said = live.run("chroot", mounted, "/usr/bin/mpc-bpf-agent", "--version")
    report.check("its agent says the revision", [] if "(revision made-by-test)" in said.stdout else [said.stdout + said.stderr])
    libraries = {line.split()[0] for line in live.run("ldd", live.AGENT).stdout.splitlines() if "=>" in line}
    notices = len(list(mounted.glob("usr/share/doc/*/copyright")))
    report.check("every package in it has its licence beside it", [] if notices >= 10 and libraries else [f"{notices} licences"])


def build_node(report, buildah, folder, programs):
    """The example of a node's image, where "cargo build" gives out what cargo has built before."""
    context = folder / "rust"
    context.mkdir()
    shutil.copy(programs / "mpc-node", context)
    (context / "cargo").write_text("#!/bin/sh\nset -e\n[ \"$*\" = 'build --release --locked' ]\n"
                                   "[ \"$CARGO_PROFILE_RELEASE_DEBUG\" = 2 ]\n"
                                   "install -D /opt/mpc-node target/release/mpc-node\n")
    (context / "cargo").chmod(0o755)
    (context / "Dockerfile").write_text(f"FROM {BASE}\nCOPY mpc-node /opt/\nCOPY cargo /usr/local/bin/\n")
    buildah.build("rust:1-bookworm", context)
    buildah.build("mpc-node", "--file", live.ROOT / "deploy/image/node.Dockerfile", "--build-arg", "AGENT=localhost/mpc-bpf-agent",
                  "--build-arg", "RUST=localhost/rust:1-bookworm", context)
    mounted = buildah.mount("mpc-node")
    sections = live.run("readelf", "-SW", mounted / "usr/local/bin/mpc-node").stdout
    faults = [f"it has {s}" for s in (".symtab", ".debug_info") if s in sections]
    faults += [] if (mounted / "usr/lib/mpc-bpf-agent/packs/mpc-node.pack").is_file() else ["it has no pack"]
    user = buildah.inspect("mpc-node")["Docker"]["config"]["User"]
    report.check("a node's image has the stripped node and its pack, and does not run as root",
                 faults + ([] if user == "10001:10001" else [f"user {user}"]))
    return mounted


class Contained(live.Agent):
    """The agent of a mounted image, as a container would run it."""

    def __init__(self, folder, image, *options):
        keep = {f"cap_{r}" for r in RIGHTS}
        names = re.findall(r"cap_\w+", live.run("capsh", "--print").stdout.partition("Bounding set =")[2].splitlines()[0])
        drop = ",".join(n for n in names if n not in keep)
        script = ('set -e; mount --make-rprivate /; mount --bind "$1" "$1"; mount -t proc proc "$1/proc"; '
                  'mount --rbind -o ro /sys "$1/sys"; mount -o remount,bind,ro "$1"; root=$1 drop=$2; shift 2; '
                  'exec capsh --chroot="$root" --drop="$drop" --inh= --no-new-privs --shell=/usr/bin/mpc-bpf-agent -- "$@"')
        live.Process.__init__(self, "unshare", "--mount", "bash", "-c", script, "bash", image, drop, "run",
                              "--web.listen-address", "127.0.0.1:0", *options, log=Path(folder) / "contained.log")
        self.wait_serving()


def check_alive(report, folder, programs, agent_image, node_image, health):
    """@health: the command of the image's health check."""
    node = node_image / "usr/local/bin/mpc-node"
    with live.Cluster(programs, folder / "cluster", nodes=3, threshold=2, node=node) as cluster:
        packs = f"/proc/{cluster.members[0]['pid']}/root{node_image}/usr/lib/mpc-bpf-agent/packs"
        exe = f"/proc/{cluster.members[0]['pid']}/exe"  # other tests may run nodes, too
        with Contained(folder, agent_image, "--pack", packs, "--exe", exe) as agent:
            status = dict(re.findall(r"(?m)^(\w+):\s+(.*)$", Path(f"/proc/{agent.pid}/status").read_text()))
            faults = [] if bin(int(status["CapEff"], 16)).count("1") == len(RIGHTS) and status["CapEff"] == status["CapBnd"] \
                else [f"it may {status['CapEff']}"]
            faults += [] if status["NoNewPrivs"] == "1" else ["it could get more"]
            faults += [] if os.readlink(f"/proc/{agent.pid}/root") == str(agent_image) else ["the image is not its root"]
            try:
                Path(f"/proc/{agent.pid}/root/tmp/x").write_text("")
                faults += ["its file system can be written"]
            except OSError as error:
                faults += [] if error.errno == 30 else [str(error)]
            report.check("it runs read-only, with seven capabilities and no way to more", faults)
            report.check("it has found the nodes by the pack of their image", [] if re.search(
                r"resolved from [^;]*mpc-node\.pack in .* ready, 0 partial, 0 refused, 0 functions absent", agent.said()) else [agent.said()[-500:]])
            cluster.load(*LOAD)
            cluster.quiet()
            page, truths = cluster.look(agent)
            report.check("it agrees with the nodes' books", compare(Scrape(page), truths).differences)
            done = live.run("chroot", agent_image, health[0], *health[1:-1], f"http://{agent.address}/healthz")
            report.check("its health check answers", [] if done.returncode == 0 and done.stdout.strip() == "ok" else [done.stdout + done.stderr])


def main():
    report = live.Report()
    for program in PROGRAMS:
        if not shutil.which(program):
            report.skip("the images", f"{program} is missing; scripts/setup ship brings it")
            return 0
    live.need_root(report, "the images")
    with report.part("the Dockerfiles"):
        check_files(report)
    folder = live.scratch()
    with report.part("the images"), root.locked("image-store"):
        began = time.monotonic()
        buildah = Buildah(folder)
        try:
            report.note(f"the base is there after {time.monotonic() - began:.0f} s")
            buildah.build("mpc-bpf-agent", "--build-arg", "REVISION=made-by-test", live.ROOT)
            mounted = buildah.mount("mpc-bpf-agent")
            check_image(report, buildah, mounted)
            programs = live.built("thin", folder)
            check_alive(report, folder, programs, mounted, build_node(report, buildah, folder, programs),
                        buildah.inspect("mpc-bpf-agent")["Docker"]["config"]["Healthcheck"]["Test"][1:])
        finally:
            buildah.end()
    return report.status()


if __name__ == "__main__":
    sys.exit(main())
