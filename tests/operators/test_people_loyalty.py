"""Who came back: within its bound for a large merchant, in no more memory than it may take."""

from __future__ import annotations

import math
import pickle

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from operators.people_distinct import PeopleBudget
from operators.people_loyalty import EXACT_BUYERS, Loyalty, back_counts, member_tokens
from operators.people_span import CELL, NEVER, Era, Span
from operators.people_tables import BUYER, NOT_FIRST, SAYS, TIME_BITS
from schemas.windows import DAY_MS, FINEST_BUCKET_MS, HOUR_MS, MINUTE_MS
from tests.operators.night import DAY_START_MS
from tests.operators.people_rig import (
    DAY,
    ZONE,
    forgotten,
    nobody_is_handed_over,
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
            loyalty.add(
                np.zeros(len(part), np.int32), part, np.full(len(part), DAY + 3), ZONE, span, era, forgotten
            )
    held, exact = loyalty.counts(np.arange(1), ZONE, span, era)[1], loyalty.exact(np.arange(1))
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
        buckets, era = np.full(len(persons), DAY), Era.of(newest_ms)
        loyalty.add(rows, persons, buckets, zone, span_at(newest_ms), era, forgotten)
    assert loyalty.thinned > 0
    assert loyalty.nbytes < 600_000 + 5_000 * 64


@settings(deadline=None, max_examples=50)
@example([step for seed in range(8) for step in (("orders", 0, seed), ("ask", 0, 0))], DAY)  # halved
@example([("orders", 0, 0), ("orders", 0, 1), ("ask", 0, 0), ("members", 0, 5)], DAY)
@example([("orders", row, row) for row in range(3)] + [("ask", 0, 0), ("sweep", 0, 0)], DAY)  # blocks move
@example(  # to a day that was counted, from one in whose time orders came
    [("orders", 0, 0), ("orders", 0, 1), ("ask", 0, 0), ("moves", 0, 0), ("orders", 0, 3), ("moves", 0, 0)],
    DAY,
)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["orders", "orders", "ask", "ask", "members", "moves", "next day", "sweep"]),
            st.integers(0, 2),
            st.integers(0, 2**32 - 1),
        ),
        min_size=2,
        max_size=24,
    ),
    st.sampled_from([DAY, NEVER]),
)
def test_numbers_kept_at_hand_are_those_that_counting_anew_gives(
    steps: list[tuple[str, int, int]], sale: int
) -> None:
    zone, rows = np.zeros(3, np.uint8), np.arange(3)
    loyalty = Loyalty(PeopleBudget(), most_buyers=128)  # at 96 a table is halved
    ids = [f"u{n}" for n in range(150)]
    known = member_tokens(ids)
    days = 0
    for kind, row, seed in [*steps, ("ask", 0, 0)]:
        draws = np.random.default_rng(seed)
        if kind == "next day":
            days += 1
        newest_ms = DAY_START_MS + days * DAY_MS + HOUR_MS
        today_ms = DAY_START_MS + days * DAY_MS - np.array([0, HOUR_MS])  # the second zone is an hour ahead
        span = Span.of(newest_ms, today_ms, sale, newest_ms // MINUTE_MS, today_ms)
        era = Era.of(newest_ms)
        if kind == "orders":
            chosen = known[draws.integers(0, draws.integers(1, len(ids)), 60)]
            said = draws.choice(np.array([BUYER, BUYER | SAYS, BUYER | SAYS | NOT_FIRST], np.uint64), 60)
            persons = chosen << np.uint64(TIME_BITS) | said
            buckets = newest_ms // FINEST_BUCKET_MS - draws.integers(0, 720 + 17_280 * min(days, 1), 60)
            loyalty.add(np.full(60, row, np.int32), persons, buckets, zone, span, era, forgotten)
        elif kind == "members":
            loyalty.know(row, [ids[n] for n in draws.integers(0, len(ids), 20)])
        elif kind == "sweep":
            loyalty.sweep(zone, span, era)
        elif kind == "moves":
            zone[row] ^= 1
        elif kind == "ask":
            afresh: Loyalty = pickle.loads(pickle.dumps(loyalty))
            for held, counted in zip(
                loyalty.counts(rows, zone, span, era), afresh.counts(rows, zone, span, era), strict=True
            ):
                assert held.tolist() == counted.tolist()


def test_a_day_of_another_era_is_not_taken_for_the_one_that_was_counted() -> None:
    newest_ms = DAY_START_MS + HOUR_MS
    loyalty = Loyalty(PeopleBudget())
    persons = tokens(100, 1) << np.uint64(TIME_BITS) | np.uint64(BUYER)
    buckets = np.full(100, DAY + 3)
    span, era = span_at(newest_ms), Era.of(newest_ms)
    loyalty.add(np.zeros(100, np.int32), persons, buckets, ZONE, span, era, nobody_is_handed_over)
    assert loyalty.counts(np.arange(1), ZONE, span, era)[1][0, 0, 0] == 100
    later_ms = newest_ms + CELL * FINEST_BUCKET_MS
    span, era = span_at(later_ms, day=DAY + CELL), Era.of(later_ms)
    assert loyalty.counts(np.arange(1), ZONE, span, era)[1][0, 0, 0] == 0
