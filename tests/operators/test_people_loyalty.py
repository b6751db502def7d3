"""Who came back: within its bound for a large merchant, in no more memory than it may take."""

from __future__ import annotations

import math

import numpy as np

from operators.people_distinct import PeopleBudget
from operators.people_loyalty import EXACT_BUYERS, Loyalty, back_counts
from operators.people_span import Era
from operators.people_tables import BUYER, NOT_FIRST, SAYS, TIME_BITS
from schemas.windows import HOUR_MS
from tests.operators.night import DAY_START_MS
from tests.operators.people_rig import (
    DAY,
    ZONE,
    span_at,
    tokens,
)


def test_shares_of_buyers_who_came_back_stay_within_the_bound_for_a_large_merchant() -> None:
    people = tokens(40_000, 21)
    newest_ms = DAY_START_MS + 2 * HOUR_MS
    span, era = span_at(newest_ms), Era.of(newest_ms)
    loyalty = Loyalty(PeopleBudget())
    twice, back = people[:12_000], people[8_000:16_000]
    first = people << np.uint64(TIME_BITS) | np.uint64(BUYER)
    again = twice << np.uint64(TIME_BITS) | np.uint64(BUYER)
    said = back << np.uint64(TIME_BITS) | np.uint64(BUYER | SAYS | NOT_FIRST)
    for persons in (first, again[8_000:], said, again[:8_000]):
        order = np.random.default_rng(1).permutation(len(persons))
        for part in np.array_split(persons[order], 7):
            loyalty.add(np.zeros(len(part), np.int32), part, np.full(len(part), DAY + 3), ZONE, span, era)
    held, exact = loyalty.shares(np.arange(1), ZONE, span, era)
    kept = int(held[0, 0, 0])
    assert not exact[0]
    assert EXACT_BUYERS / 2 * 0.9 <= kept <= EXACT_BUYERS
    repeat, returning = back_counts(held, exact, np.full((1, 2), 40_000.0))[0, 0]
    bound = 3 * 0.5 / math.sqrt(kept)
    assert abs(repeat / 40_000 - 0.4) <= bound  # the first 12,000, and those who came back
    assert abs(returning / 40_000 - 0.2) <= bound
    assert loyalty.nbytes < 800_000


def test_who_came_back_takes_no_more_memory_than_it_may() -> None:
    newest_ms = DAY_START_MS + HOUR_MS
    zone = np.zeros(5_000, np.uint8)
    loyalty = Loyalty(PeopleBudget(600_000))
    for seed in range(10):
        persons = tokens(20_000, seed) << np.uint64(TIME_BITS) | np.uint64(BUYER)
        rows = np.random.default_rng(seed).integers(0, 5_000, len(persons)).astype(np.int32)
        loyalty.add(rows, persons, np.full(len(persons), DAY), zone, span_at(newest_ms), Era.of(newest_ms))
    assert loyalty.thinned > 0
    assert loyalty.nbytes < 600_000 + 5_000 * 64
