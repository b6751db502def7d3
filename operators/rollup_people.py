"""Distinct people of roll-ups, estimated within 1.66 % standard error (``people_registers``).

A person counts once in a value, whatever merchants it was seen at: as a visitor, as a buyer, and as a
returning buyer if an order says that it is not the first at its merchant. For each value and kind of people
stands when each rank was last seen in each register; what a window holds follows from where it begins.
Pages of ranks that nobody had are never touched, so they take no memory.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from operators.batches import F64, I32, I64, U8
from operators.bytes_kernels import AHEAD, allocating, compiled, inlined, prefetch
from operators.people_cells import BUYER, KINDS, RETURNING, VISITOR, People
from operators.people_registers import MOST_STAMP, PLANE_REGISTERS, U32, likeliest, told_returning
from operators.people_tables import MOST_RANK
from operators.rates import BUYERS, RETURNING_BUYERS, VISITORS
from schemas.rollups import DIMENSIONS, VALUES_SHOWN
from schemas.windows import DAY, DISTINCT, DISTINCT_WINDOWS, FINEST_BUCKET_MS, SLIDING

MOST_PLACES: Final = KINDS * len(DIMENSIONS) * (VALUES_SHOWN + 2)
_SLIDING: Final = tuple(w for w in SLIDING if w.name in DISTINCT_WINDOWS)
_DAY: Final = DISTINCT_WINDOWS.index(DAY)
_PLANE_BYTES: Final = 4 * PLANE_REGISTERS


@inlined
def _number_of(place: int, cell: int) -> int:
    """The number of the stamp of a cell (its rank above 16 bits, its register below) of a place."""
    return (place * MOST_RANK + (cell >> 16) - 1) * PLANE_REGISTERS + (cell & 0xFFFF)


@compiled
def stamp_cells(places: I32, cells: I32, buckets: I64, stamps: U32, touched: U8, noted: U8, news: I32) -> int:
    """Note when each rank was last seen; ``stamps``: places x ranks x registers, 0 = never.

    Stamps that change and are not ``noted`` yet become so; their numbers go to ``news``.
    Returns how many.
    """
    all_stamps, all_noted = stamps.reshape(-1), noted.reshape(-1)
    found = 0
    for i in range(len(places)):
        if i + AHEAD < len(places):
            soon = _number_of(places[i + AHEAD], cells[i + AHEAD])
            prefetch(all_stamps, soon)
            prefetch(all_noted, soon)
        touched[places[i], (cells[i] >> 16) - 1] = 1
        at = _number_of(places[i], cells[i])
        bucket = np.uint32(min(buckets[i], MOST_STAMP))
        if bucket > all_stamps[at]:
            all_stamps[at] = bucket
            if all_noted[at] == 0:
                all_noted[at] = 1
                news[found] = at
                found += 1
    return found


@allocating
def count_people(places: I64, starts: I64, stamps: U32, touched: U8, counts: F64) -> None:
    """People of places in the stretches from each of ``starts`` up to now: n x starts."""
    seen = np.zeros(MOST_RANK + 1, np.int64)
    unseen = np.zeros(MOST_RANK + 1, np.int64)
    for i in range(len(places)):
        place = places[i]
        for w in range(len(starts)):
            least = np.uint32(starts[w])
            for rank in range(MOST_RANK):
                hits = 0
                if touched[place, rank]:
                    for r in range(PLANE_REGISTERS):
                        hits += int(stamps[place, rank, r] >= least)
                seen[rank + 1] = hits
                unseen[rank + 1] = PLANE_REGISTERS - hits
            counts[i, w] = likeliest(seen, unseen, PLANE_REGISTERS)


class RollupPeople:
    """People by row of the roll-ups."""

    def __init__(self) -> None:
        self._stamps: U32 = np.zeros((MOST_PLACES, MOST_RANK, PLANE_REGISTERS), np.uint32)
        self._touched: U8 = np.zeros((MOST_PLACES, MOST_RANK), np.uint8)
        self._begin_notes()

    def _begin_notes(self) -> None:
        self._noted: U8 = np.zeros(self._stamps.shape, np.uint8)
        self._news: list[I32] = []

    def add(self, people: People) -> None:
        """Take cells; places are of rows."""
        news = np.empty(len(people.place), np.int32)
        found = stamp_cells(
            people.place, people.cell, people.bucket, self._stamps, self._touched, self._noted, news
        )
        if found:
            self._news.append(news[:found].copy())

    def changed(self) -> tuple[I32, U32]:
        """Numbers and values of the stamps that changed since the last call, each once, in no order."""
        numbers = np.concatenate(self._news) if self._news else np.zeros(0, np.int32)
        self._news = []
        self._noted.reshape(-1)[numbers] = 0
        return numbers, self._stamps.reshape(-1)[numbers]

    def restore(self, numbers: I32, values: U32) -> None:
        """Take what ``changed`` told."""
        stamps = self._stamps.reshape(-1)
        stamps[numbers] = np.maximum(stamps[numbers], values)
        self._touched.reshape(-1)[numbers // PLANE_REGISTERS] = 1

    def counts(self, rows: I64, newest_ms: int, day_ms: int, sale_bucket: int) -> F64:
        """n x DISTINCT x DISTINCT_WINDOWS, whole numbers; NaN where a roll-up tells nothing."""
        starts = [
            (newest_ms // w.bucket_ms - w.buckets + 1) * (w.bucket_ms // FINEST_BUCKET_MS) for w in _SLIDING
        ]
        starts += [day_ms // FINEST_BUCKET_MS, sale_bucket]
        least = np.clip(np.array(starts), 1, MOST_STAMP + 1)
        counts = np.full((len(rows), len(DISTINCT), len(DISTINCT_WINDOWS)), np.nan)
        for kind, name in ((VISITOR, VISITORS), (BUYER, BUYERS)):
            of_kind = np.zeros((len(rows), len(DISTINCT_WINDOWS)))
            count_people(KINDS * rows + kind, least, self._stamps, self._touched, of_kind)
            counts[:, name] = np.rint(of_kind)
        back = np.zeros((len(rows), len(DISTINCT_WINDOWS) - _DAY))
        count_people(KINDS * rows + RETURNING, least[_DAY:], self._stamps, self._touched, back)
        counts[:, RETURNING_BUYERS, _DAY:] = told_returning(np.rint(back))
        return counts

    @property
    def nbytes(self) -> int:
        """Bytes touched."""
        return _PLANE_BYTES * int(self._touched.sum()) + self._touched.nbytes

    def __getstate__(self) -> tuple[U8, U32]:
        return self._touched, self._stamps[self._touched != 0]

    def __setstate__(self, state: tuple[U8, U32]) -> None:
        self._touched, planes = state
        self._stamps = np.zeros((MOST_PLACES, MOST_RANK, PLANE_REGISTERS), np.uint32)
        self._stamps[self._touched != 0] = planes
        self._begin_notes()
