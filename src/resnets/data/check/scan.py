"""Scan: the facts of every picture of a source, in parallel, those known from before out of the cache."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from resnets.data.check.cache import Cache, Stamp, stamp
from resnets.data.check.facts import FACTS, Row, facts_of, facts_of_arrays
from resnets.data.source import ArraySource, FileSource, Source
from resnets.spec.preprocess import Preprocess

Progress = Callable[[int], None]
"""Told how many more pictures are done."""

_TOGETHER = 32  # pictures of one task: enough that handing tasks over costs nothing
_KEPT_AT_ONCE = 2000  # rows of one write to the cache


@dataclass(frozen=True, slots=True)
class Scanned:
    """What is known of a source's pictures: (N,) rows of `FACTS`, and why some cannot be read."""

    rows: Row
    reasons: dict[int, str]
    from_cache: int = 0


def scan(
    source: Source, policy: Preprocess, *, workers: int, cache: Cache | None = None, progress: Progress | None = None
) -> Scanned:
    """Return the facts of every picture, computed by `workers` threads; the order of work changes nothing.

    Files are looked up in `cache` first and kept there afterwards. No picture, however damaged, raises.
    """
    tell = progress or (lambda _: None)
    if isinstance(source, ArraySource):
        rows = facts_of_arrays(source)
        tell(len(source))
        return Scanned(rows, {})
    rows = np.zeros(len(source), FACTS)
    reasons: dict[int, str] = {}
    known = 0
    with ThreadPoolExecutor(max(1, workers)) as pool:
        for start in range(0, len(source), _KEPT_AT_ONCE):
            block = range(start, min(start + _KEPT_AT_ONCE, len(source)))
            stamps = _stamps(source, block, cache)
            found = cache.find(dict(stamps.values())) if cache is not None and stamps else {}
            todo: list[int] = []
            for index in block:
                kept = found.get(stamps[index][0]) if index in stamps else None
                if kept is None:
                    todo.append(index)
                else:
                    _put(rows, reasons, index, *kept)
            known += len(block) - len(todo)
            tell(len(block) - len(todo))
            for index, row, reason in _computed(source, policy, todo, pool, workers, tell):
                _put(rows, reasons, index, row, reason)
            if cache is not None:
                entries = [(*stamps[i], rows[i], reasons.get(i, "")) for i in todo if i in stamps]
                cache.keep(entries)
    return Scanned(rows, reasons, known)


def _put(rows: Row, reasons: dict[int, str], index: int, row: Row, reason: str) -> None:
    rows[index] = row
    if reason:
        reasons[index] = reason


def _stamps(source: Source, block: range, cache: Cache | None) -> dict[int, tuple[str, Stamp]]:
    """Return index -> (path, stamp) of the pictures that are files; a picture without a stamp is not kept."""
    if cache is None or not isinstance(source, FileSource):
        return {}
    paths = {index: source.name(index) for index in block}
    return {index: (path, when) for index, path in paths.items() if (when := stamp(path)) is not None}


def _computed(
    source: Source, policy: Preprocess, todo: Sequence[int], pool: ThreadPoolExecutor, workers: int, tell: Progress
) -> Iterator[tuple[int, Row, str]]:
    """Yield each picture's facts in order, with a few tasks under way at a time, so that memory is bounded."""

    def look(some: Sequence[int]) -> list[tuple[int, Row, str]]:
        return [(index, *facts_of(source, index, policy)) for index in some]

    under_way: deque[Future[list[tuple[int, Row, str]]]] = deque()
    for start in range(0, len(todo), _TOGETHER):
        under_way.append(pool.submit(look, todo[start : start + _TOGETHER]))
        if len(under_way) > 2 * max(1, workers):
            done = under_way.popleft().result()
            tell(len(done))
            yield from done
    for future in under_way:
        done = future.result()
        tell(len(done))
        yield from done
