"""`train`: from pictures to a model file, with every choice written down beside it."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from resnets.data.dataset import DataSet
from resnets.data.gather import gather
from resnets.data.loader import Loader
from resnets.data.manifest import obey, parse_manifest
from resnets.data.pack import cached
from resnets.data.reading import Reading
from resnets.data.workers import Kind
from resnets.net.device import find_device
from resnets.net.sync import sync_norms
from resnets.net.world import TIMEOUT_S, World, find_world, joined, restarts
from resnets.training import checkpoint
from resnets.training.balance import balance
from resnets.training.checkpoint import Progress
from resnets.training.choose import default_model, default_recipe
from resnets.training.ema import Ema
from resnets.training.finish import Trained, card, finish
from resnets.training.loop import fit
from resnets.training.optimizer import optimizer
from resnets.training.precision import lay_out_network
from resnets.training.preflight import preflight
from resnets.training.prepare import Parts, Say, loader, pictures, prepare, resolve_precision
from resnets.training.recipe import Recipe
from resnets.training.recipes import recipe
from resnets.training.request import Request, machine
from resnets.training.run import RunFolder
from resnets.training.state import State
from resnets.training.verify import verify
from resnets.training.watch import Watch


@dataclass(frozen=True, slots=True)
class _Start:
    """What a run begins from, new or resumed."""

    asked: Request
    dataset: DataSet
    folder: RunFolder
    is_resumed: bool
    manifest: bytes | None = None  # that a new run obeys
    unreadable: list[tuple[str, str]] = field(default_factory=list)  # (picture, reason), found before it began


@dataclass(frozen=True, kw_only=True, slots=True)
class _Means:
    """What computes a run, and who sees it; none of it changes the result."""

    world: World
    workers: int | None
    kind: Kind
    say: Say
    watch: Watch
    replay: bool


def train(
    data: object = None,
    *,
    model: str | Path | None = None,
    recipe_name: str | None = None,
    out: str | Path | None = None,
    size: int | tuple[int, int] | None = None,
    device: str = "auto",
    resume: str | Path | None = None,
    facts: dict[str, Any] | None = None,
    pixels: dict[str, Any] | None = None,
    reading: Reading | None = None,
    manifest: str | Path | None = None,
    cache: str | Path | None = None,
    workers: int | None = None,
    kind: Kind = "threads",
    check: bool = False,
    replay: bool = False,
    timeout_s: float = TIMEOUT_S,
    say: Say = lambda sentence: None,
    watch: Watch | None = None,
    **numbers: Any,
) -> Trained:
    """Train a network on labelled pictures and write `OUT/model.safetensors`, metrics, recipe and curves.

    `data` is what `open_data` takes, or a data set. `model` is a row's name or a model file to start from; `facts`
    changes facts of the row, `pixels` fields of the preprocess; `numbers` are the recipe's, such as `epochs=3`. Model
    and recipe that are not given are chosen by the data, and said. `reading` says how data are read; pictures in a
    `manifest` of the pre-flight are left out; in the folder `cache` they are kept decoded. `workers` of a `kind`
    decode, and change no result. With `check` pictures in files are looked at first as `resnets.check` does, and what
    it leaves out is left out, unless a manifest says so already.

    `resume` is the folder of a run (its `out`) that goes on from its newest whole checkpoint, as it was asked for, and
    ends as if it had never stopped; `data` is needed only where they are no files, or lie elsewhere now. With `replay`
    the steps before that checkpoint are first done again and compared, bit by bit.

    Started by `torchrun`, every process calls this alike: they share each batch, and the first writes. One that is not
    heard of for `timeout_s` seconds ends the others, so that `torchrun` can start them all again.

    Raises `ValueError` for a request whose parts do not fit, before anything is trained or written, and `NotRepeated`
    where a replay ends in other numbers.
    """
    world = find_world(find_device(device))
    say = say if world.is_first else _silent
    with joined(world, timeout_s), torch.random.fork_rng():  # the caller's random numbers are not ours to use up
        folder = None if out is None else RunFolder(Path(out))
        model = None if model is None else str(model)
        if cache is not None:
            data = _where(data) or data  # a pack's pictures have the names that they are read by
        begun = None
        if any(world.gather(restarts() > 0)) and resume is None:
            # torchrun gives a process that it starts again the command of the first.
            begun = folder or _folder(gather(data, reading, manifest), model)
        if begun is not None and begun.recipe.exists():
            start = _resumed(begun, data)
        elif resume is not None:
            if recipe_name or numbers or facts or size or pixels or reading or manifest or model or out or cache:
                raise ValueError("a resumed run goes on with its own recipe, size, facts and pictures; leave those out")
            start = _resumed(RunFolder(Path(resume)), data)
        else:
            if data is None:
                raise ValueError("there are no pictures to train on; give data, or resume=FOLDER of a run to go on")
            dataset = gather(data, reading, manifest)
            row, why = default_model(dataset)
            chosen = [] if model else [f"model {row}, for {why}; --model chooses another, or a trained file"]
            model = model or row
            if recipe_name is None:
                recipe_name = default_recipe(dataset, model)
                chosen.append(f"recipe {recipe_name}: the one that suits {dataset.name}; --recipe chooses another")
            folder = folder or _folder(dataset, model)
            if isinstance(data, str | Path) and Path(data).is_dir() and folder.is_below(Path(data)):
                raise ValueError(
                    f"--out {folder.path} would put the run among the pictures of {data}; give another --out"
                )
            folder.check(resume=False)
            asked = Request(
                data_name=dataset.name,
                data_sha256=dataset.fingerprint,
                data_split=dataset.split,
                data_path=_where(data),
                model=model,
                recipe=recipe(recipe_name, **numbers),
                size=(size, size) if isinstance(size, int) else size,
                facts=facts or {},
                pixels=pixels or {},
                reading=reading or Reading(),
                cache=None if cache is None else str(Path(cache).absolute()),
            )
            for sentence in chosen:
                say(sentence)
            obeyed = None if manifest is None else Path(manifest).read_bytes()
            unreadable: list[tuple[str, str]] = []
            if check and manifest is None:
                obeyed, unreadable = _preflight(data, dataset, asked, world, say)
                dataset = _without(dataset, obeyed)
            start = _Start(asked, dataset, folder, is_resumed=False, manifest=obeyed, unreadable=unreadable)
        means = _Means(world=world, workers=workers, kind=kind, say=say, watch=watch or Watch(), replay=replay)
        return _train(start, means)


def _without(dataset: DataSet, manifest: bytes | None) -> DataSet:
    try:
        return dataset if manifest is None else obey(dataset, parse_manifest(manifest))
    except ValueError as error:
        raise ValueError(
            f"the pre-flight would leave too little to train on ({error}); `resnets check` says why, and --no-check "
            "trains on all of it"
        ) from None


def _folder(dataset: DataSet, model: str | None) -> RunFolder:
    """Where a run goes if nobody says where."""
    return RunFolder(Path(f"runs/{dataset.name}-{Path(model or default_model(dataset)[0]).stem}"))


def _silent(sentence: str) -> None:
    pass


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


def _resumed(folder: RunFolder, data: object) -> _Start:
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
    return _Start(asked, dataset, folder, is_resumed=True)


def _where(data: object) -> str | None:
    """Where data are, from anywhere: a path in full, or the name of a built-in set."""
    if not isinstance(data, str | Path):
        return None
    return str(Path(data).absolute()) if Path(data).exists() else str(data)


def _train(start: _Start, means: _Means) -> Trained:
    asked, dataset, folder, world, say = start.asked, start.dataset, start.folder, means.world, means.say
    for note in dataset.notes:
        say(note)
    left_out = start.unreadable
    parts = prepare(dataset, asked, say=say)
    if asked.cache is not None:
        if not world.is_first:
            world.wait()  # the first makes the pack, and the others find it made
        dataset, undecoded = cached(dataset, asked.cache, parts.preprocess, say)
        left_out = [*left_out, *undecoded]
        if world.is_first:
            world.wait()
        train_on, validate_on, _ = pictures(dataset, asked.recipe)
        parts = replace(parts, train=train_on, validation=validate_on)
    card(parts, asked, dataset, None).to_json()  # what it refuses is refused now, not after the training
    here = machine(world.device, world.size)
    if start.is_resumed:
        folder.check_split(dataset)
        for name, value in here.items():
            if asked.machine.get(name, value) != value:
                say(f"the run began with {name} {asked.machine[name]} and now has {value}: its last bits may differ")
    else:
        asked = replace(asked, recipe=resolve_precision(parts, asked.recipe, world, say), machine=here)
        asked = Request.from_dict(world.gather(asked.to_dict())[0])  # what the first has measured
    batches = loader(parts, asked.recipe, world, workers=means.workers, kind=means.kind)
    world.wait()  # all that could be refused has been, by everybody
    with folder.held() if world.is_first else nullcontext():
        state = _run(replace(start, asked=asked, dataset=dataset), parts, batches, means)
        return finish(state, parts, asked, dataset, folder, batches, left_out)


def _run(start: _Start, parts: Parts, batches: Loader, means: _Means) -> State:
    folder, chosen, world, say = start.folder, start.asked.recipe, means.world, means.say
    if world.is_first:
        folder.sweep()
        if not start.is_resumed:
            folder.check(resume=False)  # again: another run may have begun in it meanwhile
            folder.begin(start.asked, start.dataset, start.manifest)
    state = _state(parts, chosen, batches, world)
    state.progress.request = start.asked.sha256()
    if start.is_resumed:
        saved, there = checkpoint.read(folder.state), checkpoint.checkpoints(folder.state)
        for path in there[there.index(saved.path) + 1 :] if saved else there:
            say(f"{path} is damaged, and passed over")
        if saved is None:
            say(f"{folder.path} has no whole checkpoint: the run starts again from its first step")
        else:
            say(f"going on from step {saved.progress.step:,} of {state.total:,}")
            _same_request(saved.progress, start.asked, folder)
        if saved is not None and means.replay:
            verify(state, batches, folder, saved, say)
        if saved is not None:
            checkpoint.put_back(saved, state.modules, state.optimizer)
            state.progress = saved.progress
            batches.leave_out(saved.progress.bad)
            if state.scaler is not None:
                state.scaler.load_state_dict(saved.progress.scaler)
        if world.is_first:
            folder.keep_lines_to(state.step)
    means.watch.begin(state, parts, folder, batches, say)
    try:
        fit(state, batches, means.watch)
    finally:
        means.watch.end()
    return state


def _same_request(progress: Progress, asked: Request, folder: RunFolder) -> None:
    if progress.request != asked.sha256():
        raise ValueError(
            f"{folder.recipe} is not what the checkpoints beside it were made with: it was changed since. Put it back "
            "as it was, or start a new run with another --out"
        )


def _state(parts: Parts, chosen: Recipe, batches: Loader, world: World) -> State:
    network = lay_out_network(parts.network, chosen.precision, world.device)
    if chosen.sync_norms:
        sync_norms(network, world)
    return State(
        network=network,
        optimizer=optimizer(network, chosen),
        recipe=chosen,
        device=world.device,
        total=chosen.iterations or max(round(chosen.epochs * batches.batches_per_epoch), 1),
        world=world,
        balance=balance(parts.train.labels, len(parts.classes), chosen.imbalance),
        ema=Ema(network, chosen) if chosen.ema else None,
        scaler=torch.amp.GradScaler(world.device.type) if chosen.precision == "fp16" else None,
        progress=Progress(accumulate=chosen.accumulate),
    )
