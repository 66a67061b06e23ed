"""Chromium: what a browser sees in picture files, drawn in their own size on white."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import numpy.typing as npt

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--force-color-profile=srgb",
)  # fmt: skip

# A bitmap made of a file is its first frame, and none where a file is damaged; an <img> shows what there is of it,
# and of an animation the frame that it has come to.
PAGE = """<!doctype html><meta charset="utf-8"><script>
const post = (path, body) => fetch(path, {method: "POST", body});
async function look(number) {
  const image = new Image();
  const loaded = new Promise(done => { image.onload = () => done(true); image.onerror = () => done(false); });
  image.src = "/file/" + number;
  if (!await loaded || !image.naturalWidth) return;
  const bitmap = await fetch(image.src).then(file => file.blob()).then(createImageBitmap).catch(() => null);
  const shown = bitmap ?? image, canvas = document.createElement("canvas");
  canvas.width = bitmap?.width ?? image.naturalWidth;
  canvas.height = bitmap?.height ?? image.naturalHeight;
  const paper = canvas.getContext("2d", {willReadFrequently: true, colorSpace: "srgb"});
  paper.fillStyle = "white";
  paper.fillRect(0, 0, canvas.width, canvas.height);
  paper.drawImage(shown, 0, 0);
  const pixels = paper.getImageData(0, 0, canvas.width, canvas.height);
  await post(`/seen/${number}/${canvas.width}/${canvas.height}/${bitmap ? "whole" : "part"}`, pixels.data);
}
async function main() {
  for (let number = 0; number < COUNT; number++) await look(number).catch(() => null);
  await post("/done", "");
}
main();
</script>"""

Seen = tuple[npt.NDArray[np.uint8], bool]
"""The (H, W, 3) pixels, and whether that is all of the picture."""


def executable() -> str | None:
    """Where Chromium is, or None."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def look(files: Sequence[bytes], seconds: float = 300) -> list[Seen | None]:
    """Return what a headless Chromium shows of each file; None where that is nothing."""
    program = executable()
    assert program, "there is no chromium"
    seen: list[Seen | None] = [None] * len(files)
    done = threading.Event()

    class Desk(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = self.path.split("/")
            self.answer(files[int(parts[2])] if parts[1] == "file" else PAGE.replace("COUNT", str(len(files))).encode())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            parts = self.path.split("/")
            if parts[1] == "seen":
                number, width, height = map(int, parts[2:5])
                pixels = np.frombuffer(body, np.uint8).reshape(height, width, 4)
                seen[number] = pixels[:, :, :3], parts[5] == "whole"
            self.answer(b"")
            if parts[1] == "done":
                done.set()

        def answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html" if self.path == "/" else "application/octet-stream")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Desk) as server, tempfile.TemporaryDirectory() as folder:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        words = [program, *FLAGS, f"--user-data-dir={folder}", f"http://127.0.0.1:{server.server_port}/"]
        browser = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            assert done.wait(seconds), f"Chromium was not done after {seconds} seconds"
        finally:
            _end(browser)
            server.shutdown()
    return seen


def _end(browser: subprocess.Popen[bytes]) -> None:
    """End the browser and the processes that it started, which are its group, and no others."""
    for order in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(browser.pid, order)
            browser.wait(10)
        except subprocess.TimeoutExpired:
            continue
        except ProcessLookupError:
            return
