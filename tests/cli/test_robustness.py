"""`resnets robustness`: a table for a person, JSON for a program."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from resnets.weights.modelfile import save
from tests import tiny
from tests.cli.conftest import Type


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The words of a command on a tiny model and pictures, with a library that corrupts nothing."""
    module = ModuleType("imagecorruptions")
    module.corrupt = lambda image, **how: image  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "imagecorruptions", module)
    made = tiny.model(classes=("ant", "bee"))
    preprocess = replace(made.card.preprocess, size=(32, 32))
    save(replace(made, card=replace(made.card, preprocess=preprocess)), tmp_path / "m.safetensors")
    folder = tiny.write_pictures(tmp_path / "pictures", side=32)
    return ["robustness", tmp_path / "m.safetensors", folder, "--corruption", "fog", "--severity", 2, "--severity", 4]


def test_a_person_is_told_each_corruption_at_each_severity(type_: Type, words: list[Any]) -> None:
    done = type_(*words)
    assert done.code == 0, done.err
    assert "weather fog" in done.out
    assert "(1 corruptions in 2 severities)" in done.out
    assert "CE" not in done.out


def test_a_program_is_told_the_errors_against_a_reference(type_: Type, words: list[Any]) -> None:
    done = type_(*words, "--reference", words[1], "--limit", 3, "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found["severities"] == [2, 4]
    assert found["pictures"] == found["reference"]["pictures"] == 3
    assert found["mce"] in (1.0, None)
    assert "CE" in type_(*words, "--reference", words[1]).out


def test_another_corruption_is_refused(type_: Type, words: list[Any]) -> None:
    done = type_(*words, "--corruption", "rain")
    assert (done.code, "corruptions=rain is not possible" in done.err) == (2, True)
