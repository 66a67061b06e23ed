"""Keras Applications and the notes' networks in Keras: every level, the logits and the gradients are ours."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import keras
import pytest
import tensorflow
import torch

from resnets.net.freeze import train_bn
from resnets.net.network import ResNet
from resnets.spec.variants import architecture
from tests.agreement import keras_graphs
from tests.agreement.compare import assert_equal, our_gradients, our_outputs
from tests.agreement.keras_side import KerasSide, carry
from tests.agreement.rows import KERAS_ROWS, KerasRow, Size, versions
from tests.goldens import network_of, picture, random_weights, write_golden

Record = Callable[[str, object], None]
ROWS = {row.name: row for row in KERAS_ROWS}
FLOAT32 = 1e-4  # the frameworks add in different orders
FLOAT64 = 1e-9


@lru_cache(maxsize=1)
def both(name: str, dtype: torch.dtype) -> tuple[KerasSide, ResNet]:
    row = ROWS[name]
    ours = network_of(architecture(name), dtype)
    return carry(row.make(), ours.plan, random_weights(ours.plan), row.layer_name), ours


@pytest.mark.parametrize(("name", "size"), [(row.name, size) for row in KERAS_ROWS for size in row.sizes])
def test_levels_and_logits_equal_keras_in_float32(name: str, size: Size, record_property: Record) -> None:
    theirs, ours = both(name, torch.float32)
    x = picture((2, ours.architecture.in_channels, *size))
    error = assert_equal(our_outputs(ours, x), theirs.outputs(x), FLOAT32)
    record_property(f"{ROWS[name].family}: levels and logits, float32", error)


@pytest.mark.parametrize("row", KERAS_ROWS, ids=lambda row: row.name)
def test_levels_logits_and_gradients_equal_keras_in_float64(
    row: KerasRow, double: None, record_property: Record
) -> None:
    theirs, ours = both(row.name, torch.float64)
    x = picture((1, ours.architecture.in_channels, *row.golden_size))
    outputs = theirs.outputs(x)
    error = assert_equal(our_outputs(ours, x), outputs, FLOAT64)
    record_property(f"{row.family}: levels and logits, float64", error)
    write_golden(row.name, row.reference, versions(keras, tensorflow), x.shape, outputs)
    error = assert_equal(our_gradients(ours, x), theirs.gradients(x), FLOAT64)
    record_property(f"{row.family}: gradients, float64", error)


@pytest.mark.parametrize("value", [True, False])
def test_train_bn_means_what_it_means_in_resnet_graph(value: bool, double: None, record_property: Record) -> None:
    ours = network_of(architecture("resnet50_mrcnn"))
    train_bn(ours, value)
    theirs = carry(keras_graphs.matterport(50, train_bn=value), ours.plan, random_weights(ours.plan))
    x = picture((2, 3, 65, 96))
    before: dict[str, Any] = {name: buffer.clone() for name, buffer in ours.named_buffers()}
    error = assert_equal(our_outputs(ours, x), theirs.outputs(x), FLOAT64)
    record_property("Matterport's resnet_graph: train_bn", error)
    moved = {name for name, buffer in ours.named_buffers() if not torch.equal(buffer, before[name])}
    assert bool(moved) is value
