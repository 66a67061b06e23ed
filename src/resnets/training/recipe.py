"""Recipe: every number of a training run, each with its bounds."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Any, Literal, get_args

from resnets.data.augmentation.rows import AUGMENTATIONS, Augmentation
from resnets.spec.preprocess import Decoding

Optimizer = Literal["sgd", "adam", "adamw", "lamb"]
Schedule = Literal["constant", "steps", "cosine", "one_cycle"]
Loss = Literal["cross_entropy", "bce"]
Imbalance = Literal["ignore", "weights", "sampler", "logits"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """Every number of a training run. Any field can be overridden; the resolved recipe is saved in the run.

    Shares of the run are in [0, 1]. A step learns from `batch_size` pictures, in however many processes and parts.
    Raises `ValueError` on construction for a value a field cannot have.
    """

    name: str
    source: str
    result: str = ""  # what the source reports for these numbers, where it reports anything

    # How long, and how much at a time.
    epochs: float = 10.0  # passes over the training pictures
    iterations: int | None = None  # counts in batches instead of epochs, as He et al. do
    batch_size: int = 128
    accumulate: int = 1  # parts of a batch, one after the other, whose gradients make one step
    repeats: int = 1  # copies of a picture in an epoch, each augmented its own way (arXiv:1902.05509)

    # The step.
    optimizer: Optimizer = "sgd"
    lr: float = 0.1  # the highest the schedule reaches
    head_lr: float = 1.0  # the head's, as a multiple of the others'
    momentum: float = 0.9  # SGD's, or Adam's beta1
    nesterov: bool = False
    weight_decay: float = 1e-4
    decay_norms: bool = True  # also on norms and biases, as in section 3.4
    clip: float | None = None  # the gradient's longest L2 norm, over all parameters
    schedule: Schedule = "cosine"
    warmup: float = 0.0  # share of the run in which the rate climbs
    warmup_from: float = 0.0  # share of the highest rate that the climb begins at
    lr_end: float = 0.0  # share of the highest rate that a cosine or a one-cycle ends at
    milestones: tuple[float, ...] = ()  # shares of the run after which `steps` divides the rate by 10

    # What is learnt.
    loss: Loss = "cross_entropy"
    label_smoothing: float = 0.0
    bce_threshold: float = 0.0  # a mixed picture's label counts as wholly there above this share (0: as its share)
    imbalance: Imbalance = "ignore"  # of the classes: ignored, or met in the loss's weights, the sampler or the logits

    # The pictures.
    augmentation: str = "none"  # a row of data.augmentation
    augmenting: tuple[tuple[str, Any], ...] = ()  # numbers of that row, changed: (("mixup", 0.2),)
    decoding: Decoding = "fast"  # of training pictures; test pictures are always decoded as the model file says
    size_first: float = 1.0  # side of the training pictures as a share of the model's, to begin with
    size_last: float = 1.0  # and in the end
    grow_from: float = 0.0  # share of the run at which they begin to grow
    grow_to: float = 1.0  # and have grown
    held_out: float = 0.0  # training pictures kept for validation and calibration; below 1 a share of them
    coverage: float | None = None  # share of such pictures that the model answers; of the others: unknown

    # The network.
    zero_gamma: bool = False  # every block starts as the identity
    stochastic_depth: float = 0.0  # probability that the last block is left out; less for those before it
    freeze: str | None = None  # level up to which nothing learns
    thaw: float | None = None  # share of the run after which all learns; None: never
    ema: float = 0.0  # what a step keeps of the mean of the weights; that mean is then the model
    ema_every: int = 1  # steps from one update of the mean to the next
    recalibrate: int = 0  # batches from which the norms' statistics are taken anew at the end
    sync_norms: bool = False  # norms see the whole batch, not one process's part of it

    # When to look, and when to stop.
    eval_every: float = 1.0  # epochs between two evaluations
    patience: int | None = None  # evaluations without a better one before the run stops; the best is then kept

    # How it is computed.
    precision: Precision = "auto"  # auto: measured, and the choice written here
    recompute: bool = False  # blocks keep only their input and compute again in the backward pass
    compile: bool = False  # torch.compile
    seed: int = 0

    def __post_init__(self) -> None:
        for field, kind in CHOICES.items():
            allowed = get_args(kind)
            if getattr(self, field) not in allowed:
                _refuse(field, getattr(self, field), "one of " + ", ".join(allowed))
        for field, (least, most) in BOUNDS.items():
            value = getattr(self, field)
            number = isinstance(value, int if field in WHOLE else (int, float)) and not isinstance(value, bool)
            if not (number and least <= value <= most) and not (value is None and field in OPTIONAL):
                _refuse(field, value, f"{'whole numbers from ' * (field in WHOLE)}{_number(least)} to {_number(most)}")
        for field in SWITCHES:
            if not isinstance(getattr(self, field), bool):
                _refuse(field, getattr(self, field), "true or false")
        if any(not 0 < share < 1 for share in self.milestones) or list(self.milestones) != sorted(self.milestones):
            _refuse("milestones", self.milestones, "rising shares of the run, between 0 and 1")
        if self.augmentation not in AUGMENTATIONS:
            _refuse("augmentation", self.augmentation, "one of " + ", ".join(AUGMENTATIONS))
        if self.grow_to < self.grow_from:
            _refuse("grow_to", self.grow_to, f"grow_from={self.grow_from:g} to 1")
        if self.thaw is not None and self.freeze is None:
            _refuse("thaw", self.thaw, "None, or with freeze=LEVEL, which says what is frozen until then")
        if self.imbalance == "logits" and self.loss == "bce":
            _refuse("imbalance", self.imbalance, "with loss=cross_entropy; with loss=bce ignore, weights, sampler")
        if self.accumulate > self.batch_size // 2:
            _refuse("accumulate", self.accumulate, f"1 to {self.batch_size // 2}: a part of one is nothing to a norm")
        if self.held_out > 1 and self.held_out % 1:
            _refuse("held_out", self.held_out, "a number of pictures, or a share of them below 1")
        for field, reason in NEED_HELD_OUT.items():
            if getattr(self, field) is not None and not self.held_out:
                _refuse(field, getattr(self, field), f"with held_out=N too: {reason}")
        self.augment()

    def augment(self) -> Augmentation:
        """Return what is done to training pictures: the augmentation's row, with its changed numbers."""
        names = {field.name for field in fields(Augmentation)} - {"source"}
        for name, _ in self.augmenting:
            if name not in names:
                _refuse("augmenting", name, "numbers of an augmentation: " + ", ".join(sorted(names)))
        return replace(AUGMENTATIONS[self.augmentation], **dict(self.augmenting))

    def to_dict(self) -> dict[str, Any]:
        """Return every field as JSON-able values; equal recipes give equal JSON."""
        given = {field: getattr(self, field) for field in BOUNDS if field not in WHOLE}
        real = {field: value if value is None else float(value) for field, value in given.items()}
        changed = {name: list(value) if isinstance(value, tuple) else value for name, value in self.augmenting}
        return {**dataclasses.asdict(self), **real, "milestones": list(self.milestones), "augmenting": changed}

    @classmethod
    def from_dict(cls, facts: dict[str, Any]) -> Recipe:
        """Return the recipe that `to_dict` wrote; raise `ValueError` for facts that are none."""
        try:
            changed = {k: tuple(v) if isinstance(v, list) else v for k, v in facts["augmenting"].items()}
            given = {"milestones": tuple(facts["milestones"]), "augmenting": tuple(changed.items())}
            made = cls(**{**facts, **given})
            hash(made)
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"these are not the facts of a recipe: {error}") from None
        return made


CHOICES = MappingProxyType(
    {
        "optimizer": Optimizer,
        "schedule": Schedule,
        "loss": Loss,
        "imbalance": Imbalance,
        "precision": Precision,
        "decoding": Decoding,
    }
)
"""The words that each of these fields may be."""

BOUNDS = MappingProxyType(
    {
        "epochs": (0.01, 100_000),
        "iterations": (1, 10**9),
        "batch_size": (2, 65_536),
        "accumulate": (1, 32_768),
        "repeats": (1, 100),
        "lr": (0.0, 1_000),
        "head_lr": (0.0, 10_000),
        "momentum": (0.0, 0.9999),
        "weight_decay": (0.0, 10),
        "clip": (1e-9, 1e9),
        "warmup": (0.0, 1.0),
        "warmup_from": (0.0, 1.0),
        "lr_end": (0.0, 1.0),
        "label_smoothing": (0.0, 0.99),
        "bce_threshold": (0.0, 0.99),
        "size_first": (0.1, 4.0),
        "size_last": (0.1, 4.0),
        "grow_from": (0.0, 1.0),
        "grow_to": (0.0, 1.0),
        "held_out": (0.0, 10**9),
        "coverage": (0.01, 1.0),
        "stochastic_depth": (0.0, 0.99),
        "thaw": (0.0, 1.0),
        "ema": (0.0, 0.999999),
        "ema_every": (1, 10**6),
        "recalibrate": (0, 10**6),
        "eval_every": (0.01, 100_000),
        "patience": (1, 10**6),
        "seed": (0, 2**31),
    }
)
"""Smallest and largest value of each number. A batch of one would leave batch normalisation nothing to compare."""

WHOLE = (
    *("iterations", "batch_size", "accumulate", "repeats", "ema_every", "recalibrate", "patience"),
    "seed",
)
"""Numbers that are counts."""

NEED_HELD_OUT = MappingProxyType(
    {
        "patience": "stopping by the test pictures would choose by them",
        "coverage": "what is left unknown is found on pictures held out",
    }
)
"""Fields that need pictures held out, and why."""

OPTIONAL = ("iterations", "coverage", "clip", "thaw", "patience")
"""Numbers that may be None."""

SWITCHES = ("nesterov", "decay_norms", "zero_gamma", "sync_norms", "recompute", "compile")
"""Fields that are true or false."""


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def _refuse(field: str, value: object, allowed: str) -> None:
    raise ValueError(f"{field}={value!r} is not possible in a recipe; allowed: {allowed}")
