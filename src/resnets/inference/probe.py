"""Probe: rank what a checkpoint may be by running the hypotheses that its file leaves open on pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp
from pathlib import Path
from typing import Any

from PIL import Image

from resnets.data.errors import BadImage
from resnets.inference import evidence
from resnets.inference.hypotheses import SMALL, builds, conventions
from resnets.inference.predict import pictures as files_of
from resnets.inference.race import Entry, Lead, Measure, Race, seen
from resnets.spec.preprocess import Preprocess
from resnets.weights import modelfile
from resnets.weights.identify import Identity, identify
from resnets.weights.refusals import refuse_problems

MOST_PICTURES, MOST_SMALL_PICTURES = 64, 256
"""Pictures that are looked at, evenly spaced among those given: of photographs, and of 32x32."""

LEAST_PICTURES = 8
"""Below this nothing is sure, and nothing is decided."""

GOOD_DISTANCE = 0.02
"""Between the norms' statistics here and in training; beyond it the pictures or all hypotheses are of another kind."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One hypothesis and how it did; `told` is what to pass to `load` to get it.

    `distance`: of the statistics of the norms' inputs from the stored ones, 0 for equal. `confidence`: how many
    deviations the first answer's logit stands above the mean logit. `probability`: of the first answer.
    """

    facts: Mapping[str, Any]
    told: Mapping[str, Any]
    against: tuple[str, ...]  # facts in which it goes against what names imply
    distance: float | None
    confidence: float | None
    probability: float | None
    pictures: int
    tied: bool  # with the first row: the pictures do not tell the two apart

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-able values."""
        return {
            "facts": _plain(self.facts),
            "told": _plain(self.told),
            "against": list(self.against),
            "distance": self.distance,
            "confidence": self.confidence,
            "probability": self.probability,
            "pictures": self.pictures,
            "tied": self.tied,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What the pictures say of one fact: its value in the first row, and the best row in which it is another."""

    fact: str
    value: Any
    how: str  # what the file said before: "unknown" or "implied"
    settled: bool  # whether the pictures tell the two apart
    rival: Any
    lead: float  # how many times the rival's distance is as large, or how many deviations its answers are lower
    sure: float  # probability that the rival does worse on such pictures

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-able values."""
        facts = {name: getattr(self, name) for name in self.__slots__}
        return facts | _plain({"value": self.value, "rival": self.rival})


@dataclass(frozen=True, kw_only=True, slots=True)
class Probe:
    """What a checkpoint most likely is. `rows` best first; `told` is what to pass to `load`.

    `measure` is what ranked them: "statistics" of the norms, "confidence" where norms are folded, None where there is
    neither. `decided`: every fact is settled that is unknown, or against what names imply, and the best is near what
    the norms remember. `margin`: the smallest `lead` among the unknown facts, or among those that are settled.
    """

    path: Path
    measure: Measure | None
    norms: int  # whose statistics say something
    pictures: int
    unread: tuple[str, ...]  # pictures that could not be read, and why
    rows: tuple[Row, ...]
    verdicts: tuple[Verdict, ...]
    decided: bool
    margin: float
    told: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-able values."""
        return {
            "path": str(self.path),
            "measure": self.measure,
            "norms": self.norms,
            "pictures": self.pictures,
            "unread": list(self.unread),
            "decided": self.decided,
            "margin": self.margin,
            "told": _plain(self.told),
            "verdicts": [verdict.to_dict() for verdict in self.verdicts],
            "rows": [row.to_dict() for row in self.rows],
        }


def probe(
    path_or_identity: str | Path | Identity,
    pictures: Sequence[str | Path],
    *,
    told: Mapping[str, Any] | None = None,
    part: str | None = None,
) -> Probe:
    """Return what a file of weights most likely is, ranked by how it takes pictures of the kind it was trained on.

    Unknown facts are tried at every value, implied ones at the values of `DOUBTS`, colours in every convention and
    both orders; what was read from the file or `told` stands. No labels are used. Folders stand for the pictures
    below them.

    A hypothesis is beaten where it does worse by a tenth of the distance or a fiftieth of the confidence, with a
    probability of 97.5 % by the jackknife over the pictures. Below 90 % the one that names imply stands first.

    Raises `FileNotFoundError`, or `ValueError` for a file that `load` would refuse whatever was told, for a model
    file, and where no picture can be read.
    """
    if isinstance(path_or_identity, Identity):
        identity = path_or_identity
        if told or part:
            raise ValueError("an Identity was told and parted already; give its path for another told or part")
    elif modelfile.is_model_file(Path(path_or_identity)):
        raise ValueError(f"{path_or_identity} is a model file: its card states every fact, and nothing is to be probed")
    else:
        identity = identify(path_or_identity, part=part, told=told)
    if identity.problems:
        refuse_problems(identity)
    ways = conventions(identity)
    images, unread = _read(pictures, ways[0].preprocess)
    race = Race(builds(identity), ways, images)
    return _result(identity, race, race.run(), unread)


def _read(given: Sequence[str | Path], preprocess: Preprocess) -> tuple[list[Image.Image], tuple[str, ...]]:
    """As many pictures as are looked at, spread over those given."""
    paths = list(files_of(given, preprocess))
    most = MOST_SMALL_PICTURES if max(preprocess.size) <= SMALL else MOST_PICTURES
    count = min(most, len(paths))
    images, unread = [], []
    for number in range(count):
        path = paths[number * len(paths) // count]
        try:
            images.append(evidence.read(path, seen(preprocess)))
        except BadImage as error:
            unread.append(str(error))
    if not images:
        why = f": {unread[0]}" if unread else "; give files or folders of them"
        raise ValueError(f"a probe needs pictures, and none of {len(paths)} could be read{why}")
    return images, tuple(unread)


def _result(identity: Identity, race: Race, ranked: list[Entry], unread: tuple[str, ...]) -> Probe:
    entries = _one_view_each(ranked)
    leader = entries[0]
    tied = [entry for entry in entries if not race.compare(leader, entry).told_apart]
    near = [entry for entry in tied if race.compare(leader, entry).near]
    chosen = min(near, key=lambda entry: len(race.against(entry)))  # the first of equals
    order = [chosen, *(entry for entry in entries if entry != chosen)]
    verdicts = tuple(_verdicts(identity, race, chosen, order))
    enough = len(race.images) >= LEAST_PICTURES and race.measure is not None
    unknown = [verdict for verdict in verdicts if verdict.how == "unknown"]
    rows = tuple(_row(identity, race, entry, tied) for entry in order)
    # The best of strangers is a stranger: something that was not tried, or pictures of another kind.
    far = rows[0].distance is not None and rows[0].distance > GOOD_DISTANCE
    return Probe(
        path=identity.path,
        measure=race.measure,
        norms=race.norms,
        pictures=len(race.images),
        unread=unread,
        rows=rows,
        verdicts=verdicts,
        decided=enough
        and not far
        and all(v.settled for v in verdicts if v.how == "unknown" or v.fact in race.against(chosen)),
        margin=min((verdict.lead for verdict in unknown or verdicts if verdict.settled), default=0.0),
        told=rows[0].told,
    )


def _one_view_each(ranked: list[Entry]) -> list[Entry]:
    best: dict[tuple[int, int], Entry] = {}
    for entry in ranked:
        best.setdefault((entry.build, entry.convention), entry)
    return list(best.values())


def _verdicts(identity: Identity, race: Race, chosen: Entry, order: list[Entry]) -> list[Verdict]:
    """One for each fact in question, against the best row in which it is another and the numbers are."""
    found = []
    weight = len(race.against(chosen))
    for name, value in race.facts(chosen).items():
        others = [e for e in order if race.facts(e).get(name, value) != value and not race.same(chosen, e)]
        if not others:
            continue
        how = identity.unknown[name].how if name in identity.unknown else "implied"
        # Where the file leaves a fact open, a rival that needs more facts against their names is no rival.
        equals = [e for e in others if how == "implied" or len(race.against(e)) <= weight] or others
        leads = [(race.compare(chosen, entry), entry) for entry in equals]
        # What was beaten at the first look, on fewer pictures, is a rival only where there is no other.
        lead, rival = min(leads, key=lambda pair: (pair[0].told_apart, pair[1] not in race.all, pair[0].gap))
        found.append(
            Verdict(
                fact=name,
                value=value,
                how=how,
                settled=lead.told_apart,
                rival=race.facts(rival)[name],
                lead=_shown(race, lead),
                sure=lead.sure,
            )
        )
    return found


def _shown(race: Race, lead: Lead) -> float:
    return exp(lead.gap) if race.measure == "statistics" else lead.gap


def _row(identity: Identity, race: Race, entry: Entry, tied: list[Entry]) -> Row:
    build, way, weighed = race.builds[entry.build], race.conventions[entry.convention], race.evidence(entry)
    told = {name: fact.value for name, fact in identity.facts.items() if fact.how == "told"} | dict(build.told)
    if identity.classes.how == "told":
        told["classes"] = identity.classes.value
    if identity.preprocess.how in ("unknown", "told") or way.against:
        told["preprocess"] = way.told
    return Row(
        facts=race.facts(entry),
        told=told,
        against=race.against(entry),
        distance=weighed.distance if weighed else None,
        confidence=weighed.height if weighed else None,
        probability=weighed.probability if weighed else None,
        pictures=len(race.images) if entry in race.all else -(-len(race.images) // race.every),
        tied=entry in tied,
    )


def _plain(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: v.to_dict() if isinstance(v, Preprocess) else v for name, v in facts.items()}
