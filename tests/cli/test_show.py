"""`resnets show`: the table, the counts, the levels, one block, and advice, as text and as JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from resnets.spec.variants import VARIANTS

GOLDEN = Path(__file__).parents[1] / "golden"
KEYS = [
    "name", "source", "differences", "input", "parameters", "macs", "flops", "convention", "weight_layers",
    "receptive_field", "levels", "advice", "layers",
]  # fmt: skip


def shown(type_: Callable[..., Any], *words: str) -> dict[str, Any]:
    done = type_("show", *words, "--json")
    assert (done.code, done.err) == (0, "")
    facts: dict[str, Any] = json.loads(done.out)
    return facts


def test_the_text_of_resnet50_is_the_stored_one(type_: Callable[..., Any]) -> None:
    done = type_("show", "resnet50")
    assert (done.code, done.err) == (0, "")
    assert done.out == (GOLDEN / "show-resnet50.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [name for name in VARIANTS if name != "resnet1202_cifar"])  # 110 layers say as much
def test_the_json_of_every_row_has_the_same_keys_and_agrees_with_itself(name: str, type_: Callable[..., Any]) -> None:
    facts = shown(type_, name)
    assert list(facts) == KEYS
    assert facts["name"] == name
    assert facts["source"]
    assert facts["differences"] == {}
    assert list(facts["weight_layers"]) == ["formula", "total", "note"]
    formula, _, total = facts["weight_layers"]["formula"].partition(" = ")
    assert sum(map(int, formula.split(" + "))) == int(total) == facts["weight_layers"]["total"]
    assert facts["flops"] == 2 * facts["macs"] == 2 * sum(layer["macs"] for layer in facts["layers"])
    for level in facts["levels"].values():
        assert list(level) == ["channels", "stride", "height", "width"]
        assert level["height"] in (facts["input"][1] // level["stride"], -(-facts["input"][1] // level["stride"]))


@pytest.mark.parametrize(
    ("name", "parameters", "gmacs", "formula"),
    [
        ("resnet18", 11_689_512, 1.814, "1 + 4 + 4 + 4 + 4 + 1 = 18"),
        ("resnet50", 25_557_032, 4.089, "1 + 9 + 12 + 18 + 9 + 1 = 50"),
        ("resnet50_v1", 25_557_032, 3.858, "1 + 9 + 12 + 18 + 9 + 1 = 50"),
        ("resnet101", 44_549_160, 7.801, "1 + 9 + 12 + 69 + 9 + 1 = 101"),
        ("resnet152", 60_192_808, 11.514, "1 + 9 + 24 + 108 + 9 + 1 = 152"),
    ],
)
def test_the_counts_are_the_published_ones(
    name: str, parameters: int, gmacs: float, formula: str, type_: Callable[..., Any]
) -> None:
    """The `num_params` and `_ops` of torchvision's weights; the paper's own ResNet-50 is 3.8 GMACs (Table 1)."""
    facts = shown(type_, name)
    assert facts["parameters"] == parameters
    assert facts["macs"] / 1e9 == pytest.approx(gmacs, abs=6e-4)
    assert facts["weight_layers"]["formula"] == formula


@pytest.mark.parametrize(("name", "count"), [("resnet50d", 52), ("resnet164v2_cifar", 164)])
def test_where_the_name_counts_otherwise_the_note_says_how(name: str, count: int, type_: Callable[..., Any]) -> None:
    layers = shown(type_, name)["weight_layers"]
    assert layers["total"] == count or layers["note"]


def test_matterports_backbone_at_1024_ends_at_32_by_32(type_: Callable[..., Any]) -> None:
    """Note 004 says 3x3x2048; its own graph gives 32x32x2048."""
    levels = shown(type_, "resnet101_mrcnn", "--size", "1024")["levels"]
    sizes = {name: (level["channels"], level["height"], level["width"]) for name, level in levels.items()}
    assert {name: sizes[name] for name in ("C1", "C2", "C3", "C4", "C5")} == {
        "C1": (64, 256, 256), "C2": (256, 256, 256), "C3": (512, 128, 128), "C4": (1024, 64, 64), "C5": (2048, 32, 32),
    }  # fmt: skip
    assert "C5" not in shown(type_, "resnet101_mrcnn_c4", "--size", "1024")["levels"]


def test_a_size_may_be_a_side_or_height_by_width(type_: Callable[..., Any]) -> None:
    assert shown(type_, "resnet18", "--size", "96")["input"] == [3, 96, 96]
    assert shown(type_, "resnet18", "--size", "96x128")["input"] == [3, 96, 128]


def test_facts_are_changed_and_told(type_: Callable[..., Any]) -> None:
    facts = shown(type_, "resnet34", "--set", "stem=cifar", "--set", "blocks=1,2", "--set", "in_channels=1")
    assert facts["differences"] == {
        "stem": "cifar", "blocks": [1, 2], "widths": [64, 128], "strides": [1, 2], "in_channels": 1,
    }  # fmt: skip
    assert facts["input"][0] == 1
    first = type_("show", "resnet34", "--set", "stem=cifar", "--set", "num_classes=7").out.splitlines()[0]
    assert first.startswith("resnet34, ")
    assert "stem=cifar" in first
    assert "num_classes=7" in first


def test_a_bottleneck_costs_69632_weights_and_two_wide_3x3_cost_1179648(type_: Callable[..., Any]) -> None:
    """256-64-256 against two 3x3 of 256 channels: 16.94 times as many, as the notes say rightly."""
    out = type_("show", "resnet50", "--block", "C2.1").out
    for number in ("69,632", "1,179,648", "16.94"):
        assert number in out


def test_a_basic_block_of_64_channels_costs_73728_weights(type_: Callable[..., Any]) -> None:
    out = type_("show", "resnet18", "--block", "C2.1").out
    assert "73,728" in out
    assert "instead" not in out


def test_a_block_that_is_not_there_is_refused_with_those_that_are(refused: Callable[..., str]) -> None:
    assert "C2.0 to C2.2, C3.0 to C3.3" in refused("show", "resnet50", "--block", "C2.3")
    for where in ("C9.0", "C2", "2.1", "C2.-1", "C2.x"):
        assert "C5.0 to C5.2" in refused("show", "resnet50", "--block", where)


def test_mnist_on_the_imagenet_stem_gets_advice(type_: Callable[..., Any]) -> None:
    """28 -> 14 -> 7 -> 7 -> 4 -> 2 -> 1: note 002 had to leave the pooling out."""
    out = type_("show", "resnet34", "--size", "28").out
    assert "at 28x28 the map has shrunk to 1x1 at C5" in out
    for way in ("--set stem=cifar", "a larger --size (from 64 pixels C5 is 2x2 or more)", "--set blocks=3,4,6"):
        assert way in out
    assert shown(type_, "resnet34", "--size", "28", "--set", "stem=cifar")["advice"] == ""
    assert shown(type_, "resnet34", "--size", "28", "--set", "blocks=3,4,6")["advice"] == ""
    assert shown(type_, "resnet34", "--size", "64")["advice"] == ""


def test_without_a_name_every_network_is_listed(type_: Callable[..., Any]) -> None:
    lines = type_("show").out.splitlines()
    assert [line.split()[0] for line in lines] == list(VARIANTS)
    assert json.loads(type_("show", "--json").out) == {row.name: row.source for row in VARIANTS.values()}


@pytest.mark.parametrize(
    ("name", "near"), [("resnet5", "resnet50"), ("resent50", "resnet50"), ("ResNet18", "resnet18")]
)
def test_an_unknown_name_is_a_wrong_request_and_the_nearest_are_named(
    name: str, near: str, refused: Callable[..., str]
) -> None:
    sentence = refused("show", name)
    assert sentence.startswith(f"no network is called '{name}'. Nearest: ")
    assert near in sentence


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--size", "big"], "--size big is no size; give a side, such as 224, or height x width"),
        (["--size", "0"], "--size 0 is no size"),
        (["--size", "224x"], "--size 224x is no size"),
        (["--size", "-5"], "--size -5 is no size"),
        (["--size", "8"], "an input of 8x8 is too small for resnet50"),
        (["--set", "stem"], "--set stem has no value; write --set stem=VALUE"),
        (["--set", "steam=cifar"], "'steam' is no field of an architecture. Did you mean 'stem'?"),
        (["--set", "stem=huge"], "stem='huge' is not possible; allowed: one of 'imagenet', 'deep', 'cifar'"),
        (["--set", "blocks=3,x"], "--set blocks=3,x: "),
        (["--set", "blocks="], "blocks=() is not possible"),
        (["--set", "num_classes=ten"], "--set num_classes=ten: 'ten' does not fit"),
        (["--set", "num_classes=0"], "num_classes=0 is not possible; allowed: a whole number from 1 to 1000000"),
        (["--set", "projection_norm=maybe"], "--set projection_norm=maybe: 'maybe' does not fit; give true or false"),
        (["--set", "dropout=1.5"], "dropout=1.5 is not possible"),
        (["--set", "name=mine"], "'name' is the row's own and cannot be changed"),
        (["--set", "block=basic", "--set", "cardinality=32"], "cardinality=32, base_width=64 need bottleneck blocks"),
    ],
)
def test_a_request_that_does_not_fit_is_refused_in_a_sentence(
    words: list[str], sentence: str, refused: Callable[..., str]
) -> None:
    assert sentence in refused("show", "resnet50", *words)


def test_show_imports_no_torch() -> None:
    code = "import sys; from resnets.cli import app; app(['show', 'resnet50'], standalone_mode=False); "
    code += "assert not {'torch', 'numpy', 'PIL'} & set(sys.modules), 'heavy'"
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
