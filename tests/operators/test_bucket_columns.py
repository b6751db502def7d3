"""A bucket's columns: as narrow as their numbers allow, and the same numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.bucket_columns import MeasureColumns, narrowest_type

WIDE = 3
NUMBERS = st.one_of(st.integers(-300, 300), st.integers(-(2**56), 2**56))
ENTRIES = st.lists(st.tuples(st.integers(0, 9), *[NUMBERS] * WIDE), max_size=20)


@pytest.mark.parametrize(
    ("low", "high", "name"),
    [
        *((0, 1, "uint8"), (0, 255, "uint8"), (0, 256, "uint16"), (0, 65_536, "uint32")),
        *((0, 2**32, "uint64"), (-1, 0, "int8"), (-128, 127, "int8"), (-129, 0, "int16")),
        *((-1, 128, "int16"), (-(2**31), 2**31 - 1, "int32"), (-(2**63), 2**63 - 1, "int64")),
    ],
)
def test_a_column_has_the_narrowest_type_that_holds_its_numbers(low: int, high: int, name: str) -> None:
    assert narrowest_type(low, high).name == name


@settings(deadline=None)
@given(st.lists(st.tuples(ENTRIES, st.booleans()), max_size=4))
def test_packed_or_not_a_bucket_holds_the_sums_of_what_it_was_given(
    parts: list[tuple[list[tuple[int, ...]], bool]],
) -> None:
    columns, scratch = MeasureColumns(WIDE), np.zeros(10, np.int32)
    expected = np.zeros((10, WIDE), np.int64)
    for entries, packs in parts:
        rows = np.array([row for row, *_ in entries], np.int32)
        values = np.array([numbers for _, *numbers in entries], np.int64).reshape(-1, WIDE)
        np.add.at(expected, rows, values)
        columns.add(rows, values, scratch)
        if packs:
            columns.pack(scratch)
    held = np.zeros_like(expected)
    np.add.at(held, *columns.entries())
    assert held.tolist() == expected.tolist()
    assert not scratch.any()
