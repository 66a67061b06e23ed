"""What each layer of Keras does, in the words of a graph: one row for each class."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

Config = Mapping[str, Any]
Facts = dict[str, Any]
"""Of a `Node`: its kind, kernel, strides, ..."""

Reading = tuple[Facts, ...]
"""What one layer does, one after the other: Conv2D(activation="relu") is two."""


def read_kind(word: str, config: Config, takes: int, given_too: str = "") -> Reading:
    """Return what a layer of class `word` does, that takes so many tensors and is given other things too.

    A class that this family has no word for becomes an `other` that says why.
    """
    if word in KINDS:
        return KINDS[word](config)
    if word.startswith("Random"):
        return (_says("while training only: " + word),)
    if word in ("TFOpLambda", "SlicingOpLambda"):
        word = str(config.get("function", word)).removeprefix("tf.").removeprefix("compat.v1.")
    return (_operation(word, config, takes, given_too),)


def _conv(config: Config) -> Reading:
    facts: Facts = {
        "kind": "conv",
        "kernel": pair(config["kernel_size"]),
        "strides": pair(config["strides"]),
        "dilation": pair(config.get("dilation_rate") or 1),
        "groups": pair(config.get("groups") or 1)[0],
        "pads": _pads(config),
    }
    return (facts, *activation(config.get("activation")))


def _pads(config: Config) -> Any:
    padding = config.get("padding", "valid")
    if padding not in ("same", "valid"):
        raise ValueError(f"{config.get('name')!r} pads {padding!r}; 'same' and 'valid' are known")
    return "same" if padding == "same" else ((0, 0), (0, 0))


def _norm(config: Config) -> Reading:
    axis = config.get("axis", -1)
    axis = axis[0] if isinstance(axis, list | tuple) else axis
    if axis not in (-1, 3, 1) or config.get("renorm"):
        return (_other("normalises another axis than the channels, or renormalises"),)
    return ({"kind": "norm", "eps": float(config.get("epsilon", 1e-3))},)


def _pool(kind: str) -> Callable[[Config], Reading]:
    def read(config: Config) -> Reading:
        kernel = pair(config["pool_size"])
        strides = pair(config.get("strides") or kernel)
        if kernel == (1, 1):
            return ({"kind": "subsample" if strides != (1, 1) else "nothing", "strides": strides},)
        return ({"kind": kind, "kernel": kernel, "strides": strides, "pads": _pads(config)},)

    return read


def _zero_padding(config: Config) -> Reading:
    padding = config["padding"]
    if isinstance(padding, int):
        padding = (padding, padding)
    top, left = (pair(side, least=0) for side in padding)
    return ({"kind": "pad", "pads": (top, left), "fill": 0.0},)


def _dense(config: Config) -> Reading:
    return ({"kind": "linear"}, *activation(config.get("activation")))


def _relu(config: Config) -> Reading:
    bent = [key for key in ("max_value", "negative_slope", "threshold") if config.get(key)]
    return ({"kind": "relu"},) if not bent else (_other(f"has a ReLU with {bent[0]}={config[bent[0]]}"),)


def _input(config: Config) -> Reading:
    shape = config.get("batch_shape") or config.get("batch_input_shape") or (None, None, None, None)
    first = config.get("data_format") == "channels_first"
    size = tuple(shape)[2:4] if first else tuple(shape)[1:3]
    if len(tuple(shape)) != 4:
        size = (None, None)
    whole = [side if isinstance(side, int) and 0 < side <= 1_000_000 else None for side in size]
    return ({"kind": "input", "size": (whole[0], whole[1])},)


def _resized(config: Config) -> Reading:
    return (_says("resizes or crops") | {"size": pair((config["height"], config["width"]))},)


def _upsampled(config: Config) -> Reading:
    return (_other(f"enlarges by {config.get('size')}"),)


def _rescaling(config: Config) -> Reading:
    return (_says(f"x * {config.get('scale')} + {config.get('offset', 0)}"),)


def _normalization(config: Config) -> Reading:
    mean, variance = config.get("mean"), config.get("variance")
    if mean is None:
        return (_says("(x - mean) / sqrt(variance), with numbers of its own in the file"),)
    return (_says(f"(x - {_short(mean)}) / sqrt({_short(variance)})"),)


def activation(value: Any) -> Reading:
    """Return what an `activation` of a config does, which Keras writes as a name or as an object."""
    name = value
    if isinstance(value, Mapping):
        name = value.get("config") if value.get("class_name") == "function" else value.get("class_name")
        if value.get("class_name") == "ReLU":
            return _relu(value.get("config") or {})
    if name in (None, "linear"):
        return ()
    kind = {"relu": "relu", "softmax": "softmax", "sigmoid": "sigmoid", "Softmax": "softmax"}.get(str(name))
    return ({"kind": kind},) if kind else (_other(f"has the activation {str(name)[:40]!r}"),)


def _activation_layer(config: Config) -> Reading:
    return activation(config.get("activation")) or ({"kind": "nothing"},)


def _fixed(**facts: Any) -> Callable[[Config], Reading]:
    return lambda _: (facts,)


def _dropout(config: Config) -> Reading:
    return ({"kind": "dropout", "rate": float(config.get("rate", 0.0))},)


def _operation(word: str, config: Config, takes: int, given_too: str) -> Facts:
    """A function called on a tensor rather than a layer: TensorFlow's, or Keras 3's."""
    if word in TWO_TENSORS and takes == 2:
        return {"kind": TWO_TENSORS[word]}
    if word in FUNCTIONS:
        return {"kind": FUNCTIONS[word]}
    if word == "Mean" and tuple(config.get("axis") or ()) in ((1, 2), (-3, -2)):
        return {"kind": "global_pool"}
    if word in ARITHMETIC:
        return _says(f"{word} {given_too}".rstrip())
    return _other(f"does what this family has no layer for ({word[:60]})")


def _other(why: str) -> Facts:
    return {"kind": "other", "why": why}


def _says(says: str) -> Facts:
    return {"kind": "preprocess", "says": says}


def pair(value: Any, least: int = 1) -> tuple[int, int]:
    """Return a height and a width, which Keras writes as one number for both, or as two.

    Raises `ValueError` for what are no whole numbers from `least` to a million.
    """
    height, width = (value, value) if isinstance(value, int) else value
    for side in (height, width):
        if not isinstance(side, int) or not least <= side <= 1_000_000:
            raise ValueError(f"{side!r:.40} is no whole number from {least} to a million")
    return height, width


def _short(value: Any) -> str:
    return json.dumps(value)[:200]


TWO_TENSORS = {
    **dict.fromkeys(("Add", "add", "math.add", "__operators__.add"), "add"),
    **dict.fromkeys(("Multiply", "multiply", "math.multiply", "__operators__.mul"), "multiply"),
}
"""Functions and layers that join two tensors; with one, and a number beside it, they are arithmetic."""

FUNCTIONS = {
    **dict.fromkeys(("nn.relu", "Relu"), "relu"),
    **dict.fromkeys(("nn.softmax", "Softmax"), "softmax"),
    **dict.fromkeys(("nn.sigmoid", "Sigmoid", "math.sigmoid"), "sigmoid"),
    **dict.fromkeys(("identity", "Identity", "cast", "Cast", "StopGradient", "stop_gradient"), "nothing"),
}

ARITHMETIC = (
    *("Add", "Subtract", "Multiply", "Divide", "TrueDivide", "GetItem", "Stack", "Flip"),
    *("math.add", "math.subtract", "math.multiply", "math.divide", "math.truediv", "nn.bias_add"),
    *(f"__operators__.{name}" for name in ("add", "sub", "mul", "truediv", "getitem", "radd", "rsub", "rmul")),
)
"""What is done to a picture before a network; sizes stay as they are."""

KINDS: Mapping[str, Callable[[Config], Reading]] = {
    "InputLayer": _input,
    "Conv2D": _conv,
    "BatchNormalization": _norm,
    "BatchNorm": _norm,  # Matterport's subclass, which only passes `training` on
    "SyncBatchNormalization": _norm,
    "Activation": _activation_layer,
    "ReLU": _relu,
    "Softmax": _fixed(kind="softmax"),
    "MaxPooling2D": _pool("pool_max"),
    "MaxPool2D": _pool("pool_max"),
    "AveragePooling2D": _pool("pool_average"),
    "AvgPool2D": _pool("pool_average"),
    "GlobalAveragePooling2D": _fixed(kind="global_pool"),
    "GlobalAvgPool2D": _fixed(kind="global_pool"),
    "ZeroPadding2D": _zero_padding,
    "Flatten": _fixed(kind="flatten"),
    "Reshape": _fixed(kind="flatten"),
    "Dropout": _dropout,
    "SpatialDropout2D": _dropout,
    "GaussianNoise": _fixed(kind="dropout"),
    "ActivityRegularization": _fixed(kind="nothing"),
    "Dense": _dense,
    "Rescaling": _rescaling,
    "Normalization": _normalization,
    "UpSampling2D": _upsampled,
    "Resizing": _resized,
    "CenterCrop": _resized,
}
