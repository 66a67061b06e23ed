"""Archives of the same members for tests: zip, tar, and hostile ones made by hand."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from PIL import Image

Members = Mapping[str, bytes]


def picture(grey: int = 0, kind: str = "PNG") -> bytes:
    """A file of 3 x 2 grey pixels."""
    file = io.BytesIO()
    Image.new("L", (3, 2), grey).save(file, kind)
    return file.getvalue()


def zipped(path: Path, members: Members, method: int = zipfile.ZIP_DEFLATED) -> Path:
    """A zip; a name that ends with "/" is a folder's."""
    with zipfile.ZipFile(path, "w", method) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return path


def tarred(path: Path, members: Members | Iterable[tuple[str, bytes]], **header: Any) -> Path:
    """A tar, whose members have these facts in their headers."""
    pairs = members.items() if isinstance(members, Mapping) else members
    with tarfile.open(path, "w", format=header.pop("format", tarfile.PAX_FORMAT)) as file:
        for name, data in pairs:
            member = tarfile.TarInfo(name.rstrip("/"))
            member.size = len(data)
            member.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
            for key, value in header.items():
                setattr(member, key, value)
            file.addfile(member, io.BytesIO(data))
    return path


def unpacked(path: Path, members: Members) -> Path:
    """A folder."""
    for name, data in members.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            (path / name).mkdir(exist_ok=True)
        else:
            (path / name).write_bytes(data)
    return path


def joined(parts: Iterable[str], names: Iterable[str], pictures: int = 1) -> dict[str, bytes]:
    """Members <part>/<class>/<n>.png, each picture another."""
    paths = [f"{part}/{name}/{n}.png".lstrip("/") for part in parts for name in names for n in range(pictures)]
    return {path: picture(k % 256) for k, path in enumerate(paths)}
