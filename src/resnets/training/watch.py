"""Watching a run: evaluations, a line of metrics for each, the doctor, checkpoints, and the end that comes early."""

from __future__ import annotations

import time
from collections.abc import Callable
from math import inf
from pathlib import Path
from typing import Any

from resnets.data.loader import Loader
from resnets.evaluation.evaluate import evaluate_network
from resnets.training import checkpoint
from resnets.training.bar import Bar
from resnets.training.board import Board
from resnets.training.doctor.doctor import Doctor
from resnets.training.doctor.finding import Finding
from resnets.training.parallel import share_buffers
from resnets.training.pending import Pending
from resnets.training.prepare import Parts
from resnets.training.run import RunFolder
from resnets.training.state import Seen, State, scaler_state

EVERY_S = 10.0
"""Seconds of training from one checkpoint to the next: what a kill costs at most, beside what a start takes."""

SHARE = 0.02
"""Of the time that training may spend on writing checkpoints: a large network's come further apart."""


class Watch:
    """Sees every step of a run; without `show` it writes metrics and checkpoints and prints nothing."""

    def __init__(self, *, show: bool = False, doctor: bool = True, checkpoint_every: float = EVERY_S) -> None:
        self.show, self.asks_doctor, self.every = show, doctor, checkpoint_every
        self.path: Path | None = None  # of the run that is being watched, once there is one

    def begin(
        self, state: State, parts: Parts, folder: RunFolder, loader: Loader, say: Callable[[str], None] = print
    ) -> None:
        """Start watching a run over these batches."""
        self.path = folder.path
        self._parts, self._folder, self._loader, self._say = parts, folder, loader, say
        self._per_epoch = loader.batches_per_epoch
        self._saved_at, self._cost = time.monotonic(), 0.0
        self._seen: Seen | None = None
        self._parts_of_batch = state.progress.accumulate
        self._pending, self._is_refused = Pending(folder), False
        first = state.world.is_first
        self._bar = Bar(state) if self.show and first else None
        self._board = Board(folder.path / "tensorboard", state.step) if first else None
        self._doctor = None
        if self.asks_doctor and first:
            self._doctor = Doctor(
                state.network,
                state.recipe,
                parts.classes,
                fresh_head=parts.fresh_head and state.step == 0,
                several=parts.several,
            )

    def step(self, state: State, seen: Seen) -> None:
        """Look at the run after a step: move the bar, evaluate and save when it is time."""
        self._seen = seen
        if state.progress.accumulate != self._parts_of_batch:
            self._parts_of_batch = state.progress.accumulate
            self._warn(f"memory ran out: a batch is now learnt in {self._parts_of_batch} parts")
        if self._bar:
            self._bar.move(state, self._per_epoch)
        if self._doctor and len(seen.labels):
            self._report(
                self._doctor.step(
                    state.step, state.progress.seconds, state.network, seen.images, seen.labels, seen.logits, seen.loss
                )
            )
        if state.step == state.total or self._due(state):
            self._evaluate(state)
        if time.monotonic() - self._saved_at >= max(self.every, self._cost / SHARE):
            self._save(state)

    def epoch(self, state: State) -> None:
        """Save what the run needs to go on from here; exchange what is known of bad pictures.

        Raises `OSError` where the run is over and the disk still refuses what waits to be written.
        """
        if state.world.size > 1:
            self._loader.leave_out(*state.world.gather(self._loader.bad))
        self._save(state)
        if state.is_over():
            self._pending.write()

    def end(self) -> None:
        """Stop watching."""
        if self._bar:
            self._bar.close()
        if self._board:
            self._board.close()

    def _due(self, state: State) -> bool:
        every = state.recipe.eval_every * self._per_epoch
        return int(state.step / every) > int((state.step - 1) / every)

    def _evaluate(self, state: State) -> None:
        progress = state.progress
        since = max(progress.seconds - progress.reported, 1e-9)
        line: dict[str, Any] = {
            "step": progress.step,
            "epoch": round(progress.step / self._per_epoch, 4),
            "lr": state.lr,
            "loss": progress.loss / progress.seen,
            "accuracy": progress.right / progress.seen,
            "seconds": round(progress.seconds, 3),
            "waiting": round(progress.waited / since, 4),
        }
        confusion = None
        if self._parts.validation is not None:
            share_buffers(state)
            report = evaluate_network(
                state.judged,
                self._parts.validation,
                self._parts.preprocess,
                classes=self._parts.classes,
                world=state.world,
            )
            name, score = report.headline
            line |= {"split": self._parts.validation_name, name: score, "validation_loss": report.loss}
            confusion = getattr(report, "confusion", None)
            self._remember_best(state, score)
        if self._doctor and self._seen:
            images = self._seen.images
            self._report(
                self._doctor.epoch(state.step, state.done, state.network, images, confusion, progress.waited, since)
            )
        progress.loss, progress.right, progress.seen = 0.0, 0, 0
        progress.waited, progress.reported = 0.0, progress.seconds
        if state.world.is_first:
            self._pending.add_line(line)
            self._write()
        if self._board:
            self._board.write(line)
        self._tell(_sentence(line))

    def _remember_best(self, state: State, score: float) -> None:
        progress = state.progress
        if state.recipe.patience is None:
            return
        progress.since_best += 1
        if progress.best is None or score > progress.best:
            progress.best, progress.best_step, progress.since_best = score, progress.step, 0
            self._saved_at = -inf  # a checkpoint right after it: what a run goes on from knows the best that is kept
            if state.world.is_first:
                self._pending.add_best(state.judged, progress)
        elif state.is_over() and state.step < state.total:
            self._tell(f"stopped: no better validation since step {progress.best_step}, which is kept")

    def _save(self, state: State) -> None:
        progress = state.progress
        progress.bad = {str(index): reason for index, reason in sorted(self._loader.bad.items())}
        progress.scaler = scaler_state(state.scaler)
        began = time.monotonic()
        if state.world.is_first and self._write():
            try:
                checkpoint.save(self._folder.state, state.modules, state.optimizer, progress)
            except OSError as error:
                # The run is worth more than its newest checkpoint, and the ones before are untouched.
                self._warn(f"no checkpoint could be written at step {progress.step} ({error}); the run goes on")
        self._saved_at = time.monotonic()
        self._cost = self._saved_at - began

    def _report(self, findings: tuple[Finding, ...]) -> None:
        for finding in findings:
            self._pending.add_finding(finding.to_dict())
            self._warn(f"doctor: {finding.says}")
        if findings:
            self._write()

    def _write(self) -> bool:
        """Write what waits; say whether all of it is written, and aloud when the disk begins or ceases to refuse."""
        try:
            self._pending.write()
        except OSError as error:
            if not self._is_refused:
                self._warn(f"the run's folder cannot be written ({error}); its lines wait in memory, and it goes on")
            self._is_refused = True
            return False
        if self._is_refused:
            self._warn("the run's folder can be written again, and nothing that waited is lost")
        self._is_refused = False
        return True

    def _warn(self, text: str) -> None:
        self._say(text) if self._bar is None else self._bar.say(text)

    def _tell(self, text: str) -> None:
        if self._bar:
            self._bar.say(text)


def _sentence(line: dict[str, Any]) -> str:
    """A line of metrics as it is printed."""
    held = "".join(f"  {line['split']} {name} {line[name]:.2%}" for name in ("top1", "map") if name in line)
    return (
        f"epoch {line['epoch']:<6g} loss {line['loss']:.4f}  accuracy {line['accuracy']:.2%}{held}  "
        f"{line['seconds']:.0f} s; since the line before {line['waiting']:.0%} waiting for pictures"
    )
