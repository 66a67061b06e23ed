"""Architecture: what it refuses, with which sentence, and that it survives JSON."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from resnets.spec.architecture import CHOICES, Architecture, field_names
from resnets.spec.resolve import plan
from resnets.spec.variants import VARIANTS, architecture

WHOLE = "a whole number from 1 to 1000000"
EACH = "whole numbers from 1 to 1000000, one for each stage"
STAGES = "a tuple with one whole number for each stage, such as (3, 4, 6, 3)"

# The facts that are given, to resnet50 unless a name is given too, and the whole sentence of the refusal.
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"stem": "tiny"}, "stem='tiny' is not possible; allowed: one of 'imagenet', 'deep', 'cifar'"),
    ({"block": ["basic"]}, "block=('basic',) is not possible; allowed: one of 'basic', 'bottleneck'"),
    ({"stride_on": 1}, "stride_on=1 is not possible; allowed: one of '1x1', '3x3'"),
    ({"num_classes": 0}, f"num_classes=0 is not possible; allowed: {WHOLE}"),
    ({"num_classes": True}, f"num_classes=True is not possible; allowed: {WHOLE}"),
    ({"num_classes": 10.0}, f"num_classes=10.0 is not possible; allowed: {WHOLE}"),
    ({"in_channels": "3"}, f"in_channels='3' is not possible; allowed: {WHOLE}"),
    ({"se_reduction": 0}, f"se_reduction=0 is not possible; allowed: {WHOLE}"),
    ({"blocks": ()}, f"blocks=() is not possible; allowed: {STAGES}"),
    ({"blocks": 50}, f"blocks=50 is not possible; allowed: {STAGES}"),
    ({"blocks": (3, 4, 0, 3)}, f"blocks=(3, 4, 0, 3) is not possible; allowed: {EACH}"),
    ({"widths": (64, 128, 256, "512")}, f"widths=(64, 128, 256, '512') is not possible; allowed: {EACH}"),
    (
        {"widths": (64, 128)},
        "blocks=(3, 4, 6, 3), widths=(64, 128) and strides=(1, 2, 2, 2) must have one entry for each stage; "
        "they have 4, 2 and 4",
    ),
    ({"dropout": 1.0}, "dropout=1.0 is not possible; allowed: a share in [0, 1)"),
    ({"dropout": "half"}, "dropout='half' is not possible; allowed: a share in [0, 1)"),
    ({"dropout": float("nan")}, "dropout=nan is not possible; allowed: a share in [0, 1)"),
    ({"norm_eps": 0}, "norm_eps=0 is not possible; allowed: a small positive number, such as 1e-5"),
    ({"norm_eps": None}, "norm_eps=None is not possible; allowed: a small positive number, such as 1e-5"),
    ({"projection_norm": "no"}, "projection_norm='no' is not possible; allowed: True or False"),
    (
        {"conv_bias": ("stem", "head")},
        "conv_bias=('stem', 'head') is not possible; allowed: a tuple of roles among "
        "('stem', 'inner', 'last', 'projection')",
    ),
    (
        {"conv_bias": "stem"},
        "conv_bias='stem' is not possible; allowed: a tuple of roles among ('stem', 'inner', 'last', 'projection')",
    ),
    (
        {"name": "resnet34", "cardinality": 32},
        "cardinality=32, base_width=64 need bottleneck blocks (Xie et al. 2016, section 3.3); "
        "give block='bottleneck' too",
    ),
    (
        {"name": "resnetv2_50", "shortcut": "none"},
        "order='pre' with shortcut='none' is no known network; plain nets use order='post'",
    ),
    (
        {"shortcut": "zero_pad", "projects": "always"},
        "projects='always' needs shortcut='projection'; option A ('zero_pad') never projects",
    ),
    (
        {"stem": "deep", "stem_width": 33},
        "stem_width=33 is not possible; allowed: an even number: a deep stem runs at half of it first",
    ),
    (
        {"base_width": 3, "widths": (64, 128, 256, 500)},
        "base_width=3 at widths=(64, 128, 256, 500) gives 23.4375 channels a group; "
        "width * base_width must divide by 64",
    ),
]

# Facts that fit one by one and are refused only when the plan meets them.
REFUSED_BY_THE_PLAN: list[tuple[str, dict[str, Any], str]] = [
    (
        "resnet20_cifar",
        {"widths": (32, 16, 64)},
        "stages.1.0.shortcut: option A cannot go from 32 to 16 channels; it only adds zero channels. "
        "Give widths that do not shrink, or shortcut='projection'",
    ),
]


def known(value: Any) -> str:
    return str(value)[:60]


@pytest.mark.parametrize(("facts", "sentence"), REFUSED, ids=known)
def test_impossible_facts_are_refused_with_what_was_given_and_what_is_allowed(
    facts: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ValueError) as refusal:
        architecture(facts.get("name", "resnet50"), **{key: facts[key] for key in facts if key != "name"})
    assert str(refusal.value) == sentence


@pytest.mark.parametrize(("name", "facts", "sentence"), REFUSED_BY_THE_PLAN, ids=known)
def test_facts_that_do_not_fit_together_are_refused_by_the_plan(
    name: str, facts: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ValueError) as refusal:
        plan(architecture(name, **facts))
    assert str(refusal.value) == sentence


@pytest.mark.parametrize("field", ["name", "source"])
@pytest.mark.parametrize("value", ["", None, 50])
def test_a_network_without_a_name_or_a_source_is_refused(field: str, value: object) -> None:
    facts = VARIANTS["resnet18"].to_dict() | {field: value}
    with pytest.raises(ValueError, match=f"^{field}={value!r} is not possible; allowed: a text"):
        Architecture.from_dict(facts)


@pytest.mark.parametrize("field", CHOICES)
def test_each_word_a_field_may_be_is_accepted_by_some_row_or_variant_of_resnet18(field: str) -> None:
    base = "resnetv2_50" if field == "order" else "resnet18"
    for word in CHOICES[field]:
        assert getattr(architecture(base, **{field: word}), field) == word


@pytest.mark.parametrize("name", VARIANTS)
def test_every_architecture_survives_json(name: str) -> None:
    arch = VARIANTS[name]
    text = json.dumps(arch.to_dict(), allow_nan=False)
    assert Architecture.from_dict(json.loads(text)) == arch
    assert list(json.loads(text)) == list(field_names())


def test_an_unknown_field_is_refused_with_the_nearest_one() -> None:
    facts = VARIANTS["resnet18"].to_dict() | {"num_clases": 10}
    with pytest.raises(ValueError, match=r"^'num_clases' is no field of an architecture\. Did you mean 'num_class"):
        Architecture.from_dict(facts)


def test_an_unknown_field_that_resembles_none_is_refused_with_all_of_them() -> None:
    with pytest.raises(ValueError) as refusal:
        Architecture.from_dict({"zzz": 1})
    assert str(refusal.value) == f"'zzz' is no field of an architecture. Allowed: {', '.join(field_names())}"


def test_an_architecture_is_a_value() -> None:
    arch = VARIANTS["resnet50"]
    assert hash(arch) == hash(dataclasses.replace(arch))
    with pytest.raises(dataclasses.FrozenInstanceError):
        arch.stem = "cifar"  # type: ignore[misc]


@pytest.mark.parametrize(("block", "expansion"), [("basic", 1), ("bottleneck", 4)])
def test_a_bottleneck_widens_by_4_and_a_basic_block_by_1(block: str, expansion: int) -> None:
    arch = architecture("resnet18", block=block)
    assert arch.expansion == expansion
    assert plan(arch).out_channels == 512 * expansion


def test_a_network_without_a_head_has_no_number_of_classes() -> None:
    assert VARIANTS["resnet50"].classes_out == 1000
    assert VARIANTS["resnet50_mrcnn"].classes_out is None


def test_a_plan_that_would_not_end_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 10000 blocks in all stages together"):
        architecture("resnet18", blocks=(10_000, 1, 1, 1))
