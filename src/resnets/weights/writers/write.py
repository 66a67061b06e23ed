"""Write: a model for another codebase, by the name of its dialect."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from resnets.spec.card import Card
from resnets.weights import modelfile
from resnets.weights.modelfile import Model
from resnets.weights.writers.keras_files import write_legacy_h5, write_weights_h5
from resnets.weights.writers.state import State, dialect_for, state
from resnets.weights.writers.torch_files import write_state_dict, write_transformers


@dataclass(frozen=True, slots=True)
class Target:
    """Something that can be written: how, and the file names that it may have (none: a folder)."""

    write: Callable[[State, Card, Path], None]
    endings: tuple[str, ...]


_TORCH = (".pth", ".pt", ".bin", ".safetensors")

TARGETS: Mapping[str, Target] = MappingProxyType(
    {
        "torchvision": Target(write_state_dict, _TORCH),
        "timm": Target(write_state_dict, _TORCH),
        "cifar": Target(write_state_dict, _TORCH),
        "transformers": Target(write_transformers, ()),
        "detectron2": Target(write_state_dict, (".pth", ".pt")),
        "keras": Target(write_weights_h5, (".weights.h5",)),
        "matterport": Target(write_legacy_h5, (".h5",)),
    }
)
"""Dialects that can be written, beside `resnets`, the model file itself."""


def write(model: Model, path: str | Path, dialect: str) -> None:
    """Write a model in a dialect, in one step: the file is there whole, or not at all.

    Raises `ValueError` for an unknown dialect, a file name that its readers would not take, or naming each fact of
    the network that the dialect cannot express.
    """
    path = Path(path)
    if dialect == "resnets":
        if path.suffix != ".safetensors":
            raise ValueError(f"{path.name}: a model file ends in .safetensors; call it so, or say --to torchvision")
        modelfile.save(model, path)
        return
    if dialect not in TARGETS:
        raise ValueError(f"--to {dialect} is not possible; allowed: resnets, {', '.join(TARGETS)}")
    target = TARGETS[dialect]
    row = dialect_for(dialect, model.card.architecture)
    if target.endings and not path.name.endswith(target.endings):
        raise ValueError(f"{path.name}: a file for {dialect} ends in {' or '.join(target.endings)}; call it so")
    target.write(state(model.network, row), model.card, path)
