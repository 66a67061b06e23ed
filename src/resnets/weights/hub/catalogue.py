"""The catalogue: every published weight set that can be fetched by name, as a table."""

from __future__ import annotations

from fnmatch import fnmatchcase
from types import MappingProxyType

from resnets.weights.hub import rows_timm, rows_torchvision, rows_transformers
from resnets.weights.hub.row import Row

CATALOGUE = MappingProxyType(
    {row.name: row for row in (*rows_torchvision.ROWS, *rows_timm.ROWS, *rows_transformers.ROWS)}
)
"""Name -> row, as in "torchvision:ResNet50_Weights.IMAGENET1K_V2" and "hf:timm/resnet50.a1_in1k"."""


def rows(pattern: str = "*", *, commercial_only: bool = False) -> tuple[Row, ...]:
    """Return the rows whose name or architecture matches a shell pattern, in the table's order.

    A pattern without `*`, `?` or `[` matches any part of a name. With `commercial_only`, rows whose licence
    forbids commercial use are left out.

    >>> [row.name for row in rows("torchvision:ResNet50*")]
    ['torchvision:ResNet50_Weights.IMAGENET1K_V1', 'torchvision:ResNet50_Weights.IMAGENET1K_V2']
    """
    wanted = pattern if any(sign in pattern for sign in "*?[") else f"*{pattern}*"
    return tuple(
        row
        for row in CATALOGUE.values()
        if (fnmatchcase(row.name.lower(), wanted.lower()) or row.architecture == pattern)
        and (row.commercial or not commercial_only)
    )
