"""Compiled scanner of order events: JSON bytes to columns. ``operators.json_scan`` says what it reads."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from operators.batches import I16, I32, I64, U8
from operators.bytes_kernels import U64, FoundIds, compiled, hash_bytes, inlined, load_u8, load_u64
from operators.dimensions import UNKNOWN_TIER, NameTables, name_number
from operators.json_scan import (
    CATEGORY,
    CHANNEL,
    CITY_TIER,
    COMMA,
    LEFT,
    MINUS,
    NULL,
    OPEN,
    PERSON_SEED,
    QUOTE,
    SCANNED,
    TEXT,
    TRUTH,
    WHOLE,
    after_space,
    digits_end,
    ends_at,
    first_word,
    id_end,
    string_end,
    text_length,
    tier_at,
    typed_end,
    unknown_end,
    whole_number,
    word,
)
from operators.known_keys import UNKNOWN, known_key, read_key, remember_key
from schemas.events import MAX_AMOUNT_FEN, MAX_EVENT_TIME_MS, MAX_QUANTITY

PAID, REFUNDED, CANCELLED, CREATED = 0, 1, 2, 3
STATUSES = ("paid", "refunded", "cancelled", "created")

NO_ITEM, ITEM, ITEM_STOCK = 0, 1, 3
"""Whether an order names its item, and what is left of it."""
STOCK = 2
UNSAID, FIRST, NOT_FIRST = 0, 1, 2
"""What an order says of whether it is the buyer's first."""

REQUIRED = 0b111111  # order_id, merchant_id, member_id, amount, status, event_time

_ORDER_ID, _MERCHANT, _MEMBER = word("order_id"), word("merchant_id"), word("member_id")
_AMOUNT, _QUANTITY, _STATUS = word("amount"), word("quantity"), word("status")
_EVENT_TIME, _ITEM_ID, _FIRST_ORDER = word("event_time"), word("item_id"), word("first_order")
_STOCK_LEFT = word("stock_left")
_PAID, _REFUNDED, _CANCELLED, _CREATED = word("paid"), word("refunded"), word("cancelled"), word("created")

# The last eight bytes of the names that are longer than nine.
_MERCHANT_TAIL = np.frombuffer(b"chant_id", np.uint8).copy()
_FIRST_TAIL = np.frombuffer(b"st_order", np.uint8).copy()
_TIME_TAIL = np.frombuffer(b"ent_time", np.uint8).copy()
_STOCK_TAIL = np.frombuffer(b"ock_left", np.uint8).copy()


class OrderColumns(NamedTuple):
    """Order events in columns, ``n`` each, in the order of the stream."""

    event_time_ms: I64
    amount_fen: I64
    quantity: I64
    status: U8
    channel: I16  # number of its name (``operators.dimensions``)
    category: I16
    tier: I16
    stock: U8  # ``NO_ITEM``, ``ITEM`` or ``ITEM_STOCK``
    merchant: I32  # row of the worker's interner
    person: U64  # hash of member_id
    first_order: U8  # UNSAID, FIRST, NOT_FIRST
    key: U64  # hash of order_id and status, never 0
    outcome: U8
    # Only where ``stock`` has ``ITEM``; of other rows nothing is written.
    item_at: I64  # where item_id begins in the batch's data; below 0: in ``Decoded.aside``, at ``~item_at``
    item_length: I32  # bytes of it
    stock_left: I32  # -1 = not said

    def first(self, rows: int) -> OrderColumns:
        """The first ``rows`` events."""
        return OrderColumns._make(column[:rows] for column in self)

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
            np.empty(rows, np.uint8),
            np.empty(rows, np.int32),
            np.empty(rows, np.uint64),
            np.empty(rows, np.uint8),
            np.empty(rows, np.uint64),
            np.empty(rows, np.uint8),
            np.empty(rows, np.int64),
            np.empty(rows, np.int32),
            np.empty(rows, np.int32),
        )


@compiled
def _status_of(data: U8, p: int, length: int) -> int:
    head = first_word(data, p, length)
    if length == 4 and head == _PAID:
        return PAID
    if length == 8 and head == _REFUNDED:
        return REFUNDED
    if length == 9 and head == _CANCELLED and load_u8(data, p + 8) == 100:
        return CANCELLED
    if length == 7 and head == _CREATED:
        return CREATED
    return -1


@compiled
def _said(first_byte: int) -> int:
    """What ``true``, ``false`` or ``null`` says, by its first letter."""
    if first_byte == 116:
        return FIRST
    return NOT_FIRST if first_byte == 102 else UNSAID


# Fields of an order; ``_BEGIN`` stands for the place before the first one.
(
    _F_ORDER_ID,
    _F_MERCHANT,
    _F_MEMBER,
    _F_AMOUNT,
    _F_STATUS,
    _F_EVENT_TIME,
    _F_QUANTITY,
    _F_ITEM,
    _F_STOCK,
    _F_CHANNEL,
    _F_CATEGORY,
    _F_TIER,
    _F_FIRST_ORDER,
    _F_OTHER,
    _BEGIN,
) = range(15)
FIELDS = _BEGIN + 1
"""Fields to remember keys behind (``operators.known_keys``)."""


@compiled
def _field_of(data: U8, name: int, length: int) -> int:
    """The field of a name."""
    head = first_word(data, name, length)
    if length == 6:
        if head == _AMOUNT:
            return _F_AMOUNT
        if head == _STATUS:
            return _F_STATUS
    elif length == 7:
        if head == CHANNEL:
            return _F_CHANNEL
        if head == _ITEM_ID:
            return _F_ITEM
    elif length == 8:
        if head == _ORDER_ID:
            return _F_ORDER_ID
        if head == _QUANTITY:
            return _F_QUANTITY
        if head == CATEGORY:
            return _F_CATEGORY
    elif length == 9:
        if head == _MEMBER and load_u8(data, name + 8) == 100:
            return _F_MEMBER
        if head == CITY_TIER and load_u8(data, name + 8) == 114:
            return _F_TIER
    elif length == 10:
        tail = load_u64(data, name + 2)
        if head == _EVENT_TIME and tail == load_u64(_TIME_TAIL, 0):
            return _F_EVENT_TIME
        if head == _STOCK_LEFT and tail == load_u64(_STOCK_TAIL, 0):
            return _F_STOCK
    elif length == 11:
        tail = load_u64(data, name + 3)
        if head == _MERCHANT and tail == load_u64(_MERCHANT_TAIL, 0):
            return _F_MERCHANT
        if head == _FIRST_ORDER and tail == load_u64(_FIRST_TAIL, 0):
            return _F_FIRST_ORDER
    return _F_OTHER


@inlined
def scan_order(
    data: U8,
    start: int,
    end: int,
    columns: OrderColumns,
    i: int,
    found: FoundIds,
    names: NameTables,
    keys: U8,
) -> int:
    """Read the order in ``data[start:end]`` into row ``i``; SCANNED, or LEFT with the row undefined.

    Its merchant goes to ``found``, to be interned with those of the whole batch.

    ``data[end]`` must be a newline (or the padding behind the last value).
    """
    p = start
    field = _BEGIN
    seen = 0
    order_at = order_length = merchant_at = merchant_length = member_at = member_length = 0
    first_order = UNSAID
    channel_at = channel_length = category_at = category_length = 0
    tier = UNKNOWN_TIER
    stock = NO_ITEM
    item_at = item_length = stock_left = 0
    quantity = 1
    status = -1
    while True:
        before = field
        field, at = known_key(keys, before, data, p)
        if field == UNKNOWN:
            name, length, at = read_key(data, p, OPEN if before == _BEGIN else COMMA)
            if at < 0:
                return LEFT
            field = _field_of(data, name, length)
            remember_key(keys, before, data, p, at, field)
        if field == _F_ORDER_ID:
            p = id_end(data, at)
            if p < 0:
                return LEFT
            order_at, order_length = at + 1, p - at - 2
            seen |= 1
        elif field == _F_MERCHANT:
            p = id_end(data, at)
            if p < 0:
                return LEFT
            merchant_at, merchant_length = at + 1, p - at - 2
            seen |= 2
        elif field == _F_MEMBER:
            p = id_end(data, at)
            if p < 0:
                return LEFT
            member_at, member_length = at + 1, p - at - 2
            seen |= 4
        elif field == _F_AMOUNT:
            p = digits_end(data, at)
            amount = whole_number(data, at, p)
            if amount < 0 or amount > MAX_AMOUNT_FEN:
                return LEFT
            columns.amount_fen[i] = amount
            seen |= 8
        elif field == _F_STATUS:
            if load_u8(data, at) != QUOTE:
                return LEFT
            p = string_end(data, at + 1)
            if p < 0:
                return LEFT
            status = _status_of(data, at + 1, p - at - 1)
            if status < 0:
                return LEFT
            p += 1
            seen |= 16
        elif field == _F_EVENT_TIME:
            p = digits_end(data, at)
            time_ms = whole_number(data, at, p)
            if time_ms < 0 or time_ms > MAX_EVENT_TIME_MS:
                return LEFT
            columns.event_time_ms[i] = time_ms
            seen |= 32
        elif field == _F_QUANTITY:
            p = digits_end(data, at)
            quantity = whole_number(data, at, p)
            if quantity < 1 or quantity > MAX_QUANTITY:
                return LEFT
        elif field == _F_ITEM:
            p = typed_end(data, at, TEXT)
            if p < 0:
                return LEFT
            item_at, item_length = at + 1, p - at - 2
            stock = (stock | ITEM) if load_u8(data, at) == TEXT else stock & ~ITEM
        elif field == _F_STOCK:
            p = typed_end(data, at, WHOLE)
            if p < 0 or load_u8(data, at) == MINUS:
                return LEFT
            stock_left = whole_number(data, at, p)  # -1 of null
            if stock_left > MAX_QUANTITY:
                return LEFT
            stock = (stock | STOCK) if load_u8(data, at) != NULL else stock & ~STOCK
        elif field == _F_CHANNEL:
            p = typed_end(data, at, TEXT)
            if p < 0:
                return LEFT
            channel_at, channel_length = at + 1, text_length(data, at, p)
        elif field == _F_CATEGORY:
            p = typed_end(data, at, TEXT)
            if p < 0:
                return LEFT
            category_at, category_length = at + 1, text_length(data, at, p)
        elif field == _F_TIER:
            p = typed_end(data, at, WHOLE)
            if p < 0:
                return LEFT
            tier = tier_at(data, at, p)
        elif field == _F_FIRST_ORDER:
            p = typed_end(data, at, TRUTH)
            if p < 0:
                return LEFT
            first_order = _said(load_u8(data, at))
        else:
            p = unknown_end(data, at)
            if p < 0:
                return LEFT
        if ends_at(data, p):
            break
    if seen != REQUIRED or after_space(data, after_space(data, p) + 1) < end:
        return LEFT
    columns.quantity[i] = quantity
    columns.status[i] = status
    columns.channel[i] = name_number(names.channels, data, channel_at, channel_length)
    columns.category[i] = name_number(names.categories, data, category_at, category_length)
    columns.tier[i] = tier
    columns.stock[i] = stock
    if stock & ITEM:
        columns.item_at[i] = item_at
        columns.item_length[i] = item_length
        columns.stock_left[i] = stock_left if stock & STOCK else -1
    found.at[i] = merchant_at
    found.lengths[i] = merchant_length
    found.hashes[i] = hash_bytes(data, merchant_at, merchant_length, 0)
    columns.person[i] = hash_bytes(data, member_at, member_length, PERSON_SEED)
    columns.first_order[i] = first_order
    key = hash_bytes(data, order_at, order_length, status + 1)
    columns.key[i] = key if key != 0 else np.uint64(1)
    return SCANNED


@compiled
def scan_orders(
    data: U8, lines: I64, columns: OrderColumns, found: FoundIds, names: NameTables, keys: U8
) -> int:
    """Scan every line into its row, merchants into ``found``; how many are left to the full decoder.

    ``keys``: as ``no_keys(FIELDS)`` makes them, always the same ones for events of the same producers.
    """
    left = 0
    for i in range(len(lines)):
        outcome = scan_order(data, lines[i, 1], lines[i, 2], columns, i, found, names, keys)
        columns.outcome[i] = outcome
        left += outcome
    return left
