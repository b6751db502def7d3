"""What events say of items' stock, on its way from the lane that read them to their merchant's shard.

A shard's notes travel as one array of bytes, in 8-byte little-endian words, one note after the other:

- hash of the merchant's id (``hash_bytes``, seed 0)
- event time, ms
- units sold by the event, and in the upper half what is left + 1 (0: not said)
- length of the item's id in bytes, and in the upper half that of the merchant's
- the merchant's id, then the item's, each filled up with zeros to whole words

One word with the shard's number ends the array; it is also the padding that kernels want behind an id.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np

from operators.batches import I64, U8
from operators.bytes_kernels import PADDING_BYTES, U64, Interner, InternTable, compiled, load_u64, stable_hash
from operators.decode import Decoded
from operators.order_scan import PAID, OrderColumns
from operators.shards import SHARD_KEYS, SHARDS
from operators.tally import shard_of_merchant

NOTE_BYTES: Final = 32
"""A note without its ids."""
END_BYTES: Final = 8
_HEAD_WORDS: Final = NOTE_BYTES // 8
_HEAD: Final = struct.Struct("<QQIIII")
_WORD_BITS: Final = np.uint64(32)


class StockNote(NamedTuple):
    """What one event says of an item. ``units``: sold by it. ``stock_left``: None where it does not say."""

    merchant_id: str
    item_id: str
    event_time_ms: int
    units: int
    stock_left: int | None


@dataclass(slots=True, eq=False)
class ShardStock:
    """Notes of a shard's merchants, in the order of their partition, in the layout above."""

    shard: int
    notes: U8

    @staticmethod
    def of(shard: int, notes: Iterable[StockNote]) -> ShardStock:
        """Notes that are objects."""
        block = b"".join(_packed(note) for note in notes)
        return ShardStock.from_bytes(block + shard.to_bytes(END_BYTES, "little"))

    def to_bytes(self) -> bytes:
        """One block, for the journal and the exchange."""
        return self.notes.tobytes()

    @staticmethod
    def from_bytes(block: bytes) -> ShardStock:
        """The reverse of ``to_bytes``."""
        shard = int.from_bytes(block[-END_BYTES:], "little")
        return ShardStock(shard, np.frombuffer(bytearray(block), np.uint8))

    def __reduce__(self) -> tuple[object, tuple[bytes]]:
        return ShardStock.from_bytes, (self.to_bytes(),)

    @staticmethod
    def joined(stocks: Sequence[ShardStock]) -> ShardStock:
        """Notes of one shard, those of ``stocks[0]`` first."""
        parts = [stock.notes[:-END_BYTES] for stock in stocks[:-1]]
        return ShardStock(stocks[-1].shard, np.concatenate([*parts, stocks[-1].notes]))


def _packed(note: StockNote) -> bytes:
    merchant, item = note.merchant_id.encode(), note.item_id.encode()
    left = 0 if note.stock_left is None else note.stock_left + 1
    head = _HEAD.pack(
        stable_hash(note.merchant_id), note.event_time_ms, note.units, left, len(item), len(merchant)
    )
    return head + merchant + bytes(-len(merchant) % 8) + item + bytes(-len(item) % 8)


def to_shards(notes: Iterable[StockNote]) -> list[tuple[str, ShardStock]]:
    """Notes that are objects, by the key of their merchant's shard."""
    by_shard: dict[int, list[StockNote]] = {}
    for note in notes:
        by_shard.setdefault(shard_of_merchant(note.merchant_id), []).append(note)
    return [(SHARD_KEYS[shard], ShardStock.of(shard, mine)) for shard, mine in by_shard.items()]


@compiled
def words_of(length: int) -> int:
    """Words that an id of ``length`` bytes fills."""
    return (length + 7) >> 3


@compiled
def copy_words(into: U64, at: int, data: U8, start: int, length: int) -> int:
    """Copy an id to ``into[at:]``, zeros behind it; the place behind both. ``data`` is padded."""
    whole = length >> 3
    for word in range(whole):
        into[at + word] = load_u64(data, start + 8 * word)
    rest = length & 7
    if rest == 0:
        return at + whole
    mask = (np.uint64(1) << np.uint64(8 * rest)) - np.uint64(1)
    into[at + whole] = load_u64(data, start + length - rest) & mask
    return at + whole + 1


@compiled
def _measure(columns: OrderColumns, rows: I64, table: InternTable, shard_of: U8, bounds: I64) -> int:
    """Where each shard's words begin and end, in ``bounds`` (one more than shards); all of them."""
    bounds[:] = 0
    for row in rows:
        if columns.outcome[row] == 0:
            merchant = columns.merchant[row]
            words = words_of(table.lengths[merchant]) + words_of(columns.item_length[row])
            bounds[shard_of[merchant] + 1] += _HEAD_WORDS + words
    for shard in range(1, len(bounds)):
        bounds[shard] = bounds[shard - 1] + bounds[shard] + (bounds[shard] > 0)
    return int(bounds[len(bounds) - 1])


@compiled
def pack_notes(
    data: U8,
    aside: U8,
    columns: OrderColumns,
    rows: I64,
    table: InternTable,
    shard_of: U8,
    bounds: I64,
    fill: I64,
    words: U64,
) -> int:
    """What accepted orders among ``rows`` say, shard by shard into ``words``; how many words that takes.

    If there are not so many, nothing is written. ``bounds``, ``fill``: room, one more than shards.
    """
    total = _measure(columns, rows, table, shard_of, bounds)
    if total > len(words):
        return total
    for shard in range(len(bounds)):
        fill[shard] = bounds[shard]
    for row in rows:
        if columns.outcome[row] != 0:
            continue
        merchant = columns.merchant[row]
        shard = shard_of[merchant]
        at = fill[shard]
        length = int(np.int64(columns.item_length[row]))
        merchant_length = int(np.int64(table.lengths[merchant]))
        units = columns.quantity[row] if columns.status[row] == PAID else 0
        left = np.uint64(np.int64(columns.stock_left[row]) + 1)
        words[at] = table.hashes[merchant]
        words[at + 1] = np.uint64(columns.event_time_ms[row])
        words[at + 2] = np.uint64(units) | left << _WORD_BITS
        words[at + 3] = np.uint64(length) | np.uint64(merchant_length) << _WORD_BITS
        at = copy_words(words, at + _HEAD_WORDS, table.arena, table.offsets[merchant], merchant_length)
        start = columns.item_at[row]
        if start >= 0:
            fill[shard] = copy_words(words, at, data, start, length)
        else:
            fill[shard] = copy_words(words, at, aside, ~start, length)
    for shard in range(len(bounds) - 1):
        if bounds[shard + 1] > bounds[shard]:
            words[bounds[shard + 1] - 1] = np.uint64(shard)
    return total


class NotePacker:
    """Brings what orders say of items into the layout above. Scratch is kept between batches."""

    def __init__(self, shards: int = SHARDS) -> None:
        self._bounds = np.zeros(shards + 1, np.int64)
        self._fill = np.zeros(shards + 1, np.int64)
        self._words = np.empty(1024, np.uint64)

    def pack(
        self, decoded: Decoded[OrderColumns], rows: I64, merchants: Interner, shard_of: U8
    ) -> list[tuple[str, ShardStock]]:
        """What accepted orders say, by shard key. ``rows``: orders that name an item.

        ``shard_of``: of every row of ``merchants``.
        """
        aside = np.frombuffer(bytearray(decoded.aside + bytes(PADDING_BYTES)), np.uint8)
        while True:
            count = pack_notes(
                decoded.raw.data, aside, decoded.columns, rows, merchants.table, shard_of,
                self._bounds, self._fill, self._words,
            )  # fmt: skip
            if count <= len(self._words):
                break
            self._words = np.empty(2 * count, np.uint64)
        return [
            (SHARD_KEYS[shard], ShardStock(shard, self._words[start:stop].copy().view(np.uint8)))
            for shard, (start, stop) in enumerate(pairwise(self._bounds.tolist()))
            if stop > start
        ]
