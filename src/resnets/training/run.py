"""A run's folder: model, metrics, resolved recipe, curves and state, each written at once or line by line."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resnets.files import atomic


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
    def state(self) -> Path:
        """Folder of the checkpoints."""
        return self.path / "state"

    def check(self, *, resume: bool) -> None:
        """Raise `ValueError` if a run is there that would be lost, or none that could go on."""
        if resume and not self.recipe.exists():
            raise ValueError(f"{self.path} holds no run to resume (no recipe.json); leave out --resume to start one")
        if not resume and self.recipe.exists():
            raise ValueError(f"{self.path} already holds a run; give another --out, or --resume to go on with that one")

    def sweep(self) -> None:
        """Remove what a killed run was in the middle of writing."""
        for folder in (self.path, self.state):
            atomic.sweep(folder)

    def write_recipe(self, facts: dict[str, Any]) -> None:
        """Make the folder, and write the resolved request into it."""
        self.path.mkdir(parents=True, exist_ok=True)
        atomic.write(self.recipe, (json.dumps(facts, indent=2, ensure_ascii=False) + "\n").encode())

    def read_recipe(self) -> dict[str, Any]:
        """Read the resolved request; raise `ValueError` for one that `write_recipe` cannot have written."""
        try:
            facts: dict[str, Any] = json.loads(self.recipe.read_text("utf-8"))
            data, size = facts["data"], facts["size"]
            texts = (data["name"], data["sha256"], facts["model"])
            fits = all(isinstance(text, str) for text in texts)
            fits &= isinstance(facts["facts"], dict) and isinstance(facts["recipe"], dict)
            fits &= size is None or [type(side) for side in size] == [int, int]
        except (ValueError, LookupError, TypeError, RecursionError):
            fits = False
        if not fits:
            raise ValueError(f"{self.recipe} is damaged; start the run again, with another --out")
        return facts

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
