"""People's cells on their way to the journal of the roll-ups."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.people_cells import People
from operators.rollup_people import RollupPeople

Cell = tuple[int, int, int]
CELLS = st.tuples(st.integers(0, 3), st.sampled_from([1 << 16, 25 << 16 | 1535]), st.integers(1, 9))
"""Place, rank and register, bucket."""


def people(cells: list[Cell]) -> People:
    """Cells as a lane tells them."""
    return People(*(np.array([c[i] for c in cells], dtype) for i, dtype in enumerate(("i4", "i4", "i8"))))


def cells_of(told: People) -> list[Cell]:
    """The reverse of ``people``."""
    return list(zip(*(column.tolist() for column in told), strict=True))


def newer_than_all_before(cells: list[Cell]) -> list[Cell]:
    """Those of a later bucket than any before them of the same place, rank and register."""
    newest: dict[tuple[int, int], int] = {}
    found = []
    for place, cell, bucket in cells:
        if bucket > newest.get((place, cell), 0):
            newest[place, cell] = bucket
            found.append((place, cell, bucket))
    return found


@settings(deadline=None)
@given(parts=st.lists(st.lists(CELLS), max_size=4))
def test_only_cells_of_a_newer_bucket_go_to_the_journal_and_they_say_as_much_as_all(
    parts: list[list[Cell]],
) -> None:
    held, journal = RollupPeople(), []
    for part in parts:
        journal.append(held.add(people(part)))
    assert [c for told in journal for c in cells_of(told)] == newer_than_all_before(
        [c for part in parts for c in part]
    )
    again = RollupPeople()
    for told in journal:
        again.add(told)
    for one, other in zip(held.__getstate__(), again.__getstate__(), strict=True):
        assert np.array_equal(one, other)
