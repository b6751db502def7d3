"""Sparse columns of one bucket: which merchants sold in it, and how much.

Memory follows activity. An open bucket takes rows as they come and merges them now and then; a closed one
is packed into the narrowest types that hold its numbers (about 12 bytes a merchant).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from operators.added import CLICKS_WIDE, MEASURES_WIDE, OF_CLICKS, ORDERS_WIDE
from operators.batches import I32, I64
from operators.bytes_kernels import compiled

_SLACK_ROWS = 1024
_WIDTHS = (8, 16, 32, 64)
_TYPES: dict[tuple[bool, int], np.dtype[np.integer]] = {
    (signed, wide): np.dtype(f"{'i' if signed else 'u'}{wide // 8}")
    for signed in (False, True)
    for wide in _WIDTHS
}
_ZEROS: npt.NDArray[np.integer] = np.empty(0, np.uint8)
_NO_ROWS: I32 = np.empty(0, np.int32)


@compiled
def merge_rows(rows: I32, values: I64, count: int, scratch: I32) -> int:
    """Add up entries of the same row in place, in the order of first appearance; the new count.

    ``scratch``: one zero for every row that can occur; left as zeros.
    """
    kept = 0
    for i in range(count):
        row = rows[i]
        at = scratch[row] - 1
        if at < 0:
            rows[kept] = row
            for m in range(values.shape[1]):
                values[kept, m] = values[i, m]
            kept += 1
            scratch[row] = kept
        else:
            for m in range(values.shape[1]):
                values[at, m] += values[i, m]
    for i in range(kept):
        scratch[rows[i]] = 0
    return kept


@compiled
def find_extents(values: I64, count: int, extents: I64) -> None:
    """The least and the greatest number in the first ``count`` rows of each column, neither beyond 0."""
    for m in range(values.shape[1]):
        extents[m, 0] = extents[m, 1] = 0
    for i in range(count):
        for m in range(values.shape[1]):
            extents[m, 0] = min(extents[m, 0], values[i, m])
            extents[m, 1] = max(extents[m, 1], values[i, m])


def narrowest_type(low: int, high: int) -> np.dtype[np.integer]:
    """The narrowest integer type for numbers from ``low`` <= 0 to ``high`` >= 0."""
    signed = low < 0
    bits = max(high.bit_length(), (~low).bit_length()) + signed
    return _TYPES[signed, next(wide for wide in _WIDTHS if bits <= wide)]


def narrowest(values: I64, count: int) -> list[npt.NDArray[np.integer]]:
    """The first ``count`` rows by column, each as narrow as it can be; an empty array for one of zeros."""
    extents = np.empty((values.shape[1], 2), np.int64)
    find_extents(values, count, extents)
    return [
        values[:count, m].astype(narrowest_type(low, high)) if low or high else _ZEROS
        for m, (low, high) in enumerate(extents.tolist())
    ]


class MeasureColumns:
    """Deltas of one bucket, by merchant row; ``wide`` measures."""

    __slots__ = ("_count", "_merged", "_packed", "_packed_rows", "_rows", "_values", "_wide")

    def __init__(self, wide: int) -> None:
        self._wide = wide
        self._rows: I32 = _NO_ROWS
        self._values: I64 = np.empty((0, wide), np.int64)
        self._count = 0
        self._merged = 0
        self._packed_rows: I32 = _NO_ROWS
        self._packed: list[npt.NDArray[np.integer]] = []

    def add(self, rows: I32, values: I64, scratch: I32) -> None:
        """Append deltas; ``scratch`` as in ``merge_rows``."""
        need = self._count + len(rows)
        if need > len(self._rows):
            if self._count > 2 * self._merged + _SLACK_ROWS:
                self.merge(scratch)
                need = self._count + len(rows)
            if need > len(self._rows):
                size = max(need, 2 * self._count, 16)
                self._rows = np.concatenate(
                    [self._rows[: self._count], np.empty(size - self._count, np.int32)]
                )
                wider = np.empty((size, self._wide), np.int64)
                wider[: self._count] = self._values[: self._count]
                self._values = wider
        self._rows[self._count : need] = rows
        self._values[self._count : need] = values
        self._count = need

    def merge(self, scratch: I32) -> None:
        """One entry a merchant among those not packed."""
        self._count = merge_rows(self._rows, self._values, self._count, scratch)
        self._merged = self._count

    def pack(self, scratch: I32) -> None:
        """Merge everything and keep it in the narrowest types; later additions start anew beside it."""
        rows, values = self.entries()
        count = merge_rows(rows, values, len(rows), scratch)
        self._packed_rows = rows[:count].copy()
        self._packed = narrowest(values, count)
        self._rows, self._values = _NO_ROWS, np.empty((0, self._wide), np.int64)
        self._count = self._merged = 0

    def entries(self) -> tuple[I32, I64]:
        """Copies of rows (k) and values (k x ``wide``); a merchant may stand more than once."""
        packed = len(self._packed_rows)
        if not packed:
            return self._rows[: self._count].copy(), self._values[: self._count].copy()
        rows = np.concatenate([self._packed_rows, self._rows[: self._count]])
        values = np.zeros((len(rows), self._wide), np.int64)
        for m, column in enumerate(self._packed):
            if len(column):
                values[:packed, m] = column
        values[packed:] = self._values[: self._count]
        return rows, values

    @property
    def loose(self) -> bool:
        """Whether something was added since it was packed."""
        return self._count > 0

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        packed = sum(c.nbytes for c in self._packed)
        return int(self._rows.nbytes + self._values.nbytes + self._packed_rows.nbytes + packed)


class BucketColumns:
    """One bucket: its orders and its clicks, apart, since most deltas are of one of the two."""

    __slots__ = ("clicks", "orders")

    def __init__(self) -> None:
        self.orders = MeasureColumns(ORDERS_WIDE)
        self.clicks = MeasureColumns(CLICKS_WIDE)

    def pack(self, scratch: I32) -> None:
        """Keep both in the narrowest types."""
        for part in (self.orders, self.clicks):
            if part.loose:
                part.pack(scratch)

    def table(self, scratch: I32) -> tuple[I32, I64]:
        """Rows (k), each once, and values (k x MEASURES). ``scratch`` as in ``merge_rows``."""
        order_rows, of_orders = self.orders.entries()
        click_rows, of_clicks = self.clicks.entries()
        rows = np.concatenate([order_rows, click_rows])
        values = np.zeros((len(rows), MEASURES_WIDE), np.int64)
        values[: len(order_rows), :ORDERS_WIDE] = of_orders
        values[len(order_rows) :, ORDERS_WIDE:] = of_clicks
        count = merge_rows(rows, values, len(rows), scratch)
        return rows[:count], values[:count]

    @property
    def loose(self) -> bool:
        """Whether something was added since it was packed."""
        return self.orders.loose or self.clicks.loose

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self.orders.nbytes + self.clicks.nbytes


class Grid:
    """The buckets of one size that some window still keeps, by bucket number."""

    def __init__(self, bucket_ms: int) -> None:
        self.bucket_ms = bucket_ms
        self.buckets: dict[int, BucketColumns] = {}

    def add(self, kind: int, numbers: I64, rows: I32, values: I64, scratch: I32) -> None:
        """Add deltas ``OF_ORDERS`` or ``OF_CLICKS``, each to its own bucket; ``numbers`` on this grid."""
        if not len(numbers):
            return
        first = int(numbers[0])
        if bool((numbers == first).all()):
            self._part(first, kind).add(rows, values, scratch)
            return
        order = np.argsort(numbers, kind="stable")
        ordered = numbers[order]
        edges = np.flatnonzero(np.diff(ordered)) + 1
        for part in np.split(order, edges):
            self._part(int(numbers[part[0]]), kind).add(rows[part], values[part], scratch)

    def _part(self, number: int, kind: int) -> MeasureColumns:
        bucket = self.buckets.get(number)
        if bucket is None:
            bucket = self.buckets[number] = BucketColumns()
        return bucket.clicks if kind == OF_CLICKS else bucket.orders

    def drop_before(self, number: int) -> None:
        """Forget buckets older than ``number``."""
        for old in [n for n in self.buckets if n < number]:
            del self.buckets[old]

    def between(self, first: int, stop: int) -> list[int]:
        """Numbers of the buckets held with first <= number < stop, ascending."""
        if stop - first < len(self.buckets):
            return [n for n in range(first, stop) if n in self.buckets]
        return sorted(n for n in self.buckets if first <= n < stop)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return sum(b.nbytes for b in self.buckets.values())
