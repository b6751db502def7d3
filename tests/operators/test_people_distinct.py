"""Distinct people of windows: exact where it says so, estimated beyond, in any order of events."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.people_distinct import EXACT_PEOPLE, Distinct, PeopleBudget
from operators.people_loyalty import Loyalty
from operators.people_registers import (
    GROWING_ERROR,
    SLIDING_ERROR,
)
from operators.people_span import BUCKETS_A_MINUTE, NEVER, Era, Span
from operators.people_tables import TIME_BITS
from schemas.windows import FINEST_BUCKET_MS, HOUR_MS, MINUTE_MS
from tests.operators.night import DAY_START_MS
from tests.operators.people_rig import (
    DAY,
    ROWS,
    ZONE,
    Seen,
    add,
    counts,
    growing,
    nobody_is_handed_over,
    sliding,
    span_at,
    tokens,
    windows_of,
)

STREAMS = st.lists(
    st.tuples(
        st.integers(0, 240),  # seconds that pass before the batch
        st.lists(
            st.tuples(st.integers(0, ROWS - 1), st.integers(0, 60), st.integers(0, 500)), max_size=40
        ),  # row, person, age in buckets
    ),
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(
    stream=STREAMS,
    most=st.sampled_from([32, 64, 2048]),
    seed=st.integers(0, 99),
    sale=st.sampled_from([DAY, DAY + BUCKETS_A_MINUTE]),
)
def test_counts_are_those_of_sets_or_of_plain_registers_of_each_window(
    stream: list[tuple[int, list[Seen]]], most: int, seed: int, sale: int
) -> None:
    """With small tables: merchants become large, get planes, and are told as if each window had registers."""
    people = tokens(61, seed)
    distinct = Distinct(PeopleBudget(), with_sale=True, most_entries=most)
    seen: list[Seen] = []
    newest_ms = DAY_START_MS + HOUR_MS // 2
    for seconds, batch in stream:
        newest_ms += seconds * 1000
        now = newest_ms // FINEST_BUCKET_MS
        came = [(r, int(people[p]), max(DAY, now - age)) for r, p, age in batch]
        seen += came
        add(distinct, came, newest_ms, sale)
    starts = (*span_at(newest_ms).sliding, DAY, sale)
    for row, told in enumerate(counts(distinct, newest_ms, sale)):
        windows = windows_of(seen, row, newest_ms, sale)
        plain = [len(w) for w in windows]
        if distinct.large.number[row] >= 0:
            plain[2:] = [growing(w) for w in windows[2:]]
            if distinct.tables.t.level[row]:
                plain[:2] = [sliding(w) for w in windows[:2]]
        assert told == [max(n for n, s in zip(plain, starts, strict=True) if s >= start) for start in starts]


@pytest.mark.parametrize("opens", [DAY, DAY + BUCKETS_A_MINUTE])
def test_just_after_midnight_the_last_hour_shows_no_fewer_than_the_day_nor_the_day_than_its_sale(
    opens: int,
) -> None:
    newest_ms = DAY_START_MS + 10 * MINUTE_MS
    for seed in range(50):
        distinct = Distinct(PeopleBudget(), with_sale=True, most_entries=32)
        people = tokens(300, seed)
        add(distinct, [(0, int(p), DAY + 2 * BUCKETS_A_MINUTE) for p in people], newest_ms, opens)
        _, hour, day, sale = counts(distinct, newest_ms, opens)[0]
        assert hour >= day >= sale >= 250


@settings(max_examples=25, deadline=None)
@given(stream=STREAMS, order=st.randoms(use_true_random=False))
def test_the_order_of_events_changes_nothing(stream: list[tuple[int, list[Seen]]], order: object) -> None:
    people = tokens(61, 1)
    newest_ms = DAY_START_MS + HOUR_MS
    came = [(r, int(people[p]), DAY + 720 - a) for _, batch in stream for r, p, a in batch]
    straight = Distinct(PeopleBudget(), with_sale=True, most_entries=32)
    add(straight, came, newest_ms)
    shuffled = list(came)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    other = Distinct(PeopleBudget(), with_sale=True, most_entries=32)
    for one in shuffled:
        add(other, [one], newest_ms)
    assert counts(straight, newest_ms) == counts(other, newest_ms)


def test_a_merchant_is_exact_up_to_its_documented_size() -> None:
    people = tokens(EXACT_PEOPLE, 7)
    distinct = Distinct(PeopleBudget(), with_sale=True)
    newest_ms = DAY_START_MS + 2 * HOUR_MS
    add(distinct, [(0, int(t), DAY + i % 1400) for i, t in enumerate(people)], newest_ms)
    assert counts(distinct, newest_ms)[0][2:] == [EXACT_PEOPLE, EXACT_PEOPLE]


def test_a_large_merchant_slides_within_the_bound_when_a_rush_is_over() -> None:
    """Sampling the rush would leave too few people of the quiet hour; registers keep their error."""
    distinct = Distinct(PeopleBudget(), with_sale=True)
    people = tokens(120_000, 3)
    for part in range(20):  # a hundred thousand within ten minutes
        newest_ms = DAY_START_MS + part * MINUTE_MS // 2
        came = [(0, int(t), newest_ms // FINEST_BUCKET_MS) for t in people[part * 5_000 : (part + 1) * 5_000]]
        add(distinct, came, newest_ms)
    for minute in range(20_000 // 200):  # then two hundred a minute
        newest_ms = DAY_START_MS + (10 + minute) * MINUTE_MS
        first = 100_000 + minute * 200
        add(
            distinct,
            [(0, int(t), newest_ms // FINEST_BUCKET_MS) for t in people[first : first + 200]],
            newest_ms,
        )
    five, hour, day, sale = counts(distinct, newest_ms)[0]
    assert abs(five / 1_000 - 1) <= 3 * SLIDING_ERROR
    assert abs(hour / 12_000 - 1) <= 3 * SLIDING_ERROR
    assert abs(day / 120_000 - 1) <= 3 * GROWING_ERROR
    assert sale == day


def test_a_day_shows_its_people_when_nobody_has_come_for_hours_and_tables_are_swept() -> None:
    distinct = Distinct(PeopleBudget(), with_sale=False)
    came_ms, now_ms = DAY_START_MS + HOUR_MS, DAY_START_MS + 5 * HOUR_MS
    people = tokens(4_000, 5)
    add(distinct, [(0, int(token), came_ms // FINEST_BUCKET_MS) for token in people], came_ms, sale=NEVER)
    shown = counts(distinct, now_ms, sale=NEVER)[0]
    distinct.sweep(ZONE, span_at(now_ms, NEVER), Era.of(now_ms))
    assert counts(distinct, now_ms, sale=NEVER)[0] == shown
    assert shown[:2] == [0, 0]
    assert abs(shown[2] - 4_000) < 4_000 * 4 * GROWING_ERROR


def test_a_merchant_without_a_sale_is_exact_again_on_a_quiet_day() -> None:
    never = 1 << 60
    distinct = Distinct(PeopleBudget(), with_sale=False)
    add(
        distinct,
        [(0, int(t), DAY + 8_000) for t in tokens(5_000, 5)],
        DAY_START_MS + 8_000 * FINEST_BUCKET_MS,
        never,
    )
    assert distinct.large.number[0] >= 0
    newest_ms = DAY_START_MS + 25 * HOUR_MS
    tomorrow = DAY + 24 * 720
    span = span_at(newest_ms, never, tomorrow)
    distinct.sweep(ZONE, span, Era.of(newest_ms))
    assert distinct.large.number[0] < 0
    few = tokens(7, 6)
    distinct.add(
        np.zeros(7, np.int32), few << np.uint64(TIME_BITS), np.full(7, tomorrow + 700), ZONE, span,
        Era.of(newest_ms),
    )  # fmt: skip
    assert distinct.counts(np.arange(1), ZONE, span, Era.of(newest_ms))[0].tolist() == [7, 7, 7, 0]


def test_times_stay_right_across_many_months() -> None:
    """Bases of times move on; a sale of long ago still holds everybody."""
    distinct = Distinct(PeopleBudget(), with_sale=True, most_entries=64)
    people = tokens(400, 8)
    for month in range(40):
        newest_ms = DAY_START_MS + month * 30 * 24 * HOUR_MS
        came = [(0, int(t), newest_ms // FINEST_BUCKET_MS) for t in people[month * 10 : month * 10 + 10]]
        day_ms = np.array([newest_ms])
        span = Span.of(newest_ms, day_ms, DAY, newest_ms // MINUTE_MS, day_ms)
        distinct.add(
            np.zeros(10, np.int32),
            np.array([c[1] for c in came], np.uint64) << np.uint64(TIME_BITS),
            np.array([c[2] for c in came]),
            ZONE,
            span,
            Era.of(newest_ms),
        )
        five, hour, day, sale = distinct.counts(np.arange(1), ZONE, span, Era.of(newest_ms))[0]
        assert (five, hour) == (10, 10)
        assert abs(day - 10) <= 1
        assert abs(sale / (10 * month + 10) - 1) <= 3 * GROWING_ERROR


def test_memory_is_bounded_and_counts_become_samples() -> None:
    """Without memory for more, tables are halved to samples: no crash, and counts are still about right."""
    limit = 1 << 20
    distinct = Distinct(PeopleBudget(limit), with_sale=True)
    newest_ms = DAY_START_MS + HOUR_MS // 2
    people = tokens(120_000, 11)
    for part in range(24):
        came = [(0, int(t), DAY + i % 300) for i, t in enumerate(people[part * 5_000 : (part + 1) * 5_000])]
        add(distinct, came, newest_ms)
    assert abs(counts(distinct, newest_ms)[0][2] / 120_000 - 1) < 0.06
    many = np.random.default_rng(2)
    zone = np.zeros(20_000, np.uint8)
    for _ in range(40):
        rows = many.integers(0, 20_000, 20_000).astype(np.int32)
        persons = many.integers(1, 1 << 40, 20_000, dtype=np.uint64) << np.uint64(TIME_BITS)
        distinct.add(rows, persons, np.full(20_000, DAY + 9), zone, span_at(newest_ms), Era.of(newest_ms))
    assert distinct.nbytes < limit + 20_000 * (16 + 16)
    assert distinct.thinned > 0
    told = distinct.counts(np.arange(20_000), zone, span_at(newest_ms), Era.of(newest_ms))
    assert abs(told[1:, 2].sum() / 800_000 - 1) < 0.1


def test_the_median_of_a_million_merchants_takes_less_than_180_bytes() -> None:
    """A day of Zipf: 86 million visitors, one in twenty buys; every 24th merchant is built."""
    ranks = np.arange(13, 1_000_001, 24)
    visits = np.minimum(7_000_000 // ranks, 3_000).astype(np.int64)
    rng = np.random.default_rng(4)
    rows = rng.permutation(np.repeat(np.arange(len(ranks), dtype=np.int32), visits))
    persons = rng.integers(1, 1 << 40, len(rows), dtype=np.uint64) << np.uint64(TIME_BITS)
    newest_ms = DAY_START_MS + 20 * HOUR_MS
    zone, span, era = np.zeros(len(ranks), np.uint8), span_at(newest_ms), Era.of(newest_ms)
    buckets = np.full(len(rows), newest_ms // FINEST_BUCKET_MS - 1)
    bought = slice(0, len(rows) // 20)
    visitors, loyalty = Distinct(PeopleBudget(), with_sale=True), Loyalty(PeopleBudget())
    visitors.add(rows, persons, buckets, zone, span, era)
    loyalty.add(rows[bought], persons[bought], buckets[bought], zone, span, era, nobody_is_handed_over)
    bytes_of = np.zeros(len(ranks))
    # A buyer's entry, and the numbers of who came back: 32 bytes for each 64 entries.
    for part, entry, columns in ((visitors, 8, 4), (loyalty, 16.5, 10)):
        t = part.tables.t
        bytes_of += t.caps[t.kind[: len(ranks)]] * entry + 8 + columns
    assert np.median(visits) == 13
    assert np.median(bytes_of) <= 180
