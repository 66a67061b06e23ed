"""Plots: the curves of a training run, with matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from resnets.files import atomic


def curves(lines: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw loss and accuracy over epochs from a run's metric lines, as a PNG; nothing without a line to draw."""
    from matplotlib.figure import Figure

    trained = [line for line in lines if "epoch" in line]
    if not trained:
        return
    epochs = [line["epoch"] for line in trained]
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    losses, accuracies = figure.subplots(1, 2)
    losses.plot(epochs, [line["loss"] for line in trained], marker=".", label="training")
    accuracies.plot(epochs, [100 * line["accuracy"] for line in trained], marker=".", label="training")
    held = [line for line in trained if "top1" in line]
    if held:
        at = [line["epoch"] for line in held]
        losses.plot(at, [line["validation_loss"] for line in held], marker=".", label=held[0]["split"])
        accuracies.plot(at, [100 * line["top1"] for line in held], marker=".", label=held[0]["split"])
    for axes, title in ((losses, "loss (nats)"), (accuracies, "accuracy (%)")):
        axes.set(title=title, xlabel="epoch")
        axes.grid(alpha=0.3)
        axes.legend()
    # A figure of its own, without pyplot: nothing is shown, and nothing is kept between two calls.
    picture = BytesIO()
    figure.savefig(picture, format="png", dpi=120, metadata={"Software": None})
    atomic.write(path, picture.getvalue())
