# SPDX-License-Identifier: BSD-2-Clause
"""Programs that the demo starts, each in a session of its own: a Ctrl-C does not reach them."""

import contextlib
import http.client
import socket
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
TIMEOUT = 10


class Failed(RuntimeError):
    """One sentence that says why something does not run."""


def begin(command, log, env=None):
    with open(log, "w", encoding="utf-8") as out:
        return subprocess.Popen([str(word) for word in command], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out,
                                stderr=subprocess.STDOUT, start_new_session=True, env=env)


def end(process, limit):
    """SIGTERM, and SIGKILL if that is not enough: True then."""
    if process.poll() is not None:
        return False
    process.terminate()
    try:
        process.wait(limit)
        return False
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return True


def last_lines(path, n=8):
    with contextlib.suppress(OSError):
        return "".join(f"\n    {line}" for line in Path(path).read_text(encoding="utf-8").splitlines()[-n:])
    return ""


def free_addresses(*ports):
    """An address of loopback for each: with that port or, where it is taken, another."""
    with contextlib.ExitStack() as held:  # until all are found, so that none is found twice
        return [_free_address(port, held) for port in ports]


def _free_address(port, held):
    for wanted in (port, 0):
        probe = held.enter_context(socket.socket())
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, wanted))
        except OSError:
            continue
        return f"{HOST}:{probe.getsockname()[1]}"
    raise Failed(f"no port of {HOST} is free")


def request(address, path, method="GET", body=None):
    """(status, text) of what a local server answers; never by way of a proxy."""
    connection = http.client.HTTPConnection(address, timeout=TIMEOUT)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def until_it_answers(what, process, address, path, log, limit):
    """Waits for status 200, or says why it does not come."""
    limit = time.monotonic() + limit
    while True:
        if process.poll() is not None:
            raise Failed(f"{what} ended with status {process.returncode}:{last_lines(log)}")
        try:
            status, said = request(address, path)
            if status == 200:
                return
        except (OSError, http.client.HTTPException) as error:
            said = str(error)
        if time.monotonic() > limit:
            raise Failed(f"{what} does not answer: {said.strip()}{last_lines(log)}")
        time.sleep(0.1)
