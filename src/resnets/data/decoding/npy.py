"""NPY: NumPy's own file format, read without ever executing what is in it."""

from __future__ import annotations

import io
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy_format

from resnets.data.errors import BadImage

_HEADERS = {(1, 0): npy_format.read_array_header_1_0, (2, 0): npy_format.read_array_header_2_0}
"""Of the format's versions; the third differs for arrays of records only."""

_LONGEST_HEADER = 10_000
"""Characters, NumPy's own limit: a header is a Python literal, and long ones can exhaust its parser."""


def read_npy(name: str, data: bytes) -> npt.NDArray[Any]:
    """Return the array in the bytes of an .npy file; it shares their memory and cannot be written to.

    Raises `BadImage` for a header that is damaged, for Python objects, and unless the file has exactly the
    bytes that its header promises. The numbers may have any other type, of either byte order.
    """
    file = io.BytesIO(data)
    try:
        version = npy_format.read_magic(file)
        if version not in _HEADERS:
            raise BadImage(name, f"its NPY version is {version}; 1.0 and 2.0 are read")
        shape, is_fortran, dtype = _HEADERS[version](file, max_header_size=_LONGEST_HEADER)
    except BadImage:
        raise
    except Exception as error:  # its parser is Python's own, which has many errors
        raise BadImage(name, f"its NPY header is damaged: {str(error)[:200]}") from None
    if dtype.kind not in "biuf":
        raise BadImage(name, f"its numbers are {dtype}; uint8, uint16 and floats are read")
    start = file.tell()
    if not shape or min(shape) < 1:
        raise BadImage(name, f"its shape is {shape}; a picture has at least one pixel")
    promised = prod(shape) * dtype.itemsize
    if promised != len(data) - start:
        raise BadImage(name, f"it promises {promised:,} bytes of numbers and has {len(data) - start:,}")
    numbers = np.frombuffer(data, dtype, offset=start)
    return numbers.reshape(shape, order="F" if is_fortran else "C")
