"""Finishing: from trained weights to a model file, with its card, its test and its curves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from resnets.data.dataset import DataSet
from resnets.data.loader import Loader
from resnets.evaluation.calibrate import facts
from resnets.evaluation.evaluate import answer_network
from resnets.evaluation.judge import AnyReport, count
from resnets.net.network import ResNet
from resnets.net.world import World
from resnets.page.plot import curves
from resnets.page.texts import Language
from resnets.spec.card import Card
from resnets.training import checkpoint
from resnets.training.page import write_run_report
from resnets.training.parallel import share_buffers
from resnets.training.precision import autocast, lay_out
from resnets.training.prepare import HELD_OUT, Parts
from resnets.training.recipe import Recipe
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
    without_page: str | None = None  # why there is no report.html, where it could not be written


def finish(
    state: State,
    parts: Parts,
    asked: Request,
    dataset: DataSet,
    folder: RunFolder,
    loader: Loader,
    left_out: list[tuple[str, str]],
    language: Language = "en",
) -> Trained:
    """Make the model of a run that is over: test it, and write its file and its page."""
    network, progress = state.judged, state.progress
    skipped = [*left_out, *loader.skipped]
    if progress.best is not None:
        _take_best(state, folder)
    share_buffers(state)
    if asked.recipe.recalibrate:
        context = autocast(asked.recipe.precision, state.device)
        recalibrate(network, _images(state, loader), context=context, world=state.world)
    network = network.to(memory_format=torch.contiguous_format).eval()
    answers = report = None
    if dataset.test is not None:
        answers = answer_network(network, dataset.test, parts.preprocess, classes=dataset.classes, world=state.world)
        report = count(answers)
        skipped = [*skipped, *report.skipped]
    calibration = _calibration(network, parts, asked.recipe, state.world)
    network = network.cpu()
    network.requires_grad_(True)
    model = Model(network, replace(card(parts, asked, dataset, report), calibration=calibration))
    without_page = None
    if state.world.is_first:
        if report is not None:
            name, score = report.headline
            folder.append({"step": state.step, "split": "test", name: score, "loss": report.loss})
        save(model, folder.model)
        curves(folder.lines(), folder.curves)
        without_page = write_run_report(folder, asked, dataset, model.card, answers, skipped, language=language)
    state.world.wait()
    return Trained(
        model=model,
        path=folder.model,
        report=report,
        skipped=tuple(dict.fromkeys(skipped)),
        seconds=progress.seconds,
        is_told=state.world.is_first,
        without_page=without_page,
    )


def _calibration(network: ResNet, parts: Parts, recipe: Recipe, world: World) -> dict[str, float]:
    """What the card says of calibration: fitted to the pictures held out, and nothing where there are none."""
    if parts.validation_name != HELD_OUT or parts.validation is None:
        return {}
    answers = answer_network(network, parts.validation, parts.preprocess, classes=parts.classes, world=world)
    return facts(answers, recipe.coverage)


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
