"""Keras files: `.weights.h5` of Keras 3, and the legacy `.h5` that loads by layer name."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from resnets.files import atomic
from resnets.spec.card import Card
from resnets.spec.plan import Block, Conv, Linear, Norm, Plan, unit_layers
from resnets.spec.resolve import plan
from resnets.weights.writers.state import State

CLASSES = {"conv": "conv2d", "norm": "batch_normalization", "linear": "dense"}
"""What Keras 3 calls the groups of a kind of layer, before it counts them."""

ORDER = {
    "weight": 0,
    "bias": 1,
    "running_mean": 2,
    "running_var": 3,
}
"""The order of a layer's variables, kernel or gamma first."""

KINDS = {Conv: "conv", Norm: "norm", Linear: "linear"}


def write_weights_h5(state: State, card: Card, path: Path) -> None:
    """Write what `model.load_weights` of the same Keras network reads: variables under counted class names."""
    if not path.name.endswith(".weights.h5"):
        raise ValueError(f"{path.name}: Keras reads weights only from names that end in .weights.h5; call it so")
    network = plan(card.architecture)
    counts = dict.fromkeys(CLASSES.values(), 0)
    by_layer = _by_layer(state)

    def fill(file: Any) -> None:
        for layer in _keras_order(network):
            kind = CLASSES[KINDS[type(layer)]]
            number, counts[kind] = counts[kind], counts[kind] + 1
            group = file.create_group(f"layers/{kind}{f'_{number}' if number else ''}/vars")
            theirs, tensors = by_layer[layer.name]
            group.attrs["name"] = theirs
            for tensor, array in sorted(tensors.items(), key=lambda item: ORDER[item[0]]):
                group.create_dataset(str(ORDER[tensor]), data=array)

    _write(path, fill)


def write_legacy_h5(state: State, card: Card, path: Path) -> None:
    """Write what `load_weights(path, by_name=True)` reads: a group for each layer, as Keras 2 wrote them."""
    by_layer = _by_layer(state)
    order = [layer.name for layer in plan(card.architecture).layers()]

    def fill(file: Any) -> None:
        file.attrs["keras_version"] = b"2.2.4"
        file.attrs["backend"] = b"tensorflow"
        file.attrs["layer_names"] = [by_layer[name][0].encode() for name in order]
        for name in order:
            layer, tensors = by_layer[name]
            group = file.create_group(layer)
            slots = {state.ours[key].rpartition(".")[2]: key for key in state.arrays if key.rpartition("/")[0] == layer}
            listed = sorted(tensors, key=ORDER.__getitem__)
            paths = [f"{layer}/{slots[tensor].rpartition('/')[2]}:0" for tensor in listed]
            group.attrs["weight_names"] = [path_.encode() for path_ in paths]
            for path_, tensor in zip(paths, listed, strict=True):
                group.create_dataset(path_, data=tensors[tensor])

    _write(path, fill)


def _by_layer(state: State) -> dict[str, tuple[str, dict[str, Any]]]:
    """Our layer -> their layer, and its arrays by our tensor."""
    layers: dict[str, tuple[str, dict[str, Any]]] = {}
    for theirs, array in state.arrays.items():
        layer, _, tensor = state.ours[theirs].rpartition(".")
        layers.setdefault(layer, (theirs.rpartition("/")[0], {}))[1][tensor] = array
    return layers


def _keras_order(network: Plan) -> Iterator[Conv | Norm | Linear]:
    """The layers as a functional model lists them: by depth, so a projection stands before a branch's last ones."""
    for unit in network.stem.units:
        yield from unit_layers(unit, "post")
    for block in network.blocks:
        yield from _block_order(block)
    if network.norm:
        yield network.norm
    if network.head:
        if network.head.hidden:
            yield network.head.hidden
        yield network.head.linear


def _block_order(block: Block) -> Iterator[Conv | Norm]:
    *first, last = block.branch
    for unit in first:
        yield from unit_layers(unit, block.order)
    if last.norm and block.order == "pre":
        yield last.norm
    projection = block.shortcut.unit
    if projection:
        yield projection.conv
    yield last.conv
    if projection and projection.norm:
        yield projection.norm
    if last.norm and block.order == "post":
        yield last.norm


def _write(path: Path, fill: Any) -> None:
    try:
        import h5py
    except ImportError:
        raise ValueError("writing Keras files needs h5py; install it: pip install 'resnets[keras]'") from None
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        fill(file)
    atomic.write(path, buffer.getvalue())
