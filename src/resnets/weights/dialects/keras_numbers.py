"""Which tensors of a Keras file belong to which layer, in each of the layouts that Keras has had."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from resnets.files.errors import FileError
from resnets.weights.dialects.graph import Numbers, Slot

Shapes = Mapping[str, tuple[int, ...]]
"""Tensor of the file -> its shape as it is stored."""

SLOTS: Mapping[str, Slot] = {
    "kernel": "weight",
    "gamma": "weight",
    "bias": "bias",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
"""Keras's word in legacy files -> ours."""

CONTAINERS = ("layers", "_layer_checkpoint_dependencies")
"""Under what a model keeps its layers in Keras 3, and in TensorFlow 2.12 to 2.15."""

_LEGACY = re.compile(r"(?:model_weights/)?(?P<top>[^/]+)/(?:(?P<path>.+)/)?(?P<slot>[A-Za-z_]+)(?::\d+)?")


class KerasNumbers:
    """The tensors of a file by layer: legacy files name the layer, `.weights.h5` counts layers by class."""

    def __init__(self, shapes: Shapes) -> None:
        self.legacy: dict[tuple[str, str], dict[Slot, str]] = {}
        self.counted: dict[str, dict[int, str]] = {}
        for name in shapes:
            if name.startswith(("optimizer_weights/", "optimizer/")):
                continue
            folder, _, last = name.rpartition("/")
            if folder.endswith("/vars") and last.isdigit():
                self.counted.setdefault(_place(folder.removesuffix("/vars")), {})[int(last)] = name
            elif (match := _LEGACY.fullmatch(name)) and match["slot"] in SLOTS:
                leaf = (match["path"] or match["top"]).rpartition("/")[2]
                self.legacy.setdefault((match["top"], leaf), {})[SLOTS[match["slot"]]] = name
        self.shapes = shapes

    def of(self, path: tuple[str, ...], place: str, kind: str, config: Mapping[str, Any]) -> dict[Slot, Numbers]:
        """Return a layer's numbers: `path` are the names down to it, `place` is where Keras 3 keeps it."""
        if kind not in ("conv", "norm", "linear"):
            return {}
        found = self.legacy.get((path[0], path[-1])) or self._alone(path)
        if not found and place in self.counted:
            wanted = _slots(kind, config)
            variables = self.counted[place]
            if sorted(variables) != list(range(len(wanted))):
                raise FileError(
                    f"layer {'/'.join(path)!r} has {len(variables)} tensors in the file, and its config asks for "
                    f"{len(wanted)} ({', '.join(wanted)})"
                )
            found = {slot: variables[number] for number, slot in enumerate(wanted)}
        return {slot: numbers(kind, name, self.shapes[name]) for slot, name in (found or {}).items()}

    def _alone(self, path: tuple[str, ...]) -> dict[Slot, str] | None:
        """A layer's group holds its tensors under another name where a session had built the network before."""
        groups = [found for (top, _), found in self.legacy.items() if top == path[0]] if len(path) == 1 else []
        return groups[0] if len(groups) == 1 else None


def numbers(kind: str, name: str, shape: tuple[int, ...]) -> Numbers:
    """Return a tensor of Keras's as ours wants it: (k, k, in, out) and (in, out) are turned."""
    axes = {("conv", 4): (3, 2, 0, 1), ("linear", 2): (1, 0)}.get((kind, len(shape)))
    return Numbers(tensor=name, shape=tuple(shape[axis] for axis in axes) if axes else shape, axes=axes)


def _slots(kind: str, config: Mapping[str, Any]) -> tuple[Slot, ...]:
    """The order in which a layer made its variables."""
    if kind != "norm":
        return ("weight", "bias") if config.get("use_bias", True) else ("weight",)
    affine: dict[Slot, bool] = {"weight": config.get("scale", True), "bias": config.get("center", True)}
    return (*(slot for slot, there in affine.items() if there), "running_mean", "running_var")


def _place(folder: str) -> str:
    """One form for the place of a layer: "layers/functional/layers/conv2d"."""
    parts = re.split(r"[/\\]", folder)
    parts = ["layers" if part in CONTAINERS else part for part in parts]
    return "/".join(parts[parts.index("layers") :]) if "layers" in parts else folder


def snake(word: str) -> str:
    """Return a class's name as Keras 3 counts it: "BatchNormalization" is "batch_normalization".

    Source: keras/src/utils/naming.py, to_snake_case.
    """
    word = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", word))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", word).lower()
