"""An old event that its shard found to be kept, as the lane would have told it by dimension."""

from __future__ import annotations

import numpy as np

from operators.delta import Suspect
from operators.dimensions import NAMES_ALWAYS
from operators.rollup_delta import RollupDelta
from operators.sales_cuts import SalesCuts
from schemas.rollups import CATEGORY, CHANNEL, CHANNEL_TIER, CITY_TIER
from schemas.windows import FINEST_BUCKET_MS, GMV, ORDERS


def rollups_of(suspect: Suspect) -> RollupDelta:
    """Its part of the roll-ups."""
    names = [
        (CHANNEL, suspect.channel),
        (CATEGORY, suspect.category),
        (CITY_TIER, suspect.city_tier),
        (CHANNEL_TIER, f"{suspect.channel}|{suspect.city_tier}"),
    ]
    return RollupDelta(
        progress=None,
        newest_ms=suspect.event_time_ms,
        names=names,
        value=np.arange(len(names), dtype=np.int32),
        buckets=np.full(len(names), suspect.event_time_ms // FINEST_BUCKET_MS),
        sums=np.tile(np.array(suspect.values, np.int64), (len(names), 1)),
        events=np.ones(len(names), np.int64),
    )


def sales_of(suspect: Suspect) -> SalesCuts:
    """Its part of its merchant's shares."""
    if not suspect.values[ORDERS]:
        return SalesCuts.empty()
    own = len(NAMES_ALWAYS)
    return SalesCuts(
        row=np.zeros(1, np.int32),
        channel=np.full(1, own, np.int16),
        category=np.full(1, own, np.int16),
        orders=np.array([suspect.values[ORDERS]]),
        gmv=np.array([suspect.values[GMV]]),
        channels=(*NAMES_ALWAYS, suspect.channel),
        categories=(*NAMES_ALWAYS, suspect.category),
    )
