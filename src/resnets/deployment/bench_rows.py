"""Bench rows: what was measured of each engine, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median
from typing import Any

import numpy as np

from resnets.evaluation.intervals import Interval
from resnets.runtime.engine import Precision


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One engine in one precision: what was measured, or the reason why it cannot run.

    `load` is seconds until it is ready; `memory` what the process grew by, in bytes; `rates` pictures a second of each
    round; `latencies` seconds of each run of one picture; `peaks` operations a second of matrix products in each round.
    `difference` is the largest from the network as it stands, a share of the level's largest number; `changed` answers
    of `pictures` are other ones than its, and `accuracy` is on the data.
    """

    engine: str
    precision: Precision
    artefact: str | None = None
    reason: str | None = None
    load: float | None = None
    memory: int | None = None
    rates: tuple[float, ...] = ()
    latencies: tuple[float, ...] = field(default=(), repr=False)
    peaks: tuple[float, ...] = ()
    difference: float | None = None
    changed: int | None = None
    pictures: int | None = None
    accuracy: Interval | None = None

    @property
    def rate(self) -> float | None:
        """The median of the rounds."""
        return median(self.rates) if self.rates else None

    def latency(self, share: float) -> float | None:
        """Return the seconds within which this share of the runs was done."""
        return float(np.quantile(self.latencies, share)) if self.latencies else None

    def roofline(self, macs_each: int) -> float | None:
        """Return the network's operations a second as a share of matrix products', the median of the rounds.

        Both are measured within each round, one after the other: what else the machine does then slows both.
        """
        shares = [2 * macs_each * rate / peak for rate, peak in zip(self.rates, self.peaks, strict=True)]
        return median(shares) if shares else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Bench:
    """What was measured on one model; `measure` is what accuracy is called."""

    model: str
    batch_size: int
    threads: int
    macs: int
    rows: tuple[Row, ...]
    measure: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-able values; of the runs of one picture their number and two of them."""
        return {
            "model": self.model,
            "batch_size": self.batch_size,
            "threads": self.threads,
            "macs": self.macs,
            "measure": self.measure,
            "rows": [self._row(row) for row in self.rows],
        }

    def _row(self, row: Row) -> dict[str, Any]:
        known = {"engine": row.engine, "precision": row.precision, "artefact": row.artefact}
        if row.reason is not None:
            return {**known, "reason": row.reason}
        return {
            **known,
            "load_seconds": row.load,
            "memory_bytes": row.memory,
            "pictures_per_second": {"median": row.rate, "rounds": list(row.rates)},
            "latency_seconds": {"p50": row.latency(0.5), "p99": row.latency(0.99), "runs": len(row.latencies)},
            "roofline": {
                "share": row.roofline(self.macs),
                "operations_per_second": median(row.peaks) if row.peaks else None,
            },
            "difference": row.difference,
            "changed": row.changed,
            "pictures": row.pictures,
            "accuracy": None if row.accuracy is None else row.accuracy.to_dict(),
        }
