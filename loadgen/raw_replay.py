"""A recording back onto a topic: the messages as they were, at the pace they came, or more of them.

Values are not read further than the oracle and the amplifier need. Every message goes to the partition it
came from, modulo the partitions there are now; the order in each is that of its offsets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

import numpy as np
import polars as pl

from loadgen.amplify import SECOND_MS, Amplifier, merchant_of, person_of, twin_id, twin_line
from loadgen.facts import ClickFacts, Facts
from loadgen.json_bytes import Messages
from loadgen.ledger import Ledger
from loadgen.stream import Block

MESSAGES_A_BLOCK: Final = 50_000
ORDERS: Final = "orders"
CLICKS: Final = "clicks"


class Outgoing(NamedTuple):
    """A message as it will be sent. ``due_ms``: since the first one; ``timestamp_ms``: since the epoch."""

    due_ms: int
    timestamp_ms: int
    key: bytes
    value: bytes
    events: int
    headers: tuple[tuple[str, bytes | None], ...]


class Lane(NamedTuple):
    """A recorded topic and where it goes. ``holds``: what the oracle takes it for."""

    recorded: str
    topic: str
    partitions: int
    holds: Literal["orders", "clicks", "something else"]


def lanes_of(
    recorded: list[str], topic_orders: str, topic_clicks: str, partitions_of: Callable[[str], int]
) -> tuple[Lane, ...]:
    """Where each recorded topic goes: ``clicks`` to ``topic_clicks`` (nowhere if that is empty), ``orders``,
    or the only other one, to ``topic_orders``, all others to a topic of their own name.
    """
    others = [name for name in recorded if name != CLICKS]
    lanes = []
    for name in recorded:
        if name == CLICKS:
            if topic_clicks:
                lanes.append(Lane(name, topic_clicks, partitions_of(topic_clicks), "clicks"))
        elif name == ORDERS or len(others) == 1:
            lanes.append(Lane(name, topic_orders, partitions_of(topic_orders), "orders"))
        else:
            lanes.append(Lane(name, name, partitions_of(name), "something else"))
    return tuple(lanes)


@dataclass(frozen=True, slots=True)
class RawRecording:
    """Recorded messages in the order of sending: ``SCHEMA`` and ``due_ms`` since the first.

    ``shift_ms`` moves every time, ``amplifier`` makes more or less of them.
    """

    messages: pl.DataFrame
    lanes: tuple[Lane, ...]
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
    messages: list[Messages] = []
    facts: list[Facts] = []
    clicks: list[ClickFacts] = []
    for number, lane in enumerate(recording.lanes):
        held = _of_lane(recording, lane, part.filter(pl.col("topic") == lane.recorded))
        messages += [_messages(partition, held[partition], number) for partition in range(lane.partitions)]
        if recording.ledger is not None and lane.holds != "something else":
            values = [(m.value, m.timestamp_ms) for some in held for m in some]
            if lane.holds == "orders":
                facts.append(recording.ledger.orders(values))
            else:
                clicks.append(recording.ledger.clicks(values))
    return Block(messages, facts, end_ms, tuple(clicks))


def _of_lane(recording: RawRecording, lane: Lane, part: pl.DataFrame) -> list[list[Outgoing]]:
    """A lane's messages by partition, in the order of sending."""
    by_partition: list[list[Outgoing]] = [[] for _ in range(lane.partitions)]
    columns = ("partition", "timestamp_ms", "due_ms", "key", "value", "headers")
    for partition, timestamp_ms, due_ms, key, value, headers in part.select(columns).iter_rows():
        pairs = tuple((header["name"], header["value"]) for header in headers or ())
        into = by_partition[partition % lane.partitions]
        into.extend(_outgoing(recording, due_ms, timestamp_ms, key or b"", value, pairs))
    for messages in by_partition:
        messages.sort(key=lambda m: m.due_ms)
    return by_partition


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


def _messages(partition: int, held: list[Outgoing], lane: int) -> Messages:
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
        lane=lane,
        headers=[m.headers for m in held] if any(m.headers for m in held) else None,
    )
