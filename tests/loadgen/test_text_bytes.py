"""Text that compiled code writes: constants copied in words touch nothing that was written before."""

from __future__ import annotations

import numba as nb
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from loadgen.draws import I64, U8
from loadgen.text_bytes import WORD_BYTES, put_copy, texts_of


@nb.njit(boundscheck=False)  # type: ignore[untyped-decorator]  # not cached: it holds what it tests
def write_all(data: U8, at: int, texts: U8, starts: I64, order: I64) -> int:
    """Texts one after the other, in an order."""
    for number in order:
        at = put_copy(data, at, texts, starts[number], starts[number + 1])
    return at


@settings(deadline=None)  # the first example compiles
@given(st.lists(st.text(max_size=20), min_size=1, max_size=8), st.data())
def test_texts_stand_where_they_were_copied_to_and_at_most_seven_bytes_behind_are_touched(
    parts: list[str], drawn: st.DataObject
) -> None:
    texts, starts = texts_of(*parts)
    order = drawn.draw(st.lists(st.integers(0, len(parts) - 1), max_size=10))
    wanted = "".join(parts[number] for number in order).encode()
    data = np.full(3 + len(wanted) + 2 * WORD_BYTES, 0xEE, np.uint8)
    end = write_all(data, 3, texts, starts, np.array(order, np.int64))
    assert data[3:end].tobytes() == wanted
    assert (data[:3] == 0xEE).all()
    assert (data[end + WORD_BYTES - 1 :] == 0xEE).all()


def test_behind_texts_there_is_room_for_a_word_that_begins_at_their_last_byte() -> None:
    texts, starts = texts_of("a", "外婆家")
    assert len(texts) >= starts[-1] - 1 + WORD_BYTES
