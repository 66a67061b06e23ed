"""Configs: what stands beside the tensors: the `config.json` of transformers and timm, Caffe's settings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from resnets.spec.preprocess import Preprocess

Facts = Mapping[str, Any]

HARMLESS = frozenset({"num_classes", "in_chans", "global_pool", "drop_rate", "drop_path_rate", "zero_init_last"})
"""Arguments of timm's builders that do not change what the tensors compute."""

_INTERPOLATIONS = {0: "nearest", 2: "bilinear", 3: "bicubic"}
"""Pillow's numbers, as transformers stores them."""


def config_facts(facts: Facts) -> dict[str, Any]:
    """Return the facts of an architecture that a configuration states and no tensor tells.

    Raises `ValueError` for a network of another kind, naming the entry.
    """
    if "settings" in facts:
        return _caffe(facts["settings"])
    config = facts.get("config")
    arguments = config.get("model_args") if isinstance(config, dict) else None
    odd = sorted(set(arguments) - HARMLESS) if isinstance(arguments, dict) else []
    if odd:
        raise ValueError(f"is built with model_args {', '.join(odd)} by its config.json, which no network here has")
    if not isinstance(config, dict) or config.get("model_type") != "resnet":
        return {}
    if config.get("hidden_act", "relu") != "relu":
        raise ValueError(f"has a config.json with hidden_act={config['hidden_act']!r}; networks here have relu")
    stages = len(config.get("depths", ())) or 4
    first = 2 if config.get("downsample_in_first_stage") else 1
    return {
        "stride_on": "1x1" if config.get("downsample_in_bottleneck") else "3x3",
        "strides": (first, *(2,) * (stages - 1)),
    }


def _caffe(settings: Mapping[str, Facts]) -> dict[str, Any]:
    """The strides and epsilons that a caffemodel keeps beside its blobs, where it does."""
    found: dict[str, Any] = {}
    for convolution, stride_on in (("res3a_branch2a", "1x1"), ("res3a_branch2b", "3x3")):
        if settings.get(convolution, {}).get("stride") == 2:
            found["stride_on"] = stride_on
    eps = {layer["eps"] for layer in settings.values() if "eps" in layer}
    if len(eps) == 1:
        found["norm_eps"] = float(f"{eps.pop():.6g}")  # stored in float32
    return found


def config_classes(facts: Facts) -> tuple[str, ...] | None:
    """Return the class names of a configuration in the order of the logits, or None where it names none."""
    config = facts.get("config")
    if not isinstance(config, dict):
        return None
    labels = config.get("id2label") or config.get("label_names")
    if isinstance(labels, dict) and all(str(number) in labels for number in range(len(labels))):
        labels = [labels[str(number)] for number in range(len(labels))]
    if isinstance(labels, list) and labels and all(isinstance(label, str) for label in labels):
        return tuple(labels)
    return None


def config_preprocess(facts: Facts) -> tuple[Preprocess, str] | None:
    """Return the preprocess that a configuration states, and where; None where it states none.

    Raises `ValueError` for one that no `Preprocess` can be.
    """
    config, preprocessor = facts.get("config"), facts.get("preprocessor")
    if isinstance(config, dict) and isinstance(config.get("pretrained_cfg"), dict):
        return _timm(config["pretrained_cfg"]), "config.json, pretrained_cfg"
    if isinstance(preprocessor, dict) and "image_mean" in preprocessor:
        return _transformers(preprocessor), "preprocessor_config.json"
    return None


def _timm(cfg: Facts) -> Preprocess:
    size = tuple(cfg.get("input_size", (3, 224, 224)))[1:]
    share = float(cfg.get("crop_pct", 0.875))
    return Preprocess(
        size=(int(size[0]), int(size[1])),
        resize=math.floor(max(size) / share),
        interpolation=cfg.get("interpolation", "bicubic"),
        mean=tuple(cfg["mean"]),
        std=tuple(cfg["std"]),
        profile="ignore",
    )


def _transformers(cfg: Facts) -> Preprocess:
    """The rule of the image processor that is named; without a name, `ConvNextImageProcessor`'s, as ResNets have it.

    Bit: shorter side to size, then a crop of crop_size. ConvNext below 384 pixels: shorter side to size / crop_pct,
    then a crop of size; from 384 on, and ViT: both sides to size.
    """
    mean = tuple(cfg["image_mean"])
    pixels: dict[str, Any] = {
        "interpolation": _INTERPOLATIONS.get(cfg.get("resample", 3), "bicubic"),
        "colour": "grey" if len(mean) == 1 else "rgb",
        "mean": mean,
        "std": tuple(cfg["image_std"]),
        "profile": "ignore",
    }
    size, crop = _sides(cfg.get("size", 224)), cfg.get("crop_size")
    kind = str(cfg.get("image_processor_type") or cfg.get("feature_extractor_type") or "ConvNext")
    if crop is not None and cfg.get("do_center_crop", True) and kind.startswith(("Bit", "CLIP")):
        return Preprocess(size=_sides(crop), fit="crop", resize=min(size), **pixels)
    if kind.startswith("ViT") or min(size) >= 384:
        return Preprocess(size=size, fit="squash", **pixels)
    return Preprocess(size=size, fit="crop", resize=int(min(size) / float(cfg.get("crop_pct", 0.875))), **pixels)


def _sides(size: Any) -> tuple[int, int]:
    """Height and width of the ways in which transformers writes a size."""
    if not isinstance(size, dict):
        return int(size), int(size)
    side = size.get("shortest_edge")
    return (int(side), int(side)) if side else (int(size["height"]), int(size["width"]))
