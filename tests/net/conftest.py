"""Networks without numbers, made once for all tests that ask only for names, shapes and traces."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest

from resnets.net.network import ResNet, build


@cache
def _without_numbers(name: str) -> ResNet:
    return build(name, device="meta").eval()


@pytest.fixture(scope="session")
def without_numbers() -> Callable[[str], ResNet]:
    """A row's network on the meta device, in evaluation mode; do not change it."""
    return _without_numbers
