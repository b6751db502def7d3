"""What a lane tells of a batch by dimension: a delta of the roll-ups, and merchants' sales by channel."""

from __future__ import annotations

from typing import Final

import numpy as np

from operators.batches import I32, I64, U8, Progress
from operators.click_scan import ClickColumns
from operators.cuts import cut_clicks, cut_orders, cut_sales, spread_cuts
from operators.dimensions import CutNames, Dimensions, tier_text
from operators.order_scan import NOT_FIRST, PAID, OrderColumns
from operators.people_cells import KINDS, People, PeopleFilter
from operators.rollup_delta import RollupDelta, Value
from operators.sales_cuts import SalesCuts
from schemas.rollups import CATEGORY, CHANNEL, CITY_TIER, DIMENSIONS
from schemas.windows import MEASURES

NAMES_CACHED: Final = 50_000
"""Values whose names are kept at hand; beyond it they are made anew."""


class CutPlaces:
    """Columns of sums by (key, bucket), used again for every batch."""

    def __init__(self, rows: int = 1024) -> None:
        self._reserve(rows)

    def _reserve(self, rows: int) -> None:
        self.keys = np.empty(rows, np.int64)
        self.buckets = np.empty(rows, np.int64)
        self.values = np.empty((rows, len(MEASURES)), np.int64)
        self.events = np.empty(rows, np.int64)
        self.scratch = np.zeros(1 << (2 * rows).bit_length(), np.int32)

    def at_least(self, rows: int) -> None:
        """Make room, if there is not enough."""
        if rows > len(self.keys):
            self._reserve(2 * rows)


class CutSpreader:
    """Turns sums by cut into sums by value of a dimension, with names."""

    def __init__(self) -> None:
        self._places = CutPlaces(64)
        self._names: dict[int, Value] = {}

    def delta(
        self,
        cuts: I64,
        buckets: I64,
        values: I64,
        events: I64,
        names: CutNames,
        progress: Progress | None,
        newest_ms: int,
        people: tuple[I64, People] | None = None,
    ) -> RollupDelta:
        """The roll-ups' delta of sums by (cut, bucket). ``names`` may only grow from call to call.

        ``people``: cells with the keys of their values, which are among those of the cuts.
        """
        if not len(cuts):
            return RollupDelta.empty(progress, newest_ms)
        places = self._places
        places.at_least(len(DIMENSIONS) * len(cuts))
        rows = spread_cuts(
            cuts, buckets, values, events,
            places.scratch, places.keys, places.buckets, places.values, places.events,
        )  # fmt: skip
        keys, value = np.unique(places.keys[:rows], return_inverse=True)
        return RollupDelta(
            progress=progress,
            newest_ms=newest_ms,
            names=self._names_of(keys, names),
            value=value.reshape(-1).astype(np.int32),
            buckets=places.buckets[:rows].copy(),
            sums=places.values[:rows].copy(),
            events=places.events[:rows].copy(),
            people=_placed(keys, people),
        )

    def _names_of(self, keys: I64, names: CutNames) -> list[Value]:
        if len(self._names) > NAMES_CACHED:
            self._names.clear()
        known = self._names
        for key in keys.tolist():
            if key not in known:
                known[key] = _name(key, names)
        return [known[key] for key in keys.tolist()]


def _placed(keys: I64, people: tuple[I64, People] | None) -> People:
    """Cells whose places are of the values in ``keys``, ascending."""
    if people is None:
        return People.nobody()
    of, cells = people
    return cells._replace(place=(KINDS * np.searchsorted(keys, of)).astype(np.int32) + cells.place)


def _name(key: int, names: CutNames) -> Value:
    dimension, first, second = DIMENSIONS[key >> 32], (key >> 16) & 0xFFFF, key & 0xFFFF
    if dimension == CATEGORY:
        return dimension, names.categories[first]
    if dimension == CITY_TIER:
        return dimension, tier_text(first - 2)
    channel = names.channels[first]
    return dimension, channel if dimension == CHANNEL else f"{channel}|{tier_text(second - 2)}"


class CutTally:
    """Adds up a partition's accepted events by channel, category and city tier.

    ``group_of``: of every event, below 0 where it is not added; ``group_bucket``: of every group.
    """

    def __init__(self, dimensions: Dimensions, kind: int) -> None:
        self._dimensions = dimensions
        self._people = PeopleFilter(kind)
        self._places = CutPlaces()
        self._spreader = CutSpreader()

    def orders(
        self, columns: OrderColumns, group_of: I32, group_bucket: I64, progress: Progress
    ) -> RollupDelta:
        """The delta of a batch of orders."""
        places = self._places
        rows = len(columns.outcome)
        places.at_least(rows)
        count = cut_orders(
            columns.amount_fen, columns.quantity, columns.status, columns.channel, columns.category,
            columns.tier, group_of[:rows], group_bucket, places.scratch, places.keys, places.buckets,
            places.values, places.events,
        )  # fmt: skip
        paid = (columns.status == PAID).astype(np.uint8)
        seen = paid << (columns.first_order == NOT_FIRST)  # NOBODY, SEEN or SEEN_AGAIN
        return self._delta(count, progress, self._find(columns, seen, group_of[:rows], group_bucket))

    def _find(
        self, columns: OrderColumns | ClickColumns, seen: U8, group_of: I32, group_bucket: I64
    ) -> tuple[I64, People]:
        cut = (columns.channel, columns.category, columns.tier)
        return self._people.find(columns.person, seen, cut, group_of, group_bucket)

    def clicks(
        self, columns: ClickColumns, group_of: I32, group_bucket: I64, progress: Progress
    ) -> RollupDelta:
        """The delta of a batch of clicks."""
        places = self._places
        rows = len(columns.outcome)
        places.at_least(rows)
        count = cut_clicks(
            columns.action, columns.source, columns.channel, columns.category,
            columns.tier, group_of[:rows], group_bucket, places.scratch, places.keys, places.buckets,
            places.values, places.events,
        )  # fmt: skip
        everyone = np.ones(rows, np.uint8)
        return self._delta(count, progress, self._find(columns, everyone, group_of[:rows], group_bucket))

    def sales(self, columns: OrderColumns, group_of: I32) -> SalesCuts:
        """Paid orders by (group, channel, category); ``row`` is the group."""
        places = self._places
        rows = len(columns.outcome)
        places.at_least(rows)
        gmv = places.values.reshape(-1)
        count = cut_sales(
            columns.amount_fen, columns.status, columns.channel, columns.category, group_of[:rows],
            places.scratch, places.keys, places.buckets, places.events, gmv,
        )  # fmt: skip
        return SalesCuts(
            row=places.buckets[:count].astype(np.int32),
            channel=(places.keys[:count] >> 16).astype(np.int16),
            category=(places.keys[:count] & 0xFFFF).astype(np.int16),
            orders=places.events[:count].copy(),
            gmv=gmv[:count].copy(),
        )

    def _delta(self, count: int, progress: Progress, people: tuple[I64, People]) -> RollupDelta:
        places = self._places
        return self._spreader.delta(
            places.keys[:count], places.buckets[:count], places.values[:count], places.events[:count],
            self._dimensions.names, progress, progress.newest_ms, people,
        )  # fmt: skip
