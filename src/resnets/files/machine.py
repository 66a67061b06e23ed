"""Machine: what this process may use of its machine, which in a container is less than what the machine has."""

from __future__ import annotations

import math
import os
from pathlib import Path

_ROOT = Path("/")


def processors(root: Path = _ROOT) -> int:
    """Return how many processors this process may keep busy, at least 1.

    The smallest of those the system lets it run on and those that a container's quota pays for, rounded up: a
    container of one processor on a host of 64 is told of 64, and 64 threads of it mostly wait for one another.
    `root` is where the files of the kernel begin.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quotas = [quota for quota in (_quota_v2(root), _quota_v1(root)) if quota is not None]
    return max(1, min([allowed, *map(math.ceil, quotas)]))


def shared_memory(root: Path = _ROOT) -> int | None:
    """Return the bytes that are free in /dev/shm, through which processes hand batches over; None without one."""
    try:
        disk = os.statvfs(root / "dev/shm")
    except (OSError, AttributeError):
        return None
    return disk.f_bavail * disk.f_frsize


def open_files() -> int | None:
    """Return how many files this process may have open at a time; None where the system has no such limit."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def _quota_v2(root: Path) -> float | None:
    """The tightest cpu.max of our control group and those above it (kernel, admin-guide/cgroup-v2)."""
    place = next((line[3:] for line in _lines(root / "proc/self/cgroup") if line.startswith("0::")), "/")
    base = root / "sys/fs/cgroup"
    group = base / place.lstrip("/")
    tightest: float | None = None
    for folder in (group, *group.parents):
        words = " ".join(_lines(folder / "cpu.max")).split()
        if len(words) == 2 and words[0] != "max":
            tightest = min(filter(None, (tightest, _share(words[0], words[1]))), default=None)
        if folder == base:
            break
    return tightest


def _quota_v1(root: Path) -> float | None:
    for controller in ("cpu", "cpu,cpuacct"):
        folder = root / "sys/fs/cgroup" / controller
        quota, period = (" ".join(_lines(folder / f"cpu.cfs_{name}_us")) for name in ("quota", "period"))
        if quota and period:
            return _share(quota, period)
    return None


def _share(quota: str, period: str) -> float | None:
    try:
        share = int(quota) / int(period)
    except (ValueError, ZeroDivisionError):
        return None
    return share if share > 0 else None  # -1: no limit


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return []
