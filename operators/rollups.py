"""Roll-ups: all merchants together, cut by channel, category, city tier, and channel and tier.

One row a value, with the windows that a merchant has. Which events count is decided where they are read and,
for old ones, at their merchant's shard; here they are only added, each to the windows that hold its
bucket. ``day`` is the calendar day of the default time zone. The first ``VALUES_SHOWN`` values of a dimension
get rows of their own, in the order of their arrival; events of all others go to ``other`` and are counted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from operators.added import Added
from operators.batches import I32, I64, NO_EVENT_MS, Progress, Standing
from operators.changes import ALL_CHANGED
from operators.event_clock import EventClock
from operators.merchant_columns import MerchantColumns
from operators.people_cells import KINDS
from operators.rollup_delta import RollupDelta, Value
from operators.rollup_people import RollupPeople
from operators.state_bytes import pack_state, unpack_state
from operators.windows import Windows
from schemas.rollups import DIMENSIONS, OTHER, UNKNOWN, VALUES_SHOWN
from schemas.windows import FINEST_BUCKET_MS, MEASURES

ROLLUPS_LAYOUT: Final = 5
"""Version of what ``dump`` and ``taken`` write; state of another version is refused."""


@dataclass(frozen=True, slots=True)
class RollupRules:
    """What roll-ups have to know beside their inputs. ``sources``: every ``topic/partition`` of events."""

    sources: tuple[str, ...]
    lateness_ms: int
    timezone: str
    sale_opens_ms: int | None
    values_shown: int = VALUES_SHOWN


class _Taken(msgspec.Struct, array_like=True, frozen=True):
    """What was taken in a stretch of time, as the journal keeps it."""

    layout: int
    progress: list[tuple[str, int, int, int, int]]
    newest_ms: int
    new_values: list[Value]
    rows: bytes
    buckets: bytes
    sums: bytes
    events: bytes
    people: tuple[bytes, bytes]


_DECODER: Final = msgspec.msgpack.Decoder(_Taken)


class Rollups:
    """State of the roll-ups. Plain and deterministic; no wall clock."""

    def __init__(self, rules: RollupRules) -> None:
        self.rules = rules
        self.clock = EventClock(rules.sources, rules.lateness_ms)
        self.values: list[Value] = []
        self.columns = MerchantColumns.empty(256)
        self.windows = Windows(self.columns, [rules.timezone], rules.sale_opens_ms)
        self.events: I64 = np.zeros(256, np.int64)
        """By row: events ever added."""
        self.people = RollupPeople()
        self._row_of: dict[Value, int] = {}
        self._shown: dict[str, int] = dict.fromkeys(DIMENSIONS, 0)
        self._packed_minute = 0
        self.noting = False
        """Whether ``taken`` will be asked what was taken."""
        self._noted: list[tuple[I32, I64, I64, I64]] = []
        self._noted_values = 0

    def take(self, delta: RollupDelta) -> None:
        """Add a delta."""
        if delta.progress is not None:
            self.clock.hear(delta.progress)
        self._advance(delta.newest_ms)
        if not len(delta):
            return
        row_of = np.array([self._row(value) for value in delta.names], np.int32)
        rows = row_of[delta.value]
        self._add(rows, delta.buckets, delta.sums, delta.events)
        value, kind = np.divmod(delta.people.place, KINDS)
        place = KINDS * row_of[value] + kind
        self.people.add(delta.people._replace(place=place))
        if self.noting:
            self._noted.append((rows, delta.buckets, delta.sums, delta.events))

    def _advance(self, newest_ms: int) -> None:
        self.windows.advance(max(self.clock.newest_ms, newest_ms), len(self.values))
        if self.windows.newest_ms != NO_EVENT_MS:
            self.windows.minutes.drop_before(self.windows.oldest_minute())
        minute = self.clock.watermark_ms // 60_000
        if minute > self._packed_minute:
            self._packed_minute = minute
            self.windows.pack_before(self.clock.watermark_ms)

    def _row(self, value: Value) -> int:
        row = self._row_of.get(value)
        if row is not None:
            return row
        dimension, name = value
        if name not in (UNKNOWN, OTHER):
            if self._shown[dimension] >= self.rules.values_shown:
                return self._row((dimension, OTHER))
            self._shown[dimension] += 1
        return self._new_row(value)

    def _new_row(self, value: Value) -> int:
        row = self._row_of[value] = len(self.values)
        self.values.append(value)
        self.columns.reserve(len(self.values))
        self.columns.changed[row] = ALL_CHANGED
        if row >= len(self.events):
            self.events = np.append(self.events, np.zeros_like(self.events))
        return row

    def _add(self, rows: I32, buckets: I64, sums: I64, events: I64) -> None:
        self.windows.add(rows, buckets, Added.of(sums))
        np.add.at(self.events, rows, events)
        np.maximum.at(self.columns.newest_ms, rows, buckets * FINEST_BUCKET_MS)

    def take_changed(self) -> I64:
        """Rows that changed since the last call."""
        changed = np.flatnonzero(self.columns.changed[: len(self.values)])
        self.columns.changed[changed] = 0
        return changed

    def touch(self, rows: Iterable[int] | None = None) -> None:
        """Have rows, or all, told again."""
        which = slice(len(self.values)) if rows is None else list(rows)
        self.columns.changed[which] = ALL_CHANGED

    def row_of(self, value: Value) -> int | None:
        """The row of a value, None if it has none."""
        return self._row_of.get(value)

    @property
    def others(self) -> dict[str, int]:
        """By dimension: events that were added to ``other``."""
        rows = {d: self._row_of.get((d, OTHER)) for d in DIMENSIONS}
        return {d: 0 if row is None else int(self.events[row]) for d, row in rows.items()}

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self.columns.nbytes + self.windows.nbytes + self.events.nbytes + self.people.nbytes

    def taken(self) -> bytes:
        """All that was taken since the last call, added up, for the journal.

        Whatever the order, a bucket counts in the windows that hold it in the end: sums may be merged.
        """
        rows, buckets, sums, events = _added_up(self._noted)
        first, self._noted, self._noted_values = self._noted_values, [], len(self.values)
        numbers, stamps = self.people.changed()
        heard = [p for p in self.clock.progress.values() if p is not None]
        block = _Taken(
            layout=ROLLUPS_LAYOUT,
            progress=[(p.topic, p.partition, p.next_offset, p.newest_ms, int(p.standing)) for p in heard],
            newest_ms=self.windows.newest_ms,
            new_values=self.values[first:],
            rows=rows.tobytes(),
            buckets=buckets.tobytes(),
            sums=sums.tobytes(),
            events=events.tobytes(),
            people=(numbers.tobytes(), stamps.tobytes()),
        )
        return msgspec.msgpack.encode(block)

    def replay(self, block: bytes) -> None:
        """Take what ``taken`` told once more. Raises ``ValueError`` for another layout version."""
        taken = _DECODER.decode(block)
        if taken.layout != ROLLUPS_LAYOUT:
            raise ValueError(f"roll-ups have layout {taken.layout}; this version reads {ROLLUPS_LAYOUT}")
        for topic, partition, next_offset, newest_ms, standing in taken.progress:
            self.clock.hear(Progress(topic, partition, next_offset, newest_ms, Standing(standing)))
        self._advance(taken.newest_ms)
        for value in taken.new_values:
            self._shown[value[0]] += value[1] not in (UNKNOWN, OTHER)
            self._new_row(value)
        self._noted_values = len(self.values)
        numbers, stamps = taken.people
        self.people.restore(np.frombuffer(numbers, np.int32), np.frombuffer(stamps, np.uint32))
        rows = np.frombuffer(taken.rows, np.int32)
        if len(rows):
            sums = np.frombuffer(taken.sums, np.int64).reshape(len(rows), len(MEASURES))
            buckets, events = np.frombuffer(taken.buckets, np.int64), np.frombuffer(taken.events, np.int64)
            self._add(rows, buckets, sums, events)

    def dump(self) -> bytes:
        """The whole state as bytes."""
        state = {slot: getattr(self, slot) for slot in _STATE}
        return pack_state((ROLLUPS_LAYOUT, state))

    @staticmethod
    def load(block: bytes, rules: RollupRules) -> Rollups:
        """The reverse of ``dump``, under the rules in force now.

        Raises ``ValueError`` for another layout version.
        """
        layout, state = unpack_state(block)
        if layout != ROLLUPS_LAYOUT:
            raise ValueError(f"roll-ups have layout {layout}; this version reads {ROLLUPS_LAYOUT}")
        rollups = Rollups(rules)
        for slot, value in state.items():
            setattr(rollups, slot, value)
        rollups._noted_values = len(rollups.values)
        return rollups


_STATE: Final = (
    *("clock", "values", "columns", "windows", "events", "people"),
    *("_row_of", "_shown", "_packed_minute"),
)


def _added_up(noted: list[tuple[I32, I64, I64, I64]]) -> tuple[I32, I64, I64, I64]:
    """One entry for each (row, bucket)."""
    none = np.zeros(0, np.int64)
    if not noted:
        return none.astype(np.int32), none, np.zeros((0, len(MEASURES)), np.int64), none
    rows, buckets, sums, events = (np.concatenate(column) for column in zip(*noted, strict=True))
    order = np.lexsort((buckets, rows))
    rows, buckets = rows[order], buckets[order]
    firsts = np.flatnonzero(np.diff(rows, prepend=-1) | np.diff(buckets, prepend=-1))
    return (
        rows[firsts],
        buckets[firsts],
        np.add.reduceat(sums[order], firsts),
        np.add.reduceat(events[order], firsts),
    )
