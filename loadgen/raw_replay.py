"""A recording back onto a topic: the messages as they were, at the pace they came, or more of them.

Values are not read further than the oracle and the amplifier need. Every message goes to the partition it
came from, modulo the partitions there are now; the order in each is that of its offsets.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec
import numpy as np
import polars as pl

from loadgen.amplify import SECOND_MS, Amplifier, merchant_of, person_of, twin_id, twin_line
from loadgen.draws import I64
from loadgen.json_bytes import Messages
from loadgen.replay import DEDUP_HORIZON_MS, facts_of
from loadgen.stream import KINDS, Block, Facts
from schemas.events import FUTURE_TOLERANCE_MS, Order, overlong

MESSAGES_A_BLOCK: Final = 50_000
GOOD, DUPLICATE, _LATE, FUTURE, MALFORMED, INVALID = range(len(KINDS))
_ROW: Final = {
    "row": pl.Int32, "order_id": pl.String, "member_id": pl.String, "event_ms": pl.Int64, "status": pl.String,
    "amount_fen": pl.Int64, "quantity": pl.Int64, "channel": pl.String, "category": pl.String,
    "city_tier": pl.Int64, "first_order": pl.Boolean, "copy": pl.Boolean,
}  # fmt: skip


class Outgoing(NamedTuple):
    """A message as it will be sent. ``due_ms``: since the first one; ``timestamp_ms``: since the epoch."""

    due_ms: int
    timestamp_ms: int
    key: bytes
    value: bytes
    events: int
    headers: tuple[tuple[str, bytes | None], ...]


@dataclass(slots=True)
class Ledger:
    """What the orders in a recording are: the merchants' rows, and which order was there before."""

    merchant_ids: list[str] = field(default_factory=list)
    _rows: dict[str, int] = field(default_factory=dict)
    _seen: dict[tuple[str, str], int] = field(default_factory=dict)
    _decoder: msgspec.json.Decoder[Order] = field(default_factory=lambda: msgspec.json.Decoder(Order))

    def take(self, value: bytes, timestamp_ms: int, kinds: I64) -> Iterator[tuple[object, ...]]:
        """The events of a value that count, as rows of ``facts_of``; each line's kind is counted."""
        lines = [line for line in value.split(b"\n") if line.strip()]
        if not lines:
            kinds[MALFORMED] += 1
        for line in lines:
            try:
                order = self._decoder.decode(line)
            except msgspec.ValidationError:
                kinds[INVALID] += 1
                continue
            except msgspec.DecodeError:
                kinds[MALFORMED] += 1
                continue
            if overlong(order.order_id, order.merchant_id, order.member_id):
                kinds[INVALID] += 1
            elif order.event_time_ms > timestamp_ms + FUTURE_TOLERANCE_MS:
                kinds[FUTURE] += 1
            else:
                yield self._row(order, kinds)

    def _row(self, order: Order, kinds: I64) -> tuple[object, ...]:
        before = self._seen.get((order.order_id, order.status))
        copy = before is not None and order.event_time_ms - before <= DEDUP_HORIZON_MS
        kinds[DUPLICATE if copy else GOOD] += 1
        if not copy:
            self._seen[order.order_id, order.status] = order.event_time_ms
        row = self._rows.setdefault(order.merchant_id, len(self.merchant_ids))
        if row == len(self.merchant_ids):
            self.merchant_ids.append(order.merchant_id)
        return (
            row, order.order_id, order.member_id, order.event_time_ms, order.status, order.amount_fen,
            order.quantity, order.channel, order.category, order.city_tier, order.first_order, copy,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class RawRecording:
    """Recorded messages in the order of sending: ``SCHEMA`` and ``due_ms`` since the first.

    ``shift_ms`` moves every time, ``amplifier`` makes more or less of them.
    """

    messages: pl.DataFrame
    partitions: int
    amplifier: Amplifier
    shift_ms: int = 0
    ledger: Ledger | None = None

    @property
    def start_ms(self) -> int:
        """The first message's time as it is sent, in milliseconds since the epoch."""
        return (int(self.messages["timestamp_ms"][0]) if len(self.messages) else 0) + self.shift_ms


def in_order(messages: pl.DataFrame) -> pl.DataFrame:
    """Messages as they are sent: by time, but never before one with a lower offset in its partition."""
    by = ("topic", "partition")
    sorted_ = messages.filter(pl.col("value").is_not_null()).sort(*by, "offset")
    due = pl.col("timestamp_ms").cum_max().over(by)
    ordered = sorted_.with_columns(due_ms=due).sort("due_ms", *by, "offset")
    return ordered.with_columns(pl.col("due_ms") - pl.col("due_ms").min())


def raw_blocks(recording: RawRecording) -> Iterator[Block]:
    """The recording in blocks of whole seconds."""
    due = recording.messages["due_ms"].to_numpy()
    first_due = recording.start_ms - recording.shift_ms
    first = 0
    while first < len(due):
        wanted = min(first + MESSAGES_A_BLOCK, len(due)) - 1
        # Twins move within their second, as the clock counts it, so a block is made of whole ones.
        end_ms = (int(due[wanted]) + first_due) // SECOND_MS * SECOND_MS + SECOND_MS - first_due
        last = int(np.searchsorted(due, end_ms))
        yield _block(recording, recording.messages.slice(first, last - first), end_ms)
        first = last


def _block(recording: RawRecording, part: pl.DataFrame, end_ms: int) -> Block:
    by_partition: list[list[Outgoing]] = [[] for _ in range(recording.partitions)]
    columns = ("partition", "timestamp_ms", "due_ms", "key", "value", "headers")
    for partition, timestamp_ms, due_ms, key, value, headers in part.select(columns).iter_rows():
        pairs = tuple((header["name"], header["value"]) for header in headers or ())
        into = by_partition[partition % recording.partitions]
        into.extend(_outgoing(recording, due_ms, timestamp_ms, key or b"", value, pairs))
    for messages in by_partition:
        messages.sort(key=lambda m: m.due_ms)
    facts = [_facts(recording.ledger, by_partition)] if recording.ledger is not None else []
    return Block([_messages(number, held) for number, held in enumerate(by_partition)], facts, end_ms)


def _outgoing(
    recording: RawRecording, due_ms: int, timestamp_ms: int, key: bytes, value: bytes,
    headers: tuple[tuple[str, bytes | None], ...],
) -> Iterator[Outgoing]:  # fmt: skip
    """A message and its twins: one for each number of times that any of its lines is there again."""
    shift, amplifier = recording.shift_ms, recording.amplifier
    if amplifier.factor == 1.0 and shift == 0:
        yield Outgoing(due_ms, timestamp_ms, key, value, value.count(b"\n") + 1, headers)
        return
    lines = value.split(b"\n")
    copies = [amplifier.copies(person_of(line)) for line in lines]
    for number in range(max(copies)):
        mine = [line for line, count in zip(lines, copies, strict=True) if count > number]
        # The same place for a message's lines: their times keep their distances.
        moved = amplifier.moved_ms(recording.start_ms - shift + due_ms, mine[0], number)
        text = b"\n".join(twin_line(line, number, moved + shift) for line in mine)
        yield Outgoing(
            due_ms + moved, timestamp_ms + moved + shift, _twin_key(key, mine[0], number), text, len(mine),
            headers,
        )  # fmt: skip


def _twin_key(key: bytes, line: bytes, number: int) -> bytes:
    """The twin's own key where the key is an id that becomes another; a merchant's stays."""
    return twin_id(key, number) if number and key != merchant_of(line) else key


def _messages(partition: int, held: list[Outgoing]) -> Messages:
    """Values and keys end to end: a key stands behind its value."""
    lengths = np.array([len(m.value) for m in held], np.int64)
    key_lengths = np.array([len(m.key) for m in held], np.int64)
    ends = np.cumsum(lengths + key_lengths)
    starts = ends - lengths - key_lengths
    return Messages(
        partition=partition,
        data=np.frombuffer(b"".join(part for m in held for part in (m.value, m.key)), np.uint8),
        starts=starts,
        lengths=lengths,
        key_starts=starts + lengths,
        key_lengths=key_lengths,
        timestamps_ms=np.array([m.timestamp_ms for m in held], np.int64),
        due_ms=np.array([m.due_ms for m in held], np.int64),
        events=np.array([m.events for m in held], np.int32),
        headers=[m.headers for m in held] if any(m.headers for m in held) else None,
    )


def _facts(ledger: Ledger, by_partition: list[list[Outgoing]]) -> Facts:
    kinds = np.zeros(len(KINDS), np.int64)
    rows = [row for held in by_partition for m in held for row in ledger.take(m.value, m.timestamp_ms, kinds)]
    return facts_of(pl.DataFrame(rows, schema=_ROW, orient="row"), kinds)
