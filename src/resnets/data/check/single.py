"""Single: the rules that a picture breaks by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from resnets.data.check.facts import Row
from resnets.data.check.findings import Finding, Found, Pictures
from resnets.data.check.header import Oddity
from resnets.data.check.rules import RULES
from resnets.data.decoding.geometry import kept_share
from resnets.spec.preprocess import FORMATS, Preprocess

NEARLY_BLACK, NEARLY_WHITE = 20, 245
"""Grey levels: a picture is nearly black where 199 of 200 pixels are darker, nearly white where they are lighter."""

STRIP = 4.0
"""Longer side over shorter side."""

MOST_THROWN_AWAY = 0.8
"""Of a picture's area; a photograph of 3:2 loses half to ImageNet's crop, and one of 2:1 loses 0.62."""

ODD_SIZE = 32.0
"""Times the median number of pixels, or a part of it; ImageNet's photographs differ by up to 23."""

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Network:
    """What the rules ask about the network: its preprocess, and the pixels of its coarsest cell."""

    preprocess: Preprocess
    stride: int


@dataclass(frozen=True, slots=True)
class Test:
    """One rule: which rows break it, and what is said about each."""

    breaks: Callable[[Row, Network], Mask]
    reason: Callable[[Any, Network], str]


def _has(oddity: Oddity) -> Callable[[Row, Network], Mask]:
    return lambda rows, _: (rows["odd"] & int(oddity)) != 0


def _is_strip(rows: Row, _: Network) -> Mask:
    long, short = np.maximum(rows["width"], rows["height"]), np.minimum(rows["width"], rows["height"])
    return np.asarray(long > STRIP * short)


def thrown_away(rows: Row, preprocess: Preprocess) -> npt.NDArray[np.float64]:
    """Return the share of each readable picture's area that the network does not see: (N,) in [0, 1)."""
    sizes = np.stack([rows["width"], rows["height"]], axis=1)
    different, places = np.unique(sizes, axis=0, return_inverse=True)
    lost = [1 - kept_share((int(w), int(h)), preprocess) if w and h else 0.0 for w, h in different]
    return np.array(lost, np.float64)[places.reshape(-1)] if len(rows) else np.zeros(0)


def _is_cropped_away(rows: Row, network: Network) -> Mask:
    return np.asarray((thrown_away(rows, network.preprocess) > MOST_THROWN_AWAY) & ~_is_strip(rows, network))


def _is_small(rows: Row, network: Network) -> Mask:
    return np.asarray(np.minimum(rows["width"], rows["height"]) < network.stride)


def _has_odd_size(rows: Row, network: Network) -> Mask:
    area = rows["width"].astype(np.float64) * rows["height"]
    usual = np.median(area[area > 0]) if (area > 0).any() else 1.0
    odd = (area > ODD_SIZE * usual) | (area * ODD_SIZE < usual)
    return np.asarray(odd & ~_is_small(rows, network) & ~_is_strip(rows, network))


def _has_ignored_profile(rows: Row, network: Network) -> Mask:
    if network.preprocess.profile != "ignore":
        return np.zeros(len(rows), bool)
    return _has(Oddity.PROFILE)(rows, network) & ~_has(Oddity.CMYK)(rows, network)


def _is_nearly_black(rows: Row, network: Network) -> Mask:
    return np.asarray((rows["bright"] < NEARLY_BLACK) & ~_has(Oddity.CONSTANT)(rows, network))


def _is_nearly_white(rows: Row, network: Network) -> Mask:
    return np.asarray((rows["dark"] > NEARLY_WHITE) & ~_has(Oddity.CONSTANT)(rows, network))


def _size(row: Any, _: Network) -> str:
    return f"{row['width']} x {row['height']} pixels"


def _format(row: Any, _: Network) -> str:
    number = int(row["format"])
    return f"its contents are {tuple(FORMATS)[number - 1]}" if number else "its contents are of another format"


def _lost(row: Any, network: Network) -> str:
    lost = 1 - kept_share((int(row["width"]), int(row["height"])), network.preprocess)
    return f"{lost:.0%} of {row['width']} x {row['height']} pixels is thrown away"


def _shade(row: Any, _: Network) -> str:
    return "black" if row["bright"] < NEARLY_BLACK else "white" if row["dark"] > NEARLY_WHITE else "one colour"


TESTS: Mapping[str, Test] = {
    "wrong-ending": Test(_has(Oddity.WRONG_ENDING), _format),
    "cmyk": Test(_has(Oddity.CMYK), _size),
    "palette": Test(_has(Oddity.PALETTE), _size),
    "alpha": Test(_has(Oddity.ALPHA), _size),
    "sixteen-bit": Test(_has(Oddity.SIXTEEN_BIT), _size),
    "floating": Test(_has(Oddity.FLOATING), _size),
    "animated": Test(_has(Oddity.ANIMATED), _size),
    "sideways": Test(_has(Oddity.SIDEWAYS), lambda row, _: f"EXIF orientation {row['orientation']}"),
    "profile": Test(_has_ignored_profile, _size),
    "constant": Test(_has(Oddity.CONSTANT), _shade),
    "near-black": Test(_is_nearly_black, lambda row, _: f"199 of 200 pixels are at most {row['bright']} of 255"),
    "near-white": Test(_is_nearly_white, lambda row, _: f"199 of 200 pixels are at least {row['dark']} of 255"),
    "small": Test(_is_small, lambda row, network: f"{_size(row, network)}; the stride is {network.stride}"),
    "proportions": Test(_is_strip, _size),
    "crop": Test(_is_cropped_away, _lost),
    "size": Test(_has_odd_size, _size),
}


def find_single(pictures: Pictures, network: Network) -> Found:
    """Return what is wrong with each picture alone; one that cannot be read has no other fault."""
    found = Found()
    for number, reason in sorted(pictures.reasons.items()):
        found.findings.append(Finding("unreadable", reason, (number,), out=(number,)))
    readable = pictures.readable
    numbers = np.nonzero(readable)[0]
    rows = pictures.rows[numbers]
    for name, test in TESTS.items():
        broken = np.nonzero(test.breaks(rows, network))[0]
        if RULES[name].odd_one_out and 2 * len(broken) > len(rows):
            found.information.append(f"{_whole(len(broken), len(rows))} {NATURES[name]}.")
            continue
        for place in broken:
            number = int(numbers[place])
            found.findings.append(Finding(name, test.reason(rows[place], network), (number,), out=(number,)))
    found.information += _sizes(rows, network)
    return found


NATURES: Mapping[str, str] = {
    "sixteen-bit": "have 16 bits a channel",
    "floating": "hold floating-point numbers",
    "cmyk": "are CMYK",
    "palette": "have a palette",
    "alpha": "have an alpha channel",
    "animated": "hold several frames",
    "profile": "have a colour profile other than sRGB, which is ignored",
}


def _whole(count: int, total: int) -> str:
    return f"All {total:,} pictures" if count == total else f"{count:,} of {total:,} pictures"


def _sizes(rows: Row, network: Network) -> list[str]:
    if not len(rows):
        return []
    widths, heights = np.sort(rows["width"]), np.sort(rows["height"])
    middle = len(rows) // 2
    if widths[0] == widths[-1] and heights[0] == heights[-1]:
        said = [f"Every picture is {widths[0]} wide and {heights[0]} high."]
    else:
        said = [
            f"Widths {widths[0]} to {widths[-1]}, heights {heights[0]} to {heights[-1]} pixels; "
            f"the middle picture is {widths[middle]} wide and {heights[middle]} high."
        ]
    preprocess = network.preprocess
    high, wide = preprocess.size
    if preprocess.fit == "crop":
        lost = thrown_away(rows, preprocess)
        low, median, most = np.quantile(lost, [0.0, 0.5, 1.0])
        share = (
            f"{median:.0%} of every"
            if low == most
            else f"{low:.0%} to {most:.0%} of a picture, {median:.0%} of the middle"
        )
        if most > 0:
            said.append(f"The crop to {high}x{wide} throws away {share} one.")
    enlarged = int(((rows["width"] < wide) | (rows["height"] < high)).sum())
    if enlarged:
        said.append(f"{_whole(enlarged, len(rows))} are smaller than the {high}x{wide} that the network sees.")
    grey = int(((rows["odd"] & int(Oddity.GREY)) != 0).sum())
    if 0 < grey < len(rows):
        said.append(f"{_whole(grey, len(rows))} are grey.")
    profiles = int(((rows["odd"] & int(Oddity.PROFILE)) != 0).sum())
    if profiles and preprocess.profile == "srgb":
        said.append(f"{_whole(profiles, len(rows))} have a colour profile other than sRGB, and are converted.")
    return said
