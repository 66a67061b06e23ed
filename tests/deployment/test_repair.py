"""Repair: what breaks in eight bits stays in float, and no more than that."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from resnets.data.open import open_data
from resnets.data.source import ArraySource
from resnets.deployment import repair as module
from resnets.deployment.export import export
from resnets.deployment.gate import Gate, gate
from resnets.deployment.repair import Repaired, quantize_within
from resnets.weights.load import load
from tests import exports
from tests.evaluation import planted

LAYERS = tuple(f"layer{number}" for number in range(20))


def found(lost: int, changed: int = 0, of: int = 1_000) -> Gate:
    """A gate of so many answers lost, and others changed from one mistake to another."""
    labels = np.zeros(of, np.int64)
    model, other = (np.tile([4.0, 0, 0], (of, 1)) for _ in range(2))
    other[:lost] = [0, 4, 0]
    model[lost : lost + changed], other[lost : lost + changed] = [0, 4, 0], [0, 0, 4]
    return gate(planted.of(model, labels), planted.of(other, labels))


def search(
    monkeypatch: pytest.MonkeyPatch, says: Callable[[int], Gate], layers: int = 20
) -> tuple[Repaired, list[int]]:
    """Repair a graph that is nothing but its number of layers in float, and what was tried."""
    tried: list[int] = []

    def try_out(graph: Any) -> Gate:
        tried.append(len(graph.kept))
        return says(len(graph.kept))

    monkeypatch.setattr(module, "quantize", lambda _, __, keep=(): SimpleNamespace(kept=tuple(keep)))
    monkeypatch.setattr(module, "quantized_layers", lambda graph: LAYERS[: layers - len(graph.kept)])
    monkeypatch.setattr(module, "costs", lambda *_: {name: 1 / (at + 1) for at, name in enumerate(LAYERS[:layers])})
    return quantize_within(None, np.zeros((1, 3, 8, 8), np.uint8), try_out), tried


def test_what_passes_is_not_repaired(monkeypatch: pytest.MonkeyPatch) -> None:
    done, tried = search(monkeypatch, lambda kept: found(2, 18))
    assert (tried, done.kept, done.costs, done.first, done.layers) == ([0], (), {}, None, 20)


@pytest.mark.parametrize("needed", [1, 2, 3, 5, 6, 7, 11, 16, 19])
def test_as_few_layers_as_will_do_stay_in_float(needed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    done, tried = search(monkeypatch, lambda kept: found(0 if kept >= needed else 50))
    assert done.kept == LAYERS[:needed] and done.layers == 20 - needed
    assert done.first is not None and done.first.paired.one_alone == 50 and done.gate.paired.one_alone == 0
    assert [*done.costs] == [*LAYERS]
    assert len({*tried}) == len(tried) <= 10


def test_where_nothing_helps_the_copy_that_changed_least_is_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    done, tried = search(monkeypatch, lambda kept: found(100 - 2 * kept if kept < 10 else 90))
    assert (len(done.kept), done.gate.changed) == (8, 84)
    assert tried == [0, 1, 2, 4, 8, 16, 19]


def test_answers_that_only_change_are_worth_a_quarter_of_the_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    done, tried = search(monkeypatch, lambda kept: found(0, 30 if kept < 3 else 10))
    assert len(done.kept) == 3
    done, tried = search(monkeypatch, lambda kept: found(0, 30 if kept < 12 else 10))
    assert (done.kept, tried) == ((), [0, 1, 2, 4, 8])
    done, _ = search(monkeypatch, lambda kept: found(0 if kept else 30, 30))
    assert len(done.kept) == 1, "the drop counts first"


def test_a_network_of_one_layer_is_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    done, _ = search(monkeypatch, lambda kept: found(50), layers=1)
    assert done.kept == ()


def test_a_repair_is_plain_data(monkeypatch: pytest.MonkeyPatch) -> None:
    done, _ = search(monkeypatch, lambda kept: found(0 if kept else 50))
    told = done.to_dict()
    assert (told["quantized_layers"], told["kept_in_float"]) == (19, ["layer0"])
    assert (told["before_repair"]["changed"], told["tried"]["changed"]) == (50, 0)


def test_a_network_made_to_break_is_repaired_and_the_guilty_are_named(tmp_path: Path) -> None:
    for name in ("onnx", "openvino", "nncf"):
        pytest.importorskip(name)
    broken = exports.model()
    data = exports.data_of(broken)
    exports.scaled(broken.network, (0, 1), (1, 1))
    done = exports.written(broken, tmp_path, "openvino", "int8", data=data)
    guilty = {"stages.0.1.branch.conv2", "stages.1.1.branch.conv2"}
    assert done.repair is not None and done.repair.first is not None and done.gate is not None
    assert done.repair.first.verdict == "fails" and done.repair.first.changed > 30
    assert {*done.repair.kept[:2]} == guilty and len(done.repair.kept) <= 5
    assert min(done.repair.costs[name] for name in guilty) > 0.5
    assert sum(share > 0.1 for share in done.repair.costs.values()) == 2
    assert (done.gate.verdict, done.gate.changed) == ("passes", 0) and not done.is_forced


@pytest.mark.slow
def test_a_real_network_made_to_break_is_repaired_and_the_guilty_are_named(
    shared_data: Path, cifar10_folder: Path, tmp_path: Path
) -> None:
    for name in ("onnx", "openvino", "nncf"):
        pytest.importorskip(name)
    broken = load(next((shared_data / "weights-cifar10-akamaster").glob("resnet20-*.th")))
    exports.scaled(broken.network, (0, 1), (1, 2))
    data = open_data(cifar10_folder)
    assert isinstance(data.test, ArraySource)
    few = exports.some_of(data, train=2_000, test=1_000)
    done = export(broken, tmp_path / "a", precision="int8", data=few, limit=0.02)
    assert done.repair is not None and done.repair.first is not None and done.gate is not None
    assert done.repair.first.paired.gap.value > 0.1
    assert {*done.repair.kept[:2]} == {"stages.0.1.branch.conv2", "stages.1.2.branch.conv2"}
    assert len(done.repair.kept) <= 4
    assert done.gate.verdict == "passes" and done.gate.paired.gap.value <= 0.002
