"""An event's way inside the worker that reads it: bytes, columns, first copies, sums for every shard.

Orders and clicks go the same way; their decoders and tallies differ.
"""

from __future__ import annotations

from typing import Generic

from operators.batches import NO_EVENT_MS, LaneOutput, Progress, RawBatch, Standing
from operators.decode import C, EventDecoder
from operators.dedup import Dedup
from operators.dedup_store import DedupState, DedupStore
from operators.delta import ShardDelta
from operators.process_clock import ProcessClock
from operators.rollup_delta import RollupDelta
from operators.shards import ROLLUPS_KEY, SHARD_KEYS
from operators.stage_times import DECODE, DEDUP, TALLY
from operators.tally import Tally
from schemas.windows import HOUR_MS, SLIDING

LONGEST = SLIDING[-1]


class EventLane(Generic[C]):
    """The lane of one partition of ``orders`` or ``clicks``. See ``operators.batches.Lane``."""

    def __init__(
        self,
        topic: str,
        partition: int,
        decoder: EventDecoder[C],
        dedup: Dedup,
        tally: Tally[C],
        store: DedupStore | None,
        clock: ProcessClock,
        lateness_ms: int,
        sale_opens_ms: int | None,
    ) -> None:
        self._topic = topic
        self._partition = partition
        self._decoder = decoder
        self._dedup = dedup
        self._tally = tally
        self._store = store
        self._clock = clock
        self._lateness_ms = lateness_ms
        self._sale_opens_ms = sale_opens_ms
        self._next_offset = 0
        self._was_idle = False

    @property
    def newest_ms(self) -> int:
        """Greatest event time so far, or ``NO_EVENT_MS``."""
        return self._dedup.newest_ms

    def take(self, raw: RawBatch) -> LaneOutput:
        """Count a batch: one delta for every shard, and what could not be used."""
        stages = self._clock.stages
        started = stages.start()
        decoded = self._decoder.decode(raw)
        started = stages.lap(DECODE, started)
        columns = decoded.columns
        duplicates = self._dedup.mark(columns.key, columns.event_time_ms, columns.outcome)
        started = stages.lap(DEDUP, started)
        self._next_offset = int(raw.offsets[-1]) + 1
        deltas, rollups = self._tally.deltas(
            decoded, self._suspect_before_ms(), self._progress(Standing.LIVE)
        )
        stock = self._tally.stock(decoded)
        stages.lap(TALLY, started)
        return LaneOutput(
            to_shards=[*zip(SHARD_KEYS, deltas, strict=True), *stock],
            to_rollups=[(ROLLUPS_KEY, rollups)],
            dead_letters=decoded.dead_letters,
            messages=len(raw),
            accepted=len(columns.outcome) - duplicates - len(decoded.dead_letters),
            duplicates=duplicates,
        )

    def pulse(self, standing: Standing) -> LaneOutput:
        """Tell every shard how this partition stands."""
        self._was_idle |= standing is not Standing.LIVE
        progress = self._progress(standing)
        return LaneOutput(
            to_shards=[(key, ShardDelta.empty(s, progress)) for s, key in enumerate(SHARD_KEYS)],
            to_rollups=[(ROLLUPS_KEY, RollupDelta.empty(progress, progress.newest_ms))],
        )

    def _progress(self, standing: Standing) -> Progress:
        return Progress(self._topic, self._partition, self._next_offset, self.newest_ms, standing)

    def _suspect_before_ms(self) -> int:
        """Events older than this may be late, so they travel with their bytes; the shard decides.

        The watermark cannot be beyond this partition's own newest event less the lateness, unless the
        partition was idle and did not hold it back: then the newest of all partitions bounds it, with an
        hour to spare for what this process has not heard yet.
        """
        newest_ms = self.newest_ms
        if self._was_idle:
            if newest_ms >= self._clock.newest_ms:
                self._was_idle = False
            else:
                newest_ms = self._clock.newest_ms + HOUR_MS
        if newest_ms == NO_EVENT_MS:
            return 0
        bucket = (newest_ms - self._lateness_ms) // LONGEST.bucket_ms - LONGEST.buckets + 1
        kept_ms = bucket * LONGEST.bucket_ms
        return kept_ms if self._sale_opens_ms is None else min(kept_ms, self._sale_opens_ms)

    def snapshot(self) -> tuple[int, DedupState | None]:
        """Next offset and where the remembered orders are."""
        return self._next_offset, self._store.save(self._dedup) if self._store else None

    def resume(self, state: tuple[int, DedupState | None]) -> None:
        """Take back a snapshot, before anything is read."""
        self._next_offset, remembered = state
        if self._store and remembered is not None:
            self._store.load(remembered, self._dedup)

    def close(self) -> None:
        """Give back files."""
        if self._store:
            self._store.close()
