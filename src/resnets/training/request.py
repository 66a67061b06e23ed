"""Request: what a run was asked for, resolved, as it is written beside its model and read to go on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import torch

from resnets.data.dataset import DataSet
from resnets.data.reading import Reading, json_able
from resnets.training.recipe import Recipe


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """Everything that decides a run's result, but for the pictures themselves, which are known by their hash."""

    data_name: str
    data_sha256: str
    data_split: str  # how pictures were chosen to train on and to test on
    data_path: str | None = None  # where they are; None: what is no file, which whoever goes on must give again
    model: str  # a row's name, or a model file
    recipe: Recipe
    size: tuple[int, int] | None = None
    facts: dict[str, Any] = field(default_factory=dict)  # of the row, changed
    pixels: dict[str, Any] = field(default_factory=dict)  # fields of the preprocess, changed
    reading: Reading = field(default_factory=Reading)
    cache: str | None = None  # folder in which pictures are kept decoded, at the size that this needs
    machine: dict[str, Any] = field(default_factory=dict)  # on which equal requests give equal bytes

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-able values."""
        return {
            "data": {
                "name": self.data_name,
                "sha256": self.data_sha256,
                "split": self.data_split,
                "path": self.data_path,
            },
            "reading": self.reading.to_dict(),
            "model": self.model,
            "facts": json_able(self.facts),
            "pixels": json_able(self.pixels),
            "size": self.size and list(self.size),
            "cache": self.cache,
            "machine": self.machine,
            "recipe": self.recipe.to_dict(),
        }

    def sha256(self) -> str:
        """Return the hash of all but where things lie and what computes them, which may change on the way."""
        facts = self.to_dict()
        del facts["machine"], facts["cache"], facts["data"]["path"]
        return sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> Request:
        """Return the request that `to_dict` wrote; raise `ValueError` for facts that are none."""
        try:
            data, size = facts["data"], facts["size"]
            pixels = {key: tuple(value) if isinstance(value, list) else value for key, value in facts["pixels"].items()}
            made = cls(
                data_name=data["name"],
                data_sha256=data["sha256"],
                data_split=data["split"],
                data_path=data["path"],
                model=facts["model"],
                recipe=Recipe.from_dict(facts["recipe"]),
                size=size and tuple(size),
                facts=facts["facts"],
                pixels=pixels,
                reading=Reading.from_dict(facts["reading"]),
                cache=facts["cache"],
                machine=facts["machine"],
            )
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"these are not the facts of a run: {error}") from None
        texts = (made.data_name, made.data_sha256, made.data_split, made.model)
        fits = all(isinstance(text, str) for text in texts)
        fits &= all(isinstance(part, dict) for part in (made.facts, made.machine))
        fits &= made.size is None or [type(side) for side in made.size] == [int, int]
        if not fits or not all(isinstance(path, str | None) for path in (made.cache, made.data_path)):
            raise ValueError("these are not the facts of a run")
        return made

    def check(self, dataset: DataSet) -> None:
        """Raise `ValueError` where a run would go on with other pictures than it began with."""
        if self.data_sha256 != dataset.fingerprint:
            raise ValueError(
                f"the run was started on other pictures ({self.data_name}, sha256 {self.data_sha256[:12]}) than these "
                f"({dataset.fingerprint[:12]}); give the same data"
            )


def machine(device: torch.device, processes: int) -> dict[str, Any]:
    """Return what the last bits of a run depend on, beside its request."""
    return {
        "torch": torch.__version__,
        "device": device.type,
        "threads": torch.get_num_threads(),
        "processes": processes,
    }
