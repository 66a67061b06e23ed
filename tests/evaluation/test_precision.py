"""Average precision of weighted pictures: scikit-learn's, ties and all."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from resnets.evaluation import precision as subject
from resnets.evaluation.precision import precision_interval, ranking
from tests.evaluation import planted


@pytest.mark.parametrize("kinds", [3, 20, 10**9])
@pytest.mark.parametrize("count", [1, 2, 50, 400])
def test_weights_and_ties_are_those_of_scikit_learn(count: int, kinds: int) -> None:
    for seed in range(8):
        chance = np.random.default_rng(seed)
        scores = chance.integers(0, kinds, count).astype(np.float32)
        has = chance.random(count) < 0.3
        has[chance.integers(count)] = True
        counts = np.bincount(chance.integers(0, count, count), minlength=count).astype(np.int32)
        found = ranking(scores, has).average_precision(counts)
        if not counts[has].any():
            assert found is None
            continue
        assert found == pytest.approx(average_precision_score(has, scores, sample_weight=counts), abs=1e-12)


def test_a_class_that_nobody_has_has_none() -> None:
    assert ranking(np.arange(3, dtype=np.float32), np.zeros(3, bool)).average_precision(np.ones(3, np.int32)) is None


def test_large_data_are_drawn_fewer_times(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = planted.answers(100, 3, several=True)
    seen: list[int] = []
    real = subject._counts
    monkeypatch.setattr(subject, "_counts", lambda pictures: seen.append(1) or real(pictures))
    monkeypatch.setattr(subject, "MOST_LOOKS", 300 * 250)
    precision_interval(answers)
    assert len(seen) == 250 + 1
