"""One request: through the proxies of the environment, over bounded redirects, with a token for one origin only."""

from __future__ import annotations

import http.client
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from urllib.parse import quote, urljoin

from resnets.weights.hub.endpoint import Origin, check_address, is_loopback, origin
from resnets.weights.hub.errors import FetchError

MOST_REDIRECTS = 10
"""Hugging Face needs two or three: renamed repository, storage, content network."""

KEPT = ("x-linked-etag", "x-linked-size", "x-repo-commit")
"""Facts about the file that Hugging Face puts on the redirect to its storage, and not on the storage's own answer."""

_REDIRECTS = (301, 302, 303, 307, 308)


@dataclass(frozen=True, slots=True)
class Answer:
    """A response whose body is not read yet, where it came from, and the facts of `KEPT` met on the way."""

    response: http.client.HTTPResponse
    url: str
    facts: Mapping[str, str]


def ask(url: str, headers: Mapping[str, str], *, mirror: Origin, token: str | None, timeout: float) -> Answer:
    """Send a GET and follow redirects; `timeout` in seconds is for each wait on the network.

    `mirror` is the origin of the hub's endpoint. `token` goes there and nowhere else, and not over plain http
    to another machine. Raises `FetchError` for an address that is not followed, and `OSError` or
    `http.client.HTTPException` when the network fails.
    """
    facts: dict[str, str] = {}
    before: str | None = None
    for _ in range(MOST_REDIRECTS + 1):
        check_address(url, mirror, before)
        request = urllib.request.Request(url, headers=_own_headers() | dict(headers))
        scheme, host, _port = here = origin(url)
        if token and here == mirror and (scheme == "https" or is_loopback(host)):
            request.add_unredirected_header("Authorization", f"Bearer {token}")
        response = _opener().open(request, timeout=timeout)
        for name in KEPT:
            if name in response.headers:
                facts.setdefault(name, response.headers[name])
        if response.status not in _REDIRECTS:
            return Answer(response, url, facts)
        response.close()
        location = response.headers.get("Location")
        if not location:
            raise FetchError(f"{url} answers with a redirect that leads nowhere")
        before, url = url, urljoin(url, quote(location, safe="%/:=&?~#+!$,;'@()*[]"))
    raise FetchError(f"{url[:200]} is the end of {MOST_REDIRECTS} redirects, each leading to the next; nothing came")


def _own_headers() -> dict[str, str]:
    # identity: a compressed answer would have another length and another hash than the file
    return {"User-Agent": f"resnets/{version('resnets')}", "Accept-Encoding": "identity"}


def _opener() -> urllib.request.OpenerDirector:
    """Http, https and proxies, and nothing else: no files, no FTP, no cookies, no redirects of its own."""
    opener = urllib.request.OpenerDirector()
    opener.addheaders = []
    for handler in (urllib.request.ProxyHandler(), urllib.request.HTTPHandler(), urllib.request.HTTPSHandler()):
        opener.add_handler(handler)
    return opener
