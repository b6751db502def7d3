"""The windows of one shard: running sums up to the newest event, by event time alone.

A sliding window is its current bucket and those before it. An event is added to the sums of every window that
its bucket stands in, and once to the sparse columns of each bucket size; when a bucket leaves a
window, its columns are subtracted once. ``day`` and ``sale`` only ever add.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from operators.added import OF_CLICKS, OF_ORDERS, Added
from operators.batches import I32, I64, NO_EVENT_MS, U8, U16
from operators.bucket_columns import BucketColumns, Grid
from operators.bytes_kernels import AHEAD, compiled, inlined, prefetch
from operators.calendar_days import DayBounds
from operators.changes import CLICK_CHANGED, CLICK_SHIFT, ORDER_SHIFT
from operators.merchant_columns import MerchantColumns
from schemas.windows import (
    DAY,
    FINEST_BUCKET_MS,
    MINUTE_MS,
    SALE,
    SLIDING,
    WINDOWS,
)

HOUR_WINDOW = WINDOWS.index("1h")
DAY_WINDOW = WINDOWS.index(DAY)
SALE_WINDOW = WINDOWS.index(SALE)
BUCKETS_A_MINUTE = MINUTE_MS // FINEST_BUCKET_MS
BUCKETS_A_TEN_MINUTES = 10 * MINUTE_MS // FINEST_BUCKET_MS
_LINE = 8
"""Numbers that a cache line holds."""
NEVER = 1 << 60
"""A bucket number or a time beyond all others."""


@compiled
def _bits(kinds: int, window: int) -> np.uint16:
    """The bits of ``operators.changes`` of some kinds of events in one window."""
    return np.uint16(((kinds & 1) << (ORDER_SHIFT + window)) | ((kinds >> 1) << (CLICK_SHIFT + window)))


@compiled
def add_to_sums(
    kind: int,
    rows: I32,
    buckets: I64,
    values: I64,
    oldest: I64,
    day_start_ms: I64,
    sale_bucket: int,
    sums: I64,
    changed: U16,
    clicked: npt.NDArray[np.bool_],
    zone: U8,
) -> None:
    """Add deltas of orders or of clicks to every window that holds their bucket.

    ``oldest``: for each sliding window, the oldest finest bucket that it holds.
    """
    for i in range(len(rows)):
        if i + AHEAD < len(rows):
            _ask_for(sums, rows[i + AHEAD])
        row = rows[i]
        bucket = buckets[i]
        anything = 0
        for m in range(values.shape[1]):
            anything |= values[i, m]
        kinds = kind
        if anything == 0:
            # An order that adds nothing, or a repeated join: the newest event and the visitors have changed.
            kinds = OF_ORDERS | OF_CLICKS if clicked[row] else OF_ORDERS
        elif kind == OF_CLICKS and not clicked[row]:
            clicked[row] = True
            changed[row] |= np.uint16(CLICK_CHANGED)
        for w in range(6):
            if w < 4:
                inside = bucket >= oldest[w]
            elif w == 4:
                inside = bucket * FINEST_BUCKET_MS >= day_start_ms[zone[row]]
            else:
                inside = bucket >= sale_bucket
            if inside:
                changed[row] |= _bits(kinds, w)
                for m in range(values.shape[1]):
                    sums[row, w, m] += values[i, m]


@inlined
def _ask_for(sums: I64, row: int) -> None:
    """Ask for the cache lines of a merchant's sums."""
    wide = sums.shape[1] * sums.shape[2]
    flat = sums.reshape(-1)
    for at in range(0, wide, _LINE):
        prefetch(flat, row * wide + at)


@compiled
def subtract_from_sums(kind: int, rows: I32, values: I64, window: int, sums: I64, changed: U16) -> None:
    """Take the columns of a bucket that left ``window`` out of its sums. ``kind``: of which events."""
    for i in range(len(rows)):
        row = rows[i]
        anything = 0
        for m in range(values.shape[1]):
            anything |= values[i, m]
            sums[row, window, m] -= values[i, m]
        # Where nothing was added, a visitor may have come who now leaves.
        changed[row] |= _bits(kind if anything != 0 else OF_CLICKS, window)


class Windows:
    """Running sums of a shard's merchants over all windows.

    ``zones``: time zones by number, shared with the shard, to which new ones may be appended.
    """

    def __init__(self, columns: MerchantColumns, zones: list[str], sale_opens_ms: int | None) -> None:
        self.columns = columns
        self.zones = zones
        self.sale_bucket = NEVER if sale_opens_ms is None else sale_opens_ms // FINEST_BUCKET_MS
        self.newest_ms = NO_EVENT_MS
        self.seconds = Grid(SLIDING[0].bucket_ms)
        self.minutes = Grid(SLIDING[2].bucket_ms)
        self.ten_minutes = Grid(SLIDING[3].bucket_ms)
        self._grid_of = {g.bucket_ms: g for g in (self.seconds, self.minutes, self.ten_minutes)}
        self.days = DayBounds(zones)

    def advance(self, newest_ms: int, merchants: int) -> None:
        """Move on to a newer newest event: buckets leave their windows, days begin."""
        before_ms, self.newest_ms = self.newest_ms, max(self.newest_ms, newest_ms)
        if self.newest_ms == NO_EVENT_MS:
            return
        if self.newest_ms // FINEST_BUCKET_MS != before_ms // FINEST_BUCKET_MS and before_ms != NO_EVENT_MS:
            for w, window in enumerate(SLIDING):
                grid = self._grid_of[window.bucket_ms]
                gone = before_ms // window.bucket_ms - window.buckets + 1
                stays = self.newest_ms // window.bucket_ms - window.buckets + 1
                for number in grid.between(gone, stays):
                    self._subtract(grid.buckets[number], w)
            self._forget()
        self._begin_days(merchants)

    def _subtract(self, bucket: BucketColumns, window: int) -> None:
        columns = self.columns
        for kind, part in ((OF_ORDERS, bucket.orders), (OF_CLICKS, bucket.clicks)):
            rows, values = part.entries()
            if not len(rows):
                continue
            subtract_from_sums(kind, rows, values, window, columns.sums_of(kind), columns.changed)

    def _forget(self) -> None:
        # Minutes are also kept until they are closed: ``Closing`` drops those.
        for grid, window in ((self.seconds, SLIDING[1]), (self.ten_minutes, SLIDING[3])):
            grid.drop_before(self.newest_ms // window.bucket_ms - window.buckets + 1)

    def oldest_minute(self) -> int:
        """The oldest minute that the ``1h`` window holds."""
        return self.newest_ms // MINUTE_MS - SLIDING[2].buckets + 1

    def _begin_days(self, merchants: int) -> None:
        columns = self.columns
        for number in self.days.move_to(self.newest_ms):
            rows = np.flatnonzero(columns.zone[:merchants] == number)
            sold = columns.order_sums[rows, DAY_WINDOW].any(axis=1)
            clicked = columns.click_sums[rows, DAY_WINDOW].any(axis=1)
            columns.order_sums[rows[sold], DAY_WINDOW] = 0
            columns.click_sums[rows[clicked], DAY_WINDOW] = 0
            columns.changed[rows[sold]] |= np.uint16(1 << ORDER_SHIFT + DAY_WINDOW)
            columns.changed[rows[clicked]] |= np.uint16(1 << CLICK_SHIFT + DAY_WINDOW)

    def add(self, rows: I32, buckets: I64, added: Added) -> None:
        """Add deltas (finest buckets) that some window keeps; ``advance`` has been called for their batch."""
        newest = self.newest_ms
        oldest = np.array(
            [(newest // w.bucket_ms - w.buckets + 1) * (w.bucket_ms // FINEST_BUCKET_MS) for w in SLIDING]
        )
        for kind, which, values in added.by_kind():
            self._add(kind, oldest, rows[which], buckets[which], values)

    def _add(self, kind: int, oldest: I64, rows: I32, buckets: I64, values: I64) -> None:
        """Add deltas of one kind to the sums, and keep them in the bucket of each size."""
        columns = self.columns
        first = int(buckets.min(initial=NEVER))
        add_to_sums(
            kind, rows, buckets, values, oldest, self.days.start_ms, self.sale_bucket,
            columns.sums_of(kind), columns.changed, columns.clicked, columns.zone,
        )  # fmt: skip
        for grid, finest, least in (
            (self.seconds, 1, int(oldest[1])),
            # A minute that left the window may still have to be closed.
            (self.minutes, BUCKETS_A_MINUTE, -NEVER),
            (self.ten_minutes, BUCKETS_A_TEN_MINUTES, int(oldest[3])),
        ):
            kept = slice(None) if first >= least else buckets >= least
            grid.add(kind, buckets[kept] // finest, rows[kept], values[kept], self.columns.scratch)

    def pack_before(self, watermark_ms: int) -> None:
        """Keep closed buckets in the narrowest types."""
        for grid in (self.seconds, self.minutes, self.ten_minutes):
            for number, bucket in grid.buckets.items():
                if (number + 1) * grid.bucket_ms <= watermark_ms and bucket.loose:
                    bucket.pack(self.columns.scratch)

    @property
    def nbytes(self) -> int:
        """Bytes held by buckets."""
        return self.seconds.nbytes + self.minutes.nbytes + self.ten_minutes.nbytes

    def bounds_ms(self, zone: int) -> list[tuple[int, int]]:
        """For each window, the stretch of time it stands for now, in ``zone``: [start, end)."""
        stretches = []
        for window in SLIDING:
            end_ms = (self.newest_ms // window.bucket_ms + 1) * window.bucket_ms
            stretches.append((end_ms - window.length_ms, end_ms))
        end_ms = (self.newest_ms // FINEST_BUCKET_MS + 1) * FINEST_BUCKET_MS
        stretches.append((int(self.days.start_ms[zone]), end_ms))
        sale_ms = self.sale_bucket * FINEST_BUCKET_MS
        stretches.append((min(sale_ms, end_ms), end_ms))
        return stretches
