"""Odd images: each is decoded or refused as the golden table says, in bounded memory, and as its manifest sees it."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.odd_images import DISAGREEMENTS, MEMORY, NEAR, Row, paths, read

ROOT = Path(__file__).parents[2]
TOLERANCE = 3
"""Of 255, for the decoders of another version or processor."""

# What the manifest's Pillow converts to RGB and we refuse, each for what its golden row says.
STRICTER = {
    "odd-images/pillow/10ct_32bit_128.tiff",
    "odd-images/pillow/apng/chunk_no_fdat.png",  # a first frame that is not there; there is another picture
    "odd-images/pillow/apng/sequence_fdat_fctl.png",
    "odd-images/pillow/truncated_end_chunk.png",
}


@pytest.fixture(scope="module")
def seen(shared_data: Path) -> dict[str, Row]:
    """What a process sees that may take 1 GiB more than it begins with, and that no file may end."""
    words = [sys.executable, "-m", "tests.odd_images", str(shared_data)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout)
    assert told["kib"] * 1024 < MEMORY
    return {row.path: row for row in (Row(*values) for values in told["rows"])}


def test_every_odd_image_is_decoded_or_refused_as_the_golden_says(seen: dict[str, Row]) -> None:
    golden = {row.path: row for row in read()}
    assert golden.keys() == seen.keys()
    wrong = []
    for path, row in seen.items():
        expected = golden[path]
        if row.size != expected.size:
            wrong.append(f"{path}: {row.size} ({row.grid}) and not {expected.size} ({expected.grid})")
        elif row.size == "refused":
            assert row.grid, path
        else:
            ours, theirs = (
                np.frombuffer(bytes.fromhex(grid), np.uint8).astype(int) for grid in (row.grid, expected.grid)
            )
            if np.abs(ours - theirs).max() > TOLERANCE:
                wrong.append(f"{path}: {row.grid}")
    assert not wrong


def test_the_golden_holds_what_chromium_sees(shared_data: Path) -> None:
    rows = read()
    assert [row.path for row in rows] == paths(shared_data)
    for row in rows:
        assert row.chromium, row.path
        if row.path in DISAGREEMENTS:
            assert row.chromium == "size" or float(row.chromium) > NEAR, row.path
        elif row.chromium not in ("no", "part", "whole"):
            assert float(row.chromium) <= NEAR, row.path
        if row.chromium == "whole":
            assert row.size == "refused", row.path


def test_what_the_manifest_sees_is_decoded_in_that_size_and_upright(shared_data: Path, seen: dict[str, Row]) -> None:
    manifest = csv.DictReader((shared_data / "odd-images" / "MANIFEST.csv").read_text().splitlines())
    read_by_us = {"JPEG", "MPO", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM"}
    stricter = set()
    decoded = 0
    for fact in manifest:
        row = seen[f"odd-images/{fact['path']}"]
        if fact["convert_rgb"] != "ok" or fact["format"] not in read_by_us:
            assert row.size == "refused", row.path
        elif row.size == "refused":
            stricter.add(row.path)
        else:
            width, height = map(int, fact["size"].split("x"))
            is_turned = fact["exif_orientation"] in ("5", "6", "7", "8")
            assert row.size == (f"{height}x{width}" if is_turned else f"{width}x{height}"), row.path
            decoded += 1
    assert stricter == STRICTER
    assert decoded == 384


def test_pictures_of_one_scene_in_every_orientation_look_alike(seen: dict[str, Row]) -> None:
    rows = [row for path, row in seen.items() if path.startswith("exif-orientation/")]
    grids = [np.frombuffer(bytes.fromhex(row.grid), np.uint8).astype(int) for row in rows]
    assert len(rows) == 9
    assert len({row.size for row in rows}) == 1
    assert all(np.abs(grid - grids[0]).max() < 4 for grid in grids)
