"""One partition on a fetcher that brings what a test lays out. Time is moved by hand."""

from __future__ import annotations

import numpy as np

from operators.batches import NO_EVENT_MS, LaneOutput, Progress, RawBatch, Standing
from operators.kafka_fetch import BEGINNING, UNKNOWN_OFFSET, Fetched
from operators.kafka_pace import Pacer
from operators.kafka_partition import KafkaPartition, ReadOptions
from operators.process_clock import ProcessClock
from tests.operators.kafka_rig import RecordingLane


def raw(first_offset: int, *values: bytes) -> RawBatch:
    """Messages with consecutive offsets."""
    lengths = np.array([len(v) for v in values], np.int64)
    starts = np.cumsum(lengths + 1) - lengths - 1
    data = np.frombuffer(bytearray(b"".join(v + b"\n" for v in values)), np.uint8)
    offsets = np.arange(first_offset, first_offset + len(values), dtype=np.int64)
    return RawBatch("orders", 0, data, starts, lengths, offsets, np.full(len(values), -1, np.int64))


class ScriptedFetcher:
    """Brings what the test lays out, one a call, then nothing."""

    def __init__(self) -> None:
        self.script: list[Fetched] = []
        self.starts: list[int] = []
        self.asked: list[int] = []
        self.end = UNKNOWN_OFFSET
        self.first = 0
        self.closed = False

    def brings(self, *fetched: Fetched) -> None:
        self.script += fetched

    def start(self, offset: int) -> None:
        self.starts.append(offset)

    def fetch(self, most: int) -> Fetched:
        self.asked.append(most)
        return self.script.pop(0) if self.script else Fetched()

    def high_watermark(self) -> int:
        return self.end

    def available(self) -> tuple[int, int]:
        return self.first, self.end

    def close(self) -> None:
        self.closed = True


class Rig:
    """One partition with everything around it."""

    def __init__(self, options: ReadOptions | None = None, offset: int = BEGINNING) -> None:
        self.seconds = 100.0
        self.fetcher = ScriptedFetcher()
        self.lane = RecordingLane(event_ms=lambda value: int(value) if value else NO_EVENT_MS)
        self.clock = ProcessClock()
        self.stats: list[tuple[str, int, int, int]] = []
        self.held = False
        self.partition = KafkaPartition(
            "orders",
            0,
            self.fetcher,
            self.lane,
            self.clock,
            options or ReadOptions(),
            offset=offset,
            on_stats=lambda *told: self.stats.append(told),
            now=lambda: self.seconds,
            pacer=Pacer(sleep=lambda seconds: None),
            hold=lambda: self.held,
        )

    def after(self, seconds: float) -> list[LaneOutput]:
        """What the partition returns when asked so much later."""
        self.seconds += seconds
        return self.partition.next_batch()

    def note_other(self, newest_ms: int, standing: Standing = Standing.LIVE) -> None:
        """Another partition's progress becomes known."""
        self.clock.note(Progress("orders", 1, 1, newest_ms, standing))
