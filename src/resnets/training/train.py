"""`train`: from pictures to a model file, with every choice written down beside it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from resnets.data.dataset import DataSet
from resnets.data.gather import gather
from resnets.data.loader import Loader
from resnets.data.pack import cached
from resnets.data.reading import Reading
from resnets.data.workers import Kind
from resnets.evaluation.evaluate import Report, evaluate_network
from resnets.net.device import find_device
from resnets.page.plot import curves
from resnets.spec.card import Card
from resnets.training import checkpoint
from resnets.training.loop import State, fit
from resnets.training.optimizer import optimizer
from resnets.training.precision import lay_out_network
from resnets.training.prepare import Parts, Say, default_recipe, loader, pictures, prepare, resolve_precision
from resnets.training.recipe import Recipe, recipe
from resnets.training.request import Request
from resnets.training.run import RunFolder
from resnets.training.watch import Watch
from resnets.weights.modelfile import Model, save


@dataclass(frozen=True, kw_only=True, slots=True)
class Trained:
    """What a run leaves: the model, where its file is, its report on the test pictures, what it had to skip."""

    model: Model
    path: Path
    report: Report | None  # None without test pictures
    skipped: tuple[tuple[str, str], ...]  # (picture that could not be read, to train or to test on, reason)
    seconds: float  # of training, evaluation left aside


def train(
    data: object,
    *,
    model: str = "resnet50",
    recipe_name: str | None = None,
    out: str | Path | None = None,
    size: int | tuple[int, int] | None = None,
    device: str = "auto",
    resume: bool = False,
    facts: dict[str, Any] | None = None,
    pixels: dict[str, Any] | None = None,
    reading: Reading | None = None,
    manifest: str | Path | None = None,
    cache: str | Path | None = None,
    workers: int | None = None,
    kind: Kind = "threads",
    say: Say = lambda sentence: None,
    watch: Watch | None = None,
    **numbers: Any,
) -> Trained:
    """Train a network on labelled pictures and write `OUT/model.safetensors`, metrics, recipe and curves.

    `data` is what `open_data` takes, or a data set. `model` is a row's name or a model file to start from; `facts`
    changes facts of the row, `pixels` fields of the preprocess; `numbers` are the recipe's, such as `epochs=3`.
    `reading` says how data are read; pictures in a `manifest` of the pre-flight are left out; in the folder `cache`
    they are kept decoded. `workers` of a `kind` decode, and change no result.

    With `resume` the run in `out` goes on from its newest checkpoint, with the recipe it was started with, and ends as
    if it had never stopped.

    Raises `ValueError` for a request whose parts do not fit, before anything is trained or written.
    """
    if resume:
        if recipe_name or numbers or facts or size or pixels or reading or manifest:
            raise ValueError("a resumed run goes on with its own recipe, size, facts and pictures; leave those out")
        if out is None:
            raise ValueError("a resumed run needs its folder; give it as out")
        folder = RunFolder(Path(out))
        folder.check(resume=True)
        asked = folder.read_request()
        dataset = gather(data, asked.reading, folder.manifest if folder.manifest.exists() else None)
        asked.check(dataset, cached=cache is not None)
    else:
        dataset = gather(data, reading, manifest)
        folder = RunFolder(Path(out or f"runs/{dataset.name}-{Path(model).stem}"))
        if isinstance(data, str | Path) and Path(data).is_dir() and folder.is_below(Path(data)):
            raise ValueError(f"--out {folder.path} would put the run among the pictures of {data}; give another --out")
        folder.check(resume=False)
        row = recipe_name or default_recipe(dataset)
        if recipe_name is None:
            say(f"recipe {row}: the one that suits {dataset.name}; --recipe chooses another")
        asked = Request(
            data_name=dataset.name,
            data_sha256=dataset.fingerprint,
            data_split=dataset.split,
            model=model,
            recipe=recipe(row, **numbers),
            size=(size, size) if isinstance(size, int) else size,
            facts=facts or {},
            pixels=pixels or {},
            reading=reading or Reading(),
            cached=cache is not None,
        )
    for note in dataset.notes:
        say(note)
    target = find_device(device)
    left_out: list[tuple[str, str]] = []
    with torch.random.fork_rng():  # the caller's random numbers are not ours to use up
        parts = prepare(dataset, asked, say=say)
        if cache is not None:
            dataset, left_out = cached(dataset, cache, parts.preprocess, say)
            train_on, validate_on, _ = pictures(dataset, asked.recipe)
            parts = replace(parts, train=train_on, validation=validate_on)
        _card(parts, asked, dataset, None).to_json()  # what it refuses is refused now, not after the training
        folder.sweep()
        if resume:
            folder.check_split(dataset)
        else:
            asked = replace(asked, recipe=resolve_precision(parts, asked.recipe, target, say))
        chosen = asked.recipe
        batches = loader(parts, chosen, target, workers=workers, kind=kind)
        if not resume:  # all that could be refused has been, so there is a run from here on
            folder.begin(asked, dataset, manifest)
        state = _run(parts, chosen, batches, target, folder, watch or Watch(), resume=resume)
    return _finish(parts, asked, dataset, folder, state, [*left_out, *batches.skipped])


def _run(
    parts: Parts,
    chosen: Recipe,
    batches: Loader,
    device: torch.device,
    folder: RunFolder,
    watch: Watch,
    *,
    resume: bool,
) -> State:
    network = lay_out_network(parts.network, chosen.precision, device)
    per_epoch = batches.batches_per_epoch
    state = State(
        network=network,
        optimizer=optimizer(network, chosen),
        recipe=chosen,
        device=device,
        total=chosen.iterations or max(round(chosen.epochs * per_epoch), 1),
    )
    if resume:
        progress = checkpoint.restore(folder.state, network, state.optimizer)
        if progress:
            for name in checkpoint.PROGRESS:
                setattr(state, name, getattr(progress, name))
            state.reported = state.seconds  # what was waited before is not known any more
        lay_out_network(network, chosen.precision, device)
        folder.keep_lines_to(state.step)
    watch.begin(state, parts, folder, per_epoch)
    try:
        fit(state, batches, watch)
    finally:
        watch.end()
    return state


def _finish(
    parts: Parts,
    asked: Request,
    dataset: DataSet,
    folder: RunFolder,
    state: State,
    skipped: list[tuple[str, str]],
) -> Trained:
    network = state.network.to(memory_format=torch.contiguous_format).cpu().eval()
    network.requires_grad_(True)
    report = None
    if dataset.test is not None:
        report = evaluate_network(network, dataset.test, parts.preprocess, classes=dataset.classes)
        folder.append({"step": state.step, "split": "test", "top1": report.top1, "loss": report.loss})
        skipped = [*skipped, *report.skipped]
    model = Model(network, _card(parts, asked, dataset, report))
    save(model, folder.model)
    curves(folder.lines(), folder.curves)
    return Trained(
        model=model, path=folder.model, report=report, skipped=tuple(dict.fromkeys(skipped)), seconds=state.seconds
    )


def _card(parts: Parts, asked: Request, dataset: DataSet, report: Report | None) -> Card:
    return Card(
        architecture=parts.network.architecture,
        classes=dataset.classes,
        preprocess=parts.preprocess,
        origin={
            "started_from": parts.origin,
            "recipe": asked.recipe.to_dict(),
            "data": {
                "name": dataset.name,
                "sha256": dataset.fingerprint,
                "pictures": len(parts.train),
                "split": dataset.split,
                "reading": asked.reading.to_dict(),
            },
            "metrics": {} if report is None else {"test_top1": report.top1, "test_pictures": report.pictures},
        },
    )
