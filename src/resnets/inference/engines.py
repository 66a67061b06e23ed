"""Engines: what runs a model's network, by name."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import torch

from resnets.inference.choose import Candidate, Choice
from resnets.inference.engined import EngineNetwork
from resnets.inference.speeds import Memory, speed_key, speeds_file
from resnets.net.device import find_device
from resnets.runtime.engine import Engine, Outputs, Precision
from resnets.runtime.openvino_engine import Mode
from resnets.runtime.packaged import Packaged
from resnets.runtime.quiet import load
from resnets.runtime.threads import usable_threads
from resnets.weights.modelfile import Model


class PlainEngine(Engine):
    """PyTorch and the network as it stands, in float32: nothing is fused or copied.

    It alone takes float32 pixels too, which fine bands have. The model's own network is moved to the device.
    """

    name = "torch"
    precision: Precision = "fp32"

    def __init__(self, model: Model, device: str = "auto", levels: tuple[str, ...] = ()) -> None:
        self._device = find_device(device)
        model.network.to(self._device)
        self._module = packaged(model, levels).eval()
        self.outputs, self.shape = self._module.outputs, self._module.shape
        self.threads = torch.get_num_threads()

    def run(self, pictures: npt.NDArray[Any]) -> Outputs:
        """Return what the network says of one batch, (N, C, H, W) uint8 or float32 in [0, 255]."""
        with torch.inference_mode():
            found = self._module(torch.from_numpy(np.ascontiguousarray(pictures)).to(self._device))
        return {name: array.cpu().numpy() for name, array in zip(self.outputs, found, strict=True)}


def own_engine(model: Model, device: str = "auto", levels: tuple[str, ...] = ()) -> Engine:
    """Return what runs a model where nobody has chosen: an artefact's engine, or torch and the network as it stands."""
    return model.network.engine if isinstance(model.network, EngineNetwork) else PlainEngine(model, device, levels)


def packaged(model: Model, levels: tuple[str, ...] = ()) -> Packaged:
    """Return a model's network with what its card says goes before and after it."""
    card = model.card
    return Packaged(model.network, card.preprocess, card.calibration.get("temperature", 1.0), levels)


@dataclass(frozen=True, kw_only=True, eq=False)  # without slots: its graph is made once
class Wanted:
    """What an engine is to be: None leaves a number to the engine."""

    model: Model
    levels: tuple[str, ...]
    precision: Precision
    threads: int | None
    batch_size: int | None
    device: str
    mode: Mode = "throughput"

    @property
    def packaged(self) -> Packaged:
        """The network with what goes before and after it."""
        return packaged(self.model, self.levels)

    @cached_property
    def graph(self) -> bytes:
        """The same as ONNX, for engines of the processor; refuse any other device."""
        from resnets.runtime.lower_onnx import to_onnx

        if self.device not in ("auto", "cpu"):
            raise ValueError(f"--device {self.device} is not possible with this engine; allowed: auto, cpu")
        return to_onnx(self.packaged)


def _torch(wanted: Wanted) -> Engine:
    from resnets.runtime.eager import EagerEngine

    if wanted.model.card.preprocess.colour == "bands" and wanted.precision == "fp32":
        return PlainEngine(wanted.model, wanted.device, wanted.levels)
    return EagerEngine(wanted.packaged, precision=wanted.precision, threads=wanted.threads, device=wanted.device)


def _compiled(wanted: Wanted) -> Engine:
    from resnets.runtime.compiled import CompiledEngine

    how: dict[str, Any] = {} if wanted.batch_size is None else {"batch_size": wanted.batch_size}
    return CompiledEngine(
        wanted.packaged, precision=wanted.precision, threads=wanted.threads, device=wanted.device, **how
    )


def _openvino(wanted: Wanted) -> Engine:
    from resnets.runtime.openvino_engine import OpenVinoEngine

    how: dict[str, Any] = {"threads": wanted.threads, "batch_size": wanted.batch_size}
    return OpenVinoEngine(wanted.graph, precision=wanted.precision, mode=wanted.mode, **how)


def _onnx(wanted: Wanted) -> Engine:
    from resnets.runtime.onnx_engine import OnnxEngine

    return OnnxEngine(wanted.graph, precision=wanted.precision, threads=wanted.threads)


ENGINES: Mapping[str, Callable[[Wanted], Engine]] = MappingProxyType(
    {"torch": _torch, "compiled": _compiled, "openvino": _openvino, "onnx": _onnx}
)
"""Name -> how it is made. An engine that needs an extra says so when it is made."""

LOWERED: Mapping[str, str] = MappingProxyType({"openvino": "openvino", "onnx": "onnxruntime"})
"""Engines that are given a graph, and the package that each needs."""

AUTO = "auto"
"""What stands for the engine that is best here."""


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr)


def make_engine(
    model: Model,
    engine: str = AUTO,
    precision: Precision = "fp32",
    *,
    threads: int | None = None,
    levels: tuple[str, ...] = (),
    batch_size: int | None = None,
    device: str = "auto",
    mode: Mode = "throughput",
    pictures: int | None = None,
    say: Callable[[str], object] = _say,
) -> Engine:
    """Return the engine of that name, made ready for a model; `levels` come out besides the logits.

    `auto` is the engine that has `pictures` done first, of those here that agree with the network (`Choice`); None is
    some number of them, and `say` is told what was chosen. On a GPU, and for fine bands, it is torch.

    `threads` are the engine's (None: as many as this process may keep busy), `batch_size` is what will come most, and
    `mode` is OpenVINO's. An artefact has its engine already, whatever is asked beside. Fine bands, whose pixels are
    float32, are for torch in fp32: any other engine refuses them when they come. Raises `ValueError` for an engine or a
    precision that there is not, or that needs what is not installed.
    """
    if precision not in get_args(Precision):
        raise ValueError(f"--precision {precision} is not possible; allowed: {', '.join(get_args(Precision))}")
    if engine not in (AUTO, *ENGINES):
        raise ValueError(f"--engine {engine} is not possible; allowed: {', '.join((AUTO, *ENGINES))}")
    if isinstance(model.network, EngineNetwork):
        made = model.network.engine
        if engine not in (AUTO, made.name):
            raise ValueError(f"--engine {engine} is not possible: this artefact is for {made.name}; leave it out")
        return made
    if precision == "int8":
        raise ValueError(
            "--precision int8 is not possible for a model file: its answers would change unseen. Export it with its "
            "data, which are checked: resnets export MODEL --to openvino --int8 --data DATA"
        )
    wanted = Wanted(
        model=model,
        levels=levels,
        precision=precision,
        threads=threads,
        batch_size=batch_size,
        device=device,
        mode=mode,
    )
    if engine != AUTO:
        return ENGINES[engine](wanted)
    if model.card.preprocess.colour == "bands" or find_device(device).type != "cpu":
        return _torch(wanted)
    return choice(wanted).choose(pictures, say)


USUAL_BATCH = 16
"""Pictures at a time, where nobody says how many."""


def choice(wanted: Wanted, memory: Memory | None = None) -> Choice:
    """Return what `auto` chooses among, each engine on the processor; `memory` is the user's unless given."""
    batch_size = wanted.batch_size or USUAL_BATCH
    key = speed_key(wanted.model.card, wanted.precision, wanted.levels, batch_size, usable_threads(wanted.threads))
    return Choice(
        reference=PlainEngine(wanted.model, "cpu", wanted.levels),
        candidates={name: _candidate(name, wanted) for name in ENGINES},
        precision=wanted.precision,
        batch_size=batch_size,
        memory=Memory(speeds_file()) if memory is None else memory,
        key=key,
        clock=time.perf_counter,
        lower=lambda: wanted.graph,
    )


def _candidate(name: str, wanted: Wanted) -> Candidate:
    if name not in LOWERED:
        return Candidate(make=lambda: ENGINES[name](wanted))
    return Candidate(make=lambda: ENGINES[name](wanted), check=lambda: load(LOWERED[name]), lowered=True)
