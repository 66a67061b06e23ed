"""Odd images: how we and Chromium see the collection in ../shared/data, kept in a golden table.

`python -m tests.odd_images` writes what we see, and `make agreement` what Chromium does.
"""

from __future__ import annotations

import csv
import json
import os
import resource
import sys
import warnings
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from resnets.data.decoding.decode import decode
from resnets.data.errors import BadImage
from resnets.spec.preprocess import FORMATS, Preprocess

GOLDEN = Path(__file__).parent / "golden" / "odd-images.csv"
EVERY_FORMAT = Preprocess(formats=tuple(FORMATS))
MEMORY = 1 << 30
"""Bytes that decoding may take."""

NEAR = 2.0
"""Of 255: the largest mean difference to Chromium that is none."""

WEBP = "Chromium does not read the EXIF of a WebP; we do, as Pillow and image viewers do"
DISAGREEMENTS = {
    "odd-images/image-png-bugfixes/bugfixes/invalid_palette_index.png": "it points outside its palette: black for "
    "Pillow, the first free colour of its memory for Chromium",
    "odd-images/pillow/bmp/q/pal8rletrns.bmp": "pixels that its packing skips have the first colour of the palette "
    "for Pillow and are transparent for Chromium; the format does not say",
    "odd-images/pillow/hopper_orientation_2.webp": WEBP,
    "odd-images/pillow/hopper_orientation_3.webp": WEBP,
    "odd-images/pillow/hopper_orientation_8.webp": WEBP,
    "odd-images/pillow/mmap_error.bmp": "its pixels start later than Chromium looks for them, which draws black",
}
"""Files that Chromium decodes otherwise than we do, and why."""


@dataclass(frozen=True, slots=True)
class Row:
    """A file: what we see, and how Chromium compares."""

    path: str  # below ../shared/data
    size: str  # "32x32", or "refused"
    grid: str  # the mean colours of 4 x 4 parts in hexadecimal, or the reason of a refusal
    chromium: str = ""  # the mean difference of its pixels to ours, "whole", "part" where we refuse; "no"


def paths(shared_data: Path) -> list[str]:
    """Every picture of the two collections."""
    manifest = csv.DictReader((shared_data / "odd-images" / "MANIFEST.csv").read_text().splitlines())
    sideways = sorted((shared_data / "exif-orientation").glob("*.jpg"))
    return [f"odd-images/{row['path']}" for row in manifest] + [f"exif-orientation/{path.name}" for path in sideways]


def grid(image: Image.Image) -> npt.NDArray[np.uint8]:
    """The mean colours (4, 4, 3) of the parts of a picture."""
    return np.asarray(image.convert("RGB").resize((4, 4), Image.Resampling.BOX))


def look(shared_data: Path, path: str) -> Row:
    """Decode a file, and say what is seen."""
    try:
        image = decode(shared_data / path, EVERY_FORMAT)
    except BadImage as error:
        assert error.name == str(shared_data / path)
        return Row(path, "refused", error.reason.split("image: ")[-1][:90].split(" at 0x")[0])
    assert image.mode == "RGB"
    return Row(path, "{}x{}".format(*image.size), grid(image).tobytes().hex())


def read() -> list[Row]:
    """The golden table."""
    with GOLDEN.open(newline="", encoding="utf-8") as file:
        return [Row(**row) for row in csv.DictReader(file)]


def write(rows: list[Row]) -> None:
    """Write the golden table; what is known of Chromium is kept where a row says nothing of it."""
    known = {row.path: row.chromium for row in read()} if GOLDEN.exists() else {}
    with GOLDEN.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Row.__slots__)
        writer.writerows(astuple(replace(row, chromium=row.chromium or known.get(row.path, ""))) for row in rows)


def main(shared_data: Path) -> dict[str, Any]:
    """Look at every file in a process that may not take more memory, or warn of anything."""
    warnings.simplefilter("error")
    look(shared_data, paths(shared_data)[0])  # what is imported late is imported now
    if os.path.exists("/proc/self/statm"):
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, resource.RLIM_INFINITY))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rows = [look(shared_data, path) for path in paths(shared_data)]
    return {
        "rows": [astuple(row) for row in rows],
        "kib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before,
    }


if __name__ == "__main__":
    if len(sys.argv) == 2:
        print(json.dumps(main(Path(sys.argv[1]))))
    else:
        folder = Path(__file__).resolve().parents[1].parent / "shared" / "data"
        write([look(folder, path) for path in paths(folder)])
