"""Request: written down whole, read again equal, and refused where it is none or is about other pictures."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from resnets.data.reading import Columns, Reading
from resnets.training.recipes import recipe
from resnets.training.request import Request
from resnets.training.run import RunFolder
from tests import tiny

FULL = Request(
    data_name="photos",
    data_sha256="ab" * 32,
    data_split="80/20",
    model="resnet18",
    recipe=recipe("digits", epochs=3, decoding="exact"),
    size=(32, 48),
    facts={"stem": "cifar", "widths": [4, 8]},
    pixels={"alpha": (0, 0, 0), "fit": "pad", "exif": False},
    reading=Reading(formats=("PNG",), test_share=0.5, columns=Columns(group="patient", numbers=("x",))),
    data_path="/pictures",
    cache="/kept",
    machine={"threads": 2},
)


def written(request: Request) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(json.dumps(request.to_dict()))
    return facts


def test_every_field_is_written_down_and_read_again() -> None:
    plain = Request(data_name="a", data_sha256="", data_split="given", model="resnet18", recipe=recipe("digits"))
    same = [field.name for field in fields(Request) if getattr(FULL, field.name) == getattr(plain, field.name)]
    assert same == ["model"]
    assert Request.from_dict(written(FULL)) == FULL
    assert Request.from_dict(written(plain)) == plain


CHANGES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "a part is missing": lambda facts: facts.pop("reading"),
    "the name is no text": lambda facts: facts["data"].update(name=7),
    "the hash is no text": lambda facts: facts["data"].update(sha256=None),
    "the split is no text": lambda facts: facts["data"].update(split=["x"]),
    "the model is no text": lambda facts: facts.update(model=None),
    "the data are a text": lambda facts: facts.update(data="photos"),
    "a side is a text": lambda facts: facts.update(size=["32", 48]),
    "a side is true": lambda facts: facts.update(size=[True, 48]),
    "a side too many": lambda facts: facts.update(size=[32, 48, 3]),
    "the facts are a list": lambda facts: facts.update(facts=[]),
    "the pixels are a list": lambda facts: facts.update(pixels=[]),
    "the cache is a number": lambda facts: facts.update(cache=1),
    "the place is a number": lambda facts: facts["data"].update(path=1),
    "the machine is a list": lambda facts: facts.update(machine=[]),
    "the reading is a number": lambda facts: facts.update(reading=3),
    "the reading cannot be": lambda facts: facts["reading"].update(formats=["HEIC"]),
    "the recipe is a list": lambda facts: facts.update(recipe=[]),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_facts_that_are_no_request_are_refused(change: Callable[[dict[str, Any]], Any], tmp_path: Path) -> None:
    facts = written(FULL)
    change(facts)
    with pytest.raises(ValueError):
        Request.from_dict(facts)
    (tmp_path / "recipe.json").write_text(json.dumps(facts))
    with pytest.raises(ValueError, match=r"recipe\.json is damaged.*start the run again, with another --out"):
        RunFolder(tmp_path).read_request()


def test_a_reading_that_this_version_does_not_know_is_named(tmp_path: Path) -> None:
    facts = written(FULL)
    facts["reading"]["formats"] = ["HEIC"]
    (tmp_path / "recipe.json").write_text(json.dumps(facts))
    with pytest.raises(ValueError, match=r"is damaged \(formats=HEIC is not possible"):
        RunFolder(tmp_path).read_request()


def test_a_run_goes_on_with_the_pictures_it_began_with() -> None:
    data = tiny.data_set()
    replace(FULL, data_sha256=data.fingerprint).check(data)
    with pytest.raises(ValueError, match=r"was started on other pictures \(photos, sha256 abababababab\)"):
        FULL.check(data)
