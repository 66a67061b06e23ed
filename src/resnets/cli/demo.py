"""`resnets demo`: the main job on built-in data, offline: train, evaluate, label pictures."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, count
from pathlib import Path
from typing import Annotated

import typer

from resnets.cli.options import Threads


def command(
    out: Annotated[Path, typer.Option("--out", help="Folder of the run; a number is added where it is taken.")] = Path(
        "runs/demo"
    ),
    threads: Threads = None,
) -> None:
    """Train a small residual network on real handwritten digits, evaluate it, and label ten pictures."""
    from resnets.cli import evaluate, predict, train

    out = next(path for path in chain([out], _numbered(out)) if not path.exists())
    print(f"$ resnets train digits --model resnet20_cifar --out {out}")
    train.command("digits", model="resnet20_cifar", out=out, threads=threads)
    print(f"\n$ resnets evaluate {out}/model.safetensors digits")
    evaluate.command(str(out / "model.safetensors"), "digits")
    _write_pictures(out / "pictures")
    print(f"\n$ resnets predict {out}/model.safetensors {out}/pictures --top 2")
    predict.command(str(out / "model.safetensors"), [str(out / "pictures")], top=2)


def _numbered(path: Path) -> Iterator[Path]:
    """runs/demo-2, runs/demo-3, ..."""
    return (path.with_name(f"{path.name}-{number}") for number in count(2))


def _write_pictures(folder: Path) -> None:
    """One test picture of each digit, as PNG files; they were never trained on."""
    from resnets.data.open import open_data

    digits = open_data("digits")
    assert digits.test is not None
    folder.mkdir(parents=True, exist_ok=True)
    labels = digits.test.labels.tolist()
    for label, name in enumerate(digits.classes):
        digits.test.image(labels.index(label)).save(folder / f"a-{name}.png")
