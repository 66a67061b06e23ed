"""`resnets features` as a person types it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from resnets.inference.features import features
from resnets.weights.load import load
from resnets.weights.modelfile import save
from tests import tiny

Type = Callable[..., Any]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    save(tiny.model(), tmp_path / "m.safetensors")
    return tmp_path / "m.safetensors"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny.write_pictures(tmp_path / "f", each=3)


@pytest.mark.parametrize("level", [None, "C2"])
def test_a_file_has_the_features_of_every_picture(
    level: str | None, model: Path, folder: Path, tmp_path: Path, type_: Type
) -> None:
    words = [] if level is None else ["--level", level]
    done = type_("features", model, folder, "--out", tmp_path / "a.npz", *words)
    assert (done.code, done.out) == (0, f"{tmp_path / 'a.npz'}: 6 pictures\n"), done.err
    expected = list(features(load(model), folder, level=level))
    with np.load(tmp_path / "a.npz") as found:
        assert found["paths"].tolist() == [each.path for each in expected]
        np.testing.assert_allclose(
            found["features"],
            np.stack([each.values for each in expected if each.values is not None]),
            rtol=1e-4,
            atol=1e-5,
        )


def test_a_bad_picture_keeps_its_place_and_ends_in_3(model: Path, folder: Path, tmp_path: Path, type_: Type) -> None:
    (folder / "ant" / "1.png").write_bytes(b"")
    done = type_("features", model, folder, "--out", tmp_path / "a.npz")
    assert (done.code, done.out) == (3, f"{tmp_path / 'a.npz'}: 6 pictures; 1 could not be read\n"), done.err
    with np.load(tmp_path / "a.npz") as found:
        assert np.isnan(found["features"]).all(1).tolist() == [False, True, False, False, False, False]
        assert [bool(error) for error in found["errors"]] == [False, True, False, False, False, False]


def test_refusals_come_before_anything_is_written(
    model: Path, folder: Path, tmp_path: Path, refused: Callable[..., str]
) -> None:
    before = sorted(tmp_path.iterdir())
    assert "--level C9 is no level of" in refused(
        "features", model, folder, "--out", tmp_path / "a.npz", "--level", "C9"
    )
    assert "allowed are files that end in .npz, .parquet, .csv" in refused(
        "features", model, folder, "--out", tmp_path / "a.jsonl"
    )
    assert "--out - is not possible for features" in refused("features", model, folder, "--out", "-")
    (tmp_path / "none").mkdir()
    assert "there is no picture in" in refused("features", model, tmp_path / "none", "--out", tmp_path / "a.npz")
    (tmp_path / "none").rmdir()
    assert sorted(tmp_path.iterdir()) == before
