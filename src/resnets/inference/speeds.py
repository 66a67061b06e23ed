"""Speeds: how fast engines were on this machine, remembered in one small file of the user's cache.

It only saves time: a file that is damaged is not used and written anew, and one that cannot be written is done without.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from math import isfinite
from pathlib import Path
from typing import Any

from resnets.files import atomic, bounded, strict_json
from resnets.files.errors import FileError
from resnets.runtime.engine import Precision
from resnets.spec.card import Card
from resnets.weights.hub.cache import cache_folder

SCHEMA = 1
MOST_BYTES = 1 << 20
MOST_KEYS = 500
"""What was measured longest ago is forgotten first."""

PACKAGES = ("resnets", "torch", "openvino", "onnx", "onnxruntime")
"""Those whose version may change a speed, or whether an engine can run at all."""


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast an engine was: pictures a second, and the seconds until it was ready; or why it cannot run."""

    rate: float = 0.0
    load: float = 0.0
    reason: str = ""

    def seconds(self, pictures: int) -> float:
        """Return how long so many pictures would take, loading included; for ever where it cannot run."""
        return float("inf") if self.reason else self.load + pictures / self.rate

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-able values."""
        return {"reason": self.reason} if self.reason else {"rate": self.rate, "load": self.load}


class Memory:
    """The speeds that are remembered, by key (`speed_key`) and engine. None remembers nothing."""

    def __init__(self, path: Path | None) -> None:
        self.path = path

    def find(self, key: str) -> dict[str, Speed]:
        """Return what is remembered for a key; nothing where there is none, or the file is not to be read."""
        return self._read().get(key, {})

    def keep(self, key: str, speeds: Mapping[str, Speed]) -> None:
        """Remember speeds beside those of the key's other engines; do nothing where the disk refuses.

        Of two processes that write at the same time the later one may undo the earlier: that is measured again.
        """
        if self.path is None or not speeds:
            return
        kept = self._read()
        kept[key] = {**kept.pop(key, {}), **speeds}  # behind all others: the latest
        some = dict(list(kept.items())[-MOST_KEYS:])
        facts = {one: {name: speed.to_dict() for name, speed in found.items()} for one, found in some.items()}
        text = json.dumps({"schema": SCHEMA, "speeds": facts}, indent=1) + "\n"
        with contextlib.suppress(OSError, FileError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            atomic.write(self.path, text.encode())

    def _read(self) -> dict[str, dict[str, Speed]]:
        try:
            if self.path is None or not self.path.is_file():
                return {}
            found = strict_json.loads(bounded.read(self.path, MOST_BYTES), MOST_BYTES)
            if found["schema"] != SCHEMA:
                return {}
            return {key: {name: _speed(one) for name, one in each.items()} for key, each in found["speeds"].items()}
        except (OSError, ValueError, TypeError, KeyError, AttributeError):  # a FileError is a ValueError
            return {}


def _speed(facts: Mapping[str, Any]) -> Speed:
    if "reason" in facts:
        return Speed(reason=str(facts["reason"]) or "it could not run")
    rate, load = float(facts["rate"]), float(facts["load"])
    if not (isfinite(rate) and isfinite(load) and rate > 0 and load >= 0):
        raise ValueError(f"{facts} is no speed")
    return Speed(rate, load)


def speeds_file() -> Path | None:
    """Return where speeds are kept: engines.json in the cache of `resnets weights`; None where nobody has a home."""
    try:
        return cache_folder() / "engines.json"
    except RuntimeError:  # of Path.home
        return None


def speed_key(card: Card, precision: Precision, levels: tuple[str, ...], batch_size: int, threads: int) -> str:
    """Return what a speed depends on, as one SHA-256: network, pictures, software and processor.

    Not the weights: their values take no longer or shorter. Whether an engine agrees with them is asked each time.
    """
    facts = {
        "architecture": card.architecture.to_dict(),
        "picture": [card.preprocess.channels, *card.preprocess.size],
        "precision": precision,
        "levels": list(levels),
        "batch_size": batch_size,
        "threads": threads,
        "versions": {name: _version(name) for name in PACKAGES},
        "processor": processor(),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def processor(root: Path = Path("/")) -> str:
    """Return the processor's name and what it can, as the system says it; `root` is where its files begin."""
    lines: dict[str, str] = {}
    with contextlib.suppress(OSError, UnicodeDecodeError):
        for line in (root / "proc/cpuinfo").read_text().splitlines():
            name, _, value = line.partition(":")
            lines.setdefault(name.strip(), value.strip())
    said = [lines[name] for name in ("model name", "flags", "Features") if name in lines]
    return "; ".join([platform.machine(), *(said or [platform.processor()])])
