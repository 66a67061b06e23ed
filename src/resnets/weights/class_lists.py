"""Class lists: the names behind a known number of logits, in their published order."""

from __future__ import annotations

from pathlib import Path

from resnets.files import bounded

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
"""Krizhevsky 2009, batches.meta."""

MOST_LIST_BYTES = 16 << 20
"""Of a file with a name on each line; ImageNet-21k's has 0.5 MB."""


def class_names(given: str | tuple[str, ...] | list[str] | None, count: int) -> tuple[str, ...]:
    """Return `count` class names: of a known list ("imagenet", "cifar10"), of a text file, or as given.

    None gives the numbers "0", "1", ... themselves, which is what a file without names says. Raises `ValueError`
    where there are more or fewer.
    """
    if given is None:
        return tuple(map(str, range(count)))
    names = tuple(given) if not isinstance(given, str) else _listed(given)
    if len(names) != count:
        what = repr(given) if isinstance(given, str) else "the list"
        raise ValueError(f"{what} has {len(names)} class names, and the network has {count} logits; give {count}")
    return names


def _listed(given: str) -> tuple[str, ...]:
    if given == "imagenet":
        return imagenet()
    if given == "cifar10":
        return CIFAR10
    if not Path(given).is_file():
        raise ValueError(
            f"{given!r} is no list of class names; give imagenet, cifar10, or a text file with one name a line"
        )
    text = bounded.read(given, MOST_LIST_BYTES).decode("utf-8", errors="replace")
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def imagenet() -> tuple[str, ...]:
    """Return the names of ILSVRC 2012's thousand classes, as torchvision's weights list them.

    A name that stands twice in that list gets its number too, since class names must differ.
    """
    from torchvision.models import ResNet50_Weights

    names: list[str] = ResNet50_Weights.IMAGENET1K_V1.meta["categories"]
    return tuple(f"{name} ({index})" if names.count(name) > 1 else name for index, name in enumerate(names))
