"""Repair: which layers of an int8 network have to stay in float, and no more of them than are needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from resnets.deployment.gate import Gate
from resnets.runtime.engine import Pictures
from resnets.runtime.quantize import costs, quantize, quantized_layers

MOST_CHANGED = 0.02
"""Share of answers that may change without a repair, whether or not they were right."""

LOOKED_AT = 32
"""Pictures on which each layer's cost is measured."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Repaired:
    """A quantized model, its layers that stay in float, and how it did on the pictures that were tried.

    `costs` are the share of the logits' error that each quantized layer makes (`quantize.costs`), measured where plain
    quantization fell short.
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
    measured, and the costliest stay in float: one, two, four and so on, until both are within. Where no number of them
    helps, the copy that changed fewest answers is returned, and its gate says so.
    """
    made = quantize(plain, ranges)
    found = try_out(made)
    if _is_within(found):
        return Repaired(model=made, gate=found, layers=len(quantized_layers(made)))
    first, blamed = found, costs(plain, made, ranges[:LOOKED_AT])
    guilty, count, tried = list(blamed), 1, [(found, made, ())]
    while count < len(guilty):
        kept: Any = tuple(guilty[:count])
        made = quantize(plain, ranges, kept)
        found = try_out(made)
        tried.append((found, made, kept))
        if _is_within(found):
            break
        count *= 2
    found, made, kept = min(tried, key=lambda one: (not _is_within(one[0]), one[0].changed))
    return Repaired(model=made, gate=found, layers=len(quantized_layers(made)), kept=kept, costs=blamed, first=first)


def _is_within(found: Gate) -> bool:
    """So few pictures may leave it undecided; that is for the report's pictures to say."""
    return found.paired.gap.value <= found.tolerance and found.changed <= MOST_CHANGED * found.paired.pictures
