"""The repositories of Microsoft's ResNets on Hugging Face, in the naming of transformers."""

from __future__ import annotations

from dataclasses import replace

from resnets.spec.preprocess import IMAGENET
from resnets.weights.hub.row import Row, Tested

# Converted from timm by transformers' convert_resnet_to_pytorch.py, which gives them ConvNext's image processor:
# shorter side to 224 / 0.875, bicubic, centre crop. Their cards state no accuracy. The repository's own
# preprocessor_config.json is fetched with the weights, and what it says goes before this row.
TESTED = Tested(preprocess=replace(IMAGENET, interpolation="bicubic"))

ROWS = tuple(
    Row(
        name=f"hf:microsoft/resnet-{depth}",
        hub="hf",
        path=f"microsoft/resnet-{depth}",
        architecture=f"resnet{depth}",
        dialect="transformers",
        tested=(TESTED,),
        licence="Apache-2.0",
        source=f"https://huggingface.co/microsoft/resnet-{depth}",
    )
    for depth in (18, 34, 50, 101, 152)
)
