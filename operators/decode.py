"""Bytes become typed columns here and nowhere else.

The scanner (``operators.scan``) reads the plain shape of an order at a few hundred nanoseconds; a line
that it leaves is read by the full decoder, which says what is wrong with it. What fails goes aside with
its reason and takes nothing with it: neighbours in the same message and batch are still counted.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np

from operators.batches import I64, RawBatch
from operators.bytes_kernels import PADDING_BYTES, Interner, stable_hash
from operators.dimensions import Dimensions, tier_of
from operators.scan import LEFT, SCANNED, STATUSES, OrderColumns, scan_orders, split_lines
from schemas.dead_letters import DeadLetter, Reason
from schemas.events import FUTURE_TOLERANCE_MS, MAX_ID_BYTES, Order, overlong

ACCEPTED = SCANNED
REJECTED = 2
"""Outcome of a line that went to the dead letters."""


class RejectedError(Exception):
    """An event that cannot be used, with its reason."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


@dataclass(slots=True)
class Decoded:
    """One batch in columns. ``columns`` are valid until the decoder's next batch; rows whose
    ``outcome`` is not ``ACCEPTED`` hold nothing. ``lines``: n x (message, start, end, line number).
    """

    raw: RawBatch
    lines: I64
    columns: OrderColumns
    dead_letters: list[DeadLetter]

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
    try:
        order = _DECODER.decode(line)
    except msgspec.ValidationError as error:
        raise RejectedError("invalid", str(error)) from None
    except (msgspec.DecodeError, UnicodeError) as error:
        raise RejectedError("malformed", str(error)) from None
    if overlong(order.order_id, order.merchant_id, order.member_id):
        raise RejectedError("invalid", f"an id is longer than {MAX_ID_BYTES} bytes")
    return order


_DECODER = msgspec.json.Decoder(Order)


class OrderDecoder:
    """Decodes raw batches of orders, in order. Merchant ids become rows of ``merchants``.

    One decoder a partition; ``merchants`` and ``dimensions`` are shared by all decoders of a worker.
    """

    def __init__(self, merchants: Interner, dimensions: Dimensions | None = None) -> None:
        self._merchants = merchants
        self._dimensions = dimensions or Dimensions()
        self._lines = np.empty((1024, 4), np.int64)
        self._columns = OrderColumns.empty(1024)

    def decode(self, raw: RawBatch) -> Decoded:
        """Columns of every event in the batch, and the dead letters among them."""
        lines = self._split(raw)
        rows = len(lines)
        if rows > len(self._columns.outcome):
            self._columns = OrderColumns.empty(2 * rows)
        columns = self._columns.first(rows)
        # Every id may be new, and none can be longer than its line.
        self._merchants.reserve(rows, min(rows * MAX_ID_BYTES, len(raw.data)))
        decoded = Decoded(raw, lines, columns, [])
        if scan_orders(raw.data, lines, columns, self._merchants.table, self._dimensions.tables):
            self._read_what_is_left(decoded)
        self._refuse_future(decoded)
        return decoded

    def _split(self, raw: RawBatch) -> I64:
        count = split_lines(raw.data, raw.starts, raw.lengths, self._lines)
        if count < 0:
            self._lines = np.empty((-2 * count, 4), np.int64)
            count = split_lines(raw.data, raw.starts, raw.lengths, self._lines)
        return self._lines[:count]

    def _read_what_is_left(self, decoded: Decoded) -> None:
        columns = decoded.columns
        for row in np.flatnonzero(columns.outcome == LEFT).tolist():
            message, start, end, _ = decoded.lines[row]
            try:
                if decoded.raw.lengths[message] < 0:
                    raise RejectedError("malformed", "the message has no value")
                order = read_order(decoded.raw.data[start:end].tobytes())
            except RejectedError as rejected:
                columns.outcome[row] = REJECTED
                decoded.dead_letters.append(decoded.dead_letter(row, rejected.reason, rejected.detail))
                continue
            self._fill(columns, row, order)

    def _fill(self, columns: OrderColumns, row: int, order: Order) -> None:
        status = STATUSES.index(order.status)
        columns.event_time_ms[row] = order.event_time_ms
        columns.amount_fen[row] = order.amount_fen
        columns.quantity[row] = order.quantity
        columns.status[row] = status
        columns.channel[row] = self._dimensions.channels.number(order.channel)
        columns.category[row] = self._dimensions.categories.number(order.category)
        columns.tier[row] = tier_of(order.city_tier)
        columns.merchant[row] = self._merchants.add(order.merchant_id)
        columns.order_key[row] = stable_hash(order.order_id, status + 1) or 1
        columns.outcome[row] = ACCEPTED

    def _refuse_future(self, decoded: Decoded) -> None:
        """One poisoned clock must not move the watermark."""
        columns = decoded.columns
        stamped = decoded.raw.timestamps_ms[decoded.lines[:, 0]]
        ahead_ms = columns.event_time_ms - stamped
        future = (columns.outcome == ACCEPTED) & (stamped >= 0) & (ahead_ms > FUTURE_TOLERANCE_MS)
        for row in np.flatnonzero(future).tolist():
            columns.outcome[row] = REJECTED
            detail = f"event_time is {int(ahead_ms[row])} ms ahead of the record's timestamp"
            decoded.dead_letters.append(decoded.dead_letter(row, "future", detail))


def raw_batch(
    topic: str, partition: int, first_offset: int, values: list[bytes | None], stamp_ms: int
) -> RawBatch:
    """A raw batch of plain values with consecutive offsets and one timestamp, for tests and tools."""
    lengths = np.array([-1 if v is None else len(v) for v in values], np.int64)
    ends = np.cumsum(np.maximum(lengths, 0) + 1)
    data = b"".join((v or b"") + b"\n" for v in values) + bytes(PADDING_BYTES)
    return RawBatch(
        topic=topic,
        partition=partition,
        data=np.frombuffer(data, np.uint8).copy(),
        starts=ends - np.maximum(lengths, 0) - 1,
        lengths=lengths,
        offsets=np.arange(first_offset, first_offset + len(values), dtype=np.int64),
        timestamps_ms=np.full(len(values), stamp_ms, np.int64),
    )
