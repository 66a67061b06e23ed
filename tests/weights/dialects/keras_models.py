"""Keras models without Keras: configs as Keras 2 and Keras 3 write them, and the shapes of their tensors."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Literal

from resnets.spec.plan import Block, Conv, Linear, Norm, Plan, Pool, Unit
from resnets.weights.containers.contents import Contents, Stored

Shapes = dict[str, tuple[int, ...]]
Layout = Literal["legacy", "counted"]

WORDS = {"kernel": 4, "bias": 1}


@dataclass
class Layer:
    name: str
    word: str
    config: dict[str, Any]
    inputs: tuple[str, ...]
    variables: Shapes = field(default_factory=dict)  # Keras's word -> shape, in the order in which they are made


class Model:
    """Layers called one upon the other, each named as Keras names them: conv2d, conv2d_1, ..."""

    def __init__(self, channels: int = 3, size: int | None = None, first_number: int = 0) -> None:
        self.layers: dict[str, Layer] = {}
        self.channels: dict[str, int] = {}
        self.first_number = first_number
        self.input = self.call("InputLayer", channels=channels, batch_shape=[None, size, size, channels])
        self.output = self.input
        self.outputs: list[str] = []  # besides the last layer

    def call(self, word: str, *inputs: str, channels: int = 0, variables: Shapes | None = None, **config: Any) -> str:
        """Call a new layer of a class; return what it is called."""
        stem = re.sub(r"([a-z])([A-Z])", r"\1_\2", re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", word)).lower()
        number = self.first_number + sum(layer.word == word for layer in self.layers.values())
        name = f"{stem}_{number}" if number else stem
        self.layers[name] = Layer(name, word, {"name": name, **config}, inputs, variables or {})
        self.channels[name] = channels or self.channels[inputs[0]]
        self.output = name
        return name

    def conv(self, x: str, filters: int, kernel: int = 3, stride: int = 1, **more: Any) -> str:
        groups = more.get("groups", 1)
        config = {"padding": "same", "use_bias": False, "dilation_rate": [1, 1], "activation": "linear"} | more
        variables: Shapes = {"kernel": (kernel, kernel, self.channels[x] // groups, filters)}
        variables |= {"bias": (filters,)} if config["use_bias"] else {}
        sides = {"filters": filters, "kernel_size": [kernel, kernel], "strides": [stride, stride]}
        return self.call("Conv2D", x, channels=filters, variables=variables, **sides, **config)

    def norm(self, x: str, eps: float = 1e-3, *, scale: bool = True, center: bool = True) -> str:
        words = ["gamma"] * scale + ["beta"] * center + ["moving_mean", "moving_variance"]
        variables: Shapes = dict.fromkeys(words, (self.channels[x],))
        config = {"axis": -1, "epsilon": eps, "scale": scale, "center": center}
        return self.call("BatchNormalization", x, variables=variables, **config)

    def relu(self, x: str) -> str:
        return self.call("Activation", x, activation="relu")

    def border(self, x: str, pixels: int) -> str:
        return self.call("ZeroPadding2D", x, padding=[[pixels, pixels], [pixels, pixels]])

    def dense(self, x: str, units: int, activation: str = "linear", into: int | None = None) -> str:
        variables: Shapes = {"kernel": (into or self.channels[x], units), "bias": (units,)}
        return self.call(
            "Dense", x, channels=units, variables=variables, units=units, activation=activation, use_bias=True
        )

    def listed(self) -> list[Layer]:
        """The layers as a model lists them: by how far from the output, then by which way of a sum comes first."""
        order: dict[str, int] = {}
        todo = [self.output, *self.outputs]
        while todo:
            name = todo.pop()
            if name not in order:
                order[name] = len(order)
                todo += reversed(self.layers[name].inputs)
        depths = dict.fromkeys(order, 0)
        for name in reversed(self.layers):  # each was made after those it takes from
            for source in self.layers[name].inputs if name in order else ():
                depths[source] = max(depths[source], depths[name] + 1)
        return [self.layers[name] for name in sorted(order, key=lambda name: (-depths[name], order[name]))]

    def config(self, keras: Literal[2, 3] = 3) -> dict[str, Any]:
        """The model's `model_config`."""
        entries = [
            {
                "class_name": layer.word,
                "config": layer.config,
                "name": layer.name,
                "inbound_nodes": _inbound(layer, keras) if layer.inputs else [],
            }
            for layer in self.listed()
        ]
        ends: list[Any] = [[name, 0, 0] for name in (self.output, *self.outputs)]
        first: list[Any] = [self.input, 0, 0]
        config = {
            "name": "model",
            "layers": entries,
            "input_layers": first if keras == 3 else [first],
            "output_layers": ends[0] if keras == 3 and len(ends) == 1 else ends,
        }
        return {"class_name": "Functional", "config": config}

    def shapes(self, layout: Layout = "legacy") -> Shapes:
        """The tensors of the model's file."""
        found: Shapes = {}
        counts: dict[str, int] = {}
        for layer in self.listed():
            word = "conv2d" if layer.word == "Conv2D" else re.sub(r"(.)([A-Z])", r"\1_\2", layer.word).lower()
            counts[word] = counts.get(word, -1) + 1
            place = f"layers/{word}_{counts[word]}" if counts[word] else f"layers/{word}"
            for number, (slot, shape) in enumerate(layer.variables.items()):
                legacy = f"model_weights/{layer.name}/{layer.name}/{slot}:0"
                found[legacy if layout == "legacy" else f"{place}/vars/{number}"] = shape
        return found

    def contents(self, layout: Layout = "legacy") -> Contents:
        """What a reader gives for the model's weights, without its graph."""
        names = [layer.name for layer in self.listed()]
        facts = {"layer_names": names, "weight_names": {}} if layout == "legacy" else {}
        return Contents(container="hdf5", tensors=stored(self.shapes(layout)), facts=facts)


def stored(shapes: Shapes) -> dict[str, Stored]:
    """Tensors of which only the shapes are looked at."""
    return {name: Stored("F32", shape, lambda: b"") for name, shape in shapes.items()}


def _inbound(layer: Layer, keras: Literal[2, 3]) -> list[Any]:
    if keras == 2:
        return [[[source, 0, 0, {}] for source in layer.inputs]]
    tensors = [{"class_name": "__keras_tensor__", "config": {"keras_history": [name, 0, 0]}} for name in layer.inputs]
    return [{"args": tensors if len(tensors) == 1 else [tensors], "kwargs": {}}]


def draw(network: Plan, *, projection_first: bool = False, first_number: int = 0, size: int | None = None) -> Model:
    """Draw a Plan in Keras's layers: a symmetric rule is a zero border, SAME is "same"; a gate is two Dense."""
    arch = network.architecture
    model = Model(arch.in_channels, size, first_number)
    x = model.input
    for number, unit in enumerate(network.stem.units, 1):
        x = _conv(model, x, unit.conv)
        if unit.norm:
            x = model.relu(model.norm(x, unit.norm.eps))
        assert unit.norm or number == len(network.stem.units)
    if network.stem.pool:
        x = _pool(model, x, network.stem.pool)
    for block in network.blocks:
        x = _block(model, x, block, projection_first=projection_first)
    if network.norm:
        x = model.relu(model.norm(x, network.norm.eps))
    if network.head:
        x = model.call("GlobalAveragePooling2D" if network.head.pooling == "average" else "Flatten", x)
        for linear in (network.head.hidden, network.head.linear):
            if linear:
                x = model.call("Dropout", x, rate=network.head.dropout) if network.head.dropout else x
                x = _dense(model, x, linear)
    return model


def _dense(model: Model, x: str, linear: Linear) -> str:
    hidden = linear.name == "head.hidden"
    return model.dense(x, linear.out_features, "relu" if hidden else "softmax", linear.in_features)


def _conv(model: Model, x: str, conv: Conv) -> str:
    symmetric = conv.padding == "symmetric" and conv.stride > 1 and conv.kernel > 1
    if symmetric:
        x = model.border(x, conv.kernel // 2)
    more = {"padding": "valid" if symmetric else "same", "use_bias": conv.bias, "groups": conv.groups}
    return model.conv(x, conv.out_channels, conv.kernel, conv.stride, **more)


def _pool(model: Model, x: str, pool: Pool) -> str:
    word = "MaxPooling2D" if pool.kind == "max" else "AveragePooling2D"
    if pool.padding == "symmetric":
        assert pool.fill == "zero", "Keras has no border but zeros"
        x = model.border(x, 1)
    padding = "valid" if pool.padding == "symmetric" else "same"
    return model.call(word, x, pool_size=[pool.kernel] * 2, strides=[pool.stride] * 2, padding=padding)


def _block(model: Model, x: str, block: Block, *, projection_first: bool) -> str:
    pre = block.order == "pre"
    y = x
    active = x
    for number, unit in enumerate(block.branch, 1):
        y = _step(model, y, unit, pre=pre, last=number == len(block.branch))
        if pre and number == 1:
            active = model.layers[model.layers[y].inputs[0]].name
            active = model.layers[active].inputs[0] if model.layers[active].word == "ZeroPadding2D" else active
    if block.gate:
        weights = model.call("GlobalAveragePooling2D", y)
        weights = model.dense(weights, block.gate.squeeze.out_channels, "relu")
        weights = model.dense(weights, block.gate.excite.out_channels, "sigmoid")
        weights = model.call("Reshape", weights, target_shape=[1, 1, block.out_channels])
        y = model.call("Multiply", y, weights)
    shortcut = block.shortcut
    if shortcut.kind == "none":
        return model.relu(y)
    carried = x
    if shortcut.kind == "subsample":
        carried = model.call("MaxPooling2D", x, pool_size=[1, 1], strides=[shortcut.stride] * 2, padding="valid")
    if shortcut.unit:
        carried = active if pre else x
        carried = _pool(model, carried, shortcut.pool) if shortcut.pool else carried
        carried = _conv(model, carried, shortcut.unit.conv)
        carried = model.norm(carried, shortcut.unit.norm.eps) if shortcut.unit.norm else carried
    total = model.call("Add", *((carried, y) if projection_first else (y, carried)))
    return total if pre else model.relu(total)


def _step(model: Model, x: str, unit: Unit, *, pre: bool, last: bool) -> str:
    norm: Norm | None = unit.norm
    assert norm
    if pre:
        return _conv(model, model.relu(model.norm(x, norm.eps)), unit.conv)
    x = model.norm(_conv(model, x, unit.conv), norm.eps)
    return x if last else model.relu(x)
