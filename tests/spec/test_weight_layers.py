"""Why a network's name has its number: the formula, and the note where the name counts otherwise."""

from __future__ import annotations

import re

import pytest

from resnets.spec.count import weight_layers
from resnets.spec.resolve import plan
from resnets.spec.variants import VARIANTS, architecture

# Sums of He et al. 2015, Table 1: conv1, then blocks x layers of a block for conv2_x .. conv5_x, then fc.
FORMULAS = {
    "resnet18": "1 + 4 + 4 + 4 + 4 + 1 = 18",
    "resnet34": "1 + 6 + 8 + 12 + 6 + 1 = 34",
    "resnet50": "1 + 9 + 12 + 18 + 9 + 1 = 50",
    "resnet101": "1 + 9 + 12 + 69 + 9 + 1 = 101",
    "resnet152": "1 + 9 + 24 + 108 + 9 + 1 = 152",
    "resnet110_cifar": "1 + 36 + 36 + 36 + 1 = 110",
    "resnet1202_cifar": "1 + 400 + 400 + 400 + 1 = 1202",
    "resnet164v2_cifar": "1 + 54 + 54 + 54 + 1 = 164",
    "resnet50d": "3 + 9 + 12 + 18 + 9 + 1 = 52",
    "resnet101_mrcnn": "1 + 9 + 12 + 69 + 9 = 100",
    "resnet101_mrcnn_c4": "1 + 9 + 12 + 69 = 91",
    "resnet101_note001": "1 + 9 + 12 + 69 + 9 + 2 = 102",
}

STEM = "the name counts the stem's 3 convolutions as one, the 7x7 they replace"
NO_HEAD = "the name also counts the classifier's layer, which is left out here"
NOTES = {
    "resnet50": "",
    "resnet34_note002": "",
    "resnet50c": STEM,
    "resnet50d": STEM,
    "resnet56_cifar": "6n + 2 with n = 9: three stages of n blocks of 2 layers",
    "resnet164v2_cifar": "9n + 2 with n = 18: three stages of n blocks of 3 layers",
    "resnet101_mrcnn": NO_HEAD,
    "resnet50_mrcnn_c4": f"{NO_HEAD}; the name speaks of 50 layers, 48 of them in the stages, "
    "and the stages here, (3, 4, 6), have 39",
    "resnet152_note001": "the name counts the classifier as one layer, and this one has 2",
}


@pytest.mark.parametrize("name", FORMULAS)
def test_the_formula_is_the_sum_over_stem_stages_and_head(name: str) -> None:
    assert weight_layers(plan(VARIANTS[name])).formula == FORMULAS[name]


@pytest.mark.parametrize("name", NOTES)
def test_the_note_says_where_the_name_counts_otherwise(name: str) -> None:
    assert weight_layers(plan(VARIANTS[name])).note == NOTES[name]


@pytest.mark.parametrize("name", VARIANTS)
def test_the_formula_adds_up_and_comes_to_the_names_number_unless_the_note_tells_why_not(name: str) -> None:
    counted = weight_layers(plan(VARIANTS[name]))
    terms, _, total = counted.formula.partition(" = ")
    assert sum(map(int, terms.split(" + "))) == int(total) == counted.total
    number = re.search(r"\d{2,}", name) or re.search(r"\d", name)
    assert number is not None
    assert counted.total == int(number[0]) or "the name" in counted.note


@pytest.mark.parametrize("depth", [20, 32, 44, 56, 110, 1202])
def test_a_cifar_network_has_6n_plus_2_layers(depth: int) -> None:
    # He et al. 2015, section 4.2: "there are totally 6n+2 stacked weighted layers".
    arch = VARIANTS[f"resnet{depth}_cifar"]
    (n,) = set(arch.blocks)
    assert 6 * n + 2 == depth == weight_layers(plan(arch)).total


@pytest.mark.parametrize("option", ["none", "zero_pad", "projection"])
def test_shortcuts_do_not_count(option: str) -> None:
    assert weight_layers(plan(architecture("resnet34", shortcut=option))).total == 34


def test_a_network_with_other_blocks_than_its_name_says_so() -> None:
    note = weight_layers(plan(architecture("resnet50", blocks=(2, 2, 2, 2)))).note
    assert note == (
        "the name speaks of 50 layers, 48 of them in the stages, and the stages here, (2, 2, 2, 2), have 24"
    )
