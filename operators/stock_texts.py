"""What is told of a merchant's items as text: JSON of those that are low, and when the first is sold out."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import numpy as np

from operators.batches import I64, U8
from operators.redis_numbers import digits_of, kernel, put_digits
from operators.stock_tables import (
    COUNT,
    ITEMS_HELD,
    NAME_AT,
    NAME_LENGTH,
    START,
    STOCK_LEFT,
    STOCK_MS,
    VELOCITY,
    StockTables,
    named_before,
    units_of,
)
from schemas.windows import MINUTE_MS

ITEMS_TOLD: Final = 10
NUMBERS_BYTES: Final = 80
"""Most bytes of an item's text beside its name, and of a merchant's beside its items."""
_LEAST_ROOM: Final = 1 << 12
_USUAL_BYTES: Final = 256
"""Of a merchant's texts; longer ones are written in turns."""
_WINDOW_MS: Final = VELOCITY.length_ms
_MINUTES: Final = _WINDOW_MS // MINUTE_MS
_HEX: Final = np.frombuffer(b"0123456789abcdef", np.uint8).copy()
_SHORT: Final = np.zeros(256, np.uint8)
"""The letter behind the backslash of what JSON escapes with two characters."""
for _plain, _letter in ((8, b"b"), (9, b"t"), (10, b"n"), (12, b"f"), (13, b"r"), (34, b'"'), (92, b"\\")):
    _SHORT[_plain] = ord(_letter)


@kernel
def _put_name(out: U8, at: int, names: U8, start: int, length: int) -> int:
    """A name as a JSON string, as ``json.dumps`` without ``ensure_ascii`` writes it."""
    out[at] = 34
    at += 1
    for place in range(start, start + length):
        b = names[place]
        if _SHORT[b]:
            out[at] = 92
            out[at + 1] = _SHORT[b]
            at += 2
        elif b < 32:
            out[at] = 92
            out[at + 1] = 117
            out[at + 2] = out[at + 3] = 48
            out[at + 4] = _HEX[b >> 4]
            out[at + 5] = _HEX[b & 15]
            at += 6
        else:
            out[at] = b
            at += 1
    out[at] = 34
    return at + 1


@kernel
def _put_item(out: U8, at: int, held: StockTables, names: U8, row: int, units: int, end_ms: int) -> int:
    """``[name, stock left, units a minute, sold out at]``. A speed is in fifths: one decimal is exact."""
    out[at] = 91
    at = _put_name(out, at + 1, names, 8 * held.items[row, NAME_AT], held.items[row, NAME_LENGTH])
    out[at] = 44
    left = held.items[row, STOCK_LEFT]
    at = put_digits(out, at + 1, left, digits_of(left))
    out[at] = 44
    tenths = units * 10 // _MINUTES
    at = put_digits(out, at + 1, tenths // 10, digits_of(tenths // 10))
    out[at] = 46
    at = put_digits(out, at + 1, tenths % 10, 1)
    out[at] = 44
    at = put_digits(out, at + 1, end_ms, digits_of(end_ms))
    out[at] = 93
    return at + 1


@kernel
def _ends_of(held: StockTables, merchant: int, oldest_bucket: int, units: I64, ends: I64) -> None:
    """Of every item of a merchant, what it sold in the window and when it will be sold out, -1 = never."""
    items = held.items
    start = held.places[merchant, START]
    for i in range(held.places[merchant, COUNT]):
        row = start + i
        units[i] = units_of(held, row, oldest_bucket)
        ends[i] = -1
        if items[row, STOCK_LEFT] == 0:
            ends[i] = items[row, STOCK_MS]
        elif units[i]:
            ends[i] = items[row, STOCK_MS] + items[row, STOCK_LEFT] * _WINDOW_MS // units[i]


@kernel
def _soonest(held: StockTables, merchant: int, ends: I64) -> int:
    """Which item of a merchant is sold out first, of two the one whose name comes first; -1: none."""
    start = held.places[merchant, START]
    best = -1
    for i in range(held.places[merchant, COUNT]):
        if ends[i] < 0:
            continue
        sooner = best < 0 or ends[i] < ends[best]
        if sooner or (ends[i] == ends[best] and named_before(held, start + i, start + best)):
            best = i
    return best


@kernel
def put_texts(
    held: StockTables,
    names: U8,
    merchants: I64,
    first: int,
    newest_ms: int,
    oldest_bucket: int,
    low_ms: float,
    units: I64,
    ends: I64,
    out: U8,
    bounds: I64,
) -> int:
    """Texts of ``merchants[first:]`` one behind the other; the first that has found no room in ``out``.

    ``bounds``: merchants x 2, where a merchant's low items end in ``out``, and where its time ends.
    ``units``, ``ends``: room for a merchant's items. ``low_ms``: an item with less time left is low.
    """
    at = 0
    for m in range(first, len(merchants)):
        merchant = merchants[m]
        longest = 0
        for row in range(
            held.places[merchant, START], held.places[merchant, START] + held.places[merchant, COUNT]
        ):
            longest = max(longest, held.items[row, NAME_LENGTH])
        if at + ITEMS_TOLD * (6 * longest + NUMBERS_BYTES) + NUMBERS_BYTES > len(out):
            return m
        _ends_of(held, merchant, oldest_bucket, units, ends)
        best = _soonest(held, merchant, ends)
        soonest_ms = ends[best] if best >= 0 else -1
        told = 0
        while best >= 0 and told < ITEMS_TOLD and ends[best] - newest_ms < low_ms:
            out[at] = 44 if told else 91
            row = held.places[merchant, START] + best
            at = _put_item(out, at + 1, held, names, row, units[best], ends[best])
            told += 1
            ends[best] = -1
            best = _soonest(held, merchant, ends)
        if told:
            out[at] = 93
            at += 1
        bounds[m, 0] = at
        if soonest_ms >= 0:
            at = put_digits(out, at, soonest_ms, digits_of(soonest_ms))
        bounds[m, 1] = at
    return len(merchants)


def stock_texts(
    held: StockTables, merchants: I64, newest_ms: int, oldest_bucket: int, low_ms: float
) -> list[tuple[bytes | None, bytes | None]]:
    """Of every merchant ``low_stock`` as JSON and ``sold_out_at``, None where there is none."""
    names = held.names.view(np.uint8)
    units, ends = np.empty(ITEMS_HELD, np.int64), np.empty(ITEMS_HELD, np.int64)
    out = np.empty(_LEAST_ROOM + _USUAL_BYTES * len(merchants), np.uint8)
    bounds = np.empty((len(merchants), 2), np.int64)
    found: list[tuple[bytes | None, bytes | None]] = []
    while len(found) < len(merchants):
        first = len(found)
        done = put_texts(
            held, names, merchants, first, newest_ms, oldest_bucket, low_ms, units, ends, out, bounds
        )
        if done == first:
            out = np.empty(2 * len(out), np.uint8)
            continue
        edges = bounds[first:done].ravel().tolist()
        text = out[: edges[-1]].tobytes()
        pieces = [text[a:b] or None for a, b in pairwise([0, *edges])]
        found += zip(pieces[::2], pieces[1::2], strict=True)
    return found
