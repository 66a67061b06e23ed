"""Matterport's names for the notes' graph in Keras, and the legacy `.h5` layout as Keras 2 wrote it, by h5py alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np

Weights = Sequence[tuple[str, Any]]
"""Path of each tensor below its layer's group, and its numbers, in Keras's order."""

DENSE = ("dense_1", "dense_2")
"""What Keras 2 calls the two dense layers of note 001's classifier; tf.keras counts from `dense`."""


def named(model: keras.Model, dense: tuple[str, str] = DENSE) -> keras.Model:
    """Return a new model of the same graph, its layers named as in `resnet_graph`."""

    def copy(layer: Any) -> Any:
        config = layer.get_config()
        return type(layer).from_config(config | {"name": layer_name(config["name"], dense)})

    return keras.models.clone_model(model, clone_function=copy)


def layer_name(name: str, dense: tuple[str, str] = DENSE) -> str:
    """Return what Matterport calls a layer of `keras_graphs`: `stages.1.0.branch.norm2` is `bn3a_branch2b`."""
    kinds = {"conv": "res", "norm": "bn"}
    match name.split("."):
        case ["stem", "conv1"]:
            return "conv1"
        case ["stem", "norm1"]:
            return "bn_conv1"
        case ["stages", stage, block, "branch", layer]:
            return f"{kinds[layer[:-1]]}{int(stage) + 2}{_letter(block)}_branch2{' abc'[int(layer[-1])]}"
        case ["stages", stage, block, "shortcut", kind]:
            return f"{kinds[kind]}{int(stage) + 2}{_letter(block)}_branch1"
        case ["head", "hidden"]:
            return dense[0]
        case ["head", "linear"]:
            return dense[1]
        case _:
            return name  # an activation, a pool, the input


def _letter(block: str) -> str:
    return "abcdefghijklmnopqrstuvwxyz"[int(block)]


def legacy_weights(model: keras.Model) -> list[tuple[str, Weights]]:
    """Return every layer of a model in order, also those without weights, with its numbers under Keras 2's paths."""
    return [
        (layer.name, [(f"{layer.name}/{variable.name}:0", variable.numpy()) for variable in layer.weights])
        for layer in model.layers
    ]


def detector(seed: int = 0) -> list[tuple[str, Weights]]:
    """Return the layers that stand behind the backbone in a file of Mask R-CNN, with fewer channels than there."""
    chance = np.random.default_rng(seed)

    def kernel(name: str, *sides: int) -> Weights:
        out = sides[-2] if "deconv" in name else sides[-1]
        return [
            (f"{name}/kernel:0", chance.normal(size=sides).astype(np.float32)),
            (f"{name}/bias:0", np.zeros(out, np.float32)),
        ]

    def norm(name: str) -> Weights:
        slots = ("gamma", "beta", "moving_mean", "moving_variance")
        return [(f"{name}/{slot}:0", np.ones(4, np.float32)) for slot in slots]

    rpn = ("rpn_conv_shared", (3, 3, 4, 8)), ("rpn_class_raw", (1, 1, 8, 6)), ("rpn_bbox_pred", (1, 1, 8, 12))
    return [
        *((f"fpn_c{k}p{k}", kernel(f"fpn_c{k}p{k}", 1, 1, 4, 4)) for k in (5, 4, 3, 2)),
        *((f"fpn_p{k}", kernel(f"fpn_p{k}", 3, 3, 4, 4)) for k in (5, 2, 3, 4)),
        ("rpn_model", [tensor for name, sides in rpn for tensor in kernel(name, *sides)]),
        ("ROI", []),
        *((f"mrcnn_{head}_conv1", kernel(f"mrcnn_{head}_conv1", 3, 3, 4, 4)) for head in ("mask", "class")),
        *((f"mrcnn_{head}_bn1", norm(f"mrcnn_{head}_bn1")) for head in ("mask", "class")),
        ("mrcnn_bbox_fc", kernel("mrcnn_bbox_fc", 4, 12)),
        ("mrcnn_mask_deconv", kernel("mrcnn_mask_deconv", 2, 2, 4, 4)),
        ("mrcnn_class_logits", kernel("mrcnn_class_logits", 4, 3)),
        ("mrcnn_mask", kernel("mrcnn_mask", 1, 1, 4, 3)),
    ]


def write_legacy(layers: Sequence[tuple[str, Weights]], path: Path, *, below: str = "/") -> None:
    """Write a group for each layer, with the names of layers and weights as attributes (Keras 2.2.4)."""
    with h5py.File(path, "w") as file:
        top = file.require_group(below)
        top.attrs["layer_names"] = np.array([name.encode() for name, _ in layers])
        top.attrs["backend"] = b"tensorflow"
        top.attrs["keras_version"] = b"2.2.4"
        for name, weights in layers:
            group = top.create_group(name)
            group.attrs["weight_names"] = np.array([tensor.encode() for tensor, _ in weights])
            for tensor, numbers in weights:
                group.create_dataset(tensor, data=numbers)
