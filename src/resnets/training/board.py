"""Board: the metrics of a run as TensorBoard shows them, where it is installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any


class Board:
    """Writes each number of a line of metrics; without TensorBoard it writes nothing."""

    def __init__(self, folder: Path, step: int) -> None:
        self._writer: Any = None
        if importlib.util.find_spec("tensorboard") is not None:
            from torch.utils.tensorboard import SummaryWriter

            # What a stopped run wrote after `step` is hidden, since it is written again.
            self._writer = SummaryWriter(str(folder), purge_step=step)

    def write(self, line: dict[str, Any]) -> None:
        """Write the numbers of a line under its step."""
        if self._writer is None:
            return
        for name, value in line.items():
            if name != "step" and isinstance(value, int | float):
                self._writer.add_scalar(name, value, line["step"])
        self._writer.flush()

    def close(self) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()
