"""`resnets weights`, as a person types it: list, pull, verify, bundle; exit codes 0, 1, 2 and 3."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.weights.hub.serving import Page, Site, serve

WEIGHTS = b"weights" * 100
NET, OTHER = "hf:some/net", "hf:other/net"


@pytest.fixture(autouse=True)
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Site]:
    """A hub and a cache of this test alone."""
    for variable in ("HF_TOKEN", "RESNETS_OFFLINE", "HF_HUB_OFFLINE", "http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("RESNETS_CACHE", str(tmp_path / "cache"))
    with serve() as site:
        monkeypatch.setenv("HF_ENDPOINT", site.url)
        for name in ("some", "other"):
            site.pages[f"/{name}/net/resolve/main/config.json"] = Page(b"{}")
            site.pages[f"/{name}/net/resolve/main/model.safetensors"] = Page(WEIGHTS)
        yield site


def test_the_list_is_a_line_for_each_and_says_whose_terms_hold(type_: Callable[..., Any]) -> None:
    done = type_("weights", "list", "ResNet50_Weights")
    assert (done.code, done.err) == (0, "")
    assert [line.split() for line in done.out.splitlines()[:2]] == [
        ["torchvision:ResNet50_Weights.IMAGENET1K_V1", "resnet50", "76.13%", "at", "224", "BSD-3-Clause", "98", "MiB"],
        ["torchvision:ResNet50_Weights.IMAGENET1K_V2", "resnet50", "80.86%", "at", "224", "BSD-3-Clause", "98", "MiB"],
    ]
    assert done.out.splitlines()[2].startswith(
        "All were trained or fine-tuned on ImageNet, whose own terms are for research;"
    )


def test_the_list_can_leave_out_what_must_not_be_sold(type_: Callable[..., Any]) -> None:
    assert "CC-BY-NC-4.0" in type_("weights", "list").out
    assert "CC-BY-NC-4.0" not in type_("weights", "list", "--commercial-only").out


def test_the_list_as_json_has_every_fact(type_: Callable[..., Any]) -> None:
    (row,) = json.loads(type_("weights", "list", "hf:timm/resnet50.a1_in1k", "--json").out)
    assert row["name"] == "hf:timm/resnet50.a1_in1k"
    assert (row["licence"], row["commercial"], row["dialect"], row["cached"]) == ("Apache-2.0", True, "timm", False)
    assert [(t["preprocess"]["size"], t["top1"]) for t in row["tested"]] == [([224, 224], 80.382), ([288, 288], 81.24)]


def test_a_pattern_without_a_match_is_a_wrong_request(refused: Callable[..., str]) -> None:
    assert "none of 113 names matches 'vgg'; try `resnets weights list" in refused("weights", "list", "vgg")


def test_what_is_pulled_is_told_and_then_here(hub: Site, tmp_path: Path, type_: Callable[..., Any]) -> None:
    done = type_("weights", "pull", NET)
    assert (done.code, done.err) == (0, "")
    assert done.out == f"{tmp_path / 'cache' / 'hf--some--net'}\n"
    assert type_("weights", "pull", NET, OTHER).code == 0
    assert len(hub.seen) == 4 + 2  # each asks for a preprocessor_config.json too, and does without


def test_what_could_not_be_had_is_named_and_the_rest_is_there(hub: Site, type_: Callable[..., Any]) -> None:
    hub.pages["/other/net/resolve/main/config.json"].status = [403]
    done = type_("weights", "pull", OTHER, NET)
    assert done.code == 3
    assert done.err.startswith(f"error: {hub.url}/other/net/resolve/main/config.json is refused (403 Forbidden): ")
    assert done.out.endswith("hf--some--net\n")
    hub.pages["/other/net/resolve/main/config.json"].status = [403]
    assert type_("weights", "pull", OTHER).code == 1


def test_wrong_requests_are_told_before_anything_is_fetched(hub: Site, refused: Callable[..., str]) -> None:
    assert "Nearest: hf:timm/resnet50.a1_in1k." in refused("weights", "pull", NET, "resnet50.a1_in1k")
    assert "say which: resnets weights pull" in refused("weights", "pull")
    assert "is no address of a mirror" in refused("weights", "pull", NET, "--mirror", "hf-mirror.com")
    assert hub.seen == []


def test_offline_is_told_with_what_to_do(hub: Site, refused: Callable[..., str], monkeypatch: Any) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    said = refused("weights", "pull", NET, code=1)
    assert said.startswith(f"{NET} is not here, and HF_HUB_OFFLINE is set. Put into ")
    assert f"  {hub.url}/some/net/resolve/main/model.safetensors  (no hash is published" in said
    assert refused("weights", "bundle", NET, "--out", "b.tar", code=1) == said


def test_weights_travel_in_a_bundle(
    hub: Site, tmp_path: Path, type_: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "w.tar"
    done = type_("weights", "bundle", NET, OTHER, "--out", out)
    assert (done.code, done.out, done.err) == (0, f"{out}\n", "")
    assert type_("weights", "verify", out).out.endswith("4 of 4 files are the recorded ones\n")
    monkeypatch.setenv("RESNETS_OFFLINE", "1")
    done = type_("weights", "pull", "--from", out, "--cache", tmp_path / "there")
    assert (done.code, len(done.out.splitlines())) == (0, 2)
    assert (tmp_path / "there" / "hf--some--net" / "model.safetensors").read_bytes() == WEIGHTS


def test_verifying_ends_in_3_when_a_file_is_not_what_it_was(tmp_path: Path, type_: Callable[..., Any]) -> None:
    type_("weights", "pull", NET)
    assert type_("weights", "verify").code == 0
    path = tmp_path / "cache" / "hf--some--net" / "model.safetensors"
    path.write_bytes(b"x" * len(WEIGHTS))
    done = type_("weights", "verify")
    assert (done.code, done.err) == (3, "")
    assert f"{path}  has SHA-256 " in done.out
    assert done.out.endswith("1 of 2 files are the recorded ones\n")
    findings = json.loads(type_("weights", "verify", "--json").out)
    assert [finding["problem"] is None for finding in findings] == [True, False]
    said = type_("weights", "pull", NET)
    assert (said.code, said.out) == (1, "")
    assert f"error: {path} has SHA-256" in said.err
    assert "--again" in said.err
    assert type_("weights", "pull", NET, "--again").code == 0
    assert path.read_bytes() == WEIGHTS
