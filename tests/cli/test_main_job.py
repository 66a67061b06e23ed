"""Train, evaluate, predict, as a person types them; exit codes 0 done, 1 failed, 2 wrong request, 3 fell short."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from resnets.data.open import open_data
from resnets.evaluation.evaluate import evaluate
from resnets.weights.modelfile import load, save
from tests import tiny

TINY = ["--model", tiny.ROW, "--set", "blocks=1,1", "--set", "stem_width=8", "--set", "widths=8,16"]
FIXED = ["--precision", "fp32", "--device", "cpu"]


@pytest.fixture(scope="module")
def digits_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One epoch of digits, in a process of its own, as the README's first command."""
    out = tmp_path_factory.mktemp("digits") / "run"
    words = ["train", "digits", *TINY, *FIXED, "--epochs", "1", "--out", str(out)]
    done = subprocess.run(
        [sys.executable, "-c", "from resnets.cli import main; main()", *words],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0] == "recipe digits: the one that suits digits; --recipe chooses another"
    assert any(line.startswith("epoch 1 ") and "loss" in line and "accuracy" in line for line in lines)
    assert any(line.startswith("test accuracy ") and "on 360 pictures" in line for line in lines)
    assert lines[-1] == str(out / "model.safetensors")
    return out / "model.safetensors"


def test_one_epoch_of_digits_is_trained_from_the_command_line(digits_model: Path) -> None:
    card = load(digits_model).card
    assert card.classes == tuple("0123456789")
    assert card.origin["metrics"]["test_top1"] > 0.3  # chance is 0.1
    assert (card.architecture.blocks, card.architecture.widths) == ((1, 1), (8, 16))


def test_the_file_alone_is_evaluated(digits_model: Path, type_: Callable[..., Any]) -> None:
    done = type_("evaluate", digits_model, "digits", "--device", "cpu")
    assert (done.code, done.err) == (0, "")
    share = load(digits_model).card.origin["metrics"]["test_top1"]
    assert done.out.startswith(f"top-1     {share:.2%}  (")
    assert f"at 95 %); {round(360 * share)} of 360\n" in done.out
    assert "top-5" in done.out
    assert [line.split()[0] for line in done.out.splitlines() if line.startswith("  ")] == [
        "precision",
        *"0123456789",
    ]


def test_the_evaluation_as_json_is_the_report(digits_model: Path, type_: Callable[..., Any]) -> None:
    facts = json.loads(type_("evaluate", digits_model, "digits", "--json", "--split", "train").out)
    assert (facts["pictures"], len(facts["per_class"]), facts["skipped"]) == (1437, 10, [])
    low, high = facts["top1_interval"]
    assert low < facts["top1"] < high


def test_pictures_are_named_in_lines_and_in_json_lines(
    digits_model: Path, tmp_path: Path, type_: Callable[..., Any]
) -> None:
    test = open_data("digits").test
    assert test is not None
    for index in range(12):
        test.image(index).save(tmp_path / f"{index:02}.png")
    done = type_("predict", digits_model, tmp_path, "--top", "2")
    assert (done.code, done.err) == (0, "")
    assert [line.split()[0] for line in done.out.splitlines()] == [str(tmp_path / f"{k:02}.png") for k in range(12)]
    records = [json.loads(line) for line in type_("predict", digits_model, tmp_path, "--json").out.splitlines()]
    assert [list(record) for record in records] == [["path", "class", "probability", "top"]] * 12
    assert {len(record["top"]) for record in records} == {5}
    right = sum(record["class"] == str(label) for record, label in zip(records, test.labels, strict=False))
    first = replace(open_data("digits"), test=test.take(np.arange(12)))
    assert right == evaluate(load(digits_model), first).right


def test_a_run_goes_on_from_the_command_line(tmp_path: Path, type_: Callable[..., Any]) -> None:
    words = ["digits", *TINY, *FIXED, "--epochs", "1", "--set", "iterations=8"]
    assert type_("train", *words, "--out", tmp_path / "a").code == 0
    before = (tmp_path / "a" / "model.safetensors").read_bytes()
    (tmp_path / "a" / "model.safetensors").unlink()
    done = type_("train", "--resume", tmp_path / "a", "--device", "cpu")
    assert (done.code, done.err) == (0, "")
    assert (tmp_path / "a" / "model.safetensors").read_bytes() == before


# 3: done, but something fell short.


@pytest.fixture
def two_classes(tmp_path: Path) -> tuple[Path, Path]:
    """A model of two classes, and a folder of pictures of which one is bad."""
    save(tiny.model(classes=("ant", "bee")), tmp_path / "m.safetensors")
    for part in ("train", "test"):
        tiny.write_pictures(tmp_path / "data" / part, each=5)
        (tmp_path / "data" / part / "bee" / "2.png").write_bytes(b"no picture")
    return tmp_path / "m.safetensors", tmp_path / "data"


def test_a_bad_picture_among_the_evaluated_ends_in_3_and_is_named(
    two_classes: tuple[Path, Path], type_: Callable[..., Any]
) -> None:
    model, data = two_classes
    done = type_("evaluate", model, data, "--device", "cpu")
    assert (done.code, done.err) == (3, "")
    assert f"skipped {data / 'test' / 'bee' / '2.png'}: " in done.out
    assert " of 9\n" in done.out


def test_a_bad_picture_among_the_predicted_ends_in_3_and_is_a_record(
    two_classes: tuple[Path, Path], type_: Callable[..., Any]
) -> None:
    model, data = two_classes
    done = type_("predict", model, data / "test", "--json")
    assert done.code == 3
    errors = [record for record in map(json.loads, done.out.splitlines()) if "error" in record]
    assert [record["path"] for record in errors] == [str(data / "test" / "bee" / "2.png")]
    assert "2.png  error: " in type_("predict", model, data / "test").out


def test_a_bad_picture_among_the_trained_ends_in_3_and_is_named(
    two_classes: tuple[Path, Path], tmp_path: Path, type_: Callable[..., Any]
) -> None:
    _, data = two_classes
    words = ["--size", "8", "--epochs", "1", "--no-check"]
    done = type_("train", data, *TINY, *FIXED, *words, "--out", tmp_path / "run")
    assert done.code == 3
    assert f"skipped {data / 'train' / 'bee' / '2.png'}: " in done.out
    assert (tmp_path / "run" / "model.safetensors").exists()


# 2: a wrong request, in one sentence on stderr. 1: it failed.


def test_wrong_requests_to_train(tmp_path: Path, refused: Callable[..., str]) -> None:
    out = ["--out", tmp_path / "run"]
    assert "too small for resnet18" in refused("train", "digits", "--model", "resnet18", "--recipe", "digits", *out)
    assert "Did you mean 'digits'?" in refused("train", "digits", "--recipe", "digit", *out)
    assert "epochs=0.0 is not possible in a recipe" in refused(
        "train", "digits", "--recipe", "digits", "--epochs", "0", *out
    )
    assert "there is no data set, no file and no folder 'absent'" in refused("train", "absent", *out)
    assert "'name' is the row's own" in refused("train", "digits", *TINY, "--recipe", "digits", "--set", "name=x", *out)
    for more in (["--epochs", "3"], ["--recipe", "mnist"], ["--set", "stem=cifar"], ["--size", "16"], out):
        sentence = refused("train", "digits", "--resume", tmp_path / "run", *more)
        assert f"as it was started; leave out {more[0]}" in sentence
    assert "holds no run to resume" in refused("train", "--resume", tmp_path / "run")
    assert "what shall be trained on? Give DATA" in refused("train")
    assert "--verify does the last steps of a run again; give --resume RUN" in refused("train", "digits", "--verify")
    assert not (tmp_path / "run").exists()


def test_wrong_requests_to_evaluate(tmp_path: Path, refused: Callable[..., str]) -> None:
    save(tiny.model(), tmp_path / "m.safetensors")
    assert "no file absent.safetensors; `resnets train" in refused("evaluate", "absent.safetensors", "digits")
    assert "the data lacks ant, bee, cat" in refused("evaluate", tmp_path / "m.safetensors", "digits")
    sentence = refused("evaluate", tmp_path / "m.safetensors", "digits", "--split", "dev")
    assert "--split dev is not possible; allowed: test, train" in sentence
    (tmp_path / "old.pth").write_bytes(b"PK\x03\x04" + bytes(40))
    assert "is not read as a zip archive: it does not end with a directory" in refused(
        "evaluate", tmp_path / "old.pth", "digits"
    )


def test_wrong_requests_to_predict(tmp_path: Path, refused: Callable[..., str]) -> None:
    save(tiny.model(), tmp_path / "m.safetensors")
    (tmp_path / "empty").mkdir()
    sentence = refused("predict", tmp_path / "m.safetensors", tmp_path / "empty")
    assert sentence == f"there is no picture in {tmp_path / 'empty'} of a format that this model reads"
    assert "--device abacus cannot be used" in refused(
        "predict", tmp_path / "m.safetensors", tmp_path, "--device", "abacus"
    )


def test_what_the_disk_refuses_has_failed(tmp_path: Path, type_: Callable[..., Any]) -> None:
    (tmp_path / "file").write_text("in the way")
    done = type_("train", "digits", *TINY, *FIXED, "--epochs", "0.1", "--out", tmp_path / "file" / "run")
    assert done.code == 1
    assert done.err.startswith("error: ")
    assert done.err.count("\n") == 1


@pytest.mark.parametrize("words", [["shwo"], ["show", "resnet50", "--sizee", "3"], ["predict"], ["evaluate", "m"]])
def test_unknown_verbs_and_options_are_wrong_requests(words: list[str], type_: Callable[..., Any]) -> None:
    done = type_(*words)
    assert (done.code, done.out) == (2, "")
    assert "Traceback" not in done.err


@pytest.mark.parametrize("verb", ["show", "draw", "train", "evaluate", "predict", "demo"])
def test_every_verb_explains_itself(verb: str, type_: Callable[..., Any]) -> None:
    done = type_(verb, "--help")
    assert done.code == 0
    assert f"resnets {verb}" in done.out
    assert verb in type_("--help").out


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="file names are Unicode there")
def test_a_file_name_that_no_terminal_can_write_does_not_stop_the_others(tmp_path: Path, digits_model: Path) -> None:
    for name in (b"a\xff.png", b"b.png"):
        with open(os.path.join(os.fsencode(tmp_path), name), "wb") as file:
            file.write(b"no picture")
    done = subprocess.run(
        [sys.executable, "-c", "from resnets.cli import main; main()", "predict", digits_model, tmp_path, "--json"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    names = [os.path.basename(json.loads(line)["path"]) for line in done.stdout.splitlines()]
    assert [os.fsencode(name) for name in names] == [b"a\xff.png", b"b.png"]
