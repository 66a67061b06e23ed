"""A headless Chromium that opens pages and says what they cost, driven through its chromedriver; prints nothing."""

from __future__ import annotations

import base64
import json
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip

LOADED = """
const [width, done] = arguments, timing = performance.getEntriesByType("navigation")[0];
requestAnimationFrame(() => requestAnimationFrame(() => done({
  load: timing.loadEventEnd / 1000, painted: performance.now() / 1000,
  over: document.documentElement.scrollWidth - width,
  wide: [...document.querySelectorAll("main *")].filter(one => !one.parentElement.closest(".scroll, .rolls, svg")
    && one.getBoundingClientRect().right > width + 0.5).length,
  broken: [...document.images].filter(one => one.complete && !one.naturalWidth).length,
})));
"""


class Browser:
    """A session of a headless Chromium."""

    def __init__(self, address: str, profile: str) -> None:
        options = {"args": [*FLAGS, f"--user-data-dir={profile}"]}
        asked = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"performance": "ALL"}}
        made = _post(f"{address}/session", {"capabilities": {"alwaysMatch": asked}})
        self.address = f"{address}/session/{made['sessionId']}"

    def cdp(self, command: str, **values: Any) -> Any:
        """Send a command of the DevTools protocol."""
        return _post(f"{self.address}/goog/cdp/execute", {"cmd": command, "params": values})

    def open(self, url: str, width: int, scheme: str) -> dict[str, Any]:
        """Open a page; return its times, by how much it overflows, and the requests that were made."""
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600)
        self.cdp("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.requests()
        _post(f"{self.address}/url", {"url": url})
        seen = _post(f"{self.address}/execute/async", {"script": LOADED, "args": [width]})
        asked = [one for page, one in self.requests() if page == url != one and not one.startswith("data:")]
        return {**seen, "requests": asked}

    def shot(self) -> bytes:
        """Return the whole page that is open as a PNG."""
        taken = self.cdp("Page.captureScreenshot", captureBeyondViewport=True, format="png")
        return base64.b64decode(taken["data"])

    def pdf(self) -> bytes:
        """Return the page that is open as it is printed."""
        return base64.b64decode(
            self.cdp("Page.printToPDF", printBackground=True, paperWidth=8.27, paperHeight=11.69)["data"]
        )

    def requests(self) -> list[tuple[str, str]]:
        """Return the requests since the last call: the page that asked, and the address that it asked for."""
        lines = _post(f"{self.address}/se/log", {"type": "performance"})
        events = [json.loads(line["message"])["message"] for line in lines]
        sent = [event["params"] for event in events if event["method"] == "Network.requestWillBeSent"]
        return [(one["documentURL"], one["request"]["url"]) for one in sent]


@contextmanager
def browser() -> Iterator[Browser]:
    """Start chromedriver and a Chromium with a profile of its own, and end both."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = shutil.which("chromedriver")
    if program is None:
        raise SystemExit("there is no chromedriver; install chromium and chromium-driver")
    driver = subprocess.Popen([program, f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
            _wait(port)
            session = Browser(f"http://127.0.0.1:{port}", profile)
            try:
                yield session
            finally:
                urllib.request.urlopen(urllib.request.Request(session.address, method="DELETE")).close()
    finally:
        driver.terminate()
        driver.wait()


def _wait(port: int) -> None:
    """Wait until chromedriver listens."""
    for _ in range(100):
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
    raise SystemExit("chromedriver does not answer")


def _post(url: str, values: dict[str, Any]) -> Any:
    request = urllib.request.Request(url, json.dumps(values).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["value"]
