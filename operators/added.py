"""What events add to sums: measures of orders and of clicks, apart.

Most deltas are of one of the two, so they take no room, and no time, for the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from operators.batches import I64
from schemas.windows import CLICK_MEASURES, MEASURES, ORDER_MEASURES

ORDERS_WIDE: Final = len(ORDER_MEASURES)
CLICKS_WIDE: Final = len(CLICK_MEASURES)
MEASURES_WIDE: Final = len(MEASURES)
OF_ORDERS, OF_CLICKS = 1, 2
"""Bits of what there is something of."""
Mask = npt.NDArray[np.bool_]
Which = slice | Mask


class Added(NamedTuple):
    """``n`` rows of what was added; None where no row is of such events. Never None both."""

    orders: I64 | None  # n x ORDER_MEASURES
    clicks: I64 | None  # n x CLICK_MEASURES

    @staticmethod
    def of(values: I64) -> Added:
        """Take n x MEASURES apart. What adds nothing at all counts as of orders."""
        orders, clicks = values[:, :ORDERS_WIDE], values[:, ORDERS_WIDE:]
        if not clicks.any():
            return Added(np.ascontiguousarray(orders), None)
        if not orders.any():
            return Added(None, np.ascontiguousarray(clicks))
        return Added(np.ascontiguousarray(orders), np.ascontiguousarray(clicks))

    @staticmethod
    def joined(parts: Sequence[Added]) -> Added:
        """The rows of all parts, one behind the other."""
        parts = [part for part in parts if part.rows] or parts[:1]
        rows = [part.rows for part in parts]
        orders, clicks = (part.orders for part in parts), (part.clicks for part in parts)
        return Added(_joined(list(orders), rows, ORDERS_WIDE), _joined(list(clicks), rows, CLICKS_WIDE))

    @property
    def rows(self) -> int:
        """How many rows there are."""
        part = self.clicks if self.orders is None else self.orders
        return 0 if part is None else len(part)

    def pick(self, which: Mask) -> Added:
        """Some of the rows."""
        orders, clicks = (None if part is None else part[which] for part in self)
        return Added(orders, clicks)

    def table(self) -> I64:
        """n x MEASURES."""
        values = np.zeros((self.rows, MEASURES_WIDE), np.int64)
        if self.orders is not None:
            values[:, :ORDERS_WIDE] = self.orders
        if self.clicks is not None:
            values[:, ORDERS_WIDE:] = self.clicks
        return values

    def by_kind(self) -> Iterator[tuple[int, Which, I64]]:
        """``OF_ORDERS`` or ``OF_CLICKS``, which rows are of it, and what they add.

        Every row is in one part at least: where nothing was added, a visitor may have come.
        """
        orders, clicks = self
        if orders is None or clicks is None:
            if orders is not None:
                yield OF_ORDERS, slice(None), orders
            if clicks is not None:
                yield OF_CLICKS, slice(None), clicks
            return
        with_orders: Mask = np.asarray(orders.any(axis=1))
        yield OF_ORDERS, with_orders, orders[with_orders]
        with_clicks: Mask = np.asarray(clicks.any(axis=1)) | ~with_orders
        yield OF_CLICKS, with_clicks, clicks[with_clicks]


def _joined(parts: list[I64 | None], rows: list[int], wide: int) -> I64 | None:
    if all(part is None for part in parts):
        return None
    return np.concatenate(
        [np.zeros((n, wide), np.int64) if p is None else p for p, n in zip(parts, rows, strict=True)]
    )
