"""Pipeline: order and names are kept, bad files disturb nobody, little is under way, and threads end."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from resnets.inference.pipeline import AHEAD, MOST_WAITING, Answered, answered
from resnets.runtime.engine import Engine, Outputs
from resnets.spec.preprocess import Preprocess

PREPROCESS = Preprocess(size=(8, 8))


class Means(Engine):
    """Says the mean of each picture, so that every answer tells whose it is."""

    name, precision, threads, outputs = "means", "fp32", 1, ("logits",)

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def run(self, pictures: Any) -> Outputs:
        assert pictures.dtype == np.uint8 and pictures.shape[1:] == (3, 8, 8) and len(pictures)
        self.sizes.append(len(pictures))
        return {"logits": pictures.mean((1, 2, 3), dtype=np.float32)[:, None]}


class Several(Means):
    """Has several batches under way, in threads of its own that also take them, as asynchronous engines may."""

    def stream(self, batches: Iterable[Any]) -> Iterator[Outputs]:
        waiting: deque[Future[Outputs]] = deque()
        with ThreadPoolExecutor(2) as pool:
            for batch in batches:
                waiting.append(pool.submit(self.run, batch))
                if len(waiting) > 3:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty pictures, each of one shade that its name says, and files that are none."""
    folder = tmp_path_factory.mktemp("pictures")
    for shade in range(40):
        Image.new("RGB", (8, 8), (shade, shade, shade)).save(folder / f"{shade}.png")
    (folder / "bad.png").write_text("no picture")
    return folder


def shades(batches: Iterable[Answered]) -> list[tuple[str, float | str]]:
    """(name, shade or why it is bad) of every picture."""
    found: list[tuple[str, float | str]] = []
    for batch in batches:
        assert set(batch.errors) <= set(range(len(batch.paths)))
        answers = iter(() if batch.outputs is None else batch.outputs["logits"][:, 0].tolist())
        for place, path in enumerate(batch.paths):
            found.append((Path(path).name, batch.errors[place] if place in batch.errors else next(answers)))
        assert next(answers, None) is None
    return found


def with_bad(folder: Path, bad: set[int], count: int = 40) -> list[Path]:
    return [folder / ("bad.png" if place in bad else f"{place}.png") for place in range(count)]


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("resnets-decode")]


BAD = {
    "none": set[int](),
    "some": {0, 3, 4, 17, 39},
    "whole batches": {*range(8, 24)},
    "first": {*range(16)},
    "last": {*range(30, 40)},
    "all": {*range(40)},
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
@pytest.mark.parametrize("engine", [Means, Several])
@pytest.mark.parametrize(("batch_size", "workers"), [(1, 3), (4, 0), (7, 1), (8, 4), (64, 2)])
def test_every_picture_has_its_own_answer_in_its_place(
    bad: set[int], engine: type[Means], batch_size: int, workers: int, folder: Path
) -> None:
    paths = with_bad(folder, bad)
    batches = list(answered(paths, engine(), PREPROCESS, batch_size=batch_size, workers=workers))
    assert [len(batch.paths) for batch in batches[:-1]] == [batch_size] * (len(batches) - 1)
    found = shades(batches)
    assert [name for name, _ in found] == [path.name for path in paths]
    for place, (_, answer) in enumerate(found):
        assert isinstance(answer, str) if place in bad else answer == place
    assert not threads()


def test_which_pictures_share_a_batch_depends_on_the_list_alone(folder: Path) -> None:
    engine = Means()
    list(answered(with_bad(folder, {1, 2, 9}), engine, PREPROCESS, batch_size=8, workers=2))
    assert engine.sizes == [6, 7, 8, 8, 8]


def test_an_empty_list_has_no_answers() -> None:
    assert list(answered([], Means(), PREPROCESS)) == []


def test_the_same_picture_may_be_asked_for_often(folder: Path) -> None:
    paths = [folder / "5.png"] * 9 + [folder / "7.png"] + [folder / "5.png"]
    found = shades(answered(paths, Means(), PREPROCESS, batch_size=3, workers=2))
    assert [shade for _, shade in found] == [5] * 9 + [7, 5]


@pytest.mark.parametrize("engine", [Means, Several])
def test_little_is_under_way_however_long_the_list(engine: type[Means], folder: Path) -> None:
    asked = 0

    def endless() -> Iterator[Path]:
        nonlocal asked
        while True:
            asked += 1
            yield folder / f"{asked % 40}.png"

    batches = answered(endless(), engine(), PREPROCESS, batch_size=4, workers=2)
    for number in range(1, 30):
        next(batches)
        assert asked - 4 * number <= 4 * (AHEAD + 5)
    batches.close()
    assert not threads()


def test_a_long_row_of_bad_files_is_handed_over_as_it_comes(folder: Path) -> None:
    asked = 0

    def endless() -> Iterator[Path]:
        nonlocal asked
        while True:
            asked += 1
            yield folder / "bad.png"

    batches = answered(endless(), Means(), PREPROCESS, batch_size=2, workers=2)
    for number in range(1, 400):
        assert len(next(batches).errors) == 2
        assert asked - 2 * number <= 2 * (MOST_WAITING + AHEAD + 1)
    batches.close()


def test_the_first_answer_need_not_wait_for_paths_that_come_later(folder: Path) -> None:
    asked: list[Path] = []

    def slowly() -> Iterator[Path]:
        for path in with_bad(folder, set()):
            asked.append(path)
            yield path

    batches = answered(slowly(), Means(), PREPROCESS, batch_size=4, workers=2, at_once=False)
    next(batches)
    assert len(asked) == 4
    next(batches)
    assert len(asked) > 8
    assert len(shades(batches)) == 32


class Broken(Means):
    def __init__(self, error: type[BaseException]) -> None:
        super().__init__()
        self.error = error

    def run(self, pictures: Any) -> Outputs:
        if self.sizes:
            raise self.error("the engine is broken")
        return super().run(pictures)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, MemoryError])
def test_threads_end_when_the_engine_fails_or_is_stopped(error: type[BaseException], folder: Path) -> None:
    batches = answered(with_bad(folder, set()), Broken(error), PREPROCESS, batch_size=4, workers=2)
    next(batches)
    with pytest.raises(error, match="the engine is broken"):
        next(batches)
    assert not threads()


@pytest.mark.parametrize("engine", [Means, Several])
def test_threads_end_when_the_list_fails(engine: type[Means], folder: Path) -> None:
    def failing() -> Iterator[Path]:
        yield from with_bad(folder, set(), 10)
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        list(answered(failing(), engine(), PREPROCESS, batch_size=4, workers=2))
    assert not threads()


@pytest.mark.parametrize("engine", [Means, Several])
def test_threads_end_when_nobody_wants_more(engine: type[Means], folder: Path) -> None:
    batches = answered(with_bad(folder, set()), engine(), PREPROCESS, batch_size=2, workers=3)
    next(batches)
    assert threads()
    batches.close()
    assert not threads()


def test_fine_bands_come_to_the_engine_as_they_are(tmp_path: Path) -> None:
    class Fine(Means):
        def run(self, pictures: Any) -> Outputs:
            assert pictures.dtype == np.float32
            return {"logits": pictures.mean((1, 2, 3))[:, None]}

    preprocess = Preprocess(size=(8, 8), colour="bands", mean=(0.5,) * 4, std=(0.2,) * 4, formats=("NPY",))
    for number in range(3):
        np.save(tmp_path / f"{number}.npy", np.full((8, 8, 4), number / 10, np.float32))
    paths = [tmp_path / f"{number}.npy" for number in range(3)]
    found = shades(answered(paths, Fine(), preprocess, batch_size=2, workers=2))
    assert [shade for _, shade in found] == pytest.approx([0, 25.5, 51])


@pytest.mark.parametrize(
    ("how", "sentence"),
    [({"batch_size": 0}, "batch_size=0 is not possible; allowed: 1"), ({"workers": -1}, "workers=-1 is not possible")],
)
def test_impossible_requests_are_refused(how: dict[str, int], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        answered([], Means(), PREPROCESS, **how)
