"""Distinct people of many merchants at once, in the windows 5m, 1h, day and sale.

A merchant begins with a table of whom it saw last when: exact. When more than ``EXACT_PEOPLE`` have to be
remembered it becomes *large*: ``day`` and ``sale`` go to registers of 3 KiB each, and its table keeps the
last hour alone. When even an hour brings more, people of rank 1 leave the table for a plane of stamps
(3 KiB), then those of rank 2, and so on: the table always holds the people of higher ranks than its planes,
so nothing is lost and the estimate is that of planes of all ranks, whatever was converted when. The answer is
a function of the events alone, not of their order, up to the question whether it is still exact.

Nothing here runs Python for each person.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from operators.batches import F64, I32, I64, U8
from operators.bytes_kernels import U64, grown
from operators.people_large import (
    SALE_REGISTERS,
    Large,
    all_old,
    clear_registers,
    count_people,
    see_people,
    shift_stamps,
    shrink,
    to_plane,
    to_registers,
)
from operators.people_registers import PLANE_REGISTERS, REGISTERS, VALUES
from operators.people_span import Bounds, Era, Span
from operators.people_tables import DONE, FULL, MOST_RANK, MOST_TIME, PersonTables, gather, thin
from schemas.windows import DISTINCT_WINDOWS

MOST_ENTRIES: Final = 2048
EXACT_PEOPLE: Final = MOST_ENTRIES * 3 // 4
"""A merchant with at most this many people to remember is counted exactly."""


@dataclass(slots=True)
class PeopleBudget:
    """Bytes that the people of one shard may take."""

    limit_bytes: int = 1 << 62
    used_bytes: int = 0

    def fits(self, more_bytes: int) -> bool:
        """Whether ``more_bytes`` are left."""
        return self.used_bytes + more_bytes <= self.limit_bytes


class Distinct:
    """Distinct people by row, of one kind (visitors, or buyers) in one shard."""

    def __init__(self, budget: PeopleBudget, *, with_sale: bool, most_entries: int = MOST_ENTRIES) -> None:
        self._budget = budget
        self._era: Era | None = None
        self._registers = 2 if with_sale else 1
        self.tables = PersonTables(most_entries, double=False)
        self.large = Large(
            number=np.full(64, -1, np.int32),
            registers=np.zeros((0, self._registers, REGISTERS), np.uint8),
            histogram=np.zeros((0, 2, VALUES), np.int32),
            day=np.zeros(0, np.int64),
            planes=np.zeros((0, MOST_RANK + 1), np.int32),
            stamps=np.zeros((0, PLANE_REGISTERS), np.uint16),
        )
        self._free_numbers: list[int] = []
        self._free_planes: list[int] = []
        self._told_bytes = 0
        self._tell()

    def add(self, rows: I32, persons: U64, buckets: I64, zone: U8, span: Span, era: Era) -> None:
        """Note that persons were seen. ``persons``: tokens above ``TIME_BITS`` bits that are passed over.

        ``zone``: of every row of the shard, whose number it also tells.
        """
        self.reserve(len(zone))
        self._move(era)
        times = era.times(buckets)
        bounds = Bounds.of(span, era)
        begin, may_grow = 0, True
        while True:
            begin, status = see_people(
                self.tables.t, self.large, rows, persons, times, zone, bounds.day, bounds.sale,
                bounds.kept_all, bounds.kept_hour, era.short_offset, may_grow, begin,
            )  # fmt: skip
            if status == DONE:
                break
            if status == FULL:
                self._enlarge(int(rows[begin]), int(zone[rows[begin]]), bounds, era)
            elif self._budget.fits(self.tables.more_bytes()):
                self.tables.grow()
            elif may_grow:
                may_grow = False
            else:
                # A merchant's first block, of 16 bytes, is given in any case.
                self.tables.grow(1024)
            self._tell()

    def _enlarge(self, row: int, zone: int, bounds: Bounds, era: Era) -> None:
        """A table is full: large merchants get planes, others become large; without memory it is halved."""
        t = self.tables.t
        number = int(self.large.number[row])
        if number < 0:
            if not self._budget.fits(self._registers * REGISTERS):
                thin(t, row, int(bounds.kept_all[zone]))
                t.counts[1] += 1
                return
            self._make_large(row)
            to_registers(t, self.large, row, bounds.day[zone], bounds.sale)
            shrink(t, row, bounds.kept_hour)
            return
        level = int(t.level[row])
        missing = level > 0 and self.large.planes[number, level] < 0
        if level == MOST_RANK - 1 or missing or not self._budget.fits(2 * PLANE_REGISTERS):
            thin(t, row, bounds.kept_hour)
            t.counts[1] += 1
            return
        plane = self._new_plane()
        self.large.planes[number, level + 1] = plane
        to_plane(t, row, bounds.kept_hour, self.large.stamps[plane], era.short_offset)

    def _make_large(self, row: int) -> None:
        large = self.large
        if not self._free_numbers:
            have = len(large.day)
            size = max(have + have // 4, 4)
            self._free_numbers = list(range(size - 1, have - 1, -1))
            large = self.large = large._replace(
                registers=grown(large.registers, size),
                histogram=grown(large.histogram, size),
                day=grown(large.day, size),
                planes=grown(large.planes, size),
            )
        number = self._free_numbers.pop()
        large.number[row] = number
        large.planes[number] = -1
        large.day[number] = -1
        for which in range(self._registers):
            clear_registers(large, number, which)
        if self._registers == 1:
            large.histogram[number, SALE_REGISTERS] = 0
            large.histogram[number, SALE_REGISTERS, 0] = REGISTERS

    def _new_plane(self) -> int:
        if not self._free_planes:
            have = len(self.large.stamps)
            size = max(have + have // 4, 8)
            self._free_planes = list(range(size - 1, have - 1, -1))
            self.large = self.large._replace(stamps=grown(self.large.stamps, size))
        return self._free_planes.pop()

    def counts(self, rows: I64, zone: U8, span: Span, era: Era) -> F64:
        """Distinct people of some rows: n x ``DISTINCT_WINDOWS``, whole numbers.

        A window that lies within another one never shows more people than that one, though their estimates
        are made from different registers.
        """
        self.reserve(len(zone))
        self._move(era)
        bounds = Bounds.of(span, era)
        counts = np.zeros((len(rows), len(DISTINCT_WINDOWS)))
        if self.tables.t.counts[0] or len(self.large.day):  # else nobody was ever seen
            count_people(
                self.tables.t, self.large, rows, zone, bounds.sliding, bounds.day, bounds.sale,
                era.short_offset, counts,
            )  # fmt: skip
        return np.rint(counts, out=counts)

    def at_least(self, people: int) -> npt.NDArray[np.bool_]:
        """By row, whether any window may hold so many: others need not be counted to find the greatest."""
        t = self.tables.t
        return np.asarray((t.used >= people) | (t.level > 0) | (self.large.number[: len(t.used)] >= 0))

    def sweep(self, zone: U8, span: Span, era: Era) -> None:
        """Forget whom no window will ask for any more, and give their memory back. Once an hour."""
        self.reserve(len(zone))
        self._move(era)
        bounds = Bounds.of(span, era)
        t, large = self.tables.t, self.large
        keep = np.zeros(len(t.kind), np.int64)
        keep[: len(zone)] = bounds.kept_all[zone]
        keep[large.number >= 0] = bounds.kept_hour
        for row in np.flatnonzero(large.number >= 0).tolist():
            self._relax(row, bounds, era, bounds.kept_day[zone[row]])
        self.tables.sweep(keep)
        t = self.tables.t
        t.level[(t.used == 0) & (large.number[: len(t.used)] < 0)] = 0
        self._tell()

    def _relax(self, row: int, bounds: Bounds, era: Era, kept_day: int) -> None:
        """Planes that saw nobody for an hour go; a merchant whose windows its table holds is exact again."""
        t, large = self.tables.t, self.large
        number = int(large.number[row])
        level = int(t.level[row])
        planes = [int(p) for p in large.planes[number] if p >= 0]
        least = bounds.kept_hour - era.short_offset
        if level and all(all_old(large.stamps[p], least) for p in planes):
            thinned = len(planes) < level
            if thinned and gather(t, row, bounds.kept_hour, level):
                return
            t.level[row] = 0
            large.planes[number] = -1
            for plane in planes:
                large.stamps[plane] = 0
            self._free_planes += planes
        if t.level[row] == 0 and bounds.kept_hour <= min(kept_day, bounds.sale):
            large.number[row] = -1
            self._free_numbers.append(number)

    def _move(self, era: Era) -> None:
        held, self._era = self._era, era
        if held is None or held == era:
            return
        if era.base > held.base:
            by = min(era.base - held.base, MOST_TIME)
            self.tables.shift(by)
            known = self.large.day >= 0
            self.large.day[known] = np.maximum(self.large.day[known] - by, 1)
        if era.short_base > held.short_base:
            shift_stamps(self.large.stamps, era.short_base - held.short_base)

    def reserve(self, rows: int) -> None:
        """Make room for ``rows`` rows in all."""
        self.tables.reserve(rows)
        have = len(self.large.number)
        if have < len(self.tables.t.kind):
            number = np.full(len(self.tables.t.kind), -1, np.int32)
            number[:have] = self.large.number
            self.large = self.large._replace(number=number)
            self._tell()

    def _tell(self) -> None:
        now = self.nbytes
        self._budget.used_bytes += now - self._told_bytes
        self._told_bytes = now

    @property
    def thinned(self) -> int:
        """How often a table was halved to a sample for want of memory."""
        return int(self.tables.t.counts[1])

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self.tables.nbytes + sum(a.nbytes for a in self.large)
