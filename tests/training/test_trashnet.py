"""Note 001's classifier learns to tell rubbish apart: TrashNet's photographs, from scratch."""

from __future__ import annotations

from math import log
from pathlib import Path

import pytest

from resnets.training.run import RunFolder
from resnets.training.train import train


@pytest.mark.parametrize("row", ["resnet50_note001"])
def test_note_001s_classifier_trains_on_trashnet(row: str, shared_data: Path, tmp_path: Path) -> None:
    trained = train(
        shared_data / "trashnet",
        model=row,
        recipe_name="finetune",
        out=tmp_path / "run",
        size=(64, 64),
        optimizer="adamw",
        lr=5e-4,
        weight_decay=0.05,
        zero_gamma=True,
        epochs=5,
        precision="fp32",
    )
    assert trained.model.card.classes == ("cardboard", "glass", "metal", "paper", "plastic", "trash")
    assert trained.model.network.head.hidden.out_features == 1024
    losses = [line["loss"] for line in RunFolder(tmp_path / "run").lines() if "lr" in line]
    # Six classes of equal size: log(6) is what a network says that has learnt nothing.
    assert losses[-1] < log(6) - 0.1
    assert trained.report is not None
    assert trained.report.top1 > 1.5 / 6
