"""Which of our rows is compared with which network of another framework, and at which input sizes."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import ModuleType

import keras
import numpy as np
import torch

from tests.agreement import keras_graphs, keras_side

Size = tuple[int, int]

# Even and odd sides meet differently padded windows on every level.
SIZES: tuple[Size, ...] = ((64, 64), (97, 65))
GOLDEN_SIZE: Size = (64, 49)
NOTE002_SIZES: tuple[Size, ...] = ((28, 28), (27, 29), (32, 17))  # all that end at 1x1
NOTE002_GOLDEN_SIZE: Size = (28, 27)


@dataclass(frozen=True, kw_only=True)
class KerasRow:
    """One of our rows and how to make the same network in Keras, levels and logits as its outputs."""

    name: str
    family: str
    reference: str
    make: Callable[[], keras.Model]
    layer_name: Callable[[str], str] = str
    sizes: tuple[Size, ...] = SIZES
    golden_size: Size = GOLDEN_SIZE


def application_levels(depth: int, *, v2: bool) -> dict[str, str]:
    """Return the layer of Keras Applications whose output is each level."""
    ends = {"C2": 3, "C3": 8 if depth == 152 else 4, "C4": {50: 6, 101: 23, 152: 36}[depth], "C5": 3}
    levels = {"conv1": "conv1_conv" if v2 else "conv1_relu", "C1": "pool1_pool"}
    levels |= {level: f"conv{level[1]}_block{count}_out" for level, count in ends.items()}
    return levels | ({"C5": "post_relu"} if v2 else {})


def _application(depth: int, *, v2: bool, sizes: tuple[Size, ...] = SIZES) -> KerasRow:
    name = f"ResNet{depth}{'V2' if v2 else ''}"
    levels = application_levels(depth, v2=v2) | {"logits": "predictions"}

    def make() -> keras.Model:
        image = keras.Input((None, None, 3))
        build = getattr(keras.applications, name)
        return keras_side.application(build(weights=None, input_tensor=image, classifier_activation=None), levels)

    return KerasRow(
        name=f"resnet{depth}{'v2' if v2 else ''}_keras",
        family="keras.applications v2" if v2 else "keras.applications v1",
        reference=f"keras.applications.{name}",
        make=make,
        layer_name=keras_side.application_v2_layer if v2 else keras_side.application_layer,
        sizes=sizes,
    )


KERAS_ROWS = (
    _application(50, v2=False, sizes=(*SIZES, (224, 224))),
    _application(101, v2=False),
    _application(152, v2=False),
    _application(50, v2=True, sizes=(*SIZES, (224, 224))),
    _application(101, v2=True),
    _application(152, v2=True),
    *(
        KerasRow(
            name=f"resnet{depth}_mrcnn{'' if stage5 else '_c4'}",
            family="Matterport's resnet_graph",
            reference=f"Matterport's resnet_graph(resnet{depth}, stage5={stage5}), in Keras 3",
            make=partial(keras_graphs.matterport, depth, stage5=stage5),
            sizes=(*SIZES, (128, 128)),
        )
        for depth in (50, 101)
        for stage5 in (True, False)
    ),
    *(
        KerasRow(
            name=f"resnet{depth}_note001",
            family="note 001's classifier",
            reference=f"note 001's classifier at depth {depth}, in Keras 3",
            make=partial(keras_graphs.note001, depth),
        )
        for depth in (50, 101, 152)
    ),
    *(
        KerasRow(
            name=f"resnet{depth}_note002",
            family="note 002's networks",
            reference=f"note 002's ResNet-{depth}, in Keras 3",
            make=partial(keras_graphs.note002, depth),
            sizes=NOTE002_SIZES,
            golden_size=NOTE002_GOLDEN_SIZE,
        )
        for depth in (34, 50)
    ),
)

# Rows that bear timm's own names.
TIMM_FAMILIES = {
    "timm v2": ("resnetv2_50", "resnetv2_101"),
    "timm C and D": ("resnet50c", "resnet18d", "resnet34d", "resnet50d", "resnet101d", "resnet152d"),
    "timm SE": ("seresnet50", "seresnext50_32x4d"),
    "timm, as torchvision": ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext50_32x4d"),
}
WITHOUT_GOLDEN = TIMM_FAMILIES["timm, as torchvision"]  # `make test` has torchvision itself for these


def versions(*modules: ModuleType) -> dict[str, str]:
    """Return the versions of what a golden stands on, ours included."""
    return {module.__name__: module.__version__ for module in (*modules, torch, np)}
