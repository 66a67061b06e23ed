"""Bundles: weights carried to a machine without a network, and refused when they are not what was packed."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from resnets.files.errors import FileError
from resnets.weights.hub.bundle import references, verify_bundle
from resnets.weights.hub.errors import FetchError
from resnets.weights.hub.pull import bundle, pull
from tests.weights.hub.serving import Page, Site, patience

REFERENCE = "hf:some/net"
FOLDER = "hf--some--net"
WEIGHTS = bytes(range(256)) * 5
CONFIG = b'{"pretrained_cfg": {}}'


@pytest.fixture
def hub(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setenv("HF_ENDPOINT", site.url)
    site.pages["/some/net/resolve/main/config.json"] = Page(CONFIG)
    site.pages["/some/net/resolve/main/model.safetensors"] = Page(WEIGHTS)
    return site


@pytest.fixture(params=["weights.tar", "weights"])
def packed(request: pytest.FixtureRequest, hub: Site, tmp_path: Path) -> Path:
    """A bundle of either kind, and no network and no cache any more."""
    out = bundle([REFERENCE], tmp_path / request.param, cache=tmp_path / "first", patience=patience(1)[0])
    hub.pages.clear()
    return out


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESNETS_OFFLINE", "1")


def test_a_bundle_brings_weights_where_no_network_is(packed: Path, offline: None) -> None:
    assert references(packed) == (REFERENCE,)
    assert {finding.problem for finding in verify_bundle(packed)} == {None}
    folder = pull(REFERENCE, from_bundle=packed)
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    assert (folder / "config.json").read_bytes() == CONFIG
    assert pull(REFERENCE) == folder, "it is in the cache now, whole"


def test_a_folder_serves_as_the_cache(
    hub: Site, tmp_path: Path, offline: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RESNETS_OFFLINE")
    out = bundle([REFERENCE], tmp_path / "b", patience=patience(1)[0])
    monkeypatch.setenv("RESNETS_OFFLINE", "1")
    monkeypatch.setenv("RESNETS_CACHE", str(out))
    assert pull(REFERENCE) == out / FOLDER


def test_equal_weights_give_equal_bundles(hub: Site, tmp_path: Path) -> None:
    for name in ("a.tar", "b.tar"):
        bundle([REFERENCE], tmp_path / name, cache=tmp_path / name[0])
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()


def test_any_tar_program_reads_it(hub: Site, tmp_path: Path) -> None:
    with tarfile.open(bundle([REFERENCE], tmp_path / "a.tar")) as tar:
        assert tar.getnames() == [
            "manifest.json",
            f"{FOLDER}/source.json",
            f"{FOLDER}/config.json",
            f"{FOLDER}/model.safetensors",
        ]
        manifest = json.load(tar.extractfile("manifest.json"))  # type: ignore[arg-type]
    (listed,) = manifest["weights"]
    assert (listed["folder"], listed["source"]["reference"]) == (FOLDER, REFERENCE)
    assert [file["name"] for file in listed["source"]["files"]] == ["config.json", "model.safetensors"]


def test_what_is_there_is_not_overwritten(hub: Site, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    with pytest.raises(FileError, match="b is there already; give a name that is free, or remove it"):
        bundle([REFERENCE], tmp_path / "b")
    with pytest.raises(FileError, match=r"there is no folder .* to write c to; make it first"):
        bundle([REFERENCE], tmp_path / "absent" / "c")


def test_a_bundle_of_a_changed_cache_is_not_written(hub: Site, tmp_path: Path) -> None:
    (pull(REFERENCE) / "model.safetensors").write_bytes(b"")
    with pytest.raises(FileError, match="has 0 bytes instead of 1,280"):
        bundle([REFERENCE], tmp_path / "b.tar")
    assert not (tmp_path / "b.tar").exists()


def test_a_reference_that_is_not_in_it_is_told(packed: Path) -> None:
    with pytest.raises(FetchError, match="does not hold hf:other/net; it holds hf:some/net"):
        pull("hf:other/net", from_bundle=packed)


def damage(path: Path) -> None:
    """Change one byte of the weights."""
    file = path / FOLDER / "model.safetensors" if path.is_dir() else path
    data = file.read_bytes()
    at = data.rindex(WEIGHTS) + 7
    file.write_bytes(data[:at] + b"!" + data[at + 1 :])


def test_a_changed_byte_is_found_and_nothing_is_recorded(packed: Path, tmp_path: Path) -> None:
    damage(packed)
    with pytest.raises(FetchError, match=r"model\.safetensors is not what its manifest says; make the bundle again"):
        pull(REFERENCE, from_bundle=packed)
    assert sorted(p.name for p in (tmp_path / "cache" / FOLDER).iterdir()) == [".lock", "config.json"]
    (bad,) = [finding for finding in verify_bundle(packed) if finding.problem]
    assert bad.path.endswith(f"{FOLDER}/model.safetensors")
    assert bad.problem is not None
    assert "instead of" in bad.problem


def test_a_published_hash_holds_for_bundles_too(hub: Site, tmp_path: Path) -> None:
    name = "hf:timm/resnet50.a1_in1k"
    path = bundle([REFERENCE], tmp_path / "b")
    text = (path / "manifest.json").read_text().replace("some/net", "timm/resnet50.a1_in1k")
    (path / "manifest.json").write_text(text.replace(FOLDER, "hf--timm--resnet50.a1_in1k"))
    (path / FOLDER).rename(path / "hf--timm--resnet50.a1_in1k")
    with pytest.raises(FetchError, match=r"model\.safetensors has SHA-256 \w+, and 773525d5\w+ is published"):
        pull(name, from_bundle=path)


def test_a_missing_file_is_told(hub: Site, tmp_path: Path) -> None:
    path = bundle([REFERENCE], tmp_path / "b", cache=tmp_path / "first")
    (path / FOLDER / "model.safetensors").unlink()
    with pytest.raises(FileError, match=r"model\.safetensors cannot be read"):
        pull(REFERENCE, from_bundle=path)
    assert [f.problem is None for f in verify_bundle(path)] == [True, False]


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        (b"", "cannot be read"),
        (b"[]", "cannot be read"),
        (b'{"schema": 2}', "its schema is not 1"),
        (b'{"schema": 1, "weights": [{"folder": "../x", "source": {}}]}', r"'\.\./x' is no name of a folder"),
        (b'{"schema": 1, "weights": [{"folder": "..", "source": {}}]}', r"'\.\.' is no name of a folder"),
        (b'{"schema": 1, "weights": [{"folder": "x", "source": {}}]}', "the record must have exactly"),
        (b'{"schema": 1, "weights": 3}', "cannot be read"),
    ],
)
def test_a_manifest_that_is_none_is_refused(manifest: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_bytes(manifest)
    with pytest.raises(FileError, match=f"is no bundle of weights: its manifest.json cannot be read .*{said}|{said}"):
        verify_bundle(tmp_path)


def write_tar(path: Path, *members: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for member in members:
            tar.addfile(member)
    return path


def link(name: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
    return info


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ([link("manifest.json")], "holds 'manifest.json', which no bundle of weights does"),
        ([tarfile.TarInfo("x" * 300)], "which no bundle of weights does"),
        ([tarfile.TarInfo("../x")], "has no manifest.json, or one that is too large"),
        ([], "has no manifest.json"),
    ],
)
def test_a_tar_with_anything_but_plain_files_is_refused(
    members: list[tarfile.TarInfo], said: str, tmp_path: Path
) -> None:
    with pytest.raises(FileError, match=said):
        verify_bundle(write_tar(tmp_path / "b.tar", *members))


@pytest.mark.parametrize("data", [b"", b"x" * 5000, b"PK\x03\x04" + bytes(2000)])
def test_a_file_that_is_no_tar_is_refused(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "b.tar").write_bytes(data)
    with pytest.raises(FileError, match="is no plain tar file, or is cut short"):
        verify_bundle(tmp_path / "b.tar")


def test_a_tar_that_is_cut_short_or_lies_of_a_size_is_refused(hub: Site, tmp_path: Path) -> None:
    path = bundle([REFERENCE], tmp_path / "b.tar")
    data = path.read_bytes()
    for length in range(0, len(data) - 10_240, 509):
        path.write_bytes(data[:length])
        with pytest.raises(FileError):
            verify_bundle(path)


def test_an_absent_bundle_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"there is no bundle .*; `resnets weights bundle REFERENCE --out .* makes one"):
        verify_bundle(tmp_path / "absent.tar")
