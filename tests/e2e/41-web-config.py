#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What the agent serves, protected: --web.config.file with a real Prometheus that scrapes over TLS
with a client certificate and a password, with curl for all that must be refused, and with promtool,
which must find the same files valid and invalid as the agent does.

Certificates are exchanged while scrapes go on: none of them fails, and the new certificate is the
one that is shown. A file that breaks is told once, and nothing is served until it is whole again.
Sockets and words as a service manager hands them over and takes them.
"""
# must-run-on-reference
# timeout: 240

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse

import live

# "secret"; a cost that is quick, and one that is usual.
QUICK = "$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"
USUAL = "$2b$10$zM9X37Kt8Yd0afNO63iW/ePpsMcMBTCWUw8b1Jg39KQG036AiQEFq"
MUTUAL = """tls_server_config:
  cert_file: server.pem
  key_file: server.key
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: ca.pem
basic_auth_users:
  prometheus: {hash}
"""


# ---- certificates ------------------------------------------------------------------

class Certificates:
    """A folder with an authority and what it has signed."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        self.made("ca", "-x509", "-days", "2")
        self.made("other-ca", "-x509", "-days", "2")
        self.sign("server", "serverAuth")
        self.sign("client", "clientAuth")
        self.sign("stranger", "clientAuth", "other-ca")

    def made(self, name, *more):
        done = live.run("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                        self.folder / f"{name}.key", "-out", self.folder / f"{name}.pem", "-subj", f"/CN={name}", *more)
        if done.returncode:
            raise RuntimeError(f"openssl: {done.stderr}")

    def sign(self, name, use, by="ca"):
        """A new key and certificate, in the place of those before: first the one, then the other."""
        new = f"{name}.new"
        self.made(new)
        (self.folder / "extensions").write_text(
            f"extendedKeyUsage={use}\nsubjectAltName=DNS:{name}.example,DNS:localhost,IP:127.0.0.1\n")
        done = live.run("openssl", "x509", "-req", "-in", self.folder / f"{new}.pem", "-CA", self.folder / f"{by}.pem",
                        "-CAkey", self.folder / f"{by}.key", "-CAcreateserial", "-days", "2", "-extfile",
                        self.folder / "extensions", "-out", self.folder / f"{new}.crt")
        if done.returncode:
            raise RuntimeError(f"openssl: {done.stderr}")
        os.replace(self.folder / f"{new}.crt", self.folder / f"{name}.pem")
        os.replace(self.folder / f"{new}.key", self.folder / f"{name}.key")

    def write(self, text):
        """The web configuration, exchanged in one step."""
        new = self.folder / "web.new"
        new.write_text(text)
        os.replace(new, self.folder / "web.yml")
        return self.folder / "web.yml"


class WebAgent(live.Process):
    """An agent with a web configuration; it watches nobody in particular."""

    def __init__(self, folder, config, *options, name="agent"):
        super().__init__(live.AGENT, "--web.listen-address", "127.0.0.1:0", "--web.config.file", config, *options,
                         log=folder / f"{name}.log")
        found = self.until_said(r"serving (https?)://(127\.0\.0\.1:\d+)/")
        self.scheme, self.address = found[1], found[2]

    def url(self, path="/metrics"):
        return f"{self.scheme}://{self.address}{path}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def curl(agent, certificates, *options, client="client", path="/metrics"):
    """(status, exit status, what curl complains of)."""
    words = ["curl", "-sS", "--noproxy", "*", "-m", "20", "-o", os.devnull, "-w", "%{http_code}",
             "--cacert", certificates.folder / "ca.pem"]
    if client:
        words += ["--cert", certificates.folder / f"{client}.pem", "--key", certificates.folder / f"{client}.key"]
    done = live.run(*words, *options, agent.url(path))
    return int(done.stdout or 0), done.returncode, done.stderr.strip()


# ---- what curl is told ---------------------------------------------------------------

def check_refusals(report, agent, certificates):
    good = ("-u", "prometheus:secret")
    faults = []
    for what, wanted, options, client in (
            ("all in order", 200, good, "client"), ("the page", 200, good, "client"),
            ("a wrong password", 401, ("-u", "prometheus:wrong"), "client"),
            ("an unknown user", 401, ("-u", "nobody:secret"), "client"), ("no password", 401, (), "client"),
            ("another kind of login", 401, ("-H", "Authorization: Bearer x"), "client"),
            ("a body", 400, (*good, "-X", "GET", "-d", "x"), "client"), ("POST", 400, (*good, "-d", "x"), "client"),
            ("TLS 1.2", 200, (*good, "--tls-max", "1.2"), "client"),
            ("TLS 1.1", 0, (*good, "--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0"), "client"),
            ("no certificate", 0, good, None), ("a certificate of another authority", 0, good, "stranger"),
            # In TLS 1.3 a client is done before it hears that it is refused, and may find the connection gone.
            ("no certificate, TLS 1.2", 0, (*good, "--tls-max", "1.2"), None),
            ("a server's certificate", 0, good, "server")):
        status, code, words = curl(agent, certificates, *options, client=client,
                                   path="/" if what == "the page" else "/metrics")
        if status != wanted or bool(code) != (wanted == 0):
            faults.append(f"{what}: {status}, not {wanted} (curl ends with {code}: {words})")
        if what == "no certificate, TLS 1.2" and "alert" not in words:
            faults.append(f"{what}: no alert says why: {words}")
    report.check("curl gets in with all that is asked for, and not without any of it", faults)

    faults = []
    for path in ("/", "/probes", "/healthz", "/nothing"):
        faults += [path] if curl(agent, certificates, path=path)[0] != 401 else []
    report.check("every path is behind the password", faults)


def timed(agent, certificates, login):
    began = time.monotonic()
    status = curl(agent, certificates, "-u", login)[0]
    return status, time.monotonic() - began


def is_alike(wrong, unknown, known):
    """Of the quickest answers to each: a wrong password, a name that nobody has, a password that is known."""
    return wrong * 0.6 < unknown < wrong * 1.7 and known < wrong * 0.6


def check_time(report, agent, certificates):
    """A password that is known is quick; a name that is unknown takes as long as one that is known."""
    wrong, unknown, known = [], [], []
    for i in range(48):  # in turn, and the quickest of each, since others use this machine too
        wrong.append(timed(agent, certificates, f"prometheus:wrong{i}"))
        unknown.append(timed(agent, certificates, f"nobody{i}:wrong"))
        known.append(timed(agent, certificates, "prometheus:secret"))
        quickest = [min(t for _, t in rows) for rows in (wrong, unknown, known)]
        if i >= 11 and is_alike(*quickest):
            break
    faults = [f"{rows} are not all refused" for rows in (wrong, unknown) if {s for s, _ in rows} != {401}]
    faults += [f"{known} are not all let in"] if {s for s, _ in known} != {200} else []
    words = "wrong {:.0f} ms, unknown {:.0f} ms, known {:.0f} ms".format(*(1000 * t for t in quickest))
    report.note(words)
    if not is_alike(*quickest):
        faults.append(f"a name that nobody has is told apart by time, or a known password is checked again: {words}")
    report.check("passwords: bcrypt once, and alike for names that nobody has", faults)


def check_guessing(report, agent, certificates):
    """Somebody guesses as fast as he can; who is known is served all the same."""
    stop = threading.Event()

    def guess(n):
        i = 0
        while not stop.is_set():
            with contextlib.suppress(RuntimeError, subprocess.SubprocessError):
                curl(agent, certificates, "-u", f"prometheus:{n}-{i}")
            i += 1
    guessers = [threading.Thread(target=guess, args=(n,), daemon=True) for n in range(3)]
    for guesser in guessers:
        guesser.start()
    rows = [timed(agent, certificates, "prometheus:secret") for _ in range(10)]
    stop.set()
    for guesser in guessers:
        guesser.join()
    slowest = max(t for _, t in rows)
    report.note(f"slowest scrape while three guess: {1000 * slowest:.0f} ms")
    report.check("who is known is served while others guess",
                 [f"{rows}"] if {s for s, _ in rows} != {200} or slowest > 3 else [])


# ---- Prometheus ------------------------------------------------------------------------

class Prometheus(live.Process):
    def __init__(self, folder, agent, certificates, password="secret"):
        folder.mkdir()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = "127.0.0.1:%d" % free.getsockname()[1]
        (folder / "prometheus.yml").write_text(json.dumps({
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
            "scrape_configs": [{
                "job_name": "mpc-agents", "scheme": "https", "static_configs": [{"targets": [agent.address]}],
                "basic_auth": {"username": "prometheus", "password": password},
                "tls_config": {"ca_file": str(certificates.folder / "ca.pem"),
                               "cert_file": str(certificates.folder / "client.pem"),
                               "key_file": str(certificates.folder / "client.key")}}]}))
        super().__init__("prometheus", f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}",
                         f"--web.listen-address={self.address}", log=folder / "prometheus.log")
        live.wait_for("Prometheus is ready", self.ready)

    def ready(self):
        try:
            return live.get(self.address, "/-/ready").status == 200
        except OSError:
            return False

    def target(self):
        """What it says of the one target, once it has tried."""
        said = json.loads(live.get(self.address, "/api/v1/targets").text)["data"]["activeTargets"]
        return said[0] if said and said[0]["health"] != "unknown" else None

    def series(self, selector):
        answer = json.loads(live.get(self.address, "/api/v1/query?" + urllib.parse.urlencode({"query": selector})).text)
        return answer["data"]["result"]


def check_prometheus(report, folder, agent, certificates):
    with contextlib.ExitStack() as ends:
        good = Prometheus(folder / "good", agent, certificates)
        ends.callback(good.stop)
        wrong = Prometheus(folder / "wrong", agent, certificates, password="wrong")
        ends.callback(wrong.stop)
        target = live.wait_for("Prometheus scrapes", good.target)
        live.wait_for("the metrics are there", lambda: good.series("mpc_bpf_agent_build_info"))
        report.check("Prometheus scrapes over TLS with a certificate and a password",
                     [str(target)] if good.target()["health"] != "up" else [])
        target = live.wait_for("the other Prometheus tries", wrong.target)
        report.check("Prometheus with a wrong password is told so",
                     [] if target["health"] == "down" and "401" in target["lastError"] else [str(target)])
        check_rotation(report, good, agent, certificates)


def shown(agent, certificates):
    """The certificate that the agent shows to a new connection."""
    context = ssl.create_default_context(cafile=certificates.folder / "ca.pem")
    context.load_cert_chain(certificates.folder / "client.pem", certificates.folder / "client.key")
    host, port = agent.address.split(":")
    with socket.create_connection((host, int(port)), timeout=10) as plain, \
            context.wrap_socket(plain, server_hostname="localhost") as secure:
        return secure.getpeercert()["serialNumber"]


def check_rotation(report, prometheus, agent, certificates, times=10):
    """Certificates change while Prometheus scrapes and curl opens connections as fast as it can."""
    began, stop, failed, done = time.time(), threading.Event(), [], [0]

    def load():
        while not stop.is_set():
            status, code, words = curl(agent, certificates, "-u", "prometheus:secret")
            done[0] += 1
            if status != 200:
                failed.append(f"{status} {code} {words}")
    threads = [threading.Thread(target=load, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    faults, before = [], shown(agent, certificates)
    for _ in range(times):
        certificates.sign("server", "serverAuth")
        now = shown(agent, certificates)
        faults += ["the old certificate is still shown"] if now == before else []
        before = now
        time.sleep(0.3)
    stop.set()
    for thread in threads:
        thread.join()
    report.check("a new certificate is shown to the next connection", faults)
    report.note(f"{done[0]} connections of curl while {times} certificates came and went")
    down = prometheus.series(f"count_over_time((up == 0)[{int(time.time() - began) + 1}s:1s])")
    report.check("certificates are exchanged under load, and no scrape fails",
                 failed + ([f"Prometheus: {down}"] if down else []) + ([] if done[0] > 2 * times else ["no load"]))


# ---- files that break ---------------------------------------------------------------------

def check_broken(report, agent, certificates):
    good, login = MUTUAL.format(hash=USUAL), ("-u", "prometheus:secret")
    for name, text, sentence in (
            ("is empty", "", "web.yml:1:1: the web configuration is empty"),
            ("has no password any more", MUTUAL.format(hash="secret"), 'the password of "prometheus" is no bcrypt hash'),
            ("has lost its TLS", f"basic_auth_users: {{prometheus: {USUAL}}}\n", "tls_server_config is gone"),
            ("has a word wrong", good.replace("key_file", "keyfile"), 'did you mean "key_file"')):
        before = agent.said().count("level=error")
        certificates.write(text)
        rows = [curl(agent, certificates, *login)[0] for _ in range(3)]
        errors = [line for line in agent.said().splitlines() if "level=error" in line][before:]
        faults = [] if rows == [503] * 3 else [f"answers {rows}"]
        faults += [] if len(errors) == 1 and sentence in errors[0].replace('\\"', '"') else [f"told: {errors}"]
        faults += ["a hash is in the log"] if "$2" in agent.said().replace("$2y$…", "") else []
        faults += ["a client without certificate is answered"] if curl(agent, certificates, client=None)[0] else []
        certificates.write(good)
        faults += [] if curl(agent, certificates, *login)[0] == 200 else ["it is whole again, and is not served"]
        report.check(f"a file that {name} is told once, and nothing is served", faults)


def check_others(report, folder, certificates):
    """Configurations without TLS or without users."""
    config = certificates.write(
        f"basic_auth_users: {{prometheus: {QUICK}}}\nrate_limit: {{interval: 1h, burst: 2}}\n"
        "http_server_config: {headers: {X-Frame-Options: deny, Strict-Transport-Security: max-age=9}}\n")
    with WebAgent(folder, config, "--web.disable-exporter-metrics", name="plain") as agent:
        login = {"Authorization": "Basic cHJvbWV0aGV1czpzZWNyZXQ="}
        answers = [live.get(agent.address, "/metrics", **login) for _ in range(3)]
        faults = [] if [a.status for a in answers] == [200, 200, 429] else [f"{[a.status for a in answers]}"]
        headers = answers[0].headers
        faults += [] if headers.get("x-frame-options") == "deny" and "strict-transport-security" in headers else [str(headers)]
        faults += ["process_* is there"] if "process_cpu_seconds_total" in answers[0].text else []
        faults += [] if "mpc_bpf_agent_build_info" in answers[0].text else ["the agent's own metrics are not"]
        report.check("without TLS: password, headers, rate; --web.disable-exporter-metrics", faults)


# ---- promtool ---------------------------------------------------------------------------

PAIR = "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n"
BOTH_TAKE = [
    PAIR, MUTUAL.format(hash=USUAL), f"basic_auth_users:\n  a: {QUICK}\n  b: {USUAL}\n",
    PAIR + "  min_version: TLS13\n", PAIR + "  min_version: TLS10\n  max_version: TLS12\n",
    PAIR + "  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]\n",
    PAIR + "  curve_preferences: [X25519, CurveP256]\n  prefer_server_cipher_suites: false\n",
    PAIR + "http_server_config:\n  http2: true\n", PAIR + "http_server_config:\n  http2: false\n",
    "http_server_config:\n  headers:\n    X-Frame-Options: sameorigin\n    X-Content-Type-Options: nosniff\n",
    "http_server_config:\n  headers:\n    Content-Security-Policy: \"default-src 'self'\"\n    X-XSS-Protection: '0'\n",
] + [PAIR + f"  client_ca_file: ca.pem\n  client_auth_type: {word}\n" for word in
     ("RequestClientCert", "RequireAnyClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert")]
BOTH_REFUSE = [
    "x\n", "[1]\n", "tls_server_config:\n\tcert_file: a\n", "tls_server: {}\n", PAIR + "  cert_fil: x\n",
    "tls_server_config:\n  cert_file: server.pem\n", "tls_server_config:\n  key_file: server.key\n",
    PAIR.replace("server.pem", "none.pem"), PAIR.replace("server.key", "none.key"), PAIR.replace("server.key", "ca.key"),
    PAIR.replace("server.pem", "server.key"), PAIR.replace("server.key", "server.pem"),
    PAIR + "  client_ca_file: ca.pem\n", PAIR + "  client_auth_type: Require\n",
    PAIR + "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: none.pem\n",
    PAIR + "  min_version: TLS14\n", PAIR + "  cipher_suites: [TLS_NULL]\n", PAIR + "  curve_preferences: [P256]\n",
    "basic_auth_users:\n  a: secret\n", "basic_auth_users:\n  a: $6$abc\n", "basic_auth_users: [a]\n",
    "http_server_config:\n  headers:\n    Server: x\n", "http_server_config:\n  headers:\n    X-Frame-Options: no\n",
    "http_server_config:\n  http2: perhaps\n",
]


def check_promtool(report, certificates):
    faults = []
    for texts, valid in ((BOTH_TAKE, True), (BOTH_REFUSE, False)):
        for text in texts:
            config = certificates.write(text)
            ours = live.run(live.AGENT, "check", "--web.config.file", config)
            theirs = live.run("promtool", "check", "web-config", config)
            for who, done in (("the agent", ours), ("promtool", theirs)):
                if (done.returncode == 0) != valid:
                    faults.append(f"{who} {'refuses' if valid else 'takes'} {text!r}: {done.stdout + done.stderr}")
            if not valid and not re.fullmatch(rf"{re.escape(str(config))}:\d+(:\d+)?: .+\n", ours.stderr):
                faults.append(f"not one sentence with its place: {ours.stderr!r}")
    report.check(f"{len(BOTH_TAKE)} files that promtool and the agent take, {len(BOTH_REFUSE)} that both refuse", faults)


# ---- as a service ------------------------------------------------------------------------

def check_service(report, folder):
    """A socket that was opened by another, and what is told to it."""
    path = folder / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify, socket.create_server(("127.0.0.1", 0)) as door:
        notify.bind(str(path))
        notify.settimeout(live.PATIENCE)
        # the shell becomes the agent, so that its number is the agent's
        script = f'exec 3<&{door.fileno()}; LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"'
        child = live.Process("bash", "-c", script, "-", live.AGENT, "--web.systemd-socket", log=folder / "service.log",
                             env={"NOTIFY_SOCKET": str(path)}, pass_fds=[door.fileno()])
        said = notify.recv(4096).decode()
        address = "127.0.0.1:%d" % door.getsockname()[1]
        faults = [] if said.startswith("READY=1\nSTATUS=watching ") else [f"told {said!r}"]
        answer = live.get(address, "/metrics")
        faults += [] if answer.status == 200 and "mpc_bpf_agent_build_info" in answer.text else [f"{answer.status}"]
        child.child.send_signal(signal.SIGTERM)
        words = [said]
        while "STOPPING=1" not in words[-1]:
            words.append(notify.recv(4096).decode())
        faults += [] if child.stop() == 0 else ["it does not end in order"]
        report.check("a socket is handed over, and READY, STATUS and STOPPING are told", faults)
    done = live.run(live.AGENT, "--web.systemd-socket")
    faults = [] if done.returncode == 1 and "no socket was handed over" in done.stderr else [done.stderr]
    done = live.run(live.AGENT, "--web.systemd-socket", "--web.listen-address", ":1")
    faults += [] if done.returncode == 1 and "exclude each other" in done.stderr else [done.stderr]
    report.check("without one it says so", faults)


def main():
    report = live.Report()
    for program in ("prometheus", "promtool", "openssl", "curl"):
        if not shutil.which(program):
            report.skip("the web configuration", f"{program} is missing; scripts/setup e2e brings it")
            return 0
    folder = live.scratch()
    certificates = Certificates(folder / "web")
    with report.part("promtool"):
        check_promtool(report, certificates)
    live.need_root(report, "the web configuration")
    with report.part("the web configuration"):
        config = certificates.write(MUTUAL.format(hash=USUAL))
        with WebAgent(folder, config) as agent:
            check_refusals(report, agent, certificates)
            check_time(report, agent, certificates)
            check_guessing(report, agent, certificates)
            check_prometheus(report, folder, agent, certificates)
            check_broken(report, agent, certificates)
        check_others(report, folder, certificates)
    with report.part("as a service"):
        check_service(report, folder)
    return report.status()


if __name__ == "__main__":
    sys.exit(main())
