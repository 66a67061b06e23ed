"""Stated: what a checkpoint says of its network beside its tensors: attributes of pickled modules, names, arguments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from resnets.spec.architecture import Architecture
from resnets.spec.plan import Conv, Norm
from resnets.spec.resolve import plan
from resnets.spec.variants import VARIANTS
from resnets.weights.dialects.match import Match

Facts = Mapping[str, Any]

TOLD_BY_SHAPES = ("block", "order", "stem", "blocks", "widths", "cardinality", "base_width", "se_reduction", "shortcut")
"""Facts by which a network that is called resnet101 is known to be one."""

ACTIVATIONS = ("torch.nn.modules.activation.", "timm.layers.activations")
KNOWN_ACTIVATIONS = ("ReLU", "Softmax", "LogSoftmax", "Sigmoid")
"""Modules of a whole pickled network that are this family's own: ReLU, a gate's sigmoid, what follows the logits."""

DILATING = ("dilation", "output_stride", "replace_stride_with_dilation")
CLASS_KEYS = ("classes", "class_names", "CLASSES", "meta.CLASSES", "meta.classes", "names", "labels")


def stated_eps(match: Match, facts: Facts) -> dict[str, Any]:
    """Return `norm_eps`, where a whole pickled module states one for every norm that it speaks of."""
    layers = [key.removesuffix(".running_var") for key in match.keys.values() if key.endswith(".running_var")]
    eps = {facts[f"{layer}.eps"] for layer in layers if isinstance(facts.get(f"{layer}.eps"), float)}
    return {"norm_eps": eps.pop()} if len(eps) == 1 and 0 < min(eps) < 1 else {}


def frozen_eps_open(match: Match) -> Match:
    """Return a match whose norm_eps is open where it is a detector's of torchvision, with frozen norms.

    Its COCO_V1 detectors compute with eps 0 (torchvision/models/detection/_utils.py, overwrite_eps), which is written
    1e-12 here; any other detector with the usual one. Frozen norms keep no batch counts.
    """
    detector = {"region proposals", "detection heads"} & set(match.aside)
    frozen = not any(name.endswith("num_batches_tracked") for name in match.keys)
    if not (detector and frozen and match.dialect.name == "torchvision"):
        return match
    return replace(match, dialect=replace(match.dialect, allows={**match.dialect.allows, "norm_eps": (1e-5, 1e-12)}))


def contradictions(match: Match, arch: Architecture, facts: Facts, not_run: tuple[str, ...]) -> list[str]:
    """Return a sentence for each thing a checkpoint states that its network would not be.

    A whole pickled module states every stride, padding and dilation, and names its activations; a training script
    may write the name of the network.
    """
    found: list[str] = []
    for layer in plan(arch).layers():
        key = match.keys.get(f"{layer.name}.weight", "").removesuffix(".weight")
        if key and isinstance(layer, Conv):
            found += _differing(layer, key, facts)
        elif key and isinstance(layer, Norm) and facts.get(f"{key}.eps", layer.eps) != layer.eps:
            found.append(f"{key} has eps {facts[f'{key}.eps']}, and the network would have {layer.eps}")
    first = match.keys.get("stem.conv1.weight", "").removesuffix(".weight")
    if f"{first}.stride" in facts and "torchvision.models.resnet.ResNet" in not_run:
        pools = f"{match.prefix}maxpool.kernel_size" in facts
        if pools != (arch.stem != "cifar"):
            found.append("its stem has a pool" if pools else "its stem has no pool")
    found += [
        f"its activation is {name.rpartition('.')[2]}, and networks here have ReLU"
        for name in not_run
        if name.startswith(ACTIVATIONS) and name.rpartition(".")[2] not in KNOWN_ACTIVATIONS
    ]
    name = _called(facts)
    row = VARIANTS.get(name)
    if row and any(getattr(row, fact) != getattr(arch, fact) for fact in TOLD_BY_SHAPES):
        found.append(f"it calls itself {name}, and its tensors are those of {arch.name}")
    return found[:6]


def strides_in_doubt(match: Match, facts: Facts) -> str:
    """Return why a network of these names and shapes may stride elsewhere than its row, or "" where nothing says so.

    Dilated, anti-aliased and blurred networks have the same tensors, and this family has none of them.
    """
    if "segmentation heads" in match.aside:
        return "it lies beside segmentation heads, whose trunks are often dilated; a dilated one is not read here"
    name = _called(facts)
    if name and name not in VARIANTS and match.dialect.family in ("torchvision", "timm"):
        return f"the file calls it {name[:60]!r}, which is no row here and may be another network"
    for fact, value in facts.items():
        owner, _, word = fact.rpartition(".")
        argued = owner.partition(".")[0] in ("args", "hyper_parameters", "hparams", "config", "cfg", "opt", "")
        if word in DILATING and argued and (value is True or value not in (None, False, 1, 32, "32", "1")):
            return f"the file says {fact}={value!r}; a dilated network is not read here"
    return ""


def stated_classes(facts: Facts, count: int) -> tuple[tuple[str, ...] | None, str]:
    """Return the class names that a checkpoint holds in the order of its logits and where, or None and "".

    Names that are there and do not fit are None with the place: they are nobody's to replace.
    """
    for key in CLASS_KEYS:
        names = facts.get(key)
        if isinstance(names, list | tuple) and names and all(isinstance(name, str) for name in names):
            return (tuple(names) if len(set(names)) == len(names) == count else None), key
    indexed = {key.removeprefix("class_to_idx."): at for key, at in facts.items() if key.startswith("class_to_idx.")}
    if indexed:
        ordered = sorted(indexed, key=lambda name: (str(type(indexed[name])), indexed[name]))
        whole = [indexed[name] for name in ordered] == list(range(count))
        return (tuple(ordered) if whole else None), "class_to_idx"
    return None, ""


def _differing(layer: Conv, key: str, facts: Facts) -> list[str]:
    symmetric = (layer.kernel - 1) // 2
    wanted = {"stride": layer.stride, "dilation": 1, "groups": layer.groups, "padding": symmetric}
    found = []
    for attribute, number in wanted.items():
        value = facts.get(f"{key}.{attribute}")
        if value is not None and value not in (number, (number, number), [number, number]):
            found.append(f"{key} has {attribute} {value}, and the network would have {number}")
    return found


def _called(facts: Facts) -> str:
    """The name that a configuration or a training script gives the network, without a tag: "resnet50"."""
    config = facts.get("config")
    name = config.get("architecture") if isinstance(config, dict) else facts.get("arch")
    return name.partition(".")[0] if isinstance(name, str) else ""
