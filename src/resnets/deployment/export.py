"""Export: a model for other engines, as a file that carries its card, and not without proof that its answers hold."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args

import numpy as np

from resnets.data.dataset import DataSet, require_classes
from resnets.data.decoding.picture import pixels
from resnets.data.errors import BadImage
from resnets.data.reading import Reading
from resnets.data.source import Source
from resnets.deployment.gate import LIMIT, TOLERANCE, Gate, check_shares, gate
from resnets.deployment.parts import Parts, parts_of
from resnets.deployment.proof import BATCHES, Refused, check_batches, check_numbers, check_read_back
from resnets.deployment.repair import Repaired, quantize_within
from resnets.evaluation.agreement import Agreement
from resnets.evaluation.answers import Answers
from resnets.evaluation.classes import How, Matching, match_classes
from resnets.evaluation.evaluate import answer_network, check_task
from resnets.evaluation.sides import Split, gather_for, seen, side
from resnets.files.atomic import check_folder
from resnets.files.errors import FileError
from resnets.inference.engined import EngineNetwork
from resnets.inference.models import open_model
from resnets.net.network import ResNet
from resnets.runtime.artefact import Kind, is_artefact, write_onnx, write_openvino, write_torch
from resnets.runtime.engine import Engine, Pictures, Precision
from resnets.runtime.fuse import fuse
from resnets.runtime.lower_onnx import to_onnx
from resnets.runtime.onnx_engine import OnnxEngine
from resnets.runtime.openvino_engine import OpenVinoEngine, read_onnx
from resnets.runtime.packaged import Packaged
from resnets.runtime.quantize import quantize
from resnets.spec.card import Card
from resnets.weights.modelfile import Model

PRECISIONS: Mapping[Kind, tuple[Precision, ...]] = MappingProxyType(
    {"onnx": ("fp32", "int8"), "openvino": ("fp32", "bf16", "int8"), "torch": ("fp32",)}
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Exported:
    """What was written, and what proves it: numbers on random pictures, and answers on the data.

    `repair` is of int8 exports. `notes` say what was decided about the data: how their classes became the model's, and
    whether it was trained on them. `is_forced` says that the gate did not pass, and somebody wanted it all the same.
    """

    path: Path
    kind: Kind
    precision: Precision
    random: Agreement
    gate: Gate | None
    repair: Repaired | None
    notes: tuple[str, ...] = ()
    is_forced: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-able values: the report that the artefact carries."""
        return {
            "to": self.kind,
            "precision": self.precision,
            "batches": list(BATCHES),
            "random": self.random.to_dict(),
            "gate": None if self.gate is None else self.gate.to_dict(),
            "repair": None if self.repair is None else self.repair.to_dict(),
            "notes": list(self.notes),
            "forced": self.is_forced,
        }


@dataclass(frozen=True, slots=True)
class _Asked:
    """A model, its labelled pictures, and how exports are judged by them."""

    model: Model
    dataset: DataSet
    matching: Matching
    tolerance: float
    limit: float

    def answers(self, network: ResNet, source: Source) -> Answers:
        card = self.model.card
        return answer_network(
            network, source, card.preprocess, classes=card.classes, matching=self.matching, batch_size=32
        )

    def judge(self, source: Source) -> Callable[[Engine], Gate]:
        """Return what compares an engine's answers on a source with the model's, which are asked for once."""
        first = self.answers(self.model.network, source)
        temperature = self.model.card.calibration.get("temperature", 1.0)

        def compare(engine: Engine) -> Gate:
            said = self.answers(EngineNetwork(self.model.card, engine), source)
            return gate(first, said, temperature, tolerance=self.tolerance, limit=self.limit)

        return compare


def export(
    model: Model | str | Path,
    out: str | Path,
    to: Kind = "openvino",
    *,
    precision: Precision = "fp32",
    data: object = None,
    split: Split = "test",
    reading: Reading | None = None,
    manifest: str | Path | None = None,
    classes: How = "exact",
    levels: tuple[str, ...] = (),
    tolerance: float = TOLERANCE,
    limit: float = LIMIT,
    force: bool = False,
) -> Exported:
    """Write a model for another engine, after proving that its numbers, and on `data` its answers, are the model's.

    `to` is onnx (a file), openvino (a folder) or torch (a .pt2). The artefact takes uint8 pictures (N, C, H, W) of the
    network's size, N free, with normalisation and temperature inside, and gives the logits and `levels`. Its card is
    the model's, so that every command obeys it.

    With `data` it passes the gate (`gate.Gate`), or is not written unless `force` says so, which it keeps. An int8
    export needs data: ranges, repair and report have pictures of their own (`parts.parts_of`); `split`, `reading`,
    `manifest` and `classes` are as for `evaluate`. Raises `Refused` where it does not answer as the model, or too few
    pictures tell; `ValueError` for what does not fit together, or needs what is not installed.
    """
    model = model if isinstance(model, Model) else open_model(model)
    check_shares(tolerance, limit)
    _check(model, to, precision, data)
    _check_place(Path(out), to)
    asked, parts = None, None
    notes: tuple[str, ...] = ()
    if data is not None:
        dataset = gather_for(model.card, data, split, reading, manifest)
        require_classes(dataset, several=True)
        check_task(model.card, dataset)
        matching = match_classes(model.card.classes, dataset.classes, classes, several=dataset.task == "classes")
        notes = (*dataset.notes, *seen(model.card, dataset, split), *matching.notes)
        asked = _Asked(model, dataset, matching, tolerance, limit)
        parts = parts_of(dataset, split) if precision == "int8" else None
    packaged = _packaged(model, levels)
    graph, repair = None, None
    if to != "torch":
        graph = to_onnx(packaged)
        if parts is not None and asked is not None:
            graph, repair = _quantized(graph, to, asked, parts)
        elif to == "openvino":
            graph = read_onnx(graph)
    engine = _engine(to, precision, graph, packaged)
    random = check_numbers(model, engine)
    check_batches(engine)
    judged = None
    if asked is not None:
        judged = asked.judge(parts.reporting if parts else side(asked.dataset, split))(engine)
        if judged.verdict != "passes" and not force:
            raise Refused(f"{judged.sentence()}. Nothing was written; {_advice(judged, precision)}")
    exported = Exported(
        path=Path(out),
        kind=to,
        precision=precision,
        random=random,
        gate=judged,
        repair=repair,
        notes=notes,
        is_forced=judged is not None and judged.verdict != "passes",
    )
    with tempfile.TemporaryDirectory(prefix=".resnets-", dir=exported.path.absolute().parent) as folder:
        aside = Path(folder, exported.path.name)
        _write(aside, exported, model.card, graph, packaged)
        check_read_back(aside, engine)
    _write(exported.path, exported, model.card, graph, packaged)  # the same bytes once more, now that they are good
    return exported


def _check(model: Model, to: Kind, precision: Precision, data: object) -> None:
    if to not in get_args(Kind):
        raise ValueError(f"--to {to} is not possible; allowed: {', '.join(get_args(Kind))}")
    if precision not in PRECISIONS[to]:
        raise ValueError(f"--to {to} has no {precision}; allowed: {', '.join(PRECISIONS[to])}")
    if isinstance(model.network, EngineNetwork):
        raise ValueError("this is an exported artefact already; give the model file that it was made of")
    if "NPY" in model.card.preprocess.formats:
        raise ValueError("this model takes arrays of fine bands, and an artefact takes pictures of 8 bits")
    if precision == "int8" and data is None:
        raise ValueError("an int8 export changes answers, so it is judged by labelled pictures: give --data DATA")
    if data is not None and model.card.architecture.classes_out is None:
        raise ValueError(f"{model.card.architecture.name} has no head, so it has no answers to be judged by --data")


def _check_place(out: Path, to: Kind) -> None:
    """Raise `FileError` for a name that could not be written, before an hour is spent."""
    if not out.absolute().parent.is_dir():
        raise FileError(f"cannot write {out}: there is no folder {out.parent}; make it first: mkdir -p {out.parent}")
    check_folder(out.absolute().parent)
    if to == "torch" and out.suffix != ".pt2":
        raise FileError(f"cannot write {out}: torch opens such a file by its ending; give a name that ends in .pt2")
    if to == "openvino" and out.exists() and not is_artefact(out) and not (out.is_dir() and not any(out.iterdir())):
        raise FileError(f"cannot write {out}: something else is there; give a new name, or remove it first")
    if to != "openvino" and out.is_dir():
        raise FileError(f"cannot write {out}: it is a folder; give the name of a file in it, such as {out / 'NAME'}")


def _packaged(model: Model, levels: tuple[str, ...]) -> Packaged:
    card = model.card
    return Packaged(fuse(model.network), card.preprocess, card.calibration.get("temperature", 1.0), levels).eval()


def _quantized(onnx: bytes, to: Kind, asked: _Asked, parts: Parts) -> tuple[Any, Repaired]:
    """An int8 graph for an engine. Repairs are found on OpenVINO's, and hold for ONNX as well as its gate says."""
    ranges = _pixels(parts.ranges, asked.model)
    judge = asked.judge(parts.trying)
    repair = quantize_within(read_onnx(onnx), ranges, lambda graph: judge(OpenVinoEngine(graph, precision="int8")))
    return (repair.model if to == "openvino" else quantize(onnx, ranges, repair.kept)), repair


def _pixels(source: Source, model: Model) -> Pictures:
    """The pictures of a source as the network is shown them, (N, C, H, W); those that cannot be read are left out."""
    shown = []
    for index in range(len(source)):
        try:
            shown.append(np.asarray(pixels(source.raw(index), model.card.preprocess)))
        except BadImage:
            continue
    if not shown:
        raise ValueError("none of the pictures for ranges can be read; see resnets check DATA")
    return np.stack(shown)


def _engine(to: Kind, precision: Precision, graph: Any, packaged: Packaged) -> Engine:
    if to == "openvino":
        return OpenVinoEngine(graph, precision=precision)
    if to == "onnx":
        return OnnxEngine(graph, precision=precision)
    from resnets.runtime.eager import EagerEngine

    return EagerEngine(packaged)


def _advice(judged: Gate, precision: Precision) -> str:
    if judged.verdict == "undecided":
        return "give more pictures, or --force, which the artefact then says of itself"
    less = {"int8": "--bf16 or no flag loses less", "bf16": "no flag loses less", "fp32": "that is a mistake of ours"}
    return f"{less[precision]}, and --force writes it all the same, which it then says of itself"


def _write(path: Path, exported: Exported, card: Card, graph: Any, packaged: Packaged) -> None:
    report = exported.to_dict()
    if exported.kind == "torch":
        write_torch(path, packaged, card, report)
        return
    write = write_openvino if exported.kind == "openvino" else write_onnx
    write(path, graph, card, report, exported.precision)
