"""`resnets draw`: a network, or one of its blocks, as the papers draw it; SVG, without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from resnets.cli.options import Facts, Size, parse_facts, parse_size
from resnets.files import atomic
from resnets.page.draw_block import draw_block
from resnets.page.draw_network import draw_network
from resnets.spec.plan import block_at
from resnets.spec.resolve import plan
from resnets.spec.variants import architecture


def command(
    name: Annotated[str, typer.Argument(help="A network.")],
    out: Annotated[Path | None, typer.Option("--out", help="The SVG file; default: NAME.svg.")] = None,
    block: Annotated[
        str | None,
        typer.Option("--block", metavar="STAGE.BLOCK", help="One block, such as C2.1, with its sums."),
    ] = None,
    beside: Annotated[str | None, typer.Option("--beside", help="A second network, drawn at its side.")] = None,
    size: Size = None,
    set_: Facts = None,
) -> None:
    """Draw a network in the manner of the paper's figure 3, or one block as in its figure 5."""
    if block and beside:
        raise ValueError("--block draws one block and --beside a second network; give one of them")
    network = plan(architecture(name, **parse_facts(set_)))
    if block:
        svg = draw_block(block_at(network, block), counts=True)
    else:
        other = plan(architecture(beside)) if beside else None
        svg = draw_network(network, parse_size(size), beside=other)
    path = out or Path(f"{name}.svg")
    if path.suffix.lower() != ".svg":
        raise ValueError(f"--out {path} is no SVG file; give a name such as {path.with_suffix('.svg')}")
    if not path.parent.is_dir():
        raise ValueError(f"there is no folder {path.parent} to write {path.name} to; make it first")
    atomic.write(path, svg.encode())
    print(path)
