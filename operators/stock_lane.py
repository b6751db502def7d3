"""A stock record's way: from the topic ``stock`` to its merchant's shard. Few come: each is an object."""

from __future__ import annotations

import msgspec

from operators.batches import NO_EVENT_MS, LaneOutput, RawBatch, Standing
from operators.stock_notes import StockNote, to_shards
from schemas.dead_letters import DeadLetter, Reason
from schemas.events import FUTURE_TOLERANCE_MS, MAX_ID_BYTES, overlong
from schemas.stock import Stock

_DECODER = msgspec.json.Decoder(Stock)


class StockLane:
    """The lane of one partition of ``stock``. See ``operators.batches.Lane``. It moves no event time."""

    newest_ms = NO_EVENT_MS

    def __init__(self, topic: str, partition: int) -> None:
        self._topic = topic
        self._partition = partition

    def take(self, raw: RawBatch) -> LaneOutput:
        """Hand every record of a batch to its shard, in the order of the topic."""
        output = LaneOutput(messages=len(raw))
        notes = []
        for i in range(len(raw)):
            lines = (raw.value(i) or b"").split(b"\n")
            events = [(n, line) for n, line in enumerate(lines) if line.strip()] or [(0, raw.value(i) or b"")]
            for n, line in events:
                note, reason, detail = self._read(line, int(raw.timestamps_ms[i]))
                if note is not None:
                    notes.append(note)
                    continue
                value = line if len(events) > 1 else raw.value(i)
                at = int(raw.offsets[i])
                output.dead_letters.append(
                    DeadLetter(self._topic, self._partition, at, n, reason, value, detail)
                )
        output.accepted = len(notes)
        output.to_shards = to_shards(notes)
        return output

    def _read(self, line: bytes, stamp_ms: int) -> tuple[StockNote | None, Reason, str]:
        try:
            stock = _DECODER.decode(line)
        except msgspec.ValidationError as error:
            return None, "invalid", str(error)
        except (msgspec.DecodeError, UnicodeError) as error:
            return None, "malformed", str(error)
        if overlong(stock.merchant_id, stock.item_id):
            return None, "invalid", f"an id is longer than {MAX_ID_BYTES} bytes"
        ahead_ms = stock.event_time_ms - stamp_ms
        if stamp_ms >= 0 and ahead_ms > FUTURE_TOLERANCE_MS:
            return None, "future", f"event_time is {ahead_ms} ms ahead of the record's timestamp"
        note = StockNote(stock.merchant_id, stock.item_id, stock.event_time_ms, 0, stock.stock_left)
        return note, "invalid", ""

    def pulse(self, standing: Standing) -> LaneOutput:
        """Nobody waits for this topic."""
        del standing
        return LaneOutput()

    def snapshot(self) -> None:
        """Nothing: the source keeps the offset."""

    def close(self) -> None:
        """Nothing to give back."""
