"""Names and shapes that somebody made up: found or refused in a sentence, never a crash, never a wrong network."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from resnets.spec.resolve import plan
from resnets.spec.variants import VARIANTS, architecture
from resnets.weights.containers.contents import Contents, Stored
from resnets.weights.dialects.dialect import names
from resnets.weights.dialects.registry import DIALECTS
from resnets.weights.find import find

FILES = [
    ("torchvision", "resnet18"),
    ("keras", "resnet50_keras"),
    ("caffe", "resnet101_caffe"),
    ("timm-v2", "resnetv2_50"),
]
CASES = 150


def shapes_of(dialect: str, row: str) -> dict[str, tuple[int, ...]]:
    network = plan(architecture(row, blocks=tuple(min(count, 2) for count in VARIANTS[row].blocks)))
    shapes = network.tensors()
    return {key: shapes[name] for name, key in names(DIALECTS[dialect], network).items()}


def damaged(shapes: dict[str, tuple[int, ...]], chance: random.Random) -> dict[str, tuple[int, ...]]:
    """A few names dropped, renamed or added, a few shapes bent."""
    made = dict(shapes)
    for _ in range(chance.randint(1, 4)):
        key = chance.choice(list(made))
        shape = made.pop(key)
        bent = [(), (0,), (1 << 39, 1), shape[::-1], (*shape, 1), shape[1:], (*shape[:-1], 7)]
        bent.append(tuple(side * 1000 for side in shape))
        match chance.randrange(4):
            case 0:
                made[key] = chance.choice(bent)
            case 1:
                digits = [c if not c.isdigit() else chance.choice("0123456789") for c in key]
                made["".join(digits)] = shape
            case 2:
                made[chance.choice(["layer9999.9999.conv1.weight", "layer1.1e9.conv1.weight", key + key, ""])] = shape
            case _:
                pass
    return made


@pytest.mark.parametrize(("dialect", "row"), FILES)
def test_damaged_names_and_shapes_are_refused_in_a_sentence_or_are_a_whole_network(dialect: str, row: str) -> None:
    whole = shapes_of(dialect, row)
    chance = random.Random(f"{dialect} {row}")
    refused = 0
    for _ in range(CASES):
        shapes = damaged(whole, chance)
        tensors = {key: Stored("F32", shape, lambda: b"") for key, shape in shapes.items()}
        try:
            found = find(Contents(container="safetensors", tensors=tensors), Path("f"), None, {})
        except ValueError as error:
            assert len(str(error)) < 2000
            refused += 1
            continue
        refused += bool(found.problems)
        if not found.problems:
            assert found.deduction.architecture is not None
            wanted = plan(found.deduction.architecture).tensors()
            assert {name: found.match.shapes[name] for name in found.match.keys} == {
                name: wanted[name] for name in found.match.keys
            }
    assert refused > CASES // 2


def test_many_made_up_names_are_looked_through_in_seconds() -> None:
    tensors = {f"layer{i % 97}.{i}.conv{i % 9}.weight": Stored("F32", (3,), lambda: b"") for i in range(9_990)}
    tensors |= {"conv1.weight": Stored("F32", (64, 3, 7, 7), lambda: b"")}
    tensors |= {"layer1.0.conv1.weight": Stored("F32", (64, 64, 3, 3), lambda: b"")}
    found = find(Contents(container="safetensors", tensors=tensors), Path("f"), None, {})
    assert found.problems


def test_a_file_of_a_thousand_networks_is_refused_at_once() -> None:
    tensors = {}
    for number in range(1000):
        tensors[f"n{number}.conv1.weight"] = Stored("F32", (64, 3, 7, 7), lambda: b"")
        tensors[f"n{number}.layer1.0.conv1.weight"] = Stored("F32", (64, 64, 3, 3), lambda: b"")
    with pytest.raises(ValueError, match="f holds more than 32 networks under names of torchvision"):
        find(Contents(container="safetensors", tensors=tensors), Path("f"), None, {})
