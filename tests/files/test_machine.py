"""Machine: a container's quota counts, wherever the kernel keeps it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from resnets.files import machine

ALLOWED = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def kernel(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


V2 = "sys/fs/cgroup"
GROUP = {"proc/self/cgroup": "0::/pod/box\n"}


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({f"{V2}/cpu.max": "100000 100000\n"}, 1),
        ({f"{V2}/cpu.max": "150000 100000\n"}, 2),  # one and a half: two may work, a little slower
        ({f"{V2}/cpu.max": "10000 100000\n"}, 1),
        ({f"{V2}/cpu.max": "max 100000\n"}, None),
        ({**GROUP, f"{V2}/pod/cpu.max": "100000 100000", f"{V2}/pod/box/cpu.max": "max 1"}, 1),
        ({"proc/self/cgroup": "0::/pod\n", f"{V2}/pod/cpu.max": "300000 100000", f"{V2}/cpu.max": "100000 100000"}, 1),
        ({f"{V2}/cpu/cpu.cfs_quota_us": "100000", f"{V2}/cpu/cpu.cfs_period_us": "100000"}, 1),
        ({f"{V2}/cpu,cpuacct/cpu.cfs_quota_us": "90000", f"{V2}/cpu,cpuacct/cpu.cfs_period_us": "100000"}, 1),
        ({f"{V2}/cpu/cpu.cfs_quota_us": "-1", f"{V2}/cpu/cpu.cfs_period_us": "100000"}, None),
        (
            {
                "proc/self/cgroup": "5:memory:/a\n4:cpu,cpuacct:/slice/unit\n0::/b\n",
                f"{V2}/cpu,cpuacct/slice/cpu.cfs_quota_us": "100000",
                f"{V2}/cpu,cpuacct/slice/cpu.cfs_period_us": "100000",
                f"{V2}/cpu,cpuacct/slice/unit/cpu.cfs_quota_us": "-1",
                f"{V2}/cpu,cpuacct/slice/unit/cpu.cfs_period_us": "100000",
                f"{V2}/cpu,cpuacct/cpu.cfs_quota_us": "-1",
                f"{V2}/cpu,cpuacct/cpu.cfs_period_us": "100000",
            },
            1,
        ),
        (  # a container: the group that the host knows it by is not there
            {
                "proc/self/cgroup": "4:cpu,cpuacct:/docker/0123\n",
                f"{V2}/cpu/cpu.cfs_quota_us": "50000",
                f"{V2}/cpu/cpu.cfs_period_us": "100000",
            },
            1,
        ),
        ({f"{V2}/cpu.max": "nonsense"}, None),
        ({f"{V2}/cpu.max": "100000 0"}, None),
        ({f"{V2}/cpu.max": "x y"}, None),
        ({}, None),
    ],
)
def test_the_quota_of_a_container_is_obeyed(tmp_path: Path, files: dict[str, str], quota: int | None) -> None:
    assert machine.processors(kernel(tmp_path, files)) == min(ALLOWED, quota or ALLOWED)


def test_this_machine_answers() -> None:
    assert 1 <= machine.processors() <= (os.cpu_count() or 1)
    assert machine.open_files() is None or machine.open_files() > 0
    assert machine.shared_memory() is None or machine.shared_memory() >= 0


def test_a_machine_without_shared_memory_says_so(tmp_path: Path) -> None:
    assert machine.shared_memory(tmp_path) is None
