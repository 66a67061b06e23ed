"""`train`: from pictures to a model file, with every choice written down beside it."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from resnets.data.loader import Loader
from resnets.data.pack import cached
from resnets.data.reading import Reading
from resnets.data.workers import Kind
from resnets.net.device import find_device
from resnets.net.sync import sync_norms
from resnets.net.world import TIMEOUT_S, World, find_world, joined
from resnets.page.texts import Language
from resnets.training import checkpoint
from resnets.training.balance import balance
from resnets.training.checkpoint import Progress
from resnets.training.ema import Ema
from resnets.training.finish import Trained, card, finish
from resnets.training.loop import fit
from resnets.training.optimizer import optimizer
from resnets.training.precision import lay_out_network
from resnets.training.prepare import Parts, Say, loader, pictures, prepare, resolve_precision
from resnets.training.recipe import Recipe
from resnets.training.request import Request, machine
from resnets.training.start import Given, Start, find_start
from resnets.training.state import State
from resnets.training.verify import verify
from resnets.training.watch import Watch


@dataclass(frozen=True, kw_only=True, slots=True)
class _Means:
    """What computes a run, and who sees it; none of it changes the result."""

    world: World
    workers: int | None
    kind: Kind
    say: Say
    language: Language
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
    language: Language = "en",
    watch: Watch | None = None,
    **numbers: Any,
) -> Trained:
    """Train a network on labelled pictures and write `OUT/model.safetensors`, metrics, recipe, and a page to look at.

    `data` is what `open_data` takes, or a data set. `model` is a row's name or a model file to start from; `facts`
    changes facts of the row, `pixels` fields of the preprocess; `numbers` are the recipe's, such as `epochs=3`. Model
    and recipe that are not given are chosen by the data, and said. `reading` says how data are read; pictures in a
    `manifest` of the pre-flight are left out; in the folder `cache` they are kept decoded. `workers` of a `kind`
    decode, and change no result. With `check` pictures in files are looked at first as `resnets.check` does, and what
    it leaves out is left out, unless a manifest says so already. `report.html` is in a `language`: en or zh.

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
        given = Given(
            data=data,
            model=None if model is None else str(model),
            recipe_name=recipe_name,
            out=None if out is None else Path(out),
            size=size,
            facts=facts or {},
            pixels=pixels or {},
            reading=reading,
            manifest=None if manifest is None else Path(manifest),
            cache=None if cache is None else Path(cache),
            numbers=numbers,
        )
        start = find_start(given, None if resume is None else Path(resume), world, say, check=check)
        means = _Means(
            world=world,
            workers=workers,
            kind=kind,
            say=say,
            language=language,
            watch=watch or Watch(),
            replay=replay,
        )
        return _train(start, means)


def _silent(sentence: str) -> None:
    pass


def _train(start: Start, means: _Means) -> Trained:
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
        return finish(state, parts, asked, dataset, folder, batches, left_out, means.language)


def _run(start: Start, parts: Parts, batches: Loader, means: _Means) -> State:
    folder, chosen, world, say = start.folder, start.asked.recipe, means.world, means.say
    if world.is_first:
        folder.sweep()
        if not start.is_resumed:
            folder.check(resume=False)  # again: another run may have begun in it meanwhile
            folder.begin(start.asked, start.dataset, start.manifest)
    state = _state(parts, chosen, batches, world)
    state.progress.request = start.asked.sha256()
    if start.is_resumed:
        _go_on(state, start, batches, means)
    means.watch.begin(state, parts, folder, batches, say)
    try:
        fit(state, batches, means.watch)
    finally:
        means.watch.end()
    return state


def _go_on(state: State, start: Start, batches: Loader, means: _Means) -> None:
    """Bring a new state, in place, to where the newest whole checkpoint of a run is."""
    folder, say = start.folder, means.say
    saved, there = checkpoint.read(folder.state), checkpoint.checkpoints(folder.state)
    for path in there[there.index(saved.path) + 1 :] if saved else there:
        say(f"{path} is damaged, and passed over")
    if saved is None:
        say(f"{folder.path} has no whole checkpoint: the run starts again from its first step")
    else:
        say(f"going on from step {saved.progress.step:,} of {state.total:,}")
        if saved.progress.request != start.asked.sha256():
            raise ValueError(
                f"{folder.recipe} is not what the checkpoints beside it were made with: it was changed since. Put it "
                "back as it was, or start a new run with another --out"
            )
        if means.replay:
            verify(state, batches, folder, saved, say)
        checkpoint.put_back(saved, state.modules, state.optimizer)
        state.progress = saved.progress
        batches.leave_out(saved.progress.bad)
        if state.scaler is not None:
            state.scaler.load_state_dict(saved.progress.scaler)
    if means.world.is_first:
        folder.keep_lines_to(state.step)


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
