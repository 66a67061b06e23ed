"""The heap keeps what a step frees."""

from __future__ import annotations

import json
import platform
import subprocess
import sys

import pytest

SCRIPT = """
import ctypes, json, sys, torch
from resnets.training.heap import keep_freed_memory

class Held(ctypes.Structure):  # struct mallinfo2 of malloc.h
    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")]

mallinfo2 = ctypes.CDLL(None).mallinfo2
mallinfo2.restype = Held
if sys.argv[1] == "keeps":
    assert keep_freed_memory()
before = mallinfo2()
picture = torch.ones(40 << 20, dtype=torch.uint8)
alive = mallinfo2()
del picture
freed = mallinfo2()
print(json.dumps({"apart": alive.hblkhd - before.hblkhd, "kept": freed.arena - before.arena}))
"""

MIB = 1 << 20


def held(how: str) -> dict[str, int]:
    """Bytes that a tensor of 40 MiB takes from the system by itself, and bytes of it that stay after it is freed."""
    ran = subprocess.run([sys.executable, "-c", SCRIPT, how], capture_output=True, text=True, check=True)
    return dict(json.loads(ran.stdout))


@pytest.mark.skipif(platform.libc_ver() < ("glibc", "2.33"), reason="only glibc from 2.33 says what it holds")
def test_memory_that_is_freed_is_kept() -> None:
    given_back, kept = held("gives back"), held("keeps")
    assert given_back["apart"] >= 40 * MIB
    assert given_back["kept"] < 8 * MIB
    assert kept["apart"] == 0
    assert kept["kept"] >= 32 * MIB  # less than the tensor where the heap had room left
