"""Keras's paths: a layer's name and a tensor's, out of the groups that each version of its files nests them in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from resnets.weights.containers.contents import Stored

Tensors = Mapping[str, Stored]

BY_DIMENSIONS = {  # of the first variable of a layer in Keras 3's files, which number the variables of a layer
    4: ("kernel", "bias"),
    2: ("kernel", "bias"),
    1: ("gamma", "beta", "moving_mean", "moving_variance"),
}
_NUMBERED = re.compile(r"(.+)/vars/(\d+)")


def by_layer(tensors: Tensors, facts: Mapping[str, Any]) -> dict[str, Stored]:
    """Return the tensors of a Keras file as "layer/kernel", whichever version wrote it.

    Legacy: "conv1/conv1/kernel:0", Keras 1: "conv1/conv1_W:0", inside a whole model below "model_weights/", inside a
    network used as a layer below that layer's group. Keras 3: "layers/conv2d/vars/0", named by the group's own
    name where the file has it. Two tensors that would get one name keep their paths.
    """
    names: dict[str, str] = {}
    for path in tensors:
        names[path] = _keras3(path, tensors, facts) or _legacy(path)
    counts: dict[str, int] = {}
    for name in names.values():
        counts[name] = counts.get(name, 0) + 1
    return {name if counts[name] == 1 else path: tensors[path] for path, name in names.items()}


def _legacy(path: str) -> str:
    words = path.removeprefix("model_weights/").split("/")
    slot = re.sub(r":\d+$", "", words[-1])
    layer = words[-2] if len(words) > 1 else ""
    return f"{layer}/{slot.removeprefix(layer + '_')}"


def _keras3(path: str, tensors: Tensors, facts: Mapping[str, Any]) -> str | None:
    found = _NUMBERED.fullmatch(path)
    if not found:
        return None
    group, number = found[1], int(found[2])
    first = tensors.get(f"{group}/vars/0")
    slots = BY_DIMENSIONS.get(len(first.shape), ()) if first else ()
    whole = len(slots) != 4 or f"{group}/vars/3" in tensors  # a norm without its scale or offset has other numbers
    slot = slots[number] if number < len(slots) and whole else f"vars/{number}"
    given = facts.get("group_names") or {}
    layer = given.get(group) or given.get(f"{group}/vars") or group.rpartition("/")[2]
    return f"{layer}/{slot}"
