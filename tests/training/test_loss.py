"""Losses: against torch's own, picture by picture, and the same from parts as from a whole batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from resnets.data.loader import Batch
from resnets.training.balance import Balance, balance
from resnets.training.loss import Targets, losses, targets
from resnets.training.recipe import Recipe

N, K = 12, 5
NOTHING = Balance()
CHANCE = torch.Generator().manual_seed(0)
LOGITS = 3 * torch.randn(N, K, generator=CHANCE)
LABELS = torch.randint(K, (N,), generator=CHANCE)
SEVERAL = torch.rand(N, K, generator=CHANCE) < 0.4
SHARE = torch.rand(N, generator=CHANCE)


def made(**numbers: object) -> Recipe:
    return Recipe(name="made", source="a test", **numbers)


def mixed(labels: Tensor) -> Targets:
    return Targets(labels, labels.flip(0), SHARE)


RECIPES = {
    "cross_entropy": made(),
    "smoothed": made(label_smoothing=0.1),
    "bce": made(loss="bce", label_smoothing=0.1),
    "bce over a threshold": made(loss="bce", bce_threshold=0.2),
}
WEIGHTS = balance(np.arange(40) % 9 % K, K, "weights")
PRIOR = balance(np.arange(40) % 9 % K, K, "logits")


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_mean_is_torchs_cross_entropy(smoothing: float) -> None:
    each = losses(LOGITS, Targets(LABELS), made(label_smoothing=smoothing), NOTHING)
    assert each.shape == (N,)
    torch.testing.assert_close(each.sum() / N, F.cross_entropy(LOGITS, LABELS, label_smoothing=smoothing))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_mixed_picture_is_torchs_cross_entropy_with_shares_for_labels(smoothing: float) -> None:
    shares = SHARE[:, None] * F.one_hot(LABELS, K) + (1 - SHARE[:, None]) * F.one_hot(LABELS.flip(0), K)
    expected = F.cross_entropy(LOGITS, shares, label_smoothing=smoothing, reduction="none")
    torch.testing.assert_close(losses(LOGITS, mixed(LABELS), made(label_smoothing=smoothing), NOTHING), expected)


def test_a_pictures_weight_multiplies_its_cross_entropy() -> None:
    each = losses(LOGITS, Targets(LABELS), made(), WEIGHTS)
    torch.testing.assert_close(each, F.cross_entropy(LOGITS, LABELS, reduction="none") * WEIGHTS.weights[LABELS])
    mean = F.cross_entropy(LOGITS, LABELS, weight=WEIGHTS.weights)
    torch.testing.assert_close(each.sum() / WEIGHTS.weights[LABELS].sum(), mean, msg="as torch weighs them")


def test_log_priors_are_added_to_the_logits() -> None:
    each = losses(LOGITS, Targets(LABELS), made(), PRIOR)
    expected = F.cross_entropy(LOGITS + PRIOR.log_prior, LABELS, reduction="none")
    torch.testing.assert_close(each, expected)


def test_binary_cross_entropy_of_one_class_is_torchs_of_its_one_hot() -> None:
    each = losses(LOGITS, Targets(LABELS), made(loss="bce"), NOTHING)
    shown = F.one_hot(LABELS, K).float()
    torch.testing.assert_close(each.sum() / N, F.binary_cross_entropy_with_logits(LOGITS, shown))
    weighed = losses(LOGITS, Targets(LABELS), made(loss="bce"), WEIGHTS)
    torch.testing.assert_close(weighed, each * WEIGHTS.weights[LABELS])


def test_smoothing_takes_from_the_one_class_what_it_spreads_over_all() -> None:
    shown = F.one_hot(LABELS, K) * 0.9 + 0.1 / K
    each = losses(LOGITS, Targets(LABELS), made(loss="bce", label_smoothing=0.1), NOTHING)
    torch.testing.assert_close(each.sum() / N, F.binary_cross_entropy_with_logits(LOGITS, shown))


@pytest.mark.parametrize(("share", "shown"), [(0.9, (1.0, 0.0)), (0.7, (1.0, 1.0)), (0.1, (0.0, 1.0))])
def test_over_a_threshold_a_mixed_pictures_label_is_wholly_there(share: float, shown: tuple[float, float]) -> None:
    asked = Targets(torch.tensor([0]), torch.tensor([1]), torch.tensor([share]))
    each = losses(LOGITS[:1, :2], asked, made(loss="bce", bce_threshold=0.2), NOTHING)
    expected = F.binary_cross_entropy_with_logits(LOGITS[:1, :2], torch.tensor([shown]))
    torch.testing.assert_close(each, expected[None])


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_several_classes_are_always_learnt_one_by_one(recipe: Recipe) -> None:
    each = losses(LOGITS, Targets(SEVERAL), recipe, NOTHING)
    shown = SEVERAL.float() * (1 - recipe.label_smoothing) + recipe.label_smoothing / 2
    if not recipe.bce_threshold:
        torch.testing.assert_close(each.sum() / N, F.binary_cross_entropy_with_logits(LOGITS, shown))
    found = losses(LOGITS, mixed(SEVERAL), made(), NOTHING)
    shown = SHARE[:, None] * SEVERAL + (1 - SHARE[:, None]) * SEVERAL.flip(0)
    torch.testing.assert_close(found.mean(), F.binary_cross_entropy_with_logits(LOGITS, shown))


def test_of_several_classes_weights_are_of_the_positives() -> None:
    weights = balance(SEVERAL, K, "weights")
    expected = F.binary_cross_entropy_with_logits(LOGITS, SEVERAL.float(), pos_weight=weights.weights)
    torch.testing.assert_close(losses(LOGITS, Targets(SEVERAL), made(), weights).mean(), expected)


@pytest.mark.parametrize("labels", [LABELS, SEVERAL], ids=["one class", "several"])
@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_parts_of_a_batch_have_the_losses_of_the_whole(recipe: Recipe, labels: Tensor) -> None:
    for whole in (Targets(labels), mixed(labels)):
        parts = [losses(LOGITS[i : i + 5], whole.part(i, i + 5), recipe, WEIGHTS) for i in range(0, N, 5)]
        torch.testing.assert_close(torch.cat(parts), losses(LOGITS, whole, recipe, WEIGHTS), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("labels", [LABELS, SEVERAL], ids=["one class", "several"])
@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_no_picture_is_no_loss_and_yet_has_a_gradient(recipe: Recipe, labels: Tensor) -> None:
    logits = LOGITS[:0].clone().requires_grad_()
    losses(logits, mixed(labels).part(0, 0), recipe, WEIGHTS).sum().backward()
    assert logits.grad.shape == (0, K)


def test_a_batch_that_was_mixed_names_the_other_label_of_each_picture() -> None:
    partners = torch.tensor([2, 1, 0])
    share = torch.tensor([0.3, 1.0, 0.3])
    facts = {"images": torch.zeros(3, 1, 2, 2), "labels": torch.tensor([5, 6, 7]), "indices": partners, "after": 1}
    asked = targets(Batch(**facts, partners=partners, share=share))
    assert asked.others.tolist() == [7, 6, 5]
    part = asked.part(1, 3)
    assert (part.labels.tolist(), part.others.tolist()) == ([6, 7], [6, 5])
    assert torch.equal(part.share, share[1:])
    assert targets(Batch(**facts)) == Targets(facts["labels"])


def test_log_priors_without_a_softmax_are_refused() -> None:
    with pytest.raises(ValueError, match="imbalance='logits' needs loss='cross_entropy'"):
        losses(LOGITS, Targets(LABELS), made(loss="bce"), PRIOR)
