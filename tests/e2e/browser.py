# SPDX-License-Identifier: BSD-2-Clause
"""A real browser without a screen: Debian's chromium, led by its chromedriver (the WebDriver protocol)."""

import base64
import http.client
import json
import subprocess
from pathlib import Path

import live

PROGRAMS = ("chromium", "chromedriver")
QUIET = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars")


class Browser:
    """One window. @script: whether pages may run any."""

    def __init__(self, folder, name, dark=False, script=True):
        self.driver = live.Process("chromedriver", "--port=0", log=Path(folder) / f"chromedriver-{name}.log")
        self.port = int(self.driver.until_said(r"on port (\d+)\.")[1])
        self.session = None
        options = {"args": [*QUIET, f"--user-data-dir={Path(folder) / f'browser-{name}'}",
                            *(["--blink-settings=preferredColorScheme=0"] if dark else [])]}
        if not script:
            options["prefs"] = {"profile.managed_default_content_settings.javascript": 2}
        self.session = self._call("POST", "", capabilities={"alwaysMatch": {
            "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}})["sessionId"]

    def _call(self, method, path, **body):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            where = f"/session/{self.session}{path}" if self.session else "/session"
            connection.request(method, where, json.dumps(body) if method == "POST" else None,
                               {"Content-Type": "application/json"})
            said = json.loads(connection.getresponse().read())["value"]
        finally:
            connection.close()
        if isinstance(said, dict) and said.get("error"):
            raise RuntimeError(f"chromedriver: {said['error']}: {said.get('message', '')[:300]}")
        return said

    def go(self, url):
        self._call("POST", "/url", url=url)

    def run(self, script, *arguments):
        """What a function with this body returns."""
        return self._call("POST", "/execute/sync", script=script, args=list(arguments))

    def size(self, width, height, mobile=False):
        self._call("POST", "/goog/cdp/execute", cmd="Emulation.setDeviceMetricsOverride",
                   params={"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile})

    def picture(self, path):
        """What is to be seen now, as PNG."""
        path.write_bytes(base64.b64decode(self._call("GET", "/screenshot")))

    def console(self):
        """What pages complained of since it was last asked."""
        return [entry["message"] for entry in self._call("POST", "/se/log", type="browser")]

    def requests(self):
        """The addresses of everything that pages asked for since it was last asked; the browser's own
        first page is none of them."""
        events = (json.loads(entry["message"])["message"] for entry in self._call("POST", "/se/log", type="performance"))
        return [event["params"]["request"]["url"] for event in events
                if event["method"] == "Network.requestWillBeSent"
                and not event["params"]["documentURL"].startswith("chrome://")]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self._call("DELETE", "")
        finally:
            self.driver.stop()
