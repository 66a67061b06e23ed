"""Keras's `model_config` -> Graph: functional and sequential, Keras 2 and 3, models inside models laid open."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from resnets.files.errors import FileError
from resnets.weights.dialects.graph import Graph, Node, ordered
from resnets.weights.dialects.keras_kinds import read_kind
from resnets.weights.dialects.keras_numbers import KerasNumbers, Shapes, snake

MODELS = ("Functional", "Model", "Sequential")
"""Classes that hold layers; a config of any other class has none to follow."""

MOST_NODES = 20_000
MOST_NESTED = 8

Ref = tuple[str, int, int]
"""A tensor: the layer's name, which of its calls, which of the call's outputs."""


@dataclass(frozen=True, slots=True)
class _Layer:
    """One entry of a config: `calls` are the tensors that each of its calls takes, and whatever else it is given."""

    name: str
    word: str
    config: Mapping[str, Any]
    calls: list[tuple[list[Ref], str]]

    @property
    def is_model(self) -> bool:
        return self.word in MODELS and "layers" in _settings(self.config)


@dataclass(frozen=True, slots=True)
class _Where:
    """Where in the models a model is: the names down to it, its place in Keras 3's tree, which call of it."""

    path: tuple[str, ...] = ()
    place: str = ""
    call: str = ""


def keras_graph(model_config: str | Mapping[str, Any], shapes: Shapes) -> Graph:
    """Return the graph of a Keras model, with the tensors of its file in its layers.

    `model_config` is what a legacy file keeps under that name, or a `.keras` archive as config.json; `shapes` are
    the file's tensors as they are stored. A layer whose tensors the file does not hold has no numbers.

    Raises `FileError` for a config that is not as Keras writes it, or that holds no graph.
    """
    try:
        config = json.loads(model_config) if isinstance(model_config, str) else model_config
        if "layers" not in _settings(config["config"]):
            raise FileError(
                f"its model is a {str(config.get('class_name'))[:40]!r}, whose config holds no layers; only "
                "functional and sequential models say how their layers are joined"
            )
        builder = _Builder(KerasNumbers(shapes))
        outputs = builder.model(config["config"], _Where(), [])
        return Graph(nodes=ordered(builder.nodes), outputs=tuple(outputs))
    except FileError:
        raise
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, RecursionError) as error:
        raise FileError(f"its model_config is not as Keras writes it: {error!r:.200}") from None


class _Builder:
    """Lays models open, one inside the other, into one set of nodes."""

    def __init__(self, numbers: KerasNumbers) -> None:
        self.numbers = numbers
        self.nodes: dict[str, Node] = {}

    def model(self, config: Any, where: _Where, given: list[str]) -> list[str]:
        """Add a model's nodes; `given` feeds the inputs of a model inside another. Return its outputs' nodes."""
        if len(where.path) > MOST_NESTED:
            raise FileError(f"its models are nested more than {MOST_NESTED} deep")
        layers, inputs, outputs = _read(_settings(config))
        models = {layer.name for layer in layers if layer.is_model}
        first = _first_calls(layers, outputs)
        counts: dict[str, int] = {}

        def node_name(ref: Ref) -> str:
            """The node that yields a tensor; a model yields each of its outputs through a node of its own."""
            name, number = ref[0], max(ref[1] - first.get(ref[0], 0), 0)
            full = "/".join((*where.path, name)) + where.call + (f"#{number}" if number else "")
            return f"{full}:{ref[2]}" if name in models else full

        for layer in layers:
            key = snake(layer.word)
            counts[key] = counts.get(key, -1) + 1
            place = f"{where.place}layers/{key}" + (f"_{counts[key]}" if counts[key] else "")
            if layer.word == "InputLayer" and where.path:
                source = given[inputs.index(layer.name)] if layer.name in inputs else given[0]
                self._add(node_name((layer.name, 0, 0)), layer, where, (source,), kind="nothing")
                continue
            for number, (refs, given_too) in enumerate(
                layer.calls or ([([], "")] if layer.word == "InputLayer" else [])
            ):
                sources = [node_name(ref) for ref in refs]
                number += first.get(layer.name, 0)
                if layer.is_model:
                    call = node_name((layer.name, number, 0)).removeprefix("/".join((*where.path, layer.name)))
                    below = _Where((*where.path, layer.name), f"{place}/", call.rpartition(":")[0])
                    for output, source in enumerate(self.model(layer.config, below, sources)):
                        self._add(node_name((layer.name, number, output)), layer, where, (source,), kind="nothing")
                else:
                    self._layer(node_name((layer.name, number, 0)), layer, where, tuple(sources), place, given_too)
        return [node_name(ref) for ref in outputs]

    def _layer(
        self, name: str, layer: _Layer, where: _Where, sources: tuple[str, ...], place: str, given_too: str
    ) -> None:
        """Add what one layer does, one thing after the other; the last bears the layer's name."""
        reading = read_kind(layer.word, layer.config, len(sources), given_too)
        for number, facts in enumerate(reading, 1):
            called = name if number == len(reading) else f"{name}~{number}"
            numbers = self.numbers.of((*where.path, layer.name), place, facts["kind"], layer.config)
            self._add(called, layer, where, sources, numbers=numbers, **facts)
            sources = (called,)

    def _add(self, name: str, layer: _Layer, where: _Where, inputs: tuple[str, ...], **facts: Any) -> None:
        if name in self.nodes:
            raise FileError(f"its model_config has two layers called {name[:100]!r}")
        if len(self.nodes) >= MOST_NODES:
            raise FileError(f"its model_config has more than {MOST_NODES:,} layers")
        title = "/".join((*where.path, layer.name))
        self.nodes[name] = Node(name=name, layer=title, word=layer.word, inputs=inputs, **facts)


def _settings(config: Any) -> Mapping[str, Any]:
    """A model's config; the Sequential of Keras before 2.2.3 is a bare list of layers."""
    return {"layers": config} if isinstance(config, list) else config


def _read(config: Mapping[str, Any]) -> tuple[list[_Layer], list[str], list[Ref]]:
    """Return a model's layers, the names of its inputs, and its outputs."""
    entries = config["layers"]
    if "output_layers" not in config:
        return _sequential(entries, config.get("build_input_shape") or config.get("batch_input_shape"))
    names = {str(entry.get("name") or entry["config"]["name"]) for entry in entries}
    layers = [
        _Layer(
            str(entry.get("name") or entry["config"]["name"]),
            str(entry["class_name"]),
            entry["config"],
            [
                (list(_refs(call, names)), json.dumps(_others(call, names))[:200])
                for call in _calls(entry.get("inbound_nodes") or [], names)
            ],
        )
        for entry in entries
    ]
    inputs = [ref[0] for ref in _refs(config["input_layers"], names)]
    return layers, inputs, list(_refs(config["output_layers"], names))


def _sequential(entries: list[Any], shape: Any) -> tuple[list[_Layer], list[str], list[Ref]]:
    """One layer after the other; where no InputLayer begins, one is put there."""
    layers: list[_Layer] = []
    if not entries or entries[0]["class_name"] != "InputLayer":
        shape = shape or (_settings(entries[0]["config"]).get("batch_input_shape") if entries else None)
        layers.append(_Layer("the input", "InputLayer", {"batch_input_shape": shape}, []))
    for entry in entries:
        name = str(_settings(entry["config"]).get("name") or entry.get("name") or f"layer {len(layers)}")
        calls = [([(layers[-1].name, 0, 0)], "")] if layers else []
        layers.append(_Layer(name, str(entry["class_name"]), entry["config"], calls))
    return layers, [layers[0].name], [(layers[-1].name, 0, 0)]


def _calls(inbound: Any, names: set[str]) -> list[Any]:
    """The calls of a layer. Keras 2 writes a call of TensorFlow's functions without the list around its tensors."""
    return [[call] if _is_ref(call, names) else call for call in inbound]


def _refs(value: Any, names: set[str]) -> Iterator[Ref]:
    """Yield every tensor that a call speaks of, in order, wherever it stands among the arguments."""
    if isinstance(value, Mapping):
        if value.get("class_name") == "__keras_tensor__":
            name, node, output = value["config"]["keras_history"]
            yield str(name), int(node), int(output)
        else:
            for inner in value.values():
                yield from _refs(inner, names)
    elif isinstance(value, list | tuple):
        if _is_ref(value, names):
            yield value[0], value[1], value[2]
            value = value[3:]
        for inner in value:
            yield from _refs(inner, names)


def _others(value: Any, names: set[str]) -> Any:
    """Return what a call is given besides tensors: the mean that a function subtracts."""
    if isinstance(value, Mapping):
        if value.get("class_name") in ("__keras_tensor__", "__ellipsis__", "__tensor__", "__numpy__"):
            return value.get("config", {}).get("value")
        found = {key: _others(inner, names) for key, inner in value.items()}
        return {key: inner for key, inner in found.items() if inner not in _NOTHING}
    if isinstance(value, list | tuple):
        kept = [_others(inner, names) for inner in (value[3:] if _is_ref(value, names) else value)]
        kept = [inner for inner in kept if inner not in _NOTHING]
        return kept[0] if len(kept) == 1 else kept
    return value


_NOTHING: tuple[Any, ...] = (None, {}, [])


def _is_ref(value: Any, names: set[str]) -> bool:
    """["conv2d", 0, 0], or ["conv2d", 0, 0, {...}]."""
    return (
        isinstance(value, list | tuple)
        and len(value) in (3, 4)
        and isinstance(value[0], str)
        and value[0] in names
        and all(isinstance(number, int) for number in value[1:3])
    )


def _first_calls(layers: list[_Layer], outputs: list[Ref]) -> dict[str, int]:
    """From which number the calls of each layer are counted: Keras leaves out a model's own first call."""
    last: dict[str, int] = {}
    for ref in [*outputs, *(ref for layer in layers for refs, _ in layer.calls for ref in refs)]:
        last[ref[0]] = max(last.get(ref[0], 0), ref[1])
    return {layer.name: max(last.get(layer.name, 0) - max(len(layer.calls) - 1, 0), 0) for layer in layers}
