"""Follow: from a graph to an architecture and its tensors, checked layer by layer against the plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, get_args

from resnets.files.errors import FileError
from resnets.spec.architecture import PoolPaddingRule, Role, ShortcutKind, Stem
from resnets.spec.plan import Conv, Plan
from resnets.spec.resolve import plan
from resnets.weights.dialects.compare import Pair, compare, norms_after
from resnets.weights.dialects.graph import Graph, Node, Numbers
from resnets.weights.dialects.rows import Row, candidates, telling
from resnets.weights.dialects.simplify import pads_by
from resnets.weights.dialects.trunk import Trunk, find_trunk
from resnets.weights.dialects.units import Step, Unit


@dataclass(frozen=True, kw_only=True, slots=True)
class Followed:
    """A network as its graph says it.

    `facts` are the fields of an `Architecture`, without name and source, and without those that do nothing in this
    network; the file states each of them. `layers`: our layer -> the file's, for every layer with numbers there.
    `tensors`: our tensor -> the file's, and how it is turned. `filled`: our tensor -> the number that fills it,
    where the file holds none because it would change nothing. The two together are all tensors of the plan.
    `preprocessing` is what the graph first does to a picture; `set_aside` are layers that are not of the network;
    `notes` say what was left out because it makes no difference to the answers.
    """

    facts: Mapping[str, Any]
    layers: Mapping[str, str]
    tensors: Mapping[str, Numbers]
    filled: Mapping[str, float]
    preprocessing: tuple[Node, ...]
    set_aside: tuple[str, ...]
    notes: tuple[str, ...]


def follow(graph: Graph) -> Followed:
    """Return the architecture that a graph is, and which of its tensors is which of ours.

    Where norms were folded into the convolutions before them, norms that change nothing are put back: mean 0,
    variance 1 - eps, weight 1, and the convolution's bias.

    Raises `FileError` naming the layer that this family cannot express.
    """
    trunk = find_trunk(graph)
    _check_shared(trunk)
    folded = _is_folded(trunk)
    rows = [_row(unit) for unit in trunk.units]
    furthest: tuple[int, str] = (-1, "no architecture has such units")
    for arch in candidates(rows, _facts(trunk, folded=folded)):
        network = plan(arch)
        pairs, difference = compare(network, trunk, folded=folded)
        if difference is None:
            return _followed(network, trunk, pairs, folded=folded)
        if len(pairs) > furthest[0]:
            furthest = len(pairs), difference
    raise FileError(f"its graph is no network of this family: {furthest[1]}")


def _followed(network: Plan, trunk: Trunk, pairs: Sequence[Pair], *, folded: bool) -> Followed:
    """Which tensor is which, and what fills those that the file does not hold."""
    after = norms_after(network)
    gone = [ours.name for ours, node in pairs if node is None]
    layers = {ours.name: node.layer for ours, node in pairs if node}
    tensors = {f"{ours.name}.{slot}": held for ours, node in pairs if node for slot, held in node.numbers.items()}
    for norm in gone:
        if (bias := tensors.pop(f"{after[norm]}.bias", None)) is not None:
            tensors[f"{norm}.bias"] = bias
    eps = network.architecture.norm_eps
    filled: dict[str, float] = {}
    for name in network.tensors():
        layer, _, slot = name.rpartition(".")
        if name not in tensors:
            at_rest = 1.0 - eps if layer in gone else 1.0
            filled[name] = {"weight": 1.0, "running_var": at_rest}.get(slot, 0.0)
    notes = list(trunk.notes)
    if folded:
        notes.append(f"its norms are folded into its convolutions; {len(gone)} that change nothing stand for them")
    if (rules := _rules_at_size(network, pairs)) and (size := _size(trunk)):
        notes.append(f"it pads as at {size['size']} pixels, which is {' and '.join(rules)} there and at sizes like it")
    if trunk.head and len(set(trunk.head.rates)) > 1:
        notes.append(f"its head drops {trunk.head.rates[0]:g} and then {trunk.head.rates[1]:g} while training")
    return Followed(
        facts=telling(network.architecture) | _size(trunk),
        layers=layers,
        tensors=tensors,
        filled=filled,
        preprocessing=trunk.preprocessing,
        set_aside=trunk.set_aside,
        notes=tuple(notes),
    )


def _rules_at_size(network: Plan, pairs: Sequence[Pair]) -> list[str]:
    """The rules that the file does not name: it has their amounts, at one size."""
    rules = {ours.padding for ours, node in pairs if node and isinstance(ours, Conv) and not isinstance(node.pads, str)}
    return sorted(rules - {"symmetric"})


def _check_shared(trunk: Trunk) -> None:
    """Refuse a layer that is used twice: a network of this family has each of its numbers once."""
    seen: set[str] = set()
    for step in (*trunk.stem, *(step for unit in trunk.units for step in unit.all_steps)):
        if step.conv.layer in seen:
            raise FileError(f"{step.conv.title} is used twice; a network of this family uses each layer once")
        seen.add(step.conv.layer)


def _is_folded(trunk: Trunk) -> bool:
    """Whether no convolution of a branch is followed by a norm, though in this family each one is."""
    steps = [step for unit in trunk.units for step in (unit.steps if trunk.order == "post" else unit.steps[1:])]
    return not any(step.norm for step in steps)


def _row(unit: Unit) -> Row:
    convs = [step.conv for step in unit.steps]
    for conv in convs:
        if "weight" not in conv.numbers or len(conv.numbers["weight"].shape) != 4:
            raise FileError(f"the file holds no weight of {conv.title}, which its graph speaks of")
    first = convs[0].numbers["weight"].shape[1] * convs[0].groups
    return Row(
        title=unit.title,
        channels=(first, *(conv.numbers["weight"].shape[0] for conv in convs)),
        groups=max(conv.groups for conv in convs),
        projects=unit.projection is not None,
        stride=prod(conv.strides[0] for conv in convs),
    )


def _facts(trunk: Trunk, *, folded: bool) -> dict[str, Any]:
    """The facts that the units' channels and strides do not tell."""
    norms = [step.norm for step in _all_steps(trunk) if step.norm] + ([trunk.norm] if trunk.norm else [])
    facts: dict[str, Any] = {"order": trunk.order, "conv_bias": _biases(trunk, folded=folded)}
    facts |= _stem(trunk) | _shortcuts(trunk, folded=folded) | _head(trunk)
    if norms:
        facts["norm_eps"] = norms[0].eps
    striding = [step.conv for step in _all_steps(trunk) if step.conv.strides != (1, 1) and step.conv.kernel != (1, 1)]
    if striding and not pads_by(striding[0], "symmetric", trunk.size_into(striding[0])):
        facts["padding"] = "same"
    if trunk.pool:
        facts |= _pool(trunk.pool, trunk)
    gate = trunk.units[0].gate
    if gate and all("weight" in node.numbers for node in gate.inner):
        squeezed, channels = gate.inner[0].numbers["weight"].shape[:2]
        facts["se_reduction"] = channels // max(squeezed, 1)
    return facts


def _stem(trunk: Trunk) -> dict[str, Any]:
    convs = [step.conv for step in trunk.stem]
    kinds: dict[tuple[int, tuple[int, int]], Stem] = {
        (1, (7, 7)): "imagenet",
        (1, (3, 3)): "cifar",
        (3, (3, 3)): "deep",
    }
    kind = kinds.get((len(convs), convs[0].kernel))
    if kind is None or "weight" not in convs[0].numbers or "weight" not in convs[-1].numbers:
        raise FileError(
            f"its stem has {len(convs)} convolutions, the first {convs[0].title} of {convs[0].kernel[0]}x"
            f"{convs[0].kernel[1]}; stems of one 7x7, three 3x3 or one 3x3 are known"
        )
    out, into = convs[-1].numbers["weight"].shape[0], convs[0].numbers["weight"].shape[1]
    return {"stem": kind, "stem_width": out, "in_channels": into}


def _size(trunk: Trunk) -> dict[str, Any]:
    """The side of the picture, where the file fixes one."""
    height, width = trunk.size_into(trunk.stem[0].conv)
    return {"size": height} if height and height == width else {}


def _pool(pool: Node, trunk: Trunk) -> dict[str, Any]:
    size = trunk.size_into(pool)
    rule = next((rule for rule in get_args(PoolPaddingRule) if pads_by(pool, rule, size)), "symmetric")
    return {"pool_padding": rule, "pool_fill": "zero" if pool.fill == 0 else "-inf"}


def _shortcuts(trunk: Trunk, *, folded: bool) -> dict[str, Any]:
    units = trunk.units
    projecting = [unit for unit in units if unit.projection]
    if any(unit.skip == "none" for unit in units):
        kind: ShortcutKind = "none"
    elif any(unit.skip == "zero_pad" for unit in units):
        kind = "zero_pad"
    else:
        kind = "pooled_projection" if any(unit.pool for unit in units) else "projection"
    facts: dict[str, Any] = {"shortcut": kind}
    if kind in ("none", "zero_pad"):
        facts["projects"] = "shape_changes"
    if kind == "zero_pad":
        widening = [unit.widening.channels for unit in units if unit.widening]
        facts["zero_pad_side"] = "both" if any(before for before, _ in widening) else "after"
    if projecting:
        norms = any(unit.projection.norm for unit in projecting if unit.projection)
        facts["projection_norm"] = norms or (folded and trunk.order == "post")
    return facts


def _biases(trunk: Trunk, *, folded: bool) -> tuple[Role, ...]:
    """The roles of which a convolution has a bias, but for biases that stand for a folded norm."""
    post, pre = trunk.order == "post", trunk.order == "pre"
    convs: dict[Role, list[Node]] = {
        "stem": [step.conv for step in trunk.stem] if not folded or pre else [],
        "inner": [step.conv for unit in trunk.units for step in unit.steps[:-1]] if not folded else [],
        "last": [unit.steps[-1].conv for unit in trunk.units] if not (folded and post) else [],
        "projection": [u.projection.conv for u in trunk.units if u.projection] if not (folded and post) else [],
    }
    return tuple(role for role, nodes in convs.items() if any("bias" in node.numbers for node in nodes))


def _head(trunk: Trunk) -> dict[str, Any]:
    head = trunk.head
    if head is None:
        return {"head": "none"}
    weights = [node.numbers["weight"].shape for node in head.linears if "weight" in node.numbers]
    if len(weights) != len(head.linears):
        raise FileError(f"the file holds no weight of {head.linears[0].title} or {head.linears[-1].title}")
    facts: dict[str, Any] = {"head": "linear", "num_classes": weights[-1][0], "head_pooling": head.pooling}
    if len(weights) == 2:
        facts |= {"head": "mlp", "head_width": weights[0][0], "dropout": head.rates[0]}
    return facts


def _all_steps(trunk: Trunk) -> list[Step]:
    return [*trunk.stem, *(step for unit in trunk.units for step in unit.all_steps)]
