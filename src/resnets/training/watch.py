"""Watching a run: a progress bar, evaluations, a line of metrics for each, and a checkpoint each epoch."""

from __future__ import annotations

import sys
from typing import Any

from resnets.evaluation.evaluate import evaluate_network
from resnets.training import checkpoint
from resnets.training.loop import State
from resnets.training.prepare import Parts
from resnets.training.run import RunFolder


class Watch:
    """Sees every step of a run; without `show` it writes metrics and checkpoints and prints nothing."""

    def __init__(self, *, show: bool = False) -> None:
        self.show = show

    def begin(self, state: State, parts: Parts, folder: RunFolder, per_epoch: int) -> None:
        """Start watching a run that has `per_epoch` batches in an epoch."""
        self._parts, self._folder, self._per_epoch = parts, folder, per_epoch
        self._bar = _Bar(state.total, state.step) if self.show else None
        self._classes = tuple(str(k) for k in range(state.network.architecture.num_classes))

    def step(self, state: State) -> None:
        """Look at the run after a step: move the bar, and evaluate when it is time."""
        if self._bar:
            self._bar.move(state, self._per_epoch)
        if state.step == state.total or self._due(state):
            self._evaluate(state)

    def epoch(self, state: State) -> None:
        """Save what the run needs to go on from here."""
        progress = checkpoint.Progress(**{name: getattr(state, name) for name in checkpoint.PROGRESS})
        checkpoint.save(self._folder.state, state.network, state.optimizer, progress)

    def end(self) -> None:
        """Stop watching."""
        if self._bar:
            self._bar.close()

    def _due(self, state: State) -> bool:
        every = state.recipe.eval_every * self._per_epoch
        return int(state.step / every) > int((state.step - 1) / every)

    def _evaluate(self, state: State) -> None:
        line: dict[str, Any] = {
            "step": state.step,
            "epoch": round(state.step / self._per_epoch, 4),
            "lr": state.lr,
            "loss": state.loss / state.seen,
            "accuracy": state.right / state.seen,
            "seconds": round(state.seconds, 3),
            "waiting": round(state.waited / max(state.seconds - state.reported, 1e-9), 4),
        }
        state.loss, state.right, state.seen = 0.0, 0, 0
        state.waited, state.reported = 0.0, state.seconds
        if self._parts.validation is not None:
            report = evaluate_network(
                state.network, self._parts.validation, self._parts.preprocess, classes=self._classes
            )
            state.network.train()
            line |= {
                "split": self._parts.validation_name,
                "top1": report.top1,
                "validation_loss": report.loss,
            }
        self._folder.append(line)
        if self.show:
            held = f"  {line['split']} {line['top1']:.2%}" if "top1" in line else ""
            text = (
                f"epoch {line['epoch']:<6g} loss {line['loss']:.4f}  accuracy {line['accuracy']:.2%}{held}  "
                f"{line['seconds']:.0f} s, {line['waiting']:.0%} of it waiting for pictures"
            )
            self._bar.say(text) if self._bar else print(text)


class _Bar:
    """A rich progress bar on a terminal; elsewhere nothing moves and only the lines are printed."""

    def __init__(self, total: int, done: int) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            TextColumn("{task.fields[rate]:.0f} pictures/s"),
            TimeRemainingColumn(),
            transient=True,
            disable=not sys.stdout.isatty(),
        )
        self._task = self._progress.add_task("training", total=total, completed=done, rate=0.0)
        self._progress.start()

    def move(self, state: State, per_epoch: int) -> None:
        """Show where the run is."""
        self._progress.update(
            self._task,
            completed=state.step,
            description=(
                f"epoch {state.step / per_epoch:.2f}  loss {state.loss / max(state.seen, 1):.3f}  "
                f"accuracy {state.right / max(state.seen, 1):.1%}"
            ),
            rate=state.step * state.recipe.batch_size / max(state.seconds, 1e-9),
        )

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        self._progress.console.print(text, highlight=False, soft_wrap=True)

    def close(self) -> None:
        """Take the bar away."""
        self._progress.stop()
