"""What events add: orders and clicks apart, and together the same numbers."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from operators.added import MEASURES_WIDE, OF_CLICKS, OF_ORDERS, ORDERS_WIDE, Added
from operators.batches import I64


@st.composite
def tables(draw: st.DrawFn) -> I64:
    """n x MEASURES: of orders, of clicks, of both, or nothing at all."""
    numbers = draw(st.lists(st.lists(st.integers(0, 2), min_size=10, max_size=10), max_size=6))
    values = np.array(numbers, np.int64).reshape(len(numbers), MEASURES_WIDE)
    without = draw(st.sampled_from([slice(0), slice(ORDERS_WIDE), slice(ORDERS_WIDE, None), slice(None)]))
    values[:, without] = 0
    return values


@given(tables())
def test_what_is_taken_apart_is_the_same_together(values: I64) -> None:
    added = Added.of(values)
    assert added.rows == len(values)
    assert np.array_equal(added.table(), values)
    some = np.arange(len(values)) % 2 == 0
    assert np.array_equal(added.pick(some).table(), values[some])


@given(tables())
def test_nothing_of_a_kind_takes_no_room(values: I64) -> None:
    added = Added.of(values)
    assert (added.clicks is None) == (not values[:, ORDERS_WIDE:].any())
    assert (added.orders is None) == (not values[:, :ORDERS_WIDE].any() and added.clicks is not None)


@given(st.lists(tables(), min_size=1, max_size=4))
def test_parts_are_joined_one_behind_the_other(parts: list[I64]) -> None:
    joined = Added.joined([Added.of(values) for values in parts])
    assert np.array_equal(joined.table(), np.concatenate(parts))


@given(tables())
def test_by_kind_every_row_is_there_and_nothing_is_added_twice(values: I64) -> None:
    found = np.zeros_like(values)
    seen = np.zeros(len(values), np.int64)
    for kind, which, numbers in Added.of(values).by_kind():
        measures = slice(ORDERS_WIDE) if kind == OF_ORDERS else slice(ORDERS_WIDE, None)
        assert kind in (OF_ORDERS, OF_CLICKS)
        found[which, measures] += numbers
        seen[which] += 1
    assert np.array_equal(found, values)
    assert (seen > 0).all()
