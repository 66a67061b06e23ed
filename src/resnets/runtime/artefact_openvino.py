"""The OpenVINO artefact: a folder of model.xml and model.bin, with its facts in the model's rt_info."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
from pathlib import Path
from typing import Any

from resnets.files.byte_ranges import length, opened, read_at
from resnets.files.errors import FileError
from resnets.runtime.artefact_facts import KEYS, MAX_REPORT, Ends, Facts, check_ends, read_facts
from resnets.runtime.quiet import load
from resnets.spec.card import CARD_KEY, MAX_CARD

GRAPH, NUMBERS = "model.xml", "model.bin"

MOST_GRAPH = (64 << 20) + 6 * (MAX_CARD + MAX_REPORT)
"""Bytes of model.xml, in which a quotation mark takes six; that of ResNet-1202 has 15 million."""

AUTOMATIC = re.compile(r"[A-Za-z]+_\d+")
"""A name that OpenVINO gave by itself, which counts all that its process ever made."""


def write_openvino(folder: str | Path, model: Any, facts: Facts) -> None:
    """Write an openvino.Model as a folder with its facts; equal ones give equal files.

    The folder is written beside and then named, so that it is there whole or not at all; an artefact that is there
    already is replaced. Raises `ValueError` for a graph that does not fit the card, and where the folder above is
    absent or something else than an OpenVINO artefact has the name.
    """
    openvino = load("openvino")
    check_ends(facts.card, _ends(openvino, model))
    model = _plain(openvino, model)
    for key, text in facts.texts().items():
        model.set_rt_info(text, key)
    target = Path(os.path.realpath(folder))
    if not target.parent.is_dir():
        above = Path(folder).parent
        raise FileError(f"cannot write {folder}: there is no folder {above}; make it first: mkdir -p {above}")
    if target.exists() and not is_openvino_artefact(target) and not (target.is_dir() and not any(target.iterdir())):
        raise FileError(f"cannot write {folder}: something else is there; give a new name, or remove it first")
    temporary = _beside(target)
    temporary.mkdir()
    try:
        openvino.serialize(model, str(temporary / GRAPH), str(temporary / NUMBERS))
        for name in (GRAPH, NUMBERS):
            with open(temporary / name, "rb+") as file:
                os.fsync(file.fileno())
        _sync(temporary)
        _rename(temporary, target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    _sync(target.parent)


def read_openvino_folder(folder: Path) -> tuple[Facts, Any, tuple[str, ...]]:
    """Return facts, the openvino.Model and the names of its outputs; raise `FileError` for anything else."""
    for name, most in ((GRAPH, MOST_GRAPH), (NUMBERS, 1 << 40)):
        with opened(folder / name) as file:
            if length(file) > most:
                raise FileError(f"its {name} has {length(file):,} bytes; at most {most:,} are read")
    openvino = load("openvino")
    try:
        model = openvino.Core().read_model(str(folder / GRAPH), str(folder / NUMBERS))
    except RuntimeError as error:
        raise FileError(f"OpenVINO cannot read it: {' '.join(str(error).split())[-200:]}") from None
    facts = read_facts({key: model.get_rt_info(key).astype(str) for key in KEYS if model.has_rt_info(key)})
    ends = _ends(openvino, model)
    check_ends(facts.card, ends)
    return facts, model, tuple(ends.outputs)


def is_openvino_artefact(folder: Path) -> bool:
    """Say whether a folder holds an OpenVINO model with a card, whatever else may be wrong with it."""
    try:
        with opened(folder / GRAPH) as file:
            # The facts are the last thing in it, but other tools' may come after them.
            start = max(0, length(file) - MOST_GRAPH)
            tail = read_at(file, start, length(file) - start)
    except FileError:
        return False
    return f"<{CARD_KEY} value=".encode() in tail


def _plain(openvino: Any, model: Any) -> Any:
    """A copy that says the same in every process: no notes of how it was made, and names that do not count on."""
    model = model.clone()
    info = model.get_rt_info()
    for key in list(info):
        del info[key]
    for at, operation in enumerate(model.get_ordered_ops()):
        for key in list(operation.get_rt_info()):
            if key.startswith(("fused_names", "originalLayersNames")):
                del operation.get_rt_info()[key]
        if AUTOMATIC.fullmatch(operation.get_friendly_name()):
            operation.set_friendly_name(f"{operation.get_type_name()}.{at}")
    return model


def _ends(openvino: Any, model: Any) -> Ends:
    types = openvino.Type
    return Ends(
        {end.get_any_name(): _sides(end, types.u8) for end in model.inputs},
        {end.get_any_name(): _sides(end, types.f32) for end in model.outputs},
        len(model.get_ops()),
    )


def _sides(end: Any, wanted: Any) -> tuple[int, ...] | None:
    shape = end.get_partial_shape()
    if end.get_element_type() != wanted or shape.rank.is_dynamic or not len(shape):
        return None
    count, *sides = shape
    free = count.is_dynamic and not any(each.is_dynamic for each in sides)
    return tuple(each.get_length() for each in sides) if free else None


def _beside(target: Path) -> Path:
    return target.with_name(f".{target.name[:64]}.{os.getpid()}.{secrets.token_hex(4)}.partial")


def _sync(folder: Path) -> None:
    """Put the names in a folder on the disk, as `atomic.write` does."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _rename(temporary: Path, target: Path) -> None:
    """Give a folder its name. A folder that has it steps aside first, for no system replaces a full one."""
    if not target.exists():
        os.rename(temporary, target)
        return
    old = _beside(target)
    os.rename(target, old)
    try:
        os.rename(temporary, target)
    except BaseException:
        os.rename(old, target)
        raise
    with contextlib.suppress(OSError):
        shutil.rmtree(old)
