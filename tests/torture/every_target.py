"""Every reader of bytes from outside, by its word."""

from __future__ import annotations

from collections.abc import Mapping

from tests.torture.container_targets import CONTAINERS
from tests.torture.data_targets import DATA
from tests.torture.targets import TARGETS, Target

EVERY: Mapping[str, Target] = {**TARGETS, **CONTAINERS, **DATA}

if len(EVERY) < len(TARGETS) + len(CONTAINERS) + len(DATA):
    raise ValueError("two targets have one word")
