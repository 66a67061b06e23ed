"""Progress: a bar with rate and time left on a terminal, and nothing elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import TracebackType


class Progress:
    """A bar for work that is counted in pictures; shown on stderr, where it disturbs no output."""

    def __init__(self, what: str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:,.0f}/{task.total:,.0f}"),
            TextColumn("{task.speed:,.0f} pictures/s"),
            TimeRemainingColumn(),
            transient=True,
            console=Console(stderr=True),
            disable=not sys.stderr.isatty(),
        )
        self._task = self._bar.add_task(what, total=None)

    def seen(self, done: int, total: int) -> None:
        """Show that so many of so many are done."""
        self._bar.update(self._task, completed=done, total=total)

    def start(self, total: int) -> Callable[[int], None]:
        """Begin with so many to do; return what to tell how many more are done."""
        self.seen(0, total)
        return lambda count: self._bar.advance(self._task, count)

    def __enter__(self) -> Progress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
