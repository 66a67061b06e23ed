"""The command line: one file per verb; each parses, calls one function and prints."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper

import typer

from resnets.cli import (
    bench,
    bench_data,
    calibrate,
    check,
    compare,
    convert,
    demo,
    draw,
    evaluate,
    export,
    features,
    identify,
    pack,
    predict,
    recipes,
    robustness,
    show,
    train,
    weights,
)
from resnets.cli.options import STOPPED

app = typer.Typer(
    name="resnets",
    help="The ResNet family, from the paper to production.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
VERBS = (
    *(show, draw, identify, convert, check, recipes, train, evaluate, compare, calibrate, robustness),
    *(predict, features, export, bench, pack, bench_data, demo),
)
for verb in VERBS:
    app.command(verb.__name__.rpartition(".")[2].replace("_", "-"))(verb.command)
app.add_typer(weights.app, name="weights")


def main() -> None:
    """Run the command in `sys.argv` and exit.

    0 done, 1 failed, 2 a wrong request, 3 done but something fell short, 130 stopped by Ctrl-C.
    """
    # Threads that spin long while they wait for one another take each other's cores: beside other work a step of
    # ResNet-18 took a fifth longer than with this, and small networks many times as long; on idle cores it costs
    # nothing that could be measured. It counts when torch is loaded, and whoever has set either is obeyed.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "3000")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a file's name may be one that no terminal can write
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except (ValueError, FileNotFoundError) as error:
        _fail(str(error), 2)
    except (OSError, MemoryError, ArithmeticError) as error:
        _fail(f"{type(error).__name__}: {error}", 1)
    except KeyboardInterrupt:
        _fail("stopped", STOPPED)


def _fail(message: str, code: int) -> None:
    print(f"error: {message}", file=sys.stderr)
    sys.exit(code)
