"""Keras's description of a model: its JSON as plain values, and the code it would run, named and never run."""

from __future__ import annotations

from typing import Any

from resnets.files import strict_json
from resnets.files.errors import FileError
from resnets.weights.containers.contents import MOST_HEADER_BYTES


def parsed(text: bytes, name: str) -> Any:
    """Return the values of a model's JSON; raise `FileError` as `strict_json.loads` does."""
    try:
        return strict_json.loads(text, MOST_HEADER_BYTES)
    except FileError as error:
        raise FileError(f"{name}: {error}") from None


def not_run(config: Any) -> tuple[str, ...]:
    """Return what building the model in Keras would import or run: Lambda layers, and classes that are not Keras's."""
    found: dict[str, None] = {}
    todo = [config]
    while todo:
        item = todo.pop()
        if isinstance(item, dict):
            if said := _code(item):
                found[said] = None
            if item.get("class_name") == "Lambda":  # what is inside belongs to it
                continue
        parts = item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
        todo += reversed([part for part in parts if isinstance(part, dict | list)])
    return tuple(found)


def _code(item: dict[str, Any]) -> str | None:
    kind, module = item.get("class_name"), item.get("module")
    config = item.get("config")
    if kind == "Lambda":
        name = config.get("name") if isinstance(config, dict) else None
        return f"Lambda layer {str(name)[:100]}"
    if kind == "__lambda__":
        return "a lambda function"
    if isinstance(kind, str) and isinstance(module, str) and module.split(".")[0] not in ("keras", "builtins"):
        return f"{module[:100]}.{kind[:100]}"
    return None
