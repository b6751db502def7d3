"""The oracle: what Redis has to show at the end of a run, by plain recomputation.

It knows the definitions (``schemas.windows``) and no code of the pipeline. Sums are 64-bit integers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl
from msgspec import UNSET, Struct, UnsetType

from loadgen.draws import I32, I64
from loadgen.local_time import midnight_ms, share_of
from loadgen.stream import KINDS
from loadgen.truth import Truth
from schemas.baselines import Baseline
from schemas.windows import (
    DAY,
    DEFAULT_TIMEZONE,
    FINEST_BUCKET_MS,
    HOUR_MS,
    MINUTE_MS,
    ORDER_MEASURES,
    SALE,
    SLIDING,
    WINDOWS,
)

F64 = npt.NDArray[np.float64]
MERCHANTS_AT_ONCE: Final = 512
HALF_DAY_MS: Final = 12 * HOUR_MS


class Peak(Struct, frozen=True, omit_defaults=True):
    """The closed hour with the greatest gmv; ``at_ms`` is its exclusive end, the earliest if several tie."""

    gmv_fen: int
    at_ms: int
    sales_multiple: float | UnsetType = UNSET
    same_period_multiple: float | UnsetType = UNSET


class Expected(Struct, frozen=True, omit_defaults=True):
    """One merchant: ``measures`` and ``multiples`` by ``gmv:1h`` and the like."""

    measures: dict[str, int]
    multiples: dict[str, float]
    name: str | None = None
    peak: Peak | None = None


class Story(Struct, frozen=True, omit_defaults=True):
    """What the night is remembered by, of one featured merchant."""

    name: str
    orders: int
    gmv_fen: int
    peak: Peak
    sale_12h_gmv_fen: int | None = None
    sale_12h_multiple: float | None = None
    sale_12h_at_ms: int | None = None


class Answers(Struct, frozen=True):
    """Everything expected after a run. ``totals`` are the sums over all merchants."""

    scenario: str
    newest_ms: int
    sale_open_ms: int
    timezone: str
    windows: dict[str, tuple[int, int]]
    """Start and end (exclusive) of each window at ``newest_ms``; ``day`` in ``timezone``."""
    events: dict[str, int]
    dead_letters: dict[str, int]
    duplicates: int
    totals: dict[str, int]
    merchants: dict[str, Expected]
    story: dict[str, Story]


@dataclass(frozen=True, slots=True)
class Asked:
    """For whom and when the oracle speaks. ``merchant_ids`` by row; ``featured`` are told as stories."""

    scenario: str
    merchant_ids: list[str]
    baselines: dict[str, Baseline]
    sale_open_ms: int
    timezone: str = DEFAULT_TIMEZONE
    featured: tuple[str, ...] = ()


def answer(asked: Asked, truth: Truth) -> Answers:
    """What is right after all of ``truth``."""
    sums = truth.sums()
    newest = truth.newest_ms
    rows = sums["row"].unique().sort().to_numpy()
    who = _Merchants.of(asked, rows)
    measures, multiples, spans = _windows(asked, who, sums, newest)
    peaks = _Peaks(sums, newest)
    told = peaks.of(rows)
    merchants = {
        who.ids[i]: Expected(
            measures={key: int(values[i]) for key, values in measures.items()},
            multiples={key: float(values[i]) for key, values in multiples.items() if not np.isnan(values[i])},
            name=who.names[i],
            peak=_peak(who, i, int(told[0][i]), int(told[1][i])),
        )
        for i in range(len(rows))
    }
    kinds = dict(zip(KINDS, (int(count) for count in truth.kinds), strict=True))
    return Answers(
        scenario=asked.scenario,
        newest_ms=newest,
        sale_open_ms=asked.sale_open_ms,
        timezone=asked.timezone,
        windows=spans,
        events=kinds,
        dead_letters={reason: kinds[reason] for reason in ("malformed", "invalid", "late", "future")},
        duplicates=kinds["duplicate"],
        totals={key: int(values.sum()) for key, values in measures.items()},
        merchants=merchants,
        story={m: _story(asked, sums, m, merchants[m]) for m in asked.featured if m in merchants},
    )


@dataclass(frozen=True, slots=True)
class _Merchants:
    """Merchants that have events, by position: ``n`` of them."""

    ids: list[str]
    names: list[str | None]
    timezones: list[str]
    daily_gmv: F64  # n, NaN without
    daily_orders: F64  # n, NaN without
    hourly_share: F64  # n x 24

    @classmethod
    def of(cls, asked: Asked, rows: I32) -> _Merchants:
        ids = [asked.merchant_ids[row] for row in rows]
        found = [asked.baselines.get(merchant_id) for merchant_id in ids]
        return cls(
            ids=ids,
            names=[b.name if b else None for b in found],
            timezones=[(b.timezone if b else None) or asked.timezone for b in found],
            daily_gmv=np.array([_daily(b, "gmv") for b in found]),
            daily_orders=np.array([_daily(b, "orders") for b in found]),
            hourly_share=np.array([b.hourly_share if b else [0.0] * 24 for b in found]).reshape(-1, 24),
        )


def _daily(baseline: Baseline | None, measure: str) -> float:
    """The daily average; NaN where there is none or it is 0, so that what is divided by it is absent."""
    value = baseline.daily.get(measure, 0.0) if baseline else 0.0
    return value if value > 0 else np.nan


def window_spans(newest_ms: int, sale_open_ms: int, timezone: str) -> dict[str, tuple[int, int]]:
    """Start and end (exclusive) of every window whose newest event is at ``newest_ms``."""
    spans = {}
    for window in SLIDING:
        end = newest_ms - newest_ms % window.bucket_ms + window.bucket_ms
        spans[window.name] = (end - window.length_ms, end)
    end = newest_ms - newest_ms % FINEST_BUCKET_MS + FINEST_BUCKET_MS
    spans[DAY] = (midnight_ms(timezone, newest_ms), end)
    spans[SALE] = (sale_open_ms, end)
    return spans


def _windows(
    asked: Asked, who: _Merchants, sums: pl.DataFrame, newest_ms: int
) -> tuple[dict[str, I64], dict[str, F64], dict[str, tuple[int, int]]]:
    """Measures and multiples of every window, each (n,), and the windows' bounds."""
    row = sums["row"].to_numpy()
    position = np.unique(row, return_inverse=True)[1]
    bucket = sums["bucket_ms"].to_numpy()
    by_zone = {
        zone: window_spans(newest_ms, asked.sale_open_ms, zone) for zone in {*who.timezones, asked.timezone}
    }
    measures: dict[str, I64] = {}
    multiples: dict[str, F64] = {}
    for window in WINDOWS:
        starts = np.array([by_zone[zone][window][0] for zone in who.timezones], np.int64)
        inside = bucket >= starts[position] if len(row) else np.zeros(0, bool)
        for measure in ORDER_MEASURES:
            total = np.zeros(len(who.ids), np.int64)
            np.add.at(total, position[inside], sums[measure].to_numpy()[inside])
            measures[f"{measure}:{window}"] = total
        shares = np.array(
            [share_of(who.hourly_share[i], z, *by_zone[z][window]) for i, z in enumerate(who.timezones)]
        )
        ordinary = who.daily_gmv * shares
        ordinary[~(ordinary > 0)] = np.nan
        multiples[f"sales_multiple:{window}"] = measures[f"gmv:{window}"] / who.daily_gmv
        multiples[f"orders_multiple:{window}"] = measures[f"orders:{window}"] / who.daily_orders
        multiples[f"same_period_multiple:{window}"] = measures[f"gmv:{window}"] / ordinary
    return measures, multiples, by_zone[asked.timezone]


class _Peaks:
    """The greatest sixty minutes of each merchant, over every minute from the first to the newest."""

    def __init__(self, sums: pl.DataFrame, newest_ms: int) -> None:
        self._row = sums["row"].to_numpy()
        self._minute = sums["bucket_ms"].to_numpy() // MINUTE_MS
        self._gmv = sums["gmv"].to_numpy()
        self._first = int(self._minute.min()) if len(self._minute) else 0
        self._minutes = newest_ms // MINUTE_MS - self._first + 1

    def of(self, rows: I32) -> tuple[I64, I64]:
        """For each of the ascending rows: the greatest gmv and the end of its hour, both (n,)."""
        best, at = np.zeros(len(rows), np.int64), np.zeros(len(rows), np.int64)
        for first in range(0, len(rows), MERCHANTS_AT_ONCE):
            some = rows[first : first + MERCHANTS_AT_ONCE]
            low, high = np.searchsorted(self._row, (some[0], some[-1] + 1))
            sold = np.zeros((len(some), self._minutes + 1), np.int64)
            place = np.searchsorted(some, self._row[low:high])
            np.add.at(sold, (place, self._minute[low:high] - self._first + 1), self._gmv[low:high])
            running = np.cumsum(sold, axis=1)
            before = np.maximum(np.arange(1, self._minutes + 1) - 60, 0)
            hours = running[:, 1:] - running[:, before]
            index = hours.argmax(axis=1)
            best[first : first + len(some)] = hours[np.arange(len(some)), index]
            at[first : first + len(some)] = (self._first + index + 1) * MINUTE_MS
        return best, at


def _peak(who: _Merchants, i: int, gmv_fen: int, at_ms: int) -> Peak | None:
    if gmv_fen == 0:
        return None
    daily = who.daily_gmv[i]
    ordinary = daily * share_of(who.hourly_share[i], who.timezones[i], at_ms - HOUR_MS, at_ms)
    return Peak(
        gmv_fen=gmv_fen,
        at_ms=at_ms,
        sales_multiple=UNSET if np.isnan(daily) else float(gmv_fen / daily),
        same_period_multiple=float(gmv_fen / ordinary) if ordinary > 0 else UNSET,
    )


def _story(asked: Asked, sums: pl.DataFrame, merchant_id: str, expected: Expected) -> Story:
    mine = sums.filter(pl.col("row") == asked.merchant_ids.index(merchant_id))
    end_ms = asked.sale_open_ms + HALF_DAY_MS
    opened = mine.filter(pl.col("bucket_ms").is_between(asked.sale_open_ms, end_ms, closed="left"))
    whole = int(mine["bucket_ms"].max() or 0) >= end_ms  # type: ignore[arg-type]
    daily = asked.baselines[merchant_id].daily["gmv"]
    half_day = int(opened["gmv"].sum())
    return Story(
        name=asked.baselines[merchant_id].name,
        orders=int(mine["orders"].sum()),
        gmv_fen=int(mine["gmv"].sum()),
        peak=expected.peak or Peak(0, 0),
        sale_12h_gmv_fen=half_day if whole else None,
        sale_12h_multiple=half_day / daily if whole else None,
        sale_12h_at_ms=end_ms if whole else None,
    )
