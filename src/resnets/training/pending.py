"""Pending: what a run has to write, kept in memory while the disk refuses it."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

from resnets.net.network import ResNet
from resnets.training import checkpoint
from resnets.training.checkpoint import Progress
from resnets.training.run import RunFolder


class Pending:
    """Lines of metrics, findings of the doctor and the best network, until they are in a run's folder.

    A disk that is full may have room again later. So what it refuses waits, and goes with what comes next. No
    checkpoint may be written before: a run that goes on from it would not say again what waited.
    """

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._lines: list[dict[str, Any]] = []
        self._findings: list[dict[str, Any]] = []
        self._best: tuple[ResNet, Progress] | None = None

    def add_line(self, line: dict[str, Any]) -> None:
        """Take a line of metrics."""
        self._lines.append(line)

    def add_finding(self, finding: dict[str, Any]) -> None:
        """Take what the doctor found."""
        self._findings.append(finding)

    def add_best(self, network: ResNet, progress: Progress) -> None:
        """Take a copy of the best network so far; it takes the place of one that waits."""
        kept = copy.deepcopy(network)
        kept.zero_grad(set_to_none=True)
        self._best = kept, replace(progress)

    def write(self) -> None:
        """Write all of it; raise `OSError` where the disk refuses, and keep what is not written."""
        if self._best is not None:
            network, progress = self._best
            checkpoint.save(self._folder.best, {"network": network}, None, progress)
            self._best = None
        for waiting, append in ((self._lines, self._folder.append), (self._findings, self._folder.append_finding)):
            while waiting:
                append(waiting[0])
                del waiting[0]
