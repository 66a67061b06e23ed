"""Keras's paths: every version's way of writing one layer's tensors leads to one name."""

from __future__ import annotations

from typing import Any

import pytest

from resnets.weights.containers.contents import Stored
from resnets.weights.dialects.keras_names import by_layer


def stored(*paths: str, sides: int = 1) -> dict[str, Stored]:
    return {path: Stored("F32", (3,) * sides, lambda: b"") for path in paths}


NORM = ("gamma", "beta", "moving_mean", "moving_variance")
KERAS_3 = {f"layers/batch_normalization_4/vars/{n}" for n in range(4)}

WAYS: list[tuple[str, tuple[str, ...], dict[str, Any]]] = [
    ("legacy", tuple(f"bn2a_branch2a/bn2a_branch2a/{slot}:0" for slot in NORM), {}),
    ("a whole model", tuple(f"model_weights/bn2a_branch2a/bn2a_branch2a/{slot}:0" for slot in NORM), {}),
    ("counted by the graph", tuple(f"bn2a_branch2a/bn2a_branch2a_1/{slot}_7:0" for slot in NORM), {}),
    ("Keras 3", tuple(sorted(KERAS_3)), {"group_names": {"layers/batch_normalization_4": "bn2a_branch2a"}}),
]


@pytest.mark.parametrize(("paths", "facts"), [row[1:] for row in WAYS], ids=[row[0] for row in WAYS])
def test_each_version_names_the_layer_and_the_tensor(paths: tuple[str, ...], facts: dict[str, Any]) -> None:
    assert set(by_layer(stored(*paths), facts)) == {f"bn2a_branch2a/{slot}" for slot in NORM}


def test_keras_1_put_the_layers_name_before_the_tensors() -> None:
    paths = (
        "res2a_branch2a/res2a_branch2a_W:0",
        "res2a_branch2a/res2a_branch2a_b:0",
        "bn_conv1/bn_conv1_running_std:0",
    )
    assert set(by_layer(stored(*paths), {})) == {"res2a_branch2a/W", "res2a_branch2a/b", "bn_conv1/running_std"}


def test_a_network_used_as_a_layer_gives_its_own_layers() -> None:
    paths = ("resnet50/conv1_conv/kernel:0", "resnet50/conv1_bn/gamma:0", "dense/dense/kernel:0")
    assert set(by_layer(stored(*paths), {})) == {"conv1_conv/kernel", "conv1_bn/gamma", "dense:linear/kernel"}


def test_a_norm_of_keras_3_without_its_scale_is_not_guessed() -> None:
    paths = tuple(f"layers/batch_normalization/vars/{n}" for n in range(3))
    assert set(by_layer(stored(*paths), {})) == {f"batch_normalization/vars/{n}" for n in range(3)}


def test_two_tensors_that_would_get_one_name_keep_their_paths() -> None:
    paths = ("a/conv/kernel:0", "a/other/kernel:0", "b/conv/kernel:0", "b/more/bias:0")
    assert set(by_layer(stored(*paths), {})) == {"a/conv/kernel:0", "other/kernel", "b/conv/kernel:0", "more/bias"}


def test_of_two_automatic_dense_layers_the_one_counted_first_is_hidden() -> None:
    for first, second in (("dense", "dense_1"), ("dense_1", "dense_2"), ("dense_9", "dense_10")):
        names = by_layer(stored(f"{first}/{first}/kernel:0", f"{second}/{second}/kernel:0", sides=2), {})
        assert set(names) == {"dense:hidden/kernel", "dense:linear/kernel"}
    assert set(by_layer(stored("dense_4/dense_4/kernel:0", sides=2), {})) == {"dense:linear/kernel"}


def test_an_optimizers_tensors_keep_their_paths() -> None:
    paths = {f"optimizer/vars/{n}" for n in range(3)} | {"optimizer/adam/vars/0"}
    assert set(by_layer(stored(*paths), {})) == paths
