"""Agreement: equal networks agree to the bit, others are told where they part."""

from __future__ import annotations

import json

import pytest
import torch

from resnets.evaluation.agreement import Agreement, Difference, agreement, outputs
from tests import tiny

BATCH = torch.linspace(-2, 2, 5 * 3 * 8 * 8).reshape(5, 3, 8, 8)


def test_a_network_agrees_with_itself_at_every_level() -> None:
    network = tiny.network()
    result = agreement(network, network, BATCH)
    assert [d.level for d in result.levels] == ["C1", "C2", "C3", "logits"]
    assert all(d.largest == d.relative == 0 for d in result.levels)
    assert result.holds
    assert (result.pictures, result.same_answers) == (5, 5)


def test_the_level_at_which_two_networks_part_is_the_one_that_was_changed() -> None:
    one, other = tiny.network(), tiny.network()
    with torch.no_grad():
        other.stages[1][0].branch.conv2.weight[0, 0, 1, 1] += 0.5
    result = agreement(one, other, BATCH)
    differences = {d.level: d.relative for d in result.levels}
    assert differences["C1"] == differences["C2"] == 0
    assert differences["C3"] > 0.01
    assert not result.holds
    assert result.worst.relative == max(differences.values())


def test_a_difference_that_is_not_a_number_is_no_agreement() -> None:
    nan = float("nan")
    result = Agreement(
        levels=(Difference("C2", 0.0, 0.0), Difference("C3", nan, nan)), pictures=1, same_answers=None
    )  # fmt: skip
    assert not result.holds
    assert result.worst.level == "C3"


def test_the_share_is_of_the_first_networks_largest_number() -> None:
    one, other = {"C2": torch.tensor([4.0, -2.0])}, {"C2": torch.tensor([3.0, -2.0])}
    (difference,) = agreement(lambda batch: one, lambda batch: other, BATCH).levels
    assert (difference.largest, difference.relative) == (1.0, 0.25)


def test_answers_are_counted_by_their_first_class() -> None:
    one = {"logits": torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])}
    other = {"logits": torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])}
    assert agreement(lambda batch: one, lambda batch: other, BATCH[:3]).same_answers == 2


def test_a_network_without_a_head_has_no_answers() -> None:
    network = tiny.network(head="none")
    result = agreement(network, network, BATCH)
    assert result.same_answers is None
    assert json.loads(json.dumps(result.to_dict()))["same_answers"] is None


def test_other_shapes_and_other_levels_are_refused() -> None:
    with pytest.raises(ValueError, match=r"C2 has the shape \(1,\) and \(2,\)"):
        agreement(lambda batch: {"C2": torch.zeros(1)}, lambda batch: {"C2": torch.zeros(2)}, BATCH)
    with pytest.raises(ValueError, match="no level in common: C2 and C3"):
        agreement(lambda batch: {"C2": torch.zeros(1)}, lambda batch: {"C3": torch.zeros(1)}, BATCH)


def test_the_logits_beside_the_levels_are_the_networks_own() -> None:
    network = tiny.network()
    with torch.no_grad():
        assert torch.equal(outputs(network)(BATCH)["logits"], network(BATCH))
