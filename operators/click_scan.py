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

# The last eight bytes of the names that are longer than nine.
_MERCHANT_TAIL = np.frombuffer(b"chant_id", np.uint8).copy()
_VISITOR_TAIL = np.frombuffer(b"sitor_id", np.uint8).copy()
_TIME_TAIL = np.frombuffer(b"ent_time", np.uint8).copy()

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


# Fields of a click; ``_BEGIN`` stands for the place before the first one.
(
    _F_EVENT_ID,
    _F_MERCHANT,
    _F_VISITOR,
    _F_ACTION,
    _F_EVENT_TIME,
    _F_SOURCE,
    _F_CHANNEL,
    _F_CATEGORY,
    _F_TIER,
    _F_OTHER,
    _BEGIN,
) = range(11)
FIELDS = _BEGIN + 1
"""Fields to remember keys behind (``operators.known_keys``)."""


@compiled
def _field_of(data: U8, name: int, length: int) -> int:
    """The field of a name."""
    head = first_word(data, name, length)
    if length == 6:
        if head == _ACTION:
            return _F_ACTION
        if head == _SOURCE:
            return _F_SOURCE
    elif length == 7:
        if head == CHANNEL:
            return _F_CHANNEL
    elif length == 8:
        if head == _EVENT_ID:
            return _F_EVENT_ID
        if head == CATEGORY:
            return _F_CATEGORY
    elif length == 9:
        if head == CITY_TIER and load_u8(data, name + 8) == 114:
            return _F_TIER
    elif length == 10:
        tail = load_u64(data, name + 2)
        if head == _VISITOR and tail == load_u64(_VISITOR_TAIL, 0):
            return _F_VISITOR
        if head == _EVENT_TIME and tail == load_u64(_TIME_TAIL, 0):
            return _F_EVENT_TIME
    elif length == 11 and head == _MERCHANT and load_u64(data, name + 3) == load_u64(_MERCHANT_TAIL, 0):
        return _F_MERCHANT
    return _F_OTHER


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
        before = field
        field, at = known_key(keys, before, data, p)
        if field == UNKNOWN:
            name, length, at = read_key(data, p, OPEN if before == _BEGIN else COMMA)
            if at < 0:
                return LEFT
            field = _field_of(data, name, length)
            remember_key(keys, before, data, p, at, field)
        if field == _F_EVENT_ID:
            p = id_end(data, at)
            if p < 0:
                return LEFT
            event_at, event_length = at + 1, p - at - 2
            seen |= 1
        elif field == _F_MERCHANT:
            p = id_end(data, at)
            if p < 0:
                return LEFT
            merchant_at, merchant_length = at + 1, p - at - 2
            seen |= 2
        elif field == _F_VISITOR:
            p = id_end(data, at)
            if p < 0:
                return LEFT
            visitor_at, visitor_length = at + 1, p - at - 2
            seen |= 4
        elif field == _F_ACTION:
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
        elif field == _F_EVENT_TIME:
            p = digits_end(data, at)
            time_ms = whole_number(data, at, p)
            if time_ms < 0 or time_ms > MAX_EVENT_TIME_MS:
                return LEFT
            columns.event_time_ms[i] = time_ms
            seen |= 16
        elif field == _F_SOURCE:
            p = typed_end(data, at, QUOTE)
            if p < 0:
                return LEFT
            is_text = load_u8(data, at) == QUOTE
            source = _source_of(data, at + 1, p - at - 2) if is_text else OTHER_SOURCE
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
