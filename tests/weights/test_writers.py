"""Writers: what we write for another codebase is what that codebase writes, and reads back whole."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision

from resnets.net.network import build
from resnets.spec.card import Card
from resnets.spec.preprocess import IMAGENET, Preprocess
from resnets.weights.load import load
from resnets.weights.modelfile import Model
from resnets.weights.writers.write import TARGETS, write

CASES: list[tuple[str, dict[str, Any], str, str]] = [
    ("resnet18", {}, "torchvision", "a.pth"),
    ("resnet18", {}, "torchvision", "a.safetensors"),
    ("resnext50_32x4d", {}, "torchvision", "a.pt"),
    ("resnet50c", {}, "timm", "a.safetensors"),
    ("resnet50d", {}, "timm", "a.pth"),
    ("seresnet50", {}, "timm", "a.bin"),
    ("resnetv2_50", {}, "timm", "a.safetensors"),
    ("resnet20_cifar", {}, "cifar", "a.pth"),
    ("resnet20_cifar_b", {}, "cifar", "a.pth"),
    ("resnet18", {}, "transformers", "folder"),
    ("resnet50_v1", {}, "transformers", "folder"),
    ("resnet18", {"head": "none"}, "transformers", "folder"),
    ("resnet50_v1", {}, "detectron2", "a.pth"),
    ("resnet50_keras", {}, "keras", "a.weights.h5"),
    ("resnet50_keras", {"head": "none"}, "keras", "a.weights.h5"),
    ("resnet50v2_keras", {}, "keras", "a.weights.h5"),
    ("resnet50_mrcnn", {}, "matterport", "a.h5"),
    ("resnet50_mrcnn_c4", {}, "matterport", "a.h5"),
    ("resnet50_note001", {}, "matterport", "a.h5"),
]


def model(row: str, **facts: Any) -> Model:
    """A narrow model of a row; every number in it is another."""
    count = {} if "cifar" in row else {"blocks": (1, 2, 1) if row.endswith("c4") else (1, 2, 1, 1)}
    classes = {} if facts.get("head") == "none" or "mrcnn" in row else {"num_classes": 7}
    network = build(row, seed=0, **classes | count | facts).eval()
    torch.manual_seed(0)
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if tensor.is_floating_point() and ".norm" in name:
                tensor.uniform_(0.5, 1.5)
    arch = network.architecture
    names = tuple(f"class {index}" for index in range(7)) if arch.classes_out else ()
    return Model(network, Card(architecture=arch, classes=names, preprocess=IMAGENET))


@pytest.mark.parametrize(("row", "facts", "dialect", "file"), CASES)
def test_what_is_written_reads_back_as_the_same_network_bit_for_bit(
    tmp_path: Path, row: str, facts: dict[str, Any], dialect: str, file: str
) -> None:
    if file.endswith(".h5"):
        pytest.importorskip("h5py", reason="Keras's files need h5py")
    before = model(row, **facts)
    write(before, tmp_path / file, dialect)
    arch = before.card.architecture
    told = {"preprocess": "imagenet", "classes": list(before.card.classes)} if arch.classes_out else {}
    if dialect in ("cifar", "detectron2"):
        told |= {n: getattr(arch, n) for n in ("zero_pad_side", "stride_on")}
    if row == "resnet20_cifar":
        told["shortcut"] = "zero_pad"
    after = load(tmp_path / file, told=told)
    assert after.card.architecture == arch
    assert after.card.classes == before.card.classes
    mine, theirs = before.network.state_dict(), after.network.state_dict()
    assert [name for name in mine if not torch.equal(mine[name], theirs[name])] == []


def test_torchvision_itself_loads_what_is_written_for_it(tmp_path: Path) -> None:
    ours = model("resnet50", blocks=(3, 4, 6, 3))
    write(ours, tmp_path / "a.pth", "torchvision")
    theirs = torchvision.models.resnet50(num_classes=7).eval()
    theirs.load_state_dict(torch.load(tmp_path / "a.pth", weights_only=True), strict=True)
    picture = torch.linspace(-2, 2, 3 * 64 * 49).reshape(1, 3, 64, 49)
    with torch.no_grad():
        torch.testing.assert_close(theirs(picture), ours.network(picture), rtol=1e-5, atol=1e-5)


def test_transformers_configuration_carries_classes_sizes_and_stride(tmp_path: Path) -> None:
    write(model("resnet50_v1"), tmp_path / "f", "transformers")
    config = json.loads((tmp_path / "f" / "config.json").read_text())
    assert (config["model_type"], config["layer_type"], config["downsample_in_bottleneck"]) == (
        "resnet", "bottleneck", True,
    )  # fmt: skip
    assert config["hidden_sizes"] == [256, 512, 1024, 2048]
    assert config["id2label"]["6"] == "class 6"
    processor = json.loads((tmp_path / "f" / "preprocessor_config.json").read_text())
    assert processor["image_processor_type"] == "BitImageProcessor"
    assert (processor["size"], processor["crop_size"]) == ({"shortest_edge": 256}, {"height": 224, "width": 224})


@pytest.mark.parametrize(
    "preprocess",
    [
        IMAGENET,
        replace(IMAGENET, size=(192, 320), resize=354),
        replace(IMAGENET, size=(384, 384), resize=400, interpolation="bicubic"),
        Preprocess(size=(32, 48), fit="squash", mean=(0.5,), std=(0.25,), profile="ignore"),
    ],
    ids=lambda p: f"{p.fit} {p.size}",
)
def test_transformers_processor_comes_back_as_the_same_preprocess(tmp_path: Path, preprocess: Preprocess) -> None:
    before = model("resnet18")
    write(Model(before.network, replace(before.card, preprocess=preprocess)), tmp_path / "f", "transformers")
    back = load(tmp_path / "f").card.preprocess
    count = preprocess.channels // len(preprocess.mean)
    assert back == replace(preprocess, mean=preprocess.mean * count, std=preprocess.std * count)


@pytest.mark.parametrize("changed", [{"colour": "bgr"}, {"fit": "pad", "resize": None}], ids=str)
def test_pixels_that_no_processor_of_transformers_makes_are_refused(tmp_path: Path, changed: dict[str, Any]) -> None:
    before = model("resnet18")
    card = replace(before.card, preprocess=replace(IMAGENET, **changed))
    with pytest.raises(ValueError, match="which no image processor of transformers does"):
        write(Model(before.network, card), tmp_path / "f", "transformers")
    assert not (tmp_path / "f").exists()


REFUSALS = [
    ("resnet50", "keras", "a.weights.h5", "stride_on='3x3'; it has '1x1'"),
    ("resnet50_v1", "torchvision", "a.pth", "stride_on='1x1'; it has '3x3'"),
    (
        "resnet50",
        "torchvision",
        "a.h5",
        "a file for torchvision ends in .pth or .pt or .bin or .safetensors; call it so",
    ),
    ("resnet50_keras", "keras", "a.h5", "a file for keras ends in .weights.h5; call it so"),
    ("resnet50", "caffe", "a.caffemodel", "--to caffe is not possible; allowed: resnets, torchvision, timm"),
    ("plain18", "timm", "a.pth", "timm has no network with shortcut='none'; it has 'projection'"),
]


@pytest.mark.parametrize(("row", "dialect", "file", "sentence"), REFUSALS)
def test_what_cannot_be_written_is_refused_and_nothing_is_there(
    tmp_path: Path, row: str, dialect: str, file: str, sentence: str
) -> None:
    with pytest.raises(ValueError) as refusal:
        write(model(row), tmp_path / file, dialect)
    assert sentence in str(refusal.value)
    assert list(tmp_path.iterdir()) == []


def test_every_target_is_proved_here() -> None:
    assert {dialect for _, _, dialect, _ in CASES} == set(TARGETS)
