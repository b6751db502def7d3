"""Orders as the bytes that are sent: compact JSON, written in one pass, several messages a buffer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from loadgen.catalogue import Texts
from loadgen.cells import COPY, CREATED, INVALID, MALFORMED, Arrivals, Slots
from loadgen.channels import CHANNEL_TABLE, CHANNELS, channel_of, tier_of
from loadgen.draws import CHANCE_ONE, I32, I64, U8, U64, allocating, below, chance, compiled, inlined, mix
from loadgen.people import FIRST_MEMBER, MEMBER_DIGITS, first_order_of
from loadgen.plan import Plan
from loadgen.text_bytes import WORD_BYTES, put_copy, put_digits, put_number, put_zeros, texts_of

ID_DIGITS: Final = 13
"""An order's number: its cell's, seven digits of its own."""
ORDERS_A_CELL: Final = 10_000_000
SECOND_ID: Final = 5_000_000
"""Added to the number of events that cannot be used: they share no id with good ones."""
LONG_ID_BYTES: Final = 140
ITEMS: Final = 4
STOCK_STREAM: Final = 104
LINE_BYTES: Final = 260 + LONG_ID_BYTES
PACK_EVENTS: Final = 8
"""A message holds at most this many events unless more are asked for."""


(_ID, _MEMBER, _MEMBER_END, _TEXT_AMOUNT, _QUANTITY, _STATUS, _TIME, _CHANNEL, _TIER, _NO_MERCHANT, _FIRST,
 _NOT_FIRST, _ITEM, _STOCK, _WORDS) = range(15)  # fmt: skip
PIECES, PIECE_STARTS = texts_of(
    '{"order_id":"D', 'member_id":"u', '","amount":', '","amount":"', ',"quantity":', ',"status":"',
    '","event_time":', ',"channel":"', '","city_tier":', '","', ',"first_order":true', ',"first_order":false',
    ',"item_id":"i', '","stock_left":', "order 12 of the day, paid",
)  # fmt: skip
STATUSES, STATUS_STARTS = texts_of("paid", "refunded", "cancelled", "created", "on its way")
UNKNOWN_STATUS: Final = 4
CHANNEL_TEXTS, CHANNEL_STARTS = texts_of(*CHANNELS)

NEGATIVE_AMOUNT: Final = INVALID
NO_MERCHANT: Final = INVALID + 1
TEXT_AMOUNT: Final = INVALID + 2
EMPTY_ID: Final = INVALID + 3
LONG_ID: Final = INVALID + 4
WRONG_STATUS: Final = INVALID + 5
NO_QUANTITY: Final = INVALID + 6


Headers = tuple[tuple[str, bytes | None], ...]


@dataclass(frozen=True, slots=True)
class Messages:
    """Messages of one partition in the order of sending, values in one buffer. ``n`` of them.

    Value ``i`` is ``data[starts[i] : starts[i] + lengths[i]]``, its key likewise, inside the value.
    """

    partition: int
    data: U8
    starts: I64  # n
    lengths: I64  # n
    key_starts: I64  # n
    key_lengths: I64  # n, 0: no key
    timestamps_ms: I64  # n, since the epoch
    due_ms: I64  # n, when it is sent, in milliseconds since the scenario's start
    events: I32  # n, events in it
    lane: int = 0
    """Number of the topic, counted from that of a stream's first."""
    headers: list[Headers] | None = None
    """(n,), of recorded messages only."""

    def __len__(self) -> int:
        return len(self.starts)

    def value(self, index: int) -> bytes:
        """The bytes of one message."""
        start = int(self.starts[index])
        return self.data[start : start + int(self.lengths[index])].tobytes()


def write_messages(
    plan: Plan, block: int, partition: int, sent: Arrivals, slots: Slots, per_message: int
) -> Messages:
    """Write a cell. ``sent``: the order of each slot.

    ``per_message`` 1 packs only the scenario's own share; more packs every message.
    """
    count = len(slots.code)
    texts = plan.catalogue.texts
    longest = int(np.diff(texts.fragment_starts).max() + np.diff(texts.category_starts).max())
    data = np.empty(count * (LINE_BYTES + longest) + WORD_BYTES, np.uint8)
    line_starts = np.empty(count + 1, np.int64)
    id_lengths = np.empty(count, np.int64)
    first_id = (block * plan.partitions + partition) * ORDERS_A_CELL
    epoch_ms = plan.scenario.start_ms
    end = _write_lines(
        data, line_starts, id_lengths, first_id, epoch_ms, texts, CHANNEL_TABLE, plan.catalogue.traits.meals,
        plan.pool.regulars, sent, slots.source, slots.code, slots.event_ms,
    )  # fmt: skip
    firsts = message_firsts(sent.bits, slots.code, chance(plan.scenario.faults.packed), per_message)
    return messages_of(
        partition, data[:end], line_starts, id_lengths, firsts, slots, epoch_ms, len('{"order_id":"')
    )


def messages_of(
    partition: int, data: U8, line_starts: I64, id_lengths: I64, firsts: I64, slots: Slots, epoch_ms: int,
    id_at: int, lane: int = 0,
) -> Messages:  # fmt: skip
    """Lines as messages that begin at ``firsts``; the key is the first line's id, ``id_at`` bytes into it."""
    count = len(slots.code)
    starts = line_starts[firsts]
    ends = np.append(starts[1:], len(data)) - 1
    good = (slots.code & (COPY - 1)) <= CREATED
    stamps = np.where(good, slots.event_ms, slots.send_ms)
    return Messages(
        partition=partition,
        data=data,
        starts=starts,
        lengths=ends - starts,
        key_starts=starts + id_at,
        key_lengths=id_lengths[firsts],
        timestamps_ms=(np.maximum.reduceat(stamps, firsts) if count else stamps) + epoch_ms,
        due_ms=np.maximum.reduceat(slots.send_ms, firsts) if count else slots.send_ms,
        events=np.diff(np.append(firsts, count)).astype(np.int32),
        lane=lane,
    )


@allocating
def message_firsts(bits: U64, code: U8, packed: int, per_message: int) -> I64:
    """Which slots begin a message. A bad event often shares one with its neighbours."""
    firsts = np.empty(len(code), np.int64)
    count = held = 0
    for index in range(len(code)):
        joins = held < per_message
        if per_message == 1 and index > 0:
            luck = mix(bits[index] + np.uint64(5))
            bad = (code[index] & (COPY - 1)) > CREATED or (code[index - 1] & (COPY - 1)) > CREATED
            joins = held < PACK_EVENTS and (
                below(luck, CHANCE_ONE) < packed or (bad and (luck & np.uint64(1)) == 1)
            )
        if index == 0 or not joins:
            firsts[count] = index
            count += 1
            held = 0
        held += 1
    return firsts[:count]


@compiled
def _write_lines(
    data: U8, line_starts: I64, id_lengths: I64, first_id: int, epoch_ms: int, texts: Texts, channels: U8,
    meals: U8, regulars: int, sent: Arrivals, source: I32, code: U8, event_ms: I64,
) -> int:  # fmt: skip
    """Write every slot as one line with its newline; returns the length of all.

    ``sent``: the order of each slot. Looked up by ``source`` one by one, in a large cell each of its columns
    would be waited for: 1.2 instead of 0.5 microseconds a line.
    """
    at = 0
    for index in range(len(source)):
        line_starts[index] = at
        kind = code[index] & (COPY - 1)
        number = first_id + source[index] + (SECOND_ID if kind > CREATED else 0)
        id_lengths[index] = ID_DIGITS + 1
        if kind == MALFORMED + 1:
            at = put_copy(data, at, PIECES, PIECE_STARTS[_WORDS], PIECE_STARTS[_WORDS + 1])
            id_lengths[index] = 5
        else:
            start = at
            row, bits = sent.row[index], sent.bits[index]
            at = _write_ids(data, at, kind, number, texts, row, sent.member[index])
            at = _write_rest(data, at, kind, sent.amount_fen[index], bits, epoch_ms + event_ms[index])
            channel = channel_of(channels, meals[row], bits)
            at = _write_place(data, at, channel, sent.member[index], texts, row)
            at = _write_people(data, at, bits, regulars, row, sent.time_ms[index])
            data[at] = 125
            at += 1
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
def _write_ids(data: U8, at: int, kind: int, number: int, texts: Texts, row: int, member: int) -> int:
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
    at = put_copy(data, at, PIECES, PIECE_STARTS[_MEMBER], PIECE_STARTS[_MEMBER + 1])
    return put_digits(data, at, FIRST_MEMBER + member, MEMBER_DIGITS)


@inlined
def _write_rest(data: U8, at: int, kind: int, amount_fen: int, bits: np.uint64, time_ms: int) -> int:
    piece = _TEXT_AMOUNT if kind == TEXT_AMOUNT else _MEMBER_END
    at = put_copy(data, at, PIECES, PIECE_STARTS[piece], PIECE_STARTS[piece + 1])
    if kind == NEGATIVE_AMOUNT:
        data[at] = 45
        at += 1
    at = put_number(data, at, max(1, amount_fen) if kind == NEGATIVE_AMOUNT else amount_fen)
    if kind == TEXT_AMOUNT:
        data[at] = 34
        at += 1
    quantity = 0 if kind == NO_QUANTITY else quantity_of(bits)
    if quantity != 1:
        at = put_copy(data, at, PIECES, PIECE_STARTS[_QUANTITY], PIECE_STARTS[_QUANTITY + 1])
        at = put_number(data, at, quantity)
    status = kind if kind <= CREATED else (UNKNOWN_STATUS if kind == WRONG_STATUS else 0)
    at = put_copy(data, at, PIECES, PIECE_STARTS[_STATUS], PIECE_STARTS[_STATUS + 1])
    at = put_copy(data, at, STATUSES, STATUS_STARTS[status], STATUS_STARTS[status + 1])
    at = put_copy(data, at, PIECES, PIECE_STARTS[_TIME], PIECE_STARTS[_TIME + 1])
    return put_number(data, at, time_ms)


@inlined
def _write_place(data: U8, at: int, channel: int, person: int, texts: Texts, row: int) -> int:
    """Channel, tier and category, from after the number before them."""
    at = put_copy(data, at, PIECES, PIECE_STARTS[_CHANNEL], PIECE_STARTS[_CHANNEL + 1])
    at = put_copy(data, at, CHANNEL_TEXTS, CHANNEL_STARTS[channel], CHANNEL_STARTS[channel + 1])
    at = put_copy(data, at, PIECES, PIECE_STARTS[_TIER], PIECE_STARTS[_TIER + 1])
    data[at] = 48 + tier_of(person)
    return put_copy(
        data, at + 1, texts.categories, texts.category_starts[row], texts.category_starts[row + 1]
    )


@inlined
def _write_people(data: U8, at: int, bits: np.uint64, regulars: int, row: int, time_ms: int) -> int:
    """Whether it is the buyer's first order, and of one order in eight the item and what is left of it."""
    first = first_order_of(bits, regulars)
    if first >= 0:
        piece = _FIRST if first == 1 else _NOT_FIRST
        at = put_copy(data, at, PIECES, PIECE_STARTS[piece], PIECE_STARTS[piece + 1])
    if (bits >> np.uint64(28)) & np.uint64(7) == 0:
        item = row * ITEMS + int(np.int64((bits >> np.uint64(32)) & np.uint64(3)))
        at = put_copy(data, at, PIECES, PIECE_STARTS[_ITEM], PIECE_STARTS[_ITEM + 1])
        at = put_number(data, at, item)
        at = put_copy(data, at, PIECES, PIECE_STARTS[_STOCK], PIECE_STARTS[_STOCK + 1])
        at = put_number(data, at, stock_left(item, time_ms))
    return at


@compiled
def stock_left(item: int, time_ms: int) -> int:
    """What is left of an item: some hundreds at midnight, none after 12 to 36 hours."""
    bits = mix(np.uint64(item) + np.uint64(STOCK_STREAM))
    gone_ms = 12 * 3_600_000 + below(bits, 24 * 3_600_000)
    return max(0, (200 + below(mix(bits), 1_800)) * (gone_ms - time_ms) // gone_ms)


@compiled
def quantity_of(bits: np.uint64) -> int:
    """Units of an order: 1 in three of four, else 2 to 5."""
    if (bits >> np.uint64(8)) & np.uint64(3) != 0:
        return 1
    return 2 + below(bits << np.uint64(52), 4)
