# SPDX-License-Identifier: BSD-2-Clause
"""Debian roots for the tests that install something: made once by mmdebstrap of this machine's own
Debian release, kept as an archive outside of the clone under a name made of what is in it."""

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import live

OLD = 14 * 86400  # seconds after which an archive that nothing has used is removed
BACKPORTS_PIN = Path("/etc/apt/preferences.d/mpc-bpf-agent-backports")


def cache():
    """The folder for what tests keep; build/ where nothing else can be written."""
    folder = Path(os.environ.get("MPC_BPF_AGENT_CACHE", "/var/cache/mpc-bpf-agent"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        pass
    return folder if os.access(folder, os.W_OK) else live.ROOT / "build"


@contextlib.contextmanager
def locked(name):
    with open(cache() / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def sources():
    """This machine's code name, and its apt sources of Debian itself, as lines of sources.list."""
    code = re.search(r"^VERSION_CODENAME=(\w+)", Path("/etc/os-release").read_text(), re.M)[1]
    wanted = (code, f"{code}-updates", f"{code}-backports", f"{code}-security")
    done = live.run("apt-get", "indextargets", "--no-release-info", "--format",
                    "$(REPO_URI)|$(CODENAME)|$(SUITE)|$(RELEASE)|$(COMPONENT)|$(LABEL)", "Created-By: Packages")
    lines = {f"deb {uri.rstrip('/')} {release} main": None
             for uri, _, _, release, component, label in (line.split("|") for line in done.stdout.splitlines())
             if release in wanted and component == "main"}
    return code, list(lines)


def _key(kind, packages):
    return hashlib.sha256(repr((kind, sources()[0], sorted(packages))).encode()).hexdigest()[:16]


def _forget_old():
    for old in (*cache().glob("root-*.tar"), *cache().glob("store-*")):
        if time.time() - old.stat().st_mtime > OLD:
            shutil.rmtree(old, ignore_errors=True) if old.is_dir() else old.unlink(missing_ok=True)


def archive(kind, packages):
    """A tar file of a small Debian with those packages in it."""
    code, lines = sources()
    path = cache() / f"root-{kind}-{_key(kind, packages)}.tar"
    with locked(f"root-{kind}"):
        if not path.exists():
            new = path.with_suffix(".new")
            pin = [f"--setup-hook=copy-in {BACKPORTS_PIN} /etc/apt/preferences.d"] if BACKPORTS_PIN.exists() else []
            done = live.run("mmdebstrap", "--variant=apt", "--quiet", "--format=tar", f"--include={','.join(packages)}",
                            *pin, code, new, "-", input="\n".join(lines) + "\n", seconds=900)
            if done.returncode:
                raise RuntimeError(f"mmdebstrap: {done.stderr.strip()[-500:]}")
            new.rename(path)
        os.utime(path)
        _forget_old()
    return path


def archive_folder(kind, packages):
    """A folder for what is made of that archive, kept as long."""
    folder = cache() / f"store-{kind}-{_key(kind, packages)}"
    folder.mkdir(exist_ok=True)
    os.utime(folder)
    return folder


def unpack(path, folder):
    Path(folder).mkdir(parents=True)
    subprocess.run(["tar", "-x", "-f", str(path), "-C", str(folder)], check=True, timeout=300)
