"""Buyers: held with who came back while all of them are, and handed over before the first is let go."""

from __future__ import annotations

import pickle

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.batches import F64, I64
from operators.bytes_kernels import U64
from operators.people_distinct import Distinct, PeopleBudget
from operators.people_loyalty import EXACT_BUYERS, Loyalty
from operators.people_span import Era, Span
from operators.people_tables import BUYER, TIME_BITS
from operators.shard_people import BUYERS, REPEAT, ShardPeople
from schemas.windows import DAY_MS, FINEST_BUCKET_MS, HOUR_MS, MINUTE_MS
from tests.operators.night import DAY_START_MS
from tests.operators.people_rig import DAY, ROWS, ZONE, tokens

HALVED_AT = 96
"""Buyers of which these tests' tables begin to keep every second one."""
BUCKETS_AN_HOUR = HOUR_MS // FINEST_BUCKET_MS


class Buyers:
    """The people of a shard, and the same orders as they came."""

    def __init__(self, sale: int = DAY, limit_bytes: int = 1 << 40, most_buyers: int = 128) -> None:
        self.people = ShardPeople(limit_bytes, with_sale=True)
        self.people.loyalty = Loyalty(self.people.budget, most_buyers=most_buyers)
        self.sale = sale
        self.newest_ms = DAY_START_MS + HOUR_MS
        self.seen: list[tuple[int, int, int]] = []  # row, token, bucket

    @property
    def day(self) -> int:
        """The first bucket of the newest event's day."""
        return (DAY_START_MS + (self.newest_ms - DAY_START_MS) // DAY_MS * DAY_MS) // FINEST_BUCKET_MS

    def moment(self) -> tuple[Span, Era]:
        """All partitions are level: what the newest event's minute is ahead of is closed."""
        day_ms = np.array([self.day * FINEST_BUCKET_MS])
        span = Span.of(self.newest_ms, day_ms, self.sale, self.newest_ms // MINUTE_MS, day_ms)
        return span, Era.of(self.newest_ms)

    def buy(self, rows: I64, persons: U64, ages: I64 | int) -> None:
        """Paid orders, so many buckets ago."""
        buckets = np.full(len(rows), self.newest_ms // FINEST_BUCKET_MS, np.int64) - ages
        self.seen += zip(rows.tolist(), persons.tolist(), buckets.tolist(), strict=True)
        flagged = persons << np.uint64(TIME_BITS) | np.uint64(BUYER)
        self.people.take(rows.astype(np.int32), flagged, buckets, ZONE, *self.moment())

    def told(self, kind: int = BUYERS) -> F64:
        """Rows x (5m, 1h, day, sale)."""
        return self.people.counts(np.arange(ROWS), ZONE, *self.moment())[:, kind]

    def there(self) -> list[list[int]]:
        """The same from the orders themselves."""
        starts = (*self.moment()[0].sliding, self.day, self.sale)
        return [
            [len({t for r, t, b in self.seen if r == row and b >= start}) for start in starts]
            for row in range(ROWS)
        ]

    def sweep(self) -> None:
        self.people.sweep(ZONE, *self.moment())


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["buy", "buy", "buy", "wait", "next day", "sweep", "restart"]),
        st.integers(0, ROWS - 1),
        st.integers(0, 2**32 - 1),
    ),
    min_size=3,
    max_size=24,
)


@settings(deadline=None, max_examples=60)
@given(STEPS, st.sampled_from([DAY, DAY + 3 * BUCKETS_AN_HOUR]))
def test_buyers_are_those_of_the_orders_before_and_after_they_are_handed_over(
    steps: list[tuple[str, int, int]], sale: int
) -> None:
    buyers = Buyers(sale)
    known = tokens(400, 3)
    for step, row, seed in steps:
        draws = np.random.default_rng(seed)
        if step == "buy":
            chosen = known[draws.integers(0, draws.integers(1, len(known)), 80)]
            buyers.buy(np.full(80, row), chosen, draws.integers(0, 200, 80))
        elif step == "wait":
            buyers.newest_ms += int(draws.integers(0, 90)) * MINUTE_MS
        elif step == "next day":
            buyers.newest_ms = buyers.day * FINEST_BUCKET_MS + DAY_MS + int(draws.integers(1, 90)) * MINUTE_MS
        elif step == "sweep":
            buyers.sweep()
        elif step == "restart":
            buyers.people = pickle.loads(pickle.dumps(buyers.people))
        assert buyers.told().tolist() == buyers.there()


def test_a_merchant_has_no_table_of_buyers_apart_until_there_are_more_than_are_held() -> None:
    buyers = Buyers(most_buyers=8192)
    people = tokens(EXACT_BUYERS + 1, 1)
    buyers.buy(np.zeros(EXACT_BUYERS, np.int64), people[:EXACT_BUYERS], 3)
    assert buyers.told()[0].tolist() == [EXACT_BUYERS] * 4
    assert not buyers.people.loyalty.apart.any()
    assert not buyers.people.buyers.at_least(1).any()
    buyers.buy(np.zeros(1, np.int64), people[EXACT_BUYERS:], 3)
    assert buyers.people.loyalty.apart.tolist()[:ROWS] == [1, 0, 0]


def test_estimates_of_who_was_handed_over_are_those_of_who_came_one_by_one() -> None:
    buyers = Buyers()
    alone = Distinct(PeopleBudget(), with_sale=True)
    draws = np.random.default_rng(9)
    people = tokens(9_000, 5)
    for part in np.array_split(people[draws.permutation(len(people))], 11):
        ages = draws.integers(0, 700, len(part))
        buckets = buyers.newest_ms // FINEST_BUCKET_MS - ages
        buyers.buy(np.zeros(len(part), np.int64), part, ages)
        alone.add(
            np.zeros(len(part), np.int32), part << np.uint64(TIME_BITS), buckets, ZONE, *buyers.moment()
        )
        buyers.newest_ms += 5 * MINUTE_MS
    assert buyers.told().tolist() == alone.counts(np.arange(ROWS), ZONE, *buyers.moment()).tolist()
    assert buyers.told(REPEAT)[0, 2:].tolist() == [0, 0]


def test_where_memory_is_short_buyers_are_handed_over_before_they_are_halved() -> None:
    buyers = Buyers(limit_bytes=1, most_buyers=8192)
    for part in np.array_split(tokens(6_000, 2), 8):
        buyers.buy(np.arange(len(part)) % 2, part, 3)
    buyers.buy(np.full(1, 2), tokens(1, 6), 3)
    assert buyers.people.loyalty.thinned
    assert buyers.people.loyalty.apart[:ROWS].tolist() == [1, 1, 0]
    told = buyers.told()
    assert (told[:2] > 0).all()
    assert told[2].tolist() == [1, 1, 1, 1]


def test_a_merchant_that_nobody_buys_from_any_more_is_counted_where_all_are_held_again() -> None:
    buyers = Buyers(sale=1 << 60)
    people = tokens(3 * HALVED_AT, 4)
    buyers.buy(np.zeros(len(people), np.int64), people, 3)
    assert buyers.people.loyalty.apart[0]
    buyers.newest_ms += DAY_MS + HOUR_MS
    buyers.sweep()
    assert not buyers.people.loyalty.apart[0]
    buyers.buy(np.zeros(50, np.int64), people[:50], 3)
    assert buyers.told()[0].tolist() == [50, 50, 50, 0]
    assert not buyers.people.buyers.at_least(1).any()
