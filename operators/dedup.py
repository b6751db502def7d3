"""Duplicates: the same order with the same status, or the same click, twice within the horizon counts once.

A partition remembers a 64-bit hash of every (order id, status), or of every event id of a click, in
open-addressing tables, one for each slice of half a horizon of the partition's own event-time progress. An
event is a copy if its hash stands in any live table. A copy is always recognised while its first copy is at
most one horizon behind the partition's newest event, and forgotten after one and a half; which of the two
depends on event time alone, not on batches. Duplicates must arrive in the same partition: producers are asked
for that.

Two different events share a hash with probability (ids held) / 2**64 each: with 64 million held,
3.5e-12 an event, one wrongly dropped order in 290 billion.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from operators.batches import I64, NO_EVENT_MS, U8
from operators.bytes_kernels import AHEAD, U64, compiled, inlined, prefetch

SLICES_A_HORIZON = 2
LIVE_TABLES = SLICES_A_HORIZON + 1
FIRST_TABLE_SLOTS = 1 << 14
MAX_LOAD = 0.6
BYTES_A_SLOT = 8

_COPY = 3
"""Outcome of a line that is a copy."""


@inlined
def _home_of(slots: U64, key: np.uint64) -> int:
    """Slot at which the search for ``key`` begins."""
    return int(np.int64((key >> np.uint64(7)) & np.uint64(0x7FFFFFFFFFFFFFFF)) & (len(slots) - 1))


@compiled
def _slot_of(slots: U64, key: np.uint64) -> int:
    """Slot of ``key``, or of the free place where it belongs."""
    mask = len(slots) - 1
    slot = _home_of(slots, key)
    while slots[slot] != 0 and slots[slot] != key:
        slot = (slot + 1) & mask
    return int(slot)


@compiled
def _insert_all(slots: U64, keys: U64) -> None:
    for i in range(len(keys)):
        if i + AHEAD < len(keys):
            prefetch(slots, _home_of(slots, keys[i + AHEAD]))
        slots[_slot_of(slots, keys[i])] = keys[i]


@compiled
def mark_copies(
    keys: U64,
    event_time_ms: I64,
    outcome: U8,
    current: U64,
    older: U64,
    oldest: U64,
    added: U64,
    start: int,
    room: int,
    slice_end_ms: int,
    newest_ms: int,
) -> tuple[int, int, int, int]:
    """Mark copies among rows ``start`` on; stop where the current table is full or its slice has ended.

    Returns (next row, keys added, copies, newest event time).
    """
    count = 0
    copies = 0
    for i in range(start, len(keys)):
        soon = i + AHEAD
        if soon < len(keys):
            prefetch(current, _home_of(current, keys[soon]))
            prefetch(older, _home_of(older, keys[soon]))
            prefetch(oldest, _home_of(oldest, keys[soon]))
        if outcome[i] != 0:
            continue
        time_ms = max(newest_ms, event_time_ms[i])
        if time_ms >= slice_end_ms or count >= room:
            return i, count, copies, newest_ms
        newest_ms = time_ms
        key = keys[i]
        slot = _slot_of(current, key)
        if current[slot] == key or older[_slot_of(older, key)] == key or oldest[_slot_of(oldest, key)] == key:
            outcome[i] = _COPY
            copies += 1
        else:
            current[slot] = key
            added[count] = key
            count += 1
    return len(keys), count, copies, newest_ms


@dataclass(slots=True)
class DedupBudget:
    """Bytes that the tables of one worker process may take, and what that has cost.

    A budget may be a part of a ``whole``: it has a limit of its own, and what it uses counts in both.
    """

    limit_bytes: int
    whole: DedupBudget | None = None
    used_bytes: int = 0
    ids: int = 0
    shrunk_total: int = 0
    """How often an older slice was forgotten before its time."""

    def fits(self, more_bytes: int) -> bool:
        """Whether ``more_bytes`` are left."""
        fits = self.used_bytes + more_bytes <= self.limit_bytes
        return fits and (self.whole is None or self.whole.fits(more_bytes))

    def use(self, more_bytes: int) -> None:
        """Take bytes, or give back negative ones."""
        self.used_bytes += more_bytes
        if self.whole is not None:
            self.whole.use(more_bytes)

    def remember(self, more_ids: int) -> None:
        """Count ids that are remembered, or, negative, forgotten."""
        self.ids += more_ids
        if self.whole is not None:
            self.whole.remember(more_ids)

    def shrink(self) -> None:
        """Count a slice that is forgotten before its time."""
        self.shrunk_total += 1
        if self.whole is not None:
            self.whole.shrink()


@dataclass(slots=True)
class SliceTable:
    """Hashes first seen while the partition's newest event was in one slice of event time."""

    number: int
    end_ms: int
    slots: U64
    keys: list[U64] = field(default_factory=list)
    """What was added since the last snapshot, in order."""
    count: int = 0
    last_ms: int = NO_EVENT_MS

    @property
    def room(self) -> int:
        """Hashes that still fit."""
        return int(len(self.slots) * MAX_LOAD) - self.count

    def grow(self) -> None:
        """Twice the slots."""
        wider = np.zeros(2 * len(self.slots), np.uint64)
        _insert_all(wider, self.slots[self.slots != 0])
        self.slots = wider


_NOTHING: npt.NDArray[np.uint64] = np.zeros(1, np.uint64)


class Dedup:
    """Remembers the events of one partition. ``tables``: oldest first, at most ``LIVE_TABLES``."""

    def __init__(self, horizon_ms: int, budget: DedupBudget) -> None:
        self.slice_ms = horizon_ms // SLICES_A_HORIZON
        self.horizon_ms = horizon_ms
        self.newest_ms = NO_EVENT_MS
        self.tables: deque[SliceTable] = deque()
        self._budget = budget
        self._next_number = 0
        self._added = np.empty(1024, np.uint64)

    def mark(self, keys: U64, event_time_ms: I64, outcome: U8) -> int:
        """Set ``outcome`` of every copy; rows whose outcome is not 0 are passed over. Number of copies."""
        row = 0
        copies = 0
        if len(self._added) < len(keys):
            self._added = np.empty(2 * len(keys), np.uint64)
        if not self.tables:
            accepted = np.flatnonzero(outcome == 0)
            if not len(accepted):
                return 0
            self._rotate(int(event_time_ms[accepted[0]]))
        while True:
            table = self.tables[-1]
            live = [t.slots for t in self.tables]
            row, count, more, self.newest_ms = mark_copies(
                keys, event_time_ms, outcome, table.slots,
                live[-2] if len(live) > 1 else _NOTHING,
                live[-3] if len(live) > 2 else _NOTHING,
                self._added, row, table.room, table.end_ms, self.newest_ms,
            )  # fmt: skip
            copies += more
            if count:
                table.keys.append(self._added[:count].copy())
                table.count += count
                self._budget.remember(count)
            table.last_ms = self.newest_ms
            if row == len(keys):
                return copies
            self._make_room(table, max(self.newest_ms, int(event_time_ms[row])))

    def _make_room(self, table: SliceTable, time_ms: int) -> None:
        if time_ms >= table.end_ms:
            self._rotate(time_ms)
        elif self._budget.fits(table.slots.nbytes):
            self._budget.use(table.slots.nbytes)
            table.grow()
        else:
            self._budget.shrink()
            self._rotate(time_ms)

    def _rotate(self, time_ms: int) -> None:
        """Begin the slice of ``time_ms`` and forget the slices that are a whole horizon behind it."""
        slice_number = time_ms // self.slice_ms
        oldest_kept_ms = (slice_number - SLICES_A_HORIZON) * self.slice_ms
        while self.tables and (self.tables[0].end_ms <= oldest_kept_ms or len(self.tables) == LIVE_TABLES):
            self._forget_oldest()
        slots = FIRST_TABLE_SLOTS
        if self.tables:  # As large as the slice before it, so that it seldom has to grow.
            slots = len(self.tables[-1].slots)
        while self.tables and not self._budget.fits(slots * BYTES_A_SLOT):
            self._budget.shrink()
            self._forget_oldest()
        while slots > FIRST_TABLE_SLOTS and not self._budget.fits(slots * BYTES_A_SLOT):
            slots //= 2
        self._append(
            SliceTable(self._next_number, (slice_number + 1) * self.slice_ms, np.zeros(slots, np.uint64))
        )

    def _append(self, table: SliceTable) -> None:
        self._next_number = table.number + 1
        self._budget.use(table.slots.nbytes)
        self.tables.append(table)

    def _forget_oldest(self) -> None:
        table = self.tables.popleft()
        self._budget.use(-table.slots.nbytes)
        self._budget.remember(-table.count)

    def restore(self, number: int, end_ms: int, last_ms: int, keys: U64) -> None:
        """Take back a table from a snapshot; oldest first."""
        slots = FIRST_TABLE_SLOTS
        while slots * MAX_LOAD < len(keys) + 1:
            slots *= 2
        table = SliceTable(number, end_ms, np.zeros(slots, np.uint64), count=len(keys), last_ms=last_ms)
        _insert_all(table.slots, keys)
        self._budget.remember(len(keys))
        self._append(table)
        self.newest_ms = max(self.newest_ms, last_ms)

    def __iter__(self) -> Iterator[SliceTable]:
        return iter(self.tables)
