"""Every dialect, by name, in the order in which a file is compared with them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from resnets.weights.dialects import tables, tables_keras
from resnets.weights.dialects.dialect import Dialect

DIALECTS: Mapping[str, Dialect] = MappingProxyType({row.name: row for row in (*tables.ROWS, *tables_keras.ROWS)})
"""One row for each naming."""
