"""Which milestones must have been told, by plain recomputation of every merchant's minutes.

A merchant passes a step when its closed hour, or its day so far, has reached that multiple of its ordinary
day at the end of a minute in which it sold, with enough orders on the day. Of several steps in one minute the
highest counts; each counts once a local day, and one of the hour that holds when a day begins counts for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from loadgen.draws import I32, I64
from loadgen.local_time import midnight_ms
from schemas.windows import DAY_MS, MINUTE_MS

F64 = npt.NDArray[np.float64]
STEPS: Final = np.array([1.0, 5.0, 10.0, 50.0, 100.0])
MIN_ORDERS: Final = 10
HUNDRED: Final = 100
HOUR_MINUTES: Final = 60
HOUR_RULE: Final = "sales_multiple_1h"
DAY_RULE: Final = "sales_multiple_day"
MEMBERS_RULE: Final = "new_members_100"


class Milestone(NamedTuple):
    """What an alert must say: its value and the step that was passed."""

    value: float
    threshold: float


def milestones(
    ids: Sequence[str],
    zones: Sequence[str],
    daily_gmv: F64,
    rows: I32,
    sums: pl.DataFrame,
    joins: pl.DataFrame,
) -> dict[str, Milestone]:
    """Every milestone by its alert's id. ``ids``, ``zones``, ``daily_gmv``: of the ascending ``rows``."""
    told: dict[str, Milestone] = {}
    place = {int(row): i for i, row in enumerate(rows)}
    minutes = (
        sums.filter(pl.col("orders") > 0)
        .group_by("row", minute=pl.col("bucket_ms") // MINUTE_MS)
        .agg(pl.col("gmv", "orders").sum())
        .sort("row", "minute")
    )
    for (row,), mine in minutes.group_by("row", maintain_order=True):
        i = place[int(row)]
        if not daily_gmv[i] > 0 or mine["gmv"].sum() < daily_gmv[i]:
            continue
        sold = _Sold(*(mine[name].to_numpy().astype(np.int64) for name in ("minute", "gmv", "orders")))
        told |= {
            f"{rule}|{ids[i]}|{(minute + 1) * MINUTE_MS}": milestone
            for rule, minute, milestone in _of_merchant(sold, float(daily_gmv[i]), zones[i])
        }
    return told | _hundreds(ids, zones, place, joins)


class _Sold(NamedTuple):
    """Minutes in which a merchant sold, ascending. ``n`` of them."""

    minute: I64
    gmv: I64
    orders: I64

    def since(self, first_minute: int) -> tuple[I64, I64]:
        """Gmv and orders from ``first_minute`` to each minute, inclusive."""
        counted = self.minute >= first_minute
        return np.cumsum(self.gmv * counted), np.cumsum(self.orders * counted)

    def hour(self, minute: I64) -> I64:
        """Gmv of the sixty minutes that end with each ``minute``."""
        running = np.concatenate([[0], np.cumsum(self.gmv)])
        stop = np.searchsorted(self.minute, minute, side="right")
        start = np.searchsorted(self.minute, minute - HOUR_MINUTES, side="right")
        sums: I64 = running[stop] - running[start]
        return sums


def _levels(multiples: F64) -> I64:
    return np.searchsorted(STEPS, multiples, side="right").astype(np.int64)


def _of_merchant(sold: _Sold, daily: float, zone: str) -> Iterator[tuple[str, int, Milestone]]:
    of_hour = 0
    for first, stop in _days(sold.minute, zone):
        today = _Sold(*(column[first:stop] for column in sold))
        day_minute = midnight_ms(zone, int(today.minute[0]) * MINUTE_MS) // MINUTE_MS
        before = int(_levels(sold.hour(np.array([day_minute - 1])) / daily)[0])
        gmv, orders = today.since(day_minute)
        enough = orders >= MIN_ORDERS
        of_hour = min(of_hour, before)
        for rule, multiple, held in (
            (HOUR_RULE, sold.hour(today.minute) / daily, of_hour),
            (DAY_RULE, gmv / daily, 0),
        ):
            level = np.where(enough, _levels(multiple), 0)
            highest = np.maximum.accumulate(np.concatenate([[held], level]))
            for at in np.flatnonzero(highest[1:] > highest[:-1]).tolist():
                step = float(STEPS[level[at] - 1])
                yield rule, int(today.minute[at]), Milestone(round(float(multiple[at]), 6), step)
            if rule == HOUR_RULE:
                of_hour = int(highest[-1])


def _days(minutes: I64, zone: str) -> Iterator[tuple[int, int]]:
    """Where each local day begins and ends among ascending minutes."""
    first = 0
    while first < len(minutes):
        midnight = midnight_ms(zone, int(minutes[first]) * MINUTE_MS)
        next_day = midnight_ms(zone, midnight + DAY_MS + DAY_MS // 8) // MINUTE_MS
        stop = int(np.searchsorted(minutes, next_day))
        yield first, stop
        first = stop


def _hundreds(
    ids: Sequence[str], zones: Sequence[str], place: Mapping[int, int], joins: pl.DataFrame
) -> dict[str, Milestone]:
    told = {}
    many = joins.filter(pl.len().over("row") >= HUNDRED).sort("row", "event_ms")
    for (row,), mine in many.group_by("row", maintain_order=True):
        i = place[int(row)]
        minute = mine["event_ms"].to_numpy() // MINUTE_MS
        for first, stop in _days(minute, zones[i]):
            if stop - first >= HUNDRED:
                hundredth = int(minute[first + HUNDRED - 1])
                joined = int(np.searchsorted(minute[first:stop], hundredth, side="right"))
                told[f"{MEMBERS_RULE}|{ids[i]}|{(hundredth + 1) * MINUTE_MS}"] = Milestone(joined, HUNDRED)
    return told
