#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The compose file, read by the real docker compose, and what the services of it read by the real programs.

It is refused without passwords; with them every image is pinned, every service has a health check and no way to more
rights, every port is on loopback, and the networks let nobody through who has no business there. Prometheus and
Alertmanager start with the very flags of the file, and the exporter of PostgreSQL reads its queries from a real
PostgreSQL. No container engine runs here: that the images start is not tried.
"""
# must-run-on-reference
# timeout: 300

import json
import os
import pwd
import re
import shutil
import sys
from pathlib import Path

import live
import tools

DEPLOY = live.ROOT / "deploy"
FILE = DEPLOY / "docker-compose.monitoring.yml"
PASSWORDS = {"GRAFANA_ADMIN_PASSWORD": "a", "POSTGRES_PASSWORD": "b"}
AGENTS = [f"mpc-agent-{n}" for n in range(1, 6)]
RIGHTS = ["BPF", "PERFMON", "SYS_PTRACE", "DAC_READ_SEARCH", "LEASE", "SETUID", "SETGID"]
# Who is on which network, and with whom that brings them together.
NETWORKS = {
    **{agent: {"monitoring"} for agent in AGENTS},
    "prometheus": {"monitoring", "front", "wallet"}, "postgres-exporter": {"monitoring", "wallet"},
    "grafana": {"monitoring", "front"}, "alertmanager": {"monitoring", "front"}, "cadvisor": {"monitoring", "front"},
    "node-exporter": {"monitoring"},
}
PUBLISHED = {"prometheus": 9090, "grafana": 3000, "alertmanager": 9093, "cadvisor": 8081}


def compose(*words, file=FILE, **settings):
    environment = {name: value for name, value in os.environ.items()
                   if not name.startswith(("COMPOSE_", "POSTGRES_", "GRAFANA_", "AGENT_"))}
    return live.run(tools.program("docker-compose"), "--env-file", DEPLOY / ".env.example", "-f", file, *words,
                    env={**environment, **settings})


def check_passwords(report):
    faults = []
    for name in PASSWORDS:
        done = compose("config", "--quiet", **{k: v for k, v in PASSWORDS.items() if k != name})
        faults += [] if done.returncode and name in done.stderr and ".env" in done.stderr else [f"{name} may be missing"]
    text = (DEPLOY / ".env.example").read_text()
    faults += [f"{m[0]} in .env.example" for m in re.finditer(r"(?m)^#?\w*(PASSWORD|SECRET|TOKEN)\w*=.+$", text)]
    report.check("there is no default password, and one that is missing is named", faults)
    used = set(re.findall(r"\$\{(\w+)", FILE.read_text()))
    known = set(re.findall(r"(?m)^#?(\w+)=", text))
    report.check(".env.example has every variable of the file, and no other", sorted(used ^ known))


def check_validation(report, folder):
    done = compose("config", "--quiet", **PASSWORDS)
    report.check("docker compose config", [done.stderr.strip()] if done.returncode or done.stderr.strip() else [])
    broken = folder / "broken.yml"
    broken.write_text(FILE.read_text().replace("restart: unless-stopped", "restrat: unless-stopped"))
    done = compose("config", "--quiet", file=broken, **PASSWORDS)
    report.check("docker compose refuses an unknown key", [] if done.returncode and "restrat" in done.stderr else [done.stderr])


def service_faults(name, service):
    image = service["image"]
    if not re.search(r":v?\d+\.\d+\.\d+$", image):
        yield f"{name}: image {image} is not pinned"
    if not service.get("healthcheck", {}).get("test"):
        yield f"{name}: no health check"
    if service.get("restart") != "unless-stopped" or not service.get("mem_limit") or not service.get("read_only"):
        yield f"{name}: restart, memory limit or read-only file system"
    if service.get("cap_drop") != ["ALL"] or service.get("security_opt") != ["no-new-privileges:true"] or \
            service.get("privileged"):
        yield f"{name}: has rights, or a way to them"
    if set(service.get("networks", {})) != NETWORKS.get(name):
        yield f"{name}: networks {list(service.get('networks', {}))}"
    ports = [(p.get("host_ip"), p["target"]) for p in service.get("ports", [])]
    if ports != ([("127.0.0.1", PUBLISHED[name])] if name in PUBLISHED else []):
        yield f"{name}: ports {ports}"
    for volume in service.get("volumes", []):
        source = volume.get("source", "")
        if volume["type"] == "bind" and source.startswith(str(live.ROOT)) and not Path(source).exists():
            yield f"{name}: {source} is not there"
        if volume["type"] == "bind" and not volume.get("read_only"):
            yield f"{name}: may write {source}"


def check_services(report, stack):
    services = stack["services"]
    report.check("the services of the stack are there", sorted(set(services) ^ set(NETWORKS)))
    report.check("each is pinned, checked, confined, on its networks alone, on loopback alone",
                 [fault for name, service in services.items() for fault in service_faults(name, service)])
    networks = stack["networks"]
    report.check("the network of the monitoring has no way out, the nodes' is theirs",
                 ([] if networks["monitoring"].get("internal") else ["monitoring is not internal"]) +
                 ([] if networks["wallet"].get("external") and networks["wallet"]["name"] == "docker_mpc-internal" else
                  [str(networks["wallet"])]))
    faults = []
    for number, name in enumerate(AGENTS, 1):
        agent = services[name]
        faults += [] if agent["pid"] == f"container:mpc-node-{number}" else [f"{name}: pid {agent['pid']}"]
        faults += [] if sorted(agent["cap_add"]) == sorted(RIGHTS) else [f"{name}: {agent['cap_add']}"]
        done = live.run(live.AGENT, *agent["command"], "--help")
        faults += [f"{name}: the agent refuses {agent['command']}: {done.stderr}"] if done.returncode else []
    report.check("each agent is in the pid namespace of its node, with seven capabilities", faults)


def check_settings(report):
    done = compose("config", "--format", "json", BIND_ADDRESS="10.0.0.7", AGENT_PRIVILEGED="true",
                   AGENT_ARGS="--pack=/proc/1/root/usr/lib/mpc-bpf-agent/packs --log.level=debug", MPC_NETWORK="other", **PASSWORDS)
    stack = json.loads(done.stdout)
    agent = stack["services"]["mpc-agent-3"]
    faults = [] if stack["services"]["grafana"]["ports"][0]["host_ip"] == "10.0.0.7" else ["BIND_ADDRESS"]
    faults += [] if agent.get("privileged") is True else ["AGENT_PRIVILEGED"]
    faults += [] if agent["command"][2:] == ["--pack=/proc/1/root/usr/lib/mpc-bpf-agent/packs", "--log.level=debug"] else \
        [f"AGENT_ARGS: {agent['command']}"]
    faults += [] if stack["networks"]["wallet"]["name"] == "other" else ["MPC_NETWORK"]
    report.check("what .env may change, it changes", faults)


def check_targets(report, stack):
    """Every host of targets/ is a service here or one of the wallet's, on the port where it listens."""
    wallet = {*(f"mpc-node-{n}:8080" for n in range(1, 6)), *(f"etcd-{n}:2379" for n in range(1, 4))}
    ours = {*(f"{agent}:9464" for agent in AGENTS), "postgres-exporter:9187", "cadvisor:8081", "node-exporter:9100",
            "alertmanager:9093"}
    found = {word for file in sorted((DEPLOY / "prometheus/targets").glob("*.yml"))
             for word in re.findall(r"[\w.-]+:\d+", re.sub(r"(?m)^#.*", "", file.read_text()))}
    report.check("Prometheus asks who is here, and the wallet's own", sorted(found ^ (wallet | ours)))
    source = (DEPLOY / "grafana/provisioning/datasources/prometheus.yml").read_text()
    report.check("Grafana finds Prometheus", [] if "url: http://prometheus:9090\n" in source and
                 "prometheus" in stack["services"] else ["under another name"])


def check_flags(report, stack, folder):
    """The programs start with the flags of the file; only folders and the address are others."""
    def start(name, program, paths, ready):
        words = stack["services"][name]["command"]
        for inside, outside in paths.items():
            words = [word.replace(f"={inside}", f"={outside}") for word in words]
        process = live.Process(program, *words, "--web.listen-address=127.0.0.1:0", log=folder / f"{name}.log")
        process.until_said(ready)
        process.stop()
    with report.part("Prometheus starts with its flags"):
        start("prometheus", "prometheus", {"/etc/prometheus": DEPLOY / "prometheus", "/prometheus": folder / "tsdb"},
              "Server is ready to receive web requests")
        report.check("Prometheus starts with its flags, and keeps 30 days", [] if
                     "--storage.tsdb.retention.time=30d" in stack["services"]["prometheus"]["command"] else ["it does not"])
    with report.part("Alertmanager starts with its flags"):
        start("alertmanager", "prometheus-alertmanager",
              {"/etc/alertmanager": DEPLOY / "alertmanager", "/alertmanager": folder / "alerts"}, "Listening on")
        report.check("Alertmanager starts with its flags", [])


# ---- PostgreSQL ------------------------------------------------------------------------

class Postgres:
    def __init__(self, folder):
        self.programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1]
        self.folder, user = folder / "pg", pwd.getpwnam("nobody")
        self.folder.mkdir()
        os.chown(self.folder, user.pw_uid, user.pw_gid)
        folder.chmod(0o755)
        self.ids = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": [], "cwd": "/"}
        done = live.run(self.programs / "initdb", "-D", self.folder / "data", "-U", "mpc", "--auth=trust", "--no-sync", **self.ids)
        if done.returncode:
            raise RuntimeError(f"initdb: {done.stderr}")
        self.process = live.Process(self.programs / "postgres", "-D", self.folder / "data", "-k", self.folder, "-c",
                                    "listen_addresses=", "-c", "shared_preload_libraries=pg_stat_statements", "-c", "fsync=off",
                                    log=folder / "postgres.log", **self.ids)
        self.process.until_said("ready to accept connections")

    def sql(self, text, database="mpc_wallet"):
        done = live.run(self.programs / "psql", "-h", self.folder, "-U", "mpc", "-d", database, "-v", "ON_ERROR_STOP=1", "-c", text)
        if done.returncode:
            raise RuntimeError(f"psql: {done.stderr}")


def check_queries(report, stack, folder):
    database = Postgres(folder)
    database.sql("CREATE DATABASE mpc_wallet", "postgres")
    database.sql("CREATE EXTENSION pg_stat_statements")
    database.sql("CREATE ROLE monitoring LOGIN; GRANT pg_monitor TO monitoring")
    for _ in range(5):
        database.sql("SELECT pg_sleep(0.02)")
    words = [word.replace("/etc/postgres-exporter", str(DEPLOY / "postgres"))
             for word in stack["services"]["postgres-exporter"]["command"]]
    exporter = live.Process("prometheus-postgres-exporter", *words, "--web.listen-address=127.0.0.1:0",
                            "--log.level=debug", log=folder / "exporter.log", env={
                                "DATA_SOURCE_NAME": f"host={database.folder} user=monitoring dbname=mpc_wallet sslmode=disable"})

    def address():
        for line in Path(f"/proc/{exporter.pid}/net/tcp").read_text().splitlines()[1:]:
            words = line.split()
            held = {os.readlink(fd) for fd in Path(f"/proc/{exporter.pid}/fd").iterdir() if fd.is_symlink()}
            if words[3] == "0A" and f"socket:[{words[9]}]" in held:
                return f"127.0.0.1:{int(words[1].split(':')[1], 16)}"
        return None
    text = live.get(live.wait_for("the exporter listens", address), "/metrics").text
    samples = dict(re.findall(r'(?m)^(pg_stat_statements_\w+)\{datname="mpc_wallet",.*\} (\S+)$', text))
    wanted = ("pg_stat_statements_calls_total", "pg_stat_statements_time_seconds_total", "pg_stat_statements_mean_time_seconds")
    faults = [f"no {name}" for name in wanted if name not in samples]
    faults += [] if faults or float(samples[wanted[1]]) > 0.1 and float(samples[wanted[2]]) < 1 else [str(samples)]
    faults += [] if re.search(r"(?m)^pg_up\S* 1$", text) else ["pg_up is not 1"]
    report.check("the exporter reads its queries from PostgreSQL, as a role that only monitors", faults)
    exporter.stop()
    database.process.stop()


def main():
    report = live.Report()
    live.need_root(report, "the compose file")
    for program in ("prometheus", "prometheus-alertmanager", "prometheus-postgres-exporter"):
        if not shutil.which(program):
            report.skip("the compose file", f"{program} is missing; scripts/setup e2e ship brings it")
            return 0
    folder = live.scratch()
    with report.part("the compose file"):
        check_passwords(report)
        check_validation(report, folder)
        stack = json.loads(compose("config", "--format", "json", **PASSWORDS).stdout)
        check_services(report, stack)
        check_settings(report)
        check_targets(report, stack)
        check_flags(report, stack, folder)
        check_queries(report, stack, folder)
    return report.status()


if __name__ == "__main__":
    sys.exit(main())
