"""The facts on a judgement's page: what was found, the model, recipe, preprocessing, data, machine and command."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any

from resnets.data.manifest import Manifest
from resnets.files.machine import processors
from resnets.page.judgement import Block, Code, Section, Table, Words
from resnets.page.texts import Language, text
from resnets.spec.card import Card

PACKAGES = ("resnets", "torch", "torchvision", "numpy", "pillow")

SHOWN_LEFT_OUT = 500
"""Pictures that the page names of those a manifest leaves out."""


def environment(**more: object) -> dict[str, object]:
    """Return what the last bits of a number depend on: versions, machine, and what else is given."""
    packages = {name: version(name) for name in PACKAGES}
    system = {"python": platform.python_version(), "system": platform.system(), "machine": platform.machine()}
    return {**packages, **system, "processors": processors(), **more}


def findings_sections(
    manifest: Manifest | None, findings: Sequence[Mapping[str, Any]], language: Language, *, is_run: bool
) -> Iterator[Section]:
    """Yield what the pre-flight and the doctor found; of a run also that they found nothing."""
    if manifest is not None:
        yield Section(
            name="preflight", title=text("preflight", language), blocks=_manifest(manifest, language), is_half=False
        )
    elif is_run:
        words = Words(words=text("preflight_none", language), is_quiet=True)
        yield Section(name="preflight", title=text("preflight", language), blocks=(words,))
    if findings:
        table = Table(
            columns=tuple(text(key, language) for key in ("step", "rule", "says")),
            figures=(0,),
            rows=tuple((f"{one['step']:,}", str(one.get("rule", "")), str(one.get("says", ""))) for one in findings),
        )
        yield Section(name="doctor", title=text("doctor", language), blocks=(table,))
    elif is_run:
        words = Words(words=text("doctor_none", language), is_quiet=True)
        yield Section(name="doctor", title=text("doctor", language), blocks=(words,))


def _manifest(manifest: Manifest, language: Language) -> tuple[Block, ...]:
    left_out = manifest.by_rule
    rules = dict.fromkeys((*left_out, *manifest.kept))
    counts = Table(
        columns=tuple(text(key, language) for key in ("rule", "left_out", "kept")),
        figures=(1, 2),
        rows=tuple((rule, f"{left_out.get(rule, 0):,}", f"{manifest.kept.get(rule, 0):,}") for rule in rules),
        is_code=True,
    )
    if not manifest.left_out:
        return (counts,)
    shown = manifest.left_out[:SHOWN_LEFT_OUT]
    fold = f"{text('left_out', language)}: {text('of_pictures', language, count=len(manifest.left_out))}"
    if len(shown) < len(manifest.left_out):
        fold += f" ({len(shown):,} / {len(manifest.left_out):,})"
    columns = tuple(text(key, language) for key in ("picture", "rule", "reason"))
    return counts, Table(columns=columns, rows=tuple((one.name, one.rule, one.reason) for one in shown), fold=fold)


def facts_sections(
    card: Card,
    recipe: Mapping[str, object],
    asked: Mapping[str, object],
    machine: Mapping[str, object],
    language: Language,
) -> Iterator[Section]:
    """Yield tables of model, preprocessing, environment and recipe."""
    yield _facts("model", model_facts(card, language), language, is_code=False)
    if asked:
        yield _facts("request", asked, language)
    yield _facts("preprocess", card.preprocess.to_dict(), language)
    if machine:
        yield _facts("environment", machine, language)
    if recipe:
        yield _facts("recipe", recipe, language)
    else:
        words = Words(words=text("recipe_none", language), is_quiet=True)
        yield Section(name="recipe", title=text("recipe", language), blocks=(words,), is_half=True)


def model_facts(card: Card, language: Language) -> dict[str, object]:
    """Return what a model's card says of it, by names in the page's language."""
    said = card.origin.get("data")
    data: Mapping[str, Any] = said if isinstance(said, dict) else {}
    facts = {
        "network": card.architecture.name,
        "task": text(f"task_{card.task}", language),
        "classes_count": f"{len(card.classes):,}",
        "started_from": card.origin.get("started_from"),
        "trained_on": data.get("name"),
        "trained_pictures": data.get("pictures"),
        "temperature": card.calibration.get("temperature"),
        "unknown_below": card.calibration.get("unknown_below"),
    }
    return {text(key, language): value for key, value in facts.items() if value is not None}


def data_section(data: Mapping[str, object], split: str, language: Language) -> Section:
    """Return what the pictures are."""
    names = {"name": "name", "sha256": "fingerprint", "split": "split"}
    facts = {text(names[key], language) if key in names else key: value for key, value in data.items()}
    return _facts("data", {**facts, text("pictures", language): text(split, language)}, language, is_code=False)


def repeat_section(command: str, language: Language, *, has_files: bool) -> Section:
    """Return the command that does it again."""
    words = () if has_files else (Words(words=text("repeat_no_file", language), is_quiet=True),)
    return Section(name="repeat", title=text("repeat", language), blocks=(Code(words=command), *words))


def _facts(name: str, facts: Mapping[str, object], language: Language, *, is_code: bool = True) -> Section:
    rows = tuple((key, said(value, language)) for key, value in facts.items())
    return Section(
        name=name,
        title=text(name, language),
        blocks=(Table(columns=(), rows=rows, is_code=is_code),),
        is_half=True,
    )


def said(value: object, language: Language) -> str:
    """Return a fact as a reader wants it: lists with commas, true as yes, and nothing as a dash."""
    if value is None or value == "" or value in ([], (), {}):
        return "–"
    if isinstance(value, bool):
        return text("yes" if value else "no", language)
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={said(one, language)}" for key, one in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(said(one, language) for one in value)
    return str(value)
