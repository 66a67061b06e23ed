"""Duplicates: the same picture twice, to the pixel or saved again, within a split, across, or under two classes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from resnets.data.check.alike import BUSY, LARGE, SMALLEST, View, busy, same_photograph, thumb_bars, thumbs_agree, view
from resnets.data.check.candidates import Passed, close_pairs
from resnets.data.check.facts import Row
from resnets.data.check.findings import TRAIN, Finding, Found, Pictures
from resnets.data.check.header import Oddity
from resnets.data.errors import BadImage
from resnets.spec.preprocess import Preprocess

MOST_BITS = 10
"""By which the hashes of two copies of one photograph may differ; saving again changes 2, brightening up to 10."""

MOST_PAIRS = 200_000
"""That are decoded again to be compared; a set with more pairs of like hashes is of one kind of drawing."""

_VIEWS_AT_ONCE = 512


@dataclass(frozen=True, slots=True)
class Edge:
    """Two groups of equal pictures that show one photograph."""

    first: int
    second: int
    mirrored: bool


def find_duplicates(pictures: Pictures, policy: Preprocess, workers: int) -> Found:
    """Return copies to the pixel and near copies; pictures of one colour are all alike and are not compared."""
    found = Found()
    groups = equal_groups(pictures)
    for group in groups:
        if len(group) > 1:
            found.findings.append(_judge(pictures, group, "", _same_file(pictures, group)))
    edges = _near(pictures, groups, policy, workers, found)
    for part in _joined(edges):
        found.findings += _judge_near(pictures, groups, part)
    return found


def equal_groups(pictures: Pictures) -> list[list[int]]:
    """Return the pictures that can be compared, those of equal pixels together, each group in order."""
    usable = pictures.readable & ((pictures.rows["odd"] & int(Oddity.CONSTANT)) == 0)
    numbers = np.nonzero(usable)[0]
    keys = np.ascontiguousarray(pictures.rows["pixels"][numbers]).view("V16").reshape(-1)
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    ends = np.nonzero(ordered[1:] != ordered[:-1])[0] + 1
    groups = [sorted(numbers[part].tolist()) for part in np.split(order, ends) if len(part)]
    return sorted(groups)


def _same_file(pictures: Pictures, group: list[int]) -> str:
    files = set(pictures.rows["file"][group].tolist())
    return "the same file" if len(files) == 1 and files != {0} else "the same pixels"


def _judge(pictures: Pictures, group: list[int], near: str, reason: str) -> Finding:
    """Return the finding of pictures that are one: which rule they break, and which of them go."""
    training = [number for number in group if pictures.split(number) == TRAIN]
    if len({pictures.label(number) for number in group}) > 1:
        names = list(dict.fromkeys(pictures.classes(number) for number in group))
        return Finding("two-classes", f"{reason}, under {' and '.join(names)}", tuple(group), out=tuple(group))
    if 0 < len(training) < len(group):
        return Finding(f"{near}duplicate-across-splits", reason, tuple(group), out=tuple(training))
    return Finding(f"{near}duplicate", reason, tuple(group), out=tuple(training[1:]))


def _near(pictures: Pictures, groups: list[list[int]], policy: Preprocess, workers: int, found: Found) -> list[Edge]:
    firsts = np.array([group[0] for group in groups], np.int64)
    if not len(firsts):
        return []
    rows = pictures.rows
    plain = _too_plain(rows[firsts])
    if plain.any():
        found.information.append(
            f"{int(plain.sum()):,} pictures are too small or have too little in them to tell near copies of them from "
            "others; exact copies are found."
        )
    places = np.nonzero(~plain)[0]
    chosen = firsts[places]
    hashes, mirrored, thumbs = (np.ascontiguousarray(rows[name][chosen]) for name in ("hash", "mirrored", "thumb"))
    bars, passed = thumb_bars(rows[chosen]), Passed()
    candidates = {
        mirror: _candidates(hashes, other, thumbs, bars, mirror, passed)
        for mirror, other in ((False, hashes), (True, mirrored))
    }
    if passed.count:
        found.information.append(
            f"{passed.count:,} pictures look like thousands of others, and were not compared with all of them."
        )
    edges: dict[tuple[int, int], Edge] = {}
    look = _looker(pictures, chosen, policy)
    for mirror, pairs in candidates.items():
        if len(pairs) > MOST_PAIRS:
            found.information.append(
                f"{len(pairs):,} pairs of pictures look alike; the first {MOST_PAIRS:,} of them were compared closely."
            )
        for first, second in _verified(pairs[:MOST_PAIRS], look, mirror, workers):
            pair = int(places[first]), int(places[second])
            edges.setdefault(pair, Edge(*pair, mirror))
    return sorted(edges.values(), key=lambda edge: (edge.first, edge.second))


def _too_plain(rows: Row) -> npt.NDArray[np.bool_]:
    side = np.minimum(rows["width"], rows["height"])
    plain = side < SMALLEST
    small = np.nonzero(side < LARGE)[0]
    plain[small] |= busy(rows["thumb"][small]) < BUSY
    return np.asarray(plain)


def _candidates(
    hashes: npt.NDArray[np.uint64],
    others: npt.NDArray[np.uint64],
    thumbs: npt.NDArray[np.uint8],
    bars: npt.NDArray[np.float32],
    mirrored: bool,
    passed: Passed,
) -> npt.NDArray[np.int64]:
    kept = [np.zeros((0, 2), np.int64)]
    for pairs in close_pairs(hashes, others, MOST_BITS, passed):
        kept.append(pairs[thumbs_agree(thumbs, bars, pairs, mirrored=mirrored)])
    pairs = np.concatenate(kept)
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def _looker(pictures: Pictures, chosen: npt.NDArray[np.int64], policy: Preprocess) -> Callable[[int], View | None]:
    def look(place: int) -> View | None:
        source, index = pictures.place(int(chosen[place]))
        try:
            return view(source, index, policy)
        except BadImage:  # it was changed since it was first read
            return None

    return look


def _verified(
    pairs: npt.NDArray[np.int64], look: Callable[[int], View | None], mirrored: bool, workers: int
) -> Iterator[tuple[int, int]]:
    """Yield the pairs that are the same photograph; only the views of a few hundred pairs are in memory."""
    with ThreadPoolExecutor(max(1, workers)) as pool:
        for start in range(0, len(pairs), _VIEWS_AT_ONCE):
            some = pairs[start : start + _VIEWS_AT_ONCE]
            needed = np.unique(some).tolist()
            views = dict(zip(needed, pool.map(look, needed), strict=True))
            for first, second in some.tolist():
                one, other = views[first], views[second]
                if one is not None and other is not None and same_photograph(one, other, mirrored=mirrored):
                    yield first, second


def _joined(edges: list[Edge]) -> list[list[Edge]]:
    """Return the edges in parts that hang together, in order."""
    leader: dict[int, int] = {}

    def lead(place: int) -> int:
        while (above := leader.setdefault(place, place)) != place:
            leader[place] = leader[above]
            place = above
        return place

    for edge in edges:
        leader[lead(edge.second)] = lead(edge.first)
    parts: dict[int, list[Edge]] = defaultdict(list)
    for edge in edges:
        parts[lead(edge.first)].append(edge)
    return list(parts.values())


def _judge_near(pictures: Pictures, groups: list[list[int]], part: list[Edge]) -> list[Finding]:
    """Return at most one finding for each rule that the near copies of one photograph break."""
    by_rule: dict[str, list[tuple[Edge, Finding]]] = defaultdict(list)
    for edge in part:
        members = sorted(groups[edge.first] + groups[edge.second])
        finding = _judge(pictures, members, "near-", "")
        by_rule[finding.rule].append((edge, finding))
    made = []
    for rule, judged in by_rule.items():
        involved = sorted({number for _, finding in judged for number in finding.pictures})
        out = sorted({number for _, finding in judged for number in finding.out})
        mirrored = sum(edge.mirrored for edge, _ in judged)
        kind = "mirrored" if mirrored == len(judged) else "saved again or changed"
        reason = f"one photograph, {kind}"
        if rule == "two-classes":
            names = list(dict.fromkeys(pictures.classes(number) for number in involved))
            reason += f", under {' and '.join(names)}"
        made.append(Finding(rule, reason, tuple(involved), out=tuple(out)))
    return made
