"""`resnets train`: pictures in, a model file out, with everything that happened beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from resnets.cli.options import (
    Device,
    Facts,
    Manifest,
    Out,
    Read,
    Size,
    Threads,
    WorkerKind,
    Workers,
    check_worker_kind,
    parse_reading,
    parse_settings,
    parse_size,
    set_threads,
)


def command(
    data: Annotated[
        str,
        typer.Argument(help="A folder of classes, a table, an archive, shards, a pack, idx or CIFAR files, or digits."),
    ],
    model: Annotated[
        str | None, typer.Option("--model", help="A network's name, or a model file to start from; default: resnet50.")
    ] = None,
    recipe: Annotated[str | None, typer.Option("--recipe", help="A row of the recipes; default: by the data.")] = None,
    out: Out = None,
    size: Size = None,
    fit: Annotated[
        str | None, typer.Option("--fit", help="crop: cut the centre; pad: keep all, on bars; squash: stretch.")
    ] = None,
    set_: Facts = None,
    epochs: Annotated[float | None, typer.Option("--epochs", help="Passes over the training pictures.")] = None,
    batch_size: Annotated[int | None, typer.Option("--batch-size", help="Pictures in a step.")] = None,
    lr: Annotated[float | None, typer.Option("--lr", help="The highest learning rate.")] = None,
    weight_decay: Annotated[float | None, typer.Option("--weight-decay", help="L2 on the weights.")] = None,
    label_smoothing: Annotated[float | None, typer.Option("--label-smoothing", help="Share spread evenly.")] = None,
    augmentation: Annotated[
        str | None, typer.Option("--augmentation", help="none, digits, mnist, cifar, photos, trivial, rand ...")
    ] = None,
    decoding: Annotated[
        str | None, typer.Option("--decoding", help="Of training pictures: fast or exact; tests are always exact.")
    ] = None,
    freeze: Annotated[
        str | None, typer.Option("--freeze", help="Level up to which nothing learns, such as C3.")
    ] = None,
    held_out: Annotated[int | None, typer.Option("--held-out", help="Training pictures kept for validation.")] = None,
    eval_every: Annotated[float | None, typer.Option("--eval-every", help="Epochs between evaluations.")] = None,
    precision: Annotated[str | None, typer.Option("--precision", help="auto, fp32 or bf16.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Of weights, order and augmentation.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
    read: Read = None,
    manifest: Manifest = None,
    cache: Annotated[Path | None, typer.Option("--cache", help="Folder to keep decoded pictures in.")] = None,
    workers: Workers = None,
    worker_kind: WorkerKind = "threads",
    device: Device = "auto",
    threads: Threads = None,
) -> None:
    """Train a network; writes model.safetensors, metrics.jsonl, recipe.json, curves.png and state/ to --out."""
    numbers: dict[str, Any] = {
        "epochs": epochs,
        "batch_size": batch_size,
        "lr": lr,
        "weight_decay": weight_decay,
        "label_smoothing": label_smoothing,
        "augmentation": augmentation,
        "decoding": decoding,
        "freeze": freeze,
        "held_out": held_out,
        "eval_every": eval_every,
        "precision": precision,
        "seed": seed,
    }
    facts, given, pixels = parse_settings(set_)
    given |= {key: value for key, value in numbers.items() if value is not None}
    if fit is not None:
        pixels["fit"] = fit
    if resume and (given or facts or pixels or size or recipe or model or read or manifest or out is None):
        asked = {"--size": size, "--recipe": recipe, "--model": model, "--read": read, "--manifest": manifest}
        words = {**numbers, "fit": fit}  # those that have an option of their own
        ours = [
            f"--{key.replace('_', '-')}" if words.get(key) is not None else f"--set {key}"
            for key in (*given, *facts, *pixels)
        ]
        also = [*ours, *(name for name, value in asked.items() if value)]
        raise ValueError(
            "--resume goes on with the run in --out as it was started: give --out"
            + (f", and leave out {', '.join(also)}" if also else " DIR")
        )
    check_worker_kind(worker_kind)
    from resnets.training.train import train
    from resnets.training.watch import Watch

    set_threads(threads)
    trained = train(
        data,
        model=model or "resnet50",
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
        say=print,
        watch=Watch(show=True),
        **given,
    )
    if trained.report is not None:
        low, high = trained.report.interval()
        print(
            f"test accuracy {trained.report.top1:.2%} ({low:.2%} to {high:.2%} at 95 %) "
            f"on {trained.report.pictures:,} pictures, after {trained.seconds:.0f} s of training"
        )
    print(trained.path)
    for path, reason in trained.skipped:
        print(f"skipped {path}: {reason}")
    if trained.skipped:
        raise typer.Exit(3)
