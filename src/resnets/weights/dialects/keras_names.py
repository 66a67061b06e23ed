"""Keras's paths: a layer's name and a tensor's, out of the groups that each version of its files nests them in."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from resnets.weights.containers.contents import Stored

Tensors = Mapping[str, Stored]

BY_DIMENSIONS = {  # of the first variable of a layer in Keras 3's files, which number the variables of a layer
    4: ("kernel", "bias"),
    2: ("kernel", "bias"),
    1: ("gamma", "beta", "moving_mean", "moving_variance"),
}
_DENSE = re.compile(r"dense(_\d+)?")
_NUMBERED = re.compile(r"(.+)/vars/(\d+)")
_SLOT = re.compile(r"(.*?)(?:_\d+)?(?::\d+)?")  # TensorFlow counts a name it has met before, and outputs after a colon


def by_layer(tensors: Tensors, facts: Mapping[str, Any]) -> dict[str, Stored]:
    """Return the tensors of a Keras file as "layer/kernel", whichever version wrote it.

    Legacy: "conv1/conv1/kernel:0", Keras 1: "conv1/conv1_W:0", inside a whole model below "model_weights/", inside a
    network used as a layer below that layer's group. Keras 3: "layers/conv2d/vars/0", named by the group's own
    name where the file has it. Two tensors that would get one name keep their paths.
    """
    inner = _inner_groups(tensors)
    own = [path for path in tensors if not path.startswith(("optimizer", "optimizer_weights"))]
    names = _heads({path: _keras3(path, tensors, facts) or _legacy(path, inner) for path in own})
    names |= {path: path for path in tensors if path not in names}
    counts = Counter(names.values())
    return {name if counts[name] == 1 else path: tensors[path] for path, name in names.items()}


def _heads(names: dict[str, str]) -> dict[str, str]:
    """The same names, but automatic dense layers by what they are: of two, the one that was counted first is hidden."""
    dense = {layer for name in names.values() if _DENSE.fullmatch(layer := name.rpartition("/")[0])}
    counted = sorted(dense, key=lambda layer: int(layer.partition("_")[2] or 0))
    if not 1 <= len(counted) <= 2:
        return names
    roles = dict(zip(reversed(counted), ("dense:linear", "dense:hidden"), strict=False))
    return {
        path: f"{roles.get(name.rpartition('/')[0], name.rpartition('/')[0])}/{name.rpartition('/')[2]}"
        for path, name in names.items()
    }


def _words(path: str) -> list[str]:
    return path.removeprefix("model_weights/").split("/")


def _inner_groups(tensors: Tensors) -> dict[str, set[str]]:
    """For each group at the top, what it holds: itself again for a layer, several layers for a nested network."""
    inner: dict[str, set[str]] = {}
    for path in tensors:
        words = _words(path)
        inner.setdefault(words[0], set()).add(words[-2] if len(words) > 2 else words[0])
    return inner


def _legacy(path: str, inner: Mapping[str, set[str]]) -> str:
    words = _words(path)
    # A layer's group is its name; the one inside may be counted ("conv1_conv_1"), which is the graph's business.
    layer = words[0] if len(inner[words[0]]) == 1 else words[-2]
    if len(words) == 1:
        return f"/{words[0]}"
    found = _SLOT.fullmatch(words[-1])
    slot = found[1] if found else words[-1]
    return f"{layer}/{slot.removeprefix(words[-2] + '_').removeprefix(layer + '_')}"


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
    return f"{given.get(group) or group.rpartition('/')[2]}/{slot}"
