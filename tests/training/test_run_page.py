"""The page of a run: written beside its model, never a reason to fail, with a command that makes the same model."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from resnets.cli import main
from resnets.data.reading import Reading
from resnets.page.judgement import Chart
from resnets.page.texts import LANGUAGES, Language
from resnets.training import page
from resnets.training.page import curves_section
from resnets.training.repeat import repeat_command
from resnets.training.run import RunFolder
from tests import tiny
from tests.page.seen import Seen

LINE = {"step": 5, "epoch": 1.0, "lr": 0.1, "loss": 2.0, "accuracy": 0.5, "seconds": 3.0, "split": "held out"}


def test_a_run_leaves_a_page_with_its_curves_answers_and_recipe(tmp_path: Path) -> None:
    trained = tiny.run(tiny.data_set(), tmp_path / "run", recipe_name="digits", epochs=2, held_out=8)
    html = (tmp_path / "run" / "report.html").read_text("utf-8")
    assert trained.without_page is None and trained.report is not None
    assert not Seen(html).open
    for part in ("curves", "confusion", "classes", "calibration", "worst", "preflight", "doctor", "recipe", "repeat"):
        assert f'id="{part}"' in html
    assert f"{trained.report.headline[1]:.2%}" in html
    assert "put theirs in place of DATA" in html


def test_a_run_without_test_pictures_has_a_page_that_says_so(tmp_path: Path) -> None:
    trained = tiny.run(tiny.data_set(test_count=None), tmp_path / "run", recipe_name="digits", epochs=1)
    html = (tmp_path / "run" / "report.html").read_text("utf-8")
    assert trained.without_page is None
    assert "There are no test pictures" in html and 'id="confusion"' not in html and 'id="curves"' in html


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), ZeroDivisionError("a fault of ours")])
def test_a_page_that_cannot_be_written_costs_no_run(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(page.atomic, "write", lambda path, data: refuse())
    monkeypatch.setattr(page, "run_html", refuse if isinstance(error, ZeroDivisionError) else lambda *_, **__: "")
    folder = RunFolder(tmp_path)
    said = page.write_run_report(folder, None, None, None, None)  # type: ignore[arg-type]
    assert said is not None and "the model is saved all the same" in said
    assert type(error).__name__ in said and str(tmp_path / "report.html") in said


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("score", ["top1", "map"])
def test_curves_are_drawn_of_what_was_measured(score: str, language: Language) -> None:
    lines = [LINE | {score: 0.4, "validation_loss": 2.5}, LINE | {"epoch": 2.0, score: 0.6, "validation_loss": 2.1}]
    found = curves_section([*lines, {"step": 9, "split": "test", score: 0.7, "loss": 1.0}], language)
    assert found is not None
    charts = [block for block in found.blocks if isinstance(block, Chart)]
    assert [chart.svg.count("<path ") for chart in charts] == [2, 2, 1]


def test_a_run_without_validation_has_curves_of_training_alone() -> None:
    line = {key: value for key, value in LINE.items() if key != "split"}
    found = curves_section([line], "en")
    assert found is not None
    assert [block.svg.count("<path ") for block in found.blocks if isinstance(block, Chart)] == [1, 1, 1]
    assert curves_section([], "en") is None


@pytest.mark.parametrize(
    "words",
    [
        [
            "--seed",
            "3",
            "--lr",
            "0.03",
            "--set",
            "schedule=steps",
            "--set",
            "milestones=0.3,0.6",
            "--set",
            "nesterov=true",
        ],
        ["--size", "8x8", "--fit", "pad", "--held-out", "4", "--set", "translate=0.1", "--read", "test_share=0.3"],
    ],
)
def test_the_command_makes_the_same_model(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tiny.write_pictures(tmp_path / "pictures, mine")
    facts = ["--set", "blocks=1,1", "--set", "stem_width=4", "--set", "widths=4,8"]
    how = ["--recipe", "digits", "--epochs", "1", "--device", "cpu", "--threads", "1", "--no-check", *facts, *words]

    def type_(*given: str) -> None:
        monkeypatch.setattr("sys.argv", ["resnets", *given])
        with pytest.raises(SystemExit) as done:
            main()
        assert not done.value.code, capsys.readouterr().err

    type_("train", str(data), "--model", tiny.ROW, *how, "--out", str(tmp_path / "run"))
    folder = RunFolder(tmp_path / "run")
    command, has_files = repeat_command(folder.read_request(), folder)
    assert has_files
    program, *again = shlex.split(command)
    assert program == "resnets"
    type_(*again)
    other = RunFolder(tmp_path / "run-again")
    assert other.read_request().sha256() == folder.read_request().sha256()
    assert other.model.read_bytes() == folder.model.read_bytes()


def test_the_command_of_many_processes_starts_as_many(tmp_path: Path) -> None:
    tiny.run(tiny.data_set(), tmp_path / "run", recipe_name="digits", epochs=1)
    folder = RunFolder(tmp_path / "run")
    asked = folder.read_request()
    asked = replace(asked, machine=asked.machine | {"processes": 4}, reading=Reading(class_order="string"))
    folder.manifest.write_text(json.dumps({}))
    command, has_files = repeat_command(asked, folder)
    assert not has_files
    assert command.startswith("torchrun --standalone --nproc-per-node 4 -m resnets train DATA ")
    assert "--read class_order=string" in command and f"--manifest {folder.manifest}" in command
