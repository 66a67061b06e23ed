"""The model file: one safetensors file with its card, read back strictly; equal models are equal files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from resnets.files import atomic
from resnets.net.network import ResNet
from resnets.spec.card import CARD_KEY, MAX_CARD, Card
from resnets.spec.resolve import plan
from resnets.weights.appearance import appearance

COUNT = "num_batches_tracked"
"""What the names of the norms' batch counts end in: I64. Everything else in a model file is F32."""

Tensors = dict[str, tuple[str, tuple[int, ...]]]
"""Name -> (type, shape), in the words of safetensors."""


@dataclass(frozen=True, slots=True)
class Model:
    """A network and its card. The verbs of the package are functions on it."""

    network: ResNet
    card: Card

    def __post_init__(self) -> None:
        if self.network.architecture != self.card.architecture:
            raise ValueError("the network and the card describe different architectures")


def save(model: Model, path: str | Path) -> None:
    """Write a model file in one step: it is there whole, or not at all."""
    from safetensors.torch import save as to_bytes

    state = model.network.state_dict()
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    atomic.write(Path(path), to_bytes(tensors, metadata={CARD_KEY: model.card.to_json()}))


def is_model_file(path: str | Path) -> bool:
    """Say whether a file is a safetensors file with a card, whatever else may be wrong with it."""
    path = Path(path)
    if not path.is_file():
        return False
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        return file.read(1) == b"{" and f'"{CARD_KEY}":'.encode() in file.read(min(length, 2 * MAX_CARD))


def read_card(path: str | Path) -> Card:
    """Return the card of a model file without reading its weights; raise `ValueError` as `load` does."""
    return _open(Path(path))[0]


def load(path: str | Path) -> Model:
    """Read a model file, in evaluation mode on the CPU.

    Raises `FileNotFoundError`, or `ValueError` for a file that is no model (it says what it looks like), is
    damaged, or whose tensors are not exactly those of the network its card describes.
    """
    from safetensors.torch import load_file

    path = Path(path)
    card, found = _open(path)
    shapes = plan(card.architecture).tensors()
    wanted = {name: ("I64" if name.endswith(COUNT) else "F32", shape) for name, shape in shapes.items()}
    _refuse_other_tensors(path, wanted, found)
    with torch.device("meta"):
        network = ResNet(card.architecture)
    network.load_state_dict(load_file(path), strict=True, assign=True)
    return Model(network.eval(), card)


def _open(path: Path) -> tuple[Card, Tensors]:
    """The card, and the type and shape of every tensor, from the header alone."""
    if path.is_dir():
        raise ValueError(f"{path} is a folder, not a model file; a training run keeps its own in model.safetensors")
    if not path.exists():
        raise FileNotFoundError(f"no file {path}; `resnets train DATA --out DIR` writes DIR/model.safetensors")
    if not path.is_file():
        raise ValueError(f"{path} is no regular file; give a model file on disk")
    header = _header(path)
    metadata = header.pop("__metadata__", None) or {}
    if CARD_KEY not in metadata:
        some = ", ".join(sorted(header)[:3])
        raise ValueError(
            f"{path} is a safetensors file of {len(header)} tensors ({some}, ...) but no resnets model: it "
            "carries no card with architecture, classes and preprocessing"
        )
    if len(metadata[CARD_KEY]) > MAX_CARD:
        raise ValueError(f"{path}: its card has {len(metadata[CARD_KEY]):,} characters; at most {MAX_CARD:,} are read")
    try:
        card = Card.from_json(metadata[CARD_KEY])
    except ValueError as error:
        raise ValueError(f"{path} is no model that can be trusted: {error}") from None
    # Checked before the plan is made: a card may claim any number of blocks, a file pays for each tensor.
    if sum(card.architecture.blocks) > len(header):
        raise ValueError(
            f"{path}: its card speaks of {sum(card.architecture.blocks)} blocks, for {len(header)} tensors"
        )
    return card, {name: (entry["dtype"], tuple(entry["shape"])) for name, entry in header.items()}


def _header(path: Path) -> dict[str, Any]:
    """The JSON header, after the safetensors library has checked the file against it."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt"):
            pass
    except SafetensorError as error:
        raise ValueError(f"{path} is no resnets model; it looks like {appearance(path)} ({error})") from None
    with path.open("rb") as file:
        header: dict[str, Any] = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return header


def _refuse_other_tensors(path: Path, wanted: Tensors, found: Tensors) -> None:
    missing = [name for name in wanted if name not in found]
    extra = [name for name in found if name not in wanted]
    other = [name for name in wanted if name in found and wanted[name] != found[name]]
    problems = [
        f"{len(names)} {what} ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})"
        for what, names in (("missing", missing), ("unexpected", extra), ("of another shape or type", other))
        if names
    ]
    if problems:
        raise ValueError(f"{path}: its tensors are not those its card describes: {'; '.join(problems)}")
