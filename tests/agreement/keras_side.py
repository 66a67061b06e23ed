"""Keras's side of a comparison: its network, our numbers in its layers, its maps and gradients in our order."""

from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from resnets.spec.plan import Conv, Linear, Norm, Plan, layer_tensors
from tests.goldens import Array, Outputs, cotangents

KIND = {Conv: keras.layers.Conv2D, Norm: keras.layers.BatchNormalization, Linear: keras.layers.Dense}
SLOTS = {
    Conv: {"weight": "kernel", "bias": "bias"},
    Linear: {"weight": "kernel", "bias": "bias"},
    Norm: {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"},
}
"""What Keras calls each tensor of a layer; it has nothing like `num_batches_tracked`."""


@dataclass(frozen=True)
class KerasSide:
    """A Keras model whose outputs are the levels, with the variable that holds each of our tensors.

    It is called without `training`: a value there would overrule the one that the notes give to each norm.
    """

    model: keras.Model
    variables: dict[str, keras.Variable]

    def outputs(self, picture: Array) -> Outputs:
        """(N, C, H, W) -> every level and the logits, channels first."""
        return {name: _first(map_.numpy()) for name, map_ in self.model(_last(picture)).items()}

    def gradients(self, picture: Array) -> Outputs:
        """Return the gradient of the outputs' weighted sum, for the picture and every trained tensor of ours."""
        trained = {name: variable.value for name, variable in self.variables.items() if variable.trainable}
        pixels = tf.Variable(_last(picture), dtype=self.model.compute_dtype)
        with tf.GradientTape() as tape:
            maps = self.model(pixels)
            weights = cotangents({name: _first(map_.numpy()) for name, map_ in maps.items()})
            total = tf.add_n([tf.reduce_sum(maps[name] * _last(weights[name])) for name in maps])
        slopes = tape.gradient(total, {"picture": pixels, **trained})
        return {"picture": _first(slopes.pop("picture").numpy())} | {
            name: _ours(tf.convert_to_tensor(slope).numpy()) for name, slope in slopes.items()
        }


def carry(model: keras.Model, network: Plan, numbers: Outputs, layer_name: Callable[[str], str] = str) -> KerasSide:
    """Put every number of ours into the layer that `layer_name` gives, and check that none is left on either side."""
    variables: dict[str, keras.Variable] = {}
    left = {variable.path for variable in model.weights}
    assert len(left) == len(model.weights)
    for layer in network.layers():
        theirs = model.get_layer(layer_name(layer.name))
        assert isinstance(theirs, KIND[type(layer)]), theirs.name
        if isinstance(layer, Norm):
            assert theirs.epsilon == layer.eps, f"{theirs.name}: eps {theirs.epsilon}, and ours is {layer.eps}"
        for name in layer_tensors(layer):
            slot = SLOTS[type(layer)].get(name.rpartition(".")[2])
            if slot is None:
                assert name.endswith("num_batches_tracked")
                continue
            variables[name] = getattr(theirs, slot)
            variables[name].assign(_theirs(numbers[name]))
            left.remove(variables[name].path)
    assert not left, f"no number of ours went into {sorted(left)}"
    return KerasSide(model, variables)


def application(model: keras.Model, level_layers: dict[str, str]) -> keras.Model:
    """Return a Keras Applications model with the levels as its outputs, each read from the layer named."""
    return keras.Model(model.inputs[0], {level: model.get_layer(name).output for level, name in level_layers.items()})


def application_layer(name: str) -> str:
    """Return what Keras Applications v1 calls a layer of ours: `stages.1.0.branch.conv2` is `conv3_block1_2_conv`."""
    return _application_layer(name, branch_norms=("1_bn", "2_bn", "3_bn"))


def application_v2_layer(name: str) -> str:
    """Return what Keras Applications v2 calls a layer of ours; a block's first norm is its `preact_bn`."""
    return _application_layer(name, branch_norms=("preact_bn", "1_bn", "2_bn"))


def _application_layer(name: str, *, branch_norms: tuple[str, str, str]) -> str:
    kinds = {"conv": "conv", "norm": "bn"}
    match name.split("."):
        case ["stem", layer]:
            return f"conv1_{kinds[layer[:-1]]}"
        case ["stages", stage, block, "shortcut", kind]:
            part = f"0_{kinds[kind]}"
        case ["stages", stage, block, "branch", layer]:
            number = int(layer[-1])
            part = f"{number}_conv" if layer.startswith("conv") else branch_norms[number - 1]
        case ["norm"]:
            return "post_bn"
        case ["head", "linear"]:
            return "predictions"
        case _:
            raise AssertionError(f"{name} has no counterpart in Keras Applications")
    return f"conv{int(stage) + 2}_block{int(block) + 1}_{part}"


def _last(map_: Array) -> Array:
    return np.ascontiguousarray(np.moveaxis(map_, 1, -1)) if map_.ndim == 4 else map_


def _first(map_: Array) -> Array:
    return np.ascontiguousarray(np.moveaxis(map_, -1, 1)) if map_.ndim == 4 else map_


def _theirs(weight: Array) -> Array:
    """(out, in, k, k) -> (k, k, in, out), (out, in) -> (in, out), vectors as they are."""
    return weight.transpose(2, 3, 1, 0) if weight.ndim == 4 else weight.T


def _ours(weight: Array) -> Array:
    return weight.transpose(3, 2, 0, 1) if weight.ndim == 4 else weight.T
