"""Endpoints: mirrors, tokens, and from where bytes may come."""

from __future__ import annotations

import pytest

from resnets.weights.hub.endpoint import check_address, endpoint, offline, origin, token
from resnets.weights.hub.errors import FetchError

MIRROR = origin("https://mirror.example")


def test_a_hub_has_its_own_address() -> None:
    assert endpoint("hf") == "https://huggingface.co"
    assert endpoint("torchvision") == "https://download.pytorch.org"


@pytest.mark.parametrize(("hub", "variable"), [("hf", "HF_ENDPOINT"), ("torchvision", "RESNETS_TORCHVISION_ENDPOINT")])
def test_a_mirror_is_another_address_for_the_same_paths(
    hub: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "https://hf-mirror.com/")
    assert endpoint(hub) == "https://hf-mirror.com"
    assert endpoint(hub, "http://lan:8080/pub") == "http://lan:8080/pub", "what is typed goes first"


@pytest.mark.parametrize(
    "address", ["hf-mirror.com", "ftp://x", "https://", "https://a:b@c", "https://x/?y", "https://x/#y", "http://x:y"]
)
def test_an_address_that_is_none_is_refused(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"--mirror '.*' is no address of a mirror; give scheme, host"):
        endpoint("hf", address)
    monkeypatch.setenv("HF_ENDPOINT", address)
    with pytest.raises(ValueError, match="HF_ENDPOINT '"):
        endpoint("hf")


def test_a_token_is_of_one_hub_and_never_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    assert token("hf") is None
    monkeypatch.setenv("HF_TOKEN", " hf_x\n")
    assert (token("hf"), token("torchvision")) == ("hf_x", None)
    monkeypatch.setenv("HF_TOKEN", "hf_x\nHost: y")
    with pytest.raises(ValueError, match="HF_TOKEN holds characters that no token has; set it again") as raised:
        token("hf")
    assert "hf_x" not in str(raised.value)


@pytest.mark.parametrize(("value", "on"), [("1", True), ("true", True), ("YES", True), ("0", False), ("", False)])
@pytest.mark.parametrize("variable", ["RESNETS_OFFLINE", "HF_HUB_OFFLINE"])
def test_fetching_can_be_forbidden(variable: str, value: str, on: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    assert offline() is None
    monkeypatch.setenv(variable, value)
    assert offline() == (variable if on else None)


@pytest.mark.parametrize(
    "url", ["https://x/y", "http://127.0.0.1:1/", "http://[::1]/", "http://localhost/", "http://127.3.2.1/"]
)
def test_bytes_may_come_over_https_or_from_this_machine(url: str) -> None:
    check_address(url, MIRROR)


def test_plain_http_is_for_the_mirror_that_was_named_with_it() -> None:
    named = origin("http://lan:8080/pub")
    check_address("http://lan:8080/else", named)
    for url in ("http://lan/pub", "http://other:8080/pub", "http://localhost.evil/"):
        with pytest.raises(FetchError, match="is plain http, which anyone on the way can change"):
            check_address(url, named)


def test_after_https_comes_no_http() -> None:
    with pytest.raises(FetchError, match=r"https://x led to http://127\.0\.0\.1/, from https to http"):
        check_address("http://127.0.0.1/", MIRROR, before="https://x")
    check_address("https://y", MIRROR, before="http://127.0.0.1/")
