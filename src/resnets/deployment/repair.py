"""Repair: which layers of an int8 network have to stay in float, and no more of them than are needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from resnets.deployment.gate import Gate
from resnets.runtime.engine import Pictures
from resnets.runtime.quantize import costs, quantize, quantized_layers

MOST_CHANGED = 0.02
"""Share of answers that may change without a repair, whether or not they were right."""

MOST_KEPT = 0.25
"""Share of the layers that may stay in float only so that fewer answers change; so that fewer are lost, all may."""

LOOKED_AT = 32
"""Pictures on which each layer's cost is measured."""


Shortfall = Literal[0, 1, 2]
"""What a copy falls short in: nothing, CHANGES or LOSES."""

CHANGES: Final = 1
LOSES: Final = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Repaired:
    """A quantized model, its layers that stay in float, and how it did on the pictures that were tried.

    `costs` are the error that each quantized layer makes alone, as a share of that of all (`quantize.costs`), measured
    where plain quantization fell short.
    """

    model: Any
    gate: Gate
    layers: int
    kept: tuple[str, ...] = ()
    costs: Mapping[str, float] = field(default_factory=dict)
    first: Gate | None = None  # of the plain quantization, where there was a repair

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the model as JSON-able values."""
        return {
            "quantized_layers": self.layers,
            "kept_in_float": list(self.kept),
            "costs": dict(self.costs),
            "tried": self.gate.to_dict(),
            "before_repair": None if self.first is None else self.first.to_dict(),
        }


def quantize_within(plain: Any, ranges: Pictures, try_out: Callable[[Any], Gate]) -> Repaired:
    """Return an int8 copy of an openvino.Model whose drop is within the tolerance, as `try_out` finds it.

    Where plain quantization drops more, or changes more than `MOST_CHANGED` of the answers, each layer's cost is
    measured, and the costliest stay in float: one, two, four and so on until both are within, and then as few of those
    as will do. Where no number of them helps, the drop counts first, and the gate says what is left of it.
    """
    tried: dict[int, tuple[Any, Gate]] = {}
    guilty: tuple[str, ...] = ()

    def short(count: int) -> Shortfall:
        if count not in tried:
            made = quantize(plain, ranges, guilty[:count])
            tried[count] = made, try_out(made)
        return _shortfall(tried[count][1])

    blamed: Mapping[str, float] = {}
    if short(0):
        blamed = costs(plain, tried[0][0], ranges[:LOOKED_AT])
        guilty = tuple(blamed)
        _search(short, len(guilty) - 1)
    best = min(tried, key=lambda count: (short(count), tried[count][1].changed if short(count) == LOSES else count))
    made, found = tried[best]
    return Repaired(
        model=made,
        gate=found,
        layers=len(quantized_layers(made)),
        kept=guilty[:best],
        costs=blamed,
        first=tried[0][1] if blamed else None,
    )


def _search(short: Callable[[int], Shortfall], most: int) -> None:
    """Try numbers of layers up to `most`: twice as many until it is enough, then between the last two."""
    least, count = 0, min(1, most)
    while short(count) and count < most:
        if count >= MOST_KEPT * most and short(count) == CHANGES:
            return
        least, count = count, min(2 * count, most)
    while not short(count) and count - least > 1:
        middle = (least + count) // 2
        least, count = (middle, count) if short(middle) else (least, middle)


def _shortfall(found: Gate) -> Shortfall:
    """So few pictures may leave it undecided; that is for the report's pictures to say."""
    if found.paired.gap.value > found.tolerance:
        return LOSES
    return CHANGES if found.changed > MOST_CHANGED * found.paired.pictures else 0
