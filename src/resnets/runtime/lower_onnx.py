"""Lowering to ONNX: one table from ATen operations to nodes; what is not in it is refused (docs/decisions/0016)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram
from torch.fx import Node

from resnets.runtime.onnx_graph import Affine, Constant, Graph, Value
from resnets.runtime.packaged import Packaged
from resnets.runtime.program import PICTURES, to_program
from resnets.runtime.quiet import load

OPSET, IR_VERSION = 18, 10
"""What ONNX Runtime since 1.18 and OpenVINO since 2024 read."""


def to_onnx(packaged: Packaged) -> bytes:
    """Return the ONNX model of a packaged network, weights inline, checked; equal networks give equal bytes.

    Its input is "pictures", uint8 (N, C, H, W) with N free and H and W the preprocessing's; its outputs are those of
    `packaged.outputs`, float32. A node has the name of the layer that it does, such as `stages.0.0.branch.conv1`.
    Raises `ValueError` for an operation that the table does not know, and where onnx is not installed.
    """
    onnx = load("onnx")
    program = to_program(packaged)
    graph = Graph(PICTURES)
    (returned,) = program.graph.output_node().args
    last = {name: graph.name(value) for name, value in zip(packaged.outputs, _lowered(program, graph), strict=True)}
    graph.name_outputs(last)
    info, float32, uint8 = onnx.helper.make_tensor_value_info, onnx.TensorProto.FLOAT, onnx.TensorProto.UINT8
    shapes = [list(node.meta["val"].shape[1:]) for node in returned]
    model = onnx.helper.make_model(
        onnx.helper.make_graph(
            graph.nodes,
            "resnets",
            [info(PICTURES, uint8, ["N", *packaged.shape])],
            [info(name, float32, ["N", *shape]) for name, shape in zip(last, shapes, strict=True)],
            [onnx.numpy_helper.from_array(array, name) for name, array in graph.constants.items()],
        ),
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="resnets",
    )
    onnx.checker.check_model(model, full_check=True)
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def _lowered(program: ExportedProgram, graph: Graph) -> list[Value]:
    """Lower every operation; return what comes out, in order."""
    values = _inputs(program)
    for node in program.graph.nodes:
        if node.op == "call_function":
            values[node] = _lower(graph, values, node)
            if node.target._schema.is_mutable:  # it wrote into its first argument: who reads that now reads this
                values[node.args[0]] = values[node]
    (returned,) = program.graph.output_node().args
    return [values[node] for node in returned]


def _inputs(program: ExportedProgram) -> dict[Node, Value]:
    """What the graph starts from: weights and other constants, named as in the network; and the pictures."""
    numbers = {**program.state_dict, **program.constants}
    values: dict[Node, Value] = {}
    nodes = [node for node in program.graph.nodes if node.op == "placeholder"]
    for node, spec in zip(nodes, program.graph_signature.input_specs, strict=True):
        if spec.target is None:
            values[node] = PICTURES
        else:
            values[node] = Constant(numbers[spec.target], spec.target.removeprefix("network."))
    return values


def _lower(graph: Graph, values: Mapping[Node, Value], node: Node) -> Value:
    """Lower one operation; one of constants alone is done here and now."""
    target: Any = node.target
    taken = [values[each] for each in node.all_input_nodes]
    if all(isinstance(each, Constant) for each in taken):
        constants, options = torch.fx.node.map_arg((node.args, node.kwargs), lambda each: values[each].numbers)  # type: ignore[union-attr]
        return Constant(target(*constants, **options), node.name)
    lower = TABLE.get(str(target))
    if lower is None:
        known = ", ".join(sorted({name.split(".")[1] for name in TABLE}))
        raise ValueError(f"the network does {target}, which is not lowered to ONNX; known: {known}")
    arguments = {argument.name: argument.default_value for argument in target._schema.arguments}
    arguments |= dict(zip(arguments, node.args, strict=False)) | node.kwargs
    operands = {name: values.get(each, each) if isinstance(each, Node) else each for name, each in arguments.items()}
    return lower(graph, _layer(node, operands), operands, node)


def _layer(node: Node, operands: Mapping[str, Any]) -> str:
    """The layer that an operation belongs to: that of its weights, or the module that asks for it and what it does."""
    weight = operands.get("weight")
    if isinstance(weight, Constant):
        return weight.name.removesuffix(".weight")
    stack = [path for path, _ in node.meta.get("nn_module_stack", {}).values()]
    module = stack[-1].removeprefix("network").removeprefix(".") if stack else ""
    operation = node.target._schema.name.removeprefix("aten::").rstrip("_")  # type: ignore[union-attr]
    return f"{module}.{operation}" if module else operation


Operands = Mapping[str, Any]
Lower = Callable[[Graph, str, Operands, Node], Value]


def _same(graph: Graph, layer: str, of: Operands, node: Node) -> Value:
    value: Value = next(iter(of.values()))
    return value


def _cast(graph: Graph, layer: str, of: Operands, node: Node) -> Value:
    before = node.args[0].meta["val"].dtype  # type: ignore[union-attr]
    if before == node.meta["val"].dtype:
        return _same(graph, layer, of, node)
    if (before, of["dtype"]) != (torch.uint8, torch.float32):
        raise ValueError(f"{layer} turns {before} into {of['dtype']}; lowered to ONNX is a network in float32 only")
    return graph.add("Cast", f"{PICTURES}.float", of["self"], to=1)  # TensorProto.FLOAT


def _simple(kind: str) -> Lower:
    return lambda graph, layer, of, node: graph.add(kind, layer, of["self"])


def _affine(kind: str, compose: Callable[[Affine, Tensor], tuple[Tensor, Tensor]]) -> Lower:
    """A sum or product: of two values a node; of a value and a constant a step that waits for the next one."""

    def lower(graph: Graph, layer: str, of: Operands, node: Node) -> Value:
        value, other = of["self"], of["other"]
        if of.get("alpha", 1) != 1:
            raise ValueError(f"{layer} adds a multiple; only a plain sum is lowered to ONNX")
        if isinstance(value, Constant) and kind in ("Add", "Mul"):
            value, other = other, value
        if isinstance(value, Constant) or isinstance(other, str | Affine):
            return graph.add(kind, layer, value, other)
        number = other.numbers.double() if isinstance(other, Constant) else torch.tensor(float(other)).double()
        if isinstance(value, str):
            one = torch.ones((), dtype=torch.float64)
            value = Affine(value, one, one * 0)
        scale, shift = compose(value, number)
        return Affine(value.value, scale, shift)

    return lower


def _conv(graph: Graph, layer: str, of: Operands, node: Node) -> Value:
    if isinstance(of["padding"], str):
        raise ValueError(f"{layer} pads by the word {of['padding']!r}; only pixels are lowered to ONNX")
    bias = [] if of["bias"] is None else [of["bias"]]
    kernel = list(of["weight"].numbers.shape[2:])
    return graph.add(
        "Conv", layer, of["input"], of["weight"], *bias, kernel_shape=kernel, strides=_two(of["stride"]),
        pads=_two(of["padding"]) * 2, dilations=_two(of["dilation"]), group=of["groups"],
    )  # fmt: skip


def _batch_norm(graph: Graph, layer: str, of: Operands, node: Node) -> Value:
    if of["training"]:
        raise ValueError(f"{layer} uses the batch's own statistics; set train_bn to None or False before it is lowered")
    taken = [of[name] for name in ("input", "weight", "bias", "running_mean", "running_var")]
    return graph.add("BatchNormalization", layer, *taken, epsilon=of["eps"])


def _mean(graph: Graph, layer: str, of: Operands, node: Node) -> Value:
    if [axis % 4 for axis in of["dim"]] != [2, 3]:
        raise ValueError(f"{layer} takes a mean over {of['dim']}; only that over all places is lowered to ONNX")
    pooled = graph.add("GlobalAveragePool", layer, of["self"])
    return pooled if of["keepdim"] else graph.add("Flatten", f"{layer}.flatten", pooled)


def _linear(graph: Graph, layer: str, of: Operands, node: Node) -> Value:
    return graph.add("Gemm", layer, of["input"], of["weight"], of["bias"], transB=1)


def _pool(kind: str) -> Lower:
    """A pool whose last windows reach over the edge gets the pixels that they lack as padding: `ceil_mode` is read in
    more than one way, and padding is not.
    """

    def lower(graph: Graph, layer: str, of: Operands, node: Node) -> Value:
        kernel, stride, padding = (_two(of[name]) for name in ("kernel_size", "stride", "padding"))
        if max(_two(of.get("dilation", 1))) != 1 or of.get("divisor_override") is not None:
            raise ValueError(f"{layer} has a dilation or a divisor; neither is lowered to ONNX")
        options: dict[str, Any] = {}
        if kind == "AveragePool":
            if of["count_include_pad"] and max(padding):
                raise ValueError(f"{layer} counts its padding; only a mean without it is lowered to ONNX")
            options["count_include_pad"] = 0
        before = node.args[0].meta["val"].shape[2:]  # type: ignore[union-attr]
        after = node.meta["val"].shape[2:]
        reach = [(n - 1) * s + k for n, s, k in zip(after, stride, kernel, strict=True)]
        ends = [max(r - n - p, 0) for r, n, p in zip(reach, before, padding, strict=True)]
        return graph.add(kind, layer, of["self"], kernel_shape=kernel, strides=stride, pads=padding + ends, **options)

    return lower


def _pad(graph: Graph, layer: str, of: Operands, node: Node) -> Value:
    if of["mode"] != "constant":
        raise ValueError(f"{layer} pads by {of['mode']!r}; only a constant is lowered to ONNX")
    pads = [0] * 8  # begins of N, C, H, W, then their ends; torch tells them from the last axis on
    for place, number in enumerate(of["pad"]):
        pads[3 - place // 2 + 4 * (place % 2)] = number
    fill = torch.tensor(float(of["value"] or 0.0))
    around = Constant(torch.tensor(pads), "pad" + "".join(f".{each}" for each in pads))
    axes: list[Value] = []
    if any("pool" in str(reader.target) for reader in node.users):
        # ONNX Runtime (1.31, pad_fusion.cc) takes zeros around a max pool for its padding, which is below every number,
        # unless the axes are named.
        axes = [Constant(torch.arange(4), "pad.axes")]
    return graph.add("Pad", layer, of["self"], around, Constant(fill, f"pad.fill.{fill.item():g}"), *axes)


def _slice(graph: Graph, layer: str, of: Operands, node: Node) -> Value:
    end = min(of["end"] if of["end"] is not None else 2**63 - 1, 2**63 - 1)
    numbers = {"start": of["start"] or 0, "end": end, "dim": of["dim"], "step": of["step"]}
    return graph.add("Slice", layer, of["self"], *(Constant(torch.tensor([n]), f"slice.{n}") for n in numbers.values()))


def _flip(graph: Graph, layer: str, of: Operands, node: Node) -> Value:
    if of["dims"] != [1]:
        raise ValueError(f"{layer} turns {of['dims']} round; only channels are lowered to ONNX")
    channels = node.meta["val"].shape[1]
    order = Constant(torch.arange(channels).flip(0), f"{PICTURES}.order")
    return graph.add("Gather", f"{PICTURES}.turned", of["self"], order, axis=1)


def _two(value: Any) -> list[int]:
    return [value, value] if isinstance(value, int) else [*value] * (2 // len(value))


_ADD, _MUL = (
    _affine("Add", lambda it, by: (it.scale, it.shift + by)),
    _affine("Mul", lambda it, by: (it.scale * by, it.shift * by)),
)
_SUB, _DIV = (
    _affine("Sub", lambda it, by: (it.scale, it.shift - by)),
    _affine("Div", lambda it, by: (it.scale / by, it.shift / by)),
)

TABLE: Mapping[str, Lower] = MappingProxyType(
    {
        "aten._assert_tensor_metadata.default": _same,
        "aten.to.dtype": _cast,
        "aten.dropout.default": _same,
        "aten.flip.default": _flip,
        "aten.add.Tensor": _ADD,
        "aten.add_.Tensor": _ADD,
        "aten.sub.Tensor": _SUB,
        "aten.sub_.Tensor": _SUB,
        "aten.mul.Tensor": _MUL,
        "aten.mul_.Tensor": _MUL,
        "aten.div.Tensor": _DIV,
        "aten.div_.Tensor": _DIV,
        "aten.conv2d.default": _conv,
        "aten.batch_norm.default": _batch_norm,
        "aten.relu.default": _simple("Relu"),
        "aten.relu_.default": _simple("Relu"),
        "aten.sigmoid.default": _simple("Sigmoid"),
        "aten.max_pool2d.default": _pool("MaxPool"),
        "aten.avg_pool2d.default": _pool("AveragePool"),
        "aten.mean.dim": _mean,
        "aten.linear.default": _linear,
        "aten.pad.default": _pad,
        "aten.slice.Tensor": _slice,
    }
)
"""ATen operation -> what makes nodes of it."""
