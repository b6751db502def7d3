"""The board: what concerns all shards at once. Merges their summaries into leaderboards and totals.

Totals are up to the newest event, shard by shard, so between two summaries they may be a moment apart. The
total's series is of closed minutes: a minute is complete when the watermark of every shard has passed it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from operators.batches import F64, MULTIPLE_BOUNDS, NO_EVENT_MS, BoardRows, SeriesPoint, ShardSummary
from operators.leaders import ranked
from operators.rates import rates_of
from operators.shard_people import people_of_all
from operators.shards import SHARDS
from schemas.redis_layout import BASELINE_GMV, BASELINE_NEW_MEMBERS, BASELINE_ORDERS
from schemas.redis_layout import field as field_name
from schemas.windows import (
    DISTINCT,
    DISTINCT_WINDOWS,
    GMV,
    MEASURES,
    MINUTE_MS,
    NEW_MEMBERS,
    ORDERS,
    RATES,
    WINDOWS,
)


@dataclass(slots=True)
class Board:
    """Latest summary of every shard, and the minutes that are not complete yet."""

    top_size: int
    shards: int = SHARDS
    latest: dict[int, ShardSummary] = field(default_factory=dict)
    minutes: dict[int, list[int]] = field(default_factory=dict)
    """Minute start in ms to the sums of the shards heard so far."""

    def take(self, summary: ShardSummary) -> None:
        """Take a shard's newer summary; its closed minutes count once."""
        self.latest[summary.shard] = summary
        for point in summary.minutes:
            held = self.minutes.setdefault(point.minute_ms, [0] * len(point.values))
            self.minutes[point.minute_ms] = [a + b for a, b in zip(held, point.values, strict=True)]
        summary.minutes = []

    def rows(self) -> BoardRows | None:
        """Everything that stands on the board now; None before every shard has been heard."""
        if len(self.latest) < self.shards:
            return None
        heard = list(self.latest.values())
        watermark_ms = min(s.watermark_ms for s in heard)
        return BoardRows(
            tops={
                key: ranked((c for s in heard for c in s.candidates[key]), self.top_size)
                for key in heard[0].candidates
            },
            rollups={("total", "all"): self._total(heard)},
            series=self._complete_minutes(watermark_ms),
            watermark_ms=watermark_ms,
            newest_ms=max(s.newest_ms for s in heard),
            merchants=sum(s.merchants for s in heard),
            without_baseline=sum(s.without_baseline for s in heard),
            ordinary=np.sum([s.ordinary for s in heard], axis=0).tolist(),
            multiples_histogram=np.sum([s.multiples_histogram for s in heard], axis=0)
            if heard
            else np.zeros(len(MULTIPLE_BOUNDS) + 1, np.int64),
        )

    def _total(self, heard: list[ShardSummary]) -> dict[str, int | float]:
        totals = np.sum([s.totals for s in heard], axis=0)
        daily = np.sum([s.baseline_daily for s in heard], axis=0)
        same_period = np.sum([s.same_period for s in heard], axis=0)
        fields: dict[str, int | float] = {}
        for w, window in enumerate(WINDOWS):
            for m, measure in enumerate(MEASURES):
                fields[field_name(measure, window)] = int(totals[w, m])
            for name, ordinary, m in (
                ("sales_multiple", daily[0], GMV),
                ("orders_multiple", daily[1], ORDERS),
                ("same_period_multiple", same_period[w], GMV),
                ("new_member_multiple", daily[2], NEW_MEMBERS),
            ):
                if ordinary > 0:
                    fields[field_name(name, window)] = float(totals[w, m] / ordinary)
        people = self._people(heard)
        rates = rates_of(totals[None], people[None])[0]
        for kind, counts in zip(DISTINCT, people.tolist(), strict=True):
            for window, count in zip(DISTINCT_WINDOWS, counts, strict=True):
                if not math.isnan(count):
                    fields[field_name(kind, window)] = int(count)
        for w, window in enumerate(WINDOWS):
            for rate, value in zip(RATES, rates[w].tolist(), strict=True):
                if not math.isnan(value):
                    fields[field_name(rate, window)] = value
        fields["merchants"] = sum(s.merchants for s in heard)
        fields["merchants_without_baseline"] = sum(s.without_baseline for s in heard)
        fields["late"] = sum(s.late for s in heard)
        for name, ordinary in zip((BASELINE_GMV, BASELINE_ORDERS, BASELINE_NEW_MEMBERS), daily, strict=True):
            if ordinary > 0:
                fields[name] = float(ordinary)
        return fields

    def _people(self, heard: list[ShardSummary]) -> F64:
        """Distinct people of everything."""
        bitmaps = [s.bitmaps for s in heard if s.bitmaps is not None]
        if bitmaps:
            return people_of_all(bitmaps)
        return np.full((len(DISTINCT), len(DISTINCT_WINDOWS)), np.nan)

    def _complete_minutes(self, watermark_ms: int) -> list[SeriesPoint]:
        if watermark_ms == NO_EVENT_MS:
            return []
        complete = sorted(m for m in self.minutes if m + MINUTE_MS <= watermark_ms)
        return [SeriesPoint("total", minute_ms, self.minutes.pop(minute_ms)) for minute_ms in complete]
