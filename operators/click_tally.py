"""What a click adds to the sums of its merchant and bucket.

A join adds nothing here: whether it is the first of its visitor is known to the merchant's shard alone, so
it travels there by itself.
"""

from __future__ import annotations

import numpy as np

from operators.added import OF_CLICKS, ORDERS_WIDE
from operators.batches import I64, Progress
from operators.bytes_kernels import AHEAD, U64, Interner, compiled
from operators.click_scan import (
    CART,
    FAVORITE,
    FIRST_PRIVATE,
    JOIN,
    OTHER_SOURCE,
    SOURCES,
    VIEW,
    ClickColumns,
)
from operators.cuts import NO_GROUP, cut_of
from operators.decode import Decoded
from operators.delta import Suspect
from operators.dimensions import Dimensions
from operators.people_tables import person_of
from operators.rollup_delta import RollupDelta
from operators.shards import SHARDS
from operators.tally import SUSPECT, Groups, SeenPeople, Tally, ask_for_group, group_of, see_once
from schemas.windows import CARTS, FAVORITES, FINEST_BUCKET_MS, MEASURES, PLATFORM_VIEWS, PRIVATE_VIEWS, VIEWS

MEASURE_OF = np.array([VIEWS, CARTS, FAVORITES, -1], np.int64)
"""By the number of an action; a join has none."""


@compiled
def group_clicks(
    columns: ClickColumns,
    stamped_ms: I64,
    suspect_before_ms: int,
    groups: Groups,
    join_groups: I64,
    join_people: U64,
    join_cuts: I64,
    sources: I64,
    seen: SeenPeople,
) -> tuple[int, int]:
    """Add up accepted rows by (merchant, bucket); (suspects, whose outcome is set, joins).

    Joins go to ``join_groups``, ``join_people`` and ``join_cuts`` in order; ``sources`` counts views by their
    source.
    """
    suspects = 0
    joins = 0
    seen.recent[:] = 0
    for i in range(len(columns.event_time_ms)):
        groups.of[i] = NO_GROUP
        soon = min(i + AHEAD, len(columns.event_time_ms) - 1)
        ask_for_group(groups, columns.merchant[soon], columns.event_time_ms[soon] // FINEST_BUCKET_MS)
        if columns.outcome[i] != 0:
            continue
        time_ms = columns.event_time_ms[i]
        action = columns.action[i]
        source = columns.source[i]
        if action == VIEW:
            sources[source] += 1
        if time_ms < suspect_before_ms:
            columns.outcome[i] = SUSPECT
            suspects += 1
            continue
        bucket = time_ms // FINEST_BUCKET_MS
        group = group_of(groups, columns.merchant[i], bucket, time_ms, stamped_ms[i])
        groups.of[i] = group
        see_once(seen, group, person_of(columns.person[i], 0))
        if action == VIEW:
            groups.values[group, VIEWS - ORDERS_WIDE] += 1
            if source != OTHER_SOURCE:
                whose = PRIVATE_VIEWS if source >= FIRST_PRIVATE else PLATFORM_VIEWS
                groups.values[group, whose - ORDERS_WIDE] += 1
        elif action == CART:
            groups.values[group, CARTS - ORDERS_WIDE] += 1
        elif action == FAVORITE:
            groups.values[group, FAVORITES - ORDERS_WIDE] += 1
        else:
            join_groups[joins] = group
            join_people[joins] = columns.person[i]
            join_cuts[joins] = cut_of(columns.channel[i], columns.category[i], columns.tier[i])
            joins += 1
    groups.scratch[:] = 0
    return suspects, joins


class ClickTally(Tally[ClickColumns]):
    """Adds up clicks. ``sources``: views since it was made, by their place in ``SOURCES``."""

    kind = OF_CLICKS

    def __init__(self, merchants: Interner, dimensions: Dimensions, shards: int = SHARDS) -> None:
        super().__init__(merchants, dimensions, shards)
        self.sources: I64 = np.zeros(len(SOURCES), np.int64)
        self._join_groups = np.empty(1024, np.int64)
        self._join_people = np.empty(1024, np.uint64)
        self._join_cuts = np.empty(1024, np.int64)
        self._join_count = 0

    def _add_up(self, decoded: Decoded[ClickColumns], suspect_before_ms: int) -> int:
        rows = len(decoded.columns.outcome)
        if rows > len(self._join_groups):
            self._join_groups = np.empty(2 * rows, np.int64)
            self._join_people = np.empty(2 * rows, np.uint64)
            self._join_cuts = np.empty(2 * rows, np.int64)
        stamped_ms = decoded.raw.timestamps_ms[decoded.lines[:, 0]]
        suspects, self._join_count = group_clicks(
            decoded.columns, stamped_ms, suspect_before_ms, self._groups,
            self._join_groups, self._join_people, self._join_cuts, self.sources, self._seen,
        )  # fmt: skip
        return suspects

    def _joins(self) -> tuple[I64, U64, I64]:
        count = self._join_count
        return self._join_groups[:count], self._join_people[:count], self._join_cuts[:count]

    def _rollups(self, decoded: Decoded[ClickColumns], progress: Progress) -> RollupDelta:
        return self._cuts.clicks(decoded.columns, self._groups.of, self._groups.buckets, progress)

    def _suspect(self, decoded: Decoded[ClickColumns], row: int) -> Suspect:
        columns = decoded.columns
        values = [0] * len(MEASURES)
        action, source = int(columns.action[row]), int(columns.source[row])
        if action != JOIN:
            values[MEASURE_OF[action]] = 1
        if action == VIEW and source != OTHER_SOURCE:
            values[PRIVATE_VIEWS if source >= FIRST_PRIVATE else PLATFORM_VIEWS] = 1
        return Suspect(
            merchant_id=self._merchants.text(int(columns.merchant[row])),
            event_time_ms=int(columns.event_time_ms[row]),
            values=tuple(values),
            letter=decoded.dead_letter(row, "late", ""),
            channel=self._dimensions.channels.texts[columns.channel[row]],
            category=self._dimensions.categories.texts[columns.category[row]],
            tier=int(columns.tier[row]),
            joined=int(columns.person[row]) if action == JOIN else None,
            person=int(person_of(columns.person[row], 0)),
        )
