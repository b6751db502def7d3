"""What the roll-ups have to hear from a shard: events whose counting only their merchant's shard decides.

Those are first joins, and old events that turned out to be kept.
"""

from __future__ import annotations

import numpy as np

from operators.batches import I64, NO_EVENT_MS
from operators.cut_names import CutNumbers
from operators.cut_tally import CutSpreader
from operators.rollup_delta import RollupDelta
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

    def add_joins(self, cuts: I64, buckets: I64) -> None:
        """First joins: they were events in their lane already."""
        sums = np.zeros((len(cuts), len(MEASURES)), np.int64)
        sums[:, NEW_MEMBERS] = 1
        self._add(cuts, buckets, sums, np.zeros(len(cuts), np.int64))

    def add_event(self, cut: int, bucket: int, sums: I64) -> None:
        """One old event; ``sums``: 1 x MEASURES."""
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
            np.concatenate(self._events), self._numbers.names, None, newest_ms,
        )  # fmt: skip
        self.clear()
        return delta

    def clear(self) -> None:
        """Forget what was gathered: it has been told."""
        self._cuts, self._buckets, self._sums, self._events = [], [], [], []
