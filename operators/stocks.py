"""What is left of a merchant's items, how fast they sell, and when they will be sold out.

Per item the newest stock by event time, and the units sold in each 5 s of the last 5 minutes. ``sold_out_at``
= time of the stock + stock / (units of the ``5m`` window / 5 min): the stock is what it was at that moment,
so no unit is taken off twice. Only orders that carry ``item_id`` and ``stock_left``, or items that the topic
``stock`` names, come here.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from operators.batches import I32, I64, U8
from operators.bytes_kernels import Interner, grown
from operators.stock_notes import END_BYTES
from operators.stock_tables import (
    COUNT,
    FREE_RING,
    ID_ROOM,
    ITEMS_HELD,
    ITEMS_USED,
    KNOWN,
    NAME_AT,
    NAME_LENGTH,
    NAMES_LIVE,
    NAMES_USED,
    RINGS_FREE,
    RINGS_USED,
    START,
    VELOCITY,
    StockTables,
    pack_names,
    sweep_rings,
    take_notes,
)
from operators.stock_texts import stock_texts
from schemas.windows import FINEST_BUCKET_MS, MINUTE_MS

TOLD_AGAIN: Final = 200
"""Merchants of a shard that are told anew at a time because their items sell slower than before."""


def oldest_bucket(newest_ms: int) -> int:
    """The first bucket of the window of speed."""
    return newest_ms // FINEST_BUCKET_MS - VELOCITY.buckets + 1


class Stocks:
    """The items of a shard's merchants. ``low_minutes``: with less time left an item is low.

    ``merchants``: the shard's, whose rows name them here.
    """

    def __init__(self, low_minutes: float, merchants: Interner) -> None:
        self.low_minutes = low_minutes
        self._merchants = merchants
        self._tables = StockTables.empty()
        self._again = 0
        self._again_bucket = -1

    def __len__(self) -> int:
        """Merchants that have items."""
        return int(self._tables.counts[KNOWN])

    def take(self, notes: U8, newest_ms: int) -> None:
        """Take what events say of items (``operators.stock_notes``): their merchants may be new.

        ``newest_ms``: newest event of all partitions so far.
        """
        at = 0
        oldest = oldest_bucket(newest_ms)
        end = len(notes) - END_BYTES
        while True:
            at = take_notes(self._tables, self._merchants.table, notes, at, oldest)
            if at == end:
                return
            self._make_room(end - at, oldest)

    def _make_room(self, note_bytes: int, oldest: int) -> None:
        """Room for one more item at least, of a name that may have ``note_bytes``."""
        self._merchants.reserve(1, ID_ROOM)
        held = self._tables
        counts = held.counts
        merchants = len(self._merchants.table.hashes)
        if merchants > len(held.places):
            held = held._replace(
                places=grown(held.places, merchants),
                news=grown(held.news, merchants),
                known=grown(held.known, merchants),
            )
        if counts[ITEMS_USED] + ITEMS_HELD > len(held.items):
            held = held._replace(items=grown(held.items, 2 * len(held.items) + 2 * ITEMS_HELD))
        words = note_bytes // 8
        if counts[NAMES_USED] + words > len(held.names):
            names = np.zeros(max(2 * int(counts[NAMES_LIVE]), 1024) + words, np.uint64)
            pack_names(held, names)
            held = held._replace(names=names)
        if counts[FREE_RING] == 0 and counts[RINGS_USED] == len(held.rings):
            sweep_rings(held, oldest)
            if 2 * counts[RINGS_FREE] <= len(held.rings):
                held = held._replace(rings=grown(held.rings, 2 * len(held.rings) + 16))
        self._tables = held

    def touch(self) -> None:
        """Have all merchants told again."""
        self._tables.news[self._known()] = 1

    def _known(self) -> I32:
        known: I32 = self._tables.known[: len(self)]
        return known

    def due(self, newest_ms: int) -> I64:
        """Rows of merchants to be told: those that changed, and some others, since time slows what sold.

        They stay due until ``texts`` tells them.
        """
        known = self._known()
        bucket = newest_ms // FINEST_BUCKET_MS
        if bucket != self._again_bucket and len(known):
            self._again_bucket = bucket
            start = self._again % len(known)
            self._again = start + TOLD_AGAIN
            self._tables.news[known[start : start + TOLD_AGAIN]] = 1
        return np.flatnonzero(self._tables.news)

    def texts(self, rows: I64, newest_ms: int) -> list[tuple[bytes | None, bytes | None]]:
        """``low_stock`` as JSON and ``sold_out_at`` as text of merchants, None where there is none.

        ``rows``: merchants that have items. They are no longer due.
        """
        self._tables.news[rows] = 0
        low_ms = float(self.low_minutes * MINUTE_MS)
        return stock_texts(self._tables, rows, newest_ms, oldest_bucket(newest_ms), low_ms)

    def items(self, row: int) -> list[str]:
        """The items that are held of a merchant."""
        held = self._tables
        if row >= len(held.places):
            return []
        start, count = int(held.places[row, START]), int(held.places[row, COUNT])
        names = held.names.view(np.uint8)
        return [
            names[8 * at : 8 * at + length].tobytes().decode()
            for at, length in held.items[start : start + count, NAME_AT : NAME_LENGTH + 1].tolist()
        ]

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return sum(table.nbytes for table in self._tables)
