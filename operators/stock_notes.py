"""What events say of items' stock, on its way from the lane that read them to their merchant's shard."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from operators.batches import I64
from operators.decode import Decoded, read_order
from operators.order_scan import OrderColumns
from operators.shards import SHARD_KEYS
from operators.stocks import StockNote
from operators.tally import shard_of_merchant

_DECODER: Final = msgspec.msgpack.Decoder(tuple[int, list[StockNote]])


@dataclass(slots=True)
class ShardStock:
    """Notes of a shard's merchants, in the order of their partition."""

    shard: int
    notes: list[StockNote]

    def to_bytes(self) -> bytes:
        """One block, for the journal and the exchange."""
        return msgspec.msgpack.encode((self.shard, self.notes))

    @staticmethod
    def from_bytes(block: bytes) -> ShardStock:
        """The reverse of ``to_bytes``."""
        return ShardStock(*_DECODER.decode(block))

    def __reduce__(self) -> tuple[object, tuple[bytes]]:
        return ShardStock.from_bytes, (self.to_bytes(),)


def to_shards(notes: Iterable[StockNote]) -> list[tuple[str, ShardStock]]:
    """Notes by the key of their merchant's shard."""
    by_shard: dict[int, list[StockNote]] = {}
    for note in notes:
        by_shard.setdefault(shard_of_merchant(note.merchant_id), []).append(note)
    return [(SHARD_KEYS[shard], ShardStock(shard, mine)) for shard, mine in by_shard.items()]


def notes_of_orders(decoded: Decoded[OrderColumns], rows: I64) -> list[StockNote]:
    """What some accepted orders say; their lines are read once more, in full."""
    notes = []
    for row, (_, start, end, _) in zip(rows.tolist(), decoded.lines[rows].tolist(), strict=True):
        if decoded.columns.outcome[row] != 0:
            continue
        order = read_order(decoded.raw.data[start:end].tobytes())
        if order.item_id is None:
            continue
        units = order.quantity if order.status == "paid" else 0
        notes.append(
            StockNote(order.merchant_id, order.item_id, order.event_time_ms, units, order.stock_left)
        )
    return notes


def stock_rows(columns: OrderColumns, least: int) -> I64:
    """Rows whose ``stock`` is at least so much."""
    return np.flatnonzero(columns.stock >= least)
