"""Finding: one thing the doctor found, in a sentence that ends with what to do."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing that is wrong with a run. `layers` are the names of modules or parameters, the worst first."""

    rule: str
    says: str
    layers: tuple[str, ...] = ()
    step: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return every field as JSON-able values."""
        return {**asdict(self), "layers": list(self.layers)}
