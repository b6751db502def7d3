"""A baseline's way: from a record of the compacted topic to the shard of its merchant."""

from __future__ import annotations

import msgspec

from operators.batches import NO_EVENT_MS, LaneOutput, Progress, RawBatch, Standing
from operators.delta import ShardBaselines
from operators.multiples import known_zone
from operators.shards import SHARD_KEYS
from operators.tally import shard_of_merchant
from schemas.baselines import Baseline, problem
from schemas.dead_letters import DeadLetter, Reason
from schemas.events import overlong

_DECODER = msgspec.json.Decoder(Baseline)


class BaselineLane:
    """The lane of one partition of ``baselines``. See ``operators.batches.Lane``.

    The key names the merchant; a record without a value removes its baseline.
    """

    newest_ms = NO_EVENT_MS

    def __init__(self, topic: str, partition: int, next_offset: int = 0) -> None:
        self._topic = topic
        self._partition = partition
        self._next_offset = next_offset

    def take(self, raw: RawBatch) -> LaneOutput:
        """Hand every baseline of a batch to its shard, in the order of the topic."""
        output = LaneOutput(messages=len(raw))
        changes: dict[int, list[tuple[str, Baseline | None]]] = {}
        for i in range(len(raw)):
            try:
                merchant_id, baseline = self._read(raw, i)
            except _UnusableError as unusable:
                output.dead_letters.append(self._dead_letter(raw, i, unusable))
                continue
            changes.setdefault(shard_of_merchant(merchant_id), []).append((merchant_id, baseline))
            output.accepted += 1
        self._next_offset = int(raw.offsets[-1]) + 1
        progress = self._progress(Standing.LIVE)
        output.to_shards = [(SHARD_KEYS[s], ShardBaselines(s, progress, c)) for s, c in changes.items()]
        return output

    def _read(self, raw: RawBatch, index: int) -> tuple[str, Baseline | None]:
        value = raw.value(index)
        key = raw.keys[index] if raw.keys is not None else None
        if value is None:
            try:
                if not key:
                    raise _UnusableError(
                        "invalid", "a record without a value needs the merchant id as its key"
                    )
                merchant_id = key.decode()
            except UnicodeDecodeError:
                raise _UnusableError("invalid", "the key is no UTF-8 text") from None
            if overlong(merchant_id):
                raise _UnusableError("invalid", "the key is too long for a merchant_id")
            return merchant_id, None
        try:
            baseline = _DECODER.decode(value)
        except msgspec.ValidationError as error:
            raise _UnusableError("invalid", str(error)) from None
        except (msgspec.DecodeError, UnicodeError) as error:
            raise _UnusableError("malformed", str(error)) from None
        wrong = problem(baseline)
        if wrong is None and overlong(baseline.merchant_id):
            wrong = "merchant_id is too long"
        if wrong is None and not known_zone(baseline.timezone):
            wrong = f"there is no time zone {baseline.timezone!r}"
        if wrong is not None:
            raise _UnusableError("invalid", wrong)
        return baseline.merchant_id, baseline

    def _dead_letter(self, raw: RawBatch, index: int, unusable: _UnusableError) -> DeadLetter:
        return DeadLetter(
            topic=self._topic,
            partition=self._partition,
            offset=int(raw.offsets[index]),
            line=0,
            reason=unusable.reason,
            value=raw.value(index),
            detail=str(unusable),
        )

    def _progress(self, standing: Standing) -> Progress:
        return Progress(self._topic, self._partition, self._next_offset, NO_EVENT_MS, standing)

    def pulse(self, standing: Standing) -> LaneOutput:
        """Baselines do not move event time; their progress only tells that they are through."""
        progress = self._progress(standing)
        return LaneOutput([(key, ShardBaselines(s, progress, [])) for s, key in enumerate(SHARD_KEYS)])

    def snapshot(self) -> int:
        """Next offset."""
        return self._next_offset

    def close(self) -> None:
        """Nothing to give back."""


class _UnusableError(Exception):
    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
