"""Recipes: the settings that papers, reference scripts and we have used, a row each, with its source and its result."""

from __future__ import annotations

import difflib
from dataclasses import fields, replace
from types import MappingProxyType
from typing import Any

from resnets.data.augmentation.rows import Augmentation
from resnets.training.recipe import Recipe

HE15 = "He et al. 2015, arXiv:1512.03385"
GOYAL17 = "Goyal et al. 2017, arXiv:1706.02677"
HE18 = "He et al. 2018, arXiv:1812.01187"
RSB = "Wightman et al. 2021, arXiv:2110.00476, Table 2"

# Ours, for the built-in set and for MNIST.
DIGITS = Recipe(
    name="digits",
    source="ours: scikit-learn's 1,797 digits, trained in seconds on two cores",
    result="99 % of 360 test pictures, resnet20_cifar (make demo)",
    epochs=15,
    batch_size=64,
    lr=0.2,
    nesterov=True,
    weight_decay=5e-4,
    decay_norms=False,
    schedule="one_cycle",
    warmup=0.25,
    augmentation="digits",
    held_out=0.1,
)
MNIST = replace(
    DIGITS,
    name="mnist",
    source="ours: for time to accuracy on a CPU, tuned on 5,000 held-out training pictures; benchmarks/mnist.py",
    result="ResNet-34 99.45 %, ResNet-50 99.39 %: means of three seeds (README)",
    epochs=4,
    batch_size=256,
    lr=0.15,
    warmup=0.2,
    augmentation="mnist",
    held_out=0.0,
    zero_gamma=True,
)
MNIST_NOTES = Recipe(
    name="mnist-notes",
    source="note 002: Adam 1e-4, batch 128. It asks for 20 epochs and runs 21: range(epochs + 1)",
    result="none: the note prints a loss and no accuracy",
    epochs=21,
    batch_size=128,
    optimizer="adam",
    lr=1e-4,
    weight_decay=0.0,
    schedule="constant",
)

# The papers'.
CIFAR_HE2015 = Recipe(
    name="cifar-he2015",
    source=f"{HE15}, section 4.2: 64,000 iterations on 45,000 pictures, 5,000 held out",
    result="test error 8.75, 7.51, 7.17, 6.97, 6.43 % at 20, 32, 44, 56, 110 layers (Table 6)",
    iterations=64_000,
    batch_size=128,
    lr=0.1,
    weight_decay=1e-4,
    schedule="steps",
    milestones=(0.5, 0.75),
    augmentation="cifar",
    held_out=5_000,
)
CIFAR_SPEED = Recipe(
    name="cifar-speed",
    source="ours: CIFAR-10 on two cores, for resnet8_cifar_speed; pictures grow, and the mean of the weights counts",
    result="test accuracy 87.15 % (one seed, 0.39 PFLOP, resnet8_cifar_speed); it was meant for 94 %",
    epochs=16,
    batch_size=512,
    lr=0.4,
    nesterov=True,
    weight_decay=5e-4,
    decay_norms=False,
    schedule="one_cycle",
    warmup=0.25,
    label_smoothing=0.2,
    augmentation="cifar",
    size_first=0.75,
    grow_to=0.75,
    zero_gamma=True,
    ema=0.99,
    ema_every=5,
)
HE2015 = Recipe(
    name="he2015",
    source=f"{HE15}, section 3.4: up to 600,000 iterations, the rate divided by 10 when the error stands still. When "
    "that was is not said: thirds of the run are ours. The crop by area and shape is ours too; the paper's jitters the "
    "scale of the shorter side and the colours",
    result="top-1 error over ten crops 27.88 % (ResNet-18, Table 2), 22.85 % (ResNet-50, Table 3)",
    iterations=600_000,
    batch_size=256,
    lr=0.1,
    weight_decay=1e-4,
    schedule="steps",
    milestones=(1 / 3, 2 / 3),
    augmentation="imagenet",
)
GOYAL2017 = Recipe(
    name="goyal2017",
    source=f"{GOYAL17}, sections 2.2 and 5.1: 0.1 for each 256 pictures, climbing from 0.1 in five epochs; last norms "
    "at zero; a tenth of the rate after 30, 60 and 80 of 90 epochs; no decay on norms. Statistics by process, as there",
    result="ResNet-50: top-1 error 23.74 % at batch 8,192, 23.60 % at batch 256 (Table 1)",
    epochs=90,
    batch_size=8_192,
    lr=3.2,
    weight_decay=1e-4,
    decay_norms=False,
    schedule="steps",
    warmup=5 / 90,
    warmup_from=0.1 / 3.2,
    milestones=(1 / 3, 2 / 3, 8 / 9),
    augmentation="imagenet",
    zero_gamma=True,
)
BAG_OF_TRICKS = Recipe(
    name="bag-of-tricks",
    source=f"{HE18}, sections 3 and 5: batch 1,024, 0.4 after five epochs of climbing, cosine over 120 epochs, label "
    "smoothing 0.1, mixup of 0.2 (for 200 epochs), last norms at zero, no decay on norms and biases; no distillation",
    result="ResNet-50-D: top-1 79.15 % with smoothing and mixup, 79.29 % distilled too (Table 6)",
    epochs=200,
    batch_size=1_024,
    optimizer="sgd",
    lr=0.4,
    nesterov=True,
    weight_decay=1e-4,
    decay_norms=False,
    schedule="cosine",
    warmup=5 / 200,
    label_smoothing=0.1,
    augmentation="imagenet",
    augmenting=(("brightness", 0.4), ("contrast", 0.4), ("saturation", 0.4), ("mixup", 0.2)),
    zero_gamma=True,
)
RSB_A2 = Recipe(
    name="rsb-a2",
    source=f"{RSB}: LAMB 5e-3 at batch 2,048, BCE, cosine over 300 epochs with five of climbing, three copies of a "
    "picture, stochastic depth 0.05. Trained at 224; the paper tests at crop ratio 0.95",
    result="ResNet-50: top-1 79.8 %",
    epochs=300,
    batch_size=2_048,
    repeats=3,
    optimizer="lamb",
    lr=5e-3,
    weight_decay=0.02,
    decay_norms=False,
    schedule="cosine",
    warmup=5 / 300,
    warmup_from=1e-4,
    lr_end=1e-6 / 5e-3,
    loss="bce",
    bce_threshold=0.2,
    augmentation="rand",
    stochastic_depth=0.05,
    zero_gamma=True,
)
RSB_A1 = replace(
    RSB_A2,
    name="rsb-a1",
    source=f"{RSB}: A2 for 600 epochs, with label smoothing 0.1, mixup 0.2 and half of its weight decay",
    result="ResNet-50: top-1 80.4 %",
    epochs=600,
    warmup=5 / 600,
    weight_decay=0.01,
    label_smoothing=0.1,
    augmenting=(("mixup", 0.2),),
)
RSB_A3 = replace(
    RSB_A2,
    name="rsb-a3",
    source=f"{RSB}: 100 epochs at 160 pixels, tested at 224; LAMB 8e-3, no copies, no stochastic depth",
    result="ResNet-50: top-1 78.1 %",
    epochs=100,
    repeats=1,
    lr=8e-3,
    warmup=5 / 100,
    lr_end=1e-6 / 8e-3,
    augmenting=(("magnitude", 18),),
    stochastic_depth=0.0,
    size_first=160 / 224,
    size_last=160 / 224,
)
TORCHVISION = Recipe(
    name="torchvision",
    source="torchvision's new recipe for the IMAGENET1K_V2 weights (pytorch.org/blog, November 2021; issue "
    "pytorch/vision#3995): batch 8 x 128, 600 epochs, trained at 176 and tested at 224, four copies of a picture. Its "
    "mean of weights, 0.99998 at batch 1 for each epoch, is 0.99891 every 32 steps",
    result="ResNet-50: top-1 80.86 %",
    epochs=600,
    batch_size=1_024,
    repeats=4,
    lr=0.5,
    weight_decay=2e-5,
    decay_norms=False,
    schedule="cosine",
    warmup=5 / 600,
    warmup_from=0.01,
    label_smoothing=0.1,
    augmentation="trivial",
    ema=1 - 2e-5 * 1_024 * 32 / 600,
    ema_every=32,
    size_first=176 / 224,
    size_last=176 / 224,
)

# Ours, for anyone's photographs.
PHOTOS = Recipe(
    name="photos",
    source="ours: photographs from scratch, a few thousand or fewer",
    epochs=60,
    batch_size=32,
    lr=0.05,
    nesterov=True,
    weight_decay=5e-4,
    decay_norms=False,
    schedule="one_cycle",
    warmup=0.1,
    label_smoothing=0.1,
    augmentation="photos",
    held_out=0.1,
    zero_gamma=True,
)
FINETUNE = Recipe(
    name="finetune",
    source="ours, after Kornblith et al. 2019 (arXiv:1805.08974): Nesterov momentum and a cosine",
    epochs=20,
    batch_size=32,
    lr=0.01,
    nesterov=True,
    weight_decay=1e-4,
    decay_norms=False,
    schedule="cosine",
    warmup=0.05,
    augmentation="photos",
    held_out=0.1,
)
FINETUNE_HEAD = replace(
    FINETUNE,
    name="finetune-head",
    source="ours: the linear head alone, on features that stay as they are (Kornblith et al. 2019)",
    lr=0.1,
    weight_decay=0.0,
    freeze="C5",
)
FINETUNE_STAGED = replace(
    FINETUNE,
    name="finetune-staged",
    source="ours, after Kumar et al. 2022 (arXiv:2202.10054): the head first, then all, so that a new head's first "
    "steps do not undo the features",
    freeze="C5",
    thaw=0.25,
)

_ROWS = (
    *(DIGITS, MNIST, MNIST_NOTES),
    *(CIFAR_HE2015, CIFAR_SPEED, HE2015, GOYAL2017, BAG_OF_TRICKS, RSB_A1, RSB_A2, RSB_A3, TORCHVISION),
    *(PHOTOS, FINETUNE, FINETUNE_HEAD, FINETUNE_STAGED),
)

RECIPES = MappingProxyType({row.name: row for row in _ROWS})
"""Every named recipe."""


def recipe(name: str, **differences: Any) -> Recipe:
    """Return a row of the table with some of its numbers, or of its augmentation's, changed.

    Asking for epochs takes back a row's count in batches. Raises `ValueError` for an unknown name or number
    (it suggests the nearest), or an impossible value.

    >>> recipe("mnist", epochs=1).epochs
    1
    """
    row = RECIPES.get(name)
    if row is None:
        raise ValueError(
            f"no recipe is called {name!r}.{_near(name, list(RECIPES), 0.3)} Allowed: {', '.join(RECIPES)}"
        )
    names = [field.name for field in fields(Recipe)]
    changed = {field.name for field in fields(Augmentation)} - {"source"}
    if mixed := {key: differences.pop(key) for key in sorted(changed & differences.keys())}:
        differences["augmenting"] = (*differences.get("augmenting", ()), *mixed.items())
    for key in differences:
        if key not in names:
            near = " Did you mean 'recipe_name'?" if key == "recipe" else _near(key, [*names, *changed], 0.6)
            raise ValueError(f"{key!r} is no number of a recipe.{near} Allowed: {', '.join(names)}")
    if "epochs" in differences:
        differences.setdefault("iterations", None)
    if "augmenting" in differences:  # a row's own changes stand beside those that are asked for
        differences["augmenting"] = tuple((dict(row.augmenting) | dict(differences["augmenting"])).items())
    return replace(row, **differences)


def _near(name: str, names: list[str], cutoff: float) -> str:
    near = difflib.get_close_matches(name, names, n=1, cutoff=cutoff)
    return f" Did you mean {near[0]!r}?" if near else ""
