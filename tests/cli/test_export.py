"""`resnets export` as a person types it, and what follows: the artefact as MODEL of every other verb."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from resnets.runtime.artefact import read_artefact
from resnets.weights.modelfile import save
from tests import exports, tiny

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("openvino")

Type = Callable[..., Any]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    save(exports.model(), tmp_path / "m.safetensors")
    return tmp_path / "m.safetensors"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny.write_pictures(tmp_path / "f", ("ant", "bee", "cat"), each=8)


@pytest.mark.parametrize(
    ("words", "name", "precision"),
    [
        (["--to", "onnx"], "m.onnx", "fp32"),
        ([], "m-openvino", "fp32"),
        (["--to", "torch"], "m.pt2", "fp32"),
        (["--to", "onnx", "--out", "other.onnx"], "other.onnx", "fp32"),
    ],
)
def test_a_model_is_written_beside_itself(
    words: list[str], name: str, precision: str, model: Path, type_: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(model.parent)
    done = type_("export", "m.safetensors", *words)
    assert done.code == 0, done.err
    assert done.out.splitlines()[0].startswith("random pictures: they agree: logits differs most")
    assert done.out.splitlines()[1:] == [
        "batches of 1, 2 and 7: the same answers",
        "gate: not asked; --data DATA compares the answers to labelled pictures",
        f"wrote {name}",
    ]
    assert read_artefact(name).precision == precision
    done = type_("predict", name, "m.safetensors")
    assert done.code != 0


def test_too_few_pictures_leave_it_undecided_and_force_ends_in_3(
    model: Path, folder: Path, type_: Type, refused: Callable[..., str]
) -> None:
    words = ("export", model, "--to", "onnx", "--data", folder, "--split", "all")
    said = refused(*words, code=1)
    assert said.startswith("Refused: 0 of 24 answers changed; +0.00 points lost")
    assert "undecided; about 381 pictures would decide it. Nothing was written; give more pictures, or --force" in said
    assert not (model.parent / "m.onnx").exists()
    done = type_(*words, "--force", "--json")
    assert done.code == 3, done.err
    printed = json.loads(done.out)
    assert printed == dict(read_artefact(model.parent / "m.onnx").report)
    assert (printed["forced"], printed["gate"]["verdict"]) == (True, "undecided")
    done = type_(*words, "--force", "--tolerance", "20")
    assert (done.code, done.out.splitlines()[-1]) == (0, f"wrote {model.parent / 'm.onnx'}")


def test_int8_tells_its_layers(model: Path, folder: Path, type_: Type) -> None:
    pytest.importorskip("nncf")
    done = type_("export", model, "--int8", "--data", folder, "--split", "all", "--force")
    assert done.code == 3, done.err
    lines = done.out.splitlines()
    assert any(line.startswith("int8: ") and " layers" in line for line in lines)
    assert lines[-1] == f"wrote {model.parent / 'm-int8-openvino'}, though its gate did not pass (--force)"


def test_an_artefact_is_a_model_of_every_verb(model: Path, folder: Path, type_: Type, tmp_path: Path) -> None:
    assert type_("export", model, "--to", "onnx", "--levels", "C3").code == 0
    artefact = model.with_name("m.onnx")
    for words in (["--json"], []):
        ours, its = (type_("predict", each, folder, *words) for each in (model, artefact))
        assert (its.code, len(its.out.splitlines())) == (0, 24)
        if words:
            pairs = zip(*(map(json.loads, done.out.splitlines()) for done in (ours, its)), strict=True)
            assert all(one["class"] == other["class"] for one, other in pairs)
    ours, its = (
        json.loads(type_("evaluate", each, folder, "--split", "all", "--json").out) for each in (model, artefact)
    )
    assert its["top1"] == ours["top1"]
    assert type_("features", artefact, folder, "--out", tmp_path / "a.npz").code == 0
    assert type_("compare", model, artefact, folder, "--split", "all").code == 0


def test_what_cannot_be_is_refused_in_a_sentence(
    model: Path, folder: Path, type_: Type, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert type_("export", model, "--to", "onnx").code == 0
    artefact = model.with_name("m.onnx")
    before = artefact.read_bytes()
    assert "are two precisions; give one of them" in refused("export", model, "--int8", "--bf16")
    assert "--to tflite" in refused("export", model, "--to", "tflite")
    assert "give --data DATA" in refused("export", model, "--int8")
    assert "is the model that is read, and would be lost" in refused("export", model, "--to", "onnx", "--out", model)
    assert "is the model that is read" in refused("export", artefact, "--to", "onnx")
    assert "is an exported artefact already" in refused("export", artefact)
    assert "give --out NAME" in refused("export", "hf:timm/resnet18.a1_in1k")
    assert "has its temperature inside its graph" in refused(
        "calibrate", artefact, folder, "--split", "all", "--out", model.with_name("c.safetensors")
    )
    assert "no weights to train" in refused("train", folder, "--model", artefact, "--out", model.with_name("run"))
    assert not model.with_name("c.safetensors").exists()
    assert artefact.read_bytes() == before
