"""torch's element types and storages by the names that its files use (torch/storage.py, c10/core/ScalarType.h)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

TYPES: Mapping[str, tuple[str, int]] = MappingProxyType(
    {
        "float64": ("F64", 8), "float32": ("F32", 4), "float16": ("F16", 2), "bfloat16": ("BF16", 2),
        "float8_e4m3fn": ("F8_E4M3", 1), "float8_e5m2": ("F8_E5M2", 1),
        "int64": ("I64", 8), "int32": ("I32", 4), "int16": ("I16", 2), "int8": ("I8", 1),
        "uint64": ("U64", 8), "uint32": ("U32", 4), "uint16": ("U16", 2), "uint8": ("U8", 1), "bool": ("BOOL", 1),
        # What follows is stepped over and named, not read.
        "complex128": ("", 16), "complex64": ("", 8), "complex32": ("", 4),
        "qint8": ("", 1), "quint8": ("", 1), "qint32": ("", 4), "quint4x2": ("", 1), "quint2x4": ("", 1),
        "float8_e4m3fnuz": ("", 1), "float8_e5m2fnuz": ("", 1), "float8_e8m0fnu": ("", 1),
    }
)  # fmt: skip
"""torch's word -> the word of safetensors, or "" where it is not read, and bytes of one element."""

STORAGES: Mapping[str, str] = MappingProxyType(
    {
        "DoubleStorage": "float64", "FloatStorage": "float32", "HalfStorage": "float16",
        "BFloat16Storage": "bfloat16", "LongStorage": "int64", "IntStorage": "int32", "ShortStorage": "int16",
        "CharStorage": "int8", "ByteStorage": "uint8", "BoolStorage": "bool",
        "ComplexDoubleStorage": "complex128", "ComplexFloatStorage": "complex64",
        "QInt8Storage": "qint8", "QUInt8Storage": "quint8", "QInt32Storage": "qint32",
        "QUInt4x2Storage": "quint4x2", "QUInt2x4Storage": "quint2x4",
        # Bytes, whose type comes with each tensor.
        "UntypedStorage": "uint8", "_UntypedStorage": "uint8", "TypedStorage": "uint8", "_TypedStorage": "uint8",
    }
)  # fmt: skip
"""The class of a storage -> torch's word for its elements."""
