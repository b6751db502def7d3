"""The live table: one picture of the war room in lines of text, for ``top`` and the demo's screen."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

from rich.text import Text

from schemas.windows import SALE, WINDOWS
from warroom.cells import fits, left, right
from warroom.metrics_reader import Vitals
from warroom.reader import Clock, Merchant, ResultsReader
from warroom.report_text import moment, times, yuan

METRICS: Final = (
    *("sales_multiple", "gmv", "orders"),
    *("new_members", "new_member_multiple", "private_traffic_share"),
)
_OF_ORDERS: Final = METRICS[:3]
WIDTH: Final = 80
HEIGHT: Final = 24
_AROUND: Final = 9
"""Lines that are no merchants."""
_NONE: Final = "–"


@dataclass(frozen=True, slots=True)
class View:
    """Which leaderboard is shown."""

    metric: str = METRICS[0]
    window: str = "1h"

    def next_metric(self) -> View:
        """The same window by another metric."""
        return View(METRICS[(METRICS.index(self.metric) + 1) % len(METRICS)], self.window)

    def next_window(self) -> View:
        """The same metric over another window."""
        return View(self.metric, WINDOWS[(WINDOWS.index(self.window) + 1) % len(WINDOWS)])


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is shown, read at one moment. ``taken_s``: monotonic seconds; ``wall_ms``: the wall clock."""

    taken_s: float
    wall_ms: int
    clock: Clock
    totals: dict[str, float]
    leaders: list[Merchant]
    alerts: int
    vitals: Vitals


def take_snapshot(reader: ResultsReader, view: View, vitals: Vitals, rows: int) -> Snapshot:
    """Read what the table needs. Raises ``WarroomError``."""
    best = reader.top(view.metric, view.window, rows)
    leaders = [m for m in reader.merchants([merchant_id for merchant_id, _ in best]) if m is not None]
    return Snapshot(
        taken_s=time.monotonic(),
        wall_ms=time.time_ns() // 1_000_000,
        clock=reader.clock(),
        totals=reader.totals(),
        leaders=leaders,
        alerts=reader.active_alerts(),
        vitals=vitals,
    )


def rate_per_second(before: Snapshot | None, now: Snapshot) -> float | None:
    """Events a second of the wall clock between two snapshots; None before there are two."""
    if before is None or now.taken_s <= before.taken_s:
        return None
    if not (now.vitals.workers_up and before.vitals.workers_up):
        return None
    counted = now.vitals.events.total() - before.vitals.events.total()
    return max(0, counted) / (now.taken_s - before.taken_s)


def picture(
    now: Snapshot, rate: float | None, view: View, timezone: str, workers: int, height: int = HEIGHT
) -> list[Text]:
    """The lines of the table, each at most 80 cells, at most ``height`` of them."""
    return [
        Text(_title(now, timezone), style="bold"),
        Text(_sums(now)),
        Text(_pulse(now, rate, workers)),
        Text("─" * WIDTH, style="dim"),
        Text(_heading(view), style="bold"),
        *(Text(_row(place, m, view)) for place, m in enumerate(now.leaders[: height - _AROUND], 1)),
        Text("─" * WIDTH, style="dim"),
        _alerts(now.alerts),
        Text(f" by {view.metric}   m metric   w window   q quit", style="dim"),
    ]


def _title(now: Snapshot, timezone: str) -> str:
    newest = now.clock.event_time_ms
    when = "no events yet" if newest is None else moment(newest, timezone, "%Y-%m-%d %H:%M:%S")
    run = "" if now.clock.run is None else f"run {now.clock.run}"
    return left(f" WARROOM   {when}  {timezone}", WIDTH - len(run) - 1) + run


def _sums(now: Snapshot) -> str:
    # Without a sale's opening in its configuration the engine has no such sums.
    window = SALE if f"gmv:{SALE}" in now.totals and now.totals[f"orders:{SALE}"] else "day"
    orders, gmv = (int(now.totals.get(f"{m}:{window}", 0)) for m in ("orders", "gmv"))
    text = f" {window}: {orders:,} orders   {yuan(gmv)}"
    multiple = now.totals.get(f"sales_multiple:{window}")
    if multiple is not None:
        text += f"   {times(multiple, 2)} × an ordinary day"
    joined = f"   {int(now.totals.get(f'new_members:{window}', 0)):,} new members"
    return text + joined if f"new_members:{window}" in now.totals and fits(text + joined) else text


def _pulse(now: Snapshot, rate: float | None, workers: int) -> str:
    clock, vitals = now.clock, now.vitals
    behind = (
        _NONE
        if clock.watermark_ms is None or clock.event_time_ms is None
        else f"{(clock.event_time_ms - clock.watermark_ms) / 1000:.0f} s"
    )
    written = (
        _NONE if clock.updated_at_ms is None else f"{max(0, now.wall_ms - clock.updated_at_ms) / 1000:.1f} s"
    )
    lag = f"{vitals.lag_messages:,}" if vitals.workers_up else _NONE
    speed = _NONE if rate is None else f"{rate:,.0f}/s"
    return (
        f" rate {speed}   lag {lag}   watermark −{behind}   written {written} ago   "
        f"workers {vitals.workers_up}/{workers}"
    )


_WIDTHS: Final = (24, 11, 11, 10, 8, 12)
"""Cells of the columns, after the place's four."""


def _heading(view: View) -> str:
    window = view.window
    name = "merchant"
    others = (f"new {window}", f"new× {window}", "own views", "views", f"GMV {window}")
    if view.metric in _OF_ORDERS:
        others = (f"sales× {window}", f"same× {window}", "peak× 1h", "orders", f"GMV {window}")
    cells = [right(text, width) for text, width in zip(others, _WIDTHS[1:], strict=True)]
    return "    " + left(name, _WIDTHS[0]) + "".join(cells)


def _row(place: int, merchant: Merchant, view: View) -> str:
    result, window = merchant.result, view.window
    gmv = _short_yuan(result.measures.get(f"gmv:{window}", 0))
    if view.metric in _OF_ORDERS:
        texts = (
            times(result.multiples.get(f"sales_multiple:{window}")),
            times(result.multiples.get(f"same_period_multiple:{window}"), 2),
            times(result.peak_sales_multiple_1h),
            f"{result.measures.get(f'orders:{window}', 0):,}",
            gmv,
        )
    else:
        texts = (
            f"{result.measures.get(f'new_members:{window}', 0):,}",
            times(result.multiples.get(f"new_member_multiple:{window}")),
            _percent(result.multiples.get(f"private_traffic_share:{window}")),
            f"{result.measures.get(f'views:{window}', 0):,}",
            gmv,
        )
    cells = [right(text, width) for text, width in zip(texts, _WIDTHS[1:], strict=True)]
    name = result.name or result.merchant_id
    return right(f"{place} ", 4) + left(name, _WIDTHS[0]) + "".join(cells)


def _percent(share: float | None) -> str:
    return _NONE if share is None else f"{share * 100:.1f} %"


def _short_yuan(fen: int) -> str:
    """¥ without fen: the table has no room for them."""
    return f"¥{fen // 100:,}"


def _alerts(active: int) -> Text:
    if active == 0:
        return Text(" alerts: none", style="dim")
    return Text(f" alerts: {active} active", style="bold red")
