"""The clock and the dice of a torture: how long it lasts, and which seed it can be repeated with."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
import torch

MINUTES = float(os.environ.get("TORTURE_MINUTES", "60"))
SEED = int(os.environ.get("TORTURE_SEED") or datetime.now(UTC).strftime("%Y%m%d"))


def pytest_report_header() -> str:
    return f"torture: TORTURE_MINUTES={MINUTES:g} TORTURE_SEED={SEED}"


@pytest.fixture(scope="session")
def seed() -> int:
    """What everything random derives from: today's date, unless TORTURE_SEED says another."""
    return SEED


@pytest.fixture(scope="session")
def seconds() -> Callable[[float], float]:
    """How many seconds a share of the whole torture is."""
    return lambda share: 60 * MINUTES * share


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """Keep torch to one thread, as a run that shall end in equal bytes does."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
