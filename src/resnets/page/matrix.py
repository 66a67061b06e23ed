"""Confusion matrix: a table of few classes, and a heat map of many."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from resnets.page.charts import drawing, label
from resnets.page.judgement import Matrix, Square
from resnets.page.png import data_uri, png
from resnets.page.svg import number

Counts = npt.NDArray[np.int64]

FEW = 20
"""Classes that a table has room for; of more a heat map is drawn."""

MOST = 2_000
"""Classes of a heat map: a pixel each, which no screen shows of more."""

_LEAST_FULL = 0.2  # the root of the share (4 %) that a mistake needs at least to be of full strength
_STRONGEST = 0.55  # so that dark words stay legible on the strongest colour
_RIGHT, _WRONG = (47, 111, 196), (224, 138, 29)  # blue and orange: seen on white, on black, and by the colour-blind
_WIDTH, _LEFT, _TOP, _EDGE = 520.0, 54.0, 40.0, 8.0
_SIZE, _TICKS = 14.0, 8  # of words, which a telephone shows at two thirds; and how many numbers an axis has at most


def matrix_table(counts: Counts, classes: Sequence[str], *, title: str, caption: str, said: str) -> Matrix:
    """Return the (C, C) counts of pictures, by class and by answer, as a table.

    `said` are the words for one cell, with {count}, {true} and {answer} in them.
    """
    strengths = _strengths(counts) * _STRONGEST
    rows = tuple(
        tuple(
            Square(
                words=f"{counts[t, p]}" if counts[t, p] else "·",
                strength=float(strengths[t, p]),
                is_right=t == p,
                title=said.format(count=f"{counts[t, p]:,}", true=classes[t], answer=classes[p]),
            )
            for p in range(len(classes))
        )
        for t in range(len(classes))
    )
    return Matrix(title=title, classes=tuple(classes), rows=rows, caption=caption)


def heat_map(counts: Counts, *, title: str, true: str, answer: str) -> str:
    """Return the (C, C) counts as an SVG element with a picture of C x C pixels in it, and class numbers beside it."""
    size = len(counts)
    side = _WIDTH - _LEFT - _EDGE
    items = [
        f'<rect x="{number(_LEFT)}" y="{number(_TOP)}" width="{number(side)}" height="{number(side)}" '
        'fill="var(--well)"/>',
        f'<image href="{data_uri("png", png(_pixels(counts)))}" x="{number(_LEFT)}" y="{number(_TOP)}" '
        f'width="{number(side)}" height="{number(side)}" style="image-rendering:pixelated"/>',
        label(answer, _LEFT + side / 2, 8, "middle", size=_SIZE),
        f'<g transform="translate(8 {number(_TOP + side / 2)}) rotate(-90)">',
        f"{label(true, 0, 0, 'middle', size=_SIZE)}</g>",
    ]
    step = next(each for power in (1, 10, 100, 1000) for each in (power, 2 * power, 5 * power) if size / each <= _TICKS)
    for place in range(0, size, step):
        at = (place + 0.5) * side / size
        items.append(label(f"{place}", _LEFT + at, _TOP - 11, "middle", size=_SIZE))
        items.append(label(f"{place}", _LEFT - 6, _TOP + at, "end", size=_SIZE))
    return drawing(title, items, _TOP + side + _EDGE, _WIDTH)


def _pixels(counts: Counts) -> npt.NDArray[np.uint8]:
    """(C, C, 4): blue on the diagonal, orange beside it, the stronger the more, and nothing where nothing was."""
    picture = np.zeros((*counts.shape, 4), np.uint8)
    picture[..., :3] = _WRONG
    picture[np.diag_indices(len(counts))] = (*_RIGHT, 0)
    picture[..., 3] = np.where(counts > 0, np.rint(255 * (0.12 + 0.88 * _strengths(counts))), 0)
    return picture


def _strengths(counts: Counts) -> npt.NDArray[np.float64]:
    """(C, C) in [0, 1]: the root of each share of its class, so that the rare is seen beside the frequent.

    Mistakes, each of which is a small share where a model is good, are as strong as the largest of them allows.
    """
    totals = counts.sum(1, keepdims=True)
    found: npt.NDArray[np.float64] = np.sqrt(counts / np.maximum(totals, 1))
    wrong = ~np.eye(len(counts), dtype=np.bool_)
    found[wrong] /= max(_LEAST_FULL, found[wrong].max(initial=0.0))
    return found
