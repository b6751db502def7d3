"""The people of one shard: visitors, buyers, those who came back, and all of its people for the total."""

from __future__ import annotations

import numpy as np

from operators.batches import F64, I32, I64, U8
from operators.bytes_kernels import U64
from operators.people_distinct import Distinct, PeopleBudget
from operators.people_loyalty import Loyalty, back_counts
from operators.people_registers import (
    MOST_STAMP,
    TOTAL_REGISTERS,
    U32,
    bitmaps_since,
    people_in_bitmaps,
    stamp_people,
    told_returning,
)
from operators.people_span import NEVER, Era, Span
from operators.people_tables import BUYER, MOST_RANK, NOT_FIRST, TIME_BITS
from schemas.windows import DAY, DISTINCT, DISTINCT_WINDOWS

VISITORS, BUYERS, REPEAT, RETURNING = range(len(DISTINCT))
_DAY = DISTINCT_WINDOWS.index(DAY)
_KINDS = (VISITORS, BUYERS, RETURNING)
"""Kinds of people that are stamped for the total."""
_TOTALS = [
    (kind, w) for kind in _KINDS for w in range(len(DISTINCT_WINDOWS)) if kind != RETURNING or w >= _DAY
]
"""Kind and window of each of the bitmaps."""


class ShardPeople:
    """Who visited and who bought, by row of the shard. ``limit_bytes`` bounds what that takes.

    ``buyers`` are those of merchants that have more than ``loyalty`` holds.
    """

    def __init__(self, limit_bytes: int, *, with_sale: bool) -> None:
        self.budget = PeopleBudget(limit_bytes)
        self.visitors = Distinct(self.budget, with_sale=with_sale)
        self.buyers = Distinct(self.budget, with_sale=with_sale)
        self.loyalty = Loyalty(self.budget)
        self._stamps: U32 = np.zeros((len(_KINDS), MOST_RANK, TOTAL_REGISTERS), np.uint32)

    def take(self, rows: I32, persons: U64, buckets: I64, zone: U8, span: Span, era: Era) -> None:
        """Count persons (as of ``people_tables.person_of``) of rows; ``zone``: of every row of the shard."""
        paid = (persons & np.uint64(BUYER)) != 0
        if not paid.any():
            self._visited(rows, persons, buckets, zone, span, era)
        elif paid.all():
            self._bought(rows, persons, buckets, zone, span, era)
        else:
            visited = ~paid
            self._visited(rows[visited], persons[visited], buckets[visited], zone, span, era)
            self._bought(rows[paid], persons[paid], buckets[paid], zone, span, era)

    def _visited(self, rows: I32, persons: U64, buckets: I64, zone: U8, span: Span, era: Era) -> None:
        self.visitors.add(rows, persons, buckets, zone, span, era)
        stamp_people(persons >> np.uint64(TIME_BITS), buckets, self._stamps[0])

    def _bought(self, rows: I32, persons: U64, buckets: I64, zone: U8, span: Span, era: Era) -> None:
        def hand_over(row: int, held: U64, last: I64) -> None:
            self.buyers.add(np.full(len(held), row, np.int32), held, last, zone, span, era)

        self.loyalty.add(rows, persons, buckets, zone, span, era, hand_over)
        apart = self.loyalty.apart[rows] != 0
        if apart.any():
            self.buyers.add(rows[apart], persons[apart], buckets[apart], zone, span, era)
        stamp_people(persons >> np.uint64(TIME_BITS), buckets, self._stamps[1])
        back = (persons & np.uint64(NOT_FIRST)) != 0
        stamp_people(persons[back] >> np.uint64(TIME_BITS), buckets[back], self._stamps[2])

    def counts(self, rows: I64, zone: U8, span: Span, era: Era) -> F64:
        """People of some rows: n x DISTINCT x DISTINCT_WINDOWS, whole numbers, NaN where nothing is told."""
        counts = np.full((len(rows), len(DISTINCT), len(DISTINCT_WINDOWS)), np.nan)
        recent, held = self.loyalty.counts(rows, zone, span, era)
        buyers = np.concatenate([recent, held[:, :, 0]], axis=1, dtype=np.float64)
        apart = np.flatnonzero(self.loyalty.apart[rows])
        if len(apart):
            buyers[apart] = self.buyers.counts(rows[apart], zone, span, era)
        back = back_counts(held, self.loyalty.exact(rows), buyers[:, _DAY:])
        counts[:, VISITORS] = self.visitors.counts(rows, zone, span, era)
        counts[:, BUYERS] = buyers
        counts[:, REPEAT, _DAY:] = back[:, :, 0]
        told = self.loyalty.told(rows)
        counts[told, RETURNING, _DAY:] = back[told, :, 1]
        return counts

    def sweep(self, zone: U8, span: Span, era: Era) -> None:
        """Forget whom no window will ask for any more. Once an hour of closed minutes."""
        for part in (self.visitors, self.buyers, self.loyalty):
            part.sweep(zone, span, era)
        apart = np.flatnonzero(self.loyalty.apart)
        if len(apart):
            somebody = self.buyers.at_least(1)[apart] | (self.loyalty.tables.t.used[apart] > 0)
            self.loyalty.apart[apart[~somebody]] = 0

    def bitmaps(self, span: Span) -> U32:
        """The shard's people, for ``people_of_all``: kinds and windows x registers. ``day``: of zone 0."""
        bitmaps = np.zeros((len(_TOTALS), TOTAL_REGISTERS), np.uint32)
        starts = (*span.sliding, int(span.day[0]), span.sale if span.sale != NEVER else MOST_STAMP + 1)
        for (kind, w), bitmap in zip(_TOTALS, bitmaps, strict=True):
            stamps = self._stamps[_KINDS.index(kind)]
            bitmaps_since(stamps, min(max(starts[w], 1), MOST_STAMP + 1), bitmap)
        return bitmaps

    @property
    def thinned(self) -> int:
        """How often a merchant's people were halved to a sample for want of memory."""
        return self.visitors.thinned + self.buyers.thinned + self.loyalty.thinned

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self.visitors.nbytes + self.buyers.nbytes + self.loyalty.nbytes + self._stamps.nbytes


def people_of_all(bitmaps: list[U32]) -> F64:
    """People over several shards: DISTINCT x DISTINCT_WINDOWS, NaN where nothing is told. Each counts once.

    Who comes back is told by orders' ``first_order`` alone, of whatever merchant.
    """
    counts = np.full((len(DISTINCT), len(DISTINCT_WINDOWS)), np.nan)
    for (kind, w), bitmap in zip(_TOTALS, np.bitwise_or.reduce(bitmaps), strict=True):
        counts[kind, w] = round(people_in_bitmaps(bitmap))
    counts[RETURNING, _DAY:] = told_returning(counts[RETURNING, _DAY:])
    return counts
