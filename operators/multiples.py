"""Multiples: how a merchant's windows compare with its ordinary day.

``sales_multiple[w]`` = gmv[w] / the baseline's daily gmv; ``orders_multiple`` and ``new_member_multiple``
likewise; ``same_period_multiple[w]`` = gmv[w] / what the baseline sold in the same stretch of clock time, its
daily gmv spread over the day by ``hourly_share``, evenly within an hour. No baseline, or a zero one: the
multiple is absent (NaN in columns), never 0, infinite or guessed.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from operators.batches import F64, I64
from operators.calendar_days import clock_time, zone
from operators.merchant_columns import NO_BASELINE, MerchantColumns
from schemas.baselines import HOURS, Baseline
from schemas.windows import GMV, HOUR_MS, MULTIPLES, NEW_MEMBERS, ORDERS, SLIDING, WINDOWS

Rows = npt.NDArray[np.integer]
ABSENT = math.nan
MOST_ZONES = 256
"""``MerchantColumns.zone`` is a byte."""


class Baselines:
    """Baselines of a shard's merchants, in columns. A removed one leaves its row to the next."""

    def __init__(self) -> None:
        self.gmv: F64 = np.full(64, ABSENT)  # fen a day
        self.orders: F64 = np.full(64, ABSENT)  # a day
        self.new_members: F64 = np.full(64, ABSENT)  # a day
        self.passed: F64 = np.zeros((64, HOURS + 1))  # share of the day's sales before each hour
        self.names: list[str] = []
        self.categories: list[str | None] = []
        self._free: list[int] = []

    def put(self, baseline: Baseline, row: int = NO_BASELINE) -> int:
        """Take a baseline into ``row``, or a new one; its row."""
        if row == NO_BASELINE:
            row = self._free.pop() if self._free else len(self.names)
        if row == len(self.names):
            self.names.append("")
            self.categories.append(None)
            self._reserve(row + 1)
        self.gmv[row] = baseline.daily.get("gmv", ABSENT)
        self.orders[row] = baseline.daily.get("orders", ABSENT)
        self.new_members[row] = baseline.daily.get("new_members", ABSENT)
        self.passed[row, 1:] = np.cumsum(baseline.hourly_share)
        self.names[row] = baseline.name
        self.categories[row] = baseline.category
        return row

    def _reserve(self, rows: int) -> None:
        have = len(self.gmv)
        if rows <= have:
            return
        size = max(rows, 2 * have)
        self.gmv = np.append(self.gmv, np.full(size - have, ABSENT))
        self.orders = np.append(self.orders, np.full(size - have, ABSENT))
        self.new_members = np.append(self.new_members, np.full(size - have, ABSENT))
        self.passed = np.concatenate([self.passed, np.zeros((size - have, HOURS + 1))])

    def remove(self, row: int) -> None:
        """Forget a baseline."""
        self.gmv[row] = self.orders[row] = self.new_members[row] = ABSENT
        self.passed[row] = 0
        self.names[row] = ""
        self.categories[row] = None
        self._free.append(row)

    def ordinary_hours(self, row: int) -> list[float]:
        """What the baseline sells in each hour of the local clock, in fen; nothing where it has no gmv."""
        if np.isnan(self.gmv[row]):
            return []
        hours: list[float] = (self.gmv[row] * np.diff(self.passed[row])).tolist()
        return hours

    def ordinary_total(self) -> F64:
        """The same for all baselines together: 24 numbers."""
        return np.asarray(np.nan_to_num(self.gmv) @ np.diff(self.passed, axis=1))

    def sold_between(self, rows: Rows, start_ms: int, end_ms: int, timezone: str) -> F64:
        """What each baseline sold in [start, end) by the clock of ``timezone``, in fen; NaN = unknown."""
        return self._sold(rows, *stretch_of(start_ms, end_ms, timezone))

    def sold_in(self, rows: Rows, stretches: F64) -> F64:
        """The same with a stretch of its own for each baseline: n rows of ``stretch_of``."""
        days, first, first_part, last, last_part = stretches.T
        return self._sold(rows, days, first.astype(np.int64), first_part, last.astype(np.int64), last_part)

    def _sold(
        self, rows: Rows, days: F64 | int, first: I64 | int, first_part: F64 | float,
        last: I64 | int, last_part: F64 | float,
    ) -> F64:  # fmt: skip
        """By parts of ``stretch_of``, of one stretch for all rows or of one for each."""
        through_last = days * self.passed[rows, HOURS] + self._share_before(rows, last, last_part)
        return np.asarray(self.gmv[rows] * (through_last - self._share_before(rows, first, first_part)))

    def _share_before(self, rows: Rows, hour: I64 | int, part: F64 | float) -> F64:
        """Share of the day's sales before a point of the day, for each row."""
        before = self.passed[rows, hour]
        return np.asarray(before + (self.passed[rows, hour + 1] - before) * part)

    @property
    def nbytes(self) -> int:
        """Bytes held, names at about 80 each."""
        daily = self.gmv.nbytes + self.orders.nbytes + self.new_members.nbytes
        return daily + self.passed.nbytes + 80 * len(self.names)


def stretch_of(start_ms: int, end_ms: int, timezone: str) -> tuple[int, int, float, int, float]:
    """A stretch by the local clock: whole days apart, hour and part of it at the start and at the end."""
    first_day, first_ms = clock_time(start_ms, timezone)
    last_day, last_ms = clock_time(end_ms, timezone)
    first, first_into_ms = divmod(first_ms, HOUR_MS)
    last, last_into_ms = divmod(last_ms, HOUR_MS)
    return last_day - first_day, first, first_into_ms / HOUR_MS, last, last_into_ms / HOUR_MS


def ratio(values: I64, ordinary: F64) -> F64:
    """``values / ordinary``; NaN where the divisor is unknown or not above 0."""
    usable = np.where(ordinary > 0, ordinary, ABSENT)
    return np.asarray(values / usable)


def known_zone(name: str | None) -> bool:
    """Whether a time zone of that name exists (None: the default one is meant)."""
    try:
        return name is None or zone(name) is not None
    except (KeyError, ValueError, OSError):
        return False


def multiples_of(
    rows: Rows,
    columns: MerchantColumns,
    baselines: Baselines,
    zones: list[str],
    bounds_ms: list[list[tuple[int, int]]],
) -> F64:
    """All multiples of some merchants: n x WINDOWS x MULTIPLES. ``bounds_ms``: by zone and window."""
    multiples = np.full((len(rows), len(WINDOWS), len(MULTIPLES)), ABSENT)
    having = np.flatnonzero(columns.baseline[rows] != NO_BASELINE)
    if not len(having):
        return multiples
    mine = rows[having]
    base = columns.baseline[mine]
    sums = columns.sums(mine)
    multiples[having, :, 0] = ratio(sums[:, :, GMV], baselines.gmv[base][:, None])
    multiples[having, :, 1] = ratio(sums[:, :, ORDERS], baselines.orders[base][:, None])
    multiples[having, :, 3] = ratio(sums[:, :, NEW_MEMBERS], baselines.new_members[base][:, None])
    zone_of = columns.zone[mine]
    for number in np.unique(zone_of).tolist():
        here = np.flatnonzero(zone_of == number)
        for w, (start_ms, end_ms) in enumerate(bounds_ms[number]):
            sold = baselines.sold_between(base[here], start_ms, end_ms, zones[number])
            multiples[having[here], w, 2] = ratio(sums[here, w, GMV], sold)
    return multiples


def peaks_of(rows: Rows, columns: MerchantColumns, baselines: Baselines, zones: list[str]) -> tuple[F64, F64]:
    """Of each merchant's greatest closed hour: its sales multiple, and its same-period multiple."""
    sales = np.full(len(rows), ABSENT)
    same_period = np.full(len(rows), ABSENT)
    usable = (columns.baseline[rows] != NO_BASELINE) & (columns.peak_at_ms[rows] >= 0)
    having = np.flatnonzero(usable)
    mine = rows[having]
    base = columns.baseline[mine]
    peak = columns.peak_gmv[mine]
    sales[having] = ratio(peak, baselines.gmv[base])
    # Zone and instant as one number: to sort pairs takes five times as long.
    keys = columns.peak_at_ms[mine] * MOST_ZONES + columns.zone[mine]
    distinct, which = np.unique(keys, return_inverse=True)
    ends = [divmod(key, MOST_ZONES) for key in distinct.tolist()]
    length_ms = SLIDING[2].length_ms
    stretches = [stretch_of(end_ms - length_ms, end_ms, zones[z]) for end_ms, z in ends]
    if stretches:
        same_period[having] = ratio(peak, baselines.sold_in(base, np.array(stretches)[which]))
    return sales, same_period
