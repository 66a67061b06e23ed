"""A drawing tells the Plan's facts: as many boxes, arcs and dashes as there are layers and shortcuts."""

from __future__ import annotations

import pytest

from resnets.page.draw_block import block_scene, draw_block
from resnets.page.draw_network import FOLD_BEYOND, draw_network, network_scene
from resnets.page.outline import outline
from resnets.page.scene import Box, Line, Scene, Text
from resnets.spec.count import weight_layers
from resnets.spec.plan import Block, Plan
from resnets.spec.resolve import plan
from resnets.spec.variants import VARIANTS, architecture

UNFOLDED = 10_000


def network(name: str, **differences: object) -> Plan:
    return plan(architecture(name, **differences))


def block(name: str, number: int) -> Block:
    return network(name).blocks[number]


def words(scene: Scene, role: str) -> list[str]:
    """The words of all boxes and texts of a role, in order."""
    found = [item.texts[0].words for item in scene.having(role) if isinstance(item, Box)]
    return found + [item.words for item in scene.having(role) if isinstance(item, Text)]


def dashes(scene: Scene) -> list[bool]:
    return [item.dashed for item in scene.having("shortcut") if isinstance(item, Line)]


@pytest.mark.parametrize("name", VARIANTS)
def test_an_unfolded_network_has_a_box_for_each_convolution_of_its_branches(name: str) -> None:
    scene = network_scene(network(name), fold_beyond=UNFOLDED)
    convs = [unit.conv for block in network(name).blocks for unit in block.branch]
    assert len(scene.having("weight")) == len(convs)
    assert len(scene.having("stem")) == len(network(name).stem.units)
    assert [int(label.split(", ")[1]) for label in words(scene, "weight")] == [c.out_channels for c in convs]


@pytest.mark.parametrize("name", VARIANTS)
def test_arcs_are_dashed_exactly_where_the_shape_changes(name: str) -> None:
    scene = network_scene(network(name), fold_beyond=UNFOLDED)
    blocks = [b for b in network(name).blocks if b.shortcut.kind != "none"]
    assert dashes(scene) == [b.in_channels != b.out_channels or b.stride > 1 for b in blocks]
    assert len(scene.having("sum")) == len(blocks)


@pytest.mark.parametrize("name", [name for name in VARIANTS if name.startswith("plain")])
def test_a_plain_network_has_no_arc(name: str) -> None:
    scene = network_scene(network(name), fold_beyond=UNFOLDED)
    assert not scene.having("shortcut")
    assert not scene.having("sum")
    assert not scene.having("legend")


@pytest.mark.parametrize("name", VARIANTS)
def test_a_folded_network_stands_for_every_block(name: str) -> None:
    sections = outline(network(name), fold=True)
    total = sum(group.times for section in sections for group in section.groups if group.is_block)
    assert total == len(network(name).blocks)


def test_deep_networks_are_folded_and_shallow_ones_are_not() -> None:
    assert words(network_scene(network("resnet101")), "times") == ["× 2", "× 3", "× 22", "× 2"]
    assert words(network_scene(network("resnet1202_cifar")), "times") == ["× 200", "× 199", "× 199"]
    for name in ("resnet18", "resnet34", "resnet50", "resnet56_cifar"):
        assert weight_layers(network(name)).total <= FOLD_BEYOND
        assert not network_scene(network(name)).having("times")


def test_plain_and_residual_stand_row_by_row() -> None:
    scene = network_scene(network("resnet34"), beside=network("plain34"))
    boxes = [item for item in scene.having("weight") if isinstance(item, Box)]
    left, right = (sorted(b.y for b in boxes if b.x == x) for x in sorted({b.x for b in boxes}))
    assert len(left) == 32
    assert left == right
    assert len(scene.having("shortcut")) == 16


def test_stages_of_unlike_networks_begin_on_one_line() -> None:
    scene = network_scene(network("resnet50"), beside=network("resnet18"))
    boxes = [item for item in scene.having("weight") if isinstance(item, Box)]
    for label in ("/2", "64"):
        tops = {x: min(b.y for b in boxes if b.x == x and label in b.texts[0].words) for x in {b.x for b in boxes}}
        assert len(tops) == 2
        if label == "64":
            assert len(set(tops.values())) == 1


def test_sizes_follow_the_input() -> None:
    assert words(network_scene(network("resnet50_mrcnn")), "size") == [
        "512×512",
        "256×256",
        "256×256",
        "128×128",
        "64×64",
        "32×32",
    ]
    assert words(network_scene(network("resnet18"), (225, 97)), "size")[0] == "113×49"


def test_an_input_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="too small for resnet18"):
        draw_network(network("resnet18"), (8, 8))
    with pytest.raises(ValueError, match="resnet34_note002 flattens its last map"):
        draw_network(network("resnet34_note002"), (224, 224))


def test_networks_of_unlike_sizes_have_a_label_each() -> None:
    shared = network_scene(network("resnet34"), beside=network("plain34"))
    apart = network_scene(network("resnet34"), beside=network("resnet20_cifar"))
    assert len(shared.having("size")) == 6
    assert len(apart.having("size")) == 6 + 4


def test_heads_of_every_kind_are_drawn() -> None:
    assert words(network_scene(network("resnet18")), "linear") == ["fc, 1000"]
    mlp = network_scene(network("resnet50_note001"))
    assert words(mlp, "linear") == ["fc, 1024, ReLU", "fc, 1000"]
    assert words(mlp, "dropout") == ["dropout 0.5", "dropout 0.5"]
    assert "flatten" in words(network_scene(network("resnet34_note002")), "pool")
    headless = network_scene(network("resnet50_mrcnn"))
    assert words(headless, "end") == ["C5, 2048-d"]
    assert not headless.having("linear")


def test_a_preactivation_network_ends_with_its_norm() -> None:
    assert words(network_scene(network("resnetv2_50")), "norm") == ["BN, ReLU"]
    assert not network_scene(network("resnet50")).having("norm")


def test_gates_and_groups_are_named() -> None:
    scene = network_scene(network("seresnext50_32x4d"))
    assert words(scene, "gate") == ["SE gate, r=16"] * 16
    assert "C=32: convolution in 32 groups" in [text.words for text in scene.texts()]


def test_a_basic_block_is_the_papers_figure_2() -> None:
    scene = block_scene(block("resnet18", 0))
    assert words(scene, "weight") == ["3×3, 64", "3×3, 64"]
    assert words(scene, "norm") == ["BN", "BN"]
    assert len(scene.having("relu")) == 2
    assert words(scene, "carried") == ["x", "identity"]
    assert words(scene, "channels") == ["64-d", "64-d"]
    assert words(scene, "equation") == ["y = ReLU(F(x) + x)"]
    assert dashes(scene) == [False]


def test_a_projection_stands_on_a_dashed_curve() -> None:
    scene = block_scene(block("resnet50", 3))
    assert words(scene, "projection") == ["1×1, 512, /2"]
    assert len(scene.having("norm")) == 4
    assert dashes(scene)
    assert all(dashes(scene))
    assert not scene.having("carried")


def test_a_projection_that_keeps_the_shape_stands_on_a_solid_curve() -> None:
    scene = block_scene(block("resnet34_note002", 0))
    assert words(scene, "projection") == ["1×1, 64"]
    assert not any(dashes(scene))


@pytest.mark.parametrize(
    ("name", "number", "moves"),
    [
        ("resnet20_cifar", 3, ["subsample, /2", "zero-pad, +16"]),
        ("resnet50d", 3, ["2×2 avg pool, /2"]),
        ("resnet50v2_keras", 2, ["subsample, /2"]),
        ("seresnet50", 1, ["global avg pool"]),
        ("resnet18", 0, []),
    ],
)
def test_what_moves_pixels_without_weights_has_its_box(name: str, number: int, moves: list[str]) -> None:
    assert words(block_scene(block(name, number)), "move") == moves


def test_a_plain_block_has_neither_curve_nor_plus() -> None:
    scene = block_scene(block("plain18", 0))
    assert not scene.having("shortcut")
    assert not scene.having("sum")
    assert words(scene, "equation") == ["y = ReLU(F(x))"]


def test_a_preactivation_block_begins_with_bn_and_projects_after_its_first_relu() -> None:
    scene = block_scene(block("resnetv2_50", 0))
    order = [item.role for item in scene.items if isinstance(item, Box) and item.role != "projection"]
    assert order == ["norm", "relu", "weight"] * 3
    curve, relu = scene.having("shortcut")[0], scene.having("relu")[0]
    assert curve.bounds.top > relu.bounds.bottom
    identity = block_scene(block("resnetv2_50", 1))
    assert identity.having("shortcut")[0].bounds.top < identity.having("norm")[0].bounds.top


def test_counts_add_the_sums_of_the_notes() -> None:
    svg = draw_block(block("resnet50", 1), counts=True)
    assert "16,384 + 36,864 + 16,384 = 69,632 weights" in svg
    assert "70,400 parameters with BN" in svg
    assert "73,728 weights" in draw_block(block("resnet18", 0), counts=True)
    assert "weights" not in draw_block(block("resnet50", 1)).split("</desc>")[1]
