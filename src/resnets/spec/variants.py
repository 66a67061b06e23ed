"""The table of named networks: one row each, with its source; a row says only what is different in it."""

from __future__ import annotations

import difflib
from dataclasses import replace
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any

from resnets.spec.architecture import Architecture, Role, check_field_names, field_names, tuples

HE15 = "He et al. 2015, arXiv:1512.03385"
HE16 = "He et al. 2016, arXiv:1603.05027"
XIE16 = "Xie et al. 2016, arXiv:1611.05431, Table 1"
ZAGORUYKO16 = "Zagoruyko and Komodakis 2016, arXiv:1605.07146"
HU17 = "Hu et al. 2017, arXiv:1709.01507"
HE18 = "He et al. 2018, arXiv:1812.01187, section 4.2"
TORCHVISION = "torchvision.models.resnet"
TIMM = "timm.models.resnetv2"
KERAS = "keras.applications.resnet"
KERAS16 = "keras.applications before Keras 2.2.5, resnet50.py"
CAFFE = f"{HE15}; KaimingHe/deep-residual-networks, prototxt"
MATTERPORT = "Matterport Mask R-CNN, mrcnn/model.py, resnet_graph"

ALL_BIASED: tuple[Role, ...] = ("stem", "inner", "last", "projection")

# The five depths of Table 1. "resnet50" is v1.5, stride on the 3x3, as torchvision's files expect.
RESNET18 = Architecture(name="resnet18", source=f"{HE15}, Table 1")
RESNET34 = replace(RESNET18, name="resnet34", blocks=(3, 4, 6, 3))
RESNET50 = replace(RESNET34, name="resnet50", source=f"{HE15}, Table 1; stride as in {TORCHVISION}", block="bottleneck")
RESNET101 = replace(RESNET50, name="resnet101", blocks=(3, 4, 23, 3))
RESNET152 = replace(RESNET50, name="resnet152", blocks=(3, 8, 36, 3))
BOTTLENECKS = (RESNET50, RESNET101, RESNET152)

# Section 4.2: one 3x3, three stages of 2n layers, widths 16, 32, 64. Option A, so no extra parameters.
RESNET20_CIFAR = Architecture(
    name="resnet20_cifar",
    source=f"{HE15}, section 4.2 and Table 6",
    size=32,
    stem="cifar",
    stem_width=16,
    blocks=(3, 3, 3),
    widths=(16, 32, 64),
    strides=(1, 2, 2),
    shortcut="zero_pad",
    num_classes=10,
)
# Ours: most of its multiply-adds at 16x16 and below, in layers wide enough to keep a processor's matrix units busy.
RESNET8_CIFAR_SPEED = replace(
    RESNET20_CIFAR,
    name="resnet8_cifar_speed",
    source="ours: 96 million multiply-adds, for seconds to accuracy on two cores (benchmarks/cifar10.py)",
    stem_width=32,
    blocks=(1, 1, 1),
    widths=(96, 192, 384),
    strides=(2, 2, 2),
    shortcut="projection",
)
CIFAR_DEPTHS = (20, 32, 44, 56, 110, 1202)


def _cifar(depth: int) -> Architecture:
    n = (depth - 2) // 6
    return replace(RESNET20_CIFAR, name=f"resnet{depth}_cifar", blocks=(n, n, n))


def _renamed(base: Architecture, suffix: str, **differences: Any) -> Architecture:
    """`resnet50` with suffix `_v1` is `resnet50_v1`; the suffix goes before a `_cifar`."""
    stem, _, tail = base.name.partition("_")
    return replace(base, name=f"{stem}{suffix}{'_' + tail if tail else ''}", **differences)


def _plain(base: Architecture, source: str) -> Architecture:
    return replace(base, name=base.name.replace("resnet", "plain"), source=source, shortcut="none")


def _rows() -> tuple[Architecture, ...]:
    cifar = tuple(_cifar(depth) for depth in CIFAR_DEPTHS)
    keras = {"stride_on": "1x1", "pool_fill": "zero", "conv_bias": ALL_BIASED, "norm_eps": 1.001e-5}
    keras_v2 = keras | {
        "order": "pre",
        "stride_on": "3x3",
        "stride_in": "last",
        "strides": (2, 2, 2, 1),
        "projects": "first_block",
        "projection_norm": False,
        "conv_bias": ("stem", "last", "projection"),
    }
    matterport = {
        "source": MATTERPORT,
        "size": 1024,
        "stride_on": "1x1",
        "pool_padding": "same",
        "conv_bias": ALL_BIASED,
        "norm_eps": 1e-3,
        "head": "none",
    }
    keras16 = {"source": KERAS16, "stride_on": "1x1", "pool_fill": "zero", "conv_bias": ALL_BIASED, "norm_eps": 1e-3}
    caffe = {"source": CAFFE, "stride_on": "1x1", "pool_padding": "ceil"}
    without_stage5 = {"widths": (64, 128, 256), "strides": (1, 2, 2)}
    note001 = {"source": "note 001, get_resnet_model", "size": 224, "head": "mlp"}
    note002 = {
        "source": "note 002, Resnet34(x, n_classes)",
        "size": 28,
        "in_channels": 1,
        "num_classes": 10,
        "padding": "same",
        "pool_padding": "same",
        "conv_bias": ALL_BIASED,
        "projects": "first_block",
        "norm_eps": 1e-3,
        "head_pooling": "flatten",
    }
    deep: dict[str, Any] = {"source": f"{HE18}, ResNet-C", "stem": "deep"}
    deep_pooled = deep | {"source": f"{HE18}, ResNet-D", "shortcut": "pooled_projection"}
    squeezed: dict[str, Any] = {"source": f"{HU17}, Table 1", "se_reduction": 16}
    v2: dict[str, Any] = {"source": f"{HE16}; as in {TIMM}", "order": "pre", "projection_norm": False}
    resnext50 = replace(RESNET50, name="resnext50_32x4d", source=XIE16, cardinality=32, base_width=4)
    matterports = [_renamed(base, "_mrcnn", **matterport) for base in (RESNET50, RESNET101)]
    return (
        RESNET18,
        RESNET34,
        *BOTTLENECKS,
        *(_renamed(base, "_v1", source=f"{HE15}, Table 1", stride_on="1x1") for base in BOTTLENECKS),
        resnext50,
        replace(resnext50, name="resnext101_32x8d", blocks=(3, 4, 23, 3), base_width=8),
        replace(resnext50, name="resnext101_64x4d", blocks=(3, 4, 23, 3), cardinality=64),
        replace(RESNET50, name="wide_resnet50_2", source=ZAGORUYKO16, base_width=128),
        replace(RESNET101, name="wide_resnet101_2", source=ZAGORUYKO16, base_width=128),
        replace(RESNET50, name="resnet50c", **deep),
        *(_renamed(base, "d", **deep_pooled) for base in (RESNET18, RESNET34, *BOTTLENECKS)),
        replace(RESNET50, name="seresnet50", **squeezed),
        replace(resnext50, name="seresnext50_32x4d", **squeezed),
        replace(RESNET50, name="resnetv2_50", **v2),
        replace(RESNET101, name="resnetv2_101", **v2),
        *(_renamed(base, "_keras", source=KERAS, **keras) for base in BOTTLENECKS),
        *(_renamed(base, "v2_keras", source=f"{HE16}; {KERAS}_v2", **keras_v2) for base in BOTTLENECKS),
        _renamed(RESNET50, "_keras2016", **keras16),
        _renamed(RESNET50, "_caffe", **caffe, conv_bias=("stem",)),
        *(_renamed(base, "_caffe", **caffe) for base in (RESNET101, RESNET152)),
        *matterports,
        *(_renamed(b, "_mrcnn_c4", **matterport, blocks=b.blocks[:3], **without_stage5) for b in (RESNET50, RESNET101)),
        *(_renamed(base, "_note001", **matterport | note001) for base in BOTTLENECKS),
        _renamed(RESNET34, "_note002", **note002),
        _renamed(
            RESNET50,
            "_note002",
            **note002 | {"source": "note 002, its ResNet-50 in words; stride on the first convolution as in its -34"},
            stride_on="1x1",
        ),
        *cifar,
        *(replace(base, name=f"{base.name}_b", shortcut="projection") for base in cifar),
        replace(
            _cifar(110),
            name="resnet164v2_cifar",
            source=f"{HE16}, Table 4; projections and strides as in its authors' code",
            block="bottleneck",
            order="pre",
            blocks=(18, 18, 18),
            shortcut="projection",
            stride_on="1x1",
            projection_norm=False,
        ),
        RESNET8_CIFAR_SPEED,
        *(_plain(base, f"{HE15}, Table 2") for base in (RESNET18, RESNET34)),
        *(_plain(base, f"{HE15}, section 4.2 and figure 6") for base in cifar if base.name != "resnet1202_cifar"),
    )


VARIANTS = MappingProxyType({row.name: row for row in _rows()})
"""Every named network."""


def variants(pattern: str = "*") -> tuple[str, ...]:
    """Return the names of the table that match a shell pattern, in the table's order.

    >>> variants("resnet*_v1")
    ('resnet50_v1', 'resnet101_v1', 'resnet152_v1')
    """
    return tuple(name for name in VARIANTS if fnmatchcase(name, pattern))


def architecture(name: str, /, **differences: Any) -> Architecture:
    """Return a row of the table with some of its facts changed.

    With other `blocks`, `widths` and `strides` that are not given follow: cut to fewer stages, or carried on
    (twice the width, stride 2) to more. The name stays the row's, and `differences_from_row` tells them.

    Raises `ValueError` for an unknown name (it suggests the nearest), an unknown field, or an impossible one.

    >>> architecture("resnet50_mrcnn", blocks=(3, 4, 6)).widths
    (64, 128, 256)
    """
    row = VARIANTS.get(name)
    if row is None:
        begun = [known for known in VARIANTS if known.startswith(name)][:3]
        near = begun or difflib.get_close_matches(name, VARIANTS, n=3, cutoff=0.4)
        hint = f" Nearest: {', '.join(near)}." if near else ""
        raise ValueError(f"no network is called {name!r}.{hint} `resnets show` lists all {len(VARIANTS)}.")
    check_field_names(differences)
    for field in ("name", "source"):
        if field in differences:
            raise ValueError(f"{field!r} is the row's own and cannot be changed; give facts, such as num_classes=10")
    facts = tuples(differences)
    blocks = facts.get("blocks")
    if isinstance(blocks, tuple) and blocks:
        facts.setdefault("widths", _continued(row.widths, len(blocks), double=True))
        facts.setdefault("strides", _continued(row.strides, len(blocks), double=False))
    return replace(row, **facts)


def differences_from_row(arch: Architecture) -> dict[str, Any]:
    """Return the facts in which an architecture differs from the row of its name; all if there is none."""
    row = VARIANTS.get(arch.name)
    return {f: getattr(arch, f) for f in field_names() if row is None or getattr(arch, f) != getattr(row, f)}


def _continued(values: tuple[int, ...], count: int, *, double: bool) -> tuple[int, ...]:
    longer = list(values[:count])
    while len(longer) < count:
        longer.append(longer[-1] * 2 if double else 2)
    return tuple(longer)
