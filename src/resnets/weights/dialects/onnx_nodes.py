"""ONNX nodes -> Graph: the operators that a network of this family is exported as (onnx.ai/onnx/operators)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from resnets.files.errors import FileError
from resnets.weights.containers.contents import Contents, Stored
from resnets.weights.dialects.graph import Graph, Node, Numbers, Slot, ordered
from resnets.weights.dialects.onnx_constants import Constants

Facts = dict[str, Any]

SHORT_FLOAT = 6
"""Digits that an epsilon was typed with, at most; ONNX keeps it as the nearest float32."""


@dataclass(slots=True)
class _Operator:
    """One node of the file, its inputs without those left empty."""

    word: str
    title: str
    inputs: list[str]
    output: str
    attributes: Mapping[str, Any]
    held: Mapping[str, Stored]
    aliases: Mapping[str, str]
    constants: Constants

    def tensor(self, number: int) -> str | None:
        """Return the name of the tensor of the file that is the input of that number, if it is one."""
        name = self.inputs[number] if number < len(self.inputs) else ""
        name = self.aliases.get(name, name)
        return name if name in self.held else None

    def integers(self, number: int, attribute: str) -> list[int] | None:
        """Return whole numbers that newer operators take as an input and older ones as an attribute."""
        value = self.attributes.get(attribute)
        if value is not None:
            return [int(each) for each in (value if isinstance(value, list) else [value])]
        found = self.constants.get(self.inputs[number]) if number < len(self.inputs) else None
        return None if found is None else [int(each) for each in found.reshape(-1)]

    def pair(self, attribute: str) -> tuple[int, int]:
        """Return the two numbers of an attribute, ones where it is not there."""
        value = self.attributes.get(attribute) or [1, 1]
        if len(value) != 2 or not all(isinstance(side, int) and 1 <= side <= 1_000_000 for side in value):
            raise FileError(f"{self.word} {self.title!r} has {attribute} {value!r:.60}; two whole numbers are read")
        return value[0], value[1]


def onnx_graph(contents: Contents) -> Graph:
    """Return the graph of an ONNX model, with the tensors of the file in its nodes.

    Raises `FileError` for a graph that goes round or has nodes that are not as ONNX has them.
    """
    nodes: dict[str, Node] = {}
    aliases: dict[str, str] = {}
    constants = Constants(contents.tensors)
    facts = contents.facts
    for name, sides in facts["inputs"].items():
        if name not in contents.tensors:
            nodes[name] = Node(name=name, kind="input", layer=name, word="input", size=_size(sides))
    for word, title, inputs, outputs, attributes in facts["nodes"]:
        if not outputs:
            continue
        held = contents.tensors
        operator = _Operator(word, title or outputs[0], inputs, outputs[0], attributes, held, aliases, constants)
        if word == "Identity" and (same := operator.tensor(0)):
            aliases[outputs[0]] = same
            continue
        try:
            if constants.compute(word, inputs, outputs[0], attributes):
                continue
            made = _node(operator, nodes)
        except FileError:
            raise
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise FileError(f"{word} {title!r:.100} is not as ONNX has it: {error!r:.200}") from None
        nodes[made.name] = made
    outputs = tuple(name for name in facts["outputs"] if name in nodes)
    return Graph(nodes=ordered(nodes), outputs=outputs)


def _node(operator: _Operator, nodes: dict[str, Node]) -> Node:
    """The node that an operator is; the bias that a sum adds goes into the convolution or linear layer before it."""
    data = [name for number, name in enumerate(operator.inputs) if name and not operator.tensor(number)]
    data = [name for name in data if name in nodes]
    if operator.word in ("Add", "Sub", "Mul", "Div", "Sum") and len(operator.inputs) == 2:
        facts = _arithmetic(operator, data, nodes)
    else:
        facts = OPERATORS.get(operator.word, _unknown)(operator)
        data = data if facts["kind"] == "other" else data[:1]
    return Node(name=operator.output, layer=operator.title, word=operator.word, inputs=tuple(data), **facts)


def _arithmetic(operator: _Operator, data: list[str], nodes: dict[str, Node]) -> Facts:
    if len(data) == 2:
        kind = {"Add": "add", "Sum": "add", "Mul": "multiply"}.get(operator.word)
        return {"kind": kind} if kind else _other(f"does what this family has no layer for ({operator.word})")
    constant = next((name for number in (0, 1) if (name := operator.tensor(number))), None)
    if len(data) != 1 or constant is None:
        return _other("takes what the file computes")
    source, shape = nodes[data[0]], operator.held[constant].shape
    channels = source.numbers["weight"].shape[0] if "weight" in source.numbers else 0
    wide = [side for side in shape if side != 1]
    fits = wide == [channels] or (channels == 1 and not wide)
    if operator.word == "Add" and source.kind in ("conv", "linear") and fits and "bias" not in source.numbers:
        bias = Numbers(tensor=constant, shape=(channels,))
        nodes[source.name] = replace(source, numbers={**source.numbers, "bias": bias})
        return {"kind": "nothing"}
    return {"kind": "preprocess", "says": f"{operator.word} by the file's {constant!r}"}


def _conv(operator: _Operator) -> Facts:
    numbers = _numbers(operator, {"weight": 1, "bias": 2})
    shape = numbers["weight"].shape if "weight" in numbers else ()
    if len(shape) != 4:
        return _other("is no convolution of two dimensions with weights in the file")
    return {
        "kind": "conv",
        "kernel": (shape[2], shape[3]),
        "strides": operator.pair("strides"),
        "dilation": operator.pair("dilations"),
        "groups": int(operator.attributes.get("group") or 1),
        "pads": _pads(operator),
        "numbers": numbers,
    }


def _pads(operator: _Operator) -> Any:
    auto = operator.attributes.get("auto_pad") or "NOTSET"
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        return {"SAME_UPPER": "same", "SAME_LOWER": "same_lower"}[auto]
    top, left, bottom, right = (int(each) for each in operator.attributes.get("pads") or (0, 0, 0, 0))
    return (top, bottom), (left, right)


def _norm(operator: _Operator) -> Facts:
    if operator.attributes.get("training_mode"):
        return _other("was exported while training")
    numbers = _numbers(operator, {"weight": 1, "bias": 2, "running_mean": 3, "running_var": 4})
    return {"kind": "norm", "eps": short(operator.attributes.get("epsilon", 1e-5)), "numbers": numbers}


def _pool(kind: str) -> Callable[[_Operator], Facts]:
    def read(operator: _Operator) -> Facts:
        kernel, strides, pads = operator.pair("kernel_shape"), operator.pair("strides"), _pads(operator)
        padded = pads != ((0, 0), (0, 0))
        if kernel == (1, 1):
            return {"kind": "subsample", "strides": strides}
        if operator.attributes.get("ceil_mode"):
            if padded:
                return _other("pads and counts partial windows")
            pads = "ceil"
        if kind == "pool_average" and padded and operator.attributes.get("count_include_pad"):
            return _other("averages its padding too")
        dilation = operator.pair("dilations")
        return {"kind": kind, "kernel": kernel, "strides": strides, "pads": pads, "dilation": dilation}

    return read


def _mean(operator: _Operator) -> Facts:
    axes = operator.integers(1, "axes") or []
    if sorted(axis % 4 for axis in axes) != [2, 3]:
        return _other(f"takes the mean over axes {axes}")
    return {"kind": "global_pool"}


def _gemm(operator: _Operator) -> Facts:
    odd = [
        key for key, usual in (("transA", 0), ("alpha", 1), ("beta", 1)) if operator.attributes.get(key, usual) != usual
    ]
    if odd:
        return _other(f"has {odd[0]}={operator.attributes[odd[0]]}")
    return _linear(operator, turned=bool(operator.attributes.get("transB")))


def _linear(operator: _Operator, *, turned: bool = False) -> Facts:
    name = operator.tensor(1)
    if name is None or len(operator.held[name].shape) != 2:
        return _other("multiplies by what is no matrix of the file")
    shape = operator.held[name].shape
    weight = Numbers(tensor=name, shape=shape if turned else shape[::-1], axes=None if turned else (1, 0))
    return {"kind": "linear", "numbers": {"weight": weight} | _numbers(operator, {"bias": 2})}


def _pad(operator: _Operator) -> Facts:
    pads = operator.integers(1, "pads")
    if pads is None or len(pads) != 8 or operator.attributes.get("mode", "constant") != "constant":
        return _other("pads by what the file computes")
    before, after = pads[:4], pads[4:]
    value = operator.constants.get(operator.inputs[2]) if len(operator.inputs) > 2 else None
    fill = float(operator.attributes.get("value") or 0.0 if value is None else value.reshape(-1)[0])
    if not any(pads):
        return {"kind": "nothing"}
    if not any(before[2:] + after[2:]) and not before[0] + after[0] and fill == 0:
        return {"kind": "pad_channels", "channels": (before[1], after[1])}
    if any(before[:2] + after[:2]):
        return _other("pads channels and pixels")
    return {"kind": "pad", "pads": ((before[2], after[2]), (before[3], after[3])), "fill": fill}


def _slice(operator: _Operator) -> Facts:
    """`x[:, :, ::2, ::2]`, one axis or both at once."""
    starts, ends = operator.integers(1, "starts"), operator.integers(2, "ends")
    if starts is None or ends is None:
        return _other("cuts by what the file computes")
    axes = operator.integers(3, "axes") or list(range(len(starts)))
    steps = operator.integers(4, "steps") or [1] * len(starts)
    by_axis = {axis % 4: step for axis, step in zip(axes, steps, strict=True)}
    whole = all(start == 0 for start in starts) and all(end >= 1 << 30 for end in ends)
    if not whole or any(step < 1 or (step > 1 and axis < 2) for axis, step in by_axis.items()):
        return _other("cuts a part out")
    strides = by_axis.get(2, 1), by_axis.get(3, 1)
    return {"kind": "subsample" if strides != (1, 1) else "nothing", "strides": strides}


def _transpose(operator: _Operator) -> Facts:
    turn = operator.attributes.get("perm")
    return {"kind": "nothing"} if turn in ([0, 3, 1, 2], [0, 2, 3, 1]) else _other(f"turns axes {turn}")


def _dropout(operator: _Operator) -> Facts:
    return {"kind": "dropout", "rate": short(operator.attributes.get("ratio") or 0.5)}


def _fixed(**facts: Any) -> Callable[[_Operator], Facts]:
    return lambda _: facts


def _unknown(operator: _Operator) -> Facts:
    return _other(f"does what this family has no layer for ({operator.word})")


def _other(why: str) -> Facts:
    return {"kind": "other", "why": why}


def _numbers(operator: _Operator, places: Mapping[Slot, int]) -> dict[Slot, Numbers]:
    """The tensors of a layer; raise `FileError` for one that the file computes, unless it is nothing but zeros."""
    found: dict[Slot, Numbers] = {}
    for slot, number in places.items():
        name = operator.tensor(number)
        if name:
            found[slot] = Numbers(tensor=name, shape=operator.held[name].shape)
        elif number < len(operator.inputs) and operator.inputs[number]:
            made = operator.constants.get(operator.inputs[number])
            if made is None or made.any() or slot != "bias":
                raise FileError(
                    f"{operator.word} {operator.title!r} takes a {slot} that the file computes; export the network "
                    "again with its constants folded"
                )
    return found


def _size(sides: list[int | str]) -> tuple[int | None, int | None]:
    """Height and width of an input, whether channels come first or last."""
    if len(sides) != 4:
        return None, None
    last = sides[3] in (1, 3, 4) and sides[1] not in (1, 3, 4)
    height, width = (
        side if isinstance(side, int) and side > 0 else None for side in (sides[1:3] if last else sides[2:])
    )
    return height, width


def short(value: float) -> float:
    """Return the number of fewest digits that is this one in float32: 9.99999974e-06 is 1e-05."""
    bits = struct.pack("<f", value)
    for digits in range(1, SHORT_FLOAT + 1):
        candidate = float(f"{value:.{digits}g}")
        if struct.pack("<f", candidate) == bits:
            return candidate
    return value


OPERATORS: Mapping[str, Callable[[_Operator], Facts]] = {
    "Conv": _conv,
    "BatchNormalization": _norm,
    "Relu": _fixed(kind="relu"),
    "MaxPool": _pool("pool_max"),
    "AveragePool": _pool("pool_average"),
    "GlobalAveragePool": _fixed(kind="global_pool"),
    "ReduceMean": _mean,
    "Flatten": _fixed(kind="flatten"),
    "Reshape": _fixed(kind="flatten"),
    "Squeeze": _fixed(kind="flatten"),
    "Unsqueeze": _fixed(kind="flatten"),
    "Gemm": _gemm,
    "MatMul": _linear,
    "Pad": _pad,
    "Slice": _slice,
    "Transpose": _transpose,
    "Sigmoid": _fixed(kind="sigmoid"),
    "Softmax": _fixed(kind="softmax"),
    "LogSoftmax": _fixed(kind="softmax"),
    "Dropout": _dropout,
    "Identity": _fixed(kind="nothing"),
    "Cast": _fixed(kind="nothing"),
}
"""What each operator does; any other is an `other` that says its name."""
