"""Preprocessing: how the codebases that publish weights turn an image into numbers, one row each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from resnets.files.errors import FileError
from resnets.spec.preprocess import IMAGENET, Preprocess

CAFFE_MEAN = (103.939, 116.779, 123.68)
"""Blue, green, red of ImageNet's training images in 0..255, as the Keras and VGG releases round them."""


@dataclass(frozen=True, slots=True)
class Row:
    """A preprocess and where it is stated."""

    preprocess: Preprocess
    source: str


def from_mean_file(path: Path) -> Preprocess:
    """Return the Caffe preprocess with the mean of a mean file (.binaryproto), averaged over its places.

    The authors subtract the mean image where it is as large as the picture, and its mean colour elsewhere (the
    release's README); the two give slightly different numbers. Raises `FileError` for another file.
    """
    from resnets.weights.containers.caffe import read_mean
    from resnets.weights.containers.contents import array

    values = array(read_mean(path).tensors["mean"]).reshape(-1, *read_mean(path).tensors["mean"].shape[-2:])
    if len(values) != 3:
        raise FileError(f"{path} is a mean of {len(values)} channels; one of 3, blue, green, red, is read")
    return replace(_CAFFE, mean=_whole(tuple(float(plane.mean()) for plane in values)))


def _whole(mean: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(value / 255 for value in mean)


_CAFFE = replace(IMAGENET, colour="bgr", mean=_whole(CAFFE_MEAN), std=(1 / 255,))
_CIFAR = Preprocess(size=(32, 32), fit="squash", profile="ignore")

PREPROCESSES: Mapping[str, Row] = MappingProxyType(
    {
        "imagenet": Row(IMAGENET, "torchvision's IMAGENET1K_V1 weights: 256, centre 224"),
        "imagenet-232": Row(replace(IMAGENET, resize=232), "torchvision's IMAGENET1K_V2 weights: 232, centre 224"),
        "timm-95": Row(
            replace(IMAGENET, resize=235, interpolation="bicubic"), "timm's a1, a2, a3 and c weights: 0.95 bicubic"
        ),
        "imagenet-bgr": Row(
            replace(IMAGENET, colour="bgr", mean=IMAGENET.mean[::-1], std=IMAGENET.std[::-1]),
            "facebookresearch/pycls, datasets/imagenet.py: read by OpenCV, blue first",
        ),
        "timm-half": Row(
            replace(IMAGENET, resize=235, interpolation="bicubic", mean=(0.5,), std=(0.5,)),
            "timm's resnetv2 weights and its ra4 ones: 0.95 bicubic, scaled to -1..1",
        ),
        "timm-875": Row(replace(IMAGENET, interpolation="bicubic"), "timm's default: 0.875 bicubic"),
        "transformers": Row(
            replace(IMAGENET, interpolation="bicubic"), "transformers' processor of microsoft/resnet-50: crop_pct 0.875"
        ),
        "caffe": Row(_CAFFE, "KaimingHe/deep-residual-networks; keras.applications.resnet: BGR less the mean"),
        "detectron": Row(
            replace(_CAFFE, mean=_whole((103.53, 116.28, 123.675))), "detectron2's PIXEL_MEAN, BGR, PIXEL_STD 1"
        ),
        "inception": Row(
            replace(IMAGENET, mean=(0.5,), std=(0.5,)), "keras.applications.resnet_v2: scaled to -1..1"
        ),
        "matterport": Row(
            Preprocess(
                size=(1024, 1024), fit="pad", mean=_whole((123.7, 116.8, 103.9)), std=(1 / 255,), profile="ignore"
            ),
            "Matterport Mask R-CNN, mrcnn/config.py, MEAN_PIXEL (RGB), IMAGE_MAX_DIM 1024",
        ),
        "unit": Row(replace(IMAGENET, mean=(0.0,), std=(1.0,)), "pixels over 255, nothing more"),
        "cifar-imagenet": Row(
            replace(_CIFAR, mean=IMAGENET.mean, std=IMAGENET.std), "akamaster/pytorch_resnet_cifar10, trainer.py"
        ),
        "cifar10": Row(
            replace(_CIFAR, mean=(0.4914, 0.4822, 0.4465), std=(0.2023, 0.1994, 0.2010)),
            "kuangliu/pytorch-cifar, main.py; chenyaofo/pytorch-cifar-models",
        ),
        "cifar10-std": Row(
            replace(_CIFAR, mean=(0.4914, 0.4822, 0.4465), std=(0.2470, 0.2435, 0.2616)),
            "CIFAR-10's own mean and deviation over its training pixels",
        ),
        "cifar100": Row(
            replace(_CIFAR, mean=(0.5070, 0.4865, 0.4409), std=(0.2673, 0.2564, 0.2761)),
            "weiaicunzai/pytorch-cifar100, conf/global_settings.py; chenyaofo/pytorch-cifar-models",
        ),
    }
)  # fmt: skip
"""Every preprocessing that a dialect or `--preprocess` can name."""
