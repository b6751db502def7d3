"""People's cells on their way to the journal of the roll-ups."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.people_cells import People
from operators.rollups import newest_of


def newest_of_a_dict(cells: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    newest: dict[tuple[int, int], int] = {}
    for place, cell, bucket in cells:
        newest[place, cell] = max(bucket, newest.get((place, cell), bucket))
    return [(place, cell, bucket) for (place, cell), bucket in sorted(newest.items())]


@settings(deadline=None)
@given(
    parts=st.lists(
        st.lists(
            st.tuples(st.integers(0, 3), st.sampled_from([1 << 16, 25 << 16 | 1535]), st.integers(0, 9))
        ),
        max_size=4,
    ),
    stretch=st.sampled_from([1, 10**4, 10**9]),
)
def test_of_cells_that_were_told_several_times_the_journal_holds_the_newest_bucket(
    parts: list[list[tuple[int, int, int]]], stretch: int
) -> None:
    cells = [[(p, c, 10**7 + b * stretch) for p, c, b in part] for part in parts]
    noted = [
        People(*(np.array([x[i] for x in part], dtype) for i, dtype in enumerate(("i4", "i4", "i8"))))
        for part in cells
    ]
    found = newest_of(noted)
    told = zip(*(column.tolist() for column in found), strict=True)
    assert list(told) == newest_of_a_dict([cell for part in cells for cell in part])
    assert [column.dtype for column in found] == [np.int32, np.int32, np.int64]
