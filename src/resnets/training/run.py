"""A run's folder: model, metrics, resolved recipe, curves and state, each written at once or line by line."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resnets.data.dataset import DataSet
from resnets.data.errors import DataError
from resnets.data.splits.split_file import split_difference, write_split
from resnets.files import atomic
from resnets.files.errors import FileError
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
    def page(self) -> Path:
        """All of the run on one page."""
        return self.path / "report.html"

    @property
    def findings(self) -> Path:
        """What the doctor found, a JSON line for each."""
        return self.path / "doctor.jsonl"

    @property
    def state(self) -> Path:
        """Folder of the checkpoints."""
        return self.path / "state"

    @property
    def best(self) -> Path:
        """Folder of the network that did best on the pictures held out, where a run may end early."""
        return self.state / "best"

    def is_below(self, other: Path) -> bool:
        """Say whether the run lies in another folder, or is that folder."""
        return self.path.resolve().is_relative_to(other.resolve())

    def check(self, *, resume: bool) -> None:
        """Raise `ValueError` if a run is there that would be lost, or none that could go on."""
        if resume and self.path.is_file():
            raise ValueError(f"{self.path} is a file; give the run's folder, such as --resume {self.path.parent}")
        if self.path.exists() and not self.path.is_dir():
            raise ValueError(f"{self.path} is a file; give --out a folder that is new, or empty")
        if resume and not self.recipe.exists():
            raise ValueError(
                f"{self.path} holds no run to resume (no recipe.json); start one with DATA --out {self.path}"
            )
        try:
            atomic.check_folder(self.path)
        except FileError as error:
            raise ValueError(f"{error}; give another --out, or make room there") from None
        # A run that was refused on its way, or stopped before its first checkpoint, leaves nothing that could be lost.
        if not resume and self.recipe.exists() and (self.model.exists() or checkpoints(self.state)):
            raise ValueError(
                f"{self.path} already holds a run; give another --out, or go on with that one: --resume {self.path}"
            )

    def sweep(self) -> None:
        """Remove what a killed run was in the middle of writing."""
        for folder in (self.path, self.state, self.best):
            atomic.sweep(folder)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the folder while the block runs, so that no other process trains in it; a kill lets go of it.

        Raises `ValueError` where another process holds it.
        """
        self.state.mkdir(parents=True, exist_ok=True)
        try:
            import fcntl
        except ImportError:  # this system has no such locks
            yield
            return
        with open(self.state / "lock", "w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ValueError(f"another process is training in {self.path}; wait for it, or end it") from None
            yield

    def begin(self, request: Request, dataset: DataSet, manifest: bytes | None) -> None:
        """Make the folder, and write what was asked for into it: request, split, and the manifest that is obeyed."""
        self.path.mkdir(parents=True, exist_ok=True)
        for left in (self.metrics, self.manifest, self.findings, self.page):  # by a run that came to nothing
            left.unlink(missing_ok=True)
        write_split(dataset, self.split)
        if manifest is not None:
            atomic.write(self.manifest, manifest)
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
        """Add a line to the metrics, and bring it to the disk; raise `OSError` where the disk refuses.

        Half a line, of this or of a failed call before, never stays in front of another one.
        """
        _append(self.metrics, line)

    def append_finding(self, finding: dict[str, Any]) -> None:
        """Add a line to what the doctor found, likewise."""
        _append(self.findings, finding)

    def lines(self) -> list[dict[str, Any]]:
        """Return the metrics so far, up to the first line that is damaged: a kill may cut the last one off."""
        return _lines(self.metrics)

    def keep_lines_to(self, step: int) -> None:
        """Drop what was said and kept after a step, and the last line for the test: a resumed run says it again."""
        kept = [line for line in self.lines() if line["step"] <= step and "epoch" in line]
        atomic.write(self.metrics, _text(kept))
        if self.findings.exists():
            atomic.write(self.findings, _text([line for line in _lines(self.findings) if line["step"] <= step]))
        for path in checkpoints(self.best):
            if int(path.stem.removeprefix("step-")) > step:
                path.unlink()


def _append(path: Path, line: dict[str, Any]) -> None:
    there, data = path.read_bytes() if path.exists() else b"", _text([line])
    whole = b"".join(there.rpartition(b"\n")[:2])
    if (b"\n" + whole).endswith(b"\n" + data):
        whole = whole[: -len(data)]  # of a call that failed after it had written, and could not take it back
    size = len(whole)
    if len(there) > size:
        os.truncate(path, size)  # half a line would make those after it unreadable
    try:
        with path.open("ab") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        with contextlib.suppress(OSError):  # else the next call finds what is left of it
            os.truncate(path, size)
        raise


def _text(lines: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def _lines(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    found: list[dict[str, Any]] = []
    for text in path.read_text("utf-8", "replace").splitlines():
        try:
            line = json.loads(text)
        except (ValueError, RecursionError):
            continue
        if isinstance(line, dict) and type(line.get("step")) is int:
            found.append(line)
    return found
