"""Architecture: the numbers a paper or a framework states of one network, checked on construction."""

from __future__ import annotations

import dataclasses
import difflib
from dataclasses import dataclass
from typing import Any, Literal, get_args

Stem = Literal["imagenet", "deep", "cifar"]
BlockKind = Literal["basic", "bottleneck"]
Order = Literal["post", "pre"]
ShortcutKind = Literal["none", "zero_pad", "projection", "pooled_projection"]
Projects = Literal["shape_changes", "first_block", "always"]
StrideOn = Literal["1x1", "3x3"]
StrideIn = Literal["first", "last"]
ZeroPadSide = Literal["after", "both"]
PaddingRule = Literal["symmetric", "same"]
PoolPaddingRule = Literal["symmetric", "same", "ceil"]
PoolFill = Literal["-inf", "zero"]
Role = Literal["stem", "inner", "last", "projection"]
Head = Literal["none", "linear", "mlp"]
HeadPooling = Literal["average", "flatten"]

EXPANSION = {"basic": 1, "bottleneck": 4}
"""Output channels of a block over its width (He et al. 2015, Table 1)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Architecture:
    """One network as its source states it; every variant is `replace(base, the one difference)`.

    Raises `ValueError` on construction when a field has a value it cannot have; the message names the
    field, the value and what is allowed.
    """

    name: str
    source: str  # "He et al. 2015, arXiv:1512.03385, Table 1"
    size: int = 224  # side of the square input its source speaks of, in pixels

    # What the paper states.
    stem: Stem = "imagenet"  # 7x7/2 and a pool | three 3x3 and a pool | one 3x3, no pool
    stem_width: int = 64  # channels that leave the stem
    block: BlockKind = "basic"  # two 3x3 | 1x1, 3x3, 1x1
    order: Order = "post"  # norm and ReLU after each convolution | before it (v2)
    blocks: tuple[int, ...] = (2, 2, 2, 2)  # blocks in each stage
    widths: tuple[int, ...] = (64, 128, 256, 512)  # channels of a stage's 3x3, before base_width
    strides: tuple[int, ...] = (1, 2, 2, 2)  # stride of each stage
    cardinality: int = 1  # groups of the 3x3 (ResNeXt)
    base_width: int = 64  # inner channels = width * base_width / 64 * cardinality
    se_reduction: int | None = None  # squeeze-and-excitation's r; None: no gate
    shortcut: ShortcutKind = "projection"  # how a shortcut crosses a change of shape; none: a plain network
    in_channels: int = 3
    head: Head = "linear"
    num_classes: int = 1000
    head_width: int = 1024  # hidden units of the mlp head
    dropout: float = 0.5  # before each linear layer of the mlp head

    # What differs between codebases under one name.
    stride_on: StrideOn = "3x3"  # which convolution of a bottleneck strides: 1x1 is v1, 3x3 is v1.5
    stride_in: StrideIn = "first"  # which block of a stage strides
    projects: Projects = "shape_changes"  # which blocks project
    projection_norm: bool = True  # a norm after the projection
    zero_pad_side: ZeroPadSide = "after"  # where option A puts its zero channels
    padding: PaddingRule = "symmetric"  # of strided convolutions
    pool_padding: PoolPaddingRule = "symmetric"  # of the stem's pool
    pool_fill: PoolFill = "-inf"  # what the pool's padding holds
    conv_bias: tuple[Role, ...] = ()  # roles whose convolutions have a bias
    norm_eps: float = 1e-5
    head_pooling: HeadPooling = "average"

    def __post_init__(self) -> None:
        self._check_choices()
        self._check_numbers()
        self._check_combinations()

    @property
    def expansion(self) -> int:
        """Output channels of a block over its width: 1 or 4."""
        return EXPANSION[self.block]

    @property
    def classes_out(self) -> int | None:
        """Number of logits, or None without a head."""
        return None if self.head == "none" else self.num_classes

    def to_dict(self) -> dict[str, Any]:
        """Return every field as JSON-able values."""
        facts = dataclasses.asdict(self)
        return {key: list(value) if isinstance(value, tuple) else value for key, value in facts.items()}

    @classmethod
    def from_dict(cls, facts: dict[str, Any]) -> Architecture:
        """Return the architecture that `to_dict` wrote; raise `ValueError` for a field it does not know."""
        check_field_names(facts)
        return cls(**tuples(facts))

    def _check_choices(self) -> None:
        for field in ("name", "source"):
            value = getattr(self, field)
            if not isinstance(value, str) or not value:
                _refuse(field, value, "a text that is not empty")
        if not isinstance(self.projection_norm, bool):
            _refuse("projection_norm", self.projection_norm, "True or False")
        for field, allowed in CHOICES.items():
            value = getattr(self, field)
            if value not in allowed:
                _refuse(field, value, "one of " + ", ".join(map(repr, allowed)))
        roles = get_args(Role)
        biased: object = self.conv_bias
        if not isinstance(biased, tuple) or not all(role in roles for role in biased):
            _refuse("conv_bias", biased, f"a tuple of roles among {roles}")

    def _check_numbers(self) -> None:
        for field in (
            "size",
            "stem_width",
            "cardinality",
            "base_width",
            "in_channels",
            "num_classes",
            "head_width",
        ):
            _check_whole(field, getattr(self, field))
        if self.se_reduction is not None:
            _check_whole("se_reduction", self.se_reduction)
        for field in ("blocks", "widths", "strides"):
            values = getattr(self, field)
            if not isinstance(values, tuple) or not values:
                _refuse(field, values, "a tuple with one whole number for each stage, such as (3, 4, 6, 3)")
            if not all(_is_whole(value) for value in values):
                _refuse(field, values, f"whole numbers from 1 to {LARGEST}, one for each stage")
        if sum(self.blocks) > MOST_BLOCKS:
            _refuse("blocks", self.blocks, f"at most {MOST_BLOCKS} blocks in all stages together")
        if not len(self.blocks) == len(self.widths) == len(self.strides):
            raise ValueError(
                f"blocks={self.blocks}, widths={self.widths} and strides={self.strides} must have one entry "
                f"for each stage; they have {len(self.blocks)}, {len(self.widths)} and {len(self.strides)}"
            )
        if not _is_number(self.dropout) or not 0 <= self.dropout < 1:
            _refuse("dropout", self.dropout, "a share in [0, 1)")
        if not _is_number(self.norm_eps) or not 0 < self.norm_eps < 1:
            _refuse("norm_eps", self.norm_eps, "a small positive number, such as 1e-5")

    def _check_combinations(self) -> None:
        if self.block == "basic" and (self.cardinality, self.base_width) != (1, 64):
            raise ValueError(
                f"cardinality={self.cardinality}, base_width={self.base_width} need bottleneck blocks "
                "(Xie et al. 2016, section 3.3); give block='bottleneck' too"
            )
        if self.shortcut == "none" and self.order == "pre":
            raise ValueError("order='pre' with shortcut='none' is no known network; plain nets use order='post'")
        if self.shortcut == "zero_pad" and self.projects != "shape_changes":
            raise ValueError(
                f"projects={self.projects!r} needs shortcut='projection'; option A ('zero_pad') never projects"
            )
        if self.stem == "deep" and self.stem_width % 2:
            _refuse("stem_width", self.stem_width, "an even number: a deep stem runs at half of it first")
        for width in self.widths:
            if width * self.base_width % 64:
                raise ValueError(
                    f"base_width={self.base_width} at widths={self.widths} gives "
                    f"{width * self.base_width / 64:g} channels a group; width * base_width must divide by 64"
                )


def field_names() -> tuple[str, ...]:
    """Return the names of all fields, in order."""
    return tuple(field.name for field in dataclasses.fields(Architecture))


def tuples(facts: dict[str, Any]) -> dict[str, Any]:
    """Return facts as an `Architecture` takes them, which JSON and people may give as lists."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in facts.items()}


def check_field_names(facts: dict[str, Any]) -> None:
    """Raise `ValueError` if a key is no field of `Architecture`; the message suggests the nearest one."""
    names = field_names()
    for key in facts:
        if key not in names:
            near = difflib.get_close_matches(key, names, n=1, cutoff=0.5)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"{key!r} is no field of an architecture.{hint} Allowed: {', '.join(names)}")


def _literals(**kinds: Any) -> dict[str, tuple[str, ...]]:
    return {field: get_args(kind) for field, kind in kinds.items()}


LARGEST = 1_000_000
"""Of any count of channels, classes or pixels; beyond it a number is a slip of the keyboard."""

MOST_BLOCKS = 10_000
"""Of all stages together, sixteen times the deepest published network: a longer plan would seem never to end."""

CHOICES = _literals(
    stem=Stem,
    block=BlockKind,
    order=Order,
    shortcut=ShortcutKind,
    head=Head,
    stride_on=StrideOn,
    stride_in=StrideIn,
    projects=Projects,
    zero_pad_side=ZeroPadSide,
    padding=PaddingRule,
    pool_padding=PoolPaddingRule,
    pool_fill=PoolFill,
    head_pooling=HeadPooling,
)
"""What each field of words may be."""


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= LARGEST


def _check_whole(field: str, value: object) -> None:
    if not _is_whole(value):
        _refuse(field, value, f"a whole number from 1 to {LARGEST}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _refuse(field: str, value: object, allowed: str) -> None:
    raise ValueError(f"{field}={value!r} is not possible; allowed: {allowed}")
