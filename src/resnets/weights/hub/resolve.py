"""References: what a person types for a weight set, and the files and addresses it stands for."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from math import ceil
from urllib.parse import quote

from resnets.weights.hub.catalogue import CATALOGUE
from resnets.weights.hub.fetch import MOST_BYTES
from resnets.weights.hub.row import Row

WEIGHTS = ("model.safetensors", "pytorch_model.bin")
"""The weights of a repository on Hugging Face: the first of these that it has."""

CONFIG = "config.json"
PREPROCESSOR = "preprocessor_config.json"

DEFAULT_REVISION = "main"

# As huggingface_hub's validate_repo_id: no "--" or "..", which here separate the parts of a folder's name.
_NAME = r"[A-Za-z0-9_](?:[A-Za-z0-9_]|[-.](?![-.]))*(?<![-.])"
_HF = re.compile(rf"hf:(?P<repo>{_NAME}/{_NAME})(?:@(?P<revision>refs/pr/\d+|{_NAME}))?(?:/(?P<file>.+))?", re.ASCII)
_FILE = re.compile(r"(?:[\w-][\w.-]*/)*[\w-][\w.-]*", re.ASCII)
_OURS = re.compile(r"source\.json|manifest\.json|.*\.part(\.json)?", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a weight set lies. `file` is the one file that was asked for, or None for a repository's weights.

    `row` is its row of the catalogue, or None for what the catalogue does not know.
    """

    reference: str  # in full: "torchvision:..." or "hf:owner/name[@revision][/file]"
    hub: str
    folder: str  # its name in the cache
    path: str  # of the file below the endpoint, or "owner/name"
    revision: str = DEFAULT_REVISION
    file: str | None = None
    row: Row | None = None

    @property
    def sha256(self) -> str | None:
        """What is published of the weights' hash, if they are those of the row."""
        return self.row.sha256 if self.row and self._is_the_row else None

    @property
    def limit(self) -> int:
        """Bytes that the weights may have: a little more than published, as sizes are rounded there."""
        if self.row and self._is_the_row and self.row.mebibytes:
            return ceil(self.row.mebibytes * 1.01 * (1 << 20))
        return MOST_BYTES

    @property
    def licence(self) -> str | None:
        """As the publisher states it, or None if that was not read."""
        return self.row.licence if self.row else None

    @property
    def _is_the_row(self) -> bool:
        return self.hub != "hf" or (self.revision == DEFAULT_REVISION and self.file in (None, WEIGHTS[0]))

    def url(self, endpoint: str, file: str, revision: str | None = None) -> str:
        """Return the address of one of its files below an endpoint."""
        if self.hub != "hf":
            return f"{endpoint}/{quote(self.path)}"
        return f"{endpoint}/{self.path}/resolve/{quote(revision or self.revision, safe='')}/{quote(file)}"


def resolve(reference: str) -> Place:
    """Return where a weight set lies.

    Known are "torchvision:ResNet50_Weights.IMAGENET1K_V2" with or without "torchvision:", ".DEFAULT" for the
    newest, and any repository as "hf:owner/name[@revision][/file]". Raises `ValueError` for anything else; the
    message has the nearest names.
    """
    if reference.startswith("hf:"):
        return _repository(reference)
    name = _newest("torchvision:" + reference.removeprefix("torchvision:"))
    row = CATALOGUE.get(name)
    if row is None:
        raise ValueError(f"no weights are called {reference!r}.{_nearest(reference)}")
    file = row.path.rpartition("/")[2]
    return Place(reference=name, hub=row.hub, folder=name.replace(":", "--"), path=row.path, file=file, row=row)


def _repository(reference: str) -> Place:
    found = _HF.fullmatch(reference)
    file = found["file"] if found else None
    if not found or (file and (not _FILE.fullmatch(file) or _OURS.fullmatch(file.rpartition("/")[2]))):
        raise ValueError(
            f"{reference!r} is no repository on Hugging Face; write hf:owner/name, hf:owner/name@revision, or "
            f"hf:owner/name/file, such as hf:timm/resnet50.a1_in1k.{_nearest(reference)}"
        )
    repository, revision = found["repo"], found["revision"] or DEFAULT_REVISION
    folder = f"hf--{repository}".replace("/", "--")
    canonical = f"hf:{repository}"
    if revision != DEFAULT_REVISION:
        folder += f"--at--{revision.replace('/', '--')}"
        canonical += f"@{revision}"
    if file:
        folder += f"--file--{file.replace('/', '--')}"
        canonical += f"/{file}"
    return Place(
        reference=canonical,
        hub="hf",
        folder=folder,
        path=repository,
        revision=revision,
        file=file,
        row=CATALOGUE.get(f"hf:{repository}"),
    )


def _newest(name: str) -> str:
    """DEFAULT is the last of an enum's members, in torchvision as in the catalogue."""
    enum, _, member = name.partition(".")
    if member != "DEFAULT":
        return name
    return next((known for known in reversed(CATALOGUE) if known.startswith(f"{enum}.")), name)


def _nearest(reference: str) -> str:
    """A sentence with names that look like it, whatever is missing in front."""
    wanted = reference.rpartition(":")[2].lower()
    ends = {name.rpartition(":")[2].lower(): name for name in CATALOGUE}
    ends |= {end.rpartition("/")[2]: name for end, name in ends.items()}
    begun = [name for end, name in ends.items() if wanted and end.startswith(wanted)]
    near = begun or [ends[end] for end in difflib.get_close_matches(wanted, ends, n=4, cutoff=0.5)]
    hint = f" Nearest: {', '.join(list(dict.fromkeys(near))[:3])}." if near else ""
    return f"{hint} `resnets weights list` lists all {len(CATALOGUE)}."
