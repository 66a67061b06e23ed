"""The heap keeps what a step frees."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

SCRIPT = """
import resource, torch
from resnets.training.heap import keep_freed_memory
if {keeps}:
    assert keep_freed_memory()
for _ in range(3):
    torch.ones(40 << 20, dtype=torch.uint8)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    torch.ones(40 << 20, dtype=torch.uint8)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(keeps: bool) -> int:
    ran = subprocess.run([sys.executable, "-c", SCRIPT.format(keeps=keeps)], capture_output=True, text=True, check=True)
    return int(ran.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told to keep memory")
def test_memory_that_is_freed_is_not_asked_for_again() -> None:
    assert faults(keeps=False) > 3 * faults(keeps=True) + 100
