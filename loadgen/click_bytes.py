"""Clicks as the bytes that are sent: compact JSON, written in one pass."""

from __future__ import annotations

from typing import Final

import numpy as np

from loadgen.catalogue import Texts
from loadgen.cells import COPY, INVALID, MALFORMED, Slots
from loadgen.channels import ACTIONS, SOURCES, tier_of
from loadgen.draws import I32, I64, U8, chance, compiled, inlined
from loadgen.json_bytes import (
    CHANNEL_STARTS,
    CHANNEL_TEXTS,
    ID_DIGITS,
    LINE_BYTES,
    LONG_ID_BYTES,
    ORDERS_A_CELL,
    SECOND_ID,
    Messages,
    message_firsts,
    messages_of,
)
from loadgen.people import FIRST_MEMBER, MEMBER_DIGITS
from loadgen.plan import Plan
from loadgen.text_bytes import WORD_BYTES, put_copy, put_digits, put_number, put_zeros, texts_of
from loadgen.visits import ClickArrivals

LANE: Final = 1
"""Clicks' topic among those of a scenario: orders have 0."""
_ID, _VISITOR, _ACTION, _TIME, _TEXT_TIME, _SOURCE, _CHANNEL, _TIER, _NO_MERCHANT, _WORDS = range(10)
PIECES, PIECE_STARTS = texts_of(
    '{"event_id":"K', 'visitor_id":"u', '","action":"', '","event_time":', '","event_time":"', ',"source":"',
    ',"channel":"', '","city_tier":', '","', "somebody looked at something",
)  # fmt: skip
ACTION_TEXTS, ACTION_STARTS = texts_of(*ACTIONS, "stare")
UNKNOWN_ACTION: Final = len(ACTIONS)
SOURCE_TEXTS, SOURCE_STARTS = texts_of(*SOURCES)

NO_MERCHANT: Final = INVALID
EMPTY_ID: Final = INVALID + 1
LONG_ID: Final = INVALID + 2
LONG_VISITOR: Final = INVALID + 3
WRONG_ACTION: Final = INVALID + 4
TEXT_TIME: Final = INVALID + 5
EMPTY_VISITOR: Final = INVALID + 6


def write_clicks(
    plan: Plan, block: int, partition: int, sent: ClickArrivals, slots: Slots, per_message: int
) -> Messages:
    """Write a cell of the clicks' topic, as ``json_bytes.write_messages`` does of the orders'."""
    assert plan.scenario.clicks is not None
    count = len(slots.code)
    texts = plan.catalogue.texts
    longest = int(np.diff(texts.fragment_starts).max() + np.diff(texts.category_starts).max())
    data = np.empty(count * (LINE_BYTES + longest) + WORD_BYTES, np.uint8)
    line_starts = np.empty(count + 1, np.int64)
    id_lengths = np.empty(count, np.int64)
    first_id = (block * plan.click_partitions + partition) * ORDERS_A_CELL
    epoch_ms = plan.scenario.start_ms
    end = _write_lines(
        data,
        line_starts,
        id_lengths,
        first_id,
        epoch_ms,
        texts,
        sent,
        slots.source,
        slots.code,
        slots.event_ms,
    )
    packed = chance(plan.scenario.clicks.faults.packed)
    firsts = message_firsts(sent.bits, slots.code, packed, per_message)
    return messages_of(
        partition, data[:end], line_starts, id_lengths, firsts, slots, epoch_ms, len('{"event_id":"'), LANE
    )


@compiled
def _write_lines(
    data: U8, line_starts: I64, id_lengths: I64, first_id: int, epoch_ms: int, texts: Texts,
    sent: ClickArrivals, source: I32, code: U8, event_ms: I64,
) -> int:  # fmt: skip
    """Write every slot, whose clicks are ``sent``, as one line with its newline; the length of all."""
    at = 0
    for index in range(len(source)):
        line_starts[index] = at
        kind = code[index] & (COPY - 1)
        number = first_id + source[index] + (SECOND_ID if kind > 0 else 0)
        id_lengths[index] = ID_DIGITS + 1
        if kind == MALFORMED + 1:
            at = put_copy(data, at, PIECES, PIECE_STARTS[_WORDS], PIECE_STARTS[_WORDS + 1])
            id_lengths[index] = 5
        else:
            start = at
            at = _write_ids(data, at, kind, number, texts, sent.row[index], sent.person[index])
            at = _write_rest(data, at, kind, sent, index, epoch_ms + event_ms[index], texts)
            if kind == MALFORMED:
                at = start + (at - start) * 2 // 3
            elif kind == EMPTY_ID:
                id_lengths[index] = 0
            elif kind == LONG_ID:
                id_lengths[index] += LONG_ID_BYTES
        data[at] = 10
        at += 1
    line_starts[len(source)] = at
    return at


@inlined
def _write_ids(data: U8, at: int, kind: int, number: int, texts: Texts, row: int, person: int) -> int:
    if kind == EMPTY_ID:
        at = put_copy(data, at, PIECES, PIECE_STARTS[_ID], PIECE_STARTS[_ID + 1] - 1)
    else:
        at = put_copy(data, at, PIECES, PIECE_STARTS[_ID], PIECE_STARTS[_ID + 1])
        if kind == LONG_ID:
            at = put_zeros(data, at, LONG_ID_BYTES)
        at = put_digits(data, at, number, ID_DIGITS)
    if kind == NO_MERCHANT:
        at = put_copy(data, at, PIECES, PIECE_STARTS[_NO_MERCHANT], PIECE_STARTS[_NO_MERCHANT + 1])
    else:
        at = put_copy(data, at, texts.fragments, texts.fragment_starts[row], texts.fragment_starts[row + 1])
    if kind == EMPTY_VISITOR:
        return put_copy(data, at, PIECES, PIECE_STARTS[_VISITOR], PIECE_STARTS[_VISITOR + 1] - 1)
    at = put_copy(data, at, PIECES, PIECE_STARTS[_VISITOR], PIECE_STARTS[_VISITOR + 1])
    if kind == LONG_VISITOR:
        at = put_zeros(data, at, LONG_ID_BYTES)
    return put_digits(data, at, FIRST_MEMBER + person, MEMBER_DIGITS)


@inlined
def _write_rest(
    data: U8, at: int, kind: int, clicks: ClickArrivals, click: int, time_ms: int, texts: Texts
) -> int:
    action = UNKNOWN_ACTION if kind == WRONG_ACTION else np.int64(clicks.action[click])
    at = put_copy(data, at, PIECES, PIECE_STARTS[_ACTION], PIECE_STARTS[_ACTION + 1])
    at = put_copy(data, at, ACTION_TEXTS, ACTION_STARTS[action], ACTION_STARTS[action + 1])
    piece = _TEXT_TIME if kind == TEXT_TIME else _TIME
    at = put_copy(data, at, PIECES, PIECE_STARTS[piece], PIECE_STARTS[piece + 1])
    at = put_number(data, at, time_ms)
    if kind == TEXT_TIME:
        data[at] = 34
        at += 1
    source = clicks.source[click]
    if source > 0:
        at = put_copy(data, at, PIECES, PIECE_STARTS[_SOURCE], PIECE_STARTS[_SOURCE + 1])
        at = put_copy(data, at, SOURCE_TEXTS, SOURCE_STARTS[source], SOURCE_STARTS[source + 1])
        data[at] = 34
        at += 1
    channel, row = clicks.channel[click], clicks.row[click]
    at = put_copy(data, at, PIECES, PIECE_STARTS[_CHANNEL], PIECE_STARTS[_CHANNEL + 1])
    at = put_copy(data, at, CHANNEL_TEXTS, CHANNEL_STARTS[channel], CHANNEL_STARTS[channel + 1])
    at = put_copy(data, at, PIECES, PIECE_STARTS[_TIER], PIECE_STARTS[_TIER + 1])
    data[at] = 48 + tier_of(clicks.person[click])
    at = put_copy(data, at + 1, texts.categories, texts.category_starts[row], texts.category_starts[row + 1])
    data[at] = 125
    return at + 1
