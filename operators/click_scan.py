"""Compiled scanner of click events: JSON bytes to columns. ``operators.json_scan`` says what it reads."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from operators.batches import I16, I32, I64, U8
from operators.bytes_kernels import U64, FoundIds, compiled, hash_bytes, inlined, load_u8
from operators.dimensions import UNKNOWN_TIER, NameTables, name_number
from operators.json_scan import (
    LEFT,
    PERSON_SEED,
    QUOTE,
    SCANNED,
    TEXT,
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
from schemas.events import MAX_EVENT_TIME_MS, PLATFORM_SOURCES, PRIVATE_SOURCES

VIEW, CART, FAVORITE, JOIN = 0, 1, 2, 3
ACTIONS = ("view", "cart", "favorite", "join")

SOURCES = (*PLATFORM_SOURCES, *PRIVATE_SOURCES, "other")
"""By the number that ``ClickColumns.source`` holds; the last one is any other source, or none."""
FIRST_PRIVATE = len(PLATFORM_SOURCES)
OTHER_SOURCE = len(SOURCES) - 1

EVENT_SEED = 0

REQUIRED = 0b11111  # event_id, merchant_id, visitor_id, action, event_time

_VIEW, _CART, _FAVORITE, _JOIN = word("view"), word("cart"), word("favorite"), word("join")

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


FIELDS = field_table(
    "event_id", "merchant_id", "visitor_id", "action", "event_time", "source", "channel", "category",
    "city_tier",
)  # fmt: skip
(
    _EVENT_ID, _MERCHANT, _VISITOR, _ACTION, _EVENT_TIME, _SOURCE, _CHANNEL, _CATEGORY, _TIER,
) = range(len(FIELDS))  # fmt: skip
_BEGIN = len(FIELDS) + 1


@inlined
def scan_click(
    data: U8,
    start: int,
    end: int,
    columns: ClickColumns,
    i: int,
    found: FoundIds,
    names: NameTables,
    keys: U8,
) -> int:
    """Read the click in ``data[start:end]`` into row ``i``; SCANNED, or LEFT with the row undefined.

    Its merchant goes to ``found``, to be interned with those of the whole batch.

    ``data[end]`` must be a newline (or the padding behind the last value).
    """
    p = start
    field = _BEGIN
    seen = 0
    event_at = event_length = merchant_at = merchant_length = visitor_at = visitor_length = 0
    channel_at = channel_length = category_at = category_length = 0
    tier = UNKNOWN_TIER
    source = OTHER_SOURCE
    while True:
        field, at = next_field(keys, FIELDS, field, data, p)
        if at < 0:
            return LEFT
        if field == _EVENT_ID:
            p = id_end(data, at)
            if p < 0:
                return LEFT
            event_at, event_length = at + 1, p - at - 2
            seen |= 1
        elif field == _MERCHANT:
            p = id_end(data, at)
            if p < 0:
                return LEFT
            merchant_at, merchant_length = at + 1, p - at - 2
            seen |= 2
        elif field == _VISITOR:
            p = id_end(data, at)
            if p < 0:
                return LEFT
            visitor_at, visitor_length = at + 1, p - at - 2
            seen |= 4
        elif field == _ACTION:
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
        elif field == _EVENT_TIME:
            p = digits_end(data, at)
            time_ms = whole_number(data, at, p)
            if time_ms < 0 or time_ms > MAX_EVENT_TIME_MS:
                return LEFT
            columns.event_time_ms[i] = time_ms
            seen |= 16
        elif field == _SOURCE:
            p = typed_end(data, at, QUOTE)
            if p < 0:
                return LEFT
            is_text = load_u8(data, at) == QUOTE
            source = _source_of(data, at + 1, p - at - 2) if is_text else OTHER_SOURCE
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
        else:
            p = unknown_end(data, at)
            if p < 0:
                return LEFT
        if ends_at(data, p):
            break
    if seen != REQUIRED or after_space(data, after_space(data, p) + 1) < end:
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
def scan_clicks(
    data: U8, lines: I64, columns: ClickColumns, found: FoundIds, names: NameTables, keys: U8
) -> int:
    """Scan every line into its row, merchants into ``found``; how many are left to the full decoder.

    ``keys``: as ``no_keys(FIELDS)`` makes them, always the same ones for events of the same producers.
    """
    left = 0
    for i in range(len(lines)):
        outcome = scan_click(data, lines[i, 1], lines[i, 2], columns, i, found, names, keys)
        columns.outcome[i] = outcome
        left += outcome
    return left
