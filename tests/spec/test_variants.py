"""The table of named networks: its own facts, and how a row is changed."""

from __future__ import annotations

from typing import Any

import pytest

from resnets.spec.plan import Plan, Shortcut
from resnets.spec.resolve import plan
from resnets.spec.variants import VARIANTS, architecture, differences_from_row, variants

# Issue 2, "The facts": rows that must be there.
ASKED_FOR = (
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnet50_v1",
    "resnet101_v1",
    "resnet152_v1",
    "resnet50_keras",
    "resnet101_keras",
    "resnet152_keras",
    "resnet50v2_keras",
    "resnet101v2_keras",
    "resnet152v2_keras",
    "resnetv2_50",
    "resnetv2_101",
    "resnext50_32x4d",
    "resnext101_32x8d",
    "resnext101_64x4d",
    "wide_resnet50_2",
    "wide_resnet101_2",
    "resnet18d",
    "resnet34d",
    "resnet50d",
    "resnet101d",
    "resnet152d",
    "resnet50c",
    "seresnet50",
    "seresnext50_32x4d",
    "resnet20_cifar",
    "resnet32_cifar",
    "resnet44_cifar",
    "resnet56_cifar",
    "resnet110_cifar",
    "resnet1202_cifar",
    "resnet20_cifar_b",
    "resnet32_cifar_b",
    "resnet44_cifar_b",
    "resnet56_cifar_b",
    "resnet110_cifar_b",
    "resnet1202_cifar_b",
    "resnet164v2_cifar",
    "plain18",
    "plain34",
    "plain20_cifar",
    "plain32_cifar",
    "plain44_cifar",
    "plain56_cifar",
    "plain110_cifar",
    "resnet50_mrcnn",
    "resnet101_mrcnn",
    "resnet50_mrcnn_c4",
    "resnet101_mrcnn_c4",
    "resnet34_note002",
    "resnet50_note002",
)


def shortcuts(network: Plan) -> list[Shortcut]:
    return [block.shortcut for block in network.blocks]


@pytest.mark.parametrize("name", ASKED_FOR)
def test_the_table_has_every_network_that_was_asked_for(name: str) -> None:
    assert name in VARIANTS


@pytest.mark.parametrize("name", VARIANTS)
def test_a_row_is_filed_under_its_own_name_and_says_where_it_is_from(name: str) -> None:
    row = VARIANTS[name]
    assert row.name == name
    assert any(mark in row.source for mark in ("arXiv:", "keras.", "Matterport", "note 00", "ours: "))


def test_no_two_rows_state_the_same_network_under_two_names() -> None:
    facts: dict[Any, str] = {}
    for name, row in VARIANTS.items():
        stated = row.to_dict() | {"name": "", "source": "", "size": 0}
        twin = facts.setdefault(repr(stated), name)
        assert twin == name, f"{name} states what {twin} states"


def test_variants_lists_the_names_that_match_a_pattern_in_the_tables_order() -> None:
    assert variants() == tuple(VARIANTS)
    assert variants("resnet50v2*") == ("resnet50v2_keras",)
    assert variants("plain*_cifar")[:2] == ("plain20_cifar", "plain32_cifar")
    assert variants("vgg*") == ()


@pytest.mark.parametrize(
    ("given", "nearest"),
    [
        ("resnet5O", "resnet50"),
        ("ResNet-50", "resnet50"),
        ("resnet100", "resnet10"),
        ("resnext50", "resnext50_32x4d"),
        ("plain20", "plain20_cifar"),
        ("resnet50_v1.5", "resnet50_v1"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest_ones(given: str, nearest: str) -> None:
    with pytest.raises(ValueError) as refusal:
        architecture(given)
    sentence = str(refusal.value)
    assert sentence.startswith(f"no network is called {given!r}. Nearest: ")
    assert nearest in sentence
    assert sentence.endswith(f" `resnets show` lists all {len(VARIANTS)}.")


def test_a_name_that_resembles_none_is_refused_without_a_guess() -> None:
    with pytest.raises(ValueError) as refusal:
        architecture("zzz")
    assert str(refusal.value) == f"no network is called 'zzz'. `resnets show` lists all {len(VARIANTS)}."


@pytest.mark.parametrize(
    ("given", "nearest"), [("classes", "num_classes"), ("n_classes", "num_classes"), ("width", "widths")]
)
def test_an_unknown_difference_is_refused_with_the_nearest_field(given: str, nearest: str) -> None:
    with pytest.raises(ValueError, match=rf"^'{given}' is no field of an architecture\. Did you mean '{nearest}'"):
        architecture("resnet18", **{given: 10})


def test_a_rows_source_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match=r"^'source' is the row's own and cannot be changed; give"):
        architecture("resnet18", source="mine")


@pytest.mark.parametrize(
    ("blocks", "widths", "strides"),
    [
        ((1,), (64,), (1,)),
        ((3, 4, 6), (64, 128, 256), (1, 2, 2)),
        ((2, 2, 2, 2), (64, 128, 256, 512), (1, 2, 2, 2)),
        ((1, 1, 1, 1, 1, 1), (64, 128, 256, 512, 1024, 2048), (1, 2, 2, 2, 2, 2)),
    ],
)
def test_fewer_or_more_stages_cut_or_carry_on_widths_and_strides(
    blocks: tuple[int, ...], widths: tuple[int, ...], strides: tuple[int, ...]
) -> None:
    arch = architecture("resnet50", blocks=blocks)
    assert (arch.blocks, arch.widths, arch.strides) == (blocks, widths, strides)
    assert [stage.level for stage in plan(arch).stages] == [f"C{n}" for n in range(2, len(blocks) + 2)]


def test_widths_and_strides_that_are_given_are_kept() -> None:
    arch = architecture("resnet50", blocks=[1, 1], widths=[32, 48], strides=[2, 2])
    assert (arch.blocks, arch.widths, arch.strides) == ((1, 1), (32, 48), (2, 2))


def test_the_differences_from_a_row_build_the_same_architecture_again() -> None:
    arch = architecture("resnet50", blocks=(3, 4, 6), in_channels=1)
    differences = differences_from_row(arch)
    assert differences == {
        "blocks": (3, 4, 6),
        "widths": (64, 128, 256),
        "strides": (1, 2, 2),
        "in_channels": 1,
    }
    assert architecture(arch.name, **differences) == arch
    assert differences_from_row(VARIANTS["resnet50"]) == {}


# What each family is known by: the kinds of its shortcuts, in order of blocks, for a network of two stages.
KINDS: dict[str, list[str]] = {
    "resnet18": ["identity", "identity", "projection", "identity"],
    "resnet50": ["projection", "identity", "projection", "identity"],
    "resnet50d": ["projection", "identity", "pooled_projection", "identity"],
    "resnet34_note002": ["projection", "identity", "projection", "identity"],
    "resnet50v2_keras": ["projection", "subsample", "projection", "subsample"],
    "resnet20_cifar": ["identity", "identity", "zero_pad", "identity"],
    "resnet20_cifar_b": ["identity", "identity", "projection", "identity"],
    "plain34": ["none", "none", "none", "none"],
}


@pytest.mark.parametrize("name", KINDS)
def test_a_shortcut_is_of_the_kind_its_source_states(name: str) -> None:
    network = plan(architecture(name, blocks=(2, 2)))
    assert [shortcut.kind for shortcut in shortcuts(network)] == KINDS[name]


def test_option_c_projects_in_every_block() -> None:
    option_c = plan(architecture("resnet34", projects="always"))
    assert {shortcut.kind for shortcut in shortcuts(option_c)} == {"projection"}


@pytest.mark.parametrize(("side", "pad"), [("after", (0, 16)), ("both", (8, 8))])
def test_option_a_adds_its_zero_channels_where_it_is_told_to(side: str, pad: tuple[int, int]) -> None:
    network = plan(architecture("resnet20_cifar", zero_pad_side=side))
    assert network.stages[1].blocks[0].shortcut == Shortcut(kind="zero_pad", stride=2, pad=pad)


def test_resnext_has_32_groups_of_4_channels_and_wide_has_twice_the_inner_width() -> None:
    # Xie et al. 2016, Table 1: 1x1 128, 3x3 128 C=32, 1x1 256.
    inner = {
        name: [(unit.conv.out_channels, unit.conv.groups) for unit in plan(VARIANTS[name]).blocks[0].branch]
        for name in ("resnet50", "resnext50_32x4d", "wide_resnet50_2")
    }
    assert inner == {
        "resnet50": [(64, 1), (64, 1), (256, 1)],
        "resnext50_32x4d": [(128, 1), (128, 32), (256, 1)],
        "wide_resnet50_2": [(128, 1), (128, 1), (256, 1)],
    }
