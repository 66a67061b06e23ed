"""The dialects of PyTorch's world: one row each."""

from __future__ import annotations

from typing import Any

from resnets.weights.dialects.dialect import Dialect
from resnets.weights.dialects.slots import CAFFE2, TORCH

BLOCK = "stages.{stage}.{block}"
NO_BATCH_COUNT = {"num_batches_tracked": "0"}
IMAGENET_CLASSES = "imagenet"

# What every PyTorch codebase here has in common.
POST: dict[str, tuple[Any, ...]] = {
    "order": ("post",),
    "stride_in": ("first",),
    "padding": ("symmetric",),
    "pool_padding": ("symmetric",),
    "pool_fill": ("-inf",),
    "norm_eps": (1e-5,),
    "projection_norm": (True,),
    "projects": ("shape_changes",),
    "head_pooling": ("average",),
    "head": ("linear", "none"),
    "conv_bias": ((),),
    "stride_on": ("3x3",),
}
IMAGENET = POST | {"stem": ("imagenet",), "shortcut": ("projection",)}

TORCHVISION_LAYERS: dict[str, tuple[str, ...]] = {
    "stem.conv1": ("conv1",),
    "stem.norm1": ("bn1",),
    f"{BLOCK}.branch.conv{{n}}": ("layer{stage+1}.{block}.conv{n}",),
    f"{BLOCK}.branch.norm{{n}}": ("layer{stage+1}.{block}.bn{n}",),
    f"{BLOCK}.shortcut.conv": ("layer{stage+1}.{block}.downsample.0", "layer{stage+1}.{block}.shortcut.0"),
    f"{BLOCK}.shortcut.norm": ("layer{stage+1}.{block}.downsample.1", "layer{stage+1}.{block}.shortcut.1"),
    # fc.1: a linear layer behind a dropout, which is how a head is most often replaced
    "head.linear": ("fc", "linear", "classifier", "head.fc", "fc.1", "classifier.1"),
}
TIMM_GATE = {
    f"{BLOCK}.branch.gate.squeeze": ("layer{stage+1}.{block}.se.fc1",),
    f"{BLOCK}.branch.gate.excite": ("layer{stage+1}.{block}.se.fc2",),
}
DEEP_STEM = {
    "stem.conv1": ("conv1.0",),
    "stem.norm1": ("conv1.1",),
    "stem.conv2": ("conv1.3",),
    "stem.norm2": ("conv1.4",),
    "stem.conv3": ("conv1.6",),
    "stem.norm3": ("bn1",),
}
POOLED = {
    f"{BLOCK}.shortcut.conv": ("layer{stage+1}.{block}.downsample.1",),  # 0 is the average pool, or nothing
    f"{BLOCK}.shortcut.norm": ("layer{stage+1}.{block}.downsample.2",),
}

TORCHVISION = Dialect(
    name="torchvision",
    family="torchvision",
    title="torchvision",
    source="torchvision/models/resnet.py",
    layers=TORCHVISION_LAYERS,
    slots=TORCH,
    allows=IMAGENET | {"se_reduction": (None,)},
    defaults=NO_BATCH_COUNT,
    preprocess=("imagenet", "imagenet-232"),
    classes=IMAGENET_CLASSES,
    licence="BSD-3-Clause (torchvision's code)",
)
TIMM = Dialect(
    name="timm",
    family="timm",
    title="timm",
    source="timm/models/resnet.py",
    layers=TORCHVISION_LAYERS | TIMM_GATE,
    slots=TORCH,
    allows=IMAGENET,
    defaults=NO_BATCH_COUNT,
    preprocess=("timm-875", "timm-95", "imagenet"),
    classes=IMAGENET_CLASSES,
)
TIMM_C = Dialect(
    name="timm-c",
    family="timm",
    title="timm's ResNet-C",
    source="timm/models/resnet.py, stem_type='deep'",
    layers=TORCHVISION_LAYERS | TIMM_GATE | DEEP_STEM,
    slots=TORCH,
    allows=IMAGENET | {"stem": ("deep",)},
    defaults=NO_BATCH_COUNT,
    preprocess=("timm-875", "timm-95"),
    classes=IMAGENET_CLASSES,
)
TIMM_D = Dialect(
    name="timm-d",
    family="timm",
    title="timm's ResNet-D",
    source="timm/models/resnet.py, stem_type='deep', avg_down=True",
    layers=TORCHVISION_LAYERS | TIMM_GATE | DEEP_STEM | POOLED,
    slots=TORCH,
    allows=IMAGENET | {"stem": ("deep",), "shortcut": ("pooled_projection",)},
    defaults=NO_BATCH_COUNT,
    preprocess=("timm-95", "timm-half"),  # ra2 | ra4
    classes=IMAGENET_CLASSES,
)
TIMM_V2 = Dialect(
    name="timm-v2",
    family="timm",
    title="timm's pre-activation ResNet",
    source="timm/models/resnetv2.py",
    layers={
        "stem.conv1": ("stem.conv",),
        f"{BLOCK}.branch.conv{{n}}": ("stages.{stage}.blocks.{block}.conv{n}",),
        f"{BLOCK}.branch.norm{{n}}": ("stages.{stage}.blocks.{block}.norm{n}",),
        f"{BLOCK}.shortcut.conv": ("stages.{stage}.blocks.{block}.downsample.conv",),
        "norm": ("norm",),
        "head.linear": ("head.fc",),
    },
    slots=TORCH,
    allows=IMAGENET
    | {"order": ("pre",), "projection_norm": (False,), "block": ("bottleneck",), "se_reduction": (None,)},
    defaults=NO_BATCH_COUNT,
    preprocess=("timm-half",),
    classes=IMAGENET_CLASSES,
    conv_head=True,
)
CIFAR = Dialect(
    name="cifar",
    family="cifar",
    title="the CIFAR repositories with torchvision's names",
    source="akamaster/pytorch_resnet_cifar10, chenyaofo/pytorch-cifar-models, kuangliu/pytorch-cifar",
    layers=TORCHVISION_LAYERS,
    slots=TORCH,
    allows=POST
    | {
        "stem": ("cifar",),
        "shortcut": ("zero_pad", "projection", "none"),
        "zero_pad_side": ("both", "after"),
        "se_reduction": (None,),
    },
    defaults=NO_BATCH_COUNT,
    preprocess=("cifar10", "cifar-imagenet", "cifar10-std", "cifar100"),
)
WEIAICUNZAI = Dialect(
    name="pytorch-cifar100",
    family="cifar",
    title="weiaicunzai/pytorch-cifar100",
    source="weiaicunzai/pytorch-cifar100, models/resnet.py",
    layers={
        "stem.conv1": ("conv1.0",),
        "stem.norm1": ("conv1.1",),
        f"{BLOCK}.branch.conv{{n}}": ("conv{stage+2}_x.{block}.residual_function.{3(n-1)}",),
        f"{BLOCK}.branch.norm{{n}}": ("conv{stage+2}_x.{block}.residual_function.{3n-2}",),
        f"{BLOCK}.shortcut.conv": ("conv{stage+2}_x.{block}.shortcut.0",),
        f"{BLOCK}.shortcut.norm": ("conv{stage+2}_x.{block}.shortcut.1",),
        "head.linear": ("fc",),
    },
    slots=TORCH,
    allows=POST | {"stem": ("cifar",), "shortcut": ("projection",), "se_reduction": (None,)},
    defaults=NO_BATCH_COUNT,
    preprocess=("cifar100",),
    licence="none stated",
)
_TRANSFORMERS = {
    "stem.conv1": ("embedder.embedder.convolution",),
    "stem.norm1": ("embedder.embedder.normalization",),
    f"{BLOCK}.branch.conv{{n}}": ("encoder.stages.{stage}.layers.{block}.layer.{n-1}.convolution",),
    f"{BLOCK}.branch.norm{{n}}": ("encoder.stages.{stage}.layers.{block}.layer.{n-1}.normalization",),
    f"{BLOCK}.shortcut.conv": ("encoder.stages.{stage}.layers.{block}.shortcut.convolution",),
    f"{BLOCK}.shortcut.norm": ("encoder.stages.{stage}.layers.{block}.shortcut.normalization",),
}
TRANSFORMERS = Dialect(
    name="transformers",
    family="transformers",
    title="transformers' ResNetForImageClassification",
    source="transformers/models/resnet/modeling_resnet.py",
    layers={ours: tuple(f"resnet.{name}" for name in names) for ours, names in _TRANSFORMERS.items()}
    | {"head.linear": ("classifier.1",)},
    slots=TORCH,
    # Its config can put the stride on the 1x1 (downsample_in_bottleneck); its published weights do not.
    allows=IMAGENET
    | {
        "stride_on": ("3x3", "1x1"),
        "se_reduction": (None,),
        "cardinality": (1,),
        "base_width": (64,),
        "head": ("linear",),
    },
    defaults=NO_BATCH_COUNT,
    preprocess=("transformers", "imagenet"),
    classes=IMAGENET_CLASSES,
)
TRANSFORMERS_MODEL = Dialect(
    name="transformers-model",
    family="transformers",
    title="transformers' ResNetModel",
    source="transformers/models/resnet/modeling_resnet.py",
    layers=_TRANSFORMERS,
    slots=TORCH,
    allows={**TRANSFORMERS.allows, "head": ("none",)},
    defaults=NO_BATCH_COUNT,
    preprocess=("transformers", "imagenet"),
)
DETECTRON2 = Dialect(
    name="detectron2",
    family="detectron2",
    title="detectron2",
    source="detectron2/modeling/backbone/resnet.py",
    layers={
        "stem.conv1": ("stem.conv1",),
        "stem.norm1": ("stem.conv1.norm",),
        f"{BLOCK}.branch.conv{{n}}": ("res{stage+2}.{block}.conv{n}",),
        f"{BLOCK}.branch.norm{{n}}": ("res{stage+2}.{block}.conv{n}.norm",),
        f"{BLOCK}.shortcut.conv": ("res{stage+2}.{block}.shortcut",),
        f"{BLOCK}.shortcut.norm": ("res{stage+2}.{block}.shortcut.norm",),
        "head.linear": ("linear",),
    },
    slots=TORCH,
    # MODEL.RESNETS.STRIDE_IN_1X1 is True for its MSRA weights, and False for torchvision's and ResNeXt.
    allows=IMAGENET | {"stride_on": ("1x1", "3x3"), "se_reduction": (None,), "conv_bias": ((), ("stem",))},
    defaults=NO_BATCH_COUNT,
    preprocess=("detectron", "imagenet"),
    classes=IMAGENET_CLASSES,
    licence="Apache-2.0 (detectron2's code); model zoo CC BY-SA 3.0",
)
DETECTRON = Dialect(
    name="detectron",
    family="detectron",
    title="Detectron (Caffe2)",
    source="facebookresearch/Detectron, modeling/ResNet.py",
    layers={
        "stem.conv1": ("conv1",),
        "stem.norm1": ("res_conv1_bn",),
        f"{BLOCK}.branch.conv{{n}}": ("res{stage+2}_{block}_branch2{abc}",),
        f"{BLOCK}.branch.norm{{n}}": ("res{stage+2}_{block}_branch2{abc}_bn",),
        f"{BLOCK}.shortcut.conv": ("res{stage+2}_{block}_branch1",),
        f"{BLOCK}.shortcut.norm": ("res{stage+2}_{block}_branch1_bn",),
        "head.linear": ("pred", "fc1000"),
    },
    slots=CAFFE2,
    # RESNETS.STRIDE_1X1 is True by default, and False for ResNeXt.
    allows=IMAGENET | {"stride_on": ("1x1", "3x3"), "se_reduction": (None,), "conv_bias": ((), ("stem",))},
    # AffineChannel: y = s x + b, which a norm of mean 0 and variance 1 - eps is exactly.
    defaults=NO_BATCH_COUNT | {"running_mean": "0", "running_var": "1 - eps"},
    preprocess=("caffe", "detectron"),
    classes=IMAGENET_CLASSES,
    licence="Apache-2.0 (Detectron's code); model zoo CC BY-SA 3.0",
)
PYCLS = Dialect(
    name="pycls",
    family="pycls",
    title="pycls",
    source="facebookresearch/pycls, models/resnet.py",
    layers={
        "stem.conv1": ("stem.conv",),
        "stem.norm1": ("stem.bn",),
        f"{BLOCK}.branch.conv{{n}}": ("s{stage+1}.b{block+1}.f.{abc}",),
        f"{BLOCK}.branch.norm{{n}}": ("s{stage+1}.b{block+1}.f.{abc}_bn",),
        f"{BLOCK}.shortcut.conv": ("s{stage+1}.b{block+1}.proj",),
        f"{BLOCK}.shortcut.norm": ("s{stage+1}.b{block+1}.bn",),
        "head.linear": ("head.fc",),
    },
    slots=TORCH,
    # RESNET.STRIDE_1X1 is a setting of its configuration.
    allows=IMAGENET | {"stem": ("imagenet", "cifar"), "stride_on": ("1x1", "3x3"), "se_reduction": (None,)},
    defaults=NO_BATCH_COUNT,
    preprocess=("imagenet-bgr",),
    classes=IMAGENET_CLASSES,
    licence="MIT (pycls' code)",
)
ROWS = (
    TORCHVISION, TIMM, TIMM_C, TIMM_D, TIMM_V2, CIFAR, WEIAICUNZAI, TRANSFORMERS, TRANSFORMERS_MODEL, DETECTRON2,
    DETECTRON, PYCLS,
)  # fmt: skip
