# SPDX-License-Identifier: BSD-2-Clause
"""The monitoring stack of deploy/, alive over a cluster of mpc-driver and an agent: Prometheus,
Alertmanager and the exporters of PostgreSQL and of the host, on loopback.

The files are those of deploy/, copied into a folder of the stack's own. Only addresses are other
ones: the targets, what Prometheus calls itself, and where Alertmanager posts notifications, since
on this machine somebody may listen where the shipped file posts them.
"""

import contextlib
import http.server
import json
import os
import re
import shutil
import subprocess
import threading
import urllib.parse

from processes import HOST, ROOT, Failed, begin, end, free_addresses, last_lines, request, until_it_answers

DEPLOY = ROOT / "deploy"
CLUSTER = {"cluster": "mpc-wallet"}
DATABASE, ADMIN, MONITOR = "wallet", "admin", "monitoring"
START_LIMIT, STOP_LIMIT = 60, 20


# ---- PostgreSQL -----------------------------------------------------------------


def sql(server, text):
    host, _, port = server["address"].rpartition(":")
    done = subprocess.run(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", host, "-p", port, "-U", ADMIN, "-d", DATABASE,
                           "-c", text], stdin=subprocess.DEVNULL, capture_output=True, text=True, start_new_session=True,
                          timeout=START_LIMIT, check=False)
    if done.returncode:
        raise Failed(f"psql: {done.stderr.strip()}")


def count_statements(server, restart):
    """What deploy/postgres/queries.yml asks of a database: that it counts statements, which it
    begins to with a restart, and a role that may read no more than that."""
    sql(server, "ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'")
    restart()
    sql(server, f"CREATE EXTENSION pg_stat_statements; CREATE ROLE {MONITOR} LOGIN; GRANT pg_monitor TO {MONITOR}")


# ---- notifications ----------------------------------------------------------------


class Notified(http.server.BaseHTTPRequestHandler):
    """Takes what Alertmanager posts."""

    def do_POST(self):  # the name is the library's
        told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        receiver = self.path.strip("/")
        self.server.told += [(receiver, alert["status"], alert["labels"]) for alert in told["alerts"]]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


class Receiver(http.server.ThreadingHTTPServer):
    """Where all three receivers of alertmanager.yml post: (receiver, "firing" or "resolved", labels) of each alert."""

    def __init__(self):
        super().__init__((HOST, 0), Notified)
        self.told = []
        self.address = f"{HOST}:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


# ---- the stack --------------------------------------------------------------------


class Stack:
    """Its files are there once it is made, so that a test can change them; its programs run
    from start() to stop(). Cluster is what the driver's state.json says."""

    def __init__(self, folder, cluster, agent):
        self.folder, self.receiver, self.programs = folder, None, {}
        self.prometheus, self.alertmanager, self.postgres, self.node = free_addresses(9090, 9093, 9187, 9100)
        self.database = cluster["postgres"]["address"]
        self.config = folder / "prometheus"
        self.routes = folder / "alertmanager.yml"
        shutil.copytree(DEPLOY / "prometheus", self.config)
        file = self.config / "prometheus.yml"
        file.write_text(file.read_text().replace("localhost:9090", self.prometheus))
        shutil.copy(DEPLOY / "alertmanager" / "alertmanager.yml", self.routes)
        self.targets("agents", (agent, CLUSTER))
        self.nodes = [(node["rest"], {**CLUSTER, "node_id": str(node["id"])}) for node in cluster["nodes"]]
        self.targets("nodes", *self.nodes)
        self.targets("etcd", *((member["client"], CLUSTER) for member in cluster["etcd"]))
        self.targets("postgres", (self.postgres, CLUSTER))
        self.targets("node", (self.node, CLUSTER))
        self.targets("alertmanager", (self.alertmanager, {}))
        self.targets("cadvisor")  # there are no containers here

    def targets(self, job, *rows):
        """Whom Prometheus asks for this job: (address, labels) of each. It reads them again when they change."""
        file = self.config / "targets" / f"{job}.yml"
        new = file.with_suffix(".new")
        new.write_text(json.dumps([{"targets": [address], "labels": labels} for address, labels in rows]))
        new.rename(file)

    def commands(self):
        """{program: (its words, what is added to its environment, address, the path that says it is there)}"""
        flags = re.search(r'^ARGS="(.*)"$', (self.config / "prometheus.default").read_text(), re.M)[1]
        for shipped, ours in (("/etc/prometheus", self.config), ("/var/lib/prometheus", self.folder / "tsdb"),
                              ("127.0.0.1:9090", self.prometheus)):
            flags = flags.replace(shipped, str(ours))
        host, _, port = self.database.rpartition(":")
        source = f"host={host} port={port} user={MONITOR} dbname={DATABASE} sslmode=disable"
        return {
            "prometheus": (["prometheus", *flags.split()], {}, self.prometheus, "/-/ready"),
            "alertmanager": (["prometheus-alertmanager", f"--config.file={self.routes}",
                              f"--storage.path={self.folder / 'alerts'}", f"--web.listen-address={self.alertmanager}",
                              "--cluster.listen-address="], {}, self.alertmanager, "/-/ready"),
            "postgres_exporter": (["prometheus-postgres-exporter", f"--web.listen-address={self.postgres}",
                                   f"--extend.query-path={DEPLOY / 'postgres' / 'queries.yml'}"],
                                  {"DATA_SOURCE_NAME": source}, self.postgres, "/metrics"),
            "node_exporter": (["prometheus-node-exporter", f"--web.listen-address={self.node}"], {}, self.node, "/metrics"),
        }

    def log(self, name):
        return self.folder / f"{name}.log"

    def start(self):
        self.receiver = Receiver()
        self.routes.write_text(re.sub(r"http://127\.0\.0\.1:9099/", f"http://{self.receiver.address}/", self.routes.read_text()))
        commands = self.commands()
        for name, (words, env, _, _) in commands.items():
            self.programs[name] = begin(words, self.log(name), {**os.environ, **env})
        for name, (_, _, address, path) in commands.items():
            until_it_answers(name, self.programs[name], address, path, self.log(name), START_LIMIT)

    def ended(self):
        """What should run and does not, in words."""
        return [f"{name} ended with status {program.returncode}:{last_lines(self.log(name))}"
                for name, program in self.programs.items() if program.poll() is not None]

    def stop(self):
        """The names of those that had to be killed."""
        for program in self.programs.values():  # all at once, so that nobody waits four times
            with contextlib.suppress(ProcessLookupError):
                program.terminate()
        killed = [name for name, program in self.programs.items() if end(program, STOP_LIMIT)]
        if self.receiver:
            self.receiver.shutdown()
            self.receiver.server_close()
        return killed

    def page(self, name):
        """Where a page of Prometheus is: in Debian's, which has the older ones, elsewhere than in others."""
        found = [path for path in (f"/classic/{name}", f"/{name}") if request(self.prometheus, path)[0] == 200]
        return f"http://{self.prometheus}{found[0] if found else '/'}"

    def ask(self, path, **parameters):
        """What Prometheus' API answers; ValueError where it does not understand."""
        said = json.loads(request(self.prometheus, f"/api/v1/{path}?{urllib.parse.urlencode(parameters, doseq=True)}")[1])
        if said["status"] != "success":
            raise ValueError(f"{said['error']} ({parameters})")
        return said["data"]

    def value(self, expr):
        """Of a query with one result; None without."""
        result = self.ask("query", query=expr)["result"]
        return float(result[0]["value"][1]) if result else None

    def alerts(self):
        """What Alertmanager has: alerts that fire, those too that it holds back."""
        return json.loads(request(self.alertmanager, "/api/v2/alerts")[1])
