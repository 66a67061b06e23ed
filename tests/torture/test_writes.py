"""Writes on a failing disk: the old file or the new one, whole; a torn checkpoint is passed over."""

from __future__ import annotations

import errno
import itertools
import math
import random
import re
import resource
import shutil
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
from resnets.training.recipes import recipe
from resnets.training.request import Request
from resnets.training.run import RunFolder
from resnets.training.train import train
from resnets.training.watch import Watch
from resnets.weights.modelfile import save
from tests import tiny
from tests.torture import nursery
from tests.torture.disk import Disk, failing

PAGE = frozenset({"report.html"})
"""What a run does without, and says so, where the disk refuses it: the model is what counts."""

SHORT: dict[str, Any] = {"recipe_name": "digits", "epochs": 2, "batch_size": 8, "held_out": 10, "patience": 9}
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
    network, optimizer = pair(version)
    progress = checkpoint.Progress(epoch=1, step=step, seconds=version)
    checkpoint.save(folder, {"network": network}, optimizer, progress)


def restore(folder: Path, network: ResNet, optimizer: torch.optim.Optimizer) -> checkpoint.Progress | None:
    saved = checkpoint.read(folder)
    if saved is None:
        return None
    checkpoint.put_back(saved, {"network": network}, optimizer)
    return saved.progress


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
        with Disk(tmp_path, at, failing(errno.EIO), lasting=math.inf).watched(), pytest.raises(OSError):
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
        progress = restore(folder, network, optimizer)
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
        progress = restore(tmp_path, network, optimizer)
        assert progress is not None, what
        assert progress.step == 1, what
        assert same(network, pair(1)[0]), what
    older.write_bytes(b"torn too")
    network, optimizer = pair(0)
    assert restore(tmp_path, network, optimizer) is None
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


def train_on(disk: Disk, out: Path) -> None:
    """Start a run on a disk, or resume the one that is there, with a checkpoint after every step."""
    data, watch = tiny.data_set(), Watch(checkpoint_every=0.0)
    with disk.watched(), nursery.hurried():
        if (out / "recipe.json").exists():
            train(data, resume=out, device="cpu", watch=watch)
        else:
            tiny.run(data, out, watch=watch, **SHORT)


def newest(out: Path) -> int | None:
    """The step of the newest whole checkpoint."""
    saved = checkpoint.read(out / "state")
    return None if saved is None else saved.progress.step


def suffer(out: Path, at: int, fault: str, lasting: float = 1) -> bool:
    """Train on a disk that fails so; say whether the run went on to its end. The newest checkpoint always loads."""
    began = newest(out)

    def act() -> None:
        written = [name for name in disk.renamed if name.startswith("state/step-")]
        assert newest(out) == (int(written[-1][11:20]) if written else began), disk.steps[-1]
        failing(FAULTS[fault])()

    disk = Disk(out, at, act, lasting=lasting)
    try:
        train_on(disk, out)
    except OSError as error:
        assert error.errno == FAULTS[fault]
        return False
    return True


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A run on a good disk, and its steps."""
    out = tmp_path_factory.mktemp("good") / "whole"
    disk = Disk(out)
    train_on(disk, out)
    return out, disk.steps


def test_a_run_on_a_disk_that_fails_at_any_step_goes_on_or_is_resumed_to_the_same_bytes(
    tmp_path: Path, whole: tuple[Path, list[str]]
) -> None:
    good, steps = whole
    metrics = [at for at, step in enumerate(steps) if step == "open metrics.jsonl"]
    first = next(at for at, step in enumerate(steps) if step.startswith("replace .step-"))
    ended = {True: 0, False: 0}
    for at, fault in itertools.product(range(len(steps)), FAULTS):
        out, where = tmp_path / f"{at}-{fault}", f"{steps[at]} (step {at}) failed with {fault}"
        ended[went_on := suffer(out, at, fault)] += 1
        assert went_on or not first < at < metrics[-1], f"{where}: that is no reason to stop"
        if not went_on:
            train_on(Disk(out), out)
        RunFolder(out).sweep()
        nursery.assert_same_end(good, out, where, may_lack=PAGE)
        shutil.rmtree(out)
    print(f"{2 * len(steps)} faults: {ended[True]} runs went on, {ended[False]} stopped and were resumed")


def test_a_run_on_a_disk_that_is_full_for_a_while_goes_on_or_is_resumed_to_the_same_bytes(
    tmp_path: Path, whole: tuple[Path, list[str]], seed: int, seconds: Callable[[float], float]
) -> None:
    good, steps = whole
    chance, end = random.Random(f"{seed} outages"), time.monotonic() + seconds(0.05)
    page = next(at for at, step in enumerate(steps) if "report.html" in step)  # from here on the model is there
    ended = {True: 0, False: 0}
    while not sum(ended.values()) or time.monotonic() < end:
        out = tmp_path / str(sum(ended.values()))
        at, lasting, fault = (
            chance.randrange(len(steps)),
            chance.choice((3, 10, 40, math.inf)),
            chance.choice([*FAULTS]),
        )
        went_on = suffer(out, at, fault, lasting)
        where = f"seed {seed}: {steps[at]} (step {at}) and {lasting} more failed with {fault}"
        assert not went_on or lasting < math.inf or at >= page, where
        while not went_on:  # and once more on the way
            went_on = suffer(out, chance.randrange(len(steps)), fault, 1)
        RunFolder(out).sweep()
        nursery.assert_same_end(good, out, where, may_lack=PAGE)
        shutil.rmtree(out)
        ended[went_on] += 1
    print(f"{sum(ended.values())} times a disk was full for a while")
