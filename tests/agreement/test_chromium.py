"""Chromium sees in every picture that it decodes what we do, or it is said why not."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from resnets.data.decoding.decode import decode
from resnets.data.errors import BadImage
from tests.agreement import chromium
from tests.encoded import forms
from tests.odd_images import DISAGREEMENTS, EVERY_FORMAT, NEAR, Row, look, paths, write

pytestmark = pytest.mark.skipif(chromium.executable() is None, reason="chromium is not installed")

OTHER_FORMS = {"webp, exif": "Chromium does not read the EXIF of a WebP"}


def compared(data: bytes, seen: chromium.Seen | None) -> str:
    """The mean difference where both decode all of it; otherwise what Chromium does, and "size" where that differs."""
    if seen is None:
        return "no"
    pixels, is_whole = seen
    try:
        ours = np.asarray(decode(data, EVERY_FORMAT))
    except BadImage:
        return "whole" if is_whole else "part"
    if not is_whole:
        return "part"
    if ours.shape != pixels.shape:
        return "size"
    return f"{np.abs(ours.astype(int) - pixels).mean():.2f}"


def is_near(told: str) -> bool:
    return told.replace(".", "").isdigit() and float(told) <= NEAR


def test_every_form_of_a_picture_looks_as_in_chromium() -> None:
    files = forms()
    told = {
        name: compared(files[name], seen) for name, seen in zip(files, chromium.look([*files.values()]), strict=True)
    }
    far = {name: what for name, what in told.items() if not is_near(what)}
    assert far.keys() == OTHER_FORMS.keys(), far


def test_every_odd_image_looks_as_in_chromium_or_it_is_said_why_not(shared_data: Path) -> None:
    files = paths(shared_data)
    rows, count = [], Counter[str]()
    unexplained = []
    for path, seen in zip(files, chromium.look([(shared_data / path).read_bytes() for path in files]), strict=True):
        ours = look(shared_data, path)
        told = compared((shared_data / path).read_bytes(), seen)
        rows.append(Row(path, ours.size, ours.grid, told))
        is_refused = ours.size == "refused"
        count[
            ("near" if is_near(told) else told if told in ("no", "part", "whole") else "far") + is_refused * ", refused"
        ] += 1
        is_far = told == "size" or (told not in ("no", "part", "whole") and not is_near(told))
        if is_far != (path in DISAGREEMENTS):
            unexplained.append(f"{path}: {told}")
    print(dict(count))
    assert not unexplained
    write(rows)
