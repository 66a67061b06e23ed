"""The dialects of Keras and Caffe: one row each."""

from __future__ import annotations

from resnets.spec.variants import ALL_BIASED
from resnets.weights.dialects.dialect import Dialect
from resnets.weights.dialects.slots import CAFFE, KERAS
from resnets.weights.dialects.tables import BLOCK, IMAGENET, IMAGENET_CLASSES, NO_BATCH_COUNT

KERAS_BLOCK = "conv{stage+2}_block{block+1}"

_V1 = IMAGENET | {
    "stride_on": ("1x1",),
    "pool_fill": ("zero",),
    "conv_bias": (ALL_BIASED,),
    "norm_eps": (1.001e-5,),
    "block": ("bottleneck",),
    "cardinality": (1,),
    "base_width": (64,),
    "se_reduction": (None,),
}
APPLICATIONS = Dialect(
    name="keras",
    family="keras",
    title="Keras Applications' ResNet",
    source="keras/applications/resnet.py",
    layers={
        "stem.conv1": ("conv1_conv",),
        "stem.norm1": ("conv1_bn",),
        f"{BLOCK}.branch.conv{{n}}": (KERAS_BLOCK + "_{n}_conv",),
        f"{BLOCK}.branch.norm{{n}}": (KERAS_BLOCK + "_{n}_bn",),
        f"{BLOCK}.shortcut.conv": (KERAS_BLOCK + "_0_conv",),
        f"{BLOCK}.shortcut.norm": (KERAS_BLOCK + "_0_bn",),
        "head.linear": ("predictions", "probs", "dense:linear"),
    },
    slots=KERAS,
    layout="keras",
    allows=_V1,
    defaults=NO_BATCH_COUNT,
    preprocess=("caffe",),
    classes=IMAGENET_CLASSES,
    licence="MIT, as the Keras Applications' notice says of the weights ported from KaimingHe",
)
APPLICATIONS_V2 = Dialect(
    name="keras-v2",
    family="keras",
    title="Keras Applications' ResNetV2",
    source="keras/applications/resnet_v2.py",
    layers={
        "stem.conv1": ("conv1_conv",),
        f"{BLOCK}.branch.norm1": (KERAS_BLOCK + "_preact_bn",),
        f"{BLOCK}.branch.norm2": (KERAS_BLOCK + "_1_bn",),
        f"{BLOCK}.branch.norm3": (KERAS_BLOCK + "_2_bn",),
        f"{BLOCK}.branch.conv{{n}}": (KERAS_BLOCK + "_{n}_conv",),
        f"{BLOCK}.shortcut.conv": (KERAS_BLOCK + "_0_conv",),
        "norm": ("post_bn",),
        "head.linear": ("predictions", "probs", "dense:linear"),
    },
    slots=KERAS,
    layout="keras",
    allows=_V1
    | {
        "order": ("pre",),
        "stride_on": ("3x3",),
        "stride_in": ("last",),
        "strides": ((2, 2, 2, 1),),
        "projects": ("first_block",),
        "projection_norm": (False,),
        "conv_bias": (("stem", "last", "projection"),),
    },
    defaults=NO_BATCH_COUNT,
    preprocess=("inception",),
    classes=IMAGENET_CLASSES,
)
_MATTERPORT_LAYERS = {
    "stem.conv1": ("conv1",),
    "stem.norm1": ("bn_conv1",),
    f"{BLOCK}.branch.conv{{n}}": ("res{stage+2}{letter}_branch2{abc}",),
    f"{BLOCK}.branch.norm{{n}}": ("bn{stage+2}{letter}_branch2{abc}",),
    f"{BLOCK}.shortcut.conv": ("res{stage+2}{letter}_branch1",),
    f"{BLOCK}.shortcut.norm": ("bn{stage+2}{letter}_branch1",),
}
_OLD_KERAS = _V1 | {"norm_eps": (1e-3,), "pool_fill": ("-inf",)}
MATTERPORT = Dialect(
    name="matterport",
    family="matterport",
    title="Matterport's Mask R-CNN",
    source="Matterport Mask R-CNN, mrcnn/model.py, resnet_graph",
    layers=_MATTERPORT_LAYERS
    | {"head.hidden": ("dense_1", "dense:hidden"), "head.linear": ("dense_2", "dense:linear")},  # note 001's
    slots=KERAS,
    layout="keras",
    allows=_OLD_KERAS | {"pool_padding": ("same",), "head": ("none", "mlp")},
    defaults=NO_BATCH_COUNT,
    preprocess=("matterport",),
    licence="MIT",
)
KERAS_2016 = Dialect(
    name="keras-2016",
    family="keras-2016",
    title="the ResNet50 of Keras before 2.2.5",
    source="keras-applications 1.0.7, resnet50.py; fchollet/deep-learning-models",
    layers=_MATTERPORT_LAYERS | {"head.linear": ("fc1000",)},
    slots=KERAS,
    layout="keras",
    # A zero border of 1 before the pool since keras-applications 1.0.5. Before that it pooled with none, and 55x55
    # came of 224: that network is no row of ours, and its maps are other maps.
    allows=_OLD_KERAS | {"pool_padding": ("symmetric",), "pool_fill": ("zero",), "head": ("linear",)},
    defaults=NO_BATCH_COUNT,
    preprocess=("caffe",),
    classes=IMAGENET_CLASSES,
    licence="MIT",
)
CAFFE_RELEASE = Dialect(
    name="caffe",
    family="caffe",
    title="the authors' Caffe release",
    source="KaimingHe/deep-residual-networks, prototxt",
    layers={
        "stem.conv1": ("conv1",),
        "stem.norm1": ("_conv1",),
        f"{BLOCK}.branch.conv{{n}}": ("res{stage+2}{caffe}_branch2{abc}",),
        f"{BLOCK}.branch.norm{{n}}": ("{stage+2}{caffe}_branch2{abc}",),
        f"{BLOCK}.shortcut.conv": ("res{stage+2}{caffe}_branch1",),
        f"{BLOCK}.shortcut.norm": ("{stage+2}{caffe}_branch1",),
        "head.linear": ("fc1000", "fc"),
    },
    slots=CAFFE,
    allows=IMAGENET
    | {"stride_on": ("1x1",), "pool_padding": ("ceil",), "conv_bias": ((), ("stem",)), "se_reduction": (None,)},
    defaults=NO_BATCH_COUNT,
    preprocess=("caffe",),
    classes=IMAGENET_CLASSES,
    licence="MIT",
)
ROWS = (APPLICATIONS, APPLICATIONS_V2, KERAS_2016, MATTERPORT, CAFFE_RELEASE)
