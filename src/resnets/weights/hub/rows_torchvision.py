"""torchvision's weights: facts of its `models/resnet.py`, which a test holds against the installed package."""

from __future__ import annotations

from dataclasses import replace

from resnets.spec.preprocess import IMAGENET
from resnets.weights.hub.row import Row, Tested

# weights' enum, its member, file below /models, resize, top-1, top-5 (percent), size (MiB).
# The file's name ends in the first eight hex digits of its SHA-256. At 224 pixels, bilinear, antialiased.
TABLE = (
    ("ResNet18", "IMAGENET1K_V1", "resnet18-f37072fd.pth", 256, 69.758, 89.078, 44.661),
    ("ResNet34", "IMAGENET1K_V1", "resnet34-b627a593.pth", 256, 73.314, 91.420, 83.275),
    ("ResNet50", "IMAGENET1K_V1", "resnet50-0676ba61.pth", 256, 76.130, 92.862, 97.781),
    ("ResNet50", "IMAGENET1K_V2", "resnet50-11ad3fa6.pth", 232, 80.858, 95.434, 97.790),
    ("ResNet101", "IMAGENET1K_V1", "resnet101-63fe2227.pth", 256, 77.374, 93.546, 170.511),
    ("ResNet101", "IMAGENET1K_V2", "resnet101-cd907fc2.pth", 232, 81.886, 95.780, 170.530),
    ("ResNet152", "IMAGENET1K_V1", "resnet152-394f9c45.pth", 256, 78.312, 94.046, 230.434),
    ("ResNet152", "IMAGENET1K_V2", "resnet152-f82ba261.pth", 232, 82.284, 96.002, 230.474),
    ("ResNeXt50_32X4D", "IMAGENET1K_V1", "resnext50_32x4d-7cdf4587.pth", 256, 77.618, 93.698, 95.789),
    ("ResNeXt50_32X4D", "IMAGENET1K_V2", "resnext50_32x4d-1a0047aa.pth", 232, 81.198, 95.340, 95.833),
    ("ResNeXt101_32X8D", "IMAGENET1K_V1", "resnext101_32x8d-8ba56ff5.pth", 256, 79.312, 94.526, 339.586),
    ("ResNeXt101_32X8D", "IMAGENET1K_V2", "resnext101_32x8d-110c445d.pth", 232, 82.834, 96.228, 339.673),
    ("ResNeXt101_64X4D", "IMAGENET1K_V1", "resnext101_64x4d-173b62eb.pth", 232, 83.246, 96.454, 319.318),
    ("Wide_ResNet50_2", "IMAGENET1K_V1", "wide_resnet50_2-95faca4d.pth", 256, 78.468, 94.086, 131.820),
    ("Wide_ResNet50_2", "IMAGENET1K_V2", "wide_resnet50_2-9ba9bcbe.pth", 232, 81.602, 95.758, 263.124),
    ("Wide_ResNet101_2", "IMAGENET1K_V1", "wide_resnet101_2-32ee1156.pth", 256, 78.848, 94.284, 242.896),
    ("Wide_ResNet101_2", "IMAGENET1K_V2", "wide_resnet101_2-d733dc28.pth", 232, 82.510, 96.020, 484.747),
)

# Whole hashes that users of these three files have written down; each begins with the digits in its file's name.
WHOLE = {
    "f37072fd": "f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec",
    "0676ba61": "0676ba61b6795bbe1773cffd859882e5e297624d384b6993f7c9e683e722fb8a",
    "11ad3fa6": "11ad3fa62ca79e40addfd354a8ec4b7c75143b3038b8d2a807fbc68deab379ca",
}


def _row(enum: str, member: str, file: str, resize: int, top1: float, top5: float, mebibytes: float) -> Row:
    digits = file.removesuffix(".pth").rpartition("-")[2]
    return Row(
        name=f"torchvision:{enum}_Weights.{member}",
        hub="torchvision",
        path=f"models/{file}",
        architecture=enum.lower(),
        dialect="torchvision",
        tested=(Tested(preprocess=replace(IMAGENET, resize=resize), top1=top1, top5=top5),),
        licence="BSD-3-Clause",  # the package's; it states no other for its weights
        source="torchvision.models.resnet",
        sha256=WHOLE.get(digits, digits),
        mebibytes=mebibytes,
    )


ROWS = tuple(_row(*line) for line in TABLE)
