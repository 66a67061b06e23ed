"""`resnets show`: the table, the counts and the levels of a network; without torch, so it answers at once."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from resnets.cli.options import Facts, Json, Size, parse_facts, parse_size
from resnets.spec.describe import block_facts, block_text, facts, text
from resnets.spec.plan import block_at
from resnets.spec.resolve import plan
from resnets.spec.variants import VARIANTS, architecture


def command(
    name: Annotated[str | None, typer.Argument(help="A network; none lists them all.")] = None,
    size: Size = None,
    block: Annotated[
        str | None,
        typer.Option("--block", metavar="STAGE.BLOCK", help="One block with its sums, such as C2.1."),
    ] = None,
    set_: Facts = None,
    as_json: Json = False,
) -> None:
    """Show what a network is: layers, sizes for your input, parameters, MACs, levels."""
    if name is None:
        _list(as_json)
        return
    arch = architecture(name, **parse_facts(set_))
    network = plan(arch)
    if block is not None:
        found = block_at(network, block)
        print(json.dumps(block_facts(found), indent=2) if as_json else block_text(found))
        return
    pixels = parse_size(size) or (arch.size, arch.size)
    print(json.dumps(facts(network, pixels), indent=2) if as_json else text(network, pixels))


def _list(as_json: bool) -> None:
    if as_json:
        print(json.dumps({row.name: row.source for row in VARIANTS.values()}, indent=2))
        return
    width = max(map(len, VARIANTS))
    for row in VARIANTS.values():
        print(f"{row.name:{width}}  {row.source}")
