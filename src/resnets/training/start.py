"""Start: what a run begins from, whether it is new, resumed, or started again by `torchrun`."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from resnets.data.dataset import DataSet
from resnets.data.gather import gather
from resnets.data.manifest import obey, parse_manifest
from resnets.data.reading import Reading
from resnets.net.world import World, restarts
from resnets.training.choose import default_model, default_recipe
from resnets.training.preflight import preflight
from resnets.training.prepare import Say
from resnets.training.recipes import recipe
from resnets.training.request import Request
from resnets.training.run import RunFolder


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """What somebody gave for a run, as `train` takes it; what is None or empty is chosen, or left as it is."""

    data: object = None
    model: str | None = None
    recipe_name: str | None = None
    out: Path | None = None
    size: int | tuple[int, int] | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    pixels: dict[str, Any] = field(default_factory=dict)
    reading: Reading | None = None
    manifest: Path | None = None
    cache: Path | None = None
    numbers: dict[str, Any] = field(default_factory=dict)  # of the recipe


@dataclass(frozen=True, slots=True)
class Start:
    """What a run begins from, new or resumed."""

    asked: Request
    dataset: DataSet
    folder: RunFolder
    is_resumed: bool
    manifest: bytes | None = None  # that a new run obeys
    unreadable: list[tuple[str, str]] = field(default_factory=list)  # (picture, reason), found before it began


def find_start(given: Given, resume: Path | None, world: World, say: Say, *, check: bool) -> Start:
    """Return what a run begins from; raise `ValueError` for a request whose parts do not fit.

    With `check` the pictures of a new run are looked at first. Nothing is written but what reading data writes.
    """
    if given.cache is not None:
        given = replace(given, data=_where(given.data) or given.data)  # a pack's pictures are named as they are read
    if resume is not None:
        if any(getattr(given, each.name) for each in fields(Given) if each.name != "data"):
            raise ValueError("a resumed run goes on with its own recipe, size, facts and pictures; leave those out")
        return _resumed(RunFolder(resume), given.data)
    if any(world.gather(restarts() > 0)):  # `torchrun` gives a process that it starts again the command of the first
        begun = RunFolder(given.out) if given.out else _folder(gather(given.data, given.reading, given.manifest), given)
        if begun.recipe.exists():
            return _resumed(begun, given.data)
    return _new(given, world, say, check=check)


def _new(given: Given, world: World, say: Say, *, check: bool) -> Start:
    if given.data is None:
        raise ValueError("there are no pictures to train on; give data, or resume=FOLDER of a run to go on")
    dataset = gather(given.data, given.reading, given.manifest)
    folder = RunFolder(given.out) if given.out else _folder(dataset, given)
    if isinstance(given.data, str | Path) and Path(given.data).is_dir() and folder.is_below(Path(given.data)):
        raise ValueError(
            f"--out {folder.path} would put the run among the pictures of {given.data}; give another --out"
        )
    folder.check(resume=False)
    asked, chosen = _request(given, dataset)
    for sentence in chosen:
        say(sentence)
    obeyed = None if given.manifest is None else given.manifest.read_bytes()
    if not check or given.manifest is not None:
        return Start(asked, dataset, folder, is_resumed=False, manifest=obeyed)
    obeyed, unreadable = _preflight(given.data, dataset, asked, world, say)
    return Start(asked, _without(dataset, obeyed), folder, is_resumed=False, manifest=obeyed, unreadable=unreadable)


def _request(given: Given, dataset: DataSet) -> tuple[Request, list[str]]:
    """What a new run is asked for, and the sentences that say what was chosen by the data."""
    model, name, chosen = given.model, given.recipe_name, []
    if model is None:
        model, why = default_model(dataset)
        chosen.append(f"model {model}, for {why}; --model chooses another, or a trained file")
    if name is None:
        name = default_recipe(dataset, model)
        chosen.append(f"recipe {name}: the one that suits {dataset.name}; --recipe chooses another")
    asked = Request(
        data_name=dataset.name,
        data_sha256=dataset.fingerprint,
        data_split=dataset.split,
        data_path=_where(given.data),
        model=model,
        recipe=recipe(name, **given.numbers),
        size=(given.size, given.size) if isinstance(given.size, int) else given.size,
        facts=given.facts,
        pixels=given.pixels,
        reading=given.reading or Reading(),
        cache=None if given.cache is None else str(given.cache.absolute()),
    )
    return asked, chosen


def _resumed(folder: RunFolder, data: object) -> Start:
    folder.check(resume=True)
    asked = folder.read_request()
    if data is None:
        data = asked.data_path
        if data is None:
            raise ValueError(f"the pictures of the run in {folder.path} were no files; give the same data again")
        if Path(asked.data_path or "").is_absolute() and not Path(data).exists():
            raise ValueError(
                f"the pictures of the run in {folder.path} were in {data}, and nothing is there now; say where they "
                f"are: resnets train DATA --resume {folder.path}"
            )
    dataset = gather(data, asked.reading, folder.manifest if folder.manifest.exists() else None)
    asked.check(dataset)
    return Start(asked, dataset, folder, is_resumed=True)


def _preflight(
    data: object, dataset: DataSet, asked: Request, world: World, say: Say
) -> tuple[bytes | None, list[tuple[str, str]]]:
    """The manifest of a pre-flight, made by the first process and obeyed by all; and what could not be read."""
    text, bad = None, []
    if world.is_first:
        seen = preflight(data, dataset, asked.reading, asked.model, asked.size, say)
        text = None if seen.manifest is None else seen.manifest.to_bytes().decode()
        bad = [list(pair) for pair in seen.unreadable]
    world.wait()
    text, bad = world.gather([text, bad])[0]
    return None if text is None else str(text).encode(), [(name, reason) for name, reason in bad]


def _without(dataset: DataSet, manifest: bytes | None) -> DataSet:
    try:
        return dataset if manifest is None else obey(dataset, parse_manifest(manifest))
    except ValueError as error:
        raise ValueError(
            f"the pre-flight would leave too little to train on ({error}); `resnets check` says why, and --no-check "
            "trains on all of it"
        ) from None


def _folder(dataset: DataSet, given: Given) -> RunFolder:
    """Where a run goes if nobody says where."""
    return RunFolder(Path(f"runs/{dataset.name}-{Path(given.model or default_model(dataset)[0]).stem}"))


def _where(data: object) -> str | None:
    """Where data are, from anywhere: a path in full, or the name of a built-in set."""
    if not isinstance(data, str | Path):
        return None
    return str(Path(data).absolute()) if Path(data).exists() else str(data)
