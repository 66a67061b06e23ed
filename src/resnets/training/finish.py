"""Finishing: from trained weights to a model file, with its card, its test and its curves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from resnets.data.dataset import DataSet
from resnets.data.loader import Loader
from resnets.evaluation.evaluate import AnyReport, evaluate_network
from resnets.page.plot import curves
from resnets.spec.card import Card
from resnets.training import checkpoint
from resnets.training.parallel import share_buffers
from resnets.training.precision import autocast, lay_out
from resnets.training.prepare import Parts
from resnets.training.request import Request
from resnets.training.run import RunFolder
from resnets.training.state import State
from resnets.training.statistics import recalibrate
from resnets.weights.modelfile import Model, save


@dataclass(frozen=True, kw_only=True, slots=True)
class Trained:
    """What a run leaves: the model, where its file is, its report on the test pictures, what it had to skip."""

    model: Model
    path: Path
    report: AnyReport | None  # None without test pictures
    skipped: tuple[tuple[str, str], ...]  # (picture that could not be read, to train or to test on, reason)
    seconds: float  # of training, evaluation left aside
    is_told: bool = True  # by this process; of several, the first speaks


def finish(
    state: State,
    parts: Parts,
    asked: Request,
    dataset: DataSet,
    folder: RunFolder,
    loader: Loader,
    left_out: list[tuple[str, str]],
) -> Trained:
    """Make the model of a run that is over: test it, and write its file."""
    network, progress = state.judged, state.progress
    skipped = [*left_out, *loader.skipped]
    if progress.best is not None:
        _take_best(state, folder)
    share_buffers(state)
    if asked.recipe.recalibrate:
        context = autocast(asked.recipe.precision, state.device)
        recalibrate(network, _images(state, loader), context=context, world=state.world)
    network = network.to(memory_format=torch.contiguous_format).eval()
    report = None
    if dataset.test is not None:
        report = evaluate_network(network, dataset.test, parts.preprocess, classes=dataset.classes, world=state.world)
        skipped = [*skipped, *report.skipped]
    network = network.cpu()
    network.requires_grad_(True)
    model = Model(network, card(parts, asked, dataset, report))
    if state.world.is_first:
        if report is not None:
            name, score = report.headline
            folder.append({"step": state.step, "split": "test", name: score, "loss": report.loss})
        save(model, folder.model)
        curves(folder.lines(), folder.curves)
    state.world.wait()
    return Trained(
        model=model,
        path=folder.model,
        report=report,
        skipped=tuple(dict.fromkeys(skipped)),
        seconds=progress.seconds,
        is_told=state.world.is_first,
    )


def _take_best(state: State, folder: RunFolder) -> None:
    """Bring the network that is judged to where it did best on the pictures held out."""
    state.world.wait()  # the first has written it by then
    saved = checkpoint.read(folder.best, before=state.progress.best_step + 1)
    if saved is None or saved.progress.step != state.progress.best_step:
        raise ValueError(
            f"the best network of the run, of step {state.progress.best_step}, is damaged or gone from {folder.best}; "
            "train again, with another --out"
        )
    weights = {name.partition(".")[2]: tensor for name, tensor in saved.tensors.items()}
    state.judged.load_state_dict(weights, strict=True)


def _images(state: State, loader: Loader) -> Iterator[Tensor]:
    """The batches of an epoch that training never had, as many as the recipe wants."""
    # A run that ended within an epoch, and was stopped before it said so, has part of that epoch behind it.
    epoch, left = state.progress.epoch + (state.progress.batch > 0), state.recipe.recalibrate
    while left:
        for batch in loader.epoch(epoch):
            yield lay_out(batch.images, state.recipe.precision, state.device)
            left -= 1
            if not left:
                break
        epoch += 1


def card(parts: Parts, asked: Request, dataset: DataSet, report: AnyReport | None) -> Card:
    """Return what a run's model file says of itself."""
    metrics = {}
    if report is not None:
        name, score = report.headline
        metrics = {f"test_{name}": score, "test_pictures": report.pictures}
    return Card(
        architecture=parts.network.architecture,
        classes=dataset.classes,
        preprocess=parts.preprocess,
        task="classes" if parts.several else "class",
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
            "metrics": metrics,
        },
    )
