"""Distinct people: exact where it says so, within the published error beyond, in any order of events."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.batches import U8
from operators.bytes_kernels import U64, compiled, stable_hash
from operators.people_distinct import EXACT_PEOPLE, Distinct, PeopleBudget
from operators.people_loyalty import EXACT_BUYERS, Loyalty, back_counts
from operators.people_registers import (
    GROWING_ERROR,
    PLANE_REGISTERS,
    REGISTERS,
    SLIDING_ERROR,
    STANDARD_ERROR,
    TOTAL_ERROR,
    TOTAL_REGISTERS,
    VALUES,
    bitmaps_since,
    count_values,
    estimated,
    merge_registers,
    people_in,
    people_in_bitmaps,
    register_in,
    register_of,
    stamp_people,
    with_rank,
)
from operators.people_span import BUCKETS_A_MINUTE, Era, Span
from operators.people_tables import BUYER, MOST_RANK, NOT_FIRST, SAYS, TIME_BITS, rank_of, token_of
from schemas.windows import FINEST_BUCKET_MS, HOUR_MS, MINUTE_MS
from tests.operators.night import DAY_START_MS

DAY = DAY_START_MS // FINEST_BUCKET_MS
ROWS = 3
ZONE = np.zeros(ROWS, np.uint8)
Seen = tuple[int, int, int]
"""Row, token, bucket."""


def tokens(count: int, seed: int) -> U64:
    drawn = np.random.default_rng(seed).integers(0, (1 << 64) - 1, count, dtype=np.uint64)
    return np.array([token_of(h) for h in drawn], np.uint64)


def span_at(newest_ms: int, sale: int = DAY, day: int = DAY) -> Span:
    """All partitions are level: what the newest event's minute is ahead of is closed."""
    day_ms = np.array([day * FINEST_BUCKET_MS])
    return Span.of(newest_ms, day_ms, sale, newest_ms // MINUTE_MS, day_ms)


def add(distinct: Distinct, seen: Sequence[Seen], newest_ms: int, sale: int = DAY) -> None:
    rows = np.array([s[0] for s in seen], np.int32)
    persons = np.array([s[1] for s in seen], np.uint64) << np.uint64(TIME_BITS)
    buckets = np.array([s[2] for s in seen], np.int64)
    distinct.add(rows, persons, buckets, ZONE, span_at(newest_ms, sale), Era.of(newest_ms))


def counts(distinct: Distinct, newest_ms: int, sale: int = DAY) -> list[list[int]]:
    found = distinct.counts(np.arange(ROWS), ZONE, span_at(newest_ms, sale), Era.of(newest_ms))
    return [[int(n) for n in row] for row in found]


def windows_of(seen: Sequence[Seen], row: int, newest_ms: int, sale: int = DAY) -> list[set[int]]:
    span = span_at(newest_ms, sale)
    return [{t for r, t, b in seen if r == row and b >= start} for start in (*span.sliding, DAY, sale)]


@compiled
def fill(people: U64, registers: U8) -> None:
    for token in people:
        at = register_of(token)
        registers[at] = with_rank(registers[at], rank_of(token))


def registers_of(people: U64) -> U8:
    registers = np.zeros(REGISTERS, np.uint8)
    fill(people, registers)
    return registers


def told_by(registers: U8) -> float:
    histogram = np.zeros(VALUES, np.int32)
    count_values(registers, histogram)
    return float(estimated(histogram))


def growing(people: set[int]) -> int:
    """What a window that only grows tells of these people."""
    return round(told_by(registers_of(np.array(sorted(people), np.uint64))))


def sliding(people: set[int]) -> int:
    """What a window that slides tells of them."""
    bitmaps = np.zeros(PLANE_REGISTERS, np.uint32)
    for token in people:
        at = register_in(np.uint64(token), PLANE_REGISTERS)
        bitmaps[at] |= np.uint32(1 << rank_of(np.uint64(token)))
    return round(people_in_bitmaps(bitmaps))


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


@pytest.mark.parametrize(
    ("people", "sets"), [(1_000, 200), (3_000, 200), (10_000, 200), (100_000, 100), (1_000_000, 30)]
)
def test_the_error_is_within_the_published_bound(people: int, sets: int) -> None:
    """Root mean square over sets that are always the same, in each of the forms."""
    rng = np.random.default_rng(sets)
    buckets = np.full(people, 5, np.int64)
    stamps = np.zeros((MOST_RANK, TOTAL_REGISTERS), np.uint32)
    bitmaps = np.zeros(TOTAL_REGISTERS, np.uint32)
    errors: dict[float, list[float]] = {
        e: [] for e in (GROWING_ERROR, SLIDING_ERROR, TOTAL_ERROR, STANDARD_ERROR)
    }
    for _ in range(sets):
        drawn = rng.integers(1, 1 << 40, people, dtype=np.uint64)
        registers = registers_of(drawn)
        errors[GROWING_ERROR].append(told_by(registers) / people - 1)
        errors[STANDARD_ERROR].append(people_in((registers >> 2).astype(np.uint8)) / people - 1)
        errors[SLIDING_ERROR].append(hour_of_a_large_merchant(drawn) / people - 1)
        stamps[:] = 0
        stamp_people(drawn, buckets, stamps)
        bitmaps_since(stamps, 1, bitmaps)
        errors[TOTAL_ERROR].append(people_in_bitmaps(bitmaps) / people - 1)
    spread = 1 / math.sqrt(2 * sets)  # of a root mean square over that many sets
    for bound, found in errors.items():
        assert math.sqrt(np.mean(np.square(found))) <= bound * (1 + 2 * spread)
        assert abs(np.mean(found)) <= 3 * bound / math.sqrt(sets)


def hour_of_a_large_merchant(people: U64) -> int:
    distinct = Distinct(PeopleBudget(), with_sale=False, most_entries=256)
    newest_ms = DAY_START_MS + HOUR_MS
    distinct.add(
        np.zeros(len(people), np.int32), people << np.uint64(TIME_BITS), np.full(len(people), DAY + 700),
        ZONE, span_at(newest_ms), Era.of(newest_ms),
    )  # fmt: skip
    return counts(distinct, newest_ms)[0][1]


def test_merged_registers_are_those_of_the_union() -> None:
    for seed in range(20):
        people = tokens(4_000 * (seed + 1) // 5, seed)
        part = len(people) // 3
        merged = registers_of(people[: 2 * part])
        merge_registers(merged, registers_of(people[part:]))
        assert np.array_equal(merged, registers_of(people))


def test_the_order_in_which_ranks_come_does_not_matter() -> None:
    for ranks in permutations([1, 2, 3, 5, 6, 8]):
        value = 0
        for rank in ranks:
            value = with_rank(value, rank)
        assert value == 8 * 4 + 1  # 8, not 7, but 6


def test_tokens_of_numbered_ids_are_as_good_as_random_ones() -> None:
    errors = []
    for group in range(40):
        hashes = [stable_hash(f"u{group * 5_000 + number}") for number in range(5_000)]
        people = np.array([token_of(np.uint64(h)) for h in hashes], np.uint64)
        errors.append(told_by(registers_of(people)) / 5_000 - 1)
    assert math.sqrt(np.mean(np.square(errors))) <= GROWING_ERROR * 1.2


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


def test_the_median_of_a_million_merchants_takes_less_than_200_bytes() -> None:
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
    visitors, buyers = (Distinct(PeopleBudget(), with_sale=True) for _ in range(2))
    loyalty = Loyalty(PeopleBudget())
    visitors.add(rows, persons, buckets, zone, span, era)
    buyers.add(rows[bought], persons[bought], buckets[bought], zone, span, era)
    loyalty.add(rows[bought], persons[bought], buckets[bought], zone, span, era)
    bytes_of = np.zeros(len(ranks))
    for part, entry, columns in ((visitors, 8, 4), (buyers, 8, 4), (loyalty, 16, 9)):
        t = part.tables.t
        bytes_of += t.caps[t.kind[: len(ranks)]] * entry + 8 + columns
    assert np.median(visits) == 13
    assert np.median(bytes_of) <= 200


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
