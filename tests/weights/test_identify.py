"""Identify: real files, every fact read, implied or unknown, and no torch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from resnets.spec.preprocess import IMAGENET
from resnets.spec.resolve import plan
from resnets.spec.variants import VARIANTS, architecture
from resnets.weights.dialects.dialect import names
from resnets.weights.dialects.preprocessing import PREPROCESSES
from resnets.weights.dialects.registry import DIALECTS
from resnets.weights.identify import card_of, identify
from resnets.weights.identity_text import fact_lines, paragraph
from resnets.weights.modelfile import save
from tests import tiny


def write(path: Path, row: str, dialect: str, prefix: str = "", **facts: Any) -> Path:
    """A file of zeros under a dialect's names."""
    network = plan(architecture(row, **facts))
    shapes = network.tensors()
    tensors = {prefix + key: np.zeros(shapes[n], np.float16) for n, key in names(DIALECTS[dialect], network).items()}
    save_file(tensors, path)
    return path


AKAMASTER = {20: "resnet20-12fca82f", 32: "resnet32-d509ac18", 44: "resnet44-014dd654", 56: "resnet56-4bfd9763"}


@pytest.mark.parametrize("depth", AKAMASTER)
def test_the_published_cifar_nets_are_what_their_repository_says(shared_data: Path, depth: int) -> None:
    found = identify(shared_data / "weights-cifar10-akamaster" / f"{AKAMASTER[depth]}.th")
    assert found.architecture is not None
    assert found.architecture.name == f"resnet{depth}_cifar"
    assert found.architecture.zero_pad_side == "both"
    assert found.contents.container == "torch legacy"
    assert (found.match.dialect.name, found.match.prefix) == ("cifar", "state_dict.module.")
    assert found.origin is not None
    assert found.origin.name == "akamaster/pytorch_resnet_cifar10"
    assert found.preprocess.value == PREPROCESSES["cifar-imagenet"].preprocess
    assert found.classes.value == "cifar10"
    assert (found.licence.value, "BSD-2-Clause" in found.licence.why) == (None, True)
    assert not found.unknown
    assert not found.problems


@pytest.mark.parametrize(
    ("file", "row", "container", "prefix"),
    [
        ("resnet50_pqf.safetensors", "resnet50", "safetensors", ""),
        ("resnet18_pqf.pth.tar", "resnet18", "torch zip", "state_dict.module."),
    ],
)
def test_the_imagenet_nets_are_found_and_their_licence_is_not_guessed(
    imagenet_weights: Path, file: str, row: str, container: str, prefix: str
) -> None:
    found = identify(imagenet_weights / file)
    assert found.architecture == VARIANTS[row]
    assert (found.contents.container, found.match.prefix) == (container, prefix)
    assert found.match.dialect.name == "torchvision"
    assert (found.preprocess.how, found.preprocess.value) == ("implied", IMAGENET)
    assert (found.licence.value, found.licence.how) == (None, "unknown")
    assert not found.problems


# Which stride? A dialect with one rule implies it, one with two leaves it open, a network without a choice has none.


@pytest.mark.parametrize(
    ("row", "dialect", "how", "value"),
    [
        ("resnet50", "torchvision", "implied", "3x3"),
        ("resnet50_caffe", "caffe", "implied", "1x1"),
        ("resnet50_v1", "detectron2", "unknown", "1x1"),
        ("resnet50_v1", "detectron", "implied", "1x1"),
        ("resnext50_32x4d", "detectron", "implied", "3x3"),
        ("resnet18", "torchvision", None, None),
    ],
)
def test_v1_or_v1_5_is_implied_open_or_no_question(
    tmp_path: Path, row: str, dialect: str, how: str | None, value: str | None
) -> None:
    found = identify(write(tmp_path / "f.safetensors", row, dialect))
    fact = found.facts.get("stride_on")
    assert (fact and fact.how, fact and fact.value) == (how, value)
    assert ("stride_on" in found.unknown) == (how == "unknown")


def test_what_is_told_closes_what_is_open(tmp_path: Path) -> None:
    path = write(tmp_path / "f.safetensors", "resnet50_v1", "detectron2")
    assert set(identify(path).unknown) == {"stride_on", "preprocess"}
    told = identify(path, told={"stride_on": "3x3", "preprocess": "imagenet"})
    assert not told.unknown
    assert (told.facts["stride_on"].how, told.architecture) == ("told", VARIANTS["resnet50"])
    with pytest.raises(ValueError, match="no preprocessing is called 'imagnet'"):
        identify(path, told={"preprocess": "imagnet"})
    with pytest.raises(ValueError, match="Did you mean 'stride_on'"):
        identify(path, told={"strideon": "1x1"})


def test_what_is_told_overrules_a_habit_but_not_a_tensor(tmp_path: Path) -> None:
    path = write(tmp_path / "f.safetensors", "resnet50", "torchvision")
    assert identify(path, told={"stride_on": "1x1"}).architecture == VARIANTS["resnet50_v1"]
    with pytest.raises(ValueError, match=r"has blocks=\(3, 4, 6, 3\) \(from its tensors\), and blocks=\(3, 4, 23, 3\)"):
        identify(path, told={"blocks": [3, 4, 23, 3]})


def test_one_of_two_networks_is_chosen_by_its_wrapper(tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    write(tmp_path / "a.safetensors", "resnet18", "torchvision", "model.")
    write(tmp_path / "b.safetensors", "resnet34", "torchvision", "ema.module.")
    save_file(load_file(tmp_path / "a.safetensors") | load_file(tmp_path / "b.safetensors"), tmp_path / "c.safetensors")
    both = identify(tmp_path / "c.safetensors")
    assert both.parts == ("ema.module.", "model.")
    assert both.problems
    chosen = identify(tmp_path / "c.safetensors", part="ema")
    assert chosen.architecture == VARIANTS["resnet34"]
    assert not chosen.problems
    assert identify(tmp_path / "c.safetensors", part="module").match.prefix == "ema.module."
    with pytest.raises(ValueError, match=r"no network under 'teacher'; it has one under 'ema\.module\.', 'model\.'"):
        identify(tmp_path / "c.safetensors", part="teacher")


def test_a_configuration_beside_the_weights_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "timm"
    folder.mkdir()
    write(folder / "model.safetensors", "resnet50", "timm")
    cfg = {
        "input_size": [3, 288, 288], "crop_pct": 0.95, "interpolation": "bicubic", "mean": [0.5, 0.5, 0.5],
        "std": [0.25, 0.25, 0.25], "license": "apache-2.0",
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps({"architecture": "resnet50", "pretrained_cfg": cfg}))
    found = identify(folder)
    assert found.match.dialect.family == "timm"
    assert (found.preprocess.how, found.preprocess.value.size, found.preprocess.value.resize) == (
        "read",
        (288, 288),
        303,
    )
    assert found.preprocess.value.mean == (0.5, 0.5, 0.5)
    assert (found.licence.how, found.licence.value) == ("read", "apache-2.0")


def test_every_fact_says_how_it_is_known_and_the_whole_is_json(tmp_path: Path) -> None:
    found = identify(write(tmp_path / "f.safetensors", "resnet50_v1", "detectron2", "module."))
    facts = json.loads(json.dumps(found.to_dict(), default=str))
    assert {fact["how"] for fact in facts["facts"].values()} == {"read", "implied", "unknown"}
    assert all(fact["why"] for fact in facts["facts"].values())
    assert facts["facts"]["stride_on"]["alternatives"] == ["1x1", "3x3"]
    assert (facts["network"], facts["prefix"], facts["parameters"]) == ("resnet50_v1", "module.", 25_557_032)
    lines = fact_lines(found)
    assert [line[2] for line in lines] == sorted(
        (line[2] for line in lines), key=["unknown", "told", "implied", "read"].index
    )
    text = paragraph(found)
    assert (
        "resnet50_v1, v1, stride on the first 1x1: blocks 3, 4, 6, 3, 7x7 stem, 3 input channels, 1000 classes" in text
    )
    assert "Unknown, and the numbers depend on it: stride_on, preprocess" in text


def test_a_model_file_of_ours_says_what_its_card_says(tmp_path: Path) -> None:
    save(tiny.model(), tmp_path / "m.safetensors")
    assert card_of(tmp_path / "m.safetensors") == tiny.model().card
    assert card_of(write(tmp_path / "f.safetensors", "resnet18", "torchvision")) is None


def test_identifying_needs_no_torch(tmp_path: Path) -> None:
    path = write(tmp_path / "f.safetensors", "resnet18", "torchvision")
    program = (
        "import sys; from resnets.weights.identify import identify; "
        "from resnets.weights.identity_text import paragraph; "
        f"paragraph(identify({str(path)!r})); sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_trunk_beside_segmentation_heads_may_be_dilated_and_says_so(tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    write(tmp_path / "t.safetensors", "resnet50", "torchvision", "backbone.", head="none")
    heads = {"classifier.0.convs.0.0.weight": np.zeros((1,)), "aux_classifier.4.bias": np.zeros((1,))}
    save_file(load_file(tmp_path / "t.safetensors") | heads, tmp_path / "s.safetensors")
    found = identify(tmp_path / "s.safetensors")
    assert found.match.aside == {"segmentation heads": 2}
    assert set(found.unknown) == {"strides"}
    assert "often dilated" in found.unknown["strides"].why
    assert not identify(tmp_path / "s.safetensors", told={"strides": [1, 2, 2, 2]}).unknown


@pytest.mark.parametrize(("name", "is_open"), [("resnet50", False), ("resnet50.a1_in1k", False), ("resnetaa50", True)])
def test_a_configuration_that_names_another_network_leaves_the_strides_open(
    tmp_path: Path, name: str, is_open: bool
) -> None:
    write(tmp_path / "model.safetensors", "resnet50", "timm")
    cfg = {"mean": [0.5], "std": [0.5]}
    (tmp_path / "config.json").write_text(json.dumps({"architecture": name, "pretrained_cfg": cfg}))
    assert ("strides" in identify(tmp_path).unknown) == is_open


def test_a_stems_kernel_is_read_and_its_pool_is_a_habit(tmp_path: Path) -> None:
    found = identify(write(tmp_path / "f.safetensors", "resnet20_cifar_b", "cifar"), told={"preprocess": "cifar10"})
    stem = found.facts["stem"]
    assert (stem.value, stem.how, stem.why) == (
        "cifar",
        "implied",
        "3x3 by its tensors; no stride and no pool by habit",
    )


def test_a_network_of_other_channels_has_the_same_preprocessing_for_those(tmp_path: Path) -> None:
    grey = identify(write(tmp_path / "g.safetensors", "resnet18", "torchvision", in_channels=1)).preprocess
    assert (grey.value.colour, grey.value.channels, grey.how) == ("grey", 1, "implied")
    bands = identify(write(tmp_path / "b.safetensors", "resnet18", "torchvision", in_channels=5)).preprocess
    assert (bands.value.colour, bands.value.channels) == ("bands", 5)
    assert bands.why.endswith("; for 5 channels")
