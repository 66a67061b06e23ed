"""Open: recognise what somebody's data are, and read them."""

from __future__ import annotations

import os
import re
from dataclasses import fields, replace
from pathlib import Path

from resnets.data.dataset import DataSet
from resnets.data.errors import DataError
from resnets.data.reading import Columns, Reading

KINDS = """\
  digits                  the handwritten digits of scikit-learn          resnets train digits
  a folder of classes     DATA/cat/1.jpg, DATA/dog/1.jpg, or the same     resnets train photos/
                          below DATA/train and DATA/test
  an archive of them      .zip or .tar, read without unpacking            resnets train photos.zip
  a table                 .csv, .tsv or .parquet: path, label, split      resnets train photos.csv
  WebDataset's shards     a folder of .tar files, or one of them          resnets train shards/
                          or a pattern                                    resnets train 'x-{000..031}.tar'
  MNIST's own files       train-images-idx3-ubyte.gz and the others       resnets train mnist/
  CIFAR's python version  cifar-10-batches-py, or cifar-100-python        resnets train cifar10/
  a pack                  what resnets pack has made of any of these      resnets train photos.pack
  a dataset, in Python    of Hugging Face's library datasets              resnets.train(dataset)"""
"""What may be given, as an error shows it."""

AS_USUAL = Reading()


def open_data(data: str | Path | object, reading: Reading = AS_USUAL) -> DataSet:
    """Return the data set that a name, a file, a folder, a pattern of shards or a `datasets` object stands for.

    A folder is known by what it holds: CIFAR's batches, idx files, shards, or a folder for each class; a file by
    its ending. The word "digits" is the built-in set; a folder of that name is given as "./digits". Raises
    `DataError` for anything else, listing what may be given, and `DataError` or `FileError` for data that are
    damaged.
    """
    found = _open(data, reading)
    return replace(found, notes=(*found.notes, *_unused(data, found, reading)))


def _unused(data: object, found: DataSet, reading: Reading) -> list[str]:
    """What was said of how to read, and has no meaning for these data."""
    from resnets.data.sources.table import find_table

    usual, notes = Reading(), []
    has_columns = not isinstance(data, str | os.PathLike) or find_table(Path(data))
    columns = [field.name for field in fields(Columns) if getattr(reading.columns, field.name)]
    if columns and not has_columns:
        notes.append(f"Not used: {', '.join(f'{name}=' for name in columns)}, since there is no table here.")
    if found.split == "given":
        made = [name for name in ("test_share", "split_seed") if getattr(reading, name) != getattr(usual, name)]
        notes += [f"Not used: {name}=, since the split is given." for name in made]
    return notes


def _open(data: object, reading: Reading) -> DataSet:
    if not isinstance(data, str | os.PathLike):
        return _open_object(data, reading)
    text = os.fspath(data)
    if text == "digits":
        from resnets.data.sources.digits import read_digits

        return read_digits()
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://|pipe:", text):
        raise DataError(f"{text!r} is not on this machine; fetch it first, and give the file or the folder")
    path = Path(text)
    from resnets.data.sources.shards import find_shards, read_shards

    if not os.path.exists(path) and "{" not in text:
        raise DataError(f"there is no data set, no file and no folder {text!r}; give one of:\n{KINDS}")
    if path.is_file() and (found := _open_file(path, reading)) is not None:
        return found
    if shards := find_shards(path, reading):
        named = path if path.is_dir() else path.with_suffix("") if path.exists() else path.parent
        return read_shards(named.resolve().name, shards, reading)
    return _open_folder(path, reading) if path.is_dir() else _open_archive(path, reading)


def _open_object(data: object, reading: Reading) -> DataSet:
    from resnets.data.sources.arrow import is_dataset, read_dataset

    if not is_dataset(data):
        raise DataError(f"a {type(data).__name__} is not known as data; give one of:\n{KINDS}")
    return read_dataset(data, reading)


def _open_file(path: Path, reading: Reading) -> DataSet | None:
    """Return what a file holds that is neither an archive nor a shard."""
    from resnets.data.sources.packed import find_pack, read_pack
    from resnets.data.sources.table import find_table, read_table

    if find_pack(path):
        return read_pack(path)
    return read_table(path, reading) if find_table(path) else None


def _open_archive(path: Path, reading: Reading) -> DataSet:
    from resnets.data.sources.archive import find_archive, read_archive

    if not find_archive(path):
        raise DataError(f"{path} is a file of no kind that is known as data; give one of:\n{KINDS}")
    return read_archive(path, reading)


def _open_folder(folder: Path, reading: Reading) -> DataSet:
    from resnets.data.sources.cifar import find_cifar, read_cifar
    from resnets.data.sources.folder import DiskTree, read_folder
    from resnets.data.sources.idx import find_idx, read_idx
    from resnets.data.sources.tree import LeftOut, ending, visible

    if find_cifar(folder):
        return read_cifar(folder)
    if find_idx(folder):
        return read_idx(folder)
    held = visible(DiskTree(folder), "", LeftOut())
    if not any(entry.is_folder or ending(entry.name) in reading.endings for entry in held):
        raise DataError(f"{folder} holds nothing that is known as data; give one of:\n{KINDS}")
    return read_folder(folder, reading)
