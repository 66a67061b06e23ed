"""Our networks give what Keras and timm gave for the same numbers; `make agreement` asked them, and kept it."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from resnets.spec.variants import VARIANTS, architecture, variants
from tests.goldens import (
    FOLDER,
    SEED,
    Outputs,
    disagreements,
    network_of,
    outputs_of,
    picture,
    random_weights,
    read_golden,
    uniform,
)

GOLDENS = sorted(file.stem for file in FOLDER.glob("*.json"))

# What a reader might get wrong, and no count of parameters would show: each must be visible in the numbers.
MISTAKES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("resnet50_mrcnn", {"stride_on": "3x3"}),
    ("resnet50_mrcnn", {"pool_padding": "symmetric"}),
    ("resnet50_mrcnn", {"norm_eps": 1e-5}),
    ("resnet50_keras", {"norm_eps": 1e-5}),
    ("resnet50_keras", {"stride_on": "3x3"}),
    ("resnet50v2_keras", {"norm_eps": 1e-5}),
    ("resnet50v2_keras", {"pool_fill": "-inf"}),
    ("resnet50v2_keras", {"stride_in": "first"}),
    ("resnet34_note002", {"padding": "symmetric"}),
    ("resnet34_note002", {"pool_padding": "symmetric"}),
    ("resnet50_note002", {"stride_on": "3x3"}),
    ("resnet50d", {"shortcut": "projection"}),
    ("resnetv2_50", {"stride_on": "1x1"}),
)


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Keep torch to one thread: the maps are small, and on a busy machine two would only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", GOLDENS)
def test_every_level_and_the_logits_are_those_of_the_golden(name: str) -> None:
    golden = read_golden(name)
    assert disagreements(golden["levels"], computed(golden)) == []


@pytest.mark.parametrize(("name", "mistake"), MISTAKES)
def test_a_golden_notices_a_fact_that_is_wrong(name: str, mistake: dict[str, Any]) -> None:
    golden = read_golden(name)
    assert disagreements(golden["levels"], computed(golden, **mistake))


def test_every_row_that_torchvision_does_not_have_a_golden_has() -> None:
    keras = {name for pattern in ("*_keras", "*_mrcnn*", "*_note00?") for name in variants(pattern)}
    patterns = ("resnetv2_*", "resnet*[0-9]d", "resnet*[0-9]c", "seres*")
    timm = {name for pattern in patterns for name in variants(pattern)}
    assert set(GOLDENS) == keras | timm


def test_a_golden_says_what_made_it() -> None:
    for name in GOLDENS:
        golden = read_golden(name)
        assert golden["row"] == name
        assert golden["seed"] == SEED
        assert golden["reference"] and golden["numbers"]
        assert {"torch"} < set(golden["versions"])


def test_random_numbers_are_those_of_any_numpy() -> None:
    first = [1.8851289749145508, -1.094606637954712, -0.9669113159179688, -1.3048577308654785, -1.8916654586791992]
    assert uniform("picture", (5,), -2.0, 2.0).tolist() == first


def test_random_weights_are_complete_and_each_tensor_has_its_own() -> None:
    network = network_of(VARIANTS["resnet18"])
    numbers = random_weights(network.plan)
    assert {name: array.shape for name, array in numbers.items()} == network.plan.tensors()
    first = [array.ravel()[:3].tolist() for name, array in numbers.items() if name.endswith("running_mean")]
    assert len(np.unique(first, axis=0)) == len(first)


def computed(golden: dict[str, Any], **differences: Any) -> Outputs:
    """Return what our network gives for the golden's picture."""
    network = network_of(architecture(golden["row"], **differences))
    with torch.no_grad():
        maps = outputs_of(network, torch.from_numpy(picture(tuple(golden["picture"]))).double())
    return {name: map_.numpy() for name, map_ in maps.items()}
