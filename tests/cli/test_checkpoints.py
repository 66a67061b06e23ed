"""`resnets identify` and `resnets convert`, as a person types them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torchvision

from resnets.weights.load import load
from resnets.weights.modelfile import save
from tests import tiny
from tests.cli.conftest import Type


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    state = torchvision.models.resnet18(num_classes=3).state_dict()
    torch.save({"epoch": 7, "state_dict": {f"module.{k}": t for k, t in state.items()}}, tmp_path / "c.pth")
    return tmp_path / "c.pth"


def test_identify_prints_a_paragraph_and_how_each_fact_is_known(type_: Type, checkpoint: Path) -> None:
    done = type_("identify", checkpoint)
    assert done.code == 0
    first, _, table = done.out.partition("\n\n")
    assert first.startswith("c.pth (torch zip): resnet18, post-activation: blocks 2, 2, 2, 2, 7x7 stem")
    assert "\n" not in first
    assert "  preprocess " in table
    assert "  blocks " in table


def test_identify_answers_in_json(type_: Type, checkpoint: Path) -> None:
    facts = json.loads(type_("identify", checkpoint, "--json").out)
    assert (facts["network"], facts["dialect"], facts["prefix"]) == ("resnet18", "torchvision", "state_dict.module.")
    assert facts["preprocess"]["value"]["mean"] == [0.485, 0.456, 0.406]


def test_identify_reads_a_model_files_card(type_: Type, tmp_path: Path) -> None:
    save(tiny.model(), tmp_path / "m.safetensors")
    assert "a model file of resnets. resnet20_cifar, 3 input channels, 3 classes (ant, bee, cat, ...)" in type_(
        "identify", tmp_path / "m.safetensors"
    ).out.replace("\n", " ")
    assert json.loads(type_("identify", tmp_path / "m.safetensors", "--json").out)["classes"] == ["ant", "bee", "cat"]


def test_identify_ends_in_3_where_something_is_open(type_: Type, tmp_path: Path) -> None:
    import numpy as np
    from safetensors.numpy import save_file

    from resnets.spec.resolve import plan
    from resnets.spec.variants import VARIANTS
    from resnets.weights.dialects.dialect import names
    from resnets.weights.dialects.registry import DIALECTS

    network = plan(VARIANTS["resnet20_cifar"])
    shapes = network.tensors()
    keys = names(DIALECTS["cifar"], network)
    save_file({key: np.zeros(shapes[name], np.float32) for name, key in keys.items()}, tmp_path / "o.safetensors")
    done = type_("identify", tmp_path / "o.safetensors")
    assert done.code == 3
    assert "zero_pad_side" in done.out
    told = ["--set", "shortcut=zero_pad", "--set", "zero_pad_side=both", "--preprocess", "cifar10"]
    assert type_("identify", tmp_path / "o.safetensors", *told).code == 0


def test_convert_prints_the_agreement_and_writes_a_model_that_predicts(
    type_: Type, checkpoint: Path, tmp_path: Path
) -> None:
    (tmp_path / "names.txt").write_text("ant\nbee\ncat\n")
    done = type_("convert", checkpoint, tmp_path / "m.safetensors", "--names", tmp_path / "names.txt")
    assert done.code == 0, done.err
    assert "m.safetensors: resnet18, 3 classes, for resnets" in done.out
    assert "logits                     0         0" in done.out
    assert "as read back: the same answer on 16 of 16 pictures" in done.out
    assert load(tmp_path / "m.safetensors").card.classes == ("ant", "bee", "cat")
    folder = tiny.write_pictures(tmp_path / "photos", each=1, side=32)
    records = type_("predict", tmp_path / "m.safetensors", folder, "--json").out.splitlines()
    assert {json.loads(record)["class"] for record in records} <= {"ant", "bee", "cat"}


def test_convert_asks_torchvision_itself(type_: Type, checkpoint: Path, tmp_path: Path) -> None:
    done = type_("convert", checkpoint, tmp_path / "t.pth", "--to", "torchvision", "--json")
    assert json.loads(done.out)["original"]["same_answers"] == 16


def test_convert_adapts_by_name(type_: Type, checkpoint: Path, tmp_path: Path) -> None:
    done = type_(
        "convert", checkpoint, tmp_path / "m.safetensors", "--classes", "x,y", "--in-channels", "1", "--stem", "cifar"
    )
    assert done.code == 0, done.err
    model = load(tmp_path / "m.safetensors")
    assert (model.card.classes, model.card.preprocess.colour, model.card.architecture.stem) == (
        ("x", "y"),
        "grey",
        "cifar",
    )
    assert "adapted: a head for 2 classes, 0 of them kept by name" in done.out


def test_wrong_requests_to_convert(type_: Type, refused: Callable[..., str], checkpoint: Path, tmp_path: Path) -> None:
    out = tmp_path / "o.pth"
    assert "--to tensorflow is not possible" in refused("convert", checkpoint, out, "--to", "tensorflow")
    assert "resnet50 was asked" in refused("convert", checkpoint, out, "--model", "resnet50")
    assert "no network is called 'resnet51'" in refused("convert", checkpoint, out, "--model", "resnet51")
    assert "pool_fill='-inf'; it has 'zero'" in refused(
        "convert", checkpoint, tmp_path / "k.weights.h5", "--to", "keras"
    )
    assert "holds no picture" in refused("convert", checkpoint, out, "--pictures", tmp_path)
    assert "no file" in refused("identify", tmp_path / "absent.pth")
    assert "`resnets weights pull hf:timm/resnet50.a1_in1k` fetches it" in refused(
        "identify", "hf:timm/resnet50.a1_in1k"
    )
    assert not out.exists()


def test_allow_partial_says_the_coverage_and_ends_in_3(type_: Type, tmp_path: Path) -> None:
    state = torchvision.models.resnet18(num_classes=3).state_dict()
    torch.save({k: t for k, t in state.items() if not k.startswith("fc.bias")}, tmp_path / "cut.pth")
    done = type_("convert", tmp_path / "cut.pth", tmp_path / "m.safetensors", "--allow-partial")
    assert done.code == 3
    assert "121 of 122 tensors, 100.0% of the numbers, came from the file" in done.err
