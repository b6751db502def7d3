"""Distinct people: exact where it says so, within the published error beyond, in any order of events."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.bytes_kernels import U64, stable_hash
from operators.people_distinct import EXACT_PEOPLE, Distinct, PeopleBudget
from operators.people_registers import (
    REGISTERS,
    STANDARD_ERROR,
    people_in,
    register_of,
    registers_since,
    stamp_people,
)
from operators.people_span import Era, Span
from operators.people_tables import MOST_RANK, TIME_BITS, rank_of, token_of
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


def plain_registers(people: set[int]) -> float:
    registers = np.zeros(REGISTERS, np.uint8)
    for token in people:
        at = register_of(np.uint64(token))
        registers[at] = max(registers[at], rank_of(np.uint64(token)))
    return float(people_in(registers))


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
@given(stream=STREAMS, most=st.sampled_from([32, 64, 2048]), seed=st.integers(0, 99))
def test_counts_are_those_of_sets_or_of_plain_registers_of_each_window(
    stream: list[tuple[int, list[Seen]]], most: int, seed: int
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
        add(distinct, came, newest_ms)
    for row, told in enumerate(counts(distinct, newest_ms)):
        windows = windows_of(seen, row, newest_ms)
        exact = [len(w) for w in windows]
        if distinct.large.number[row] < 0:
            assert told == exact
            continue
        hour = exact[:2]
        if distinct.tables.t.level[row]:
            hour = [round(plain_registers(w)) for w in windows[:2]]
        assert told[0] == hour[0]
        assert told[1] == max(hour)
        assert told[3] == max(*hour, *(round(plain_registers(w)) for w in windows[2:]))


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


@pytest.mark.parametrize("people", [1_000, 3_000, 10_000, 100_000, 1_000_000])
def test_the_error_is_within_the_published_bound(people: int) -> None:
    """Root mean square of 200 sets (60 of the largest), always the same ones."""
    sets = 200 if people <= 100_000 else 60
    rng = np.random.default_rng(people)
    buckets = np.full(people, 5, np.int64)
    stamps = np.zeros((MOST_RANK, REGISTERS), np.uint32)
    registers = np.zeros(REGISTERS, np.uint8)
    errors = []
    for _ in range(sets):
        stamps[:] = 0
        stamp_people(rng.integers(1, 1 << 40, people, dtype=np.uint64), buckets, stamps)
        registers_since(stamps, 1, registers)
        errors.append(people_in(registers) / people - 1)
    spread = 1 / math.sqrt(2 * sets)  # of a root mean square over that many sets
    assert math.sqrt(np.mean(np.square(errors))) <= STANDARD_ERROR * (1 + 2 * spread)
    assert abs(np.mean(errors)) <= 3 * STANDARD_ERROR / math.sqrt(sets)


def test_tokens_of_numbered_ids_are_as_good_as_random_ones() -> None:
    errors = []
    for group in range(40):
        registers = np.zeros(REGISTERS, np.uint8)
        for number in range(5_000):
            token = token_of(np.uint64(stable_hash(f"u{group * 5_000 + number}")))
            registers[register_of(token)] = max(registers[register_of(token)], rank_of(token))
        errors.append(people_in(registers) / 5_000 - 1)
    assert math.sqrt(np.mean(np.square(errors))) <= STANDARD_ERROR * 1.2


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
    assert abs(five / 1_000 - 1) <= 3 * STANDARD_ERROR
    assert abs(hour / 12_000 - 1) <= 3 * STANDARD_ERROR
    assert abs(day / 120_000 - 1) <= 3 * STANDARD_ERROR
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
        assert abs(sale / (10 * month + 10) - 1) <= 3 * STANDARD_ERROR


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
    """A day of Zipf: 100 million visits, the median merchant has 13 or 14; one in fifty is built."""
    part = 50
    ranks = np.arange(1, 1_000_001, part)
    rng = np.random.default_rng(4)
    visits = np.minimum(7_000_000 // ranks, 3_000).astype(np.int64)
    rows = np.repeat(np.arange(len(ranks), dtype=np.int32), visits)
    order = rng.permutation(len(rows))
    distinct = Distinct(PeopleBudget(), with_sale=True)
    zone = np.zeros(len(ranks), np.uint8)
    newest_ms = DAY_START_MS + 20 * HOUR_MS
    persons = rng.integers(1, 1 << 40, len(rows), dtype=np.uint64) << np.uint64(TIME_BITS)
    distinct.add(
        rows[order], persons, np.full(len(rows), DAY + 9), zone, span_at(newest_ms), Era.of(newest_ms)
    )
    t = distinct.tables.t
    blocks = t.caps[t.kind[: len(ranks)]] * 8
    row_bytes = t.at.itemsize + t.kind.itemsize + t.used.itemsize + t.level.itemsize + 4
    assert np.median(visits) == 13.5
    assert np.median(blocks) + row_bytes <= 200
    assert distinct.nbytes / len(ranks) <= 1_000
