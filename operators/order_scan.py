"""Compiled scanner of order events: JSON bytes to columns. ``operators.json_scan`` says what it reads."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from operators.batches import I16, I32, I64, U8
from operators.bytes_kernels import U64, FoundIds, compiled, hash_bytes, inlined, load_u8
from operators.dimensions import UNKNOWN_TIER, NameTables, name_number
from operators.json_scan import (
    LEFT,
    MINUS,
    NULL,
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
from operators.known_keys import field_table, next_field
from schemas.events import MAX_AMOUNT_FEN, MAX_EVENT_TIME_MS, MAX_QUANTITY

PAID, REFUNDED, CANCELLED, CREATED = 0, 1, 2, 3
STATUSES = ("paid", "refunded", "cancelled", "created")

NO_ITEM, ITEM, ITEM_STOCK = 0, 1, 3
"""Whether an order names its item, and what is left of it."""
STOCK = 2
UNSAID, FIRST, NOT_FIRST = 0, 1, 2
"""What an order says of whether it is the buyer's first."""

REQUIRED = 0b111111  # order_id, merchant_id, member_id, amount, status, event_time

_PAID, _REFUNDED, _CANCELLED, _CREATED = word("paid"), word("refunded"), word("cancelled"), word("created")


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


FIELDS = field_table(
    "order_id", "merchant_id", "member_id", "amount", "status", "event_time", "quantity", "item_id",
    "stock_left", "channel", "category", "city_tier", "first_order",
)  # fmt: skip
(
    _ORDER_ID, _MERCHANT, _MEMBER, _AMOUNT, _STATUS, _EVENT_TIME, _QUANTITY, _ITEM,
    _STOCK, _CHANNEL, _CATEGORY, _TIER, _FIRST_ORDER,
) = range(len(FIELDS))  # fmt: skip
_BEGIN = len(FIELDS) + 1


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
        field, at = next_field(keys, FIELDS, field, data, p)
        if at < 0:
            return LEFT
        if field == _ORDER_ID:
            p = id_end(data, at)
            if p < 0:
                return LEFT
            order_at, order_length = at + 1, p - at - 2
            seen |= 1
        elif field == _MERCHANT:
            p = id_end(data, at)
            if p < 0:
                return LEFT
            merchant_at, merchant_length = at + 1, p - at - 2
            seen |= 2
        elif field == _MEMBER:
            p = id_end(data, at)
            if p < 0:
                return LEFT
            member_at, member_length = at + 1, p - at - 2
            seen |= 4
        elif field == _AMOUNT:
            p = digits_end(data, at)
            amount = whole_number(data, at, p)
            if amount < 0 or amount > MAX_AMOUNT_FEN:
                return LEFT
            columns.amount_fen[i] = amount
            seen |= 8
        elif field == _STATUS:
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
        elif field == _EVENT_TIME:
            p = digits_end(data, at)
            time_ms = whole_number(data, at, p)
            if time_ms < 0 or time_ms > MAX_EVENT_TIME_MS:
                return LEFT
            columns.event_time_ms[i] = time_ms
            seen |= 32
        elif field == _QUANTITY:
            p = digits_end(data, at)
            quantity = whole_number(data, at, p)
            if quantity < 1 or quantity > MAX_QUANTITY:
                return LEFT
        elif field == _ITEM:
            p = typed_end(data, at, TEXT)
            if p < 0:
                return LEFT
            item_at, item_length = at + 1, p - at - 2
            stock = (stock | ITEM) if load_u8(data, at) == TEXT else stock & ~ITEM
        elif field == _STOCK:
            p = typed_end(data, at, WHOLE)
            if p < 0 or load_u8(data, at) == MINUS:
                return LEFT
            stock_left = whole_number(data, at, p)  # -1 of null
            if stock_left > MAX_QUANTITY:
                return LEFT
            stock = (stock | STOCK) if load_u8(data, at) != NULL else stock & ~STOCK
        elif field == _CHANNEL:
            p = typed_end(data, at, TEXT)
            if p < 0:
                return LEFT
            channel_at, channel_length = at + 1, text_length(data, at, p)
        elif field == _CATEGORY:
            p = typed_end(data, at, TEXT)
            if p < 0:
                return LEFT
            category_at, category_length = at + 1, text_length(data, at, p)
        elif field == _TIER:
            p = typed_end(data, at, WHOLE)
            if p < 0:
                return LEFT
            tier = tier_at(data, at, p)
        elif field == _FIRST_ORDER:
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
