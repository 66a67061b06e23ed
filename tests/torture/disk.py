"""A disk that fails, or a power cut: at one chosen step of all that a program asks of a folder."""

from __future__ import annotations

import builtins
import io
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn
from unittest import mock

Act = Callable[[], object]


class Disk:
    """Counts the steps that change a folder, and does something else at step `at` (from 0).

    A step is an open for writing, a write, an fsync, a change of permissions or of a length, a rename, a removal or a
    new folder. `act` raises or kills; a write has by then brought half of its bytes to the file. So many
    steps one after the other meet it as `lasting` says, which may be `math.inf`.
    """

    def __init__(self, folder: Path, at: int | None = None, act: Act = lambda: None, *, lasting: float = 1) -> None:
        self.folder = os.path.realpath(folder)
        self.at, self.act, self.lasting = at, act, lasting
        self.steps: list[str] = []
        self.renamed: list[str] = []  # files that have their name, in order

    def step(self, name: str) -> bool:
        """Count a step; say whether it fails."""
        self.steps.append(name)
        now = len(self.steps) - 1
        return self.at is not None and self.at <= now < self.at + self.lasting

    @contextmanager
    def watched(self) -> Iterator[Disk]:
        """Put this disk under the whole process while the block runs."""
        patches = [
            mock.patch.object(os, name, self._stepped(name, getattr(os, name)))
            for name in ("open", "chmod", "truncate", "replace", "unlink", "mkdir")
        ]
        patches.append(mock.patch.object(os, "fsync", self._fsync(os.fsync)))
        opened = self._opened(io.open)
        patches += [mock.patch.object(module, "open", opened) for module in (io, builtins)]
        for patch in patches:
            patch.start()
        try:
            yield self
        finally:
            for patch in reversed(patches):
                patch.stop()

    def _is_ours(self, path: Any) -> bool:
        return not isinstance(path, int) and Path(os.path.realpath(os.fspath(path))).is_relative_to(self.folder)

    def _stepped(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def stepped(path: Any, *rest: Any, **named: Any) -> Any:
            changes = name != "mkdir" or not os.path.exists(path)
            if self._is_ours(path) and changes and self.step(f"{name} {Path(os.fspath(path)).name}"):
                self.act()
            done = real(path, *rest, **named)
            if name == "replace" and self._is_ours(rest[0]):
                self.renamed.append(os.path.relpath(rest[0], self.folder))
            return done

        return stepped

    def _fsync(self, real: Callable[[int], None]) -> Callable[[int], None]:
        def fsync(descriptor: int) -> None:
            if self.step("fsync"):
                self.act()
            real(descriptor)

        return fsync

    def _opened(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def opened(file: Any, mode: str = "r", *rest: Any, **named: Any) -> Any:
            writes = any(letter in mode for letter in "wax+")
            if not writes or not (isinstance(file, int) or self._is_ours(file)):
                return real(file, mode, *rest, **named)
            if not isinstance(file, int) and self.step(f"open {Path(file).name}"):
                self.act()
            raw = _File(file, mode.replace("b", "").replace("t", ""), self)
            buffered = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
            return buffered if "b" in mode else io.TextIOWrapper(buffered, encoding=named.get("encoding"))

        return opened


class _File(io.FileIO):
    def __init__(self, file: Any, mode: str, disk: Disk) -> None:
        super().__init__(file, mode)
        self.disk = disk

    def write(self, data: Any) -> int:
        if self.disk.step("write"):
            super().write(bytes(data)[: len(data) // 2])
            self.disk.act()
        return super().write(data)


def failing(number: int) -> Act:
    """What a step does on a disk that refuses, such as one that is full (ENOSPC)."""

    def act() -> NoReturn:
        raise OSError(number, os.strerror(number))

    return act


def die() -> None:
    """What a step does when the process is killed there."""
    os.kill(os.getpid(), signal.SIGKILL)
