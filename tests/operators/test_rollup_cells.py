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


def changed_by(parts: list[list[Cell]]) -> int:
    """How many places, ranks and registers have been seen at all."""
    return len({(place, cell) for part in parts for place, cell, _ in part})


def same(one: RollupPeople, other: RollupPeople) -> bool:
    """Whether both hold the same people."""
    (touched, stamps), (touched_too, stamps_too) = one.__getstate__(), other.__getstate__()
    return np.array_equal(touched, touched_too) and np.array_equal(stamps, stamps_too)


@settings(deadline=None, max_examples=50)
@given(epochs=st.lists(st.lists(st.lists(CELLS), max_size=3), max_size=3))
def test_the_journal_holds_each_cell_once_an_epoch_and_makes_the_same_people_again(
    epochs: list[list[list[Cell]]],
) -> None:
    held, again = RollupPeople(), RollupPeople()
    for parts in epochs:
        for part in parts:
            held.add(people(part))
        numbers, stamps = held.changed()
        assert len(set(numbers.tolist())) == len(numbers) <= changed_by(parts)
        again.restore(numbers, stamps)
    assert same(held, again)


def test_a_cell_that_says_nothing_new_does_not_go_to_the_journal() -> None:
    held = RollupPeople()
    held.add(people([(1, 1 << 16, 7)]))
    assert len(held.changed()[0]) == 1
    held.add(people([(1, 1 << 16, 7), (1, 1 << 16, 6)]))
    assert len(held.changed()[0]) == 0
    held.add(people([(1, 1 << 16, 8)]))
    assert len(held.changed()[0]) == 1
