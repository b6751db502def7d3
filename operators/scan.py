"""Compiled scanner of order events: JSON bytes to columns without a Python object per event.

It reads the plain shape that producers send and nothing else. Whatever it is not sure about (escapes,
fractions, nesting, a wrong type, a missing field, broken UTF-8) it leaves, untouched, to the full decoder
(``operators.decode``), which alone decides what is wrong with an event. A property test holds the two
against each other: what the scanner accepts, the full decoder accepts with the same values.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from operators.batches import I16, I32, I64, U8
from operators.bytes_kernels import (
    U64,
    InternTable,
    compiled,
    hash_bytes,
    intern,
    load_u8,
    load_u64,
    trailing_zeros,
)
from operators.dimensions import UNKNOWN_TIER, NameTables, name_number, tier_number
from schemas.events import MAX_AMOUNT_FEN, MAX_EVENT_TIME_MS, MAX_ID_BYTES, MAX_QUANTITY

PAID, REFUNDED, CANCELLED, CREATED = 0, 1, 2, 3
STATUSES = ("paid", "refunded", "cancelled", "created")

SCANNED, LEFT = 0, 1
"""Outcome of a line: read here, or left to the full decoder."""

REQUIRED = 0b111111  # order_id, merchant_id, member_id, amount, status, event_time


def _word(text: str) -> np.uint64:
    return np.uint64(int.from_bytes(text.encode()[:8].ljust(8, b"\0"), "little"))


_ORDER_ID, _MERCHANT, _MEMBER = _word("order_id"), _word("merchant"), _word("member_i")
_AMOUNT, _QUANTITY, _STATUS, _EVENT_TI = (
    _word("amount"),
    _word("quantity"),
    _word("status"),
    _word("event_ti"),
)
_CHANNEL, _CATEGORY, _CITY_TIE = _word("channel"), _word("category"), _word("city_tie")
_ITEM_ID, _FIRST_OR = _word("item_id"), _word("first_or")
_PAID, _REFUNDED, _CANCELLED, _CREATED = _word("paid"), _word("refunded"), _word("cancelle"), _word("created")

# The last eight bytes of the names that are longer than eight.
_MERCHANT_TAIL = np.frombuffer(b"chant_id", np.uint8).copy()
_EVENT_TAIL = np.frombuffer(b"ent_time", np.uint8).copy()
_FIRST_TAIL = np.frombuffer(b"st_order", np.uint8).copy()

# What a byte means inside a JSON string: 0 plain, 1 the closing quote, 2 left to the full decoder
# (backslash, control character), 3 the beginning of a longer UTF-8 character.
_CLASS = np.zeros(256, np.uint8)
_CLASS[:0x20] = 2
_CLASS[ord('"')] = 1
_CLASS[ord("\\")] = 2
_CLASS[0x80:] = 3
_HIGH = np.uint64(0x8080808080808080)
_ONES = np.uint64(0x0101010101010101)
_QUOTES = np.uint64(0x2222222222222222)
_SLASHES = np.uint64(0x5C5C5C5C5C5C5C5C)
_NEWLINES = np.uint64(0x0A0A0A0A0A0A0A0A)
_SPACES = np.uint64(0x2020202020202020)


class OrderColumns(NamedTuple):
    """Order events in columns, ``n`` each, in the order of the stream."""

    event_time_ms: I64
    amount_fen: I64
    quantity: I64
    status: U8
    channel: I16  # number of its name (``operators.dimensions``)
    category: I16
    tier: I16
    merchant: I32  # row of the worker's interner
    order_key: U64  # hash of order_id and status, never 0
    outcome: U8

    def first(self, rows: int) -> OrderColumns:
        """The first ``rows`` events."""
        return OrderColumns(
            self.event_time_ms[:rows],
            self.amount_fen[:rows],
            self.quantity[:rows],
            self.status[:rows],
            self.channel[:rows],
            self.category[:rows],
            self.tier[:rows],
            self.merchant[:rows],
            self.order_key[:rows],
            self.outcome[:rows],
        )

    @staticmethod
    def empty(rows: int) -> OrderColumns:
        """Room for ``rows`` events."""
        return OrderColumns(
            np.empty(rows, np.int64),
            np.empty(rows, np.int64),
            np.empty(rows, np.int64),
            np.empty(rows, np.uint8),
            np.empty(rows, np.int16),
            np.empty(rows, np.int16),
            np.empty(rows, np.int16),
            np.empty(rows, np.int32),
            np.empty(rows, np.uint64),
            np.empty(rows, np.uint8),
        )


@compiled
def _after_space(data: U8, p: int) -> int:
    while load_u8(data, p) == 32 or load_u8(data, p) == 9 or load_u8(data, p) == 13:
        p += 1
    return p


@compiled
def _utf8_length(data: U8, p: int) -> int:
    """Length of the well-formed UTF-8 character at ``p`` (RFC 3629), 0 if it is not one."""
    b = load_u8(data, p)
    if 0xC2 <= b <= 0xDF:
        return 2 if load_u8(data, p + 1) & 0xC0 == 0x80 else 0
    if 0xE0 <= b <= 0xEF:
        c = load_u8(data, p + 1)
        low = 0xA0 if b == 0xE0 else 0x80
        high = 0x9F if b == 0xED else 0xBF
        return 3 if low <= c <= high and load_u8(data, p + 2) & 0xC0 == 0x80 else 0
    if 0xF0 <= b <= 0xF4:
        c = load_u8(data, p + 1)
        low = 0x90 if b == 0xF0 else 0x80
        high = 0x8F if b == 0xF4 else 0xBF
        good = (
            low <= c <= high and load_u8(data, p + 2) & 0xC0 == 0x80 and load_u8(data, p + 3) & 0xC0 == 0x80
        )
        return 4 if good else 0
    return 0


@compiled
def _string_end(data: U8, p: int) -> int:
    """Index of the quote that closes the string whose text begins at ``p``; -1: left to the full decoder.

    A newline ends every line's bytes and is a control character, so the walk cannot leave the line.
    """
    while True:
        word = load_u64(data, p)
        quote = word ^ _QUOTES
        slash = word ^ _SLASHES
        special = (quote - _ONES) & ~quote
        special |= (slash - _ONES) & ~slash
        special |= (word - _SPACES) & ~word
        special |= word
        special &= _HIGH
        if special == 0:
            p += 8
            continue
        # The lowest mark is exact; borrows can only add false ones above it.
        p += trailing_zeros(special) >> 3
        kind = _CLASS[load_u8(data, p)]
        if kind == 1:
            return p
        if kind == 2:
            return -1
        length = _utf8_length(data, p)
        if length == 0:
            return -1
        p += length


@compiled
def _digits_end(data: U8, p: int) -> int:
    while 48 <= load_u8(data, p) <= 57:
        p += 1
    return p


@compiled
def _whole(data: U8, p: int, end: int) -> int:
    """Value of the digits ``data[p:end]`` if they are a JSON integer of at most 18 digits, else -1."""
    if end == p or end - p > 18 or (load_u8(data, p) == 48 and end - p > 1):
        return -1
    value = 0
    for i in range(p, end):
        value = value * 10 + (load_u8(data, i) - 48)
    return value


@compiled
def _number_end(data: U8, p: int) -> int:
    """End of the JSON number at ``p``, -1 if it is none."""
    if load_u8(data, p) == 45:
        p += 1
    end = _digits_end(data, p)
    if end == p or (load_u8(data, p) == 48 and end - p > 1):
        return -1
    p = end
    if load_u8(data, p) == 46:
        end = _digits_end(data, p + 1)
        if end == p + 1:
            return -1
        p = end
    if load_u8(data, p) == 101 or load_u8(data, p) == 69:
        p += 1
        if load_u8(data, p) == 43 or load_u8(data, p) == 45:
            p += 1
        end = _digits_end(data, p)
        if end == p:
            return -1
        p = end
    return p


@compiled
def _literal_end(data: U8, p: int) -> int:
    """End of ``true``, ``false`` or ``null`` at ``p``, -1 if none stands there."""
    word = load_u64(data, p)
    four = word & np.uint64(0xFFFFFFFF)
    if four == np.uint64(0x65757274) or four == np.uint64(0x6C6C756E):
        return p + 4
    if word & np.uint64(0xFFFFFFFFFF) == np.uint64(0x65736C6166):
        return p + 5
    return -1


@compiled
def _unknown_end(data: U8, p: int) -> int:
    """End of a string, number or literal that nobody asks for; -1 for anything else."""
    if load_u8(data, p) == 34:
        end = _string_end(data, p + 1)
        return end + 1 if end >= 0 else -1
    if load_u8(data, p) == 45 or 48 <= load_u8(data, p) <= 57:
        return _number_end(data, p)
    return _literal_end(data, p)


@compiled
def _typed_end(data: U8, p: int, first: int) -> int:
    """End of an optional field's value at ``p`` if it begins as its type does (or is null), else -1."""
    b = load_u8(data, p)
    if b == 110:
        return _literal_end(data, p)
    if first == 34 and b == 34:
        end = _string_end(data, p + 1)
        return end + 1 if end >= 0 else -1
    if first == 48 and (b == 45 or 48 <= b <= 57):
        start = p + 1 if b == 45 else p
        end = _digits_end(data, start)
        return end if _whole(data, start, end) >= 0 and not (b == 45 and load_u8(data, start) == 48) else -1
    if first == 116 and (b == 116 or b == 102):
        return _literal_end(data, p)
    return -1


@compiled
def _status_of(data: U8, p: int, length: int) -> int:
    word = load_u64(data, p)
    if length < 8:
        word &= (np.uint64(1) << np.uint64(8 * length)) - np.uint64(1)
    if length == 4 and word == _PAID:
        return PAID
    if length == 8 and word == _REFUNDED:
        return REFUNDED
    if length == 9 and word == _CANCELLED and load_u8(data, p + 8) == 100:
        return CANCELLED
    if length == 7 and word == _CREATED:
        return CREATED
    return -1


@compiled
def _text_length(data: U8, p: int, end: int) -> int:
    """Length of the text whose JSON string begins at ``p`` and ends before ``end``; 0 for null."""
    return end - p - 2 if load_u8(data, p) == 34 else 0


@compiled
def _tier_at(data: U8, p: int, end: int) -> int:
    """The city tier in ``data[p:end]``, a JSON integer or null, as it is kept in a column."""
    if load_u8(data, p) == 110:
        return UNKNOWN_TIER
    return int(tier_number(_whole(data, p, end)))


@compiled
def _optional_kind(word: np.uint64, data: U8, p: int, length: int) -> int:
    """First byte of the JSON type of an optional contract field, 0 if the key is not one."""
    if length == 7 and word == _ITEM_ID:
        return 34
    if length == 11 and word == _FIRST_OR and load_u64(data, p + 3) == load_u64(_FIRST_TAIL, 0):
        return 116
    return 0


@compiled
def scan_order(
    data: U8,
    start: int,
    end: int,
    columns: OrderColumns,
    i: int,
    table: InternTable,
    names: NameTables,
) -> int:
    """Read the order in ``data[start:end]`` into row ``i``; SCANNED, or LEFT with the row undefined.

    ``data[end]`` must be a newline (or the padding behind the last value).
    """
    p = _after_space(data, start)
    if load_u8(data, p) != 123:
        return LEFT
    p = _after_space(data, p + 1)
    seen = 0
    order_at = order_length = merchant_at = merchant_length = 0
    channel_at = channel_length = category_at = category_length = 0
    tier = UNKNOWN_TIER
    quantity = 1
    status = -1
    while True:
        if load_u8(data, p) != 34:
            return LEFT
        key = p + 1
        p = _string_end(data, key)
        if p < 0:
            return LEFT
        length = p - key
        word = load_u64(data, key)
        if length < 8:
            word &= (np.uint64(1) << np.uint64(8 * length)) - np.uint64(1)
        p = _after_space(data, p + 1)
        if load_u8(data, p) != 58:
            return LEFT
        p = _after_space(data, p + 1)
        if length == 8 and word == _ORDER_ID:
            if load_u8(data, p) != 34:
                return LEFT
            order_at = p + 1
            p = _string_end(data, order_at)
            order_length = p - order_at
            if p < 0 or order_length == 0 or order_length > MAX_ID_BYTES:
                return LEFT
            p += 1
            seen |= 1
        elif length == 11 and word == _MERCHANT and load_u64(data, key + 3) == load_u64(_MERCHANT_TAIL, 0):
            if load_u8(data, p) != 34:
                return LEFT
            merchant_at = p + 1
            p = _string_end(data, merchant_at)
            merchant_length = p - merchant_at
            if p < 0 or merchant_length == 0 or merchant_length > MAX_ID_BYTES:
                return LEFT
            p += 1
            seen |= 2
        elif length == 9 and word == _MEMBER and load_u8(data, key + 8) == 100:
            if load_u8(data, p) != 34:
                return LEFT
            at = p + 1
            p = _string_end(data, at)
            if p < 0 or p == at or p - at > MAX_ID_BYTES:
                return LEFT
            p += 1
            seen |= 4
        elif length == 6 and word == _AMOUNT:
            at = p
            p = _digits_end(data, at)
            amount = _whole(data, at, p)
            if amount < 0 or amount > MAX_AMOUNT_FEN:
                return LEFT
            columns.amount_fen[i] = amount
            seen |= 8
        elif length == 6 and word == _STATUS:
            if load_u8(data, p) != 34:
                return LEFT
            at = p + 1
            p = _string_end(data, at)
            if p < 0:
                return LEFT
            status = _status_of(data, at, p - at)
            if status < 0:
                return LEFT
            p += 1
            seen |= 16
        elif (
            length == 10
            and word == _EVENT_TI
            and load_u8(data, key + 8) == 109
            and load_u8(data, key + 9) == 101
        ):
            at = p
            p = _digits_end(data, at)
            time = _whole(data, at, p)
            if time < 0 or time > MAX_EVENT_TIME_MS:
                return LEFT
            columns.event_time_ms[i] = time
            seen |= 32
        elif length == 8 and word == _QUANTITY:
            at = p
            p = _digits_end(data, at)
            quantity = _whole(data, at, p)
            if quantity < 1 or quantity > MAX_QUANTITY:
                return LEFT
        elif length == 7 and word == _CHANNEL:
            at = p
            p = _typed_end(data, at, 34)
            if p < 0:
                return LEFT
            channel_at, channel_length = at + 1, _text_length(data, at, p)
        elif length == 8 and word == _CATEGORY:
            at = p
            p = _typed_end(data, at, 34)
            if p < 0:
                return LEFT
            category_at, category_length = at + 1, _text_length(data, at, p)
        elif length == 9 and word == _CITY_TIE and load_u8(data, key + 8) == 114:
            at = p
            p = _typed_end(data, at, 48)
            if p < 0:
                return LEFT
            tier = _tier_at(data, at, p)
        else:
            kind = _optional_kind(word, data, key, length)
            p = _typed_end(data, p, kind) if kind else _unknown_end(data, p)
            if p < 0:
                return LEFT
        p = _after_space(data, p)
        if load_u8(data, p) == 44:
            p = _after_space(data, p + 1)
            continue
        if load_u8(data, p) != 125:
            return LEFT
        break
    if seen != REQUIRED or _after_space(data, p + 1) < end:
        return LEFT
    columns.quantity[i] = quantity
    columns.status[i] = status
    columns.merchant[i] = intern(
        table, data, merchant_at, merchant_length, hash_bytes(data, merchant_at, merchant_length, 0)
    )
    columns.channel[i] = name_number(names.channels, data, channel_at, channel_length)
    columns.category[i] = name_number(names.categories, data, category_at, category_length)
    columns.tier[i] = tier
    key_hash = hash_bytes(data, order_at, order_length, status + 1)
    columns.order_key[i] = key_hash if key_hash != 0 else np.uint64(1)
    return SCANNED


@compiled
def _newline_at(data: U8, p: int, stop: int) -> int:
    """Index of the first newline in ``data[p:stop]``, ``stop`` if there is none."""
    while p < stop:
        word = load_u64(data, p) ^ _NEWLINES
        found = (word - _ONES) & ~word & _HIGH
        if found != 0:
            return int(min(p + (trailing_zeros(found) >> 3), stop))
        p += 8
    return stop


@compiled
def split_lines(data: U8, starts: I64, lengths: I64, lines: I64) -> int:
    """Cut every value at its newlines: rows (message, start, end, number in message) into ``lines``.

    Blank lines are no events, but a value that has no other line becomes one line, so that it is
    counted. Returns the number of rows; if ``lines`` is too short, minus the number it should have.
    """
    count = 0
    room = len(lines)
    for message in range(len(starts)):
        position = starts[message]
        stop = position + max(lengths[message], 0)
        number = 0
        found = False
        while position < stop or not found:
            line_end = _newline_at(data, position, stop)
            # A line of white space alone holds no event, unless the value has nothing else.
            if _after_space(data, position) < line_end or (line_end >= stop and not found):
                if count < room:
                    lines[count, 0] = message
                    lines[count, 1] = position
                    lines[count, 2] = line_end
                    lines[count, 3] = number
                count += 1
                found = True
            number += 1
            position = line_end + 1
    return count if count <= room else -count


@compiled
def scan_orders(data: U8, lines: I64, columns: OrderColumns, table: InternTable, names: NameTables) -> int:
    """Scan every line into its row; the number of lines left to the full decoder."""
    left = 0
    for i in range(len(lines)):
        outcome = scan_order(data, lines[i, 1], lines[i, 2], columns, i, table, names)
        columns.outcome[i] = outcome
        left += outcome
    return left
