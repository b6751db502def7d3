"""Ids and their row numbers."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from operators.bytes_kernels import Interner

IDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@given(st.lists(IDS, unique=True))
def test_texts_of_rows_are_the_ids_in_whatever_order_they_are_asked_for(ids: list[str]) -> None:
    interner = Interner(1)
    rows = [interner.add(identifier) for identifier in ids]
    assert rows == list(range(len(ids)))
    asked = np.array([*reversed(rows), *rows], np.int64)
    assert interner.texts(asked) == [*reversed(ids), *ids]
