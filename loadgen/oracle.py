"""The oracle: what Redis has to show at the end of a run, by plain recomputation.

It knows the definitions (``schemas.windows``) and no code of the pipeline. Sums are 64-bit integers, people
are counted one by one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl
from msgspec import UNSET, Struct, UnsetType

from loadgen.draws import I32, I64
from loadgen.facts import KINDS
from loadgen.local_time import midnight_ms, share_of
from loadgen.oracle_alerts import Milestone, milestones
from loadgen.oracle_joins import HOURS_TO_100, hours_to_100
from loadgen.oracle_peaks import Peaks
from loadgen.oracle_people import Crowd, repeating, visitors_and_buyers
from loadgen.oracle_rollups import rollups_of
from loadgen.ratios import rates_of
from loadgen.truth import Truth
from schemas.baselines import Baseline
from schemas.dead_letters import REASONS
from schemas.windows import (
    CLICK_MEASURES,
    DAY,
    DEFAULT_TIMEZONE,
    FINEST_BUCKET_MS,
    HOUR_MS,
    MEASURES,
    ORDER_MEASURES,
    SALE,
    SLIDING,
    WINDOWS,
)

F64 = npt.NDArray[np.float64]
T = TypeVar("T")
HALF_DAY_MS: Final = 12 * HOUR_MS


class Peak(Struct, frozen=True, omit_defaults=True):
    """The closed hour with the greatest gmv; ``at_ms`` is its exclusive end, the earliest if several tie."""

    gmv_fen: int
    at_ms: int
    sales_multiple: float | UnsetType = UNSET
    same_period_multiple: float | UnsetType = UNSET


class Expected(Struct, frozen=True, omit_defaults=True):
    """One merchant, or one row of a roll-up: fields by ``gmv:1h`` and the like.

    ``people``: exact numbers of different people; ``rates``: the ratios within a window, from exact
    numbers; ``singles``: fields without a window.
    """

    measures: dict[str, int]
    multiples: dict[str, float]
    name: str | None = None
    peak: Peak | None = None
    people: dict[str, int] = {}
    rates: dict[str, float] = {}
    singles: dict[str, float] = {}
    estimated: bool = False
    """Whether people are estimated however few they are, as those of a roll-up."""


def fields_of(expected: Expected) -> int:
    """How many fields are expected."""
    parts = (expected.measures, expected.multiples, expected.people, expected.rates, expected.singles)
    return sum(len(part) for part in parts)


class Story(Struct, frozen=True, omit_defaults=True):
    """What the night is remembered by, of one featured merchant. ``new_members``: of the newest day."""

    name: str
    orders: int
    gmv_fen: int
    peak: Peak
    sale_12h_gmv_fen: int | None = None
    sale_12h_multiple: float | None = None
    sale_12h_at_ms: int | None = None
    new_members: int | None = None
    new_member_multiple: float | None = None
    hours_to_100_new_members: float | None = None


class Answers(Struct, frozen=True):
    """Everything expected after a run. ``totals`` are the sums over all merchants.

    ``events`` and ``dead_letters`` are of all topics, ``duplicates`` by topic, ``orders`` and ``clicks``.
    ``rollups``: ``"channel:koubei"`` and the like. ``clicks``: whether any were sent.
    """

    scenario: str
    newest_ms: int
    sale_open_ms: int
    timezone: str
    windows: dict[str, tuple[int, int]]
    """Start and end (exclusive) of each window at ``newest_ms``; ``day`` in ``timezone``."""
    events: dict[str, int]
    dead_letters: dict[str, int]
    duplicates: dict[str, int]
    totals: dict[str, int]
    merchants: dict[str, Expected]
    story: dict[str, Story]
    repeated_joins: int = 0
    rollups: dict[str, Expected] = {}
    clicks: bool = False
    alerts: dict[str, Milestone] = {}
    """Milestones by the ids of their alerts."""
    instants: dict[str, Answers] = {}
    """What is right at chosen instants, by their time with its offset; windows end there."""


@dataclass(frozen=True, slots=True)
class Asked:
    """For whom and when the oracle speaks. ``merchant_ids`` by row; ``featured`` are told as stories.

    ``channels`` and ``categories``: the names behind the numbers in the facts.
    """

    scenario: str
    merchant_ids: list[str]
    baselines: dict[str, Baseline]
    sale_open_ms: int
    timezone: str = DEFAULT_TIMEZONE
    featured: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()


def answer(asked: Asked, truth: Truth) -> Answers:
    """What is right after all of ``truth``."""
    sums = truth.sums()
    newest = truth.newest_ms
    rows = sums["row"].unique().sort().to_numpy()
    who = _Merchants.of(asked, rows)
    spans = window_spans(newest, asked.sale_open_ms, asked.timezone)
    merchants = _merchants(asked, who, rows, truth, sums)
    good = truth.kinds + truth.click_kinds
    kinds = dict(zip(KINDS, (int(count) for count in good), strict=True))
    copies = KINDS.index("duplicate")
    return Answers(
        scenario=asked.scenario,
        newest_ms=newest,
        sale_open_ms=asked.sale_open_ms,
        timezone=asked.timezone,
        windows=spans,
        events=kinds,
        dead_letters={reason: kinds[reason] for reason in REASONS},
        duplicates={"orders": int(truth.kinds[copies]), "clicks": int(truth.click_kinds[copies])},
        totals=_totals(merchants, truth),
        merchants=merchants,
        story={m: _story(asked, sums, m, merchants[m], truth) for m in asked.featured if m in merchants},
        repeated_joins=int((truth.joins()["times"] - 1).sum()),
        rollups=_rollups(asked, truth, spans),
        clicks=truth.has_clicks,
        alerts=milestones(who.ids, who.timezones, who.daily_gmv, rows, sums, truth.joins()),
    )


def _merchants(
    asked: Asked, who: _Merchants, rows: I32, truth: Truth, sums: pl.DataFrame
) -> dict[str, Expected]:
    starts = _starts(asked, who, truth.newest_ms)
    measures, multiples = _windows(asked, who, sums, truth.newest_ms, starts)
    people = _people(asked, who, rows, truth, starts)
    if not truth.has_clicks:
        measures, multiples, people = _without(measures), _without(multiples), _without(people)
    rates = rates_of(measures, people)
    singles = hours_to_100(truth.joins(), rows, starts)
    best, best_at = Peaks(sums, truth.newest_ms).of(rows)
    return {
        who.ids[i]: Expected(
            measures={key: int(values[i]) for key, values in measures.items()},
            multiples=_present(multiples, i),
            name=who.names[i],
            peak=_peak(who, i, int(best[i]), int(best_at[i])),
            people={key: int(values[i]) for key, values in people.items()},
            rates=_present(rates, i),
            singles=_present(singles, i),
        )
        for i in range(len(rows))
    }


OF_CLICKS: Final = frozenset({*CLICK_MEASURES, "new_member_multiple", "visitors"})
"""Fields that are told only where clicks were sent."""


def _without(columns: Mapping[str, T]) -> dict[str, T]:
    return {key: values for key, values in columns.items() if key.split(":")[0] not in OF_CLICKS}


def _present(columns: Mapping[str, F64], i: int) -> dict[str, float]:
    return {key: float(values[i]) for key, values in columns.items() if not np.isnan(values[i])}


def _people(
    asked: Asked, who: _Merchants, rows: I32, truth: Truth, starts: Mapping[str, I64]
) -> dict[str, I64]:
    visits, paid = truth.visits(), truth.paid()
    clicked, bought = (
        Crowd(np.searchsorted(rows, f["row"].to_numpy()), f["person"].to_numpy(), f["event_ms"].to_numpy())
        for f in (visits, paid)
    )
    known = {
        i: members
        for i, merchant_id in enumerate(who.ids)
        if (members := known_members(asked.baselines.get(merchant_id)))
    }
    first_order = paid["first_order"].to_numpy()
    again = repeating(bought, first_order, known, starts, len(rows))
    return visitors_and_buyers(clicked, bought, starts, len(rows)) | again


def known_members(baseline: Baseline | None) -> list[str]:
    """The known members of a baseline, if it has any."""
    return (baseline.known_members if baseline else None) or []


def _totals(merchants: Mapping[str, Expected], truth: Truth) -> dict[str, int]:
    told = MEASURES if truth.has_clicks else ORDER_MEASURES
    fields = [f"{measure}:{window}" for window in WINDOWS for measure in told]
    return {field: sum(expected.measures[field] for expected in merchants.values()) for field in fields}


def _rollups(asked: Asked, truth: Truth, spans: Mapping[str, tuple[int, int]]) -> dict[str, Expected]:
    told = {}
    for name, (measures, people, rates) in rollups_of(truth, asked.channels, asked.categories, spans).items():
        if not truth.has_clicks:
            measures, people = _without(measures), _without(people)
        told[name] = Expected(measures, {}, people=people, rates=rates, estimated=True)
    return told


@dataclass(frozen=True, slots=True)
class _Merchants:
    """Merchants that have events, by position: ``n`` of them."""

    ids: list[str]
    names: list[str | None]
    timezones: list[str]
    daily_gmv: F64  # n, NaN without
    daily_orders: F64  # n, NaN without
    daily_new_members: F64  # n, NaN without
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
            daily_new_members=np.array([_daily(b, "new_members") for b in found]),
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


def _starts(asked: Asked, who: _Merchants, newest_ms: int) -> dict[str, I64]:
    """Where each window of each merchant begins: (n,) by window."""
    by_zone = {zone: window_spans(newest_ms, asked.sale_open_ms, zone) for zone in set(who.timezones)}
    return {
        window: np.array([by_zone[zone][window][0] for zone in who.timezones], np.int64) for window in WINDOWS
    }


def _windows(
    asked: Asked, who: _Merchants, sums: pl.DataFrame, newest_ms: int, starts: Mapping[str, I64]
) -> tuple[dict[str, I64], dict[str, F64]]:
    """Measures and multiples of every window, each (n,)."""
    row = sums["row"].to_numpy()
    position = np.unique(row, return_inverse=True)[1]
    bucket = sums["bucket_ms"].to_numpy()
    ends = window_spans(newest_ms, asked.sale_open_ms, asked.timezone)
    measures: dict[str, I64] = {}
    multiples: dict[str, F64] = {}
    for window in WINDOWS:
        inside = bucket >= starts[window][position] if len(row) else np.zeros(0, bool)
        for measure in MEASURES:
            total = np.zeros(len(who.ids), np.int64)
            np.add.at(total, position[inside], sums[measure].to_numpy()[inside].astype(np.int64))
            measures[f"{measure}:{window}"] = total
        shares = np.array(
            [
                share_of(who.hourly_share[i], zone, int(starts[window][i]), ends[window][1])
                for i, zone in enumerate(who.timezones)
            ]
        )
        ordinary = who.daily_gmv * shares
        ordinary[~(ordinary > 0)] = np.nan
        multiples[f"sales_multiple:{window}"] = measures[f"gmv:{window}"] / who.daily_gmv
        multiples[f"orders_multiple:{window}"] = measures[f"orders:{window}"] / who.daily_orders
        multiples[f"same_period_multiple:{window}"] = measures[f"gmv:{window}"] / ordinary
        joined = measures[f"new_members:{window}"]
        multiples[f"new_member_multiple:{window}"] = joined / who.daily_new_members
    return measures, multiples


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


def _story(asked: Asked, sums: pl.DataFrame, merchant_id: str, expected: Expected, truth: Truth) -> Story:
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
        new_members=expected.measures[f"new_members:{DAY}"] if truth.has_clicks else None,
        new_member_multiple=expected.multiples.get(f"new_member_multiple:{DAY}")
        if truth.has_clicks
        else None,
        hours_to_100_new_members=expected.singles.get(HOURS_TO_100),
    )
