#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""deploy/backup/mpc-backup: a running Prometheus is saved and restored into another one, which then answers the same.

There is no Grafana to be had here: a server that answers the five requests as Grafana's HTTP API is documented
stands in for it. What goes wrong ends with one sentence, a status that is not 0, and nothing half-written.
"""
# must-run-on-reference

import base64
import http.server
import json
import os
import re
import shutil
import sys
import threading
import urllib.parse

import live

BACKUP = live.ROOT / "deploy" / "backup" / "mpc-backup"
LOGIN = {"BACKUP_USER": "backup", "BACKUP_PASSWORD": "backup"}
HASH = "$2b$05$abcdefghijklmnopqrstuu3TlpvW7ZPVF7m7ANFNFBZhl7Q0utjOa"  # of the word backup
CONFIG = """
global: {scrape_interval: 1s}
scrape_configs: [{job_name: prometheus, basic_auth: {username: backup, password: backup}, static_configs: [{targets: ["%s"]}]}]
"""


def backup(*words, env=None):
    return live.run(BACKUP, *words, env={**{k: v for k, v in os.environ.items() if not k.startswith("BACKUP_")},
                                         **(LOGIN if env is None else env)})


def faults_of(done, wanted):
    """That a command has failed, with one sentence that says what."""
    lines = done.stderr.strip().splitlines()
    if done.returncode == 0:
        return ["it went well"]
    return [] if len(lines) == 1 and lines[0].startswith("mpc-backup: ") and re.search(wanted, lines[0]) else [done.stderr.strip()]


# ---- Prometheus -------------------------------------------------------------------------

class Prometheus(live.Process):
    def __init__(self, folder, name, *more):
        with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:
            self.address = f"127.0.0.1:{server.server_address[1]}"
        self.data = folder / name
        (folder / f"{name}.yml").write_text(CONFIG % self.address)
        (folder / "web.yml").write_text(f"basic_auth_users: {{backup: {HASH}}}\n")
        super().__init__("prometheus", f"--config.file={folder / name}.yml", f"--storage.tsdb.path={self.data}",
                         f"--web.listen-address={self.address}", f"--web.config.file={folder / 'web.yml'}", *more,
                         log=folder / f"{name}.log")
        self.until_said("Server is ready to receive web requests")

    def ask(self, **parameters):
        login = "Basic " + base64.b64encode(b"backup:backup").decode()
        answer = live.get(self.address, f"/api/v1/query?{urllib.parse.urlencode(parameters)}", Authorization=login)
        return json.loads(answer.text)["data"]["result"]


def check_prometheus(report, folder):
    first = Prometheus(folder, "first", "--web.enable-admin-api")
    live.wait_for("some scrapes", lambda: len(first.ask(query="count_over_time(up[5m]) > 4")) == 1)
    url = f"http://{first.address}"
    where = ("prometheus", "save", "--url", url, "--data", first.data)
    file = folder / "prometheus.tar.gz"
    done = backup(*where, file)
    when = int(file.stat().st_mtime) - 1 if file.exists() else 0
    report.check("a running Prometheus is saved", [done.stderr.strip()] if done.returncode else
                 [] if file.stat().st_mode & 0o777 == 0o600 else ["everybody may read the backup"])
    report.check("and its snapshot is gone again", [str(p) for p in (first.data / "snapshots").iterdir()])
    report.check("a file that is there is not overwritten", faults_of(backup(*where, file), "is there already"))
    none = folder / "none.tar.gz"
    wrong = {
        "no password": (backup(*where, none, env={}), "401.*BACKUP_USER"),
        "a wrong password": (backup(*where, none, env={**LOGIN, "BACKUP_PASSWORD": "x"}), "401"),
        "another folder": (backup(*where[:-1], folder, none), "no storage of Prometheus"),
        "nobody there": (backup("prometheus", "save", "--url", "http://127.0.0.1:1", "--data", first.data, none), "refused"),
        "no address": (backup("prometheus", "save", "--url", "here", "--data", first.data, none), "--url"),
        "a folder that is not there": (backup(*where, folder / "no" / "x"), "cannot be written"),
    }
    report.check("what goes wrong while saving is said", [f"{name}: {fault}" for name, (done, words) in wrong.items()
                                                         for fault in faults_of(done, words)] +
                 (["something was left"] if none.exists() or list(folder.glob(".none*")) else []))
    before = {query: first.ask(query=query, time=when) for query in
              ("count_over_time(prometheus_tsdb_head_samples_appended_total[1h])", "sum(prometheus_http_requests_total)", "up")}
    first.stop()

    data = folder / "second"
    wrong = {
        "no folder": (backup("prometheus", "restore", "--data", data, file), "make it"),
        "a folder with something in it": (backup("prometheus", "restore", "--data", first.data, file), "is not empty"),
    }
    data.mkdir()
    os.chown(data, 65534, 65534)
    half, other = folder / "half.tar.gz", folder / "other.tar.gz"
    half.write_bytes(file.read_bytes()[:file.stat().st_size // 2])
    shutil.make_archive(str(folder / "other"), "gztar", folder, "first.yml")
    wrong["half a file"] = (backup("prometheus", "restore", "--data", data, half), "damaged|could not be unpacked")
    wrong["another archive"] = (backup("prometheus", "restore", "--data", data, other), "is no backup of prometheus")
    wrong["no archive"] = (backup("prometheus", "restore", "--data", data, folder / "first.yml"), "cannot be read as a backup")
    report.check("what goes wrong while restoring is said", [f"{name}: {fault}" for name, (done, words) in wrong.items()
                                                            for fault in faults_of(done, words)] +
                 [f"{p} was left" for p in data.iterdir()])
    done = backup("prometheus", "restore", "--data", data, file)
    owners = {p.stat().st_uid for p in data.rglob("*")}
    report.check("it is restored, for the user whose folder it is", [done.stderr.strip()] if done.returncode else
                 [] if owners == {65534} else [f"owners {owners}"])
    second = Prometheus(folder, "second")
    after = {query: second.ask(query=query, time=when) for query in before}
    report.check("the restored Prometheus answers what the first one did",
                 [f"{query}: {after[query]}, was {before[query]}" for query in before if after[query] != before[query]] +
                 ([] if all(before.values()) else ["it did not answer either"]))
    report.check("without the admin API, the flag is named", faults_of(
        backup("prometheus", "save", "--url", f"http://{second.address}", "--data", second.data, none), "--web.enable-admin-api"))
    second.stop()


# ---- Grafana -----------------------------------------------------------------------------

class FakeGrafana(http.server.ThreadingHTTPServer):
    """Folders, dashboards, who may ask, and what was posted."""

    def __init__(self, folders, dashboards):
        super().__init__(("127.0.0.1", 0), FakeRequest)
        self.folders, self.dashboards = dict(folders), dict(dashboards)
        threading.Thread(target=self.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class FakeRequest(http.server.BaseHTTPRequestHandler):
    def answer(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def allowed(self):
        if self.headers.get("Authorization") == "Bearer token":
            return True
        self.answer(401, {"message": "Invalid username or password"})
        return False

    def do_GET(self):
        path, _, query = self.path.partition("?")
        query = dict(urllib.parse.parse_qsl(query))
        if not self.allowed():
            return
        if path == "/api/folders":
            self.answer(200, [{"id": 1, "uid": u, "title": t} for u, t in self.server.folders.items()])
        elif path == "/api/search":
            begin = (int(query["page"]) - 1) * int(query["limit"])
            names = sorted(self.server.dashboards)[begin:begin + int(query["limit"])]
            self.answer(200, [{"uid": name, "type": "dash-db"} for name in names])
        elif path.startswith("/api/dashboards/uid/"):
            folder, provisioned, model = self.server.dashboards[path.rpartition("/")[2]]
            self.answer(200, {"dashboard": model, "meta": {"folderUid": folder, "provisioned": provisioned}})
        else:
            self.answer(404, {"message": "Not found"})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self.allowed():
            return
        if self.path == "/api/folders" and body["uid"] not in self.server.folders:
            self.server.folders[body["uid"]] = body["title"]
            self.answer(200, body)
        elif self.path == "/api/dashboards/db" and body["overwrite"] and body["dashboard"]["id"] is None and \
                (not body["folderUid"] or body["folderUid"] in self.server.folders):
            self.server.dashboards[body["dashboard"]["uid"]] = (body["folderUid"], False, body["dashboard"])
            self.answer(200, {"status": "success"})
        else:
            self.answer(412, {"message": "The dashboard has been changed by someone else"})

    def log_message(self, *_):
        pass


def check_grafana(report, folder):
    shown = json.loads((live.ROOT / "dashboards" / "infrastructure.json").read_text())
    boards = {f"board-{n}": ("team" if n % 2 else "", False, {"id": n, "uid": f"board-{n}", "title": f"No {n}", "panels": []})
              for n in range(1, 503)}
    boards["infrastructure"] = ("mpc", True, {**shown, "id": 999})
    first = FakeGrafana({"team": "Our team", "mpc": "MPC wallet"}, boards)
    file, token = folder / "grafana.tar.gz", {"BACKUP_TOKEN": "token"}
    done = backup("grafana", "save", "--url", first.url, file, env=token)
    report.check("Grafana's dashboards are saved, but for those of files", [done.stderr.strip()] if done.returncode else
                 [] if "502 dashboards, 2 folders" in done.stdout else [done.stdout])
    second = FakeGrafana({"mpc": "MPC wallet"}, {"board-1": ("", False, {"id": 7, "uid": "board-1", "title": "old"})})
    done = backup("grafana", "restore", "--url", second.url, file, env=token)
    mine = {uid: (where, {**model, "id": None}) for uid, (where, provisioned, model) in boards.items() if not provisioned}
    theirs = {uid: (where, model) for uid, (where, _, model) in second.dashboards.items()}
    report.check("and restored, folders first", ([done.stderr.strip()] if done.returncode else []) +
                 [f"{uid} is another" for uid in {*mine, *theirs} if mine.get(uid) != theirs.get(uid)][:3] +
                 ([] if second.folders == first.folders else [f"folders {second.folders}"]))
    wrong = {
        "a wrong token": (backup("grafana", "save", "--url", first.url, folder / "no", env={"BACKUP_TOKEN": "x"}), "401"),
        "a backup of Prometheus": (backup("grafana", "restore", "--url", second.url, folder / "prometheus.tar.gz", env=token),
                                   "no backup of grafana"),
        "no certificate": (backup("grafana", "save", "--url", first.url, "--ca", folder / "first.yml", folder / "no", env=token),
                           "cannot be read as certificates"),
    }
    report.check("what goes wrong is said", [f"{name}: {fault}" for name, (done, words) in wrong.items()
                                            for fault in faults_of(done, words)] + (["a file is left"] if (folder / "no").exists() else []))


def main():
    report = live.Report()
    if not shutil.which("prometheus"):
        report.skip("backup and restore", "prometheus is missing; scripts/setup e2e brings it")
        return 0
    live.need_root(report, "backup and restore")
    folder = live.scratch()
    with report.part("Prometheus"):
        check_prometheus(report, folder)
    with report.part("Grafana"):
        check_grafana(report, folder)
    return report.status()


if __name__ == "__main__":
    sys.exit(main())
