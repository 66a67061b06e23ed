"""Load: any file of the family, whole; adaptations by name; and ten refusals, word for word."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from safetensors.torch import save_file

from resnets.net.network import build
from resnets.spec.card import Card
from resnets.spec.preprocess import IMAGENET, Preprocess
from resnets.weights.load import load
from resnets.weights.modelfile import Model, save
from resnets.weights.provenance import channels_changed
from tests import tiny

SMALL = {"blocks": (1, 1, 1, 1), "num_classes": 5}


def torchvision_net(name: str = "resnet18", **facts: Any) -> torch.nn.Module:
    """A torchvision network whose norms have seen something."""
    torch.manual_seed(0)
    network: torch.nn.Module = torchvision.models.get_model(name, weights=None, **facts)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, 0, 0.1)
            torch.nn.init.normal_(module.running_mean, 0, 0.1)  # type: ignore[arg-type]
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)  # type: ignore[arg-type]
    return network.eval()


@pytest.fixture(scope="module")
def net() -> torch.nn.Module:
    return torchvision_net(num_classes=5)


@pytest.fixture
def pth(tmp_path: Path, net: torch.nn.Module) -> Path:
    torch.save(net.state_dict(), tmp_path / "r18.pth")
    return tmp_path / "r18.pth"


PICTURES = torch.linspace(-2, 2, 2 * 3 * 64 * 49).reshape(2, 3, 64, 49)


def logits(network: torch.nn.Module) -> torch.Tensor:
    with torch.no_grad():
        answer: torch.Tensor = network(PICTURES)
    return answer


# Whole.


def test_a_state_dict_of_torchvision_gives_torchvisions_numbers(pth: Path, net: torch.nn.Module) -> None:
    model = load(pth)
    assert model.card.architecture.name == "resnet18"
    assert model.card.preprocess == IMAGENET
    assert model.card.classes == ("0", "1", "2", "3", "4")
    assert not model.network.training
    torch.testing.assert_close(logits(model.network), logits(net), rtol=1e-5, atol=1e-6)


def test_a_training_checkpoint_loads_with_its_optimizer_its_arguments_and_its_wrapper(
    tmp_path: Path, net: torch.nn.Module
) -> None:
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    checkpoint = {
        "epoch": 3,
        "arch": "resnet18",
        "args": argparse.Namespace(lr=0.1, data="/data"),
        "state_dict": {f"module.{key}": tensor for key, tensor in net.state_dict().items()},
        "optimizer": optimizer.state_dict(),
    }
    for legacy in (False, True):
        torch.save(checkpoint, tmp_path / "c.pth.tar", _use_new_zipfile_serialization=not legacy)
        torch.testing.assert_close(logits(load(tmp_path / "c.pth.tar").network), logits(net), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_numbers_of_another_type_come_as_float32(tmp_path: Path, net: torch.nn.Module, dtype: torch.dtype) -> None:
    state = {k: t.to(dtype) if t.is_floating_point() else t for k, t in net.state_dict().items()}
    save_file(state, tmp_path / "h.safetensors")
    loaded = load(tmp_path / "h.safetensors").network.state_dict()
    assert {t.dtype for t in loaded.values()} == {torch.float32, torch.int64}
    assert torch.equal(loaded["stem.conv1.weight"], state["conv1.weight"].float())


def test_a_file_without_batch_counts_gets_zeros(tmp_path: Path, net: torch.nn.Module) -> None:
    state = {k: t for k, t in net.state_dict().items() if not k.endswith("num_batches_tracked")}
    save_file(state, tmp_path / "old.safetensors")
    loaded = load(tmp_path / "old.safetensors").network
    assert int(loaded.state_dict()["stem.norm1.num_batches_tracked"]) == 0
    torch.testing.assert_close(logits(loaded), logits(net), rtol=1e-5, atol=1e-6)


def test_a_network_whose_norms_were_folded_gives_the_same_numbers(tmp_path: Path, net: torch.nn.Module) -> None:
    folded = torch.fx.symbolic_trace(net)
    from torch.fx.experimental.optimization import fuse

    state = fuse(folded).state_dict()
    assert not any("bn" in key for key in state)
    save_file(state, tmp_path / "folded.safetensors")
    torch.testing.assert_close(logits(load(tmp_path / "folded.safetensors").network), logits(net), rtol=1e-4, atol=1e-5)


def test_a_model_file_loads_as_before_and_nothing_is_told_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    save(tiny.model(), path)
    assert load(path).card == tiny.model().card
    with pytest.raises(ValueError, match="its card states every fact"):
        load(path, told={"stride_on": "1x1"})


def test_equal_files_make_equal_cards_wherever_they_lie(tmp_path: Path, pth: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    other = tmp_path / "elsewhere" / "other-name.bin"
    other.write_bytes(pth.read_bytes())
    assert load(pth).card.to_json() == load(other).card.to_json()
    assert "elsewhere" not in load(other).card.to_json()


# Adapted.


def test_classes_of_the_same_name_keep_their_rows_and_the_card_says_so(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    save(tiny.model(classes=("ant", "bee", "cat")), path)
    old, new = load(path), load(path, classes=["cat", "dog"])
    assert new.card.classes == ("cat", "dog")
    assert torch.equal(new.network.head.linear.weight[0], old.network.head.linear.weight[2])  # type: ignore[union-attr]
    assert new.card.origin["adapted"] == ["a head for 2 classes, 1 of them kept by name"]


def test_other_channels_adapt_the_first_convolution_and_the_statistics(pth: Path) -> None:
    grey = load(pth, in_channels=1)
    assert grey.network.stem.conv1.weight.shape == (64, 1, 7, 7)
    assert (grey.card.preprocess.colour, grey.card.preprocess.mean) == ("grey", (pytest.approx(0.449),))
    bands = load(pth, in_channels=5).card.preprocess
    assert (bands.colour, bands.channels) == ("bands", 5)
    assert bands.mean == (0.485, 0.456, 0.406, 0.485, 0.456)
    assert bands.std == (0.229, 0.224, 0.225, 0.229, 0.224)


def test_a_grey_preprocess_becomes_colour_with_its_one_mean_thrice() -> None:
    grey = Preprocess(colour="grey", mean=(0.3,), std=(0.2,))
    assert channels_changed(grey, 3) == Preprocess(colour="rgb", mean=(0.3,) * 3, std=(0.2,) * 3)
    assert channels_changed(grey, 1) is grey


def test_the_small_stem_is_an_adaptation_by_name(pth: Path) -> None:
    model = load(pth, stem="cifar")
    assert model.card.architecture.stem == "cifar"
    assert model.card.origin["adapted"] == ["the 7x7 stem cut to 3x3"]


def test_a_part_of_a_file_is_loaded_only_when_asked_for_and_says_how_much_it_was(
    tmp_path: Path, net: torch.nn.Module
) -> None:
    state = {k: t for k, t in net.state_dict().items() if not k.startswith("layer4.1")}
    state |= {k: t for k, t in net.state_dict().items() if k == "layer4.1.conv1.weight"}
    save_file(state, tmp_path / "cut.safetensors")
    with pytest.raises(ValueError, match="tensors are missing"):
        load(tmp_path / "cut.safetensors")
    with pytest.warns(UserWarning, match=r"111 of 122 tensors, 78\.\d% of the numbers, came from the file"):
        model = load(tmp_path / "cut.safetensors", allow_partial=True)
    assert 0.78 < model.card.origin["coverage"] < 0.79
    assert torch.equal(model.network.state_dict()["stem.conv1.weight"], state["conv1.weight"])


# Refused: the ten load failures that people report most, and what each says.

Spoil = Callable[[dict[str, torch.Tensor]], Any]


def _without(*parts: str) -> Spoil:
    return lambda state: {k: t for k, t in state.items() if not k.startswith(parts)}


def _custom_head(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    rest = {k: t for k, t in state.items() if not k.startswith("fc.")}
    return rest | {"fc.0.weight": torch.zeros(7, 512), "fc.0.bias": torch.zeros(7), "fc.3.weight": torch.zeros(5, 7)}


IS = "resnet18 in the names of torchvision (torch zip)"
REFUSALS: list[tuple[str, Spoil, dict[str, Any], str]] = [
    (
        "another number of classes",
        dict,
        {"told": {"num_classes": 3}},
        "FILE has num_classes=5 (from its tensors), and num_classes=3 was told. To put another head on it, give the "
        "class names: load(..., classes=[...]), --classes a,b,c",
    ),
    (
        "another number of channels",
        dict,
        {"told": {"in_channels": 1}},
        "FILE has in_channels=3 (from its tensors), and in_channels=1 was told. To adapt its first convolution: "
        "load(..., in_channels=1), --in-channels 1",
    ),
    (
        "another network than was asked for",
        dict,
        {"network": "resnet50"},
        f"FILE is {IS}, 5 classes, and resnet50 was asked: block is basic, and resnet50 has bottleneck; blocks is "
        "(2, 2, 2, 2), and resnet50 has (3, 4, 6, 3). Leave the name out, or ask for resnet18",
    ),
    (
        "missing keys",
        _without("layer3.1.bn2"),
        {},
        f"FILE looks like {IS}, 5 classes, and cannot be loaded: 4 tensors are missing: "
        "stages.2.1.branch.norm2.weight, "
        "stages.2.1.branch.norm2.bias, stages.2.1.branch.norm2.running_mean, stages.2.1.branch.norm2.running_var. The "
        "file is cut down or of another network. `resnets convert --allow-partial`, load(..., allow_partial=True), "
        "draws what is missing anew and "
        "says how much that is.",
    ),
    (
        "unexpected keys of a head of one's own",
        _custom_head,
        {},
        f"FILE looks like {IS}, no head, and cannot be loaded: 3 tensors under '' have no place in it: fc.0.weight, "
        "fc.0.bias, fc.3.weight. If they are a head of another kind, load the trunk alone: "
        "load(..., told={'head': 'none'}), `resnets convert` with "
        "--set head=none.",
    ),
    (
        "a block that is missing",
        _without("layer2.0."),
        {},
        "FILE looks like a network in the names of torchvision (torch zip), and cannot be loaded: conv3_x "
        "has blocks 1, "
        "counted from 0; one is missing. The file is cut down or of another network. `resnets convert "
        "--allow-partial`, load(..., allow_partial=True), draws what is missing anew and says how much that is.",
    ),
    (
        "two networks in one file",
        lambda state: {"model": state, "model_ema": state},
        {},
        "FILE looks like resnet18 in the names of torchvision under 'model.' (torch zip), 5 classes, and "
        "cannot be loaded: "
        "it holds 2 networks; choose one: --part model or --part model_ema. In Python: load(..., part='model').",
    ),
    (
        "no tensors at all",
        lambda state: {"epoch": 3, "state_dict": {}},
        {},
        "FILE holds 0 tensors and no network of the ResNet family under any name that is known; "
        "docs/checkpoints.md lists "
        "the dialects",
    ),
    (
        "another family",
        lambda state: {"features.0.weight": torch.zeros(64, 3, 3, 3), "classifier.6.bias": torch.zeros(10)},
        {},
        "FILE holds 2 tensors (features.0.weight, classifier.6.bias) and no network of the ResNet family "
        "under any name "
        "that is known; docs/checkpoints.md lists the dialects",
    ),
    (
        "a stem and shortcuts that the names leave open",
        lambda state: _cifar_state(),
        {},
        "FILE is like resnet20_cifar, with stem_width=4 and blocks=1,1,1 and widths=4,8,16 in the names of the "
        "CIFAR repositories with torchvision's names (torch zip), "
        "3 classes, but "
        "the file does not say shortcut (--set shortcut=zero_pad | none); zero_pad_side (--set zero_pad_side=both | "
        "after); how pixels become numbers (--preprocess cifar10 | cifar-imagenet | cifar10-std | cifar100). "
        "The numbers "
        "depend on it: give it to `resnets convert`, or to load(..., told={...}), or let `resnets identify FILE "
        "--probe IMAGES` rank what it may be",
    ),
]


def _cifar_state() -> dict[str, torch.Tensor]:
    from resnets.weights.writers.state import dialect_for, state

    network = tiny.network(blocks=(1, 1, 1), widths=(4, 8, 16))
    arrays = state(network, dialect_for("cifar", network.architecture)).arrays
    return {key: torch.from_numpy(array) for key, array in arrays.items()}


@pytest.mark.parametrize(("what", "spoil", "asked", "sentence"), REFUSALS, ids=[row[0] for row in REFUSALS])
def test_a_refusal_says_what_the_file_is_and_what_would_work(
    tmp_path: Path, net: torch.nn.Module, what: str, spoil: Spoil, asked: dict[str, Any], sentence: str
) -> None:
    path = tmp_path / "f.pth"
    torch.save(spoil(net.state_dict()), path)
    with pytest.raises(ValueError) as refusal:
        load(path, **asked)
    assert str(refusal.value).replace(str(path), "FILE") == sentence


NO_WEIGHTS = [
    (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
        "a pointer of git-lfs, not the file itself",
    ),
    (b"<!DOCTYPE html><html></html>", "a text in XML or HTML"),
    (b"\xff\xd8\xff\xe0" + bytes(60), "a JPEG picture"),
    (b"", "an empty file"),
]


@pytest.mark.parametrize(("data", "phrase"), NO_WEIGHTS, ids=lambda value: str(value)[:20])
def test_what_is_no_file_of_weights_is_called_what_it_is(tmp_path: Path, data: bytes, phrase: str) -> None:
    (tmp_path / "w.pth").write_bytes(data)
    with pytest.raises(ValueError, match=f"looks like {phrase}"):
        load(tmp_path / "w.pth")


def test_a_head_that_nobody_knows_is_left_out_when_told(tmp_path: Path, net: torch.nn.Module) -> None:
    torch.save(_custom_head(net.state_dict()), tmp_path / "f.pth")
    model = load(tmp_path / "f.pth", told={"head": "none"})
    assert model.card.classes == ()
    levels = model.network.levels(PICTURES)
    assert torch.equal(levels["C5"], load_whole(tmp_path, net).network.levels(PICTURES)["C5"])


def load_whole(tmp_path: Path, net: torch.nn.Module) -> Model:
    torch.save(net.state_dict(), tmp_path / "whole.pth")
    return load(tmp_path / "whole.pth")


def test_told_class_names_name_the_logits(tmp_path: Path, pth: Path) -> None:
    names = ["a", "b", "c", "d", "e"]
    assert load(pth, told={"classes": names}).card.classes == tuple(names)
    (tmp_path / "names.txt").write_text("\n".join(names), encoding="utf-8")
    assert load(pth, told={"classes": str(tmp_path / "names.txt")}).card.classes == tuple(names)
    with pytest.raises(ValueError, match="'cifar10' has 10 class names, and the network has 5 logits"):
        load(pth, told={"classes": "cifar10"})


def test_a_thousand_logits_in_torchvisions_names_are_imagenets_classes(tmp_path: Path) -> None:
    network = build("resnet18", blocks=(1, 1, 1, 1), seed=0)
    card = Card(architecture=network.architecture, classes=tuple(map(str, range(1000))), preprocess=IMAGENET)
    from resnets.weights.writers.write import write

    write(Model(network, card), tmp_path / "t.pth", "torchvision")
    classes = load(tmp_path / "t.pth").card.classes
    assert (classes[0], classes[999], len(set(classes))) == ("tench", "toilet tissue", 1000)
