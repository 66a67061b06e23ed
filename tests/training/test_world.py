"""Worlds: two processes that share each batch learn what one learns, write once, and end together."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch

from resnets.data.dataset import DataSet
from resnets.data.loader import Batch, Loader
from resnets.net.freeze import batch_norm_mode
from resnets.net.world import World, find_world, joined
from resnets.spec.preprocess import Preprocess
from resnets.training import checkpoint, loop
from resnets.training.optimizer import optimizer
from resnets.training.recipes import recipe
from resnets.training.state import Seen, State
from resnets.training.train import train
from resnets.training.watch import Watch
from tests import tiny
from tests.torture import nursery
from tests.torture.processes import ENVIRONMENT, ROOT, Family

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork a process")

QUICK: dict[str, Any] = {"recipe_name": "digits", "epochs": 1, "batch_size": 8}
LONGEST_S = 120.0


class Stopped(BaseException):
    """The plug is pulled."""


class FailAt(Watch):
    """Raises, on one process or all, after a step."""

    def __init__(self, step: int, error: BaseException, rank: int | None = None) -> None:
        super().__init__(checkpoint_every=0.0)
        self.at, self.error, self.rank = step, error, rank

    def step(self, state: State, seen: Seen) -> None:
        super().step(state, seen)
        if state.step == self.at and self.rank in (None, state.world.rank):
            raise self.error


def trained(out: Path, data: str | DataSet | None = None, **request: Any) -> dict[str, Any]:
    """Train, as one process of however many; tell which pictures each step saw here, and how it ended."""
    steps: list[list[int]] = []
    said: list[str] = []
    train_step = loop.train_step

    def recorded(state: State, batch: Batch) -> Seen | None:
        steps.append(batch.indices.tolist())
        return train_step(state, batch)

    given = {"workers": 0, "say": said.append, **request}
    told: dict[str, Any] = {"steps": steps, "said": said}
    try:
        with mock.patch.object(loop, "train_step", recorded), nursery.hurried():
            if "resume" in given:
                end = train(data or tiny.data_set(50, 13), device="cpu", **given)
            else:
                end = tiny.run(data or tiny.data_set(50, 13), out, **QUICK | given)
    except Stopped:
        return told
    except (RuntimeError, ValueError, OSError) as error:
        return told | {"error": type(error).__name__, "text": str(error)}
    told |= {"weights": digest(end.model.network), "skipped": end.skipped, "tells": end.is_told}
    return told | {"pictures": end.report.pictures if end.report else 0, "metrics": nursery.metrics(end.path.parent)}


def digest(network: torch.nn.Module) -> str:
    tensors = network.state_dict().values()
    return sha256(b"".join(tensor.contiguous().numpy().tobytes() for tensor in tensors)).hexdigest()


def gradients(_: Path, accumulate: int, **recipe_numbers: Any) -> list[list[float]]:
    """The gradients of one step on ten pictures, with norms at rest, so that a picture does not see the others."""
    row = recipe("digits", precision="fp32", lr=0.0, accumulate=accumulate, batch_size=10, **recipe_numbers)
    network = tiny.network()
    batch_norm_mode(network, batch_statistics=False, update_statistics=False)
    with joined(find_world(torch.device("cpu"))) as world:
        batch = next(
            Loader(
                tiny.array(10),
                Preprocess(size=(8, 8), mean=(0.5,), std=(0.25,)),
                batch_size=10,
                rank=world.rank,
                world=world.size,
            ).epoch(0)
        )
        loop.train_step(state_of(network, row, world, accumulate), batch)
    return [parameter.grad.flatten().tolist() for parameter in network.parameters()]  # type: ignore[union-attr]


def state_of(network: Any, row: Any, world: World, accumulate: int = 1) -> State:
    return State(
        network=network,
        optimizer=optimizer(network, row),
        recipe=row,
        device=torch.device("cpu"),
        total=10,
        world=world,
        progress=checkpoint.Progress(accumulate=accumulate),
    )


def bad(folder: Path, *names: str) -> str:
    """Pictures in files, of which these are none."""
    tiny.write_pictures(folder)
    for name in names:
        (folder / f"{name}.png").write_bytes(b"no picture")
    return str(folder)


FILES: dict[str, Any] = {"size": 8, "recipe_name": "digits", "epochs": 2}


def scenes(folder: Path) -> Iterator[tuple[str, int, Callable[[Path], Any]]]:
    """Name, processes and what each of them does."""
    for size in (1, 2):
        yield f"plain {size}", size, partial(trained)
        yield f"synchronised {size}", size, partial(trained, sync_norms=True, epochs=2)
        yield f"thawed {size}", size, partial(trained, sync_norms=True, freeze="C2", thaw=0.5, epochs=2)
        yield f"gradients {size} 1", size, partial(gradients, accumulate=1)
        yield f"gradients {size} 2", size, partial(gradients, accumulate=2)
    yield "gradients 2 1 synchronised", 2, partial(gradients, accumulate=1, sync_norms=True)
    yield "thawed alone 2", 2, partial(trained, freeze="C2", thaw=0.5, epochs=2, ema=0.9)
    for norms in (False, True):
        what = "synchronised" if norms else "by themselves"
        data = tiny.data_set(35, 13)  # three pictures in the last batch: two and one
        yield f"one picture {what}", 2, partial(trained, data=data, sync_norms=norms, accumulate=2, ema=0.9)
        # Of two pictures the first process has both.
        yield f"no picture {what}", 2, partial(trained, batch_size=2, sync_norms=norms, recalibrate=3)
    yield "one bad", 2, partial(trained, data=bad(folder / "one bad pictures", "ant/3"), **FILES)
    two = bad(folder / "two bad pictures", *(f"{name}/{k}" for name in ("ant", "bee") for k in range(4)))
    yield "many bad", 2, partial(trained, data=two, **FILES)
    for rank in (0, 1):
        yield f"error of {rank}", 2, partial(trained, watch=FailAt(3, OSError(28, "full"), rank))
    parts: dict[str, Any] = {"accumulate": 2, "sync_norms": True, "epochs": 2}
    yield "in parts", 2, partial(trained, **parts)
    yield "in parts, stopped", 2, partial(trained, watch=FailAt(2, Stopped()), **parts)
    yield "in parts, resumed", 2, partial(trained, resume=folder / "in parts, stopped")
    yield "from two", 2, partial(trained, epochs=2, watch=FailAt(6, Stopped()))
    yield "to one", 1, partial(trained, resume=folder / "from two")
    yield "from one", 1, partial(trained, epochs=2, watch=FailAt(6, Stopped()))
    yield "to two", 2, partial(trained, resume=folder / "from one")
    yield "verified, stopped", 2, partial(trained, epochs=2, ema=0.9, watch=FailAt(6, Stopped()))
    yield "verified", 2, partial(trained, resume=folder / "verified, stopped", replay=True)


def play(folder: Path) -> None:
    """Play every scene, its processes forked from this one, and write what each tells."""
    nursery.warm_up(folder)
    for name, size, work in scenes(folder):
        began = time.monotonic()

        def act(rank: int, name: str = name, work: Callable[[Path], Any] = work) -> None:
            (folder / f"{name}.{rank}.json").write_text(json.dumps(work(folder / name)))

        codes = Family(size, act).wait(LONGEST_S, kills=False)
        print(f"{name}: {codes} in {time.monotonic() - began:.2f} s", flush=True)


Told = Callable[[str], list[Any]]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """What each process of a scene told, by rank."""
    folder = tmp_path_factory.mktemp("world")
    code = f"from pathlib import Path; from tests.training.test_world import play; play(Path({str(folder)!r}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    print(done.stdout, done.stderr)

    def of(scene: str) -> list[Any]:
        files = sorted(folder.glob(f"{scene}.?.json"))
        assert files, f"{scene} told nothing: {done.stdout}\n{done.stderr}"
        return [json.loads(file.read_text()) for file in files]

    return of


def losses(told: dict[str, Any]) -> list[float]:
    return [line["loss"] for line in told["metrics"]]


def test_every_step_sees_the_same_pictures_however_many_processes_share_it(told: Told) -> None:
    (alone,), (first, second) = told("plain 1"), told("plain 2")
    assert len(alone["steps"]) == len(first["steps"]) == len(second["steps"]) == 7
    for whole, *shares in zip(alone["steps"], first["steps"], second["steps"], strict=True):
        assert sorted(whole) == sorted(chain(*shares))
    assert sum(map(len, first["steps"])) == 26  # of 50: of a last batch of two it has both


@pytest.mark.parametrize("scene", ["synchronised", "thawed"])
def test_with_synchronised_norms_two_processes_learn_what_one_learns(scene: str, told: Told) -> None:
    (alone,), (first, second) = told(f"{scene} 1"), told(f"{scene} 2")
    assert losses(first) == pytest.approx(losses(alone), rel=1e-4)
    assert first["weights"] == second["weights"]


def test_without_them_only_the_norms_differ_and_both_end_with_one_network(told: Told) -> None:
    (alone,), (first, second) = told("plain 1"), told("plain 2")
    assert losses(first) != pytest.approx(losses(alone), rel=1e-4)
    assert losses(first) == pytest.approx(losses(alone), rel=0.2)
    assert first["weights"] == second["weights"]


def test_the_test_counts_every_picture_once(told: Told) -> None:
    assert [one["pictures"] for one in (*told("plain 1"), *told("plain 2"))] == [13, 13, 13]


def test_lines_are_written_and_told_by_the_first_process_alone(told: Told) -> None:
    (alone,), (first, second) = told("synchronised 1"), told("synchronised 2")
    assert [line["step"] for line in first["metrics"]] == [line["step"] for line in alone["metrics"]] == [7, 14, 14]
    assert (first["tells"], second["tells"]) == (True, False)
    assert second["said"] == []


def test_gradients_of_parts_and_of_processes_are_those_of_the_whole_batch(told: Told) -> None:
    whole = told("gradients 1 1")[0]
    for scene in ("gradients 1 2", "gradients 2 1", "gradients 2 2", "gradients 2 1 synchronised"):
        for rank, found in enumerate(told(scene)):
            for ours, theirs in zip(found, whole, strict=True):
                assert ours == pytest.approx(theirs, rel=1e-4, abs=1e-6), f"{scene}, process {rank}"


def test_what_was_frozen_learns_in_both_once_it_is_thawed(told: Told) -> None:
    first, second = told("thawed alone 2")
    assert first["weights"] == second["weights"]


@pytest.mark.parametrize("norms", ["synchronised", "by themselves"])
@pytest.mark.parametrize("left", ["one picture", "no picture"])
def test_a_process_may_be_left_with_one_picture_or_none(left: str, norms: str, told: Told) -> None:
    first, second = told(f"{left} {norms}")
    assert min(len(step) for step in second["steps"]) == (1 if left == "one picture" else 0)
    assert first["weights"] == second["weights"]
    assert [line["step"] for line in first["metrics"]] == [len(first["steps"])] * 2


def test_a_bad_picture_that_one_process_met_is_known_to_all(told: Told) -> None:
    first, second = told("one bad")
    assert first["skipped"] == second["skipped"]
    assert [Path(name).name for name, _ in first["skipped"]] == ["3.png"]
    assert first["weights"] == second["weights"]


def test_bad_pictures_are_judged_together(told: Told) -> None:
    first, second = told("many bad")
    assert first["error"] == second["error"] == "TooManyBadImages"
    assert first["text"] == second["text"]


@pytest.mark.parametrize("rank", [0, 1])
def test_when_one_process_fails_the_other_ends(rank: int, told: Told) -> None:
    failed, other = told(f"error of {rank}")[rank], told(f"error of {rank}")[1 - rank]
    assert failed["error"] == "OSError"
    assert "onnection" in other["text"]
    assert len(failed["steps"]) == 3
    assert "weights" not in other


@pytest.mark.parametrize(("before", "after"), [("two", "one"), ("one", "two")])
def test_a_run_may_go_on_in_another_number_of_processes_which_is_said(before: str, after: str, told: Told) -> None:
    numbers = {"one": 1, "two": 2}
    resumed = told(f"to {after}")
    sentence = f"the run began with processes {numbers[before]} and now has {numbers[after]}"
    assert any(sentence in said for said in resumed[0]["said"])
    assert {len(one["steps"]) for one in resumed} == {8}  # of 14, six of which were done before
    assert [line["step"] for line in resumed[0]["metrics"]] == [7, 14, 14]
    assert len({one["weights"] for one in resumed}) == 1


def test_a_first_step_in_parts_is_the_same_step_in_a_run_that_goes_on(told: Told) -> None:
    whole, resumed = told("in parts"), told("in parts, resumed")
    assert [len(one["steps"]) for one in (*whole, *resumed)] == [14, 14, 12, 12]
    assert len({one["weights"] for one in (*whole, *resumed)}) == 1
    assert resumed[0]["metrics"] == whole[0]["metrics"]


def test_a_replay_in_a_world_ends_in_the_same_bits_on_every_process(told: Told) -> None:
    first, second = told("verified")
    assert any("gave the same bits" in said for said in first["said"])
    assert first["weights"] == second["weights"]


def test_a_step_of_which_nobody_has_a_picture_is_no_step() -> None:
    row = recipe("digits", precision="fp32")
    state = state_of(tiny.network(), row, World())
    images = torch.empty(0, 3, 8, 8)
    batch = Batch(images=images, labels=torch.empty(0, dtype=torch.int64), indices=torch.empty(0), after=1)
    before = digest(state.network)
    assert loop.train_step(state, batch) is None
    assert (state.step, digest(state.network)) == (0, before)


def test_a_process_that_is_started_again_goes_on_with_the_run_that_its_command_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, out in (("named", tmp_path / "out"), ("by default", None)):
        request = {**QUICK, "model": tiny.ROW, "facts": tiny.SMALL, "precision": "fp32", "device": "cpu", "out": out}
        monkeypatch.delenv("TORCHELASTIC_RESTART_COUNT", raising=False)
        with pytest.raises(Stopped), nursery.hurried():
            train(tiny.data_set(), watch=FailAt(3, Stopped()), **request)
        monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
        steps: list[int] = []
        watch = Watch()
        monkeypatch.setattr(watch, "step", lambda state, seen, steps=steps: steps.append(state.step))
        train(tiny.data_set(), watch=watch, **request)
        assert steps == [4, 5], name
