"""Where the real data are, for every test that needs them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the repository, which is never part of it."""
    folder = Path(__file__).resolve().parents[1].parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real data (../shared/data) are not on this machine")
    return folder


@pytest.fixture(scope="session")
def cifar10_folder(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The official cifar-10-batches-py, rebuilt once for all processes of a test run."""
    target = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        target = target.parent
    unpack = [sys.executable, str(shared_data / "unpack"), str(target / "unpacked")]
    subprocess.run(unpack, check=True, capture_output=True)
    return target / "unpacked" / "cifar-10-batches-py"


@pytest.fixture(scope="session")
def imagenet_weights(cifar10_folder: Path) -> Path:
    """The folder with the two real ImageNet networks, unpacked by the same script."""
    return cifar10_folder.parent / "weights-imagenet-NC"
