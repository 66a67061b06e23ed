"""The downloader, against a server on this machine that breaks off, redirects, refuses and lies."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from dataclasses import replace
from email.message import Message
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.error import URLError

import pytest

from resnets.weights.hub import fetch as module
from resnets.weights.hub.endpoint import origin
from resnets.weights.hub.errors import FetchError, NotThere, Unreachable
from resnets.weights.hub.fetch import Asked, Fetched, fetch
from tests.weights.hub.serving import Page, Site, patience, serve

BODY = random.Random(0).randbytes(300_000)
SHA256 = hashlib.sha256(BODY).hexdigest()
OTHER = random.Random(1).randbytes(300_000)


def get(site: Site, folder: Path, path: str = "/w", *, tries: int = 3, **facts: Any) -> Fetched:
    asked = Asked(url=f"{site.url}{path}", mirror=origin(site.url), **facts)
    return fetch(asked, folder / "w", part=folder / "w.part", patience=patience(tries)[0])


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_comes_whole_with_its_hash_and_nothing_beside_it(site: Site, tmp_path: Path) -> None:
    site.pages["/w"] = Page(BODY)
    assert get(site, tmp_path) == Fetched(SHA256, len(BODY), '"one"', None, None)
    assert (tmp_path / "w").read_bytes() == BODY
    assert names(tmp_path) == ["w"]


def test_the_request_says_who_asks_and_nothing_else(site: Site, tmp_path: Path) -> None:
    site.pages["/w"] = Page(BODY)
    get(site, tmp_path)
    (seen,) = site.seen
    assert set(seen.headers) == {"host", "user-agent", "accept-encoding", "connection"}
    assert seen.headers["user-agent"].startswith("resnets/")
    assert seen.headers["accept-encoding"] == "identity"


def test_progress_is_told(site: Site, tmp_path: Path) -> None:
    site.pages["/w"] = Page(BODY)
    told: list[tuple[str, int, int | None]] = []
    asked = Asked(url=f"{site.url}/w", mirror=origin(site.url))
    fetch(asked, tmp_path / "w", part=tmp_path / "w.part", progress=lambda *facts: told.append(facts))
    assert told[-1] == ("w", len(BODY), len(BODY))
    assert [here for _, here, _ in told] == sorted(here for _, here, _ in told)


# Resuming.


def test_a_broken_connection_is_resumed_from_the_byte_it_broke_at(site: Site, tmp_path: Path) -> None:
    site.pages["/w"] = Page(BODY, cut_after=[100_000, 50_000])
    assert get(site, tmp_path, sha256=SHA256).sha256 == SHA256
    assert site.asked("range") == [None, "bytes=100000-", "bytes=150000-"]
    assert site.asked("if-range") == [None, '"one"', '"one"']


def test_a_server_without_ranges_is_asked_for_all_of_it_again(site: Site, tmp_path: Path) -> None:
    site.pages["/w"] = Page(BODY, cut_after=[100_000], ranges=False)
    assert get(site, tmp_path).sha256 == SHA256
    assert site.asked("range") == [None, "bytes=100000-"]


@pytest.mark.parametrize("etag", [None, 'W/"one"'])
def test_without_a_strong_etag_two_halves_are_not_joined(etag: str | None, site: Site, tmp_path: Path) -> None:
    site.pages["/w"] = Page(BODY, cut_after=[100_000], etag=etag)
    assert get(site, tmp_path).sha256 == SHA256
    assert site.asked("range") == [None, None]


def test_a_file_that_changed_in_between_is_fetched_from_its_start(site: Site, tmp_path: Path) -> None:
    site.pages["/w"] = Page(BODY, cut_after=[100_000])
    with pytest.raises(Unreachable):
        get(site, tmp_path, tries=1)
    assert names(tmp_path) == ["w.part", "w.part.json"]
    site.pages["/w"] = Page(OTHER, etag='"two"')
    assert get(site, tmp_path).sha256 == hashlib.sha256(OTHER).hexdigest()
    assert site.asked("range")[1:] == ["bytes=100000-"]


def test_a_part_of_another_address_is_not_continued(site: Site, tmp_path: Path) -> None:
    site.pages["/w"] = Page(BODY, cut_after=[100_000])
    site.pages["/v"] = Page(OTHER)
    with pytest.raises(Unreachable):
        get(site, tmp_path, tries=1)
    assert get(site, tmp_path, "/v").sha256 == hashlib.sha256(OTHER).hexdigest()
    assert site.asked("range") == [None, None]


@pytest.mark.parametrize("note", [b"", b"{", b"[]", b'{"url": 1}', b'{"etag": "x\\ny", "url": "URL"}'])
def test_a_damaged_note_beside_a_part_means_from_the_start(note: bytes, site: Site, tmp_path: Path) -> None:
    site.pages["/w"] = Page(BODY)
    (tmp_path / "w.part").write_bytes(b"half")
    (tmp_path / "w.part.json").write_bytes(note.replace(b"URL", f"{site.url}/w".encode()))
    assert get(site, tmp_path).sha256 == SHA256
    assert site.asked("range") == [None]


@pytest.mark.parametrize("content_range", ["bytes 0-5/6", "bytes 7-299999/300000", "nonsense", "bytes 100000-/300000"])
def test_a_range_that_was_not_asked_for_is_not_joined(content_range: str, site: Site, tmp_path: Path) -> None:
    site.pages["/w"] = Page(BODY, cut_after=[100_000], content_range=content_range)
    assert get(site, tmp_path).sha256 == SHA256
    assert site.asked("range") == [None, "bytes=100000-", None]


def test_the_rest_of_another_file_is_not_joined(site: Site, tmp_path: Path) -> None:
    site.pages["/w"] = Page(BODY, cut_after=[100_000])
    with pytest.raises(Unreachable):
        get(site, tmp_path, tries=1)
    site.pages["/w"] = Page(OTHER, etag='"two"', ignores_if_range=True)
    assert get(site, tmp_path).sha256 == hashlib.sha256(OTHER).hexdigest()
    assert site.asked("range") == [None, "bytes=100000-", None]


def test_a_part_with_a_wrong_half_is_fetched_once_more_and_then_right(site: Site, tmp_path: Path) -> None:
    site.pages["/w"] = Page(BODY, cut_after=[100_000])
    with pytest.raises(Unreachable):
        get(site, tmp_path, tries=1)
    (tmp_path / "w.part").write_bytes(bytes(100_000))
    assert get(site, tmp_path, sha256=SHA256).sha256 == SHA256
    assert site.asked("range") == [None, "bytes=100000-", None]


def test_a_part_longer_than_the_file_is_given_up(site: Site, tmp_path: Path) -> None:
    site.pages["/w"] = Page(BODY, cut_after=[100_000])
    with pytest.raises(Unreachable):
        get(site, tmp_path, tries=1)
    (tmp_path / "w.part").write_bytes(bytes(400_000))
    assert get(site, tmp_path).sha256 == SHA256
    assert site.asked("range") == [None, "bytes=400000-", None]


KILLED = """
import sys
from pathlib import Path
from resnets.weights.hub.endpoint import origin
from resnets.weights.hub.fetch import Asked, fetch
url, folder = sys.argv[1], Path(sys.argv[2])
fetch(Asked(url=url, mirror=origin(url)), folder / "w", part=folder / "w.part")
"""


def test_a_killed_process_leaves_a_part_and_the_next_one_goes_on_from_it(site: Site, tmp_path: Path) -> None:
    site.pages["/w"] = Page(BODY, endless=True, length=len(BODY) + (1 << 30))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    child = subprocess.Popen([sys.executable, "-c", KILLED, f"{site.url}/w", str(tmp_path)], env=environment)
    while not (tmp_path / "w.part").exists() or (tmp_path / "w.part").stat().st_size < len(BODY):
        assert child.poll() is None
        time.sleep(0.005)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    site.pages["/w"].endless = False
    assert names(tmp_path) == ["w.part", "w.part.json"]
    # What it wrote first is the file's; the zeros behind that are the server's endless ones.
    with (tmp_path / "w.part").open("r+b") as part:
        part.truncate(200_000)
    site.pages["/w"] = Page(BODY)
    assert get(site, tmp_path, sha256=SHA256).size == len(BODY)
    assert site.asked("range") == [None, "bytes=200000-"]
    assert names(tmp_path) == ["w"]


# Trying again.


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_busy_server_is_asked_again_after_longer_and_longer_pauses(status: int, site: Site, tmp_path: Path) -> None:
    site.pages["/w"] = Page(BODY, status=[status, status])
    calm, naps = patience(3)
    asked = Asked(url=f"{site.url}/w", mirror=origin(site.url))
    assert fetch(asked, tmp_path / "w", part=tmp_path / "w.part", patience=calm).sha256 == SHA256
    assert naps == [1.0, 2.0]


@pytest.mark.parametrize(
    ("after", "pause"), [("7", 7.0), ("99999", 60.0), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0), ("soon", 1.0)]
)
def test_the_pause_a_server_asks_for_is_kept_within_bounds(
    after: str, pause: float, site: Site, tmp_path: Path
) -> None:
    site.pages["/w"] = Page(BODY, status=[429], headers={"Retry-After": after})
    calm, naps = patience()
    asked = Asked(url=f"{site.url}/w", mirror=origin(site.url))
    fetch(asked, tmp_path / "w", part=tmp_path / "w.part", patience=calm)
    assert naps == [pause]


def test_attempts_end(site: Site, tmp_path: Path) -> None:
    site.pages["/w"] = Page(BODY, cut_after=[10] * 99)
    with pytest.raises(Unreachable, match="the connection ended after 40 of 300,000 bytes; 4 attempts were made"):
        get(site, tmp_path, tries=4)
    assert len(site.seen) == 4


def test_an_attempt_that_brings_much_is_not_in_vain(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PROGRESS", 50_000)
    site.pages["/w"] = Page(BODY, cut_after=[50_000] * 5)
    assert get(site, tmp_path, tries=2).sha256 == SHA256
    assert len(site.seen) == 6


def test_a_server_that_takes_back_what_it_gave_is_not_asked_for_ever(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PROGRESS", 50_000)
    site.pages["/w"] = Page(BODY, cut_after=[100_000] * 99, content_range="bytes 0-1/2")
    with pytest.raises(Unreachable):
        get(site, tmp_path, tries=3)
    assert len(site.seen) == 4


def test_nobody_listening_is_told_as_no_connection(tmp_path: Path) -> None:
    with serve() as gone:
        pass
    with pytest.raises(Unreachable, match=r"could not be fetched: no connection \(.*refused.*\); 2 attempts"):
        get(gone, tmp_path, tries=2)


def test_a_silent_server_is_not_waited_for_longer_than_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/w"
        calm = replace(patience(1)[0], timeout=0.05)
        with pytest.raises(Unreachable, match="timed out"):
            fetch(Asked(url=url, mirror=origin(url)), tmp_path / "w", part=tmp_path / "w.part", patience=calm)


# Refusing.


def test_other_bytes_than_the_published_ones_are_removed(site: Site, tmp_path: Path) -> None:
    site.pages["/w"] = Page(OTHER)
    with pytest.raises(FetchError, match=f"{SHA256[:8]} is what the catalogue says; what came was removed"):
        get(site, tmp_path, sha256=SHA256[:8])
    assert names(tmp_path) == []
    assert len(site.seen) == 1


def test_the_first_digits_of_a_hash_are_enough(site: Site, tmp_path: Path) -> None:
    site.pages["/w"] = Page(BODY)
    assert get(site, tmp_path, sha256=SHA256[:8]).sha256 == SHA256


def test_a_claim_above_the_limit_is_refused_before_a_byte_is_written(site: Site, tmp_path: Path) -> None:
    site.pages["/w"] = Page(BODY, length=4 << 40)
    with pytest.raises(FetchError, match=r"says it has 4,398,046,511,104 bytes; at most 2,147,483,648 are fetched"):
        get(site, tmp_path)
    assert names(tmp_path) == []


def test_more_than_the_disk_holds_is_refused(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 1000}))
    site.pages["/w"] = Page(BODY)
    with pytest.raises(FetchError, match="has room for 1,000 bytes, and 300,000 are needed"):
        get(site, tmp_path)


def test_a_server_that_never_ends_is_left_at_the_limit(site: Site, tmp_path: Path) -> None:
    site.pages["/w"] = Page(BODY, endless=True)
    with pytest.raises(FetchError, match="sent more than the 1,000,000 bytes it may have"):
        get(site, tmp_path, limit=1_000_000, sha256=SHA256)
    assert names(tmp_path) == []
    assert len(site.seen) == 1


def test_an_end_that_nothing_tells_is_no_end(site: Site, tmp_path: Path) -> None:
    site.pages["/w"] = Page(BODY, endless=True)
    with pytest.raises(FetchError, match="does not say how long the file is, and no hash of it is known"):
        get(site, tmp_path)


def test_a_chunked_answer_is_whole_only_with_its_last_chunk(site: Site, tmp_path: Path) -> None:
    site.pages["/w"] = Page(BODY, chunked=True)
    assert get(site, tmp_path).sha256 == SHA256
    site.pages["/w"] = Page(BODY, chunked=True, cut_after=[1000], etag=None)
    (tmp_path / "w").unlink()
    with pytest.raises(Unreachable, match="the connection broke"):
        get(site, tmp_path, tries=1)


@pytest.mark.parametrize(
    ("page", "kind", "said"),
    [
        (Page(status=[404]), NotThere, r"is not there \(404 Not Found\)"),
        (Page(status=[404], headers={"X-Error-Code": "EntryNotFound"}), NotThere, "is not there"),
        (Page(status=[404], headers={"X-Error-Code": "RepoNotFound"}), FetchError, "the name is wrong, or it is priv"),
        (
            Page(status=[401], headers={"X-Error-Message": "Access to model is\trestricted"}),
            FetchError,
            r"is refused \(401 Access to model is restricted\): the name is wrong, or .* set HF_TOKEN to a token",
        ),
        (Page(status=[403]), FetchError, "set HF_TOKEN"),
        (Page(status=[410]), FetchError, "the server answers 410 Gone"),
        (Page(b"<html>", kind="text/html"), FetchError, "a web page instead of the file; does a proxy want you"),
        (Page(BODY, headers={"Content-Encoding": "gzip"}), FetchError, "is sent compressed, against the request"),
    ],
)
def test_refusals(page: Page, kind: type[FetchError], said: str, site: Site, tmp_path: Path) -> None:
    site.pages["/w"] = page
    with pytest.raises(FetchError, match=said) as raised:
        get(site, tmp_path)
    assert type(raised.value) is kind
    assert len(site.seen) == 1, "what will not change is not asked for again"
    assert names(tmp_path) == []


# What Hugging Face says before it redirects to its storage.


def test_the_hash_that_the_hub_states_is_checked(site: Site, tmp_path: Path) -> None:
    commit = "c" * 40
    site.redirect("/w", f"{site.other}/storage", **{"X-Linked-Etag": f'"{SHA256}"', "X-Repo-Commit": commit})
    site.pages["/storage"] = Page(BODY, headers={"X-Linked-Etag": '"not the first"'})
    assert get(site, tmp_path) == Fetched(SHA256, len(BODY), '"one"', SHA256, commit)
    site.pages["/storage"] = Page(OTHER)
    with pytest.raises(FetchError, match=f"{SHA256} is what the server says; what came was removed"):
        get(site, tmp_path)


def test_a_hub_that_states_another_hash_than_the_published_one_is_not_fetched_from(site: Site, tmp_path: Path) -> None:
    site.redirect("/w", f"{site.other}/storage", **{"X-Linked-Etag": f'"{SHA256}"'})
    site.pages["/storage"] = Page(BODY)
    with pytest.raises(FetchError, match=f"has a file with SHA-256 {SHA256}, and 01234567 is the published one"):
        get(site, tmp_path, sha256="01234567")


def test_the_hash_that_git_gives_small_files_is_not_taken_for_a_sha256(site: Site, tmp_path: Path) -> None:
    site.pages["/w"] = Page(BODY, headers={"X-Linked-Etag": f'"{"a" * 40}"'})
    assert get(site, tmp_path).said is None


def test_resuming_goes_through_the_redirect_again(site: Site, tmp_path: Path) -> None:
    site.redirect("/w", f"{site.other}/storage?signature=1&x=%2F")
    site.pages["/storage"] = Page(BODY, cut_after=[100_000])
    assert get(site, tmp_path).sha256 == SHA256
    assert site.paths() == ["/w", "/storage?signature=1&x=%2F"] * 2
    assert site.asked("range") == [None, None, "bytes=100000-", "bytes=100000-"]


# Redirects and tokens.


def test_a_token_goes_to_its_endpoint_and_not_where_that_redirects_to(site: Site, tmp_path: Path) -> None:
    site.redirect("/w", f"{site.url}/renamed", 307)
    site.redirect("/renamed", f"{site.other}/storage")
    site.pages["/storage"] = Page(BODY)
    get(site, tmp_path, token="hf_secret")
    assert site.paths() == ["/w", "/renamed", "/storage"]
    assert site.asked("authorization") == ["Bearer hf_secret", "Bearer hf_secret", None]


def test_a_token_does_not_go_to_another_port_of_its_host(site: Site, tmp_path: Path) -> None:
    with serve() as second:
        site.redirect("/w", f"{second.url}/w")
        second.pages["/w"] = Page(BODY)
        get(site, tmp_path, token="hf_secret")
    assert site.asked("authorization") == ["Bearer hf_secret"]
    assert second.asked("authorization") == [None]


def test_redirects_in_a_circle_end(site: Site, tmp_path: Path) -> None:
    site.redirect("/w", "/v")
    site.redirect("/v", "/w")
    with pytest.raises(FetchError, match="is the end of 10 redirects"):
        get(site, tmp_path)
    assert len(site.seen) == 11


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("file:///etc/passwd", "only https addresses without user names are followed"),
        ("ftp://127.0.0.1/w", "only https addresses without user names are followed"),
        ("http://user:word@127.0.0.1/w", "only https addresses without user names are followed"),
        ("http://192.0.2.1/w", "is plain http, which anyone on the way can change"),
        ("http://127.0.0.1:99999/w", "which is no address"),
    ],
)
def test_redirects_to_where_nothing_is_fetched_from(target: str, said: str, site: Site, tmp_path: Path) -> None:
    site.redirect("/w", target)
    with pytest.raises(FetchError, match=said):
        get(site, tmp_path)
    assert len(site.seen) == 1


def test_a_redirect_to_nowhere_is_refused(site: Site, tmp_path: Path) -> None:
    site.pages["/w"] = Page(status=[302])
    with pytest.raises(FetchError, match="a redirect that leads nowhere"):
        get(site, tmp_path)


# Proxies.


def test_the_proxy_of_the_environment_is_used(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", site.url)
    site.pages["/models/w"] = Page(BODY)
    url = "http://mirror.invalid/models/w"
    asked = Asked(url=url, mirror=origin(url), token="hf_secret")
    got = fetch(asked, tmp_path / "w", part=tmp_path / "w.part", patience=patience(1)[0])
    assert got.sha256 == SHA256
    (seen,) = site.seen
    assert (seen.path, seen.headers["host"]) == (url, "mirror.invalid")
    assert "authorization" not in seen.headers, "no token over plain http to another machine"


def test_no_proxy_is_used_for_what_the_environment_excepts(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    site.pages["/w"] = Page(BODY)
    assert get(site, tmp_path).sha256 == SHA256


def test_the_note_beside_a_part_says_what_it_is_of(site: Site, tmp_path: Path) -> None:
    site.pages["/w"] = Page(BODY, cut_after=[5])
    with pytest.raises(Unreachable):
        get(site, tmp_path, tries=1)
    assert json.loads((tmp_path / "w.part.json").read_text()) == {"etag": '"one"', "url": f"{site.url}/w"}


# What needs https, which this machine's server has not.


class Https:
    """Stands for an opener that reaches a server over https."""

    def __init__(self, answer: object) -> None:
        self.answer = answer
        self.asked: list[str] = []

    def open(self, request: urllib.request.Request, timeout: float) -> object:
        self.asked.append(request.full_url)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def test_https_does_not_become_http(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    headers = Message()
    headers["Location"] = "http://127.0.0.1:9/w"
    https = Https(SimpleNamespace(status=302, headers=headers, close=lambda: None))
    monkeypatch.setattr("resnets.weights.hub.request._opener", lambda: https)
    asked = Asked(url="https://hub.example/w", mirror=origin("https://hub.example"))
    with pytest.raises(FetchError, match=r"hub\.example/w led to http://127\.0\.0\.1:9/w, from https to http"):
        fetch(asked, tmp_path / "w", part=tmp_path / "w.part", patience=patience()[0])
    assert https.asked == ["https://hub.example/w"]


def test_a_certificate_that_is_not_trusted_is_told_and_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = ssl.SSLCertVerificationError("...")
    error.verify_message = "self-signed certificate"
    https = Https(URLError(error))
    monkeypatch.setattr("resnets.weights.hub.request._opener", lambda: https)
    asked = Asked(url="https://hub.example/w", mirror=origin("https://hub.example"))
    with pytest.raises(FetchError, match=r"the certificate is not trusted \(self-signed certificate\)") as raised:
        fetch(asked, tmp_path / "w", part=tmp_path / "w.part", patience=patience()[0])
    assert not isinstance(raised.value, Unreachable)
    assert len(https.asked) == 1
