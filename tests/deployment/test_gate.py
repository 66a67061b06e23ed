"""The gate: what passes, what fails, what nobody can tell from so few pictures, and how many would tell."""

from __future__ import annotations

import numpy as np
import pytest

from resnets.deployment.gate import Gate, gate
from resnets.evaluation.answers import Answers
from resnets.evaluation.calibration import reliability
from tests.evaluation import planted


def pair(count: int, lost: int, won: int) -> tuple[Answers, Answers]:
    """A model that is right but on `won` pictures, and an export that is wrong on `lost` others and right on those."""
    labels = np.arange(count) % 3
    model, export = (4.0 * np.eye(3)[labels] for _ in range(2))
    export[:lost] = 4.0 * np.eye(3)[(labels[:lost] + 1) % 3]
    model[lost : lost + won] = 4.0 * np.eye(3)[(labels[lost : lost + won] + 1) % 3]
    return planted.of(model, labels), planted.of(export, labels)


@pytest.mark.parametrize(
    ("count", "lost", "won", "verdict"),
    [
        (10_000, 0, 0, "passes"),
        (10_000, 20, 0, "passes"),  # 0.2 points, and 0.3 at worst
        (10_000, 30, 12, "passes"),
        (10_000, 0, 50, "passes"),  # it may be better
        (10_000, 60, 0, "fails"),  # 0.6 points, surely more than 0.2
        (10_000, 1_000, 990, "passes"),  # 0.1 points, and with 2,000 that part still within 1 point
        (10_000, 3_000, 2_990, "undecided"),
        (200, 0, 0, "undecided"),  # 200 pictures cannot tell 0 from 1.9 points
        (381, 0, 0, "passes"),
        (380, 0, 0, "undecided"),
        (10_000, 25, 0, "undecided"),  # 0.25 points, and perhaps 0.2
        (200, 1, 0, "undecided"),
        (200, 20, 0, "fails"),
    ],
)
def test_a_verdict_is_about_what_is_lost_and_what_may_be(count: int, lost: int, won: int, verdict: str) -> None:
    found = gate(*pair(count, lost, won))
    assert found.verdict == verdict
    assert found.changed == lost + won
    assert found.paired.gap.value == pytest.approx((lost - won) / count)
    assert (found.needed is None) == (verdict != "undecided")


@pytest.mark.parametrize(("count", "lost", "won"), [(200, 0, 0), (1_000, 15, 14), (2_000, 300, 299), (1_000, 3, 0)])
def test_as_many_pictures_as_are_said_to_be_needed_decide(count: int, lost: int, won: int) -> None:
    found = gate(*pair(count, lost, won))
    assert found.verdict == "undecided" and found.needed is not None
    assert f"about {found.needed:,} pictures would decide it" in found.sentence()
    times = found.needed / count
    drop = lost - won
    more = Gate(
        paired=gate(
            *pair(round(count * times * 1.1), round(won * times * 1.1 + drop * times * 1.1), round(won * times * 1.1))
        ).paired,
        changed=0,
        ece=(0.0, 0.0),
    )
    assert more.verdict != "undecided"
    fewer = gate(*pair(round(count * times * 0.7), round((won + drop) * times * 0.7), round(won * times * 0.7)))
    assert fewer.verdict == "undecided"


def test_calibration_of_both_is_told_at_the_temperature_of_the_card() -> None:
    model = planted.answers(900, sure=3.0, seed=1)
    export = planted.of(model.logits * 2, model.labels)
    found = gate(model, export, 3.0)
    assert found.ece == (reliability(model, 3.0).ece, reliability(model, 1.5).ece)
    assert found.changed == 0 and "0 of 900 answers changed" in found.sentence()


def test_pictures_of_several_classes_change_where_any_class_does() -> None:
    model = planted.answers(500, several=True)
    logits = model.logits.copy()
    logits[:7, 2] *= -1
    logits[3, 1] *= -1
    assert gate(model, planted.of(logits, model.labels)).changed == 7


def test_the_tolerance_can_be_chosen_and_must_be_a_share() -> None:
    assert gate(*pair(10_000, 60, 0), tolerance=0.008, limit=0.02).verdict == "passes"
    for tolerance, limit in ((-0.1, 0.5), (0.02, 0.01), (0.5, 1.0)):
        with pytest.raises(ValueError, match="are not possible; allowed: 0 to 1, the limit larger"):
            gate(*pair(10, 0, 0), tolerance=tolerance, limit=limit)


def test_a_gate_is_plain_data() -> None:
    said = gate(*pair(200, 1, 0)).to_dict()
    assert (said["verdict"], said["changed"], said["tolerance"], said["limit"]) == ("undecided", 1, 0.002, 0.01)
    assert said["paired"]["one_alone"] == 1 and said["needed"] > 200
