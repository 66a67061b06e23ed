"""Artefacts: exported networks as files of three formats, each with its card, its report and its precision inside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from resnets.files.errors import FileError
from resnets.runtime import artefact_onnx, artefact_openvino, artefact_torch
from resnets.runtime.artefact_facts import Facts
from resnets.runtime.engine import Engine, Precision
from resnets.runtime.onnx_engine import OnnxEngine
from resnets.runtime.openvino_engine import Mode, OpenVinoEngine
from resnets.runtime.packaged import Packaged
from resnets.runtime.program_engine import ProgramEngine
from resnets.spec.card import Card

Kind = Literal["onnx", "openvino", "torch"]

ENGINES: Mapping[Kind, tuple[str, ...]] = {"onnx": ("onnx", "openvino"), "openvino": ("openvino",), "torch": ("torch",)}
"""Kind of artefact -> the engines that run it, the usual one first."""


@dataclass(frozen=True, slots=True)
class Artefact:
    """An exported network as it was read: what it says of itself, and its graph, held until an engine is made of it."""

    path: Path
    kind: Kind
    card: Card
    report: Mapping[str, Any]
    precision: Precision
    outputs: tuple[str, ...]
    graph: Any = field(repr=False)

    def engine(
        self, name: str | None = None, *, mode: Mode = "latency", threads: int | None = None,
        batch_size: int | None = None,
    ) -> Engine:  # fmt: skip
        """Return the engine that runs it, in its precision; None is the usual one of its kind.

        `mode` and `batch_size` are OpenVINO's. Raises `ValueError` for an engine that does not run this kind, and as
        the engines do.
        """
        chosen = name or ENGINES[self.kind][0]
        if chosen not in ENGINES[self.kind]:
            raise ValueError(f"{self.path} is run by {' or '.join(ENGINES[self.kind])}, and not by {chosen}")
        if chosen == "openvino":
            return OpenVinoEngine(
                self.graph, precision=self.precision, mode=mode, threads=threads, batch_size=batch_size
            )
        if chosen == "onnx":
            return OnnxEngine(self.graph, precision=self.precision, threads=threads)
        return ProgramEngine(self.graph, self.outputs, threads=threads)


def write_onnx(
    path: str | Path, model: bytes, card: Card, report: Mapping[str, Any], precision: Precision = "fp32"
) -> None:
    """Write an ONNX model's bytes, such as `lower_onnx.to_onnx` makes, as an artefact (`artefact_onnx.write_onnx`)."""
    artefact_onnx.write_onnx(path, model, Facts(card, report, precision))


def write_openvino(
    folder: str | Path, model: Any, card: Card, report: Mapping[str, Any], precision: Precision = "fp32"
) -> None:
    """Write an openvino.Model as a folder (`artefact_openvino.write_openvino`); it is left as it is."""
    artefact_openvino.write_openvino(folder, model, Facts(card, report, precision))


def write_torch(path: str | Path, packaged: Packaged, card: Card, report: Mapping[str, Any]) -> None:
    """Write a packaged network in fp32 as a .pt2 (`artefact_torch.write_torch`)."""
    artefact_torch.write_torch(path, packaged, Facts(card, report, "fp32"))


def read_artefact(path: str | Path) -> Artefact:
    """Read an artefact of any kind, whose graph fits its card; nothing in it is executed.

    Raises `FileError`, a `ValueError`, for what is absent, is no artefact, is damaged or contradicts itself, and
    `ValueError` where the package is absent that reads it.
    """
    path = Path(path)
    kind = _kind(path)
    if kind is None:
        if not path.exists():
            raise FileError(f"there is no file or folder {path}")
        raise FileError(
            f"{path} is no artefact of resnets: no ONNX file, OpenVINO folder or .pt2 with a card in it; "
            "`resnets export MODEL --to onnx` writes one"
        )
    try:
        facts, graph, outputs = READERS[kind](path)
    except FileError as error:
        raise FileError(f"{path} is no artefact that can be used: {error}") from None
    return Artefact(path, kind, facts.card, facts.report, facts.precision, outputs, graph)


def is_artefact(path: str | Path) -> bool:
    """Say whether a file or folder is an artefact of ours, whatever else may be wrong with it."""
    return _kind(Path(path)) is not None


def _kind(path: Path) -> Kind | None:
    if path.is_dir():
        return "openvino" if artefact_openvino.is_openvino_artefact(path) else None
    if not path.is_file():
        return None
    if artefact_torch.is_torch_artefact(path):
        return "torch"
    return "onnx" if artefact_onnx.is_onnx_artefact(path) else None


READERS: Mapping[Kind, Any] = {
    "onnx": artefact_onnx.read_onnx_file,
    "openvino": artefact_openvino.read_openvino_folder,
    "torch": artefact_torch.read_torch_file,
}
