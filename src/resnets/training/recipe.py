"""Recipes: every number of a training run, as rows of a table, each with its source."""

from __future__ import annotations

import dataclasses
import difflib
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal, get_args

from resnets.data.augmentation.rows import AUGMENTATIONS
from resnets.spec.preprocess import Decoding

Optimizer = Literal["sgd", "adam", "adamw"]
Schedule = Literal["constant", "steps", "cosine", "one_cycle"]
Precision = Literal["auto", "fp32", "bf16"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """Every number of a training run. Any field can be overridden; the resolved recipe is saved in the run.

    Raises `ValueError` on construction for a value a field cannot have.
    """

    name: str
    source: str
    epochs: float = 10.0  # passes over the training pictures
    iterations: int | None = None  # counts in batches instead of epochs, as He et al. do
    batch_size: int = 128
    optimizer: Optimizer = "sgd"
    lr: float = 0.1  # the highest the schedule reaches
    momentum: float = 0.9  # SGD's, or Adam's beta1
    nesterov: bool = False
    weight_decay: float = 1e-4
    decay_norms: bool = True  # also on norms and biases, as in section 3.4
    schedule: Schedule = "cosine"
    warmup: float = 0.0  # share of the run in which the rate climbs from 0
    milestones: tuple[float, ...] = ()  # shares of the run after which `steps` divides the rate by 10
    label_smoothing: float = 0.0
    augmentation: str = "none"  # a row of data.augmentation
    decoding: Decoding = "fast"  # of training pictures; test pictures are always decoded as the model file says
    zero_gamma: bool = False  # every block starts as the identity
    freeze: str | None = None  # level up to which nothing learns
    held_out: int = 0  # training pictures kept for validation
    eval_every: float = 1.0  # epochs between two evaluations
    precision: Precision = "auto"  # auto: measured, and the choice written here
    seed: int = 0

    def __post_init__(self) -> None:
        for field, kind in CHOICES.items():
            allowed = get_args(kind)
            if getattr(self, field) not in allowed:
                _refuse(field, getattr(self, field), "one of " + ", ".join(allowed))
        for field, (least, most) in BOUNDS.items():
            value = getattr(self, field)
            fits = isinstance(value, int if field in WHOLE else (int, float)) and least <= value <= most
            if not fits and (field, value) != ("iterations", None):
                _refuse(field, value, f"{'whole numbers from ' * (field in WHOLE)}{least:g} to {most:g}")
        if any(not 0 < share < 1 for share in self.milestones) or list(self.milestones) != sorted(self.milestones):
            _refuse("milestones", self.milestones, "rising shares of the run, between 0 and 1")
        if self.augmentation not in AUGMENTATIONS:
            _refuse("augmentation", self.augmentation, "one of " + ", ".join(AUGMENTATIONS))

    def to_dict(self) -> dict[str, Any]:
        """Return every field as JSON-able values; equal recipes give equal JSON."""
        real = {field: float(getattr(self, field)) for field in BOUNDS if field not in WHOLE}
        return {**dataclasses.asdict(self), **real, "milestones": list(self.milestones)}

    @classmethod
    def from_dict(cls, facts: dict[str, Any]) -> Recipe:
        """Return the recipe that `to_dict` wrote; raise `ValueError` for facts that are none."""
        try:
            made = cls(**{**facts, "milestones": tuple(facts["milestones"])})
            hash(made)
        except (KeyError, TypeError) as error:
            raise ValueError(f"these are not the facts of a recipe: {error}") from None
        return made


CHOICES = MappingProxyType({"optimizer": Optimizer, "schedule": Schedule, "precision": Precision, "decoding": Decoding})
"""The words that each of these fields may be."""

BOUNDS = MappingProxyType(
    {
        "epochs": (0.01, 100_000),
        "iterations": (1, 10**9),
        "batch_size": (2, 65_536),
        "lr": (0.0, 1_000),
        "momentum": (0.0, 0.9999),
        "weight_decay": (0.0, 10),
        "warmup": (0.0, 1.0),
        "label_smoothing": (0.0, 0.99),
        "held_out": (0, 10**9),
        "eval_every": (0.01, 100_000),
        "seed": (0, 2**31),
    }
)
"""Smallest and largest value of each number. A batch of one would leave batch normalisation nothing to compare."""

WHOLE = ("iterations", "batch_size", "held_out", "seed")
"""Numbers that are counts."""

_ROWS = (
    Recipe(
        name="digits",
        source="ours: scikit-learn's 1,797 digits, trained in seconds on two cores",
        epochs=15,
        batch_size=64,
        lr=0.2,
        nesterov=True,
        weight_decay=5e-4,
        decay_norms=False,
        schedule="one_cycle",
        warmup=0.25,
        augmentation="digits",
    ),
    Recipe(
        name="mnist",
        source="ours: for time to accuracy on a CPU, tuned on 5,000 held-out training pictures; benchmarks/mnist.py",
        epochs=4,
        batch_size=256,
        lr=0.15,
        nesterov=True,
        weight_decay=5e-4,
        decay_norms=False,
        schedule="one_cycle",
        warmup=0.2,
        augmentation="mnist",
        zero_gamma=True,
    ),
    Recipe(
        name="mnist-notes",
        source="note 002: Adam 1e-4, batch 128. It asks for 20 epochs and runs 21: range(epochs + 1)",
        epochs=21,
        batch_size=128,
        optimizer="adam",
        lr=1e-4,
        weight_decay=0.0,
        schedule="constant",
    ),
    Recipe(
        name="cifar-he2015",
        source="He et al. 2015, section 4.2: 64,000 iterations on 45,000 pictures, 5,000 held out",
        iterations=64_000,
        batch_size=128,
        lr=0.1,
        weight_decay=1e-4,
        schedule="steps",
        milestones=(0.5, 0.75),
        augmentation="cifar",
        held_out=5_000,
    ),
    Recipe(
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
    ),
)

RECIPES = MappingProxyType({row.name: row for row in _ROWS})
"""Every named recipe."""


def recipe(name: str, **differences: Any) -> Recipe:
    """Return a row of the table with some of its numbers changed.

    Asking for epochs takes back a row's count in batches. Raises `ValueError` for an unknown name or number
    (it suggests the nearest), or an impossible value.

    >>> recipe("mnist", epochs=1).epochs
    1
    """
    row = RECIPES.get(name)
    if row is None:
        near = difflib.get_close_matches(name, RECIPES, n=1, cutoff=0.3)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"no recipe is called {name!r}.{hint} Allowed: {', '.join(RECIPES)}")
    names = [field.name for field in dataclasses.fields(Recipe)]
    for key in differences:
        if key not in names:
            near = difflib.get_close_matches(key, names, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"{key!r} is no number of a recipe.{hint} Allowed: {', '.join(names)}")
    if "epochs" in differences:
        differences.setdefault("iterations", None)
    return replace(row, **differences)


def _refuse(field: str, value: object, allowed: str) -> None:
    raise ValueError(f"{field}={value!r} is not possible in a recipe; allowed: {allowed}")
