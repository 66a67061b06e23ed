"""Decoding takes at most 1 GiB, also of the largest pictures that are decoded."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.odd_images import MEMORY

ROOT = Path(__file__).parents[2]

WRITE = """
import json, sys
from PIL import Image
from tests.encoded import SIDEWAYS, WIDE_PROFILE
path, kind, mode, width, height, options = sys.argv[1:]
width, height, options = int(width), int(height), json.loads(options)
Image.MAX_IMAGE_PIXELS = None
grey = Image.radial_gradient("L").resize((width, height))
Image.merge(mode, [grey] * len(mode)).save(path, kind, exif=SIDEWAYS, icc_profile=WIDE_PROFILE, **options)
"""

READ = """
import resource, sys
from resnets.data.decoding.decode import decode
from resnets.spec.preprocess import FORMATS, Preprocess
from tests.encoded import WIDE_PROFILE, encoded, photo
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
decode(encoded(photo(), icc_profile=WIDE_PROFILE), Preprocess())
before = peak()
decode(sys.argv[1], Preprocess(formats=tuple(FORMATS)))
print(peak() - before)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "mode", "size", "options"),
    [
        ("JPEG", "CMYK", (8192, 8192), {"progressive": True, "subsampling": 0}),
        ("JPEG", "RGB", (8192, 8192), {"progressive": True, "subsampling": 0}),
        ("PNG", "RGBA", (8192, 8192), {"compress_level": 1}),
        ("WEBP", "RGBA", (6600, 6700), {"method": 0, "quality": 10}),
        ("TIFF", "RGB", (8192, 8192), {}),
    ],
)
def test_the_largest_pictures_are_decoded_in_a_gibibyte(
    tmp_path: Path, kind: str, mode: str, size: tuple[int, int], options: dict[str, object]
) -> None:
    path = str(tmp_path / "large")
    given = [path, kind, mode, *map(str, size), json.dumps(options)]
    subprocess.run([sys.executable, "-c", WRITE, *given], cwd=ROOT, check=True)
    done = subprocess.run([sys.executable, "-c", READ, path], cwd=ROOT, check=True, capture_output=True, text=True)
    assert 200 << 20 < int(done.stdout) * 1024 < MEMORY
