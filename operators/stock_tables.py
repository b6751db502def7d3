"""Items of a shard's merchants in arrays, and the kernels that take notes into them.

A merchant's items are neighbours in ``items``: a block of 2 to 50 rows, given up for a larger one when it is
full. Names lie in an arena, whole words each, padded with zeros. Only items that sold lately have a ring of
units by 5 s bucket.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from operators.batches import I32, I64, U8
from operators.bytes_kernels import (
    PADDING_BYTES,
    U64,
    InternTable,
    compiled,
    find,
    hash_bytes,
    intern,
    load_u64,
    trailing_zeros,
)
from operators.stock_notes import END_BYTES, NOTE_BYTES, copy_words, words_of
from schemas.events import MAX_ID_BYTES
from schemas.windows import FINEST_BUCKET_MS, SLIDING

ITEMS_HELD: Final = 50
"""Items of a merchant; a newer one takes the place of the one that was heard of longest ago."""
VELOCITY: Final = next(w for w in SLIDING if w.name == "5m")
RING: Final = VELOCITY.buckets
ID_ROOM: Final = MAX_ID_BYTES + PADDING_BYTES
"""Bytes in the shard's arena of ids that a merchant takes at most."""
_SMALLEST_BLOCK: Final = 2
_BLOCK_SIZES: Final = 6  # 2, 4, 8, 16, 32, 50

HASH, NAME_AT, NAME_LENGTH, STOCK_LEFT, STOCK_MS, HEARD_MS, RING_OF, NEWEST_BUCKET = range(8)
"""Columns of ``items``. ``RING_OF``: its row in ``rings`` + 1, 0 = none; ``NEWEST_BUCKET``: of that ring."""
START, COUNT, CAPACITY = range(3)
"""Columns of ``places``."""
ITEMS_USED, NAMES_USED, NAMES_LIVE, RINGS_USED, RINGS_FREE, FREE_RING, KNOWN, FREE_BLOCK = range(8)
"""Places in ``counts``. ``FREE_RING``, ``FREE_BLOCK``: first of a chain + 1, the latter by block size."""
_HALF: Final = np.uint64(32)
_LOW: Final = np.uint64(0xFFFFFFFF)


class StockTables(NamedTuple):
    """The arrays of ``Stocks``, as kernels take them. Rows of merchants are those of the shard."""

    items: I64  # rows x 8
    names: U64
    rings: I64  # rows x RING, units by bucket modulo RING; the first of a free one leads to the next
    places: I32  # merchants x 3
    news: U8  # merchants: 1 = something has changed since it was last told
    known: I32  # merchants that have items, in the order in which they came
    counts: I64

    @staticmethod
    def empty() -> StockTables:
        """Without any room."""
        return StockTables(
            items=np.zeros((0, 8), np.int64),
            names=np.zeros(0, np.uint64),
            rings=np.zeros((0, RING), np.int64),
            places=np.zeros((0, 3), np.int32),
            news=np.zeros(0, np.uint8),
            known=np.zeros(0, np.int32),
            counts=np.zeros(FREE_BLOCK + _BLOCK_SIZES, np.int64),
        )


@compiled
def _item_of(held: StockTables, merchant: int, hashed: int, data: U8, at: int, length: int) -> int:
    """Row of an item, -1 if it is not held. ``data[at:]``: its name, padded with zeros."""
    items = held.items
    start = held.places[merchant, START]
    for row in range(start, start + held.places[merchant, COUNT]):
        if items[row, HASH] != hashed or items[row, NAME_LENGTH] != length:
            continue
        name = items[row, NAME_AT]
        same = True
        for word in range(words_of(length)):
            if held.names[name + word] != load_u64(data, at + 8 * word):
                same = False
                break
        if same:
            return row
    return -1


@compiled
def named_before(held: StockTables, one: int, other: int) -> bool:
    """Whether an item's name comes before another's, as their characters do: UTF-8 keeps their order."""
    items, names = held.items, held.names
    length, other_length = items[one, NAME_LENGTH], items[other, NAME_LENGTH]
    at, other_at = items[one, NAME_AT], items[other, NAME_AT]
    for word in range(words_of(min(length, other_length))):
        mine, its = names[at + word], names[other_at + word]
        if mine != its:
            shift = np.uint64(trailing_zeros(mine ^ its)) & ~np.uint64(7)
            return bool(((mine >> shift) & np.uint64(0xFF)) < ((its >> shift) & np.uint64(0xFF)))
    return bool(length < other_length)


@compiled
def _free_ring(held: StockTables, row: int) -> None:
    ring = held.items[row, RING_OF]
    if ring:
        held.rings[ring - 1, 0] = held.counts[FREE_RING]
        held.counts[FREE_RING] = ring
        held.counts[RINGS_FREE] += 1
        held.items[row, RING_OF] = 0


@compiled
def sweep_rings(held: StockTables, oldest_bucket: int) -> None:
    """Free the rings of items that have sold nothing since ``oldest_bucket``."""
    for row in range(held.counts[ITEMS_USED]):
        if held.items[row, RING_OF] and held.items[row, NEWEST_BUCKET] < oldest_bucket:
            _free_ring(held, row)


@compiled
def _block_size(capacity: int) -> int:
    """Number of a block's size."""
    number = 0
    while _SMALLEST_BLOCK << number < capacity:
        number += 1
    return number


@compiled
def _widen(held: StockTables, merchant: int) -> None:
    """Move a merchant's items to a larger block."""
    places, items, counts = held.places, held.items, held.counts
    capacity = places[merchant, CAPACITY]
    wider = min(max(_SMALLEST_BLOCK, 2 * capacity), ITEMS_HELD)
    chain = FREE_BLOCK + _block_size(wider)
    start = counts[chain] - 1
    if start >= 0:
        counts[chain] = items[start, HASH]
    else:
        start = counts[ITEMS_USED]
        counts[ITEMS_USED] = start + wider
    old = places[merchant, START]
    for i in range(places[merchant, COUNT]):
        for column in range(8):
            items[start + i, column] = items[old + i, column]
        items[old + i, RING_OF] = 0
    if capacity:
        chain = FREE_BLOCK + _block_size(capacity)
        items[old, HASH] = counts[chain]
        counts[chain] = old + 1
    places[merchant, START] = start
    places[merchant, CAPACITY] = wider


@compiled
def _longest_unheard(held: StockTables, merchant: int) -> int:
    """The row that gives way to a new item; of two the one whose name comes first."""
    items = held.items
    start = held.places[merchant, START]
    least = int(np.int64(start))
    for row in range(start + 1, start + held.places[merchant, COUNT]):
        heard, before = items[row, HEARD_MS], items[least, HEARD_MS]
        if heard < before or (heard == before and named_before(held, row, least)):
            least = row
    return least


@compiled
def _begin(held: StockTables, merchant: int, hashed: int, data: U8, at: int, length: int) -> int:
    """The row of a new item, its stock and times still to be set."""
    items, places, counts = held.items, held.places, held.counts
    count = places[merchant, COUNT]
    if count == ITEMS_HELD:
        row = _longest_unheard(held, merchant)
        _free_ring(held, row)
        counts[NAMES_LIVE] -= words_of(items[row, NAME_LENGTH])
    else:
        if count == 0:
            held.known[counts[KNOWN]] = merchant
            counts[KNOWN] += 1
        if count == places[merchant, CAPACITY]:
            _widen(held, merchant)
        row = int(np.int64(places[merchant, START] + count))
        places[merchant, COUNT] = count + 1
    items[row, HASH] = hashed
    items[row, NAME_AT] = counts[NAMES_USED]
    items[row, NAME_LENGTH] = length
    items[row, RING_OF] = 0
    counts[NAMES_USED] = copy_words(held.names, counts[NAMES_USED], data, at, length)
    counts[NAMES_LIVE] += words_of(length)
    return row


@compiled
def _has_room(held: StockTables, merchants: InternTable, words: int) -> bool:
    """Whether one more item fits, of a merchant that may be new, its name of ``words``."""
    rows = merchants.counts[0]
    return bool(
        rows < len(held.places)
        and rows < len(merchants.hashes)
        and 2 * (rows + 1) <= len(merchants.slots)
        and merchants.counts[1] + ID_ROOM <= len(merchants.arena)
        and held.counts[ITEMS_USED] + ITEMS_HELD <= len(held.items)
        and held.counts[NAMES_USED] + words <= len(held.names)
    )


@compiled
def _has_ring(held: StockTables) -> bool:
    return bool(held.counts[FREE_RING] != 0 or held.counts[RINGS_USED] < len(held.rings))


@compiled
def _sell(held: StockTables, row: int, units: int, bucket: int) -> None:
    """Add units sold. There must be a free ring."""
    items, rings, counts = held.items, held.rings, held.counts
    if items[row, RING_OF] == 0:
        ring = counts[FREE_RING] - 1
        if ring >= 0:
            counts[FREE_RING] = rings[ring, 0]
            counts[RINGS_FREE] -= 1
        else:
            ring = counts[RINGS_USED]
            counts[RINGS_USED] = ring + 1
        for place in range(RING):
            rings[ring, place] = 0
        items[row, RING_OF] = ring + 1
        items[row, NEWEST_BUCKET] = bucket
    ring = items[row, RING_OF] - 1
    newest = items[row, NEWEST_BUCKET]
    if bucket > newest:
        for gone in range(max(newest + 1, bucket - RING + 1), bucket + 1):
            rings[ring, gone % RING] = 0
        items[row, NEWEST_BUCKET] = bucket
    elif bucket <= newest - RING:
        return
    rings[ring, bucket % RING] += units


@compiled
def units_of(held: StockTables, row: int, oldest_bucket: int) -> int:
    """Units sold in ``oldest_bucket`` and later; no longer ago than ``RING`` buckets before the last sale."""
    ring = held.items[row, RING_OF] - 1
    if ring < 0:
        return 0
    newest = held.items[row, NEWEST_BUCKET]
    units = 0
    for bucket in range(max(oldest_bucket, newest - RING + 1), newest + 1):
        units += held.rings[ring, bucket % RING]
    return units


@compiled
def take_notes(held: StockTables, merchants: InternTable, notes: U8, at: int, oldest_bucket: int) -> int:
    """Take notes (``operators.stock_notes``) from byte ``at`` on; where a note stands that needs room.

    The end of the notes if all are taken. ``oldest_bucket``: of the window of speed; older sales are nothing.
    """
    items = held.items
    end = len(notes) - END_BYTES
    while at < end:
        said, lengths = load_u64(notes, at + 16), load_u64(notes, at + 24)
        at_ms = int(np.int64(load_u64(notes, at + 8)))
        units, left = int(np.int64(said & _LOW)), int(np.int64(said >> _HALF)) - 1
        length, merchant_length = int(np.int64(lengths & _LOW)), int(np.int64(lengths >> _HALF))
        merchant_at = at + NOTE_BYTES
        name_at = merchant_at + 8 * words_of(merchant_length)
        after = name_at + 8 * words_of(length)
        hashed = load_u64(notes, at)
        merchant = find(merchants, notes, merchant_at, merchant_length, hashed)
        name_hash = int(np.int64(hash_bytes(notes, name_at, length, 0)))
        row = -1
        if 0 <= merchant < len(held.places):
            row = _item_of(held, merchant, name_hash, notes, name_at, length)
        if row < 0:
            if left < 0:  # nobody has said yet what there is of it
                at = after
                continue
            if not _has_room(held, merchants, words_of(length)):
                return at
            merchant = intern(merchants, notes, merchant_at, merchant_length, hashed)
            row = _begin(held, merchant, name_hash, notes, name_at, length)
            items[row, STOCK_MS], items[row, HEARD_MS] = at_ms, at_ms
            items[row, STOCK_LEFT] = left
        stock_ms = items[row, STOCK_MS]
        # Of two at the same moment the lower one.
        if left >= 0 and (at_ms > stock_ms or (at_ms == stock_ms and left <= items[row, STOCK_LEFT])):
            items[row, STOCK_MS] = at_ms
            items[row, STOCK_LEFT] = left
        items[row, HEARD_MS] = max(items[row, HEARD_MS], at_ms)
        held.news[merchant] = 1
        bucket = at_ms // FINEST_BUCKET_MS
        if units > 0 and bucket >= oldest_bucket:
            if items[row, RING_OF] == 0 and not _has_ring(held):
                return at  # what has been done of the note already is the same when done again
            _sell(held, row, units, bucket)
        at = after
    return end


@compiled
def pack_names(held: StockTables, into: U64) -> None:
    """Bring the names that are still in use to ``into``, one behind the other."""
    used = 0
    for i in range(held.counts[KNOWN]):
        merchant = held.known[i]
        start = held.places[merchant, START]
        for row in range(start, start + held.places[merchant, COUNT]):
            at = held.items[row, NAME_AT]
            held.items[row, NAME_AT] = used
            for word in range(words_of(held.items[row, NAME_LENGTH])):
                into[used] = held.names[at + word]
                used += 1
    held.counts[NAMES_USED] = used
