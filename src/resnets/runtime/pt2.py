"""Strict reading of a .pt2: its texts, after every member is known to be one that cannot be executed.

torch.export.load executes what it is given in three ways (torch 2.15): it unpickles constants, weights that say so and
example inputs, with weights_only=False where True fails; it evaluates the texts of symbolic sizes (sympy.sympify); and
names and guards of the graph become lines of Python. So nothing is loaded before every member and every text of the
file is known to be one that cannot be any of these (docs/decisions/0016).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from math import prod
from typing import Any, BinaryIO

from resnets.files.byte_ranges import read_at
from resnets.files.errors import FileError
from resnets.files.zip_entries import STORED, ZipEntry, content, directory, entries
from resnets.runtime.artefact_facts import KEYS, MAX_REPORT
from resnets.runtime.lower_onnx import TABLE
from resnets.spec.card import MAX_CARD

OUTPUTS_KEY = "resnets_outputs"
"""The names of what comes out, in order, parted by commas: a program gives a tuple."""

ROOT, EXTRA, GRAPH = "archive/", "archive/extra/", "archive/models/model.json"
CONFIGS = ("archive/data/weights/model_weights_config.json", "archive/data/constants/model_constants_config.json")
EMPTY = "archive/data/sample_inputs/model.pt"
"""A pickle of example inputs, which is unpickled unless it has no bytes."""

SMALL = ("archive_format", "archive_version", ".data/version", "byteorder", ".data/serialization_id")
NUMBERS = re.compile(r"archive/data/(?:weights/weight|constants/tensor)_\d+")

MOST_MEMBERS = 100_000
MOST_JSON = 64 << 20
"""Bytes of one JSON; the graph of ResNet-1202 has 10 million."""

TARGETS = {f"torch.ops.{name}" for name in TABLE} | {
    f"torch.ops.aten.{name}.default" for name in ("lift_fresh_copy", "detach_", "detach", "view")
}
PLAIN = re.compile(r"-?[\w.+]*", re.ASCII)
"""A text without a call, a quotation mark or a space in it: a name, a path of names, a version, "-Infinity"."""
SYMBOL = re.compile(r"-?\d+|s\d+|Symbol\('s\d+'(?:, (?:positive|integer)=True)*\)", re.ASCII)
NODES = ("builtins.tuple", "builtins.list", "builtins.dict", None)
"""Of the tree of arguments or results; other types are looked up by name."""


def checked_texts(file: BinaryIO) -> dict[str, str]:
    """Return the texts that an open .pt2 carries beside its graph.

    Raises `FileError` for any other file, and for one in which anything could be executed when torch loads it.
    """
    members = _members(file)
    keys = [key for key in (*KEYS, OUTPUTS_KEY) if EXTRA + key in members]
    texts = {key: _text(file, members, EXTRA + key, MAX_CARD * 4 + MAX_REPORT) for key in keys}
    _check(file, members)
    return texts


def _members(file: BinaryIO) -> dict[str, ZipEntry]:
    listed = list(entries(directory(file, MOST_MEMBERS)))
    members = {entry.name: entry for entry in listed}
    known = {GRAPH, EMPTY, *CONFIGS, *(ROOT + name for name in SMALL), *(EXTRA + key for key in (*KEYS, OUTPUTS_KEY))}
    strange = [name for name in members if name not in known and not NUMBERS.fullmatch(name)]
    if strange or len(listed) != len(members):
        raise FileError(f"it holds {strange[0][:100] if strange else 'a member twice'}, which no artefact does")
    if members.get(EMPTY) is not None and members[EMPTY].size:
        raise FileError(f"its {EMPTY} is a pickle, which is not executed; export it again")
    if any(entry.method != STORED for entry in listed):
        raise FileError("its members are packed, and torch stores them; it is damaged or no artefact")
    return members


def _text(file: BinaryIO, members: dict[str, ZipEntry], name: str, most: int) -> str:
    entry = members.get(name)
    if entry is None:
        raise FileError(f"it has no {name}; it is damaged or no artefact")
    if entry.size > most:
        raise FileError(f"its {name} has {entry.size:,} bytes; at most {most:,} are read")
    data = content(lambda start, size: read_at(file, start, size), *entry[2:])
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise FileError(f"its {name} is no text in UTF-8") from None


def _check(file: BinaryIO, members: dict[str, ZipEntry]) -> None:
    """Raise `FileError` unless every text that torch will read is one of those that cannot be executed."""
    for name in CONFIGS:
        config = _json(file, members, name)
        for key, stored in config["config"].items():
            _check_numbers(str(key)[:100], stored, members, name.rpartition("/")[0])
        _check_texts(config)
    graph = _json(file, members, GRAPH)
    if graph.get("guards_code") or graph["graph_module"]["graph"].get("custom_obj_values"):
        raise FileError("its graph has guards or objects of its own, which no artefact has")
    for node in graph["graph_module"]["graph"]["nodes"]:
        if node["target"] not in TARGETS:
            raise FileError(f"its graph does {str(node['target'])[:100]}, which is none of what an artefact does")
    _check_texts(graph)


def _json(file: BinaryIO, members: dict[str, ZipEntry], name: str) -> Any:
    try:
        return json.loads(_text(file, members, name, MOST_JSON))
    except (ValueError, RecursionError) as error:
        raise error if isinstance(error, FileError) else FileError(f"its {name} holds no JSON") from None


def _check_numbers(key: str, stored: Any, members: dict[str, ZipEntry], folder: str) -> None:
    entry = members.get(f"{folder}/{stored['path_name']}")
    if stored["use_pickle"] is not False or entry is None or not NUMBERS.fullmatch(entry.name):
        raise FileError(f"its {key} is not stored as plain numbers, and pickles are not executed; export it again")
    sides = [each.get("as_int") for each in stored["tensor_meta"]["sizes"]]
    # Of no bytes torch would make as many zeros as are claimed.
    if any(type(side) is not int or side < 0 for side in sides) or not 0 < prod(sides) <= entry.size:
        raise FileError(f"its {key} says that it is {sides}, in {entry.size:,} bytes")


def _check_texts(value: Any) -> None:
    for key, text in _texts(value):
        if key in ("in_spec", "out_spec"):
            _check_tree(text)
        elif not PLAIN.fullmatch(text) and not (key == "expr_str" and SYMBOL.fullmatch(text)):
            raise FileError(f"its graph holds the text {text[:60]!r}, which could be executed; export it again")


def _check_tree(text: str) -> None:
    try:
        version, tree = json.loads(text)
        todo = [tree]
        while todo:
            node = todo.pop()
            if node["type"] not in NODES or node["context"] not in ("null", "[]", None) or len(node) != 3:
                raise FileError(f"its graph takes or gives a {str(node['type'])[:100]}; an artefact's are plain tuples")
            todo += node["children_spec"]
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise error if isinstance(error, FileError) else FileError("its graph's arguments are not described") from None
    if version != 1:
        raise FileError(f"its graph's arguments are described in version {version}; 1 is read")


def _texts(value: Any) -> Iterator[tuple[str, str]]:
    """Every text of a JSON value with the key it stands under; a key stands under itself."""
    todo: list[tuple[str, Any]] = [("", value)]
    while todo:
        key, part = todo.pop()
        if isinstance(part, str):
            yield key, part
        elif isinstance(part, dict):
            for name, inner in part.items():
                yield "", name
                todo.append((name, inner))
        elif isinstance(part, list):
            todo += ((key, inner) for inner in part)
