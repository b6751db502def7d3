"""What is left of a merchant's items, how fast they sell, and when they will be sold out.

Plain objects, for it is rarely used: only orders that carry ``item_id`` and ``stock_left``, or items that the
topic ``stock`` names, come here. Per item the newest stock by event time, and the units sold in each 5 s of
the last 5 minutes. ``sold_out_at`` = time of the stock + stock / (units of the ``5m`` window / 5 min): the
stock is what it was at that moment, so no unit is taken off twice.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final

import msgspec

from schemas.windows import FINEST_BUCKET_MS, MINUTE_MS, SLIDING

ITEMS_HELD: Final = 50
"""Items of a merchant; a newer one takes the place of the one that was heard of longest ago."""
ITEMS_TOLD: Final = 10
VELOCITY: Final = next(w for w in SLIDING if w.name == "5m")
DECIMALS: Final = 6
TOLD_AGAIN: Final = 200
"""Merchants of a shard that are told anew at a time because their items sell slower than before."""


class StockNote(msgspec.Struct, frozen=True, array_like=True):
    """What one event says of an item. ``units``: sold by it. ``stock_left``: None where it does not say."""

    merchant_id: str
    item_id: str
    event_time_ms: int
    units: int
    stock_left: int | None


class Item(msgspec.Struct):
    """One item: newest stock, and units sold by finest bucket."""

    stock_left: int
    stock_ms: int
    heard_ms: int
    sold: dict[int, int]

    def sell(self, units: int, at_ms: int, newest_ms: int) -> None:
        """Add units sold, and forget what has left the window."""
        bucket, oldest = at_ms // FINEST_BUCKET_MS, _oldest_bucket(newest_ms)
        for gone in [b for b in self.sold if b < oldest]:
            del self.sold[gone]
        if bucket >= oldest:
            self.sold[bucket] = self.sold.get(bucket, 0) + units

    def units(self, newest_ms: int) -> int:
        """Units sold in the 5 minutes up to the newest event."""
        oldest = _oldest_bucket(newest_ms)
        return sum(units for bucket, units in self.sold.items() if bucket >= oldest)

    def sold_out_at(self, newest_ms: int) -> int | None:
        """When the stock will be gone at the speed of the last 5 minutes, in ms; None if nothing sells."""
        if self.stock_left == 0:
            return self.stock_ms
        units = self.units(newest_ms)
        return self.stock_ms + self.stock_left * VELOCITY.length_ms // units if units else None


def _oldest_bucket(newest_ms: int) -> int:
    return newest_ms // FINEST_BUCKET_MS - VELOCITY.buckets + 1


class Stocks:
    """The items of a shard's merchants. ``low_minutes``: with less time left an item is low."""

    def __init__(self, low_minutes: float) -> None:
        self.low_minutes = low_minutes
        self.merchants: dict[str, dict[str, Item]] = {}
        self.changed: dict[str, None] = {}
        """Merchants of which something changed since they were last told, in order."""
        self._again = 0
        self._again_bucket = -1

    def take(self, notes: Iterable[StockNote], newest_ms: int) -> None:
        """Take what events say of items. ``newest_ms``: newest event of all partitions so far."""
        for note in notes:
            newest_ms = max(newest_ms, note.event_time_ms)
            item = self._item(note)
            if item is None:
                continue
            if note.stock_left is not None:
                stock = (note.event_time_ms, -note.stock_left)
                if stock >= (item.stock_ms, -item.stock_left):  # of two at the same moment the lower one
                    item.stock_ms, item.stock_left = note.event_time_ms, note.stock_left
            item.heard_ms = max(item.heard_ms, note.event_time_ms)
            if note.units:
                item.sell(note.units, note.event_time_ms, newest_ms)
            self.changed[note.merchant_id] = None

    def _item(self, note: StockNote) -> Item | None:
        items = self.merchants.get(note.merchant_id)
        item = None if items is None else items.get(note.item_id)
        if item is not None or note.stock_left is None:
            return item
        if items is None:
            items = self.merchants[note.merchant_id] = {}
        if len(items) >= ITEMS_HELD:
            del items[min(items, key=lambda i: (items[i].heard_ms, i))]
        item = items[note.item_id] = Item(note.stock_left, note.event_time_ms, note.event_time_ms, {})
        return item

    def touch(self) -> None:
        """Have all merchants told again."""
        self.changed = dict.fromkeys(self.merchants)

    def due(self, newest_ms: int) -> list[str]:
        """Merchants to be told now: those that changed, and some others, since time slows what sold."""
        bucket = newest_ms // FINEST_BUCKET_MS
        if bucket != self._again_bucket and self.merchants:
            self._again_bucket = bucket
            names = list(self.merchants)
            start = self._again % len(names)
            self._again = start + TOLD_AGAIN
            self.changed |= dict.fromkeys(names[start : start + TOLD_AGAIN])
        due, self.changed = list(self.changed), {}
        return due

    def texts(self, merchant_id: str, newest_ms: int) -> tuple[bytes | None, bytes | None]:
        """``low_stock`` as JSON and ``sold_out_at`` as text, None where there is none."""
        ends = []
        for name, item in self.merchants.get(merchant_id, {}).items():
            end_ms = item.sold_out_at(newest_ms)
            if end_ms is not None:
                ends.append((end_ms, name, item))
        ends.sort(key=lambda end: end[:2])
        low = [e for e in ends if e[0] - newest_ms < self.low_minutes * MINUTE_MS][:ITEMS_TOLD]
        minutes = VELOCITY.length_ms / MINUTE_MS
        told = [
            [name, item.stock_left, round(item.units(newest_ms) / minutes, DECIMALS), end_ms]
            for end_ms, name, item in low
        ]
        text = json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        return text if told else None, b"%d" % ends[0][0] if ends else None

    @property
    def nbytes(self) -> int:
        """Bytes held, at about 400 an item."""
        return 400 * sum(len(items) for items in self.merchants.values())
