"""State: a network's numbers under a dialect's names and in its layout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from resnets.net.network import ResNet
from resnets.spec.architecture import Architecture
from resnets.spec.resolve import plan
from resnets.weights.dialects.deduce import refusals
from resnets.weights.dialects.dialect import KERAS_AXES_BACK, Dialect, kind_of_tensor, names
from resnets.weights.dialects.registry import DIALECTS

if TYPE_CHECKING:
    import numpy as np

    Arrays = Mapping[str, np.ndarray[Any, Any]]


@dataclass(frozen=True, slots=True)
class State:
    """Tensors under a dialect's names, and where each came from."""

    dialect: Dialect
    arrays: Arrays
    ours: Mapping[str, str]  # their name -> ours


def dialect_for(family: str, architecture: Architecture) -> Dialect:
    """Return the row of a family that can hold an architecture.

    Raises `ValueError` for an unknown family, or naming each fact that none of its rows can express.
    """
    rows = [row for row in DIALECTS.values() if row.family == family]
    if not rows:
        raise ValueError(f"no dialect is called {family!r}; allowed: {', '.join(families())}")
    reasons = {row.name: refusals(row, architecture) + _unnamed(row, architecture) for row in rows}
    fitting = [row for row in rows if not reasons[row.name]]
    if not fitting:
        nearest = min(rows, key=lambda row: len(reasons[row.name]))
        raise ValueError(
            f"{architecture.name} cannot be written for {family}: {'; '.join(reasons[nearest.name])}. Its numbers "
            "would mean another network there"
        )
    return fitting[0]


def families() -> tuple[str, ...]:
    """Return the names that `dialect_for` knows, in the table's order."""
    return tuple(dict.fromkeys(row.family for row in DIALECTS.values()))


def state(network: ResNet, dialect: Dialect) -> State:
    """Return a network's tensors as a dialect calls and stores them."""
    import numpy as np

    tensors = network.state_dict()
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    ours: dict[str, str] = {}
    for name, theirs in names(dialect, plan(network.architecture)).items():
        values = tensors[name].detach().cpu().numpy()
        axes = KERAS_AXES_BACK[kind_of_tensor(name)].get(values.ndim) if dialect.layout == "keras" else None
        if axes:
            values = values.transpose(axes)
        if dialect.conv_head and name == "head.linear.weight":
            values = values[:, :, None, None]
        arrays[theirs] = np.array(values, order="C")  # 0-dimensional stays so
        ours[theirs] = name
    return State(dialect, arrays, ours)


def _unnamed(dialect: Dialect, architecture: Architecture) -> list[str]:
    try:
        names(dialect, plan(architecture))
    except ValueError as error:
        return [str(error)]
    return []
