"""The downloader: one file over http, resumed where it stopped, hashed as it comes, and named only when it is right."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import re
import shutil
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.error import URLError

from resnets.files import atomic
from resnets.weights.hub.endpoint import Origin
from resnets.weights.hub.errors import FetchError, NotThere, Unreachable
from resnets.weights.hub.request import Answer, ask

MOST_BYTES = 2 << 30
"""Of one file, where its size is not published; the family's largest is below 0.6 GB."""

PIECE = 1 << 18
"""Bytes taken from the network at a time."""

PROGRESS = 1 << 20
"""Bytes that an attempt must add for the count of vain attempts to start again."""

LONGEST_PAUSE = 60.0
"""Seconds between two attempts, whatever the server asks for."""

_AGAIN = (408, 425, 429, 500, 502, 503, 504)
_SHA256 = re.compile(r"[0-9a-f]{64}")

Progress = Callable[[str, int, int | None], None]
"""Called with a file's name, the bytes that are here, and how many it has if the server says so."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for a server, and how often to ask it again."""

    timeout: float = 30.0  # seconds, for each wait on the network
    tries: int = 5  # attempts that add less than `PROGRESS`
    pause: float = 1.0  # seconds before the second attempt; doubled each time
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """A file to fetch. `sha256` is all 64 hex digits, or the first ones, or None where none are published."""

    url: str
    mirror: Origin  # the origin of the hub's endpoint
    sha256: str | None = None
    limit: int = MOST_BYTES
    token: str | None = None


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came: its whole hash, its size in bytes, and what the server said of it."""

    sha256: str
    size: int
    etag: str | None
    said: str | None  # the SHA-256 that the hub stated before the file came
    commit: str | None  # of the repository


class Stopped(Exception):
    """An attempt ended early, and another one may go on from there."""

    def __init__(self, why: str, pause: float | None = None) -> None:
        super().__init__(why)
        self.pause = pause


def fetch(
    asked: Asked, target: Path, *, part: Path, patience: Patience | None = None, progress: Progress | None = None
) -> Fetched:
    """Fetch a file to `part`, and give it its name `target` once it is whole and its hash is right.

    `part` and a note beside it stay when this fails or is killed, and the next call goes on from there, if the
    server still has the same file. Only one process may use the same `part` at a time.

    Raises `NotThere` when the server has no such file, `Unreachable` when all attempts were in vain, and
    `FetchError` when it refuses, sends more than `asked.limit` bytes, or sends other bytes than the published
    ones, which are removed.
    """
    patience = patience or Patience()
    vain, furthest = 0, _size(part)
    while True:
        try:
            return _attempt(asked, target, part, patience.timeout, progress)
        except Stopped as stop:
            # Counted from the furthest point ever reached, so that no server can make this go on for ever.
            vain = 0 if _size(part) >= furthest + PROGRESS else vain + 1
            furthest = max(furthest, _size(part))
            if vain >= patience.tries:
                raise Unreachable(f"{asked.url} could not be fetched: {stop}; {vain} attempts were made") from None
            pause = patience.pause * 2 ** max(vain - 1, 0) if stop.pause is None else stop.pause
            patience.sleep(min(pause, LONGEST_PAUSE))


def _attempt(asked: Asked, target: Path, part: Path, timeout: float, progress: Progress | None) -> Fetched:
    etag = _etag_of(part, asked.url)
    start = _size(part) if etag else 0
    # If-Range: the rest of this very file, or all of the one that is there now.
    headers = {"Range": f"bytes={start}-", "If-Range": etag} if start and etag else {}
    try:
        answer = ask(asked.url, headers, mirror=asked.mirror, token=asked.token, timeout=timeout)
        with answer.response:
            start, total = _accept(answer, asked, start, etag, part)
            sha256, size = _take(answer.response, part, start, total, asked, target.name, progress)
    except ssl.SSLCertVerificationError as error:
        raise FetchError(f"{asked.url}: the certificate is not trusted ({error.verify_message})") from None
    except URLError as error:
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            raise FetchError(f"{asked.url}: the certificate is not trusted ({error.reason.verify_message})") from None
        raise Stopped(f"no connection ({error.reason})") from None
    except (http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError) as error:
        raise Stopped(f"the connection broke ({type(error).__name__}: {error})") from None
    return _keep(answer, asked, target, part, sha256, size, resumed=start > 0)


def _accept(answer: Answer, asked: Asked, start: int, etag: str | None, part: Path) -> tuple[int, int | None]:
    """Return from which byte on the answer goes, and how many the file has; refuse what is not the file."""
    response, headers = answer.response, answer.response.headers
    if response.status == 416 and start:  # the part is longer than what is there now
        _forget(part)
        raise Stopped("the server has another file by now")
    if response.status not in (200, 206):
        raise _refusal(answer, asked)
    if headers.get("Content-Encoding", "identity").lower() != "identity":
        raise FetchError(f"{asked.url} is sent compressed, against the request; use another mirror or proxy")
    if headers.get_content_type() == "text/html":
        raise FetchError(f"{asked.url} answers with a web page instead of the file; does a proxy want you to log in?")
    said = _said(answer)
    if said and asked.sha256 and not said.startswith(asked.sha256):
        raise FetchError(
            f"{asked.url}: the server has a file with SHA-256 {said}, and {asked.sha256} is the published one; "
            "nothing was fetched"
        )
    total: int | None
    if response.status == 206:
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", headers.get("Content-Range", "").strip())
        if not found or int(found[1]) != start or headers.get("ETag", etag) != etag:
            _forget(part)
            raise Stopped("the server continued another file, or from another place")
        total = int(found[2])
    else:
        start, total = 0, response.length
        _forget(part)
    if total is None and not response.chunked and not (said or asked.sha256):
        raise FetchError(f"{asked.url}: the server does not say how long the file is, and no hash of it is known")
    _check_room(asked, part, start, total)
    if start == 0:
        _remember(part, asked.url, headers.get("ETag"))
    return start, total


def _take(
    response: http.client.HTTPResponse,
    part: Path,
    start: int,
    total: int | None,
    asked: Asked,
    name: str,
    progress: Progress | None,
) -> tuple[str, int]:
    """Append the body to the part; return hash and size of the whole."""
    digest = hashlib.sha256()
    with part.open("r+b" if start else "wb") as file:
        while piece := file.read(PIECE) if start else b"":
            digest.update(piece)
        here = start
        while piece := response.read1(PIECE):
            here += len(piece)
            if here > (asked.limit if total is None else total):
                _forget(part)
                raise FetchError(f"{asked.url} sent more than the {total or asked.limit:,} bytes it may have")
            digest.update(piece)
            file.write(piece)
            if progress:
                progress(name, here, total)
        file.flush()
        os.fsync(file.fileno())
    if total is not None and here < total:
        raise Stopped(f"the connection ended after {here:,} of {total:,} bytes")
    return digest.hexdigest(), here


def _keep(answer: Answer, asked: Asked, target: Path, part: Path, sha256: str, size: int, *, resumed: bool) -> Fetched:
    """Give the part its name if its bytes are the right ones."""
    said = _said(answer)
    for wanted, who in ((asked.sha256, "the catalogue"), (said, "the server")):
        if wanted and not sha256.startswith(wanted):
            _forget(part)
            if resumed:  # the first half may be at fault; all of it once more, and then it counts
                raise Stopped("the parts do not fit together")
            raise FetchError(
                f"{asked.url} has SHA-256 {sha256}, and {wanted} is what {who} says; what came was removed. "
                "Try again, or through another mirror"
            )
    # A power cut may take this name away again; the file is then fetched once more, and never half.
    os.replace(part, target)
    _forget(part)
    return Fetched(sha256, size, answer.response.headers.get("ETag"), said, answer.facts.get("x-repo-commit"))


def _said(answer: Answer) -> str | None:
    """The SHA-256 that Hugging Face states as the ETag of large files; small ones have git's hash there."""
    digits = answer.facts.get("x-linked-etag", "").removeprefix("W/").strip('" ').lower()
    return digits if _SHA256.fullmatch(digits) else None


def _check_room(asked: Asked, part: Path, start: int, total: int | None) -> None:
    if total is None:
        return
    if total > asked.limit:
        raise FetchError(f"{asked.url} says it has {total:,} bytes; at most {asked.limit:,} are fetched")
    free = shutil.disk_usage(part.parent).free
    if total - start > free:
        raise FetchError(f"{part.parent} has room for {free:,} bytes, and {total - start:,} are needed")


def _refusal(answer: Answer, asked: Asked) -> Exception:
    """What an answer means that holds no file."""
    status, headers = answer.response.status, answer.response.headers
    words = headers.get("X-Error-Message") or answer.response.reason or "no reason given"
    words = f"{status} {re.sub(r'[^ -~]', ' ', words)[:200].strip()}"
    if status in _AGAIN:
        return Stopped(f"the server answers {words}", _seconds(headers.get("Retry-After")))
    code = headers.get("X-Error-Code")
    if status == 404 and code != "RepoNotFound":
        return NotThere(f"{asked.url} is not there ({words})")
    if status in (401, 403) or code == "RepoNotFound":
        return FetchError(
            f"{asked.url} is refused ({words}): the name is wrong, or it is private or gated; for those, set HF_TOKEN "
            "to a token that may read it"
        )
    return FetchError(f"{asked.url} cannot be fetched: the server answers {words}")


def _seconds(text: str | None) -> float | None:
    """Seconds from a Retry-After, which holds seconds or a date."""
    if text is None:
        return None
    if text.strip().isdigit():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return None


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _note(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _remember(part: Path, url: str, etag: str | None) -> None:
    """Note which file the part is of. A weak ETag says "alike", which is not enough to join two halves."""
    if etag and not etag.startswith("W/"):
        atomic.write(_note(part), json.dumps({"url": url, "etag": etag}).encode())


def _etag_of(part: Path, url: str) -> str | None:
    """The ETag of the file that the part is of, if it came from the same address."""
    try:
        note = json.loads(_note(part).read_bytes()[:10_000])
        etag = note["etag"] if note["url"] == url else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return etag if isinstance(etag, str) and etag.isascii() and etag.isprintable() else None


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _note(part).unlink(missing_ok=True)
