"""What the roll-ups have to hear from a shard: events whose counting only their merchant's shard decides.

Those are first joins, and old events that turned out to be kept.
"""

from __future__ import annotations

import numpy as np

from operators.batches import I64, NO_EVENT_MS
from operators.cut_names import CutNumbers
from operators.cut_tally import CutSpreader
from operators.cuts import key_in
from operators.people_cells import BUYER, RETURNING, VISITOR, People, cell_of
from operators.people_tables import BUYER as PAID
from operators.people_tables import NOT_FIRST, TIME_BITS
from operators.rollup_delta import RollupDelta
from schemas.rollups import DIMENSIONS
from schemas.windows import FINEST_BUCKET_MS, MEASURES, NEW_MEMBERS


class RollupShare:
    """Gathers a shard's part of the roll-ups until it is taken, in the shard's own ``numbers``."""

    def __init__(self, numbers: CutNumbers) -> None:
        self._numbers = numbers
        self._spreader = CutSpreader()
        self._cuts: list[I64] = []
        self._buckets: list[I64] = []
        self._sums: list[I64] = []
        self._events: list[I64] = []
        self._people: list[tuple[int, int, int, int]] = []  # cut, kind, cell, bucket

    def add_joins(self, cuts: I64, buckets: I64) -> None:
        """First joins: they were events in their lane already."""
        sums = np.zeros((len(cuts), len(MEASURES)), np.int64)
        sums[:, NEW_MEMBERS] = 1
        self._add(cuts, buckets, sums, np.zeros(len(cuts), np.int64))

    def add_event(self, cut: int, bucket: int, sums: I64, person: int) -> None:
        """One old event; ``sums``: 1 x MEASURES; ``person``: of ``people_tables.person_of``, 0 if nobody."""
        if person:
            kind = BUYER if person & PAID else VISITOR
            cell = int(cell_of(np.uint64(person >> TIME_BITS)))
            self._people.append((cut, kind, cell, bucket))
            if person & NOT_FIRST:
                self._people.append((cut, RETURNING, cell, bucket))
        self._add(np.array([cut]), np.array([bucket]), sums, np.ones(1, np.int64))

    def _add(self, cuts: I64, buckets: I64, sums: I64, events: I64) -> None:
        self._cuts.append(cuts)
        self._buckets.append(buckets)
        self._sums.append(sums)
        self._events.append(events)

    def take(self) -> RollupDelta | None:
        """All that was gathered since the last call; None if nothing was."""
        if not self._cuts:
            return None
        buckets = np.concatenate(self._buckets)
        newest_ms = int(buckets.max(initial=NO_EVENT_MS)) * FINEST_BUCKET_MS
        delta = self._spreader.delta(
            np.concatenate(self._cuts), buckets, np.concatenate(self._sums),
            np.concatenate(self._events), self._numbers.names, None, newest_ms, self._cells(),
        )  # fmt: skip
        self.clear()
        return delta

    def _cells(self) -> tuple[I64, People] | None:
        if not self._people:
            return None
        told = np.array(self._people, np.int64)
        cuts, kind, cell, bucket = (np.repeat(column, len(DIMENSIONS)) for column in told.T)
        dimension = np.tile(np.arange(len(DIMENSIONS)), len(told))
        keys = [
            int(key_in(d, c >> 32, (c >> 16) & 0xFFFF, c & 0xFFFF))
            for d, c in zip(dimension.tolist(), cuts.tolist(), strict=True)
        ]
        return np.array(keys), People(kind.astype(np.int32), cell.astype(np.int32), bucket)

    def clear(self) -> None:
        """Forget what was gathered: it has been told."""
        self._cuts, self._buckets, self._sums, self._events = [], [], [], []
        self._people = []
