"""What is left of items, kept as plainly as can be, for ``operators.stocks`` to be held against."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from operators.stock_notes import StockNote
from schemas.windows import FINEST_BUCKET_MS, MINUTE_MS

ITEMS_HELD, ITEMS_TOLD, TOLD_AGAIN = 50, 10, 200
BUCKETS, WINDOW_MINUTES = 60, 5


@dataclass
class PlainItem:
    stock_left: int
    stock_ms: int
    heard_ms: int
    sold: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    """Units by 5 s, for ever."""

    def hear(self, note: StockNote) -> None:
        if note.stock_left is not None and (note.event_time_ms, -note.stock_left) >= (
            self.stock_ms,
            -self.stock_left,
        ):
            self.stock_ms, self.stock_left = note.event_time_ms, note.stock_left
        self.heard_ms = max(self.heard_ms, note.event_time_ms)
        self.sold[note.event_time_ms // FINEST_BUCKET_MS] += note.units

    def units(self, newest_ms: int) -> int:
        oldest = newest_ms // FINEST_BUCKET_MS - BUCKETS + 1
        return sum(units for bucket, units in self.sold.items() if bucket >= oldest)

    def end_ms(self, newest_ms: int) -> int | None:
        if self.stock_left == 0:
            return self.stock_ms
        units = self.units(newest_ms)
        return self.stock_ms + self.stock_left * WINDOW_MINUTES * MINUTE_MS // units if units else None


class PlainStocks:
    """Items of merchants by name, the merchants in the order in which they came."""

    def __init__(self, low_minutes: float) -> None:
        self.low_minutes = low_minutes
        self.merchants: dict[str, dict[str, PlainItem]] = {}
        self.changed: set[str] = set()
        self.again = 0
        self.again_bucket = -1

    def take(self, notes: Iterable[StockNote]) -> None:
        for note in notes:
            items = self.merchants.get(note.merchant_id, {})
            if note.item_id not in items:
                if note.stock_left is None:
                    continue
                if len(items) == ITEMS_HELD:
                    del items[min(items, key=lambda name: (items[name].heard_ms, name))]
                items[note.item_id] = PlainItem(note.stock_left, note.event_time_ms, note.event_time_ms)
                self.merchants[note.merchant_id] = items
            items[note.item_id].hear(note)
            self.changed.add(note.merchant_id)

    def touch(self) -> None:
        self.changed = set(self.merchants)

    def due(self, newest_ms: int) -> set[str]:
        """Merchants to be told; they count as told."""
        bucket = newest_ms // FINEST_BUCKET_MS
        if bucket != self.again_bucket and self.merchants:
            self.again_bucket = bucket
            start = self.again % len(self.merchants)
            self.again = start + TOLD_AGAIN
            self.changed |= set(list(self.merchants)[start : self.again])
        due, self.changed = self.changed, set()
        return due

    def texts(self, merchant_id: str, newest_ms: int) -> tuple[bytes | None, bytes | None]:
        """``low_stock`` and ``sold_out_at``."""
        ends = []
        for name, item in self.merchants[merchant_id].items():
            end_ms = item.end_ms(newest_ms)
            if end_ms is not None:
                ends.append((end_ms, name, item))
        ends.sort(key=lambda end: end[:2])
        told = [
            [name, item.stock_left, item.units(newest_ms) / WINDOW_MINUTES, end_ms]
            for end_ms, name, item in ends
            if end_ms - newest_ms < self.low_minutes * MINUTE_MS
        ]
        low = json.dumps(told[:ITEMS_TOLD], ensure_ascii=False, separators=(",", ":")).encode()
        return low if told else None, b"%d" % ends[0][0] if ends else None
