"""What waits for Redis: offers go in from the dataflow's thread, rows come out in the publisher's.

Every merchant that waits has one slot in columns, however often it is offered and however long Redis is
away. An offer overwrites the values of its merchants' slots and adds to what has changed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

import numpy as np

from operators.batches import F64, I64, U8, U16, MerchantRows, Texts
from operators.bytes_kernels import grown
from operators.changes import ALL_CHANGED
from operators.redis_rows import (
    ARRAYS,
    UNKNOWN_MS,
    PendingRows,
    best_rows,
    publish_order,
    rank_columns,
)
from schemas.windows import DISTINCT, DISTINCT_WINDOWS, MEASURES, RATIOS, WINDOWS

FREE, WAITS, TAKEN = range(3)
SLOTS: Final = 4_096
"""Slots at first, and again when a backlog has been written."""
_LATEST: Final = np.iinfo(np.int64).max


@dataclass(slots=True)
class Taken:
    """Rows that are being written, and their slots."""

    slots: I64
    rows: PendingRows

    def __len__(self) -> int:
        return len(self.slots)

    def part(self, start: int, stop: int | None = None) -> Taken:
        """Rows ``start`` to ``stop``, exclusive."""
        return Taken(self.slots[start:stop], self.rows.part(start, stop))


class PendingMerchants:
    """Latest values of merchants that are not written yet. Safe to use from two threads."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._lock = threading.Lock()
        self._progress: dict[int, dict[str, int]] = {}
        self._slot_of: dict[str, int] = {}
        self._clear()

    def _clear(self) -> None:
        self._columns = _empty_columns(SLOTS)
        self._state: U8 = np.zeros(SLOTS, np.uint8)
        self._free = list(range(SLOTS))

    def offer(self, rows: MerchantRows) -> None:
        """Take rows; they replace what waits of the same merchants."""
        with self._lock:
            self._progress[rows.shard] = rows.progress
            if len(rows):
                slots = self._slots_for(rows)
                self._store(slots, rows)

    def _slots_for(self, rows: MerchantRows) -> I64:
        if len(self._free) < len(rows):
            self._grow(len(rows) - len(self._free))
        columns, slot_of, free = self._columns, self._slot_of, self._free
        texts = rows.texts
        slots = np.empty(len(rows), np.int64)
        for i, (merchant_id, name) in enumerate(zip(rows.merchant_ids, rows.names, strict=True)):
            slot = slot_of.get(merchant_id)
            if slot is None:
                slot_of[merchant_id] = slot = free.pop()
                columns.merchant_ids[slot] = merchant_id
            columns.names[slot] = name
            if texts:
                columns.texts[slot] = merged_texts(columns.texts[slot], texts[i])
            slots[i] = slot
        return slots

    def _grow(self, missing: int) -> None:
        # A slot takes 1.2 KiB: by a quarter at a time, and what is not in use yet takes no memory.
        have = len(self._state)
        more = max(missing, have // 4)
        columns = self._columns
        for name in ARRAYS:
            setattr(columns, name, grown(getattr(columns, name), have + more))
        columns.since_s[have:] = np.inf
        columns.merchant_ids += [""] * more
        columns.names += [None] * more
        columns.texts += [None] * more
        self._state = grown(self._state, have + more)
        self._free += range(have, have + more)

    def _store(self, slots: I64, rows: MerchantRows) -> None:
        c = self._columns
        c.shard[slots] = rows.shard
        c.clicked[slots] = rows.clicked
        c.measures[slots] = rows.measures
        c.ratios[slots] = rows.ratios
        c.people[slots] = rows.people
        c.peak_multiple[slots] = rows.peak_multiple
        c.peak_same_period[slots] = rows.peak_same_period
        c.peak_at_ms[slots] = rows.peak_at_ms
        c.event_time_ms[slots] = rows.event_time_ms
        c.baseline_gmv[slots] = rows.baseline_gmv
        c.baseline_orders[slots] = rows.baseline_orders
        c.baseline_new_members[slots] = rows.baseline_new_members
        c.hundred_hours[slots] = rows.hundred_hours
        c.best_multiple[slots], c.best_gmv[slots] = rank_columns(rows.measures, rows.ratios)
        arrived = np.full(len(rows), UNKNOWN_MS) if rows.arrived_ms is None else rows.arrived_ms
        # Rows that only time has changed say nothing about how long an event took.
        arrived = np.where(rows.urgent, arrived, UNKNOWN_MS)
        self._add(slots, rows.changed, rows.urgent, np.full(len(rows), self._now_s()), arrived)

    def _add(self, slots: I64, changed: U16, urgent: np.ndarray, since_s: F64, arrived_ms: I64) -> None:
        """What is collected over the offers of a merchant, until it is taken."""
        c = self._columns
        begins = self._state[slots] != WAITS
        c.changed[slots] = np.where(begins, changed, c.changed[slots] | changed)
        c.urgent[slots] = np.where(begins, urgent, c.urgent[slots] | urgent)
        c.since_s[slots] = np.where(begins, since_s, np.minimum(c.since_s[slots], since_s))
        c.arrived_ms[slots] = np.where(begins, arrived_ms, _oldest(c.arrived_ms[slots], arrived_ms))
        self._state[slots] = WAITS

    def progress(self) -> dict[int, dict[str, int]]:
        """Newest offered progress of each shard."""
        with self._lock:
            return dict(self._progress)

    def take(self, limit: int, held: Collection[int] = ()) -> Taken | None:
        """At most ``limit`` rows, in the order of writing; none of shards in ``held``. None if none waits.

        Every one has to go to ``written`` or ``put_back``.
        """
        with self._lock:
            candidates = np.flatnonzero(self._state == WAITS)
            if held:
                candidates = candidates[~np.isin(self._columns.shard[candidates], list(held))]
            if not len(candidates):
                return None
            slots = publish_order(self._columns, best_rows(self._columns, candidates, limit))
            self._state[slots] = TAKEN
            taken = Taken(slots, self._columns.pick(slots))
            for slot in slots.tolist():
                self._columns.texts[slot] = None
            return taken

    def written(self, taken: Taken) -> None:
        """The rows stand in Redis; a merchant that has been offered since waits on."""
        with self._lock:
            done = taken.slots[self._state[taken.slots] == TAKEN]
            self._state[done] = FREE
            self._columns.since_s[done] = np.inf
            for slot in done.tolist():
                del self._slot_of[self._columns.merchant_ids[slot]]
            self._free += done.tolist()
            if not self._slot_of and len(self._state) > SLOTS:
                self._clear()

    def put_back(self, taken: Taken) -> None:
        """The rows were not written; values that have been offered since stay."""
        rows = taken.rows
        with self._lock:
            self._add(taken.slots, rows.changed, rows.urgent, rows.since_s, rows.arrived_ms)
            for slot, text in zip(taken.slots.tolist(), rows.texts, strict=True):
                self._columns.texts[slot] = merged_texts(text, self._columns.texts[slot])

    def mark_complete(self) -> None:
        """Have every window of every waiting merchant written: Redis holds nothing of them."""
        with self._lock:
            self._columns.changed[:] = ALL_CHANGED

    def __len__(self) -> int:
        """Merchants that wait or are being written."""
        return len(self._slot_of)

    def oldest_s(self) -> float | None:
        """Monotonic seconds since which the oldest of them waits; None if there is none."""
        with self._lock:
            oldest_s = float(self._columns.since_s.min())
        return None if oldest_s == np.inf else oldest_s


def merged_texts(older: Texts | None, newer: Texts | None) -> Texts | None:
    """Fields of both, the newer ones of the same field."""
    return newer if older is None else older if newer is None else older | newer


def _oldest(one: I64, other: I64) -> I64:
    """The earlier of two arrivals, or the one that is known."""
    earlier = np.minimum(np.where(one < 0, _LATEST, one), np.where(other < 0, _LATEST, other))
    return np.where(earlier == _LATEST, UNKNOWN_MS, earlier)


def _empty_columns(size: int) -> PendingRows:
    return PendingRows(
        merchant_ids=[""] * size,
        names=[None] * size,
        texts=[None] * size,
        shard=np.zeros(size, np.int64),
        since_s=np.full(size, np.inf),
        changed=np.zeros(size, np.uint16),
        clicked=np.zeros(size, np.bool_),
        urgent=np.zeros(size, np.bool_),
        measures=np.zeros((size, len(WINDOWS), len(MEASURES)), np.int64),
        ratios=np.zeros((size, len(WINDOWS), len(RATIOS))),
        people=np.zeros((size, len(DISTINCT), len(DISTINCT_WINDOWS))),
        peak_multiple=np.zeros(size),
        peak_same_period=np.zeros(size),
        peak_at_ms=np.zeros(size, np.int64),
        event_time_ms=np.zeros(size, np.int64),
        baseline_gmv=np.zeros(size),
        baseline_orders=np.zeros(size),
        baseline_new_members=np.zeros(size),
        hundred_hours=np.zeros((size, 2)),
        arrived_ms=np.zeros(size, np.int64),
        best_multiple=np.zeros(size),
        best_gmv=np.zeros(size),
    )
