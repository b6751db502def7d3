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
PLACES: Final = {OF_ORDERS: slice(0, ORDERS_WIDE), OF_CLICKS: slice(ORDERS_WIDE, MEASURES_WIDE)}
"""Where the measures of a kind stand among all."""
WIDE: Final = {OF_ORDERS: ORDERS_WIDE, OF_CLICKS: CLICKS_WIDE}
Mask = npt.NDArray[np.bool_]
Which = slice | Mask


class Added(NamedTuple):
    """``n`` rows of what was added; None where no row is of such events. Never None both."""

    orders: I64 | None  # n x ORDER_MEASURES
    clicks: I64 | None  # n x CLICK_MEASURES

    @staticmethod
    def of(values: I64) -> Added:
        """Take n x MEASURES apart. What adds nothing at all counts as of orders."""
        clicks = OF_CLICKS if values[:, PLACES[OF_CLICKS]].any() else 0
        orders = OF_ORDERS if values[:, PLACES[OF_ORDERS]].any() or not clicks else 0
        return Added.of_kinds(orders | clicks, values)

    @staticmethod
    def of_kind(kind: int, values: I64) -> Added:
        """``values``: n x measures of one kind."""
        return Added(values, None) if kind == OF_ORDERS else Added(None, values)

    @staticmethod
    def of_kinds(kinds: int, values: I64) -> Added:
        """The same where the kinds are known."""
        orders, clicks = (
            np.ascontiguousarray(values[:, place]) if kinds & kind else None for kind, place in PLACES.items()
        )
        return Added(orders, clicks)

    @staticmethod
    def joined(parts: Sequence[Added]) -> Added:
        """The rows of all parts, one behind the other."""
        parts = [part for part in parts if part.rows] or parts[:1]
        kinds = 0
        for part in parts:
            kinds |= part.kinds
        if all(part.kinds == kinds for part in parts):
            orders, clicks = (
                np.concatenate(own) if own[0] is not None else None for own in zip(*parts, strict=True)
            )
            return Added(orders, clicks)
        return Added.of_kinds(kinds, np.concatenate([part.table() for part in parts]))

    @staticmethod
    def of_columns(kinds: int, columns: dict[int, I64], rows: int) -> Added:
        """The reverse of ``columns``."""

        def part(kind: int) -> I64 | None:
            if not kinds & kind:
                return None
            values = np.zeros((rows, WIDE[kind]), np.int64)
            for m in range(WIDE[kind]):
                if (column := columns.get(PLACES[kind].start + m)) is not None:
                    values[:, m] = column
            return values

        return Added(part(OF_ORDERS), part(OF_CLICKS))

    @property
    def kinds(self) -> int:
        """``OF_ORDERS``, ``OF_CLICKS``, or both."""
        return (OF_ORDERS if self.orders is not None else 0) | (OF_CLICKS if self.clicks is not None else 0)

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return next(len(part) for part in self if part is not None)

    def pick(self, which: Mask) -> Added:
        """Some of the rows."""
        orders, clicks = (None if part is None else part[which] for part in self)
        return Added(orders, clicks)

    def columns(self) -> dict[int, I64]:
        """By measure, the columns in which there is something."""
        return {
            place.start + m: part[:, m]
            for place, part in zip(PLACES.values(), self, strict=True)
            if part is not None
            for m in range(part.shape[1])
            if part[:, m].any()
        }

    def table(self) -> I64:
        """n x MEASURES."""
        values = np.zeros((self.rows, MEASURES_WIDE), np.int64)
        for place, part in zip(PLACES.values(), self, strict=True):
            if part is not None:
                values[:, place] = part
        return values

    def by_kind(self) -> Iterator[tuple[int, Which, I64]]:
        """``OF_ORDERS`` or ``OF_CLICKS``, which rows are of it, and what they add.

        Every row is in one part at least: where nothing was added, a visitor may have come.
        """
        orders, clicks = self
        if orders is None or clicks is None:
            for kind, part in zip(PLACES, self, strict=True):
                if part is not None:
                    yield kind, slice(None), part
            return
        with_orders: Mask = np.asarray(orders.any(axis=1))
        yield OF_ORDERS, with_orders, orders[with_orders]
        with_clicks: Mask = np.asarray(clicks.any(axis=1)) | ~with_orders
        yield OF_CLICKS, with_clicks, clicks[with_clicks]
