"""The other frameworks, loaded in the one order that works, and the table that `make agreement` ends with."""

import os
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ["KERAS_BACKEND"] = "tensorflow"

# timm brings torchvision, which aborts the process when TensorFlow was there first: both register one LLVM option.
import timm  # noqa: F401

import keras  # isort: skip


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """Keep torch to one thread: on a busy machine two of them spend their time waiting for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A folder that is gone after the test: pytest's own keeps a hundred files of 100 MB for three runs."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.fixture
def double() -> Iterator[None]:
    """Make Keras build in float64, for this test alone."""
    floatx, policy = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx(floatx)
    keras.config.set_dtype_policy(policy)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the largest relative error of each kind of comparison, as the tests recorded it."""
    worst: dict[str, float] = defaultdict(float)
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        for kind, error in report.user_properties:
            worst[kind] = max(worst[kind], error)
    if worst:
        terminalreporter.section("largest relative errors")
        for kind, error in sorted(worst.items()):
            terminalreporter.line(f"{error:8.1e}  {kind}")
