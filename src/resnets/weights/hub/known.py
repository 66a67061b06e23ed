"""Known: a file on disk, as one of the published weight sets, or a reference as the file that was fetched for it."""

from __future__ import annotations

from pathlib import Path

from resnets.weights.hub import source
from resnets.weights.hub.cache import folder_of, is_cached, result, sha256
from resnets.weights.hub.catalogue import CATALOGUE
from resnets.weights.hub.resolve import resolve
from resnets.weights.hub.row import Row

MOST_HASHED_BYTES = 1 << 30
"""A larger file is none of the catalogue's."""


def published(path: Path) -> Row | None:
    """Return the row of the catalogue that a file is, by its hash or by the record that was written when it came."""
    folder = path if path.is_dir() else path.parent
    record = source.read(folder)
    if record is not None and (path.is_dir() or any(file.name == path.name for file in record.files)):
        return CATALOGUE.get(record.reference)
    if not path.is_file() or path.stat().st_size > MOST_HASHED_BYTES:
        return None
    with path.open("rb") as file:
        digest = sha256(file)
    # Eight published digits are a mark beside the others that a file bears, not a proof.
    return next((row for row in CATALOGUE.values() if row.sha256 and digest.startswith(row.sha256)), None)


def local(given: str | Path) -> Path:
    """Return the path that is meant: one on disk, or what was fetched for a reference ("hf:timm/resnet50.a1_in1k").

    Raises `FileNotFoundError` with the command that fetches it; nothing is fetched here.
    """
    path = Path(given)
    text = str(given)
    if path.exists() or not (text.startswith(("hf:", "torchvision:")) or "_Weights." in text):
        return path
    place = resolve(text)
    if not is_cached(place):
        raise FileNotFoundError(f"{text} is not on this machine; `resnets weights pull {text}` fetches it")
    return result(place, folder_of(place))
