"""Pull: from a reference to files that are the published ones, whatever is on this disk, on the way, or beside it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from resnets.files.errors import FileError
from resnets.weights.hub import resolve as resolving
from resnets.weights.hub import source
from resnets.weights.hub.cache import cache_folder, is_cached, verify_cache
from resnets.weights.hub.catalogue import CATALOGUE
from resnets.weights.hub.errors import FetchError, Unreachable
from resnets.weights.hub.pull import pull
from resnets.weights.hub.resolve import resolve
from tests.weights.hub.serving import Page, Site, patience

WEIGHTS = bytes(range(256)) * 40
SHA256 = hashlib.sha256(WEIGHTS).hexdigest()
TV = "torchvision:ResNet18_Weights.IMAGENET1K_V1"
TV_FILE = "resnet18-f37072fd.pth"
HF = "hf:timm/resnet18.a1_in1k"
MS = "hf:microsoft/resnet-18"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def small_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """The catalogue, with ten kilobytes under one of its names."""
    monkeypatch.setattr(resolving, "CATALOGUE", dict(CATALOGUE) | {TV: replace(CATALOGUE[TV], sha256=SHA256[:8])})


@pytest.fixture
def hubs(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Both hubs, on this machine."""
    monkeypatch.setenv("HF_ENDPOINT", site.url)
    monkeypatch.setenv("RESNETS_TORCHVISION_ENDPOINT", f"{site.url}/tv")
    site.pages[f"/tv/models/{TV_FILE}"] = Page(WEIGHTS)
    for repository in ("timm/resnet18.a1_in1k", "microsoft/resnet-18", "someone/else"):
        stated = {"X-Linked-Etag": f'"{SHA256}"', "X-Linked-Size": str(len(WEIGHTS)), "X-Repo-Commit": COMMIT}
        site.redirect(f"/{repository}/resolve/{COMMIT}/model.safetensors", f"{site.other}/storage", **stated)
        site.pages[f"/{repository}/resolve/main/config.json"] = Page(b"{}", headers={"X-Repo-Commit": COMMIT})
        site.pages[f"/{repository}/resolve/{COMMIT}/preprocessor_config.json"] = Page(b'{"size": 224}')
    site.pages["/timm/resnet18.a1_in1k/resolve/main/config.json"].body = b'{"pretrained_cfg": {}}'
    site.pages["/storage"] = Page(WEIGHTS)
    return site


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def get(reference: str, **options: Any) -> Path:
    return pull(reference, patience=patience(2)[0], **options)


def test_weights_of_torchvision_are_one_file(hubs: Site, tmp_path: Path) -> None:
    path = get(TV)
    assert path == tmp_path / "cache" / "torchvision--ResNet18_Weights.IMAGENET1K_V1" / TV_FILE
    assert path.read_bytes() == WEIGHTS
    assert names(path.parent) == [".lock", TV_FILE, "source.json"]
    assert is_cached(resolve(TV))


def test_what_is_here_is_not_fetched_again(hubs: Site) -> None:
    first = get(TV)
    assert get("ResNet18_Weights.DEFAULT") == first
    assert len(hubs.seen) == 1


def test_the_record_says_where_everything_came_from_and_has_no_clock(hubs: Site) -> None:
    folder = get(HF)
    record = json.loads((folder / "source.json").read_bytes())
    assert record == {
        "schema": 1,
        "reference": HF,
        "licence": "Apache-2.0",
        "commit": COMMIT,
        "whole": True,
        "files": [
            {
                "name": "config.json",
                "sha256": hashlib.sha256(b'{"pretrained_cfg": {}}').hexdigest(),
                "size": 22,
                "checked": "recorded",
                "url": f"{hubs.url}/timm/resnet18.a1_in1k/resolve/main/config.json",
                "etag": '"one"',
            },
            {
                "name": "model.safetensors",
                "sha256": SHA256,
                "size": len(WEIGHTS),
                "checked": "hub",
                "url": f"{hubs.url}/timm/resnet18.a1_in1k/resolve/{COMMIT}/model.safetensors",
                "etag": '"one"',
            },
        ],
    }


def test_a_repository_is_a_folder_of_one_commit(hubs: Site) -> None:
    folder = get(MS)
    assert names(folder) == [".lock", "config.json", "model.safetensors", "preprocessor_config.json", "source.json"]
    # The branch may move between two files: all but the first are asked for by the first one's commit.
    assert [path for path in hubs.paths() if "main" in path] == ["/microsoft/resnet-18/resolve/main/config.json"]


@pytest.mark.parametrize(
    ("config", "has"), [(b'{"model_type": "resnet"}', True), (b'{"pretrained_cfg": {}}', False), (b"[", False)]
)
def test_a_repository_that_the_catalogue_does_not_know_says_itself_what_it_is(
    config: bytes, has: bool, hubs: Site
) -> None:
    hubs.pages["/someone/else/resolve/main/config.json"].body = config
    folder = get("hf:someone/else")
    assert ("preprocessor_config.json" in names(folder)) is has
    assert json.loads((folder / "source.json").read_bytes())["licence"] is None


def test_a_repository_without_safetensors_gives_its_older_file(hubs: Site) -> None:
    del hubs.pages[f"/someone/else/resolve/{COMMIT}/model.safetensors"]
    hubs.pages[f"/someone/else/resolve/{COMMIT}/pytorch_model.bin"] = Page(WEIGHTS)
    assert "pytorch_model.bin" in names(get("hf:someone/else"))


def test_a_repository_without_weights_is_told(hubs: Site) -> None:
    with pytest.raises(FetchError, match=r"hf:no/body has no model\.safetensors or pytorch_model\.bin \(.* not there"):
        get("hf:no/body")


def test_one_file_of_a_repository_can_be_named(hubs: Site) -> None:
    hubs.pages["/no/body/resolve/v1/sub/w.pth"] = Page(WEIGHTS)
    path = get("hf:no/body@v1/sub/w.pth")
    assert path.name == "w.pth"
    assert path.read_bytes() == WEIGHTS


def test_a_token_goes_to_the_hub_and_not_to_its_storage(hubs: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_x")
    folder = get(HF)
    assert set(hubs.asked("authorization")) == {"Bearer hf_x", None}
    assert [s.path for s in hubs.seen if "authorization" not in s.headers] == ["/storage"]
    assert "hf_x" not in "".join(p.read_text("latin-1") for p in folder.iterdir())
    hubs.seen.clear()
    get(TV)
    assert hubs.asked("authorization") == [None]


def test_a_mirror_can_be_given_for_one_call(hubs: Site) -> None:
    hubs.pages[f"/other/models/{TV_FILE}"] = Page(WEIGHTS)
    assert get(TV, mirror=f"{hubs.other}/other").read_bytes() == WEIGHTS
    assert hubs.paths() == [f"/other/models/{TV_FILE}"]


def test_other_bytes_than_the_published_ones_are_not_kept(hubs: Site, tmp_path: Path) -> None:
    hubs.pages[f"/tv/models/{TV_FILE}"].body = WEIGHTS[::-1]
    with pytest.raises(FetchError, match="is what the catalogue says; what came was removed"):
        get(TV)
    assert names(tmp_path / "cache" / "torchvision--ResNet18_Weights.IMAGENET1K_V1") == [".lock"]


def test_more_bytes_than_the_published_ones_are_not_fetched(hubs: Site) -> None:
    hubs.pages[f"/tv/models/{TV_FILE}"].length = 48 << 20
    with pytest.raises(FetchError, match=r"says it has 50,331,648 bytes; at most 47,298,\d{3} are fetched"):
        get(TV)


# Breaking off, and several at once.


def test_a_pull_that_broke_off_goes_on_where_it_was(hubs: Site) -> None:
    hubs.pages["/storage"].cut_after = [5000, 0, 0]
    with pytest.raises(Unreachable):
        get(HF)
    folder = cache_folder() / resolve(HF).folder
    assert not json.loads((folder / "source.json").read_bytes())["whole"]
    assert not is_cached(resolve(HF))
    hubs.pages["/storage"].cut_after = []
    hubs.seen.clear()
    get(HF)
    assert [(s.path, s.headers.get("range")) for s in hubs.seen] == [
        (f"/timm/resnet18.a1_in1k/resolve/{COMMIT}/model.safetensors", "bytes=5000-"),
        ("/storage", "bytes=5000-"),
    ]


PULL = "import sys; from resnets.weights.hub.pull import pull; print(pull(sys.argv[1]))"


def test_processes_that_want_the_same_fetch_it_once(hubs: Site) -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    commands = [[sys.executable, "-c", PULL, HF] for _ in range(4)]
    children = [subprocess.Popen(c, env=environment, stdout=subprocess.PIPE, text=True) for c in commands]
    assert len({child.communicate()[0] for child in children}) == 1
    assert [child.returncode for child in children] == [0] * 4
    assert hubs.paths().count("/storage") == 1
    assert [finding.problem for finding in verify_cache()] == [None, None]


# What is on the disk already.


def test_a_changed_file_is_named_and_not_used(hubs: Site) -> None:
    path = get(TV)
    path.write_bytes(WEIGHTS[::-1])
    with pytest.raises(
        FileError, match=rf"{TV_FILE} has SHA-256 \w+ instead of {SHA256}; it was changed since it came"
    ):
        get(TV)
    assert len(hubs.seen) == 1
    assert get(TV, again=True).read_bytes() == WEIGHTS
    assert len(hubs.seen) == 2


def test_fetching_anew_loses_nothing_when_it_fails(hubs: Site) -> None:
    path = get(TV)
    hubs.pages[f"/tv/models/{TV_FILE}"].status = [503] * 9
    with pytest.raises(Unreachable):
        get(TV, again=True)
    assert get(TV) == path


def test_fetching_anew_brings_what_is_there_now(hubs: Site) -> None:
    folder = get(HF)
    hubs.pages["/timm/resnet18.a1_in1k/resolve/main/config.json"].body = b'{"pretrained_cfg": 1}'
    assert get(HF, again=True) == folder
    assert (folder / "config.json").read_bytes() == b'{"pretrained_cfg": 1}'
    assert {finding.problem for finding in verify_cache()} == {None}


def test_a_shortened_file_is_named(hubs: Site) -> None:
    path = get(TV)
    path.write_bytes(WEIGHTS[:-1])
    with pytest.raises(FileError, match=r"has 10,239 bytes instead of 10,240; .* resnets weights pull torchvision:"):
        get(TV)


def test_a_removed_file_is_fetched_again(hubs: Site) -> None:
    get(TV).unlink()
    assert get(TV).read_bytes() == WEIGHTS


def test_a_read_only_cache_serves(hubs: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    path = get(TV)
    (path.parent / ".lock").unlink()
    monkeypatch.setattr("resnets.weights.hub.lock.held", lambda path: pytest.fail("nothing is written"))
    assert get(TV) == path


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda facts: facts.pop("commit"), "the record must have exactly schema, reference, licence, commit, files"),
        (lambda facts: facts.update(more=1), "the record must have exactly"),
        (lambda facts: facts.update(schema=2), "its schema is not 1; a newer resnets wrote it"),
        (lambda facts: facts.update(whole=1), "the record's whole must be bool"),
        (lambda facts: facts["files"][0].update(name="../x"), r"'\.\./x' is no name of a file of weights"),
        (lambda facts: facts["files"][0].update(name="source.json"), "is no name of a file of weights"),
        (lambda facts: facts["files"][0].update(sha256="0"), "hash, size or check of resnet18-f37072fd.pth is none"),
        (lambda facts: facts["files"][0].update(size=-1), "hash, size or check"),
        (lambda facts: facts["files"][0].update(size=True), "a file's size must be int"),
        (lambda facts: facts["files"].append(facts["files"][0]), "a file stands in it twice"),
        (lambda facts: facts.update(reference="hf:a/b"), "holds hf:a/b, and torchvision:ResNet18.* belongs there"),
    ],
)
def test_a_damaged_record_is_refused(change: Any, said: str, hubs: Site) -> None:
    folder = get(TV).parent
    facts = json.loads((folder / "source.json").read_bytes())
    change(facts)
    (folder / "source.json").write_text(json.dumps(facts))
    with pytest.raises(FileError, match=said):
        get(TV)
    assert not is_cached(resolve(TV))
    assert get(TV, again=True).read_bytes() == WEIGHTS


@pytest.mark.parametrize("data", [b"", b"{", b"[" * 100_000, b"\xff", b'{"a": 1}'])
def test_a_record_that_is_no_json_is_refused(data: bytes, hubs: Site) -> None:
    folder = get(TV).parent
    (folder / "source.json").write_bytes(data)
    with pytest.raises(FileError, match=r"source\.json is no record of weights: .*; remove its folder and pull again"):
        source.read(folder)


# Without a network.


def test_offline_a_message_says_which_file_to_put_where(hubs: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESNETS_OFFLINE", "1")
    with pytest.raises(FetchError) as raised:
        get(TV)
    assert hubs.seen == []
    folder = cache_folder() / "torchvision--ResNet18_Weights.IMAGENET1K_V1"
    assert str(raised.value) == (
        f"{TV} is not here, and RESNETS_OFFLINE is set. Put into {folder}\n"
        f"  {hubs.url}/tv/models/{TV_FILE}  (SHA-256 {SHA256[:8]}...)\n"
        f"and give `resnets weights pull {TV}`; or bring a bundle: `resnets weights bundle {TV} --out weights.tar` "
        f"where there is a network, then `resnets weights pull {TV} --from weights.tar` here"
    )


def test_without_a_connection_the_same_message_comes(hubs: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(Unreachable) as raised:
        get(MS)
    first, *lines = str(raised.value).splitlines()
    assert "config.json could not be fetched: no connection" in first
    assert first.endswith(f"2 attempts were made. Put into {cache_folder() / 'hf--microsoft--resnet-18'}")
    url = "http://127.0.0.1:9/microsoft/resnet-18/resolve/main"
    assert lines[:3] == [
        f"  {url}/config.json  (its facts)",
        f"  {url}/preprocessor_config.json  (its preprocessing)",
        f"  {url}/model.safetensors  (no hash is published: see the file's page there)",
    ]
    assert lines[3].startswith(f"and give `resnets weights pull {MS} --accept`; or bring a bundle")


def test_a_file_put_there_by_hand_is_taken_if_its_hash_is_published(
    hubs: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    folder = cache_folder() / resolve(TV).folder
    folder.mkdir(parents=True)
    (folder / TV_FILE).write_bytes(WEIGHTS[::-1])
    with pytest.raises(FetchError, match=f"{SHA256[:8]} is published; remove it, and pull again"):
        get(TV)
    (folder / TV_FILE).write_bytes(WEIGHTS)
    assert get(TV).read_bytes() == WEIGHTS
    (kept,) = source.read(folder).files  # type: ignore[union-attr]
    assert (kept.checked, kept.url, kept.sha256) == ("published", None, SHA256)


def test_a_file_put_there_by_hand_without_a_published_hash_must_be_accepted(
    hubs: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESNETS_OFFLINE", "1")
    folder = cache_folder() / resolve(HF).folder
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(WEIGHTS)
    (folder / "config.json").write_bytes(b"{}")
    with pytest.raises(FetchError, match=rf"by hand, and no hash of it is published; `resnets weights pull {HF} --acc"):
        get(HF)
    assert get(HF, accept=True) == folder
    assert {file.checked for file in source.read(folder).files} == {"accepted"}  # type: ignore[union-attr]
    assert get(HF) == folder, "once is enough"
    assert hubs.seen == []


def test_verifying_names_what_is_wrong(hubs: Site) -> None:
    get(TV).write_bytes(b"")
    folder = get(HF)
    (folder / "config.json").unlink()
    (cache_folder() / "hf--by--hand").mkdir()
    (cache_folder() / "hf--by--hand" / "model.safetensors").write_bytes(b"")
    problems = {Path(f.path).name: f.problem for f in verify_cache()}
    assert problems == {
        "hf--by--hand": "has no record yet; pull it again",
        "config.json": "is missing",
        "model.safetensors": None,
        TV_FILE: "has 0 bytes instead of 10,240",
    }


def test_the_cache_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cache_folder() == tmp_path / "cache"
    assert cache_folder("there") == Path("there")
    monkeypatch.delenv("RESNETS_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "resnets"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "resnets"


def test_an_absent_cache_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"there is no folder .*absent; `resnets weights pull REFERENCE` makes it"):
        verify_cache(tmp_path / "absent")
