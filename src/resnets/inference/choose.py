"""Choose: which engine `auto` stands for: the one that is done first, of those that agree with the network as it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import median
from types import MappingProxyType

import numpy as np

from resnets.inference.speeds import Memory, Speed
from resnets.inference.timing import Clock, batches_of, rate
from resnets.runtime.engine import Engine, Outputs, Pictures, Precision

TOLERANCES: Mapping[Precision, float] = MappingProxyType({"fp32": 1e-4, "bf16": 0.05})
"""Largest difference from the network as it stands, as a share of the level's largest number."""

SAMPLES = 4
"""Pictures on which an engine has to agree: noise, as it is, dark, pale, and so coarse that it has edges."""

FEW = 16
"""Pictures up to which nothing is chosen: to prove an engine takes a few itself."""

UNKNOWN = 1_000
"""Pictures that are reckoned with where nobody says how many will come."""

WORTH = 30.0
"""Seconds that the work would take the network as it stands, from which on engines are measured: that takes some
seconds for each, in large networks more."""

ROUNDS = 3
ROUND = 0.5
"""Seconds of one round of one engine, where a few batches do not take longer."""

LIMIT = 15.0
"""Seconds after which no further round begins."""

HOPELESS = 0.5
"""Share of the fastest engine's pace in the first round, below which an engine is not asked for more."""

USUAL = "torch"
"""The engine that others are compared with."""

MEASURED_BY_BENCH = ("compiled",)
"""Engines that take too long to be made for a trial; they are chosen where `resnets bench` has measured them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """An engine that could be made. `check` raises where what it needs is not installed; `lowered` ones share a graph.

    Whatever making or checking it raises is a reason to leave it out.
    """

    make: Callable[[], Engine]
    check: Callable[[], object] = lambda: None
    lowered: bool = False


@dataclass(kw_only=True, slots=True)
class Choice:
    """What is chosen among, and how. `lower` makes the graph that lowered candidates share, which is timed apart."""

    reference: Engine
    candidates: Mapping[str, Candidate]
    precision: Precision
    batch_size: int
    memory: Memory
    key: str
    clock: Clock
    lower: Callable[[], object] = lambda: None
    made: dict[str, Engine] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)  # engine -> why

    def choose(self, pictures: int | None, say: Callable[[str], object]) -> Engine:
        """Return the engine that has so many pictures done first, loading included; None is `UNKNOWN`.

        What has been measured before is not measured again; else engines are measured where the work is `WORTH` it,
        and it is torch where it is not. Up to `FEW` pictures it is the network as it stands.
        Each is made and asked for its answers on `SAMPLES` pictures before it is taken, whatever is remembered. Where
        none agrees it is the network as it stands. `say` is told what was chosen, where there was a choice. Raises
        `ValueError` where no engine computes what the network does in this precision.
        """
        count = UNKNOWN if pictures is None else pictures
        if count <= FEW and self.precision == "fp32":
            return self.reference
        shown = samples(self.reference.shape)
        expected = self.reference.run(shown)
        known, is_choice = self.memory.find(self.key), True
        missing = [name for name in self.candidates if name not in known and name not in MEASURED_BY_BENCH]
        if missing and self._seconds_each(shown) * count >= WORTH:
            found = self._measure(missing)
            self.memory.keep(self.key, found)
            known = {**known, **found}
        elif USUAL in missing:
            known, is_choice = {USUAL: Speed(1.0)}, False  # there is nothing to choose by
        self.left_out |= {name: known[name].reason for name in known if known[name].reason}
        usable = {name: known[name] for name in self.candidates if name in known and not known[name].reason}
        for name in sorted(usable, key=lambda name: usable[name].seconds(count)):
            engine = self._agreeing(name, shown, expected)
            if engine is not None:
                self._close_others(engine)
                if is_choice:
                    say(self._sentence(name, usable, count, measured=bool(missing)))
                return engine
        self._close_others(None)
        if self.precision != "fp32":
            raise ValueError(f"no engine here computes this network in {self.precision}: {self._reasons()}")
        if self.left_out:
            say(f"engine {USUAL}, the network as it stands: {self._reasons()}")
        return self.reference

    def _measure(self, names: list[str]) -> dict[str, Speed]:
        """Make engines and time them in rounds that alternate; what fails has its reason in place of a speed."""
        found: dict[str, Speed] = {}
        loads: dict[str, float] = {}
        lowering: float | None = None
        for name in names:
            candidate = self.candidates[name]
            try:
                candidate.check()
                if candidate.lowered and lowering is None:
                    start = self.clock()
                    self.lower()
                    lowering = self.clock() - start
                start = self.clock()
                self.made[name] = candidate.make()
                loads[name] = self.clock() - start + (lowering or 0.0) * candidate.lowered
            except Exception as error:  # an engine's own errors have no common kind
                found[name] = Speed(reason=_reason(error))
        batch = np.resize(samples(self.reference.shape), (self.batch_size, *self.reference.shape))
        batches: dict[str, int] = {}
        rates: dict[str, list[float]] = {}
        begun = self.clock()
        for number in range(ROUNDS):
            best = max((rates[name][0] for name in rates), default=0.0)
            for name in list(loads):
                try:
                    if number == 0:
                        batches[name] = batches_of(self.made[name], batch, ROUND, self.clock)
                    elif rates[name][0] < HOPELESS * best:
                        continue
                    rates.setdefault(name, []).append(rate(self.made[name], batch, batches[name], self.clock))
                except Exception as error:
                    found[name] = Speed(reason=_reason(error))
                    del loads[name]
                    rates.pop(name, None)
            if self.clock() - begun > LIMIT:
                break
        return found | {name: Speed(median(each), loads[name]) for name, each in rates.items()}

    def _agreeing(self, name: str, shown: Pictures, expected: Outputs) -> Engine | None:
        """Return an engine, made where it is not; None, and the reason kept, where it fails or does not agree."""
        try:
            if name not in self.made:
                self.candidates[name].check()
                self.made[name] = self.candidates[name].make()
            # In a batch of the size that will come, which is also what the engine was made ready for.
            whole = self.made[name].run(np.resize(shown, (max(self.batch_size, len(shown)), *shown.shape[1:])))
            apart = difference({one: array[: len(shown)] for one, array in whole.items()}, expected)
        except Exception as error:
            self.left_out[name] = _reason(error)
            return None
        if apart <= TOLERANCES[self.precision]:
            return self.made[name]
        self.left_out[name] = f"it differs from the network as it stands by {apart:.2g} of the largest number"
        return None

    def _close_others(self, kept: Engine | None) -> None:
        for engine in self.made.values():
            if engine is not kept:
                engine.close()
        self.made.clear()

    def _seconds_each(self, shown: Pictures) -> float:
        start = self.clock()
        self.reference.run(shown)
        return (self.clock() - start) / len(shown)

    def _sentence(self, name: str, speeds: Mapping[str, Speed], count: int, *, measured: bool) -> str:
        """What was chosen and why, and where it was measured just now, what could not be."""
        mine, usual = speeds[name], speeds.get(USUAL)
        others = {one: speed for one, speed in speeds.items() if one != name and one not in self.left_out}
        if name != USUAL and usual is not None and USUAL not in self.left_out:
            said = f"{mine.rate / usual.rate:.1f} times {USUAL}'s {_number(usual.rate)} pictures a second"
        elif not others:
            said = f"{_number(mine.rate)} pictures a second"
        else:
            next_ = max(others, key=lambda one: others[one].rate)
            said = f"{_number(mine.rate)} pictures a second, {next_} {_number(others[next_].rate)}"
            if others[next_].rate > mine.rate:
                said += f" once it is loaded, which {count:,} pictures are not worth"
        another = f"; --engine {USUAL if name != USUAL else 'NAME'} chooses another"
        reasons = f" (left out: {self._reasons()})" if self.left_out and measured else ""
        return f"engine {name}: {said}{another}{reasons}"

    def _reasons(self) -> str:
        return "; ".join(f"{name}, {reason}" for name, reason in self.left_out.items()) or "there is none"


def samples(shape: tuple[int, int, int]) -> Pictures:
    """Return `SAMPLES` pictures of a shape (C, H, W): uint8 noise of four kinds, always the same."""
    noise = np.random.default_rng(0).integers(0, 256, (SAMPLES, *shape), dtype=np.uint8)
    noise[1] //= 4
    noise[2] = 255 - noise[2] // 4
    coarse = noise[3, :, ::16, ::16].repeat(16, 1).repeat(16, 2)
    noise[3] = coarse[:, : shape[1], : shape[2]]
    made: Pictures = noise
    return made


def difference(found: Outputs, expected: Outputs) -> float:
    """Return the largest difference at any level, as a share of its largest number; NaN where it is no number.

    Raises `ValueError` where levels or shapes are others.
    """
    if {name: array.shape for name, array in found.items()} != {name: array.shape for name, array in expected.items()}:
        raise ValueError(f"it gives {', '.join(found) or 'nothing'} in other shapes than the network")
    shares = []
    for name, array in expected.items():
        largest = float(np.abs(array).max())
        apart = float(np.abs(found[name].astype(np.float64) - array).max())
        shares.append(apart / largest if largest else apart)
    return float(np.max(shares))  # numpy's: NaN stays NaN


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:300]


def _number(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"
