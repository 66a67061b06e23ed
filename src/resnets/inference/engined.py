"""Engined: a network whose arithmetic an engine does, for everything that asks a network and changes none."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor, nn

from resnets.net.network import ResNet
from resnets.runtime.engine import LOGITS, Engine, Outputs
from resnets.spec.card import Card
from resnets.spec.levels import smallest_input
from resnets.spec.resolve import plan


class EngineNetwork(ResNet):
    """The network of a card, run by an engine on the processor; it answers, and has no weights to be changed or saved.

    What comes in are normalised numbers, as every network takes them, and the engine takes pixels. Pixels are whole
    numbers, so that undoing the normalisation and rounding gives exactly the ones that were normalised. Logits are
    plain, not over the temperature: whoever asked divides by it.
    """

    def __init__(self, card: Card, engine: Engine, identity: str = "") -> None:
        nn.Module.__init__(self)  # there are no layers to be made
        self.architecture = card.architecture
        self.plan = plan(card.architecture)
        self.smallest = smallest_input(self.plan)
        self.engine, self.preprocess = engine, card.preprocess
        self.identity = identity  # SHA-256 of the artefact's files, where it is one
        self.temperature = card.calibration.get("temperature", 1.0)
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, num_classes) plain logits; raises `ValueError` for another size."""
        return self._plain(self._asked(x))

    def answers(self, x: Tensor) -> dict[str, Tensor]:
        """Return everything that the engine gives, by name, the logits plain."""
        asked = self._asked(x)
        found = {name: torch.from_numpy(array) for name, array in asked.items() if name != LOGITS}
        return {**found, LOGITS: self._plain(asked)} if LOGITS in asked else found

    def levels(self, x: Tensor) -> dict[str, Tensor]:
        """Return the maps that the engine was made to give; raise `ValueError` where it gives none."""
        names = [name for name in self.engine.outputs if name != LOGITS]
        if not names:
            raise ValueError("this artefact gives answers and no levels; export the model again with --levels C5")
        asked = self._asked(x)
        return {name: torch.from_numpy(asked[name]) for name in names}

    def features(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, C): the mean of the last map over all places."""
        last = self.plan.stages[-1].level
        maps = self.levels(x)
        if last not in maps:
            raise ValueError(f"this artefact gives {', '.join(maps)} and not {last}; export it with --levels {last}")
        return maps[last].mean((2, 3))

    def train(self, mode: bool = True) -> EngineNetwork:
        """Return itself; raise `ValueError` where it is to be trained."""
        if mode:
            self._refuse()
        self.training = False
        return self

    def state_dict(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Raise `ValueError`: what an engine runs is no longer weights by name."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise ValueError(
            "an exported artefact has no weights to train or to save; give the model file that it was made of"
        )

    def _asked(self, x: Tensor) -> Outputs:
        return self.engine.run(_pixels(x, self))

    def _plain(self, outputs: Outputs) -> Tensor:
        logits = outputs.get(LOGITS)
        if logits is None:
            raise ValueError(f"{self.architecture.name} has no head, so it has no answers")
        return torch.from_numpy(logits) * self.temperature


def _pixels(x: Tensor, network: EngineNetwork) -> np.ndarray[Any, Any]:
    """What was normalised: uint8 (N, C, H, W)."""
    policy = network.preprocess
    mean, std = (torch.tensor(values, dtype=torch.float64).view(1, -1, 1, 1) for values in (policy.mean, policy.std))
    numbers = (x.detach().cpu().double() * std + mean) * 255
    pixels = numbers.round()
    near = (numbers - pixels).abs() <= 0.02  # which what is no number is not
    if not (near & (pixels >= 0) & (pixels <= 255)).all():
        raise ValueError("an exported artefact takes pixels of 8 bits, and these numbers are none; ask the model file")
    if policy.colour == "bgr":
        pixels = pixels.flip(1)
    return np.ascontiguousarray(pixels.to(torch.uint8).numpy())
