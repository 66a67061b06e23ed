"""A run's folder: model, metrics, resolved recipe, curves and state, each written at once or line by line."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resnets.data.dataset import DataSet
from resnets.data.errors import DataError
from resnets.data.splits.split_file import split_difference, write_split
from resnets.files import atomic
from resnets.training.checkpoint import checkpoints
from resnets.training.request import Request


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Where the parts of a run are kept."""

    path: Path

    @property
    def model(self) -> Path:
        """The model file."""
        return self.path / "model.safetensors"

    @property
    def metrics(self) -> Path:
        """One JSON line for each evaluation, and a last one for the test."""
        return self.path / "metrics.jsonl"

    @property
    def recipe(self) -> Path:
        """The resolved request: data, model, preprocessing and every number of the recipe."""
        return self.path / "recipe.json"

    @property
    def curves(self) -> Path:
        """The plot of the metrics."""
        return self.path / "curves.png"

    @property
    def split(self) -> Path:
        """Which picture was trained on and which tested on."""
        return self.path / "split.csv"

    @property
    def manifest(self) -> Path:
        """The pre-flight's manifest that the run obeys, if it was given one."""
        return self.path / "manifest.json"

    @property
    def state(self) -> Path:
        """Folder of the checkpoints."""
        return self.path / "state"

    def is_below(self, other: Path) -> bool:
        """Say whether the run lies in another folder, or is that folder."""
        return self.path.resolve().is_relative_to(other.resolve())

    def check(self, *, resume: bool) -> None:
        """Raise `ValueError` if a run is there that would be lost, or none that could go on."""
        if self.path.exists() and not self.path.is_dir():
            raise ValueError(f"{self.path} is a file; give --out a folder that is new, or empty")
        if resume and not self.recipe.exists():
            raise ValueError(f"{self.path} holds no run to resume (no recipe.json); leave out --resume to start one")
        # A run that was refused on its way, or stopped before its first checkpoint, leaves nothing that could be lost.
        if not resume and self.recipe.exists() and (self.model.exists() or checkpoints(self.state)):
            raise ValueError(f"{self.path} already holds a run; give another --out, or --resume to go on with that one")

    def sweep(self) -> None:
        """Remove what a killed run was in the middle of writing."""
        for folder in (self.path, self.state):
            atomic.sweep(folder)

    def begin(self, request: Request, dataset: DataSet, manifest: str | Path | None) -> None:
        """Make the folder, and write what was asked for into it: request, split, and the manifest that is obeyed."""
        self.path.mkdir(parents=True, exist_ok=True)
        for left in (self.metrics, self.manifest):  # by a run that came to nothing
            left.unlink(missing_ok=True)
        write_split(dataset, self.split)
        if manifest is not None:
            atomic.write(self.manifest, Path(manifest).read_bytes())
        self.write_request(request)  # last: where it is, there is a run

    def write_request(self, request: Request) -> None:
        """Write the resolved request."""
        atomic.write(self.recipe, (json.dumps(request.to_dict(), indent=2, ensure_ascii=False) + "\n").encode())

    def read_request(self) -> Request:
        """Read the resolved request; raise `ValueError` for one that `write_request` cannot have written."""
        try:
            return Request.from_dict(json.loads(self.recipe.read_text("utf-8")))
        except (ValueError, TypeError, RecursionError) as error:
            reason = f" ({error})" if isinstance(error, DataError) else ""
            raise ValueError(f"{self.recipe} is damaged{reason}; start the run again, with another --out") from None

    def check_split(self, dataset: DataSet) -> None:
        """Raise `ValueError` where a run would go on with another split than it was started with."""
        difference = split_difference(dataset, self.split)
        if difference is not None:
            raise ValueError(f"the run in {self.path} was started with another split: {difference}; start a new one")

    def append(self, line: dict[str, Any]) -> None:
        """Add a line to the metrics."""
        with self.metrics.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def lines(self) -> list[dict[str, Any]]:
        """Return the metrics so far, up to the first line that is damaged: a kill may cut the last one off."""
        if not self.metrics.exists():
            return []
        found: list[dict[str, Any]] = []
        for text in self.metrics.read_text("utf-8", "replace").splitlines():
            try:
                line = json.loads(text)
            except (ValueError, RecursionError):
                break
            if not isinstance(line, dict) or type(line.get("step")) is not int:
                break
            found.append(line)
        return found

    def keep_lines_to(self, step: int) -> None:
        """Drop the metrics after a step, and the last line for the test: a resumed run writes them again."""
        kept = [line for line in self.lines() if line["step"] <= step and "epoch" in line]
        atomic.write(self.metrics, "".join(json.dumps(line) + "\n" for line in kept).encode())
