"""A site on this machine, and an environment that says nothing of proxies, mirrors, tokens or caches."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.weights.hub.serving import Site, serve

VARIABLES = (
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy",
    "RESNETS_CACHE", "RESNETS_OFFLINE", "HF_HUB_OFFLINE", "HF_ENDPOINT", "HF_TOKEN", "RESNETS_TORCHVISION_ENDPOINT",
    "XDG_CACHE_HOME",
)  # fmt: skip


@pytest.fixture(autouse=True)
def quiet_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("RESNETS_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def site() -> Iterator[Site]:
    with serve() as running:
        yield running
