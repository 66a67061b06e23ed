"""`resnets predict` with lists of files, and to a file that a stopped run goes on with."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from resnets.weights.modelfile import save
from tests import tiny
from tests.torture.processes import ENVIRONMENT, ROOT

Type = Callable[..., Any]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    save(tiny.model(), tmp_path / "m.safetensors")
    return tmp_path / "m.safetensors"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    chance = np.random.default_rng(0)
    (tmp_path / "f").mkdir()
    for number in range(6):
        Image.fromarray(chance.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(tmp_path / "f" / f"{number}.png")
    return tmp_path / "f"


def test_a_file_holds_what_is_printed(model: Path, folder: Path, tmp_path: Path, type_: Type) -> None:
    printed = type_("predict", model, folder, "--json", "--top", 2)
    assert printed.code == 0, printed.err
    assert type_("predict", model, folder, "--json", "--top", 2, "--out", "-").out == printed.out
    done = type_("predict", model, folder, "--top", 2, "--out", tmp_path / "a.jsonl")
    assert (done.code, done.out) == (0, f"{tmp_path / 'a.jsonl'}: 6 pictures\n"), done.err
    assert (tmp_path / "a.jsonl").read_text() == printed.out


def test_the_same_command_goes_on_and_says_what_was_there(
    model: Path, folder: Path, tmp_path: Path, type_: Type
) -> None:
    (folder / "3.png").write_bytes(b"")
    out = tmp_path / "a.jsonl"
    words = ["predict", model, folder, "--out", out, "--batch-size", 2]
    first = type_(*words)
    assert (first.code, first.out) == (3, f"{out}: 6 pictures; 1 could not be read\n"), first.err
    whole = out.read_bytes()
    again = type_(*words, "--json")
    assert again.code == 3
    assert json.loads(again.out) == {"out": str(out), "pictures": 6, "unreadable": 1, "kept": 6}
    note = tmp_path / "a.jsonl.run.json"
    note.write_text(json.dumps({"made_by": json.loads(note.read_bytes())["made_by"]}))
    out.write_bytes(whole[:-5])
    assert type_(*words).out == f"{out}: 6 pictures, 5 of them there before; 1 could not be read\n"
    assert out.read_bytes() == whole


def test_paths_may_come_from_a_list_or_from_the_standard_input(
    model: Path, folder: Path, tmp_path: Path, type_: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "".join(f"{folder / name}\n" for name in ("4.png", "0.png", "4.png"))
    (tmp_path / "list.txt").write_text(text)
    expected = [str(folder / name) for name in ("5.png", "4.png", "0.png", "4.png")]
    done = type_("predict", model, folder / "5.png", f"@{tmp_path / 'list.txt'}", "--json")
    assert [json.loads(line)["path"] for line in done.out.splitlines()] == expected
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    done = type_("predict", model, folder / "5.png", "-", "--json")
    assert [json.loads(line)["path"] for line in done.out.splitlines()] == expected


def test_refusals_come_before_anything_is_written(
    model: Path, folder: Path, tmp_path: Path, refused: Callable[..., str]
) -> None:
    (tmp_path / "list.txt").write_text("")
    before = sorted(tmp_path.iterdir())
    words = ["predict", model, folder]
    assert "there is no picture in" in refused(
        "predict", model, f"@{tmp_path / 'list.txt'}", "--out", tmp_path / "a.csv"
    )
    assert "cannot be read" in refused("predict", model, f"@{tmp_path / 'absent.txt'}", "--out", tmp_path / "a.csv")
    assert "allowed are files that end in .jsonl, .csv, .parquet" in refused(*words, "--out", tmp_path / "a.txt")
    assert "there is no folder" in refused(*words, "--out", tmp_path / "absent" / "a.csv")
    assert "is what is read, and would be lost" in refused(*words, "--out", model)
    assert "--engine abacus is not possible" in refused(*words, "--engine", "abacus", "--out", tmp_path / "a.csv")
    assert "--precision fp8 is not possible" in refused(*words, "--precision", "fp8", "--out", tmp_path / "a.csv")
    assert sorted(tmp_path.iterdir()) == before


MEMORY = """
import os, resource, sys
from pathlib import Path
from resnets.inference.engines import PlainEngine
from resnets.inference.writing import write_predictions
from tests import tiny

class Watched(PlainEngine):
    resident = ()

    def run(self, pictures):
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        self.resident = (*self.resident, pages * os.sysconf("SC_PAGE_SIZE"))[-4000:]
        return super().run(pictures)

model = tiny.model()
peaks, counts = [], []
for folder in map(Path, sys.argv[1:]):
    engine = Watched(model, "cpu")
    done = write_predictions(model.card, engine, folder, folder.with_suffix(".csv"), identity="", workers=2)
    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
    counts.append(done.pictures)
early = len(engine.resident) // 4
print((peaks[1] - peaks[0]) / (counts[1] - counts[0]), (engine.resident[-1] - engine.resident[early]) / counts[1])
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
@pytest.mark.parametrize("count", [5_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_memory_does_not_grow_with_the_number_of_files(count: int, tmp_path: Path) -> None:
    """Less than a kilobyte a file, the names of the folder included."""
    folders = []
    for number in (1000, count):
        folder = tmp_path / str(number)
        folder.mkdir()
        for place in range(number):
            if place % 20_000 == 0:  # a file has at most so many names on some disks
                Image.new("RGB", (8, 8), (place % 256, 80, 90)).save(folder / f"{place:06}.jpg")
                first = folder / f"{place:06}.jpg"
            else:
                os.link(first, folder / f"{place:06}.jpg")
        folders.append(str(folder))
    words = [sys.executable, "-c", MEMORY, *folders]
    done = subprocess.run(words, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    peak, meanwhile = map(float, done.stdout.split())
    assert peak < 1000 and meanwhile < 500
