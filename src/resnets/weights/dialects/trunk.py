"""Trunk: the stem, the residual units and the head of a graph, found by following its edges."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from resnets.files.errors import FileError
from resnets.spec.architecture import Order
from resnets.weights.dialects.graph import Graph, Node
from resnets.weights.dialects.read_head import HeadFound, read_head
from resnets.weights.dialects.simplify import Size, before, simplify, sizes
from resnets.weights.dialects.units import Nodes, Step, Unit, plain_units, read_post, read_unit, unexpected


@dataclass(frozen=True, kw_only=True, slots=True)
class Trunk:
    """What a graph is made of.

    `sizes` are the height and width of what each node gives. `preprocessing` is what is done to a picture before
    the stem. `set_aside` are layers with numbers that lie beside the network, as a detector's do; `notes` tell
    what makes no difference to the answers.
    """

    order: Order
    stem: tuple[Step, ...]
    pool: Node | None
    units: tuple[Unit, ...]
    norm: Node | None
    head: HeadFound | None
    sizes: dict[str, Size]
    preprocessing: Nodes
    set_aside: tuple[str, ...]
    notes: tuple[str, ...]

    def size_into(self, node: Node) -> Size:
        """Return height and width of the map that a node takes; a gate's layers take what has neither."""
        return self.sizes.get(node.inputs[0], (None, None))


@dataclass(frozen=True, slots=True)
class _Fork:
    """An addition of two ways that part at one node: `lead` goes from `root`, which is not in it, up to there."""

    add: Node
    root: str
    lead: Nodes
    ways: tuple[Nodes, Nodes]

    @property
    def nodes(self) -> Nodes:
        return (*self.lead, *self.ways[0], *self.ways[1], self.add)


def find_trunk(graph: Graph) -> Trunk:
    """Follow a graph from its picture to its logits.

    Raises `FileError` naming the layer that this family has no place for.
    """
    graph = simplify(graph)
    every_size = sizes(graph)
    forks = _forks(graph)
    root, way = (forks[0].root, forks[0].lead) if forks else _longest_way(graph)
    earlier = [graph.nodes[name] for name in before(graph.nodes, [root])]
    if any(node.kind in ("conv", "norm", "linear") for node in earlier):
        raise unexpected(graph.nodes[root], "one way from the picture to its first unit, and sums of two ways after it")
    order = _order(graph, forks)
    picture, begin = _split_picture(way)
    stem, pool, rest = _stem(_quiet(begin), order)
    if forks:
        leads = [rest, *(_quiet(fork.lead) for fork in forks[1:])]
        units = [
            read_unit(fork.add, lead, (_quiet(fork.ways[0]), _quiet(fork.ways[1])), order, first=fork is forks[0])
            for fork, lead in zip(forks, leads, strict=True)
        ]
        end = _end(graph, forks[-1].add, order)
        trunk = [*(node for fork in forks for node in fork.nodes), *end]
    else:
        body = _body(rest)
        units, end = plain_units(body), body[-1:]
        trunk = [*way[: way.index(body[-1]) + 1]]
    head = read_head(graph, end[-1], every_size)
    used = {node.name for node in (*earlier, *trunk, *(head.path if head else ()))}
    return Trunk(
        order=order,
        stem=stem,
        pool=pool,
        units=tuple(units),
        norm=end[0] if order == "pre" else None,
        head=head,
        sizes=every_size,
        preprocessing=tuple(node for node in (*earlier, *picture) if node.kind != "input"),
        set_aside=_beside(graph, used, end[-1], headless=head is None),
        notes=tuple(_notes(trunk, head)),
    )


def _forks(graph: Graph) -> list[_Fork]:
    """The additions that follow one upon the other, from the first on."""
    by_root: dict[str, list[_Fork]] = {}
    first: _Fork | None = None
    for node in graph.nodes.values():
        if node.kind == "add" and len(node.inputs) == 2:
            ways = [_way(graph, source) for source in node.inputs]
            (root, one), (other_root, other) = ways
            if root != other_root:
                continue
            shared = 0
            while shared < min(len(one), len(other)) and one[shared].name == other[shared].name:
                shared += 1
            fork = _Fork(node, root, one[:shared], (one[shared:], other[shared:]))
            by_root.setdefault(root, []).append(fork)
            first = first or fork
    found = [first] if first else []
    while found and (following := by_root.get(found[-1].add.name)):
        if len(following) > 1:
            titles = ", ".join(fork.add.title for fork in following)
            raise FileError(f"after {found[-1].add.title} the network goes on in several ways: {titles}")
        found.append(following[0])
    return found


def _way(graph: Graph, name: str) -> tuple[str, Nodes]:
    """Go back from a node as long as there is one way: where that ends, and the nodes after it."""
    nodes: list[Node] = []
    while len(graph.nodes[name].inputs) == 1:
        nodes.append(graph.nodes[name])
        name = graph.nodes[name].inputs[0]
    return name, tuple(reversed(nodes))


def _longest_way(graph: Graph) -> tuple[str, Nodes]:
    """The way to the output of a network that adds nowhere."""
    ways = [_way(graph, name) for name in graph.outputs]
    if not ways:
        raise FileError("its graph gives nothing")
    root, nodes = max(ways, key=lambda way: len(way[1]))
    if root and graph.nodes[root].kind != "input" and not any(node.kind == "conv" for node in nodes):
        raise unexpected(graph.nodes[root], "an addition of a branch and a shortcut, or one way without any")
    return root, nodes


def _order(graph: Graph, forks: list[_Fork]) -> Order:
    """What follows the first sum says it: a ReLU, or the next unit's norm."""
    if not forks:
        return "post"
    after = graph.consumers()[forks[0].add.name]
    if any(node.kind == "relu" for node in after):
        return "post"
    if any(node.kind in ("norm", "add") for node in after):
        return "pre"
    if after:
        raise unexpected(after[0], "a ReLU after the sum, or a norm where the order is pre-activation")
    raise FileError(f"{forks[0].add.title} is where its graph ends; a ReLU or a norm has to follow")


def _split_picture(nodes: Nodes) -> tuple[Nodes, Nodes]:
    """What is done to the picture, and what begins with the first convolution."""
    for number, node in enumerate(nodes):
        if node.kind == "conv":
            return nodes[:number], nodes[number:]
        if node.kind == "norm":
            raise FileError(f"{node.title} stands before the first convolution; this family has no norm there")
    raise FileError("its graph has no convolution that a network of this family could begin with")


def _stem(nodes: Nodes, order: Order) -> tuple[tuple[Step, ...], Node | None, Nodes]:
    """The stem's steps, its pool, and what comes after: without a pool, the first convolution is the stem."""
    places = [number for number, node in enumerate(nodes) if node.kind == "pool_max"]
    if places:
        end, after, pool = places[0], places[0] + 1, nodes[places[0]]
    else:
        wanted = ["conv"] if order == "pre" else ["conv", "norm", "relu"]
        end = 0
        while end < len(nodes) and wanted and nodes[end].kind in wanted:
            wanted = wanted[wanted.index(nodes[end].kind) + 1 :]
            end += 1
        after, pool = end, None
    steps, activated = read_post(nodes[:end])
    if activated != (order == "post"):
        raise unexpected(nodes[end - 1], "a ReLU there" if order == "post" else "a bare convolution there")
    return tuple(steps), pool, nodes[after:]


def _body(nodes: Nodes) -> Nodes:
    """A plain network's nodes up to the last ReLU after a convolution."""
    convs = [number for number, node in enumerate(nodes) if node.kind == "conv"]
    if not convs:
        raise FileError("its graph adds nowhere and has one convolution or none; a plain network has more")
    end = convs[-1] + 1
    while end < len(nodes) and nodes[end].kind in ("norm", "relu"):
        end += 1
    return nodes[:end]


def _end(graph: Graph, add: Node, order: Order) -> Nodes:
    """What ends the last unit: its ReLU, or the final norm and ReLU."""
    wanted = ("relu",) if order == "post" else ("norm", "relu")
    found: list[Node] = []
    name = add.name
    for kind in wanted:
        following = [node for node in graph.consumers()[name] if node.kind == kind]
        if len(following) != 1:
            raise FileError(f"after {add.title}, the last sum, has to come {' and '.join(wanted)}; it does not")
        found += following
        name = following[0].name
    return tuple(found)


def _beside(graph: Graph, used: set[str], last: Node, *, headless: bool) -> tuple[str, ...]:
    """The layers with numbers that are not of the network: a detector's, which has several outputs.

    Raises `FileError` where it is the network itself that goes on in them: towards its only output, or in a sum that
    takes one of its maps as it is, as shortcuts do.
    """
    beside = [node for name, node in graph.nodes.items() if name not in used]
    onward = [node for node in beside if node.kind == "add" and used & set(node.inputs)]
    if headless and last.name not in graph.outputs and len(graph.outputs) == 1:
        onward += [node for node in beside if last.name in node.inputs]
    if onward:
        odd = next((node for node in beside if node.kind == "other"), onward[0])
        raise unexpected(odd, f"its next unit, its head or nothing after {last.title}")
    layers = [layer for node in beside for layer in (node.layer, *(part.layer for part in node.inner)) if node.numbers]
    return tuple(dict.fromkeys(layers))


def _quiet(nodes: Iterable[Node]) -> Nodes:
    """The nodes without dropouts, which do nothing once a network is trained."""
    return tuple(node for node in nodes if node.kind != "dropout")


def _notes(trunk: Iterable[Node], head: HeadFound | None) -> list[str]:
    notes = [f"{node.title} drops {node.rate:g} while training; not kept" for node in trunk if node.kind == "dropout"]
    if head and len(head.linears) == 1 and head.rates[0]:
        notes.append(f"its head drops {head.rates[0]:g} while training; not kept")
    if head and head.end:
        notes.append(f"it ends in {head.end}; the logits are what enters it")
    return notes
