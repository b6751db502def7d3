"""Closed buckets: what the watermark has passed is final, the same in every run.

Minutes are closed one by one, in order. Peaks and series points are decided at that moment, from sums over
closed minutes only; an event that comes later still counts in the sums from then on, but revises no
peak and no point. Whatever must be decided once (milestones, alerts) is asked at that moment too.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from operators.added import Added
from operators.batches import F64, I32, I64, U16, SeriesPoint
from operators.bucket_columns import BucketColumns
from operators.bytes_kernels import compiled
from operators.calendar_days import DayBounds
from operators.changes import CLICK_SHIFT, ORDER_SHIFT
from operators.merchant_columns import (
    CLOSED,
    GMV_1H,
    GMV_DAY,
    GMV_SALE,
    HUNDRED_DAY,
    HUNDRED_SALE,
    JOINED_DAY,
    JOINED_SALE,
    ORDERS_DAY,
    ORDERS_SALE,
    MerchantColumns,
)
from operators.windows import BUCKETS_A_MINUTE, DAY_WINDOW, HOUR_WINDOW, NEVER, Windows
from schemas.redis_layout import SERIES_FIELDS
from schemas.windows import FINEST_BUCKET_MS, GMV, HOUR_MS, MEASURES, MINUTE_MS, NEW_MEMBERS, ORDERS

Rows = npt.NDArray[np.integer]
MINUTES_A_WINDOW = 60
MANY = 100
"""New members whose time is noted."""
_OWN_PLACES = np.array([i for i, name in enumerate(SERIES_FIELDS) if name in MEASURES])
_OWN_MEASURES = np.array([MEASURES.index(name) for name in SERIES_FIELDS if name in MEASURES])
"""Where a closed minute's own sums stand in a point, and which measures they are."""
_CLOSED_PLACES = np.array([i for i, name in enumerate(SERIES_FIELDS) if name in CLOSED])
_CLOSED_TOLD = np.array([CLOSED.index(name) for name in SERIES_FIELDS if name in CLOSED])
_NOTHING = BucketColumns().table(np.empty(0, np.int32))
"""The table of a minute without events."""
MOST_POINTS_AT_ONCE = 2 * 24 * 60
"""After a gap longer than this, the older minutes of the gap get no series point."""


@compiled
def add_closed(
    rows: I32, values: I64, in_hour: bool, in_sale: bool, day_sign: I64, closed: I64, totals: I64
) -> None:
    """Add the entries of a minute to sums over closed minutes. ``day_sign``: by row, 1 if in its day."""
    for i in range(len(rows)):
        row = rows[i]
        orders = values[i, ORDERS]
        gmv = values[i, GMV]
        joined = values[i, NEW_MEMBERS]
        if in_hour:
            closed[row, GMV_1H] += gmv
            totals[GMV_1H] += gmv
        if day_sign[i]:
            closed[row, GMV_DAY] += gmv
            closed[row, ORDERS_DAY] += orders
            closed[row, JOINED_DAY] += joined
            totals[GMV_DAY] += gmv
            totals[ORDERS_DAY] += orders
            totals[JOINED_DAY] += joined
        if in_sale:
            closed[row, GMV_SALE] += gmv
            closed[row, ORDERS_SALE] += orders
            closed[row, JOINED_SALE] += joined
            totals[GMV_SALE] += gmv
            totals[ORDERS_SALE] += orders
            totals[JOINED_SALE] += joined


@compiled
def leave_hour(rows: I32, values: I64, closed: I64, totals: I64) -> None:
    """Take a minute out of the closed hour."""
    for i in range(len(rows)):
        closed[rows[i], GMV_1H] -= values[i, GMV]
        totals[GMV_1H] -= values[i, GMV]


@compiled
def raise_peaks(rows: I32, end_ms: int, closed: I64, peak_gmv: I64, peak_at_ms: I64, changed: U16) -> None:
    """The greatest closed hour so far; the earliest of equal ones. Only merchants that sold can rise.

    A new peak has to be shown even if nothing else of the merchant changes any more.
    """
    for row in rows:
        if closed[row, GMV_1H] > peak_gmv[row]:
            peak_gmv[row] = closed[row, GMV_1H]
            peak_at_ms[row] = end_ms
            changed[row] |= np.uint16(1 << ORDER_SHIFT + HOUR_WINDOW)


@compiled
def note_hundreds(rows: I32, closed: I64, day_hours: F64, sale_hours: float, hundred_hours: F64) -> int:
    """Note the hours of those whose count of new members has reached 100; how many did.

    ``day_hours``: by row, from the start of its day to the end of the newest closed minute.
    """
    reached = 0
    for i in range(len(rows)):
        row = rows[i]
        if closed[row, JOINED_DAY] >= MANY and np.isnan(hundred_hours[row, HUNDRED_DAY]):
            hundred_hours[row, HUNDRED_DAY] = day_hours[i]
            reached += 1
        if closed[row, JOINED_SALE] >= MANY and np.isnan(hundred_hours[row, HUNDRED_SALE]):
            hundred_hours[row, HUNDRED_SALE] = sale_hours
            reached += 1
    return reached


@compiled
def fill_points(watched: I64, rows: I32, values: I64, closed: I64, scratch: I32, points: I64) -> None:
    """One point for each merchant in ``watched``, zeros until now: of its minute and of what is closed.

    ``rows`` sold ``values`` in the minute, each once; ``scratch``: a zero for every row, left as zeros.
    """
    for i in range(len(rows)):
        scratch[rows[i]] = i + 1
    for i in range(len(watched)):
        at = scratch[watched[i]] - 1
        if at >= 0:
            for place, measure in zip(_OWN_PLACES, _OWN_MEASURES):  # noqa: B905 - numba knows no strict
                points[i, place] = values[at, measure]
        for place, told in zip(_CLOSED_PLACES, _CLOSED_TOLD):  # noqa: B905
            points[i, place] = closed[watched[i], told]
    for row in rows:
        scratch[row] = 0


class ClosedMinutes(Protocol):
    """Who decides on closed minutes: once each, in order."""

    def minute_closed(self, minute: int, rows: I32) -> None:
        """``rows`` sold in it, each once; sums over closed minutes include it."""

    def day_began(self, rows: Rows) -> None:
        """The sums of the closed day of the merchants in ``rows`` begin anew."""


class Closing:
    """Closes the minutes of one shard's windows as the watermark passes them."""

    def __init__(self, windows: Windows) -> None:
        self._windows = windows
        self.next_minute: int | None = None
        """The oldest minute that is still open; None before anything was closed."""
        self.totals: I64 = np.zeros(len(CLOSED), np.int64)
        self.days = DayBounds(windows.zones)
        self.minutes: list[SeriesPoint] = []
        """This shard's part of the total's closed minutes, to be taken."""
        self.points: list[tuple[int, Rows, I64]] = []
        """Closed minutes of watched merchants: (start in ms, n rows, n x SERIES_FIELDS), to be taken."""

    @property
    def columns(self) -> MerchantColumns:
        """The shard's merchants."""
        return self._windows.columns

    def add_behind(self, rows: I32, buckets: I64, added: Added) -> None:
        """Take events whose minute is closed already into the sums over closed minutes."""
        oldest_minute = int(buckets.min(initial=NEVER)) // BUCKETS_A_MINUTE
        if self.next_minute is None or oldest_minute >= self.next_minute:
            return
        minutes = buckets * FINEST_BUCKET_MS // MINUTE_MS
        behind = minutes < self.next_minute
        values = added.table()
        for minute in np.unique(minutes[behind]).tolist():
            mine = minutes == minute
            self._add(minute, rows[mine], values[mine], self.next_minute - 1)

    def _add(self, minute: int, rows: I32, values: I64, current: int) -> None:
        start_ms = minute * MINUTE_MS
        in_day = self.days.hold(self.columns.zone[rows], start_ms)
        in_sale = start_ms >= self._windows.sale_bucket * FINEST_BUCKET_MS
        in_hour = minute > current - MINUTES_A_WINDOW
        add_closed(rows, values, in_hour, in_sale, in_day.astype(np.int64), self.columns.closed, self.totals)
        if values[:, NEW_MEMBERS].any():
            self._note_hundreds(rows, (current + 1) * MINUTE_MS)

    def _note_hundreds(self, rows: I32, end_ms: int) -> None:
        """See who has reached 100 new members by the end of the newest closed minute."""
        columns = self.columns
        if not len(self.days.start_ms):
            return  # no minute has been closed yet
        # A zone that came after the last closed minute has no day yet; nothing is counted in it either.
        starts_ms = self.days.start_ms.take(columns.zone[rows], mode="clip")
        sale_ms = self._windows.sale_bucket * FINEST_BUCKET_MS
        before = np.isnan(columns.hundred_hours[rows]).sum(axis=1)
        reached = note_hundreds(
            rows, columns.closed, (end_ms - starts_ms) / HOUR_MS, (end_ms - sale_ms) / HOUR_MS,
            columns.hundred_hours,
        )  # fmt: skip
        if reached:
            news = rows[np.isnan(columns.hundred_hours[rows]).sum(axis=1) != before]
            columns.changed[news] |= np.uint16(1 << CLICK_SHIFT + DAY_WINDOW)

    def close(self, watermark_ms: int, merchants: int, deciding: ClosedMinutes) -> None:
        """Close every minute that ends at or before the watermark."""
        stop = watermark_ms // MINUTE_MS
        buckets = self._windows.minutes.buckets
        if self.next_minute is None:
            if not buckets:
                return
            self.next_minute = min(min(buckets), stop)
        if stop - self.next_minute > MOST_POINTS_AT_ONCE:
            self._close_quietly(stop - MOST_POINTS_AT_ONCE, merchants, deciding)
        for minute in range(self.next_minute, stop):
            self._note_points(minute, *self._close_minute(minute, merchants, deciding))
        self.next_minute = max(self.next_minute, stop)
        self._windows.minutes.drop_before(
            min(self._windows.oldest_minute(), self.next_minute - MINUTES_A_WINDOW)
        )

    def _close_quietly(self, stop: int, merchants: int, deciding: ClosedMinutes) -> None:
        """Close a long stretch, most of it empty, without points."""
        assert self.next_minute is not None
        held = self._windows.minutes.between(self.next_minute - MINUTES_A_WINDOW, stop)
        busy = {m for b in held for m in (b, b + MINUTES_A_WINDOW) if self.next_minute <= m < stop}
        for minute in sorted(busy):
            self._close_minute(minute, merchants, deciding)
        self.next_minute = stop

    def _close_minute(self, minute: int, merchants: int, deciding: ClosedMinutes) -> tuple[I32, I64]:
        """Who sold in it, each once, and how much."""
        self._begin_days(minute * MINUTE_MS, merchants, deciding)
        buckets = self._windows.minutes.buckets
        gone = buckets.get(minute - MINUTES_A_WINDOW)
        if gone is not None:
            leave_hour(*gone.orders.entries(), self.columns.closed, self.totals)
        bucket = buckets.get(minute)
        rows, values = _NOTHING
        if bucket is not None:
            bucket.pack(self.columns.scratch)
            rows, values = bucket.table(self.columns.scratch)
            self._add(minute, rows, values, minute)
            end_ms = (minute + 1) * MINUTE_MS
            columns = self.columns
            raise_peaks(rows, end_ms, columns.closed, columns.peak_gmv, columns.peak_at_ms, columns.changed)
        deciding.minute_closed(minute, rows)
        return rows, values

    def _begin_days(self, start_ms: int, merchants: int, deciding: ClosedMinutes) -> None:
        for number in self.days.move_to(start_ms):
            rows = np.flatnonzero(self.columns.zone[:merchants] == number)
            for field in (GMV_DAY, ORDERS_DAY, JOINED_DAY):
                self.totals[field] -= self.columns.closed[rows, field].sum()
                self.columns.closed[rows, field] = 0
            hours = self.columns.hundred_hours
            gone = rows[~np.isnan(hours[rows, HUNDRED_DAY])]
            hours[gone, HUNDRED_DAY] = np.nan
            self.columns.changed[gone] |= np.uint16(1 << CLICK_SHIFT + DAY_WINDOW)
            deciding.day_began(rows)

    def _note_points(self, minute: int, rows: I32, values: I64) -> None:
        """Note a closed minute for the series. ``rows`` sold ``values`` in it, each once."""
        total = np.zeros(len(SERIES_FIELDS), np.int64)
        total[_OWN_PLACES] = values.sum(axis=0)[_OWN_MEASURES]
        total[_CLOSED_PLACES] = self.totals[_CLOSED_TOLD]
        self.minutes.append(SeriesPoint("total", minute * MINUTE_MS, total.tolist()))
        watched = np.flatnonzero(self.columns.watched)
        if not len(watched):
            return
        points = np.zeros((len(watched), len(SERIES_FIELDS)), np.int64)
        fill_points(watched, rows, values, self.columns.closed, self.columns.scratch, points)
        self.points.append((minute * MINUTE_MS, watched, points))
