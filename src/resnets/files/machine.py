"""Machine: what this process may use of its machine, which in a container is less than what the machine has."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
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
    shares = []
    for folder in _groups(root / "sys/fs/cgroup", _place(root, "")):
        words = " ".join(_lines(folder / "cpu.max")).split()
        if len(words) == 2 and words[0] != "max":
            shares.append(_share(words[0], words[1]))
    return min(filter(None, shares), default=None)


def _quota_v1(root: Path) -> float | None:
    """The tightest quota of our control group and those above it (kernel, scheduler/sched-bwc).

    In a container the group that /proc names may not be there: what is mounted begins at the container's own.
    """
    shares = []
    for controller in ("cpu", "cpu,cpuacct"):
        for folder in _groups(root / "sys/fs/cgroup" / controller, _place(root, "cpu")):
            quota, period = (" ".join(_lines(folder / f"cpu.cfs_{name}_us")) for name in ("quota", "period"))
            shares.append(_share(quota, period))
    return min(filter(None, shares), default=None)


def _place(root: Path, controller: str) -> str:
    """Our control group of a controller, as `hierarchy:controllers:place` says it; version 2 names no controllers."""
    for line in _lines(root / "proc/self/cgroup"):
        _, _, rest = line.partition(":")
        controllers, _, place = rest.partition(":")
        if controller in controllers.split(","):
            return place
    return "/"


def _groups(base: Path, place: str) -> Iterator[Path]:
    """Yield the folder of a control group and those above it, up to the one all are in."""
    group = base / place.lstrip("/")
    for folder in (group, *group.parents):
        yield folder
        if folder == base:
            return


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
