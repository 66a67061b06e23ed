"""Drift: what fast decoding changes in the answers of real networks on real photographs."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from resnets.data.dataset import DataSet
from resnets.data.loader import Loader
from resnets.data.source import ArraySource, FileSource
from resnets.evaluation import drift as subject
from resnets.evaluation.drift import Drift, drift
from resnets.evaluation.evaluate import evaluate
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


def answering(monkeypatch: pytest.MonkeyPatch, exact: list[int], fast: list[int]) -> None:
    given = {"exact": np.array(exact), "fast": np.array(fast)}
    monkeypatch.setattr(subject, "_answers", lambda model, source, decoding, *rest: given[decoding])


def test_answers_are_counted_in_the_classes_of_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """The data name their classes in another order; the last picture but one cannot be decoded."""
    labels = np.array([0, 0, 1, 1, 2, 2, 0, 1])  # cat, cat, ant, ant, bee, bee, cat, ant
    source = ArraySource(tiny.array(8).pixels, labels, "test")
    data = DataSet(name="a", classes=("cat", "ant", "bee"), train=tiny.array(3), test=source, fingerprint="")
    #                            lost  right  won  wrong  lost  lost  bad  wrong in two ways
    answering(monkeypatch, exact=[2, 2, 1, 1, 1, 1, -1, 1], fast=[0, 2, 0, 1, 0, 2, -1, 2])
    expected = {
        "pictures": 7,
        "top1_exact": 4 / 7,
        "top1_fast": 2 / 7,
        "lost": 3,
        "won": 1,
        "changed": 5,
        "tolerance": 0.002,
        "verdict": "undecided",
    }
    assert expected.items() <= drift(tiny.model(), data).to_dict().items()


def test_where_nothing_can_be_compared_there_is_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="holds no pictures to compare on"):
        drift(tiny.model(), replace(tiny.data_set(), train=None, test=None))
    several = ArraySource(tiny.array(4).pixels, np.eye(4, 3) > 0, "train")
    with pytest.raises(ValueError, match="may have several classes"):
        drift(tiny.model(), replace(tiny.data_set(), train=several, test=None))
    answering(monkeypatch, exact=[-1] * 12, fast=[-1] * 12)
    with pytest.raises(ValueError, match="no picture of noise could be decoded"):
        drift(tiny.model(), tiny.data_set())


def test_the_model_answers_once_on_exact_and_once_on_fast_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, int]] = []

    def spy(source: Any, preprocess: Any, **settings: Any) -> Loader:
        seen.append((preprocess.decoding, settings["batch_size"]))
        return Loader(source, preprocess, **settings)

    monkeypatch.setattr(subject, "Loader", spy)
    model, data = tiny.model(), tiny.data_set()
    model.network.train()  # as whoever trained it may have left it
    found = drift(model, data, batch_size=5, device="cpu")
    assert seen == [("exact", 5), ("fast", 5)]
    assert not model.network.training
    assert found.exact_right == evaluate(tiny.model(), data, device="cpu").right
    assert drift(tiny.model(), replace(data, test=None), device="cpu").pictures == 40
