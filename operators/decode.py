"""Bytes become typed columns here and nowhere else.

The scanners (``operators.order_scan``, ``operators.click_scan``) read the plain shape of an event at a few
hundred nanoseconds; a line that they leave is read by the full decoder, which says what is wrong with it.
What fails goes aside with its reason and takes nothing with it: neighbours in the same message and batch
are still counted.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Generic, Protocol, Self, TypeVar

import msgspec
import numpy as np

from operators.batches import I16, I32, I64, READ_AHEAD_BYTES, U8, RawBatch
from operators.bytes_kernels import U64, FoundIds, Interner, intern_found, stable_hash
from operators.click_scan import ACTIONS, EVENT_SEED, OTHER_SOURCE, SOURCES, ClickColumns, scan_clicks
from operators.click_scan import FIELDS as CLICK_FIELDS
from operators.dimensions import Dimensions, tier_of
from operators.json_scan import LEFT, PERSON_SEED, SCANNED, split_lines
from operators.known_keys import no_keys
from operators.order_scan import FIELDS as ORDER_FIELDS
from operators.order_scan import (
    FIRST,
    ITEM,
    NOT_FIRST,
    STATUSES,
    STOCK,
    UNSAID,
    OrderColumns,
    scan_orders,
)
from schemas.dead_letters import DeadLetter, Reason
from schemas.events import FUTURE_TOLERANCE_MS, MAX_ID_BYTES, Click, Order, overlong

ACCEPTED = SCANNED
REJECTED = 2
"""Outcome of a line that went to the dead letters."""


class EventColumns(Protocol):
    """What the columns of every kind of event have, ``n`` each."""

    @property
    def event_time_ms(self) -> I64:
        """Event time."""

    @property
    def channel(self) -> I16:
        """Number of the channel's name."""

    @property
    def category(self) -> I16:
        """Number of the category's name."""

    @property
    def tier(self) -> I16:
        """City tier, below 0 where it is absent or none of its own."""

    @property
    def merchant(self) -> I32:
        """Row of the worker's interner."""

    @property
    def key(self) -> U64:
        """Hash of what tells an event from its copies, never 0."""

    @property
    def outcome(self) -> U8:
        """``ACCEPTED`` or what else became of the line."""

    def first(self, rows: int) -> Self:
        """The first ``rows`` events."""


C = TypeVar("C", bound=EventColumns)


class RejectedError(Exception):
    """An event that cannot be used, with its reason."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


@dataclass(slots=True)
class Decoded(Generic[C]):
    """One batch in columns. ``columns`` are valid until the decoder's next batch; rows whose
    ``outcome`` is not ``ACCEPTED`` hold nothing. ``lines``: n x (message, start, end, line number).
    ``aside``: texts that the full decoder read, as UTF-8, for their JSON may hold escapes.
    """

    raw: RawBatch
    lines: I64
    columns: C
    dead_letters: list[DeadLetter]
    aside: bytes = b""

    def line_value(self, row: int) -> bytes | None:
        """The bytes of the event in ``row``, untouched; the whole message where it holds nothing else."""
        message, start, end, _ = (int(v) for v in self.lines[row])
        alone = (row == 0 or self.lines[row - 1, 0] != message) and (
            row + 1 == len(self.lines) or self.lines[row + 1, 0] != message
        )
        if alone:
            return self.raw.value(message)
        return self.raw.data[start:end].tobytes()

    def dead_letter(self, row: int, reason: Reason, detail: str) -> DeadLetter:
        """The event in ``row`` as a dead letter."""
        message = int(self.lines[row, 0])
        return DeadLetter(
            topic=self.raw.topic,
            partition=self.raw.partition,
            offset=int(self.raw.offsets[message]),
            line=int(self.lines[row, 3]),
            reason=reason,
            value=self.line_value(row),
            detail=detail,
        )


def read_order(line: bytes) -> Order:
    """One order from its JSON text.

    Raises ``RejectedError``: ``malformed`` if it is no JSON, ``invalid`` if a field breaks its rule.
    """
    order = _read(_ORDERS, line)
    _refuse_overlong(order.order_id, order.merchant_id, order.member_id)
    return order


def read_click(line: bytes) -> Click:
    """One click from its JSON text. Raises ``RejectedError`` as ``read_order`` does."""
    click = _read(_CLICKS, line)
    _refuse_overlong(click.event_id, click.merchant_id, click.visitor_id)
    return click


E = TypeVar("E", Order, Click)


def _read(decoder: msgspec.json.Decoder[E], line: bytes) -> E:
    try:
        return decoder.decode(line)
    except msgspec.ValidationError as error:
        raise RejectedError("invalid", str(error)) from None
    except (msgspec.DecodeError, UnicodeError) as error:
        raise RejectedError("malformed", str(error)) from None


def _refuse_overlong(*ids: str) -> None:
    if overlong(*ids):
        raise RejectedError("invalid", f"an id is longer than {MAX_ID_BYTES} bytes")


_SAYS = {None: UNSAID, True: FIRST, False: NOT_FIRST}
_ORDERS = msgspec.json.Decoder(Order)
_CLICKS = msgspec.json.Decoder(Click)


class EventDecoder(ABC, Generic[C]):
    """Decodes raw batches of one kind of event, in order. Merchant ids become rows of ``merchants``.

    One decoder a partition; ``merchants`` and ``dimensions`` are shared by all decoders of a worker.
    """

    fields: ClassVar[U64]
    """What the scanner tells apart."""

    def __init__(self, merchants: Interner, dimensions: Dimensions | None = None) -> None:
        self._merchants = merchants
        self._dimensions = dimensions or Dimensions()
        self._lines = np.empty((1024, 4), np.int64)
        self._columns = self._empty(1024)
        self._found = FoundIds.empty(1024)
        self._keys = no_keys(self.fields)
        self._aside = bytearray()

    @abstractmethod
    def _empty(self, rows: int) -> C:
        """Room for ``rows`` events."""

    @abstractmethod
    def _scan(self, data: U8, lines: I64, columns: C) -> int:
        """Scan every line; the number of lines left to the full decoder."""

    @abstractmethod
    def _fill(self, columns: C, row: int, line: bytes) -> None:
        """Read one line with the full decoder. Raises ``RejectedError``."""

    def decode(self, raw: RawBatch) -> Decoded[C]:
        """Columns of every event in the batch, and the dead letters among them."""
        lines = self._split(raw)
        rows = len(lines)
        if rows > len(self._columns.outcome):
            self._columns = self._empty(2 * rows)
            self._found = FoundIds.empty(2 * rows)
        columns = self._columns.first(rows)
        decoded = Decoded(raw, lines, columns, [])
        left = self._scan(raw.data, lines, columns)
        # Every id may be new, and none can be longer than its line.
        self._merchants.reserve(rows, min(rows * MAX_ID_BYTES, len(raw.data)))
        intern_found(self._merchants.table, raw.data, self._found, columns.outcome, columns.merchant)
        if left:
            self._aside.clear()
            self._read_what_is_left(decoded)
            decoded.aside = bytes(self._aside)
        self._refuse_future(decoded)
        return decoded

    def _fill_cut(self, columns: C, row: int, event: Order | Click) -> None:
        """The values of the dimensions of one event."""
        columns.channel[row] = self._dimensions.channels.number(event.channel)
        columns.category[row] = self._dimensions.categories.number(event.category)
        columns.tier[row] = tier_of(event.city_tier)

    def _split(self, raw: RawBatch) -> I64:
        count = split_lines(raw.data, raw.starts, raw.lengths, self._lines)
        if count < 0:
            self._lines = np.empty((-2 * count, 4), np.int64)
            count = split_lines(raw.data, raw.starts, raw.lengths, self._lines)
        return self._lines[:count]

    def _read_what_is_left(self, decoded: Decoded[C]) -> None:
        columns = decoded.columns
        for row in np.flatnonzero(columns.outcome == LEFT).tolist():
            message, start, end, _ = decoded.lines[row]
            try:
                if decoded.raw.lengths[message] < 0:
                    raise RejectedError("malformed", "the message has no value")
                self._fill(columns, row, decoded.raw.data[start:end].tobytes())
            except RejectedError as rejected:
                columns.outcome[row] = REJECTED
                decoded.dead_letters.append(decoded.dead_letter(row, rejected.reason, rejected.detail))
                continue
            columns.outcome[row] = ACCEPTED

    def _refuse_future(self, decoded: Decoded[C]) -> None:
        """One poisoned clock must not move the watermark."""
        columns = decoded.columns
        stamped = decoded.raw.timestamps_ms[decoded.lines[:, 0]]
        ahead_ms = columns.event_time_ms - stamped
        future = (columns.outcome == ACCEPTED) & (stamped >= 0) & (ahead_ms > FUTURE_TOLERANCE_MS)
        for row in np.flatnonzero(future).tolist():
            columns.outcome[row] = REJECTED
            detail = f"event_time is {int(ahead_ms[row])} ms ahead of the record's timestamp"
            decoded.dead_letters.append(decoded.dead_letter(row, "future", detail))


class OrderDecoder(EventDecoder[OrderColumns]):
    """Decodes orders."""

    fields = ORDER_FIELDS

    def _empty(self, rows: int) -> OrderColumns:
        return OrderColumns.empty(rows)

    def _scan(self, data: U8, lines: I64, columns: OrderColumns) -> int:
        return scan_orders(data, lines, columns, self._found, self._dimensions.tables, self._keys)

    def _fill(self, columns: OrderColumns, row: int, line: bytes) -> None:
        order = read_order(line)
        status = STATUSES.index(order.status)
        columns.event_time_ms[row] = order.event_time_ms
        columns.amount_fen[row] = order.amount_fen
        columns.quantity[row] = order.quantity
        columns.status[row] = status
        columns.merchant[row] = self._merchants.add(order.merchant_id)
        columns.stock[row] = (order.item_id is not None) * ITEM + (order.stock_left is not None) * STOCK
        if order.item_id is not None:
            item = order.item_id.encode()
            columns.item_at[row] = ~len(self._aside)
            columns.item_length[row] = len(item)
            columns.stock_left[row] = -1 if order.stock_left is None else order.stock_left
            self._aside += item
        columns.person[row] = stable_hash(order.member_id, PERSON_SEED)
        columns.first_order[row] = _SAYS[order.first_order]
        columns.key[row] = stable_hash(order.order_id, status + 1) or 1
        self._fill_cut(columns, row, order)


class ClickDecoder(EventDecoder[ClickColumns]):
    """Decodes clicks."""

    fields = CLICK_FIELDS

    def _empty(self, rows: int) -> ClickColumns:
        return ClickColumns.empty(rows)

    def _scan(self, data: U8, lines: I64, columns: ClickColumns) -> int:
        return scan_clicks(data, lines, columns, self._found, self._dimensions.tables, self._keys)

    def _fill(self, columns: ClickColumns, row: int, line: bytes) -> None:
        click = read_click(line)
        columns.event_time_ms[row] = click.event_time_ms
        columns.action[row] = ACTIONS.index(click.action)
        columns.source[row] = SOURCES.index(click.source) if click.source in SOURCES else OTHER_SOURCE
        columns.merchant[row] = self._merchants.add(click.merchant_id)
        columns.person[row] = stable_hash(click.visitor_id, PERSON_SEED)
        columns.key[row] = stable_hash(click.event_id, EVENT_SEED) or 1
        self._fill_cut(columns, row, click)


def raw_batch(
    topic: str, partition: int, first_offset: int, values: list[bytes | None], stamp_ms: int
) -> RawBatch:
    """A raw batch of plain values with consecutive offsets and one timestamp, for tests and tools."""
    lengths = np.array([-1 if v is None else len(v) for v in values], np.int64)
    ends = np.cumsum(np.maximum(lengths, 0) + 1)
    data = b"".join((v or b"") + b"\n" for v in values) + bytes(READ_AHEAD_BYTES)
    return RawBatch(
        topic=topic,
        partition=partition,
        data=np.frombuffer(data, np.uint8).copy(),
        starts=ends - np.maximum(lengths, 0) - 1,
        lengths=lengths,
        offsets=np.arange(first_offset, first_offset + len(values), dtype=np.int64),
        timestamps_ms=np.full(len(values), stamp_ms, np.int64),
    )
