"""What a figure was measured on: processor, cores and versions; imported by every benchmark, prints nothing."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path


def machine() -> dict[str, str | int]:
    """Return the processor, how many cores this process may use, and the versions that matter."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    packages = {name: version(name) for name in ("torch", "torchvision", "numpy", "pillow")}
    return {"processor": _processor(), "cores": cores, "python": platform.python_version(), **packages}


def _processor() -> str:
    """The model, or with an anonymous one the instruction sets that decide the speed of low precision."""
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in text.splitlines())}
    flags = fields.get("flags", "").split()
    sets = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_bf16") if flag in flags]
    return f"{fields.get('model name', platform.machine())} ({' '.join(sets)})"
