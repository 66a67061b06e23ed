"""The transformer: the pooled last map of a network, for whatever learns from numbers."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from resnets import ResNetFeatures, save
from resnets.net.normalise import normalise
from tests import tiny

BRIGHT = tiny.array(60)
X, Y = BRIGHT.pixels, BRIGHT.labels


def features(model: str | Path = tiny.ROW, **differences: Any) -> ResNetFeatures:
    return ResNetFeatures(model, **{"facts": tiny.SMALL, "device": "cpu", "random_state": 0} | differences)


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    save(tiny.model(), tmp_path / "m.safetensors")
    return tmp_path / "m.safetensors"


def test_features_are_the_mean_of_the_last_map(model_file: Path) -> None:
    found = features(model_file, facts=None).fit_transform(X)
    model = tiny.model()
    batch = normalise(torch.from_numpy(X).permute(0, 3, 1, 2), model.card.preprocess)
    with torch.no_grad():
        wanted = model.network.levels(batch)["C3"].mean((2, 3))
    assert found.shape == (60, 8)
    np.testing.assert_allclose(found, wanted.numpy(), rtol=1e-5, atol=1e-6)


def test_features_have_names_and_numbers() -> None:
    made = features().fit(X)
    assert list(made.get_feature_names_out()) == [f"resnetfeatures{number}" for number in range(8)]
    assert not hasattr(made, "n_features_in_")
    assert features().fit(X.reshape(60, -1)).n_features_in_ == 192


def test_files_are_pictures_too(tmp_path: Path, model_file: Path) -> None:
    folder = tiny.write_pictures(tmp_path / "pictures")
    paths = sorted(folder.rglob("*.png"))
    made = features(model_file, facts=None).fit(paths)
    model_file.unlink()  # it is read once
    assert pickle.loads(pickle.dumps(made)).transform(paths).shape == (20, 8)


def test_a_row_is_drawn_from_the_seed() -> None:
    one, again, other = (features(random_state=seed).fit_transform(X) for seed in (0, 0, 1))
    assert (one == again).all()
    assert not np.allclose(one, other)


def test_a_pipeline_learns_from_them(model_file: Path) -> None:
    piped = make_pipeline(features(model_file, facts=None), LogisticRegression(max_iter=1000))
    assert cross_val_score(piped, X, Y, cv=3).mean() > 0.8


def test_pictures_are_shown_at_the_size_that_is_asked_for() -> None:
    assert features(size=16).fit(X).model_.card.preprocess.size == (16, 16)


@pytest.mark.parametrize(
    ("model", "differences", "said"),
    [
        (None, {}, "model=None is not possible: features come from a trained file"),
        ("gone.safetensors", {}, "is not there"),
        ("resnet19", {}, "resnet1"),
    ],
)
def test_a_model_that_is_none_is_refused(model: Any, differences: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        features(model, **differences).fit(X)


def test_facts_of_a_trained_file_stay(model_file: Path) -> None:
    with pytest.raises(ValueError, match="in which blocks, stem_width, widths cannot be changed"):
        features(model_file).fit(X)


def test_colour_is_not_lost_on_a_grey_network(tmp_path: Path) -> None:
    save(tiny.model(channels=1), tmp_path / "grey.safetensors")
    with pytest.raises(ValueError, match="it would not see their colour"):
        features(tmp_path / "grey.safetensors", facts=None).fit(X)
