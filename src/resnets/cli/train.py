"""`resnets train`: pictures in, a model file out, with everything that happened beside it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from resnets.cli.options import (
    STOPPED,
    Device,
    Facts,
    Language,
    Manifest,
    Out,
    Read,
    Size,
    Threads,
    WorkerKind,
    Workers,
    check_choice,
    check_worker_kind,
    parse_reading,
    parse_settings,
    parse_size,
    set_threads,
)

if TYPE_CHECKING:
    from resnets.training.finish import Trained
    from resnets.training.watch import Watch


def command(
    data: Annotated[
        str | None,
        typer.Argument(help="A folder of classes, a table, an archive, shards, a pack, idx or CIFAR files, or digits."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", help="A network's name, or a model file to start from; default: by the data."),
    ] = None,
    recipe: Annotated[
        str | None, typer.Option("--recipe", help="A row of `resnets recipes`; default: by the data.")
    ] = None,
    out: Out = None,
    size: Size = None,
    fit: Annotated[
        str | None, typer.Option("--fit", help="crop: cut the centre; pad: keep all, on bars; squash: stretch.")
    ] = None,
    set_: Facts = None,
    epochs: Annotated[float | None, typer.Option("--epochs", help="Passes over the training pictures.")] = None,
    batch_size: Annotated[int | None, typer.Option("--batch-size", help="Pictures in a step.")] = None,
    accumulate: Annotated[
        int | None, typer.Option("--accumulate", help="Parts of a batch, one after the other, for less memory.")
    ] = None,
    optimizer: Annotated[str | None, typer.Option("--optimizer", help="sgd, adam, adamw or lamb.")] = None,
    lr: Annotated[float | None, typer.Option("--lr", help="The highest learning rate.")] = None,
    weight_decay: Annotated[float | None, typer.Option("--weight-decay", help="L2 on the weights.")] = None,
    label_smoothing: Annotated[float | None, typer.Option("--label-smoothing", help="Share spread evenly.")] = None,
    imbalance: Annotated[
        str | None, typer.Option("--imbalance", help="Of the classes: ignore, weights, sampler or logits.")
    ] = None,
    augmentation: Annotated[
        str | None, typer.Option("--augmentation", help="none, digits, mnist, cifar, photos, trivial, rand ...")
    ] = None,
    decoding: Annotated[
        str | None, typer.Option("--decoding", help="Of training pictures: fast or exact; tests are always exact.")
    ] = None,
    freeze: Annotated[
        str | None, typer.Option("--freeze", help="Level up to which nothing learns, such as C3.")
    ] = None,
    ema: Annotated[float | None, typer.Option("--ema", help="Keep a mean of the weights: what a step leaves.")] = None,
    held_out: Annotated[
        float | None,
        typer.Option("--held-out", help="Training pictures kept to validate and calibrate on; or a share of them."),
    ] = None,
    coverage: Annotated[
        float | None,
        typer.Option("--coverage", help="Share of pictures to answer; of the others: unknown."),
    ] = None,
    eval_every: Annotated[float | None, typer.Option("--eval-every", help="Epochs between evaluations.")] = None,
    patience: Annotated[
        int | None, typer.Option("--patience", help="Stop after so many evaluations without a better one.")
    ] = None,
    precision: Annotated[str | None, typer.Option("--precision", help="auto, fp32, bf16 or fp16.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Of weights, order and augmentation.")] = None,
    resume: Annotated[
        Path | None, typer.Option("--resume", metavar="RUN", help="Go on with the run in this folder.")
    ] = None,
    replay: Annotated[
        bool, typer.Option("--verify", help="With --resume: do the last steps again, and compare bit by bit.")
    ] = False,
    read: Read = None,
    manifest: Manifest = None,
    cache: Annotated[Path | None, typer.Option("--cache", help="Folder to keep decoded pictures in.")] = None,
    checkpoint_every: Annotated[
        float, typer.Option("--checkpoint-every", min=0, help="Seconds of training between checkpoints.")
    ] = 10.0,
    timeout: Annotated[
        float, typer.Option("--timeout", min=1, help="Seconds that processes of a world wait for one another.")
    ] = 60.0,
    no_check: Annotated[
        bool, typer.Option("--no-check", help="Do not look at the pictures first; train on all of them.")
    ] = False,
    no_doctor: Annotated[bool, typer.Option("--no-doctor", help="Do not look for what is ill.")] = False,
    workers: Workers = None,
    worker_kind: WorkerKind = "threads",
    language: Language = "en",
    device: Device = "auto",
    threads: Threads = None,
) -> None:
    """Train a network; writes model.safetensors, metrics.jsonl, recipe.json, curves.png and state/ to --out."""
    numbers: dict[str, Any] = {
        "epochs": epochs,
        "batch_size": batch_size,
        "accumulate": accumulate,
        "optimizer": optimizer,
        "lr": lr,
        "weight_decay": weight_decay,
        "label_smoothing": label_smoothing,
        "imbalance": imbalance,
        "augmentation": augmentation,
        "decoding": decoding,
        "freeze": freeze,
        "ema": ema,
        "held_out": held_out,
        "coverage": coverage,
        "eval_every": eval_every,
        "patience": patience,
        "precision": precision,
        "seed": seed,
    }
    facts, given, pixels = parse_settings(set_)
    given |= {key: value for key, value in numbers.items() if value is not None}
    if fit is not None:
        pixels["fit"] = fit
    if resume is not None:
        asked = {
            "--out": out,
            "--size": size,
            "--recipe": recipe,
            "--model": model,
            "--read": read,
            "--manifest": manifest,
            "--cache": cache,
        }
        words = {**numbers, "fit": fit}  # those that have an option of their own
        ours = [
            f"--{key.replace('_', '-')}" if words.get(key) is not None else f"--set {key}"
            for key in (*given, *facts, *pixels)
        ]
        if also := [*ours, *(name for name, value in asked.items() if value)]:
            raise ValueError(f"--resume {resume} goes on with that run as it was started; leave out {', '.join(also)}")
    elif data is None:
        raise ValueError("what shall be trained on? Give DATA, such as a folder of classes, or --resume RUN")
    elif replay:
        raise ValueError("--verify does the last steps of a run again; give --resume RUN")
    check_worker_kind(worker_kind)
    check_choice("--lang", language, ("en", "zh"))
    from resnets.training.heap import keep_freed_memory
    from resnets.training.run import RunFolder
    from resnets.training.train import train
    from resnets.training.watch import Watch

    if resume is not None and threads is None and RunFolder(resume).recipe.exists():
        threads = RunFolder(resume).read_request().machine.get("threads")
    set_threads(threads)
    keep_freed_memory()
    watch = Watch(show=True, doctor=not no_doctor, checkpoint_every=checkpoint_every)
    with _told_how_to_go_on(watch):
        trained = train(
            data,
            model=model,
            recipe_name=recipe,
            out=out,
            size=parse_size(size),
            device=device,
            resume=resume,
            facts=facts,
            pixels=pixels,
            reading=parse_reading(read) if read else None,
            manifest=manifest,
            cache=cache,
            workers=workers,
            kind=worker_kind,  # type: ignore[arg-type]
            check=not no_check,
            replay=replay,
            timeout_s=timeout,
            say=print,
            language=language,  # type: ignore[arg-type]
            watch=watch,
            **given,
        )
    if trained.is_told:
        _tell(trained)
    if trained.skipped or trained.without_page:
        raise typer.Exit(3)


@contextmanager
def _told_how_to_go_on(watch: Watch) -> Iterator[None]:
    """Where a run that has begun is stopped, say what to type next."""
    try:
        yield
    except KeyboardInterrupt:
        if watch.path is not None:
            print(f"stopped; go on with: resnets train --resume {watch.path}", file=sys.stderr)
        raise typer.Exit(STOPPED) from None
    except OSError as error:
        if watch.path is None or isinstance(error, ConnectionError):
            raise
        raise OSError(f"{error}; once that is mended, go on with: resnets train --resume {watch.path}") from error


WORDS = {"top1": "accuracy", "map": "mean average precision"}
"""What the first number of a report is called."""


def _tell(trained: Trained) -> None:
    from resnets.evaluation.report import Report

    report = trained.report
    if report is not None:
        name, score = report.headline
        within = "({:.2%} to {:.2%} at 95 %) ".format(*report.interval()) if isinstance(report, Report) else ""
        print(
            f"test {WORDS[name]} {score:.2%} {within}on {report.pictures:,} pictures, "
            f"after {trained.seconds:.0f} s of training"
        )
    found = trained.model.card.calibration
    if found:
        unknown = f"; below {found['unknown_below']:.1%} it says unknown" if "unknown_below" in found else ""
        print(f"probabilities are calibrated on pictures held out: temperature {found['temperature']:.4g}{unknown}")
    else:
        print("probabilities are not calibrated, for no picture was held out: --held-out 0.1, or resnets calibrate")
    print(trained.without_page or f"{trained.path.with_name('report.html')}: all of it, to look at")
    print(trained.path)
    for path, reason in trained.skipped:
        print(f"skipped {path}: {reason}")
