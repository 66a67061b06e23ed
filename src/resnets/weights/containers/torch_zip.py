"""torch's zip files: what `torch.save` writes since torch 1.6, and the archives of TorchScript.

One folder holds `data.pkl`, a pickle whose persistent ids name the storages in `data/`, and `byteorder`
(torch/serialization.py, `_save`). TorchScript's has `constants.pkl` and `code/` besides; its modules are read as
records with their attributes, and its code is not looked at.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath

from resnets.files.errors import FileError
from resnets.files.unpickle import load
from resnets.weights.containers.checkpoint import LIMITS, MOST_PICKLE_BYTES, contents
from resnets.weights.containers.contents import Contents
from resnets.weights.containers.tensor_views import Storage
from resnets.weights.containers.torch_objects import TORCH, storage_type
from resnets.weights.containers.torch_types import TYPES
from resnets.weights.containers.zip_archive import Member, open_archive


def read(path: Path) -> Contents:
    """Return the tensors of a torch zip file, whose bytes stay in the file until they are asked for.

    Raises `FileError` where it is no such file, is damaged, or asks for too much; no code in it is run.
    """
    members = open_archive(path)
    root = _root(path, members)
    pickled = members[f"{root}/data.pkl"]
    if pickled.size > MOST_PICKLE_BYTES:
        raise FileError(f"{path}: its data.pkl has {pickled.size:,} bytes; at most {MOST_PICKLE_BYTES:,} are read")
    is_script = f"{root}/constants.pkl" in members
    outside: dict[str, None] = {}
    try:
        value = load(
            # Without its checksum, which torch may be told not to make (torch.serialization.set_crc32_options).
            io.BytesIO(pickled.read_range(0, pickled.size)),
            TORCH,
            LIMITS,
            outside=outside,
            persistent=_storages(members, root),
        )
    except FileError as error:
        raise FileError(f"{path}: {error}") from None
    # A script's classes are numbered where they would have the same name.
    names = dict.fromkeys(re.sub(r"\.___torch_mangle_\d+", "", name) for name in outside)
    held = path.stat().st_size
    return contents("torchscript" if is_script else "torch zip", path, value, names, held)


def _root(path: Path, members: Mapping[str, Member]) -> str:
    found = [PurePosixPath(name) for name in members if name.endswith("/data.pkl")]
    if len(found) != 1 or len(found[0].parts) != 2:
        raise FileError(f"{path} is a zip archive without one data.pkl in one folder, so torch.save did not write it")
    return found[0].parts[0]


def _storages(members: Mapping[str, Member], root: str) -> Callable[[object], Storage]:
    """Return what stands for the persistent ids ('storage', class, key, location, elements)."""
    order = members[f"{root}/byteorder"].read(16) if f"{root}/byteorder" in members else b"little"
    if order not in (b"little", b"big"):
        raise FileError(f"its byte order is {order!r}; little and big are read")

    def storage(identity: object) -> Storage:
        if not isinstance(identity, tuple) or len(identity) != 5 or identity[0] not in ("storage", b"storage"):
            raise FileError("it refers to something outside itself that is no storage")
        _, kind, key, location, elements = identity
        if not isinstance(key, str) or type(elements) is not int or elements < 0:
            raise FileError("the key of a storage is no string, or its length no whole number")
        word = storage_type(kind)
        size = elements * TYPES[word][1]
        if location in ("meta", b"meta"):
            return Storage(word, size, None)
        member = members.get(f"{root}/data/{key}")
        if member is None or member.size < size:
            has = "is absent" if member is None else f"has {member.size:,} bytes"
            raise FileError(f"storage {key[:100]!r} should have {size:,} bytes and {has}; the file is cut or made up")
        return Storage(word, size, member.read_range, is_big_endian=order == b"big")

    return storage
