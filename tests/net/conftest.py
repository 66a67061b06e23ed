"""Networks without numbers for tests that ask only for names, shapes and traces; and one thread for all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

import pytest
import torch

from resnets.net.network import ResNet, build


@cache
def _without_numbers(name: str) -> ResNet:
    return build(name, device="meta").eval()


@pytest.fixture(scope="session")
def without_numbers() -> Callable[[str], ResNet]:
    """A row's network on the meta device, in evaluation mode; do not change it."""
    return _without_numbers


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Small maps: on a busy machine two threads spend their time waiting for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
