"""People that tests count: tokens, times, and what registers tell of sets of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from operators.batches import I64, U8
from operators.bytes_kernels import U64, compiled
from operators.people_distinct import Distinct
from operators.people_registers import (
    PLANE_REGISTERS,
    REGISTERS,
    VALUES,
    count_values,
    estimated,
    people_in_bitmaps,
    register_in,
    register_of,
    with_rank,
)
from operators.people_span import Era, Span
from operators.people_tables import TIME_BITS, rank_of, token_of
from schemas.windows import FINEST_BUCKET_MS, MINUTE_MS
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


def nobody_is_handed_over(row: int, persons: U64, buckets: I64) -> None:
    """Of a ``Loyalty`` whose merchants all stay small."""
    raise AssertionError(f"row {row} has {len(persons)} buyers")


def forgotten(row: int, persons: U64, buckets: I64) -> None:
    """Of a ``Loyalty`` that is asked for who came back alone."""


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
