"""Compiled scanner of click events: JSON bytes to columns. ``operators.json_scan`` says what it reads."""

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
    CLOSE,
    COMMA,
    LEFT,
    OPEN,
    PERSON_SEED,
    QUOTE,
    SCANNED,
    TEXT,
    WHOLE,
    after_space,
    digits_end,
    first_word,
    id_end,
    string_end,
    text_length,
    tier_at,
    typed_end,
    unknown_end,
    value_at,
    whole_number,
    word,
)
from schemas.events import MAX_EVENT_TIME_MS, PLATFORM_SOURCES, PRIVATE_SOURCES

VIEW, CART, FAVORITE, JOIN = 0, 1, 2, 3
ACTIONS = ("view", "cart", "favorite", "join")

SOURCES = (*PLATFORM_SOURCES, *PRIVATE_SOURCES, "other")
"""By the number that ``ClickColumns.source`` holds; the last one is any other source, or none."""
FIRST_PRIVATE = len(PLATFORM_SOURCES)
OTHER_SOURCE = len(SOURCES) - 1

EVENT_SEED = 0

REQUIRED = 0b11111  # event_id, merchant_id, visitor_id, action, event_time

_EVENT_ID, _MERCHANT, _VISITOR = word("event_id"), word("merchant_id"), word("visitor_id")
_ACTION, _EVENT_TIME, _SOURCE = word("action"), word("event_time"), word("source")
_VIEW, _CART, _FAVORITE, _JOIN = word("view"), word("cart"), word("favorite"), word("join")
_MERCHANT_TAIL = np.frombuffer(b"chant_id", np.uint8).copy()

_SOURCE_HEADS = np.array([word(name) for name in SOURCES[:-1]], np.uint64)
_SOURCE_LENGTHS = np.array([len(name) for name in SOURCES[:-1]], np.int64)
_SOURCE_TAILS = np.array([word(name[8:]) for name in SOURCES[:-1]], np.uint64)


class ClickColumns(NamedTuple):
    """Click events in columns, ``n`` each, in the order of the stream."""

    event_time_ms: I64
    action: U8
    source: U8  # place in SOURCES
    channel: I16  # number of its name (``operators.dimensions``)
    category: I16
    tier: I16
    merchant: I32  # row of the worker's interner
    person: U64  # hash of visitor_id
    key: U64  # hash of event_id, never 0
    outcome: U8

    def first(self, rows: int) -> ClickColumns:
        """The first ``rows`` events."""
        return ClickColumns._make(column[:rows] for column in self)

    @staticmethod
    def empty(rows: int) -> ClickColumns:
        """Room for ``rows`` events."""
        return ClickColumns(
            np.empty(rows, np.int64),
            np.empty(rows, np.uint8),
            np.empty(rows, np.uint8),
            np.empty(rows, np.int16),
            np.empty(rows, np.int16),
            np.empty(rows, np.int16),
            np.empty(rows, np.int32),
            np.empty(rows, np.uint64),
            np.empty(rows, np.uint64),
            np.empty(rows, np.uint8),
        )


@compiled
def _action_of(data: U8, p: int, length: int) -> int:
    head = first_word(data, p, length)
    if length == 4:
        if head == _VIEW:
            return VIEW
        if head == _CART:
            return CART
        if head == _JOIN:
            return JOIN
    if length == 8 and head == _FAVORITE:
        return FAVORITE
    return -1


@compiled
def _source_of(data: U8, p: int, length: int) -> int:
    """Place in ``SOURCES`` of the text ``data[p : p + length]``."""
    head = first_word(data, p, length)
    for source in range(OTHER_SOURCE):
        if (
            _SOURCE_HEADS[source] == head
            and _SOURCE_LENGTHS[source] == length
            and (length <= 8 or first_word(data, p + 8, length - 8) == _SOURCE_TAILS[source])
        ):
            return source
    return OTHER_SOURCE


@inlined
def scan_click(
    data: U8,
    start: int,
    end: int,
    columns: ClickColumns,
    i: int,
    found: FoundIds,
    names: NameTables,
) -> int:
    """Read the click in ``data[start:end]`` into row ``i``; SCANNED, or LEFT with the row undefined.

    Its merchant goes to ``found``, to be interned with those of the whole batch.

    ``data[end]`` must be a newline (or the padding behind the last value).
    """
    p = after_space(data, start)
    if load_u8(data, p) != OPEN:
        return LEFT
    p = after_space(data, p + 1)
    seen = 0
    event_at = event_length = merchant_at = merchant_length = visitor_at = visitor_length = 0
    channel_at = channel_length = category_at = category_length = 0
    tier = UNKNOWN_TIER
    source = OTHER_SOURCE
    while True:
        if load_u8(data, p) != QUOTE:
            return LEFT
        name = p + 1
        p = string_end(data, name)
        if p < 0:
            return LEFT
        length = p - name
        head = first_word(data, name, length)
        p = value_at(data, p)
        if p < 0:
            return LEFT
        at = p
        if length == 8 and head == _EVENT_ID:
            p = id_end(data, at)
            if p < 0:
                return LEFT
            event_at, event_length = at + 1, p - at - 2
            seen |= 1
        elif length == 11 and head == _MERCHANT and load_u64(data, name + 3) == load_u64(_MERCHANT_TAIL, 0):
            p = id_end(data, at)
            if p < 0:
                return LEFT
            merchant_at, merchant_length = at + 1, p - at - 2
            seen |= 2
        elif (
            length == 10
            and head == _VISITOR
            and load_u8(data, name + 8) == 105
            and load_u8(data, name + 9) == 100
        ):
            p = id_end(data, at)
            if p < 0:
                return LEFT
            visitor_at, visitor_length = at + 1, p - at - 2
            seen |= 4
        elif length == 6 and head == _ACTION:
            if load_u8(data, at) != QUOTE:
                return LEFT
            p = string_end(data, at + 1)
            if p < 0:
                return LEFT
            action = _action_of(data, at + 1, p - at - 1)
            if action < 0:
                return LEFT
            columns.action[i] = action
            p += 1
            seen |= 8
        elif (
            length == 10
            and head == _EVENT_TIME
            and load_u8(data, name + 8) == 109
            and load_u8(data, name + 9) == 101
        ):
            p = digits_end(data, at)
            time_ms = whole_number(data, at, p)
            if time_ms < 0 or time_ms > MAX_EVENT_TIME_MS:
                return LEFT
            columns.event_time_ms[i] = time_ms
            seen |= 16
        elif length == 6 and head == _SOURCE:
            p = typed_end(data, at, QUOTE)
            if p < 0:
                return LEFT
            is_text = load_u8(data, at) == QUOTE
            source = _source_of(data, at + 1, p - at - 2) if is_text else OTHER_SOURCE
        elif length == 7 and head == CHANNEL:
            p = typed_end(data, at, TEXT)
            if p < 0:
                return LEFT
            channel_at, channel_length = at + 1, text_length(data, at, p)
        elif length == 8 and head == CATEGORY:
            p = typed_end(data, at, TEXT)
            if p < 0:
                return LEFT
            category_at, category_length = at + 1, text_length(data, at, p)
        elif length == 9 and head == CITY_TIER and load_u8(data, name + 8) == 114:
            p = typed_end(data, at, WHOLE)
            if p < 0:
                return LEFT
            tier = tier_at(data, at, p)
        else:
            p = unknown_end(data, at)
            if p < 0:
                return LEFT
        p = after_space(data, p)
        if load_u8(data, p) == COMMA:
            p = after_space(data, p + 1)
            continue
        if load_u8(data, p) != CLOSE:
            return LEFT
        break
    if seen != REQUIRED or after_space(data, p + 1) < end:
        return LEFT
    columns.source[i] = source
    columns.channel[i] = name_number(names.channels, data, channel_at, channel_length)
    columns.category[i] = name_number(names.categories, data, category_at, category_length)
    columns.tier[i] = tier
    found.at[i] = merchant_at
    found.lengths[i] = merchant_length
    found.hashes[i] = hash_bytes(data, merchant_at, merchant_length, 0)
    columns.person[i] = hash_bytes(data, visitor_at, visitor_length, PERSON_SEED)
    key = hash_bytes(data, event_at, event_length, EVENT_SEED)
    columns.key[i] = key if key != 0 else np.uint64(1)
    return SCANNED


@compiled
def scan_clicks(data: U8, lines: I64, columns: ClickColumns, found: FoundIds, names: NameTables) -> int:
    """Scan every line into its row, merchants into ``found``; how many are left to the full decoder."""
    left = 0
    for i in range(len(lines)):
        outcome = scan_click(data, lines[i, 1], lines[i, 2], columns, i, found, names)
        columns.outcome[i] = outcome
        left += outcome
    return left
