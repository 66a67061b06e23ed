"""Refusals: why a checkpoint is not loaded, what it is, which tensors matter, and the command that works."""

from __future__ import annotations

from collections.abc import Collection
from typing import NoReturn

from resnets.spec.architecture import Architecture
from resnets.spec.variants import VARIANTS, differences_from_row
from resnets.weights.dialects.deduce import FREE, Fact
from resnets.weights.dialects.dialect import relevant
from resnets.weights.identify import Identity


def what_it_is(identity: Identity) -> str:
    """Return a phrase such as "resnet50 in torchvision's names under 'module.' (torch zip), 1000 classes"."""
    arch = identity.architecture
    name = called(arch, identity.unknown) if arch else "a network"
    under = f" under {identity.match.prefix!r}" if identity.match.prefix else ""
    classes = f", {arch.num_classes} classes" if arch and arch.classes_out else ", no head" if arch else ""
    return f"{name} in the names of {identity.match.dialect.title}{under} ({identity.contents.container}){classes}"


def called(arch: Architecture, unknown: Collection[str] = ()) -> str:
    """Return the row's name, or what a network is like that no row is: "like resnet18, with blocks=2,2,2,1"."""
    other = [name for name in differences_from_row(arch) if name in relevant(arch) - FREE - set(unknown)]
    if not other:
        return arch.name
    return f"like {arch.name}, with " + " and ".join(f"{name}={_typed(getattr(arch, name))}" for name in other[:4])


def refuse_problems(identity: Identity) -> NoReturn:
    """Raise `ValueError` with what does not fit."""
    advice = ""
    if len(identity.parts) > 1:
        advice = f" In Python: load(..., part={identity.parts[0].rstrip('./')!r})."
    elif identity.match.left:
        advice = (
            " If they are a head of another kind, load the trunk alone: load(..., told={'head': 'none'}), "
            "`resnets convert` with --set head=none."
            if all("." in key for key in identity.match.left)
            else ""
        )
    elif any("missing" in problem for problem in identity.problems):
        advice = (
            " The file is cut down or of another network. `resnets convert --allow-partial`, "
            "load(..., allow_partial=True), draws what is "
            "missing anew and says how much that is."
        )
    raise ValueError(
        f"{identity.path} looks like {what_it_is(identity)}, and cannot be loaded: "
        f"{'; '.join(identity.problems)}.{advice}"
    )


def refuse_unknown(identity: Identity) -> NoReturn:
    """Raise `ValueError` with what is open, the choices, and the flags."""
    choices = "; ".join(_choice(name, fact) for name, fact in identity.unknown.items())
    raise ValueError(
        f"{identity.path} is {what_it_is(identity)}, but the file does not say {choices}. The numbers depend on it: "
        "give it to `resnets convert`, or to load(..., told={...}), or let `resnets identify FILE --probe IMAGES` rank "
        "what "
        "it may be"
    )


def _choice(name: str, fact: Fact) -> str:
    values = [_typed(value) for value in fact.alternatives]
    if name == "preprocess":
        return f"how pixels become numbers (--preprocess {' | '.join(values)})"
    why = f", because {fact.why}" if len(values) == 1 else ""
    return f"{name} (--set {name}={' | '.join(values)}{why})"


def _typed(value: object) -> str:
    """A value as it is typed after --set."""
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def refuse_other_network(identity: Identity, network: str) -> None:
    """Raise `ValueError` where the file is another network than the row that was asked for."""
    arch, asked = identity.architecture, VARIANTS[network]
    if arch is None:
        return
    doing = (relevant(arch) | relevant(asked)) - FREE
    differences = [n for n in sorted(doing) if getattr(arch, n) != getattr(asked, n)]
    if differences:
        told = "; ".join(f"{n} is {getattr(arch, n)}, and {network} has {getattr(asked, n)}" for n in differences[:4])
        other = "" if called(arch) != arch.name else f", or ask for {arch.name}"
        raise ValueError(
            f"{identity.path} is {what_it_is(identity)}, and {network} was asked: {told}. Leave the name out{other}"
        )
