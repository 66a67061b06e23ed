"""Open: recognise what somebody's data are, and read them."""

from __future__ import annotations

from pathlib import Path

from resnets.data.dataset import DataSet
from resnets.data.errors import DataError
from resnets.data.sources.cifar import find_cifar, read_cifar
from resnets.data.sources.digits import read_digits
from resnets.data.sources.folder import read_folder
from resnets.data.sources.idx import find_idx, read_idx
from resnets.spec.preprocess import FORMATS, Preprocess

KINDS = """\
  digits                  the handwritten digits of scikit-learn          resnets train digits
  a folder of classes     DATA/cat/1.jpg, DATA/dog/1.jpg, or the same     resnets train photos/
                          below DATA/train and DATA/test
  MNIST's own files       train-images-idx3-ubyte.gz and the others       resnets train mnist/
  CIFAR's python version  cifar-10-batches-py, or cifar-100-python        resnets train cifar10/"""
"""What may be given, as an error shows it."""


def open_data(data: str | Path) -> DataSet:
    """Return the data set that a name or a folder stands for.

    A folder is known by what it holds: CIFAR's batches, idx files, or a folder for each class. The word
    "digits" is the built-in set; a folder of that name is given as "./digits". Raises `DataError` for
    anything else, listing what may be given, and `DataError` or `FileError` for data that are damaged.
    """
    if data == "digits":
        return read_digits()
    folder = Path(data)
    if not folder.exists():
        raise DataError(f"there is no data set and no folder {str(data)!r}; give one of:\n{KINDS}")
    if not folder.is_dir():
        raise DataError(f"{folder} is a file; unpack it if it is an archive, and give one of:\n{KINDS}")
    if find_cifar(folder):
        return read_cifar(folder)
    if find_idx(folder):
        return read_idx(folder)
    if not any(map(_could_be_class_or_picture, folder.iterdir())):
        raise DataError(f"{folder} holds nothing that is known as data; give one of:\n{KINDS}")
    return read_folder(folder)


def _could_be_class_or_picture(path: Path) -> bool:
    endings = [ending for name in Preprocess().formats for ending in FORMATS[name]]
    return not path.name.startswith(".") and (path.is_dir() or path.suffix.lower() in endings)
