"""`resnets draw`: an SVG file of a network or of one block, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

Run = Callable[..., Any]


def texts(path: Path) -> list[str]:
    root = ElementTree.parse(path).getroot()
    return ["".join(node.itertext()) for node in root.iter() if node.tag.endswith("}text")]


def test_two_networks_are_drawn_side_by_side(type_: Run, tmp_path: Path) -> None:
    path = tmp_path / "both.svg"
    result = type_("draw", "resnet34", "--beside", "plain34", "--out", str(path))
    assert result.code == 0, result.err
    assert result.out.strip() == str(path)
    assert {"resnet34", "plain34"} <= set(texts(path))


def test_a_block_is_drawn_with_the_sum_of_its_weights(type_: Run, tmp_path: Path) -> None:
    path = tmp_path / "block.svg"
    assert type_("draw", "resnet50", "--block", "C2.1", "--out", str(path)).code == 0
    assert any("69,632" in text for text in texts(path))


def test_a_changed_network_is_drawn_as_changed(type_: Run, tmp_path: Path) -> None:
    path = tmp_path / "small.svg"
    assert type_("draw", "resnet18", "--set", "stem=cifar", "--size", "32", "--out", str(path)).code == 0
    assert any("3×3 conv, 64" in text for text in texts(path))
    assert not any("7×7" in text for text in texts(path))


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        (["resnet58"], "no network is called 'resnet58'"),
        (["resnet50", "--block", "C9.0"], "resnet50 has no block 'C9.0'; allowed: C2.0 to C2.2"),
        (["resnet50", "--block", "C2.0", "--beside", "plain34"], "give one of them"),
        (["resnet50", "--out", "no/such/folder/x.svg"], "there is no folder no/such/folder"),
        (["resnet50", "--size", "big"], "--size big is no size"),
    ],
)
def test_a_wrong_request_is_refused_with_a_sentence(
    refused: Callable[..., str], request_: list[str], sentence: str
) -> None:
    assert sentence in refused("draw", *request_)
