"""A state packed without what its arrays do not use is the same state when it is unpacked."""

from __future__ import annotations

import pickle
from typing import Any

import hypothesis.extra.numpy as made
import hypothesis.strategies as st
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings

from operators.state_bytes import pack_state, unpack_state

BIG = 5_000
"""Items of an array that is packed by itself, whatever their type."""


def widened(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The same items over and over, and zeros behind them."""
    room = np.zeros((BIG, *array.shape[1:]), array.dtype)
    return np.concatenate([np.repeat(array, 3, axis=0), room, array]) if len(array) else room


DTYPES = [np.int64, np.uint64, np.float64, np.int32, np.uint16, np.uint8, np.bool_]
SHAPES = st.tuples(st.integers(0, 40), st.integers(1, 3))
ARRAYS = st.sampled_from(DTYPES).flatmap(lambda dtype: made.arrays(dtype, SHAPES))


@settings(deadline=None)
@given(st.lists(ARRAYS, max_size=4), st.integers(), st.text())
def test_whatever_was_packed_comes_back(arrays: list[npt.NDArray[Any]], number: int, text: str) -> None:
    held = [*arrays, *(widened(a) for a in arrays)]
    again, *others = unpack_state(pack_state((held, number, text)))
    assert others == [number, text]
    for array, other in zip(held, again, strict=True):
        assert array.dtype == other.dtype
        np.testing.assert_array_equal(array, other)


def test_every_width_of_a_number_is_kept() -> None:
    numbers = np.array([(1 << bit) + less for bit in range(64) for less in (-1, 0)], np.uint64)
    held = np.tile(numbers, 10)
    np.testing.assert_array_equal(unpack_state(pack_state(held)), held)


def test_bytes_beyond_the_last_whole_word_are_kept() -> None:
    for size in range(BIG, BIG + 9):
        held = (np.arange(size) % 251).astype(np.uint8)
        np.testing.assert_array_equal(unpack_state(pack_state(held)), held)


def test_an_array_that_may_not_be_written_or_begins_between_words_is_kept() -> None:
    held = np.arange(BIG + 1, dtype=np.uint8)[1:]
    held.flags.writeable = False
    np.testing.assert_array_equal(unpack_state(pack_state(held)), held)


def test_an_unpacked_array_can_be_written_to() -> None:
    again = unpack_state(pack_state(np.zeros(BIG, np.int64)))
    again[7] = 1
    assert again.sum() == 1


def test_room_that_is_not_used_takes_a_sixteenth() -> None:
    held = np.zeros(1 << 20, np.int64)
    held[:1000] = 7
    assert len(pack_state(held)) < held.nbytes / 16 + 2_000


def test_a_state_of_another_form_is_refused() -> None:
    for other in (pickle.dumps({"layout": 8}), b""):
        with pytest.raises(ValueError, match="in a form that this version does not read"):
            unpack_state(other)
