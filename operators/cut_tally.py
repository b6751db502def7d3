"""What a lane tells of a batch by dimension: a delta of the roll-ups, and merchants' sales by channel."""

from __future__ import annotations

from typing import Final

import numpy as np

from operators.batches import I32, I64, Progress
from operators.cuts import cut_orders, cut_sales, spread_cuts
from operators.dimensions import Dimensions, tier_text
from operators.rollup_delta import RollupDelta, Value
from operators.sales_cuts import SalesCuts
from operators.scan import OrderColumns
from schemas.rollups import CATEGORY, CHANNEL, CITY_TIER, DIMENSIONS
from schemas.windows import MEASURES

NAMES_CACHED: Final = 50_000
"""Values whose names are kept at hand; beyond it they are made anew."""


class _Places:
    """Columns of sums by (key, bucket), used again for every batch."""

    def __init__(self) -> None:
        self.reserve(1024)

    def reserve(self, rows: int) -> None:
        """Room for ``rows`` places."""
        self.keys = np.empty(rows, np.int64)
        self.buckets = np.empty(rows, np.int64)
        self.values = np.empty((rows, len(MEASURES)), np.int64)
        self.events = np.empty(rows, np.int64)
        self.scratch = np.zeros(1 << (2 * rows).bit_length(), np.int32)

    def at_least(self, rows: int) -> None:
        """Make room, if there is not enough."""
        if rows > len(self.keys):
            self.reserve(2 * rows)


class CutTally:
    """Adds up a partition's accepted events by channel, category and city tier."""

    def __init__(self, dimensions: Dimensions) -> None:
        self._dimensions = dimensions
        self._cuts = _Places()
        self._spread = _Places()
        self._names: dict[int, Value] = {}

    def orders(
        self, columns: OrderColumns, group_of: I32, group_bucket: I64, progress: Progress
    ) -> RollupDelta:
        """The delta of a batch of orders. ``group_of``: of every order, -1 where it is not added."""
        cuts = self._cuts
        cuts.at_least(len(group_of))
        count = cut_orders(
            columns.amount_fen, columns.quantity, columns.status, columns.channel, columns.category,
            columns.tier, group_of, group_bucket, cuts.scratch, cuts.keys, cuts.buckets, cuts.values,
            cuts.events,
        )  # fmt: skip
        return self._delta(count, progress)

    def sales(self, columns: OrderColumns, group_of: I32) -> SalesCuts:
        """Paid orders by (group, channel, category)."""
        cuts = self._cuts
        cuts.at_least(len(group_of))
        count = cut_sales(
            columns.amount_fen, columns.status, columns.channel, columns.category, group_of,
            cuts.scratch, cuts.keys, cuts.buckets, cuts.events, cuts.values.reshape(-1),
        )  # fmt: skip
        return SalesCuts(
            row=cuts.buckets[:count].astype(np.int32),
            channel=(cuts.keys[:count] >> 16).astype(np.int16),
            category=(cuts.keys[:count] & 0xFFFF).astype(np.int16),
            orders=cuts.events[:count].copy(),
            gmv=cuts.values.reshape(-1)[:count].copy(),
            channels=self._dimensions.channels.texts,
            categories=self._dimensions.categories.texts,
        )

    def _delta(self, count: int, progress: Progress) -> RollupDelta:
        if not count:
            return RollupDelta.empty(progress, progress.newest_ms)
        cuts, spread = self._cuts, self._spread
        spread.at_least(len(DIMENSIONS) * count)
        rows = spread_cuts(
            cuts.keys[:count], cuts.buckets[:count], cuts.values[:count], cuts.events[:count],
            spread.scratch, spread.keys, spread.buckets, spread.values, spread.events,
        )  # fmt: skip
        keys, value = np.unique(spread.keys[:rows], return_inverse=True)
        return RollupDelta(
            progress=progress,
            newest_ms=progress.newest_ms,
            names=self._names_of(keys),
            value=value.reshape(-1).astype(np.int32),
            buckets=spread.buckets[:rows].copy(),
            sums=spread.values[:rows].copy(),
            events=spread.events[:rows].copy(),
        )

    def _names_of(self, keys: I64) -> list[Value]:
        if len(self._names) > NAMES_CACHED:
            self._names.clear()
        known = self._names
        for key in keys.tolist():
            if key not in known:
                known[key] = self._name(key)
        return [known[key] for key in keys.tolist()]

    def _name(self, key: int) -> Value:
        dimension, first, second = DIMENSIONS[key >> 32], (key >> 16) & 0xFFFF, key & 0xFFFF
        if dimension == CATEGORY:
            return dimension, self._dimensions.categories.texts[first]
        if dimension == CITY_TIER:
            return dimension, tier_text(first - 2)
        channel = self._dimensions.channels.texts[first]
        return dimension, channel if dimension == CHANNEL else f"{channel}|{tier_text(second - 2)}"
