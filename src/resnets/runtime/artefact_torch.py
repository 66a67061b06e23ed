"""The torch artefact: a .pt2 of torch.export that runs where resnets is not installed, with its facts beside the graph.

Reading one is strict, for loading it is not harmless (`pt2.py`).
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch
from torch.export import ExportedProgram

from resnets.files import atomic
from resnets.files.byte_ranges import opened
from resnets.files.errors import FileError
from resnets.files.zip_entries import directory, entries
from resnets.runtime.artefact_facts import Ends, Facts, check_ends, read_facts
from resnets.runtime.packaged import Packaged
from resnets.runtime.program import to_program
from resnets.runtime.pt2 import EXTRA, MOST_MEMBERS, OUTPUTS_KEY, checked_texts
from resnets.spec.card import CARD_KEY


def write_torch(path: str | Path, packaged: Packaged, facts: Facts) -> None:
    """Write a packaged network as a .pt2 with its facts, at once; equal ones give equal files under one torch.

    Raises `ValueError` for a name that does not end in .pt2, which torch does not open, for a network that does not fit
    the card, and as `atomic.write`.
    """
    if Path(path).suffix != ".pt2":
        raise ValueError(f"cannot write {path}: torch opens such a file by its ending; give a name that ends in .pt2")
    program = to_program(packaged)
    check_ends(facts.card, _ends(program, packaged.outputs))
    for node in program.graph.nodes:  # where it was traced: lines and paths of this machine
        node.meta = {key: value for key, value in node.meta.items() if key == "val"}
    program._example_inputs = None
    file = io.BytesIO()
    texts = facts.texts() | {OUTPUTS_KEY: ",".join(packaged.outputs)}
    torch.export.save(program, file, extra_files=texts)
    atomic.write(path, file.getvalue())


def read_torch_file(path: Path) -> tuple[Facts, ExportedProgram, tuple[str, ...]]:
    """Return facts, the program and the names of its outputs; raise `FileError` for anything else."""
    with opened(path) as file:
        texts = checked_texts(file)
        facts, outputs = read_facts(texts), tuple(texts.get(OUTPUTS_KEY, "").split(","))
        file.seek(0)
        try:
            program = torch.export.load(file)
        except Exception as error:  # whatever a damaged graph does to torch
            raise FileError(f"torch {torch.__version__} cannot load its graph ({str(error).strip()[:200]})") from None
    check_ends(facts.card, _ends(program, outputs))
    return facts, program, outputs


def is_torch_artefact(path: Path) -> bool:
    """Say whether a file is a .pt2 with a card, whatever else may be wrong with it."""
    try:
        with opened(path) as file:
            return any(entry.name == EXTRA + CARD_KEY for entry in entries(directory(file, MOST_MEMBERS)))
    except FileError:
        return False


def _ends(program: ExportedProgram, outputs: tuple[str, ...]) -> Ends:
    nodes = list(program.graph.nodes)
    names = set(program.graph_signature.user_inputs)
    inputs = {node.name: _sides(node, torch.uint8) for node in nodes if node.op == "placeholder" and node.name in names}
    (returned,) = program.graph.output_node().args
    if len(returned) != len(outputs):
        raise FileError(f"its graph gives {len(returned)} values, and {len(outputs)} are named")
    given = {name: _sides(node, torch.float32) for name, node in zip(outputs, returned, strict=True)}
    return Ends(inputs, given, len(nodes))


def _sides(node: Any, wanted: torch.dtype) -> tuple[int, ...] | None:
    value = node.meta["val"]
    if value.dtype != wanted or not value.shape:
        return None
    count, *sides = value.shape
    free = isinstance(count, torch.SymInt) and all(isinstance(side, int) for side in sides)
    return tuple(sides) if free else None
