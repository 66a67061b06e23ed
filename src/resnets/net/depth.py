"""Stochastic depth: blocks that are left out at random while training (Huang et al. 2016, arXiv:1603.09382)."""

from __future__ import annotations

from typing import cast

from resnets.net.block import PreActivationBlock, ResidualBlock
from resnets.net.network import ResNet


def stochastic_depth(network: ResNet, last: float) -> None:
    """Set with what probability each block is left out, in place: block l of L at l / L of the last one's.

    That is the paper's linear rule (its eq. 4 gives the probability of staying); timm's is (l - 1) / (L - 1).
    Raises `ValueError` outside [0, 1), and for a plain network, through which nothing would pass.
    """
    if not 0 <= last < 1:
        raise ValueError(f"last={last} is not possible; allowed: a probability from 0 to below 1")
    blocks = [cast(ResidualBlock | PreActivationBlock, block) for stage in network.stages for block in stage.children()]
    if last and any(block.shortcut is None for block in blocks):
        raise ValueError(
            f"{network.architecture.name} has no shortcuts to go round a block that is left out; "
            "allowed: stochastic_depth=0, or a residual network"
        )
    for number, block in enumerate(blocks, 1):
        block.drop = last * number / len(blocks)
