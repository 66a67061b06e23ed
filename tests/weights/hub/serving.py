"""A web server on this machine that can do what servers do: resume, redirect, refuse, break off, and lie."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from resnets.weights.hub.fetch import Patience


@dataclass
class Page:
    """What an address answers with. Lists are used up, one entry for each request."""

    body: bytes = b""
    etag: str | None = '"one"'
    ranges: bool = True
    status: list[int] = field(default_factory=list)  # answered first, before the body is served
    headers: dict[str, str] = field(default_factory=dict)
    cut_after: list[int] = field(default_factory=list)  # bytes of the body, then the connection breaks
    length: int | None = None  # claimed instead of the true one
    endless: bool = False
    chunked: bool = False
    content_range: str | None = None
    ignores_if_range: bool = False
    kind: str = "application/octet-stream"


@dataclass(frozen=True)
class Seen:
    """A request as it came."""

    path: str
    headers: dict[str, str]


class Site:
    """A running server: its pages, what was asked of it, and its address under two names."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self.pages: dict[str, Page] = {}
        self.seen: list[Seen] = []
        self.port: int = server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.other = f"http://localhost:{self.port}"  # another host, to whoever holds a token

    def redirect(self, path: str, to: str, status: int = 302, **headers: str) -> None:
        self.pages[path] = Page(status=[status] * 99, headers={"Location": to, **headers})

    def asked(self, name: str) -> list[str | None]:
        """One header of every request, lowercase."""
        return [seen.headers.get(name) for seen in self.seen]

    def paths(self) -> list[str]:
        return [seen.path for seen in self.seen]


@contextmanager
def serve() -> Iterator[Site]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            # a proxy is asked for whole addresses, a server for paths
            path = urlsplit(self.path).path
            site.seen.append(Seen(self.path, {key.lower(): value for key, value in self.headers.items()}))
            page = site.pages.get(path)
            if page is None:
                self._head(404, {"Content-Length": "0"})
            elif page.status:
                status = page.status.pop(0)
                self._head(status, {"Content-Length": "0"} | page.headers)
            else:
                self._serve(page)

        def _head(self, status: int, headers: dict[str, str]) -> None:
            self.send_response(status)
            for key, value in headers.items():
                self.send_header(key, value)
            self.end_headers()

        def _serve(self, page: Page) -> None:
            start, headers = 0, {"Content-Type": page.kind} | page.headers
            if page.etag:
                headers["ETag"] = page.etag
            asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            condition = self.headers.get("If-Range")
            if asked and page.ranges and (page.ignores_if_range or condition in (None, page.etag)):
                start = int(asked[1])
                if start >= len(page.body):
                    self._head(416, {"Content-Length": "0"})
                    return
            rest = page.body[start:]
            status = 206 if start else 200
            if start:
                last, whole = len(page.body) - 1, len(page.body)
                headers["Content-Range"] = page.content_range or f"bytes {start}-{last}/{whole}"
            if page.chunked:
                headers["Transfer-Encoding"] = "chunked"
            elif not page.endless or page.length:
                headers["Content-Length"] = str(page.length or len(rest))
            self._head(status, headers)
            cut = page.cut_after.pop(0) if page.cut_after else None
            rest = rest[:cut]
            if page.chunked:
                rest = b"%x\r\n%s\r\n" % (len(rest), rest) + (b"0\r\n\r\n" if cut is None else b"")
            self.wfile.write(rest)
            while page.endless:
                self.wfile.write(bytes(1 << 16))
            self.close_connection = True

        def log_message(self, *args: Any) -> None:
            pass

        def handle(self) -> None:
            try:
                super().handle()
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        def finish(self) -> None:
            with suppress(BrokenPipeError, ConnectionResetError):
                super().finish()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    site = Site(server)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Naps(list[float]):
    """A sleep that only notes how long it would have been."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def patience(tries: int = 3, timeout: float = 5.0) -> tuple[Patience, Naps]:
    naps = Naps()
    return Patience(timeout=timeout, tries=tries, sleep=naps), naps
