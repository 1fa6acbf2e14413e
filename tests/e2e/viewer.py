# SPDX-License-Identifier: BSD-2-Clause
"""The dashboards drawn without Grafana: a page of ours (tests/dashboards/viewer) with Grafana's panel library, and
the server of that page, which answers its questions to Prometheus by what it is given."""

import contextlib
import http.server
import json
import re
import threading
from pathlib import Path

import live
import tools

SOURCES = live.ROOT / "tests" / "dashboards" / "viewer"
DASHBOARDS = live.ROOT / "dashboards"
PAGE = b"""<!doctype html><meta charset="utf-8"><title>dashboard</title><link rel="icon" href="data:,">
<link rel="stylesheet" href="/main.css"><style>body { margin: 0 }</style>
<div id="page"></div><script src="/main.js"></script>"""
KINDS = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".json": "application/json",
         ".svg": "image/svg+xml", ".otf": "font/otf"}
FONTS = Path("/usr/share/fonts/opentype/inter")  # Debian's fonts-inter; without it the browser takes another
WIDTH = 1600
# How each panel is: its title, its type, drawn, empty, failed or still asked, and how much of what a panel of its type is
# for is to be seen: lines are pixels that have a colour, tables rows below the head.
PANELS = """
const coloured = canvas => {
    const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    let n = 0;
    for (let i = 0; i < data.length; i += 4) {
        const rgb = data.subarray(i, i + 3);
        n += data[i + 3] > 99 && Math.max(...rgb) - Math.min(...rgb) > 40;
    }
    return n; };
const count = selector => e => e.querySelectorAll(selector).length;
const ink = {timeseries: e => [...e.querySelectorAll('canvas')].reduce((n, c) => n + coloured(c), 0),
    stat: e => /\\d|[a-z]/.test(e.innerText.replace(e.dataset.panel, '')) ? 1 : 0,
    gauge: e => count('svg path')(e) > 5 ? 1 : 0,
    'state-timeline': count('svg rect'), piechart: count('svg path[stroke], svg circle[stroke]'),
    table: e => Math.max(0, count('[role=row]')(e) - 1), row: () => 1};
return [...document.querySelectorAll('[data-panel]')].map(e => ({title: e.dataset.panel, kind: e.dataset.kind,
    state: e.dataset.state, why: e.dataset.why, ink: (ink[e.dataset.kind] ?? (() => 0))(e)}));"""
ASKED = """const count = selector => document.querySelectorAll(selector).length;
return [document.title, count('[data-panel]'), count('[data-state=asked]')];"""
HEIGHT = "return document.getElementById('page').scrollHeight"


def bundled(folder):
    """The page's script and style in that folder, made of our sources and of what npm brings."""
    packages = tools.packages(SOURCES)
    sources = folder / "sources"
    sources.mkdir(parents=True)
    (sources / "node_modules").symlink_to(packages)
    for path in SOURCES.glob("*.ts*"):
        (sources / path.name).write_text(path.read_text())
    done = live.run(packages / "@esbuild/linux-x64/bin/esbuild", "main.tsx", "--bundle", "--jsx=automatic",
                    '--define:process.env.NODE_ENV="production"', f"--outdir={folder}", "--log-level=warning",
                    "--loader:.ttf=empty", cwd=sources)
    if done.returncode:
        raise RuntimeError(f"esbuild: {done.stderr[-800:]}")
    return packages / "@grafana/ui/dist/public"


class Viewer(http.server.ThreadingHTTPServer):
    """Answer: path and query to (status, bytes), as Prometheus answers. More: {uid: a dashboard} beside ours."""

    def __init__(self, folder, answer, more=None):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder, self.answer, self.icons = folder, answer, bundled(folder)
        self.more = {uid: json.dumps(dashboard).encode() for uid, dashboard in (more or {}).items()}
        self.address = f"127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def url(self, dashboard, begin, end):
        return f"http://{self.address}/?dashboard={dashboard}&from={begin}&to={end}"

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):  # the name is the library's
        path = self.path.partition("?")[0]
        if path.startswith("/api/v1/"):
            status, body = self.server.answer(self.path)
            self.say(status, ".json", body)
        elif path.removeprefix("/dashboards/").removesuffix(".json") in self.server.more:
            self.say(200, ".json", self.server.more[path.removeprefix("/dashboards/").removesuffix(".json")])
        elif path == "/":
            self.say(200, ".html", PAGE)
        else:
            self.file(path)

    def file(self, path):
        font = re.fullmatch(r"/public/fonts/inter/(Inter-\w+)\.woff2", path)
        if font and (FONTS / f"{font[1]}.otf").is_file():
            return self.say(200, ".otf", (FONTS / f"{font[1]}.otf").read_bytes())
        roots = {"/main": self.server.folder, "/dashboards/": DASHBOARDS.parent, "/public/build/": self.server.icons}
        for begin, root in roots.items():
            if path.startswith(begin) and ".." not in path:
                file = root / path.removeprefix("/public/build/").lstrip("/")
                if file.is_file():
                    return self.say(200, file.suffix, file.read_bytes())
        return self.say(404, ".html", b"not here")

    def say(self, status, kind, body):
        self.send_response(status)
        self.send_header("Content-Type", KINDS[kind])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(body)

    def log_message(self, *_):
        pass


def drawn(browser, url):
    """Opens a dashboard in full height and waits until each panel is drawn, empty or failed; what PANELS says."""
    browser.size(WIDTH, 1000)
    browser.go(url)

    def done():
        title, panels, asked = browser.run(ASKED)
        if title.startswith("failed"):
            raise RuntimeError(title)
        return panels and not asked
    live.wait_for("all panels have their data", done, 60, 0.2)
    browser.size(WIDTH, browser.run(HEIGHT))
    live.wait_for("the page is as tall as it is", lambda: browser.run(f"{HEIGHT} <= innerHeight"), 10)
    browser.run("return new Promise(done => requestAnimationFrame(() => setTimeout(done, 300)))")
    return browser.run(PANELS)
