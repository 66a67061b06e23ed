"""Balance: against scikit-learn's, Menon's formula and the edges where a class has nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from resnets.training.balance import LARGEST_WEIGHT, Balance, balance

LABELS = np.repeat(np.arange(4), (50, 30, 15, 5)).astype(np.int64)
SEVERAL = np.arange(200)[:, None] % np.array([2, 4, 10]) == 0  # in 1/2, 1/4 and 1/10 of 200 pictures


def test_weights_are_scikit_learns_balanced_ones() -> None:
    from sklearn.utils.class_weight import compute_class_weight

    expected = compute_class_weight("balanced", classes=np.arange(4), y=LABELS)
    assert balance(LABELS, 4, "weights").weights.tolist() == pytest.approx(expected.tolist(), rel=1e-6)


@pytest.mark.parametrize("num_classes", [4, 6])
def test_weights_have_a_mean_of_one_over_the_training_pictures(num_classes: int) -> None:
    weights = balance(LABELS, num_classes, "weights").weights
    assert float(weights[torch.from_numpy(LABELS)].mean()) == pytest.approx(1.0)
    assert weights[4:].tolist() == [1.0] * (num_classes - 4), "a class without a picture weighs 1"


def test_of_several_classes_positives_weigh_what_the_negatives_are_more() -> None:
    assert balance(SEVERAL, 3, "weights").weights.tolist() == pytest.approx([1.0, 3.0, 9.0])


def test_of_several_classes_no_weight_is_out_of_bounds() -> None:
    shown = np.zeros((1_000, 4), dtype=np.bool_)
    shown[:1, 0], shown[1:, 1], shown[:, 2] = True, True, True  # one, all but one, all, none
    weights = balance(shown, 4, "weights").weights
    assert weights.tolist() == pytest.approx([LARGEST_WEIGHT, 1 / LARGEST_WEIGHT, 1.0, 1.0])


def test_the_log_prior_is_the_logarithm_of_the_shares() -> None:
    """Menon et al. 2020, eq. 10, with tau = 1."""
    prior = balance(LABELS, 4, "logits").log_prior
    assert prior.exp().tolist() == pytest.approx([0.5, 0.3, 0.15, 0.05])


def test_a_class_without_a_picture_has_the_prior_of_one() -> None:
    prior = balance(LABELS, 6, "logits").log_prior
    assert prior.isfinite().all()
    assert prior.exp()[3:].tolist() == pytest.approx([5 / 102, 1 / 102, 1 / 102])


@pytest.mark.parametrize("labels", [LABELS, SEVERAL], ids=["one class", "several"])
@pytest.mark.parametrize("imbalance", ["ignore", "sampler"])
def test_what_is_not_met_in_the_loss_weighs_nothing_there(labels: np.ndarray, imbalance: str) -> None:
    assert balance(labels, 4 if labels.ndim == 1 else 3, imbalance) == Balance(None, None)


def test_logits_of_several_classes_are_refused() -> None:
    with pytest.raises(ValueError, match="imbalance='logits' is for one class for each picture"):
        balance(SEVERAL, 3, "logits")


@pytest.mark.parametrize(("labels", "found"), [(LABELS, 4), (SEVERAL, 3)])
def test_labels_of_other_classes_are_refused(labels: np.ndarray, found: int) -> None:
    with pytest.raises(ValueError, match=f"the labels have {found} classes and the network 2"):
        balance(labels, 2, "weights")


def test_a_balance_moves_with_what_it_holds() -> None:
    moved = balance(LABELS, 4, "weights").to(torch.device("meta"))
    assert moved.weights.device.type == "meta"
    assert moved.log_prior is None
