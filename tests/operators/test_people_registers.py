"""Estimates of distinct people: within the published error, whatever the order and the ids."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest

from operators.bytes_kernels import U64, stable_hash
from operators.people_distinct import Distinct, PeopleBudget
from operators.people_registers import (
    GROWING_ERROR,
    SLIDING_ERROR,
    STANDARD_ERROR,
    TOTAL_ERROR,
    TOTAL_REGISTERS,
    bitmaps_since,
    merge_registers,
    people_in,
    people_in_bitmaps,
    stamp_people,
    with_rank,
)
from operators.people_span import Era
from operators.people_tables import MOST_RANK, TIME_BITS, token_of
from schemas.windows import HOUR_MS
from tests.operators.night import DAY_START_MS
from tests.operators.people_rig import (
    DAY,
    ZONE,
    counts,
    registers_of,
    span_at,
    tokens,
    told_by,
)


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
