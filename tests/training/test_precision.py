"""Precision: the faster of fp32 and bf16 on this machine, measured on a copy and written down."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from resnets.training import precision
from resnets.training.precision import GAIN, autocast, fastest, lay_out, lay_out_network
from tests import tiny

BATCH = torch.zeros(4, 3, 8, 8)


def test_the_answer_is_one_of_the_two() -> None:
    assert fastest(tiny.network(), BATCH, steps=1) in ("fp32", "bf16")


def test_measuring_leaves_the_network_as_it_was() -> None:
    network = tiny.network()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    fastest(network, BATCH, steps=1)
    after = network.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert all(parameter.grad is None for parameter in network.parameters())
    assert not network.training
    assert network.stem.conv1.weight.is_contiguous()


@pytest.mark.parametrize(
    ("fp32", "bf16", "chosen"),
    [
        (1.0, 0.5, "bf16"),
        (1.0, 1.0, "fp32"),
        (0.5, 1.0, "fp32"),
        (GAIN * 0.99, 1.0, "fp32"),
        (GAIN * 1.01, 1.0, "bf16"),
    ],
)
def test_bf16_is_chosen_only_where_it_is_clearly_faster(
    fp32: float, bf16: float, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = {"fp32": fp32, "bf16": bf16}
    monkeypatch.setattr(precision, "_step_seconds", lambda network, batch, which, steps: seconds[which])
    assert fastest(tiny.network(), BATCH) == chosen


@pytest.mark.parametrize("chosen", ["fp32", "bf16"])
def test_the_choice_is_said_and_written_into_the_recipe_and_into_the_card(
    chosen: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = {"fp32": 1.0, "bf16": 2.0 if chosen == "fp32" else 0.1}
    monkeypatch.setattr(precision, "_step_seconds", lambda network, batch, which, steps: seconds[which])
    said: list[str] = []
    trained = tiny.run(
        tiny.data_set(), tmp_path / "run", recipe_name="digits", epochs=1, precision="auto", say=said.append
    )
    assert [sentence for sentence in said if sentence.startswith(f"precision {chosen}: the faster of")]
    assert json.loads((tmp_path / "run" / "recipe.json").read_text())["recipe"]["precision"] == chosen
    assert trained.model.card.origin["recipe"]["precision"] == chosen


def test_bf16_rounds_the_logits_and_keeps_the_weights_in_fp32() -> None:
    network, device = tiny.network(), torch.device("cpu")
    lay_out_network(network, "bf16", device)
    with autocast("bf16", device):
        logits = network(lay_out(BATCH, "bf16", device))
    assert logits.dtype == torch.bfloat16
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}
    assert network.stem.conv1.weight.is_contiguous(memory_format=torch.channels_last)


def test_fp32_is_left_alone() -> None:
    device = torch.device("cpu")
    with autocast("fp32", device):
        assert tiny.network()(lay_out(BATCH, "fp32", device)).dtype == torch.float32
