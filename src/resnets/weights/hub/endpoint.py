"""Endpoints: a hub is an address that paths are appended to, and a mirror is another address for the same paths."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from types import MappingProxyType
from urllib.parse import urlsplit

from resnets.weights.hub.errors import FetchError


@dataclass(frozen=True, slots=True)
class Hub:
    """Where a hub is, and which environment variables hold another address for it and a token."""

    address: str
    mirror_variable: str
    token_variable: str | None = None


HUBS: Mapping[str, Hub] = MappingProxyType(
    {
        "torchvision": Hub("https://download.pytorch.org", "RESNETS_TORCHVISION_ENDPOINT"),
        "hf": Hub("https://huggingface.co", "HF_ENDPOINT", "HF_TOKEN"),
    }
)

OFFLINE_VARIABLES = ("RESNETS_OFFLINE", "HF_HUB_OFFLINE")

Origin = tuple[str, str, int]
"""Scheme, host and port: what a token belongs to."""


def endpoint(hub: str, mirror: str | None = None) -> str:
    """Return the address that paths of a hub are appended to: `mirror`, else the environment's, else the hub's own.

    A mirror need not be trusted where the whole hash of a file is published. Raises `ValueError` for an address
    that is none.
    """
    variable = HUBS[hub].mirror_variable
    given, address = ("--mirror", mirror) if mirror else (variable, os.environ.get(variable) or HUBS[hub].address)
    try:
        parts = urlsplit(address)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # a port that is no number
        usable = False
    if not usable or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError(
            f"{given} {address!r} is no address of a mirror; give scheme, host and perhaps a path, "
            "such as https://hf-mirror.com"
        )
    return address.rstrip("/")


def token(hub: str) -> str | None:
    """Return the token for a hub's endpoint from the environment, or None.

    Raises `ValueError` for one with characters that no header can carry; the message does not repeat it.
    """
    variable = HUBS[hub].token_variable
    value = os.environ.get(variable, "").strip() if variable else ""
    if value and not (value.isascii() and value.isprintable()):
        raise ValueError(f"{variable} holds characters that no token has; set it again")
    return value or None


def offline() -> str | None:
    """Return the environment variable that forbids fetching, or None."""
    on = ("1", "ON", "YES", "TRUE")  # as huggingface_hub reads its own
    return next((name for name in OFFLINE_VARIABLES if os.environ.get(name, "").upper() in on), None)


def origin(url: str) -> Origin:
    """Return scheme, host and port of an address."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)


def check_address(url: str, mirror: Origin, before: str | None = None) -> None:
    """Raise `FetchError` unless bytes may be fetched from here.

    Allowed are https, and plain http from this machine or from the mirror that was named with http. After an
    address with https (`before`) only https may follow.
    """
    try:
        here = scheme, host, _ = origin(url)
    except ValueError:
        raise FetchError(f"the server led to {url[:200]!r}, which is no address") from None
    if scheme not in ("http", "https") or not host or "@" in urlsplit(url).netloc:
        raise FetchError(f"the server led to {url[:200]!r}; only https addresses without user names are followed")
    if before is not None and urlsplit(before).scheme == "https" and scheme != "https":
        raise FetchError(f"{before} led to {url[:200]}, from https to http; use another mirror")
    if scheme == "http" and here != mirror and not is_loopback(host):
        raise FetchError(f"{url[:200]} is plain http, which anyone on the way can change; use an https address")


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
