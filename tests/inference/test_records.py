"""Records on the disk: every format says the same, and a run that was stopped ends as if it had not been."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from resnets.files.errors import FileError
from resnets.inference.engines import PlainEngine
from resnets.inference.features import features
from resnets.inference.pipeline import Answered
from resnets.inference.predict import predict
from resnets.inference.records import Written
from resnets.inference.writing import identity_of, write_features, write_predictions
from resnets.weights.modelfile import Model
from tests import tiny
from tests.torture.processes import ENVIRONMENT, ROOT

CLASSES = ("ant", "bee, or wasp", 'the "cat"', "Füchsin 狐")
ODD = ("a b.png", 'comma, quote".png', "line\nbreak.png", "cr\r.png", "ä狐😀.png", "back\\slash.png", "\\udcff.png")
LATIN = os.fsdecode(b"latin-\xff.png")  # whose name is no Unicode


@pytest.fixture(scope="module")
def model() -> Model:
    return tiny.model(classes=CLASSES)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of odd names, and two that are none."""
    folder = tmp_path_factory.mktemp("pictures")
    chance = np.random.default_rng(3)
    for name in (*ODD, LATIN, *(f"{number}.png" for number in range(4))):
        Image.fromarray(chance.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(folder / name)
    (folder / "2.png").write_text("no picture")
    (folder / "zz.png").write_bytes(b"")
    return folder


def paths(folder: Path) -> list[Path]:
    """Every picture, one of them twice, and one that is not there."""
    return [*sorted(folder.iterdir()), folder / "absent.png", folder / "0.png"]


def predicted(model: Model, images: Any, out: Path, **how: Any) -> Written:
    usual: dict[str, Any] = {"identity": identity_of(model), "top": 3, "batch_size": 4, "workers": 2}
    return write_predictions(model.card, PlainEngine(model, "cpu"), images, out, **usual | how)


def featured(model: Model, images: Any, out: Path, level: str | None = None, **how: Any) -> Written:
    usual: dict[str, Any] = {"identity": identity_of(model), "batch_size": 4, "workers": 2}
    engine = PlainEngine(model, "cpu", (level or "C3",))
    return write_features(model.card, engine, images, out, level=level, **usual | how)


def said(model: Model, folder: Path) -> list[dict[str, Any]]:
    return [each.to_dict() for each in predict(model, paths(folder), top=3, batch_size=4, device="cpu")]


# What the formats say.


def test_json_lines_are_the_records(model: Model, folder: Path, tmp_path: Path) -> None:
    done = predicted(model, paths(folder), tmp_path / "a.jsonl")
    assert (done.pictures, done.unreadable, done.kept) == (len(paths(folder)), 3, 0)
    lines = (tmp_path / "a.jsonl").read_bytes().decode().split("\n")
    assert lines.pop() == ""
    assert [json.loads(line) for line in lines] == said(model, folder)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl", "a.jsonl.run.json"]


def shown(name: str) -> str:
    """A path as CSV and Parquet have it: where it is no Unicode, with an escape."""
    return name.replace("\udcff", "\\udcff")


KINDS: dict[str, dict[str, Any]] = {
    "one class": {},
    "unknown": {"calibration": {"unknown_below": 0.45}},
    "several classes": {"task": "classes"},
}


@pytest.mark.parametrize("card", KINDS.values(), ids=KINDS)
def test_csv_says_what_the_records_say(card: dict[str, Any], model: Model, folder: Path, tmp_path: Path) -> None:
    judge = Model(model.network, replace(model.card, **card))
    predicted(judge, paths(folder), tmp_path / "a.csv")
    with (tmp_path / "a.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, strict=True))
    expected = said(judge, folder)
    assert [row["path"] for row in rows] == [shown(record["path"]) for record in expected]
    for row, record in zip(rows, expected, strict=True):
        assert None not in row and None not in row.values()
        assert row["error"] == shown(record.get("error", ""))
        if "error" in record:
            assert not any(cell for name, cell in row.items() if name not in ("path", "error"))
            continue
        assert row["class"] == (record["class"] or "")
        assert float(row["probability"]) == record["probability"]
        best = [(row[f"class_{rank}"], float(row[f"probability_{rank}"])) for rank in (1, 2, 3)]
        assert best == [(each["class"], each["probability"]) for each in record["top"]]
        assert row.get("unknown") == (
            {True: "true", False: "false"}[record.get("unknown", False)] if "calibration" in card else None
        )
        if "task" in card:
            assert json.loads(row["classes"]) == [each["class"] for each in record["classes"]]
    unknown = [row.get("unknown") for row in rows]
    assert "calibration" not in card or {"true", "false"} <= set(unknown)


@pytest.mark.parametrize("card", KINDS.values(), ids=KINDS)
def test_parquet_says_what_the_records_say(card: dict[str, Any], model: Model, folder: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    judge = Model(model.network, replace(model.card, **card))
    predicted(judge, paths(folder), tmp_path / "a.parquet")
    rows = parquet.read_table(tmp_path / "a.parquet").to_pylist()
    expected = said(judge, folder)
    for row, record in zip(rows, expected, strict=True):
        told = {name: cell for name, cell in row.items() if cell is not None}
        if "error" in record:
            assert told == {name: shown(text) for name, text in record.items()}
            continue
        if "calibration" in card:
            assert told.pop("unknown") is record.pop("unknown", False)
        assert told == {name: cell for name, cell in record.items() if cell is not None} | {
            "path": shown(record["path"])
        }


@pytest.mark.parametrize("level", [None, "C2"])
def test_npz_has_a_row_for_each_picture(level: str | None, model: Model, folder: Path, tmp_path: Path) -> None:
    done = featured(model, paths(folder), tmp_path / "a.npz", level)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as found:
        arrays = dict(found)
    assert list(arrays) == ["features", "paths", "errors"]
    expected = list(features(model, paths(folder), level=level, batch_size=4, device="cpu"))
    assert arrays["paths"].tolist() == [each.path for each in expected]
    assert arrays["errors"].tolist() == [each.error or "" for each in expected]
    assert arrays["features"].dtype == np.float32 and len(arrays["features"]) == done.pictures
    for row, each in zip(arrays["features"], expected, strict=True):
        assert np.isnan(row).all() if each.values is None else np.array_equal(row, each.values)


@pytest.mark.parametrize("level", [None, "C2"])
def test_parquet_and_csv_have_the_same_features(level: str | None, model: Model, folder: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    for ending in ("npz", "parquet", "csv"):
        featured(model, paths(folder), tmp_path / f"a.{ending}", level)
    with np.load(tmp_path / "a.npz") as found:
        expected = found["features"].reshape(len(found["features"]), -1)
    table = parquet.read_table(tmp_path / "a.parquet")
    shape = json.loads(table.schema.metadata[b"resnets"])["shape"]
    assert shape == ([8] if level is None else [4, 8, 8])
    with (tmp_path / "a.csv").open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file, strict=True))
    for numbers, row, line in zip(expected, table.to_pylist(), lines, strict=True):
        assert row["path"] == line["path"]
        assert (row["error"] or "") == line["error"]
        cells = [cell for name, cell in line.items() if name.startswith("feature_")]
        if line["error"]:
            assert row["features"] is None and set(cells) == {""} and np.isnan(numbers).all()
        else:
            assert np.array_equal(np.array(row["features"], np.float32), numbers)
            assert np.array_equal(np.array(cells).astype(np.float32), numbers)


FORMATS: dict[str, Callable[..., Written]] = {
    "a.jsonl": predicted,
    "a.csv": predicted,
    "a.parquet": predicted,
    "f.npz": featured,
    "f.csv": featured,
    "f.parquet": featured,
}


@pytest.mark.parametrize(("name", "write"), FORMATS.items())
def test_equal_runs_write_equal_bytes(
    name: str, write: Callable[..., Written], model: Model, folder: Path, tmp_path: Path
) -> None:
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    for place in ("one", "other"):
        (tmp_path / place).mkdir()
        write(model, paths(folder), tmp_path / place / name, workers=len(place))
        left = {path.name for path in (tmp_path / place).iterdir()}
        assert left == {name, f"{name}.run.json"}, "nothing else is left"
    for file in (name, f"{name}.run.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "other" / file).read_bytes()


def test_an_empty_list_is_an_empty_file(model: Model, tmp_path: Path) -> None:
    assert predicted(model, [], tmp_path / "a.jsonl").pictures == 0
    assert (tmp_path / "a.jsonl").read_bytes() == b""
    featured(model, [], tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as found:
        assert found["features"].shape == (0, 8)


# What was stopped goes on.


def test_a_file_that_was_cut_anywhere_is_continued_to_the_same_bytes(
    model: Model, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)  # short names, as every byte is a run
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    images = [Path(name) for name in ("0.png", "ä狐😀.png", "2.png", "1.png", "3.png", "zz.png", "0.png")]
    out, note = tmp_path / "a.jsonl", tmp_path / "a.jsonl.run.json"
    asked = _remembered(monkeypatch)
    engine, identity = PlainEngine(model, "cpu"), identity_of(model)

    def written() -> Written:
        return write_predictions(model.card, engine, images, out, identity=identity, top=1, batch_size=3)

    written()
    whole = out.read_bytes()
    unfinished = json.dumps({"made_by": json.loads(note.read_bytes())["made_by"]})
    for cut in range(len(whole) + 1):
        out.write_bytes(whole[:cut])
        note.write_text(unfinished)
        asked.clear()
        done = written()
        assert out.read_bytes() == whole, cut
        kept = whole[:cut].count(b"\n")
        assert (done.kept, done.pictures, done.unreadable) == (kept, 7, 2)
        assert [path for batch in asked for path in batch] == [str(path) for path in images[kept - kept % 3 :]]
        assert "seen" in json.loads(note.read_bytes())


def _remembered(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Let every batch be answered from memory, as each byte of a file is a run; return those that were asked for."""
    from resnets.inference import predict as predicting

    real = predicting.answered
    known: dict[tuple[str, ...], Answered] = {}
    asked: list[tuple[str, ...]] = []

    def remembered(files: Iterator[Path], engine: Any, preprocess: Any, *, batch_size: int, **_: Any) -> Any:
        names = [str(path) for path in files]
        for first in range(0, len(names), batch_size):
            some = tuple(names[first : first + batch_size])
            if some not in known:
                (known[some],) = real(some, engine, preprocess, batch_size=batch_size, workers=0)
            asked.append(some)
            yield known[some]

    monkeypatch.setattr(predicting, "answered", remembered)
    return asked


class Stopped(Exception):
    """A run ends here."""


@pytest.mark.parametrize(("name", "write"), FORMATS.items())
@pytest.mark.parametrize("after", [0, 1, 5, 8, 13])
def test_what_failed_half_way_is_continued_to_the_same_bytes(
    name: str, write: Callable[..., Written], after: int, model: Model, folder: Path, tmp_path: Path
) -> None:
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    images = paths(folder)
    (tmp_path / "whole").mkdir()
    write(model, images, tmp_path / "whole" / name)

    def failing() -> Iterator[Path]:
        yield from images[:after]
        raise Stopped

    out = tmp_path / name
    with pytest.raises(Stopped):
        write(model, failing(), out, workers=0)
    assert name.endswith("jsonl") or not out.exists(), "a file appears when it is whole"
    assert write(model, images, out).kept == after - after % 4
    assert out.read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"whole", name, f"{name}.run.json"}


@pytest.mark.parametrize("lines", [0, 3, 6, 9])
@pytest.mark.parametrize("more", [-40, -1, 0, 1, 32, 200])
def test_rows_and_lines_that_were_cut_apart_are_brought_together(
    lines: int, more: int, model: Model, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows are written first; a power cut may still lose either."""
    from resnets.inference import records

    images, out = paths(folder), tmp_path / "f.npz"
    monkeypatch.setattr(records._Run, "_remove_log", lambda self: None)
    featured(model, images, out)
    whole, part, rows = out.read_bytes(), tmp_path / "f.npz.part", tmp_path / "f.npz.rows.part"
    kept = part.read_bytes().splitlines(keepends=True)
    monkeypatch.undo()
    out.unlink()
    part.write_bytes(b"".join(kept[:lines]) + kept[lines][:7])
    rows.write_bytes(rows.read_bytes()[: max(0, 32 * lines + more)])
    (tmp_path / "f.npz.run.json").write_text(
        json.dumps({"made_by": json.loads((tmp_path / "f.npz.run.json").read_bytes())["made_by"]})
    )
    done = featured(model, images, out)
    assert done.kept == max(0, min(lines, (32 * lines + more) // 32))
    assert out.read_bytes() == whole


@pytest.mark.parametrize("torn", [b"\0" * 50 + b"\n", b"{}\n", b'{"path": 3}\n', b"[[[[\n", b"\xff\n", b'{"path"\n'])
def test_what_is_no_record_is_cut_off_with_all_behind_it(
    torn: bytes, model: Model, folder: Path, tmp_path: Path
) -> None:
    out, images = tmp_path / "a.jsonl", paths(folder)
    predicted(model, images, out)
    whole = out.read_bytes()
    lines = whole.splitlines(keepends=True)
    out.write_bytes(b"".join([*lines[:5], torn, *lines[6:9]]))
    note = tmp_path / "a.jsonl.run.json"
    note.write_text(json.dumps({"made_by": json.loads(note.read_bytes())["made_by"]}))
    assert predicted(model, images, out).kept == 5
    assert out.read_bytes() == whole


def test_a_whole_file_is_left_as_it_is(model: Model, folder: Path, tmp_path: Path) -> None:
    for name, write in FORMATS.items():
        if name.endswith("parquet"):
            pytest.importorskip("pyarrow")
        first = write(model, paths(folder), tmp_path / name)
        before = os.stat(tmp_path / name)
        again = write(model, paths(folder), tmp_path / name)
        assert (again.pictures, again.unreadable, again.kept) == (first.pictures, 3, first.pictures)
        after = os.stat(tmp_path / name)
        assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


@pytest.mark.parametrize(("name", "write"), FORMATS.items())
def test_a_file_that_was_removed_is_begun_anew(
    name: str, write: Callable[..., Written], model: Model, folder: Path, tmp_path: Path
) -> None:
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    write(model, paths(folder), tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).unlink()
    assert write(model, paths(folder)[:4], tmp_path / name).kept == 0
    assert (tmp_path / name).read_bytes() != whole
    (tmp_path / name).unlink()
    assert write(model, paths(folder), tmp_path / name, batch_size=5).kept == 0


@pytest.mark.parametrize(("name", "write"), [("a.csv", predicted), ("f.npz", featured)])
def test_what_is_left_beside_a_file_that_was_removed_is_not_gone_on_with(
    name: str,
    write: Callable[..., Written],
    model: Model,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A kill after the file was whole, and before its log was removed."""
    from resnets.inference import records

    monkeypatch.setattr(records._Run, "_remove_log", lambda self: None)
    write(model, paths(folder), tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).unlink()
    monkeypatch.undo()
    assert write(model, paths(folder), tmp_path / name).kept == 0
    assert (tmp_path / name).read_bytes() == whole
    assert {path.name for path in tmp_path.iterdir()} == {name, f"{name}.run.json"}


# What is not this run's is refused, and left as it is.


def another(model: Model) -> Model:
    other = tiny.model(seed=1, classes=CLASSES)
    assert other.card == model.card
    return other


OTHERS: dict[str, tuple[Callable[[Model], Model], dict[str, Any], str]] = {
    "another network": (another, {}, "model [0-9a-f]{64} then and [0-9a-f]{64} now"),
    "another card": (lambda m: Model(m.network, replace(m.card, calibration={"temperature": 2.0})), {}, "model "),
    "another top": (lambda m: m, {"top": 2}, "top 3 then and 2 now"),
    "another batch": (lambda m: m, {"batch_size": 5}, "batch_size 4 then and 5 now"),
}


@pytest.mark.parametrize(("change", "how", "sentence"), OTHERS.values(), ids=OTHERS)
@pytest.mark.parametrize("name", ["a.jsonl", "a.csv"])
@pytest.mark.parametrize("is_whole", [True, False])
def test_another_run_is_refused(
    change: Callable[[Model], Model],
    how: dict[str, Any],
    sentence: str,
    name: str,
    is_whole: bool,
    model: Model,
    folder: Path,
    tmp_path: Path,
) -> None:
    _some(model, folder, tmp_path / name, is_whole)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(ValueError, match=f"comes of another run: {sentence}.*; remove it to begin anew, or give"):
        predicted(change(model), paths(folder), tmp_path / name, **how)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def _some(model: Model, folder: Path, out: Path, is_whole: bool) -> None:
    """A file that is whole, or was left after eight pictures."""

    def failing() -> Iterator[Path]:
        yield from paths(folder)[:8]
        raise Stopped

    if is_whole:
        predicted(model, paths(folder), out)
    else:
        with pytest.raises(Stopped):
            predicted(model, failing(), out, workers=0)


LISTS: dict[str, tuple[bool, Callable[[list[Path]], list[Path]], str]] = {
    "shorter": (False, lambda paths: paths[:5], "picture 6 was .*, and the list ends before it now"),
    "in another order": (False, lambda paths: [paths[1], paths[0], *paths[2:]], "picture 1 was .*, and it is .* now"),
    "whole, and longer": (
        True,
        lambda paths: [*paths, paths[0]],
        "is whole, and of another list: of 15 pictures, where",
    ),
    "whole, and shorter": (True, lambda paths: paths[:-1], "is whole, and of another list"),
}


@pytest.mark.parametrize(("is_whole", "change", "sentence"), LISTS.values(), ids=LISTS)
@pytest.mark.parametrize("name", ["a.jsonl", "a.csv"])
def test_another_list_is_refused(
    is_whole: bool,
    change: Callable[[list[Path]], list[Path]],
    sentence: str,
    name: str,
    model: Model,
    folder: Path,
    tmp_path: Path,
) -> None:
    _some(model, folder, tmp_path / name, is_whole)
    kept = tmp_path / (name if is_whole or name == "a.jsonl" else f"{name}.part")
    before = kept.read_bytes()
    with pytest.raises(ValueError, match=sentence):
        predicted(model, change(paths(folder)), tmp_path / name)
    assert kept.read_bytes() == before


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv"])
def test_a_file_that_nobody_knows_is_not_written_over(name: str, model: Model, folder: Path, tmp_path: Path) -> None:
    (tmp_path / name).write_text("somebody's\n")
    with pytest.raises(ValueError, match=r"is there already, and no .*run.json beside it says what made it"):
        predicted(model, paths(folder), tmp_path / name)
    assert (tmp_path / name).read_text() == "somebody's\n"
    (tmp_path / f"{name}.run.json").write_text("[]")
    with pytest.raises(ValueError, match="is no note of a run; remove it and"):
        predicted(model, paths(folder), tmp_path / name)


def test_two_runs_do_not_mix_their_records(model: Model, folder: Path, tmp_path: Path) -> None:
    out, images = tmp_path / "a.jsonl", paths(folder)

    def meddling() -> Iterator[Path]:
        yield from images[:6]
        with pytest.raises(ValueError, match="another process is writing"):
            predicted(model, images, out)
        yield from images[6:]

    if sys.platform != "win32":
        predicted(model, meddling(), out)
        assert [json.loads(line) for line in out.read_bytes().splitlines()] == said(model, folder)


@pytest.mark.parametrize("write", [predicted, featured])
def test_other_endings_are_refused_with_those_that_are_allowed(
    write: Callable[..., Written], model: Model, folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=r"allowed are files that end in \.(jsonl|npz), "):
        write(model, paths(folder), tmp_path / "a.txt")
    with pytest.raises(FileError, match=r"there is no folder .*; make it first: mkdir -p"):
        write(model, paths(folder), tmp_path / "absent" / "a.csv")


def test_maps_too_large_for_csv_are_refused(model: Model, tmp_path: Path) -> None:
    preprocess = replace(model.card.preprocess, size=(128, 128))
    large = Model(model.network, replace(model.card, preprocess=preprocess))
    with pytest.raises(ValueError, match=r"4 x 128 x 128 numbers a picture are too many for CSV; give a \.npz"):
        featured(large, [], tmp_path / "a.csv", "C2")


def test_models_are_told_apart_by_every_number(model: Model) -> None:
    same = tiny.model(classes=CLASSES)
    assert identity_of(same) == identity_of(model)
    state = same.network.state_dict()
    for name in (min(state), max(state)):
        other = tiny.model(classes=CLASSES)
        other.network.state_dict()[name].view(-1)[-1:].add_(1)
        assert identity_of(other) != identity_of(model)


# Kills.

PROGRAM = """
import os, random, signal, sys, time
from pathlib import Path
import torch
from resnets.inference.engines import PlainEngine
from resnets.inference.writing import identity_of, write_features, write_predictions
from tests import tiny

folder, out, kills = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
model = tiny.model()

class Slow(PlainEngine):
    def run(self, pictures):
        time.sleep(0.002)
        return super().run(pictures)

def work(out):
    engine = Slow(model, "cpu", ("C3",))
    write = write_features if out.suffix == ".npz" else write_predictions
    write(model.card, engine, [folder], out, identity=identity_of(model), batch_size=3, workers=2)

def child(out, after):
    pid = os.fork()
    if not pid:
        try:
            work(out)
        finally:
            os._exit(sys.exc_info()[0] is not None)
    if after is not None:
        time.sleep(after)
        os.kill(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

started = time.monotonic()
assert child(out.with_stem("whole"), None) == 0
took = time.monotonic() - started
chance, killed = random.Random(0), 0
while killed < kills:
    code = child(out, chance.uniform(0, took * 0.4))
    assert code in (0, -signal.SIGKILL), code
    killed += code != 0
    if not code:
        assert out.read_bytes() == out.with_stem("whole").read_bytes()
        out.unlink()
assert child(out, None) == 0
print(killed)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork a process")
@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.npz"])
def test_runs_that_are_killed_end_in_the_same_bytes(name: str, folder: Path, tmp_path: Path) -> None:
    many = tmp_path / "many"
    many.mkdir()
    for number in range(60):
        shutil.copy(folder / f"{number % 4}.png", many / f"{number}.png")
    words = [sys.executable, "-c", PROGRAM, str(many), str(tmp_path / name), "6"]
    done = subprocess.run(words, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "6\n"), done.stderr
    whole = tmp_path / f"whole{Path(name).suffix}"
    assert (tmp_path / name).read_bytes() == whole.read_bytes()
    left = {path.name for path in tmp_path.iterdir() if not path.name.startswith(".")}
    assert left == {"many", name, whole.name, f"{name}.run.json", f"{whole.name}.run.json"}
