"""The pictures of the documentation are what the package draws today; this file, run by itself, writes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from resnets.page.draw_block import draw_block
from resnets.page.draw_network import draw_network
from resnets.spec.plan import Plan
from resnets.spec.resolve import plan
from resnets.spec.variants import VARIANTS

FOLDER = Path(__file__).parents[2] / "docs/images"


def network(name: str) -> Plan:
    return plan(VARIANTS[name])


IMAGES = {
    "resnet34-beside-plain34.svg": lambda: draw_network(network("resnet34"), beside=network("plain34")),
    "resnet101.svg": lambda: draw_network(network("resnet101")),
    "basic-identity.svg": lambda: draw_block(network("resnet18").blocks[0], counts=True),
    "bottleneck-identity.svg": lambda: draw_block(network("resnet50").blocks[1], counts=True),
    "bottleneck-projection.svg": lambda: draw_block(network("resnet50").blocks[3], counts=True),
}


@pytest.mark.parametrize("name", IMAGES)
def test_a_picture_is_what_is_drawn_today(name: str) -> None:
    drawn = IMAGES[name]()
    assert (FOLDER / name).read_text(encoding="utf-8") == drawn, f"python {Path(__file__).name} writes it anew"
    assert len(drawn.encode()) < 100_000


if __name__ == "__main__":
    for name, draw in IMAGES.items():
        (FOLDER / name).write_text(draw(), encoding="utf-8")
