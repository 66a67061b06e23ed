"""Convert: nothing counts as written before it was read back and gave the same numbers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from resnets.deployment import convert as module
from resnets.deployment.convert import Disagreement, convert
from resnets.deployment.originals import NoOriginal, original
from resnets.net.network import build
from resnets.spec.card import Card
from resnets.spec.preprocess import IMAGENET
from resnets.weights.load import load
from resnets.weights.modelfile import Model, save
from tests import tiny


@pytest.fixture
def source(tmp_path: Path) -> Path:
    network = build("resnet18", seed=0, blocks=(1, 1, 1, 1), num_classes=4).eval()
    card = Card(
        architecture=network.architecture,
        classes=("a", "b", "c", "d"),
        preprocess=replace(IMAGENET, size=(64, 64), resize=73),
    )
    save(Model(network, card), tmp_path / "m.safetensors")
    return tmp_path / "m.safetensors"


def test_a_conversion_reports_every_level_the_answers_and_torchvisions_own(source: Path, tmp_path: Path) -> None:
    done = convert(source, tmp_path / "t.pth", "torchvision")
    assert [d.level for d in done.random.levels] == ["conv1", "C1", "C2", "C3", "C4", "C5", "logits"]
    assert all(d.largest == 0 for d in done.random.levels)
    assert (done.pictures.pictures, done.pictures.same_answers) == (16, 16)
    assert done.original is not None
    assert done.original.same_answers == 16
    assert done.asked.startswith("torchvision ")
    assert json.loads(json.dumps(done.to_dict()))["original"]["holds"] is True
    assert torch.equal(
        load(tmp_path / "t.pth").network.state_dict()["stem.conv1.weight"],
        load(source).network.state_dict()["stem.conv1.weight"],
    )


def test_a_checkpoint_becomes_a_model_file_and_back(source: Path, tmp_path: Path) -> None:
    convert(source, tmp_path / "t.pth", "torchvision")
    convert(tmp_path / "t.pth", tmp_path / "again.safetensors", told={"classes": ["a", "b", "c", "d"]})
    again = load(tmp_path / "again.safetensors")
    assert again.card.classes == ("a", "b", "c", "d")
    assert again.card.origin["checkpoint"]["dialect"] == "torchvision"


def test_where_the_networks_part_nothing_is_written_and_what_was_there_stays(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "t.pth"
    out.write_bytes(b"precious")
    honest = module._read_back

    def wrong(written: Path, model: Model) -> Model:
        again = honest(written, model)
        with torch.no_grad():
            again.network.stages[2][0].branch.conv1.weight.mul_(1.01)
        return again

    monkeypatch.setattr(module, "_read_back", wrong)
    with pytest.raises(Disagreement, match=r"was not written: as we read it back, \w+ differs by"):
        convert(source, out, "torchvision")
    assert out.read_bytes() == b"precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.safetensors", "t.pth"]


def test_where_the_original_parts_nothing_is_written(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zeros = {"logits": torch.zeros(16, 4)}
    monkeypatch.setattr(module, "original", lambda *_: ("torchvision 0", lambda batch: zeros))
    with pytest.raises(Disagreement, match="was not written: torchvision 0, logits differs"):
        convert(source, tmp_path / "t.pth", "torchvision")
    assert not (tmp_path / "t.pth").exists()


def test_a_folder_is_written_for_transformers_and_files_of_ones_own_in_it_stay(source: Path, tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "README.md").write_text("mine")
    done = convert(source, tmp_path / "f", "transformers")
    there = {path.name for path in (tmp_path / "f").iterdir()}
    assert there == {"README.md", "config.json", "preprocessor_config.json", "model.safetensors"}
    assert done.original is None or done.original.holds  # transformers may be installed here


def test_pictures_of_ones_own_are_compared(source: Path, tmp_path: Path) -> None:
    folder = tiny.write_pictures(tmp_path / "photos", each=3)
    pictures = sorted(folder.rglob("*.png"))
    done = convert(source, tmp_path / "t.pth", "torchvision", pictures=pictures)
    assert done.pictures.pictures == len(pictures) == 6


def test_grey_and_many_bands_are_compared_too(source: Path, tmp_path: Path) -> None:
    for channels in (1, 4):
        done = convert(source, tmp_path / f"{channels}.safetensors", in_channels=channels)
        assert done.pictures.holds
        assert done.model.card.preprocess.channels == channels


def test_who_cannot_be_asked_says_why(tmp_path: Path) -> None:
    arch = build("resnet18", in_channels=1, device="meta").architecture
    with pytest.raises(NoOriginal, match="matterport has no package to ask"):
        original("matterport", tmp_path, arch)
    with pytest.raises(NoOriginal, match="torchvision has no network of this shape"):
        original("torchvision", tmp_path, arch)
