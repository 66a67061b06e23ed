"""Writes on a failing disk: the old file or the new one, whole; a torn checkpoint is passed over."""

from __future__ import annotations

import errno
import random
import re
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from resnets.data.manifest import LeftOut, Manifest, write_manifest
from resnets.data.splits.split_file import write_split
from resnets.files import atomic
from resnets.net.network import ResNet
from resnets.page.plot import curves
from resnets.training import checkpoint
from resnets.training.recipe import recipe
from resnets.training.request import Request
from resnets.training.run import RunFolder
from resnets.training.train import train
from resnets.weights.modelfile import save
from tests import tiny
from tests.torture.disk import Disk, failing

SHORT: dict[str, Any] = {"recipe_name": "digits", "epochs": 3, "batch_size": 8}
FAULTS = {"full": errno.ENOSPC, "broken": errno.EIO}


def pair(seed: int) -> tuple[ResNet, torch.optim.Optimizer]:
    """A network after one step of SGD, which has momentum to remember."""
    network = tiny.network(seed)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    return network, optimizer


def write_checkpoint(folder: Path, version: int, step: int = 7) -> None:
    checkpoint.save(folder, *pair(version), checkpoint.Progress(epoch=1, step=step, seconds=version))


def line(step: int) -> dict[str, float]:
    return {"step": step, "epoch": step, "loss": 1 / step, "accuracy": 0.5}


def request(version: int) -> Request:
    return Request(
        data_name="noise", data_sha256="0", data_split="given", model="m", size=(version, 8), recipe=recipe("digits")
    )


def manifest(version: int) -> Manifest:
    left_out = LeftOut(f"{version}.png", "train", "unreadable", "cut short")
    return Manifest(name="noise", fingerprint="0", counts={}, settings={}, left_out=(left_out,), kept={})


Write = Callable[[Path, int], object]


WRITERS: dict[str, tuple[str, Write]] = {
    "bytes": ("a", lambda folder, version: atomic.write(folder / "a", b"%d" % version * 100_000)),
    "model": ("model.safetensors", lambda folder, version: save(tiny.model(version), folder / "model.safetensors")),
    "recipe": ("recipe.json", lambda folder, version: RunFolder(folder).write_request(request(version))),
    "split": ("split.csv", lambda folder, version: write_split(tiny.data_set(20 + version), folder / "split.csv")),
    "manifest": ("manifest.json", lambda folder, version: write_manifest(folder / "manifest.json", manifest(version))),
    "curves": ("curves.png", lambda folder, version: curves([line(1), line(1 + version)], folder / "curves.png")),
    "checkpoint": ("step-000000007.safetensors", write_checkpoint),
}
"""What the package writes: the name under which it appears, and a function that writes version 1 or 2 of it."""


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def versions(name: str, write: Write, folder: Path) -> tuple[bytes, bytes, list[str]]:
    """The bytes of both versions, and the steps in which the second replaces the first."""
    write(folder, 1)
    old = (folder / name).read_bytes()
    with Disk(folder).watched() as disk:
        write(folder, 2)
    new = (folder / name).read_bytes()
    assert old != new
    return old, new, disk.steps


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("writer", WRITERS)
def test_a_disk_that_fails_once_leaves_the_old_file_or_the_new_one(writer: str, fault: str, tmp_path: Path) -> None:
    name, write = WRITERS[writer]
    old, new, steps = versions(name, write, tmp_path)
    # All bytes are on the disk before they get their name, and the name is too before the write is over.
    kinds = " ".join(step.split()[0] for step in steps)
    assert re.fullmatch(r"open (write )+fsync (chmod )?replace open fsync", kinds)
    for at, step in enumerate(steps):
        write(tmp_path, 1)
        with Disk(tmp_path, at, failing(FAULTS[fault])).watched(), pytest.raises(OSError) as raised:
            write(tmp_path, 2)
        assert raised.value.errno == FAULTS[fault], step
        renamed = "replace" in " ".join(steps[:at])
        assert contents(tmp_path) == {name: new if renamed else old}, f"after {step} failed"


@pytest.mark.parametrize("writer", WRITERS)
def test_a_disk_that_fails_for_good_leaves_the_old_file_or_the_new_one(writer: str, tmp_path: Path) -> None:
    name, write = WRITERS[writer]
    old, new, steps = versions(name, write, tmp_path)
    for at, step in enumerate(steps):
        write(tmp_path, 1)
        with Disk(tmp_path, at, failing(errno.EIO), lasting=True).watched(), pytest.raises(OSError):
            write(tmp_path, 2)
        renamed = "replace" in " ".join(steps[:at])
        assert (tmp_path / name).read_bytes() == (new if renamed else old), f"after {step} failed"


@contextmanager
def no_file_above(size: int) -> Iterator[None]:
    """Let the kernel itself refuse the bytes of a file after the first `size`; Python ignores its signal."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("writer", WRITERS)
def test_a_file_that_the_kernel_cuts_short_never_gets_its_name(writer: str, tmp_path: Path, seed: int) -> None:
    name, write = WRITERS[writer]
    old, new, _ = versions(name, write, tmp_path)
    chance = random.Random(f"{seed} {writer}")
    write(tmp_path, 1)
    for size in (0, 1, len(new) - 1, *(chance.randrange(len(new)) for _ in range(5))):
        with no_file_above(size), pytest.raises(OSError):
            write(tmp_path, 2)
        assert contents(tmp_path) == {name: old}, f"with room for {size} of {len(new)} bytes"


@pytest.mark.parametrize("fault", FAULTS)
def test_a_disk_that_fails_while_a_checkpoint_is_saved_leaves_one_to_go_on_from(fault: str, tmp_path: Path) -> None:
    def fill(folder: Path) -> None:
        for step in (1, 2):
            write_checkpoint(folder, step, step)

    fill(tmp_path / "counted")
    with Disk(tmp_path).watched() as disk:
        write_checkpoint(tmp_path / "counted", 3, 3)
    assert any(step.startswith("unlink") for step in disk.steps)  # of the oldest
    for at, step in enumerate(disk.steps):
        folder = tmp_path / str(at)
        fill(folder)
        with Disk(folder, at, failing(FAULTS[fault])).watched(), pytest.raises(OSError):
            write_checkpoint(folder, 3, 3)
        network, optimizer = pair(0)
        progress = checkpoint.restore(folder, network, optimizer)
        assert progress is not None
        assert progress.step == (3 if "replace" in " ".join(disk.steps[:at]) else 2), f"after {step} failed"
        assert same(network, pair(progress.step)[0])


def same(one: ResNet, other: ResNet) -> bool:
    first, second = one.state_dict(), other.state_dict()
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def tears(whole: bytes, chance: random.Random) -> Iterator[tuple[str, bytes]]:
    """What a power cut or a bad sector may make of a file."""
    size = len(whole)
    yield "empty", b""
    yield "all zeros", bytes(size)
    yield "without its last byte", whole[:-1]
    for _ in range(20):
        cut = chance.randrange(size)
        yield f"cut at {cut}", whole[:cut]
        yield f"zeros from {cut}", whole[:cut] + bytes(size - cut)
        length = min(4096, size - cut)
        yield f"a page of zeros at {cut}", whole[:cut] + bytes(length) + whole[cut + length :]
        bit = 1 << chance.randrange(8)
        yield f"bit {bit} of byte {cut} turned", whole[:cut] + bytes([whole[cut] ^ bit]) + whole[cut + 1 :]


def test_a_torn_checkpoint_is_passed_over_for_the_one_before(tmp_path: Path, seed: int) -> None:
    for step in (1, 2):
        write_checkpoint(tmp_path, step, step)
    older, newest = checkpoint.checkpoints(tmp_path)
    whole = newest.read_bytes()
    for what, torn in tears(whole, random.Random(seed)):
        if torn == whole:
            continue
        newest.write_bytes(torn)
        network, optimizer = pair(0)
        progress = checkpoint.restore(tmp_path, network, optimizer)
        assert progress is not None, what
        assert progress.step == 1, what
        assert same(network, pair(1)[0]), what
    older.write_bytes(b"torn too")
    network, optimizer = pair(0)
    assert checkpoint.restore(tmp_path, network, optimizer) is None
    assert same(network, pair(0)[0]), "nothing of a torn checkpoint may reach the network"


def test_metrics_that_end_in_half_a_line_are_read_to_the_line_before(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    for step in (1, 2, 3):
        run.append(line(step))
    whole = run.metrics.read_bytes()
    ends = [place for place, byte in enumerate(whole) if byte == ord("}")]
    for cut in range(len(whole)):
        run.metrics.write_bytes(whole[:cut])
        lines = [line(step) for step in (1, 2, 3)][: sum(end < cut for end in ends)]
        assert run.lines() == lines, cut
        run.keep_lines_to(3)
        run.append(line(4))
        assert run.lines() == [*lines, line(4)], cut


def test_a_run_on_a_disk_that_failed_once_goes_on_to_the_same_bytes(
    tmp_path: Path, seed: int, seconds: Callable[[float], float]
) -> None:
    data = tiny.data_set()
    with Disk(tmp_path / "whole").watched() as disk:
        tiny.run(data, tmp_path / "whole", **SHORT)
    expected = (tmp_path / "whole" / "model.safetensors").read_bytes()
    chance = random.Random(seed)
    faults = [(at, name) for at in range(len(disk.steps)) for name in FAULTS]
    chance.shuffle(faults)
    end = time.monotonic() + seconds(0.1)
    tried = 0
    for at, name in faults:
        folder = tmp_path / f"{at}-{name}"
        with Disk(folder, at, failing(FAULTS[name])).watched(), pytest.raises(OSError):
            tiny.run(data, folder, **SHORT)
        if (folder / "recipe.json").exists():
            train(data, out=folder, device="cpu", resume=True)
        else:
            tiny.run(data, folder, **SHORT)
        where = f"seed {seed}: {disk.steps[at]} (step {at}) failed with {name}"
        assert (folder / "model.safetensors").read_bytes() == expected, where
        tried += 1
        if time.monotonic() > end:
            break
    print(f"{tried} of {len(faults)} faults of a run")
