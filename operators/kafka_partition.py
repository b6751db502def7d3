"""One partition of the Kafka source: how it is read, when it waits, and how it stands."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from bytewax.inputs import StatefulSourcePartition

from operators.batches import NO_EVENT_MS, Lane, LaneOutput, Standing
from operators.idle_turns import ALWAYS_DUE
from operators.kafka_errors import OffsetsLostError
from operators.kafka_fetch import BEGINNING, UNKNOWN_OFFSET, Fetched, PartitionFetcher
from operators.kafka_offsets import OffsetReporter
from operators.kafka_pace import BATCH_BYTES, Pacer, batch_limit
from operators.process_clock import ProcessClock
from operators.stage_times import CONSUME, SNAPSHOT

log = logging.getLogger(__name__)

PULSE_SECONDS = 0.1
STATS_SECONDS = 0.5
FRESH_END_SECONDS = 1.0
"""An end that was told this long ago at most proves that nothing waits in Kafka."""
BEYOND_END_SECONDS = 3.0
"""A broker whose end lies before the position for this long has lost messages, not only lagged behind."""

StatsListener = Callable[[str, int, int, int], None]
"""Topic, partition, messages behind the end of the partition, next offset."""


@dataclass(frozen=True, slots=True)
class PartitionState:
    """Where a partition goes on: what Bytewax stores for it. ``offset``: the next message's."""

    offset: int
    lane: Any


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How partitions are read. Seconds are wall-clock, milliseconds event time."""

    bounded: bool = False
    """Stop when every partition has been read to its end."""
    idle_seconds: float = 30.0
    align_ahead_ms: int = 5 * 60 * 1000
    batch_messages: int = 200_000
    epoch_credit_bytes: int = 256 * 1024 * 1024
    on_lost_offsets: Literal["error", "earliest"] = "error"
    """``earliest``: where the stored offset is gone, go on from the first one there is, with a log line."""
    native: bool = True
    """Fetch through librdkafka itself where possible; False: through the client's Python objects."""


class KafkaPartition(StatefulSourcePartition[LaneOutput, PartitionState]):
    """One partition: fetches, hands the messages to its lane, and tells how the partition stands."""

    def __init__(
        self,
        topic: str,
        number: int,
        fetcher: PartitionFetcher,
        lane: Lane,
        clock: ProcessClock,
        options: ReadOptions,
        *,
        offset: int = BEGINNING,
        reporter: OffsetReporter | None = None,
        on_stats: StatsListener | None = None,
        on_close: Callable[[], None] = lambda: None,
        hold: Callable[[], bool] = lambda: False,
        now: Callable[[], float] = time.monotonic,
        pacer: Pacer | None = None,
    ) -> None:
        self._topic = topic
        self._number = number
        self._fetcher = fetcher
        self._lane = lane
        self._clock = clock
        self._options = options
        self._next_offset = offset
        self._reporter = reporter
        self._on_stats = on_stats
        self._on_close = on_close
        self._hold = hold
        self._now = now
        self._pacer = pacer or Pacer.of_process()
        self._at_end = False
        self._end_heard_at = 0.0
        self._idle = False
        self._seeks_last_end = False
        self._ended = False
        self._heard_at = now()
        self._pulse_due = now()
        self._stats_due = now()
        self._beyond_end_since: float | None = None
        self._epoch_bytes = 0
        self._mean_bytes = 0.0
        fetcher.start(offset)

    def next_batch(self) -> list[LaneOutput]:
        """What has arrived, as one item, or the partition's standing about ten times a second, or nothing.

        Raises ``StopIteration`` when told to stop, or behind the item that says ``ENDED``;
        ``KafkaReadError`` when the partition cannot be read on.
        """
        if self._clock.stopping or self._ended:
            raise StopIteration
        now = self._now()
        if self._pacer.resting(self, now):
            return []
        if self._must_wait():
            self._pacer.rest(self, now)
            self._tell_stats(now)
            return self._pulse(Standing.LIVE, now)
        self._look_for_last_end()
        first = self._mean_bytes <= 0  # it is small, so that it may well be full
        most = batch_limit(self._options.batch_messages, self._mean_bytes, self._credit_left())
        self._clock.note_reading(now)
        started = self._clock.stages.start()
        fetched = self._fetcher.fetch(most)
        self._clock.stages.lap(CONSUME, started)
        outputs = self._take(fetched, now)
        little = fetched.batch is None or 2 * len(fetched.batch) < most
        if little:
            self._pacer.rest(self, now)
        # Also by the lag: little is at hand of a backlog while its broker is slower than its readers.
        if fetched.batch is not None and (not (little or first) or self._lag() > self._whole_batch()):
            self._clock.note_backlog(now)
        self._tell_stats(now)
        return outputs or self._pulse(self._standing(now), now)

    def next_awake(self) -> datetime:
        """Always at once: the pauses are made here, by the monotonic clock.

        Bytewax measures them by the machine's time of day, so a step back of an hour would stop
        the source for an hour.
        """
        return ALWAYS_DUE

    def snapshot(self) -> PartitionState:
        """The next message's offset and the lane's state, at the end of an epoch. Gives new credit."""
        self._epoch_bytes = 0
        if self._reporter is not None and self._next_offset >= 0:
            self._reporter.report(self._topic, self._number, self._next_offset)
        started = self._clock.stages.start()
        state = PartitionState(self._next_offset, self._lane.snapshot())
        self._clock.stages.lap(SNAPSHOT, started)
        return state

    def close(self) -> None:
        """Stop reading and close the lane."""
        self._pacer.leave(self)
        self._fetcher.close()
        self._lane.close()
        self._on_close()

    def _take(self, fetched: Fetched, now: float) -> list[LaneOutput]:
        outputs = []
        if fetched.batch is not None:
            batch = fetched.batch
            outputs.append(self._lane.take(batch))
            self._next_offset = int(batch.offsets[-1]) + 1
            self._epoch_bytes += batch.data.nbytes
            self._mean_bytes = batch.data.nbytes / len(batch)
            self._at_end = self._idle = False
            self._heard_at = now
            self._pulse_due = now + PULSE_SECONDS
        if fetched.ended_at is not None:
            self._at_end = True
            self._end_heard_at = now
            # Behind the last message there may be control records, which only the end tells of.
            self._next_offset = max(self._next_offset, fetched.ended_at)
        if fetched.lost or self._is_beyond_end(now):
            self._recover_lost()
        return outputs

    def _standing(self, now: float) -> Standing:
        if not self._at_end:
            return Standing.LIVE
        if self._options.bounded or self._seeks_last_end:
            return Standing.ENDED
        if not self._idle and now - self._heard_at >= self._options.idle_seconds:
            self._idle = now - self._end_heard_at <= FRESH_END_SECONDS
            if not self._idle:
                # It was at its end some time ago. Is it still, or were we stopped, or Kafka away?
                self._ask_for_end()
        return Standing.IDLE if self._idle else Standing.LIVE

    def _ask_for_end(self) -> None:
        """Have the end of the partition told afresh."""
        self._at_end = False
        self._fetcher.start(self._next_offset)

    def _pulse(self, standing: Standing, now: float) -> list[LaneOutput]:
        self._ended = standing is Standing.ENDED
        if now < self._pulse_due and not self._ended:
            return []
        self._pulse_due = now + PULSE_SECONDS
        return [self._lane.pulse(standing)]

    def _must_wait(self) -> bool:
        slowest_ms = self._clock.slowest_ms
        ahead = slowest_ms != NO_EVENT_MS and self._lane.newest_ms > slowest_ms + self._options.align_ahead_ms
        return ahead or self._credit_left() <= 0 or self._hold()

    def _whole_batch(self) -> int:
        """Messages of a batch, whatever credit is left."""
        return batch_limit(self._options.batch_messages, self._mean_bytes, BATCH_BYTES)

    def _credit_left(self) -> int:
        return self._options.epoch_credit_bytes - self._epoch_bytes

    def _look_for_last_end(self) -> None:
        """When the run is to finish: ask for the end afresh, as the known one may be an old one."""
        if self._clock.finishing and not self._seeks_last_end:
            self._seeks_last_end = True
            self._ask_for_end()

    def _is_beyond_end(self, now: float) -> bool:
        """Whether the partition ends before the position: brokers may keep silent about that."""
        end = self._fetcher.high_watermark()
        if end == UNKNOWN_OFFSET or self._next_offset <= end:
            self._beyond_end_since = None
            return False
        if self._beyond_end_since is None:
            self._beyond_end_since = now
        return now - self._beyond_end_since >= BEYOND_END_SECONDS

    def _recover_lost(self) -> None:
        first, behind = self._fetcher.available()
        lost = self._next_offset
        if lost != BEGINNING:
            behind = max(behind, self._fetcher.high_watermark())  # what the query says may be too low
            error = OffsetsLostError(self._topic, self._number, lost, first, behind)
            if self._options.on_lost_offsets != "earliest":
                raise error
            log.warning("%s Going on from the earliest one, as on_lost_offsets says.", error)
        self._beyond_end_since = None
        self._at_end = False
        self._next_offset = BEGINNING
        self._fetcher.start(BEGINNING)

    def _tell_stats(self, now: float) -> None:
        if self._on_stats is None or now < self._stats_due or self._next_offset < 0:
            return
        self._stats_due = now + STATS_SECONDS
        self._on_stats(self._topic, self._number, self._lag(), self._next_offset)

    def _lag(self) -> int:
        """Messages behind the next offset, as far as the broker has told."""
        end = self._fetcher.high_watermark()
        return 0 if self._at_end or end == UNKNOWN_OFFSET else max(0, end - self._next_offset)
