"""The battle report, 戰報: what the night was, from the results in Redis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from schemas.windows import DAY, DEFAULT_TIMEZONE, HOUR_MS, SALE
from warroom.reader import Merchant, ResultsReader

LEADERS: Final = 10
SALE_CHECKPOINT_MS: Final = 12 * HOUR_MS


class MerchantStory(Struct, frozen=True):
    """A merchant's night. Amounts in fen, times in ms since the epoch; None where there is none.

    ``peak_at_ms`` is the exclusive end of the peak hour. ``sale_12h_multiple``: gmv of the sale's first
    twelve hours ÷ the ordinary day's gmv; None until they are over. ``hours_to_100_new_members``: from the
    start of the report's window; the ordinary ones are 100 ÷ the ordinary day's new members.
    """

    merchant_id: str
    name: str
    orders: int
    gmv_fen: int
    refunds_fen: int
    sales_multiple: float | None
    peak_multiple: float | None
    peak_at_ms: int | None
    peak_same_period_multiple: float | None
    sale_12h_multiple: float | None
    new_members: int = 0
    new_member_multiple: float | None = None
    hours_to_100_new_members: float | None = None
    ordinary_hours_to_100_new_members: float | None = None
    views: int = 0
    private_traffic_share: float | None = None


class BattleReport(Struct, frozen=True):
    """Everything that the report tells. ``window``: ``sale`` or ``day``, over which sums are taken."""

    timezone: str
    window: str
    sale_opens_ms: int | None
    until_ms: int | None
    watermark_ms: int | None
    orders: int
    units: int
    gmv_fen: int
    refunds_fen: int
    sales_multiple: float | None
    merchants: int
    merchants_without_baseline: int
    late_events: int
    leaders: list[MerchantStory]
    watched: list[MerchantStory]
    new_members: int = 0
    views: int = 0
    private_traffic_share: float | None = None


class Asked(Struct, frozen=True):
    """What to report on. ``watched``: merchants that have an article-like passage of their own."""

    watched: Sequence[str] = ()
    sale_opens_ms: int | None = None
    timezone: str = DEFAULT_TIMEZONE
    leaders: int = LEADERS
    least_orders: int = 10


def battle_report(reader: ResultsReader, asked: Asked) -> BattleReport:
    """The report as Redis stands now. Raises ``WarroomError``."""
    window = DAY if asked.sale_opens_ms is None else SALE
    totals = reader.totals()
    clock = reader.clock()
    leaders = reader.best_peaks(asked.leaders, asked.least_orders, window)
    watched = [m for m in reader.merchants(list(asked.watched)) if m is not None]
    return BattleReport(
        timezone=asked.timezone,
        window=window,
        sale_opens_ms=asked.sale_opens_ms,
        until_ms=clock.event_time_ms,
        watermark_ms=clock.watermark_ms,
        orders=int(totals.get(f"orders:{window}", 0)),
        units=int(totals.get(f"units:{window}", 0)),
        gmv_fen=int(totals.get(f"gmv:{window}", 0)),
        refunds_fen=int(totals.get(f"refunds:{window}", 0)),
        sales_multiple=totals.get(f"sales_multiple:{window}"),
        merchants=clock.merchants,
        merchants_without_baseline=clock.without_baseline,
        late_events=int(totals.get("late", 0)),
        leaders=[story_of(reader, m, window, asked.sale_opens_ms) for m in leaders],
        watched=[story_of(reader, m, window, asked.sale_opens_ms) for m in watched],
        new_members=int(totals.get(f"new_members:{window}", 0)),
        views=int(totals.get(f"views:{window}", 0)),
        private_traffic_share=totals.get(f"private_traffic_share:{window}"),
    )


def story_of(
    reader: ResultsReader, merchant: Merchant, window: str, sale_opens_ms: int | None
) -> MerchantStory:
    """A merchant's night from its results and its series."""
    result = merchant.result
    return MerchantStory(
        merchant_id=result.merchant_id,
        name=result.name or result.merchant_id,
        orders=result.measures.get(f"orders:{window}", 0),
        gmv_fen=result.measures.get(f"gmv:{window}", 0),
        refunds_fen=result.measures.get(f"refunds:{window}", 0),
        sales_multiple=result.multiples.get(f"sales_multiple:{window}"),
        peak_multiple=result.peak_sales_multiple_1h,
        peak_at_ms=result.peak_at_ms,
        peak_same_period_multiple=result.peak_same_period_multiple_1h,
        sale_12h_multiple=_after_12_hours(reader, merchant, sale_opens_ms),
        new_members=result.measures.get(f"new_members:{window}", 0),
        new_member_multiple=result.multiples.get(f"new_member_multiple:{window}"),
        hours_to_100_new_members=(
            result.hours_to_100_new_members if window == DAY else result.hours_to_100_new_members_sale
        ),
        ordinary_hours_to_100_new_members=result.baseline_hours_to_100_new_members,
        views=result.measures.get(f"views:{window}", 0),
        private_traffic_share=result.multiples.get(f"private_traffic_share:{window}"),
    )


def _after_12_hours(reader: ResultsReader, merchant: Merchant, sale_opens_ms: int | None) -> float | None:
    ordinary_fen = merchant.baseline_gmv_fen
    if sale_opens_ms is None or not ordinary_fen:
        return None
    sums = reader.series_until(merchant.result.merchant_id, sale_opens_ms + SALE_CHECKPOINT_MS)
    return None if sums is None else sums["gmv:sale"] / ordinary_fen
