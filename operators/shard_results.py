"""What a shard tells: rows of merchants for Redis, and a summary for the board. Its state stays as it is."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from operators.batches import F64, I64, MULTIPLE_BOUNDS, NO_EVENT_MS, MerchantRows, ShardSummary, Texts
from operators.leaders import Candidate, Named, candidates_of, look_over, named_best
from operators.merchant_columns import NO_BASELINE
from operators.multiples import Rows, multiples_of, peaks_of, ratio
from operators.rates import BUYERS, VISITORS, part, rates_of
from operators.windows import DAY_WINDOW, HOUR_WINDOW
from schemas import redis_layout
from schemas.windows import DISTINCT, DISTINCT_WINDOWS, GMV, WINDOWS

if TYPE_CHECKING:
    from operators.shard import Shard


def results_of(shard: Shard, rows: Rows) -> MerchantRows:
    """What Redis is to show of some merchants."""
    columns = shard.columns
    base = columns.baseline[rows]
    having = base != NO_BASELINE
    bounds = [shard.windows.bounds_ms(z) for z in range(len(shard.windows.days.start_ms))]
    bounds += [bounds[0] if bounds else [(0, 0)] * len(WINDOWS)] * (len(shard.zones) - len(bounds))
    peak, peak_same_period = peaks_of(rows, columns, shard.baselines, shard.zones)
    measures = columns.sums(rows)
    multiples = multiples_of(rows, columns, shard.baselines, shard.zones, bounds)
    people = _people_of(shard, rows)
    return MerchantRows(
        shard=shard.number,
        progress=shard.clock.offsets,
        merchant_ids=shard.merchants.texts(rows),
        names=[shard.baselines.names[b] if b != NO_BASELINE else None for b in base.tolist()],
        changed=columns.changed[rows],
        clicked=columns.clicked[rows],
        urgent=columns.urgent[rows],
        measures=measures,
        ratios=np.concatenate((multiples, rates_of(measures, people)), axis=2),
        people=people,
        peak_multiple=peak,
        peak_same_period=peak_same_period,
        peak_at_ms=np.where(np.isnan(peak), -1, columns.peak_at_ms[rows]),
        event_time_ms=columns.newest_ms[rows],
        baseline_gmv=np.where(having, shard.baselines.gmv[base], np.nan),
        baseline_orders=np.where(having, shard.baselines.orders[base], np.nan),
        baseline_new_members=np.where(having, shard.baselines.new_members[base], np.nan),
        hundred_hours=columns.hundred_hours[rows],
        arrived_ms=columns.arrived_ms[rows],
        texts=_texts_of(shard, rows),
    )


def _texts_of(shard: Shard, rows: Rows) -> list[Texts | None]:
    """By row, channels and categories of the day, if they changed."""
    changed = np.flatnonzero(shard.columns.shares_changed[rows])
    mine = rows[changed].astype(np.int64)
    texts: list[Texts | None] = [None] * len(rows)
    shares = shard.share_texts.of(mine, shard.columns.order_sums[mine, DAY_WINDOW, GMV])
    for i, (channels, categories) in zip(changed.tolist(), shares, strict=True):
        texts[i] = {redis_layout.CHANNELS_DAY: channels, redis_layout.CATEGORIES_DAY: categories}
    return texts


def add_stock(shard: Shard, rows: Rows, due: I64, texts: list[Texts | None]) -> None:
    """Add what is told of their items to the texts of merchants in ``rows`` that are among ``due``."""
    is_due = np.zeros(len(shard.merchants), np.bool_)
    is_due[due] = True
    places = np.flatnonzero(is_due[rows])
    told = shard.stocks.texts(rows[places].astype(np.int64), shard.clock.newest_ms)
    for place, (low, sold_out_at) in zip(places.tolist(), told, strict=True):
        stock = {redis_layout.LOW_STOCK: low, redis_layout.SOLD_OUT_AT: sold_out_at}
        texts[place] = (texts[place] or {}) | stock


def _people_of(shard: Shard, rows: Rows) -> F64:
    if shard.windows.newest_ms == NO_EVENT_MS:
        return np.full((len(rows), len(DISTINCT), len(DISTINCT_WINDOWS)), np.nan)
    zone = shard.columns.zone[: len(shard.merchants)]
    return shard.people.counts(rows.astype(np.int64), zone, *shard.span())


def summary_of(shard: Shard) -> ShardSummary:
    """What the board needs of a shard, now."""
    count = len(shard.merchants)
    columns = shard.columns
    held = shard.baselines
    base = columns.baseline[:count]
    leading, totals = look_over(count, columns, held, shard.rules.top)
    candidates = candidates_of(shard.merchants, leading, columns, held, shard.rules.top)
    candidates |= _by_conversion(shard)
    having = np.flatnonzero(base != NO_BASELINE)
    hour = ratio(columns.order_sums[having, HOUR_WINDOW, GMV], held.gmv[base[having]])
    return ShardSummary(
        shard=shard.number,
        progress={s: p for s, p in shard.clock.progress.items() if p is not None},
        watermark_ms=shard.clock.watermark_ms,
        newest_ms=shard.clock.newest_ms,
        totals=totals,
        baseline_daily=np.array([np.nansum(daily) for daily in (held.gmv, held.orders, held.new_members)]),
        ordinary=held.ordinary_total(),
        same_period=_same_period_total(shard, having),
        merchants=int((columns.newest_ms[:count] >= 0).sum()),
        without_baseline=int(((base == NO_BASELINE) & (columns.newest_ms[:count] >= 0)).sum()),
        late=shard.late,
        state_bytes=shard.nbytes,
        candidates=candidates,
        minutes=shard.closing.minutes,
        multiples_histogram=np.bincount(
            np.searchsorted(MULTIPLE_BOUNDS, hour[~np.isnan(hour)]), minlength=len(MULTIPLE_BOUNDS) + 1
        ),
        joins=len(shard.joins),
        joins_bytes=shard.joins.nbytes,
        repeated_joins=shard.joins.repeated,
        forgotten_joins=shard.joins.forgotten,
        bitmaps=None if shard.windows.newest_ms == NO_EVENT_MS else shard.people.bitmaps(shard.span()[0]),
        people_bytes=shard.people.nbytes,
        thinned=shard.people.thinned,
        alerts_active=dict(Counter((a.rule, a.severity) for a in shard.milestones.active.values())),
        alerts_suppressed=shard.milestones.suppressed,
    )


def _by_conversion(shard: Shard) -> dict[tuple[str, str], list[Candidate]]:
    """Candidates by conversion: the only metric for which people have to be counted first."""
    rules = shard.rules.top
    rows = np.flatnonzero(shard.people.visitors.at_least(rules.min_visitors)[: len(shard.merchants)])
    people = _people_of(shard, rows)
    visitors = people[:, VISITORS]
    scores = np.where(visitors >= rules.min_visitors, part(people[:, BUYERS], visitors), np.nan)
    named: Named = {}
    return {
        ("conversion", window): named_best(
            shard.merchants, shard.columns, shard.baselines, rows, scores[:, w], rules.size, named
        )
        for w, window in enumerate(DISTINCT_WINDOWS)
    }


def _same_period_total(shard: Shard, rows: Rows) -> F64:
    total = np.zeros(len(WINDOWS))
    if not len(rows) or not len(shard.windows.days.start_ms):
        return total
    zone_of = shard.columns.zone[rows]
    for number in np.unique(zone_of).tolist():
        if number >= len(shard.windows.days.start_ms):
            continue
        base = shard.columns.baseline[rows[zone_of == number]]
        for w, (start_ms, end_ms) in enumerate(shard.windows.bounds_ms(number)):
            sold = shard.baselines.sold_between(base, start_ms, end_ms, shard.zones[number])
            total[w] += np.nansum(sold)
    return total
