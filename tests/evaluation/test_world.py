"""Evaluation by several processes: each picture counted once, and everybody returns what one alone would."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from resnets.net.world import ALONE
from tests import tiny
from tests.evaluation import in_a_world

ROOT = Path(__file__).parents[2]


def pictures(root: Path) -> Path:
    """Sixteen pictures to test on, of which one is bad (and may be), and again, of which three are."""
    for name, bad in (("ok", ("ant/5",)), ("bad", ("ant/0", "ant/7", "bee/3"))):
        folder = tiny.write_pictures(root / name / "test", each=8)
        for picture in bad:
            (folder / f"{picture}.png").write_bytes(b"no picture")
    return root


def told_by(size: int, folder: Path) -> list[dict[str, Any]]:
    """What each of `size` processes on this machine reports."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(size), "GLOO_SOCKET_IFNAME": "lo"}
    words = [sys.executable, "-m", "tests.evaluation.in_a_world", str(folder)]
    processes = [
        subprocess.Popen(
            words,
            cwd=ROOT,
            env=os.environ | place | {"RANK": str(rank), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(size)
    ]
    ended = [(process, *process.communicate(timeout=300)) for process in processes]
    for process, _, err in ended:
        assert process.returncode == 0, err
    return [json.loads(out.splitlines()[-1]) for _, out, _ in ended]


@pytest.mark.parametrize("size", [2, 3])
def test_everybody_reports_what_one_alone_would(size: int, tmp_path: Path) -> None:
    folder = pictures(tmp_path)
    alone = in_a_world.reports(ALONE, folder)
    counted = {"one": 101, "several": 61, "ok": 15, "mapped": 86, "flipped": 61}
    assert {name: alone[name]["report"]["pictures"] for name in counted} == counted
    assert "3 of 16 images are bad and 1 may be" not in alone["bad"]  # alone it stops at the second
    assert "2 of 16 images are bad and 1 may be" in alone["bad"]
    first, *others = told_by(size, folder)
    assert all(other == first for other in others)
    assert "3 of 16 images are bad and 1 may be" in first.pop("bad")
    for name, report in first.items():
        (numbers, rest), (expected, wanted) = flat(report), flat(alone[name])
        assert numbers == pytest.approx(expected, rel=1e-5), name
        assert rest == wanted, name


def flat(value: Any, name: str = "") -> tuple[dict[str, float], dict[str, Any]]:
    """The numbers of nested lists and dicts by their path, and everything else by its own."""
    if isinstance(value, float):
        return {name: value}, {}
    if not isinstance(value, dict | list):
        return {}, {name: value}
    numbers: dict[str, float] = {}
    others: dict[str, Any] = {name: len(value)}
    for key, one in value.items() if isinstance(value, dict) else enumerate(value):
        for found, more in zip((numbers, others), flat(one, f"{name}/{key}"), strict=True):
            found.update(more)
    return numbers, others
