"""Which blocks project: the condition of note 003's `_make_layer`, and the other two there are."""

from __future__ import annotations

from dataclasses import replace

import pytest

from resnets.spec.resolve import plan
from resnets.spec.variants import RESNET50, VARIANTS

PROJECTIONS = ("projection", "pooled_projection")


@pytest.mark.parametrize("name", [name for name, row in VARIANTS.items() if row.shortcut in PROJECTIONS])
def test_only_the_first_block_of_a_stage_projects(name: str) -> None:
    for stage in plan(VARIANTS[name]).stages:
        assert not any(block.shortcut.kind in PROJECTIONS for block in stage.blocks[1:])


def test_a_first_block_projects_where_channels_or_size_change_and_nowhere_else() -> None:
    # He et al. 2015, section 3.3: conv2_x of 34 layers keeps 64 channels at stride 1; of 50 layers it goes to 256.
    first = {name: [stage.blocks[0].shortcut.kind for stage in plan(VARIANTS[name]).stages] for name in VARIANTS}
    assert first["resnet34"] == ["identity", "projection", "projection", "projection"]
    assert first["resnet50"] == ["projection"] * 4


def test_option_c_projects_in_every_block() -> None:
    every = plan(replace(RESNET50, projects="always")).blocks
    assert {block.shortcut.kind for block in every} == {"projection"}
