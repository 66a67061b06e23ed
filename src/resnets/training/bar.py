"""Bar: a run as it goes, on a terminal: rate, time left, loss, accuracy, and the share of time spent waiting."""

from __future__ import annotations

import sys

from resnets.training.state import State


class Bar:
    """A rich progress bar on a terminal; elsewhere nothing moves and only the lines are printed."""

    def __init__(self, state: State) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=10),
            TextColumn("{task.completed:.0f}/{task.total:.0f} {task.fields[rate]:.0f}/s"),
            TimeRemainingColumn(compact=True),
            transient=True,
            disable=not sys.stdout.isatty(),
        )
        self._task = self._progress.add_task("training", total=state.total, completed=state.step, rate=0.0)
        self._began = (state.step, state.progress.seconds)
        self._progress.start()

    def move(self, state: State, per_epoch: int) -> None:
        """Show where the run is."""
        progress = state.progress
        since = progress.seconds - progress.reported
        waiting = f" wait {progress.waited / since:.0%}" if since > 0 else ""
        step, seconds = self._began
        pictures = (progress.step - step) * state.recipe.batch_size
        self._progress.update(
            self._task,
            completed=progress.step,
            description=(
                f"epoch {progress.step / per_epoch:.1f} loss {progress.loss / max(progress.seen, 1):.3f} "
                f"{progress.right / max(progress.seen, 1):.0%} right{waiting}"
            ),
            rate=pictures / max(progress.seconds - seconds, 1e-9),
        )

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        self._progress.console.print(text, highlight=False, soft_wrap=True, markup=False)

    def close(self) -> None:
        """Take the bar away."""
        self._progress.stop()
