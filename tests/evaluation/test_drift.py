"""Drift: what fast decoding changes in the answers of real networks on real photographs."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from resnets.data.dataset import DataSet
from resnets.data.source import FileSource
from resnets.evaluation.drift import Drift, drift
from resnets.weights.load import load
from resnets.weights.modelfile import Model
from tests import tiny


def test_fast_decoding_leaves_a_real_network_its_answers(shared_data: Path, imagenet_weights: Path) -> None:
    with (shared_data / "imagenet-sample" / "labels.csv").open() as file:
        rows = list(csv.DictReader(file))[:60]
    model = load(imagenet_weights / "resnet18_pqf.pth.tar")
    named = {int(row["index"]): row["label"] for row in rows}
    classes = tuple(named.get(k, f"class {k}") for k in range(1000))
    model = Model(model.network, replace(model.card, classes=classes))
    paths = [shared_data / "imagenet-sample" / row["path"] for row in rows]
    source = FileSource.of(paths, np.array([int(row["index"]) for row in rows]))
    found = drift(model, DataSet(name="sample", classes=classes, train=None, test=source, fingerprint=""))
    assert found.pictures == 60
    assert found.exact_right > 40  # 76.5 % of all 200
    assert found.changed <= 2
    assert found.verdict != "beyond"


@pytest.mark.parametrize(
    ("lost", "won", "verdict"),
    [(0, 0, "within"), (3, 1, "within"), (3, 0, "undecided"), (4, 1, "undecided"), (5, 0, "beyond"), (9, 2, "beyond")],
)
def test_the_verdict_is_that_of_a_sign_test(lost: int, won: int, verdict: str) -> None:
    found = Drift(
        pictures=1000, exact_right=800, fast_right=800 - lost + won, lost=lost, won=won, changed=lost + won + 4
    )
    assert found.verdict == verdict == found.to_dict()["verdict"]
    assert f"{lost + won + 4} of 1,000 answers changed" in found.sentence()


def test_pictures_in_memory_do_not_drift_where_they_are_not_resized() -> None:
    found = drift(tiny.model(), tiny.data_set(), device="cpu")
    assert (found.lost, found.won, found.changed, found.pictures) == (0, 0, 0, 12)


def test_pictures_that_cannot_be_decoded_are_not_counted(tmp_path: Path) -> None:
    folder = tiny.write_pictures(tmp_path / "a", ("ant", "bee", "cat"), each=50)
    paths = sorted(folder.rglob("*.png"))
    paths[3].write_bytes(b"")
    source = FileSource.of(paths, np.repeat(np.arange(3), 50))
    data = DataSet(name="a", classes=("ant", "bee", "cat"), train=None, test=source, fingerprint="")
    assert drift(tiny.model(), data, device="cpu").pictures == 149
