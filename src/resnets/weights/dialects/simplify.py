"""Simplify: a graph without what changes nothing, its zero borders and its gates gathered into one node each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from resnets.spec.architecture import PoolPaddingRule
from resnets.spec.padding import out_size, padding
from resnets.weights.dialects.graph import Amounts, Graph, Node

Size = tuple[int | None, int | None]
MANY = ("input", "other", "preprocess", "add", "multiply")
"""Kinds that may take other than one tensor."""

NO_PADS: Amounts = ((0, 0), (0, 0))


def simplify(graph: Graph) -> Graph:
    """Return the graph without nodes that pass their input on.

    A border before a convolution or a maximum becomes its padding; squeeze and excitation becomes one `gate`.
    """
    kept: dict[str, Node] = {}
    instead: dict[str, str] = {}
    for node in graph.nodes.values():
        node = replace(node, inputs=tuple(instead.get(source, source) for source in node.inputs))
        if node.kind not in MANY and len(node.inputs) != 1:
            node = replace(node, kind="other", why=f"takes {len(node.inputs)} tensors", numbers={})
        if node.kind == "nothing" and len(node.inputs) == 1:
            instead[node.name] = node.inputs[0]
            continue
        if node.kind in ("conv", "pool_max"):
            node = _with_border(node, kept)
        elif node.kind == "subsample":
            node = _thinned_once(node, kept)
        elif node.kind == "multiply":
            node = _gate(node, kept) or node
        kept[node.name] = node
    outputs = tuple(instead.get(name, name) for name in graph.outputs)
    needed = set(before(kept, outputs))
    return Graph(nodes={name: node for name, node in kept.items() if name in needed}, outputs=outputs)


def before(nodes: Mapping[str, Node], names: Iterable[str]) -> list[str]:
    """Return some nodes and everything they come from, in the graph's order."""
    found, todo = set[str](), list(names)
    while todo:
        if (current := todo.pop()) not in found:
            found.add(current)
            todo += nodes[current].inputs
    return [name for name in nodes if name in found]


def _with_border(node: Node, kept: Mapping[str, Node]) -> Node:
    """A zero border and a convolution without padding are a convolution that pads."""
    source = kept.get(node.inputs[0]) if node.inputs else None
    while source and source.kind == "pad" and not isinstance(node.pads, str) and not isinstance(source.pads, str):
        own = node.pads != NO_PADS
        if (node.kind == "conv" and source.fill != 0) or (node.kind == "pool_max" and own and source.fill != node.fill):
            break
        (top, bottom), (left, right) = node.pads
        (above, below), (before, after) = source.pads
        pads = ((top + above, bottom + below), (left + before, right + after))
        node = replace(node, pads=pads, fill=source.fill, inputs=source.inputs)
        source = kept.get(node.inputs[0])
    return node


def _thinned_once(node: Node, kept: Mapping[str, Node]) -> Node:
    """Rows thinned out and then columns are one step."""
    source = kept[node.inputs[0]]
    if source.kind != "subsample":
        return node
    strides = node.strides[0] * source.strides[0], node.strides[1] * source.strides[1]
    return replace(node, strides=strides, inputs=source.inputs)


def _gate(node: Node, kept: Mapping[str, Node]) -> Node | None:
    """Gather `x * sigmoid(excite(relu(squeeze(mean(x)))))`, in whichever order the product names its two sides."""
    if len(node.inputs) != 2:
        return None
    for x, weights in (node.inputs, node.inputs[::-1]):
        found: list[Node] = []
        name = weights
        while name != x and len(kept[name].inputs) == 1 and len(found) < 9:
            if kept[name].kind != "flatten":  # a Reshape to (1, 1, channels), wherever it stands
                found.append(kept[name])
            name = kept[name].inputs[0]
        kinds = [step.kind.replace("linear", "conv") for step in found]
        if name == x and kinds == ["sigmoid", "conv", "relu", "conv", "global_pool"]:
            inner = tuple(_as_conv(found[place]) for place in (3, 1))
            return replace(node, kind="gate", inputs=(x,), inner=inner, word="squeeze and excitation")
    return None


def _as_conv(node: Node) -> Node:
    """A linear layer on one pixel is a 1x1 convolution."""
    if node.kind == "conv" or "weight" not in node.numbers:
        return node
    weight = node.numbers["weight"]
    numbers = {**node.numbers, "weight": replace(weight, shape=(*weight.shape, 1, 1))}
    return replace(node, kind="conv", numbers=numbers)


def sizes(graph: Graph) -> dict[str, Size]:
    """Return the height and width of what each node gives, None where the file does not tell."""
    found: dict[str, Size] = {}
    for node in graph.nodes.values():
        before = found[node.inputs[0]] if node.inputs else (None, None)
        if node.kind == "other":
            found[node.name] = (None, None)
        elif node.kind in ("input", "preprocess"):
            found[node.name] = node.size if node.size != (None, None) else before
        elif node.kind in ("subsample", "conv", "pool_max", "pool_average"):
            found[node.name] = (_out(node, before[0], 0), _out(node, before[1], 1))
        else:
            found[node.name] = before
    return found


def _out(node: Node, side: int | None, axis: int) -> int | None:
    """Pixels of one axis after a node, or None where the input's are not known or too few."""
    kernel, stride = node.kernel[axis], node.strides[axis]
    if side is None:
        return None
    if node.pads == "ceil":
        return out_size("ceil", side, kernel, stride)
    if isinstance(node.pads, str):
        return -(-side // stride)
    reach = (kernel - 1) * node.dilation[axis] + 1
    out = (side + sum(node.pads[axis]) - reach) // stride + 1
    return out if out > 0 else None


def pads_by(node: Node, rule: PoolPaddingRule, size: Size) -> bool:
    """Whether a node pads by a rule, on a map of `size`.

    Amounts are the symmetric rule's whatever the size; those of the others only at the size that the file fixes.
    """
    return all(_pads_by(node, rule, size[axis], axis) for axis in (0, 1))


def _pads_by(node: Node, rule: PoolPaddingRule, side: int | None, axis: int) -> bool:
    kernel, stride = node.kernel[axis], node.strides[axis]
    if isinstance(node.pads, str):
        if node.pads in (rule, "same") and (rule == node.pads or (kernel == stride == 2 and rule == "ceil")):
            return True
        # With stride 1 and an odd window, SAME is the symmetric rule at every size; a 1x1 window needs nothing.
        return rule == "symmetric" and node.pads != "ceil" and kernel % 2 == 1 and (stride == 1 or kernel == 1)
    amounts = node.pads[axis]
    if rule == "symmetric":
        return amounts == padding("symmetric", 0, kernel, stride)
    return side is not None and amounts == padding(rule, side, kernel, stride)
