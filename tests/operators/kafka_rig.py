"""What the Kafka tests share: topics with known messages, and a lane that writes down what it was given."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import KafkaError, Message, Producer

from operators.batches import NO_EVENT_MS, LaneOutput, RawBatch, Standing
from operators.kafka_fetch import PartitionFetcher
from warroom.services import Topic, create_topics

START_MS = 1_576_080_000_000
"""2019-12-12 00:00 in Shanghai."""
PATIENCE_SECONDS = 20.0


def make_topic(brokers: str, name: str = "orders", partitions: int = 1) -> None:
    """A topic without messages."""
    create_topics(brokers, (Topic(name, partitions),))


def send(brokers: str, values: Sequence[bytes | None], *, topic: str = "orders", partition: int = 0) -> None:
    """Messages to one partition, their timestamps one millisecond apart from ``START_MS`` on."""
    failures: list[KafkaError] = []

    def told(error: KafkaError | None, message: Message) -> None:
        if error is not None:
            failures.append(error)

    producer = Producer({"bootstrap.servers": brokers, "linger.ms": 5, "message.max.bytes": 4_000_000})
    for number, value in enumerate(values):
        producer.produce(
            topic, value=value, partition=partition, timestamp=START_MS + number, on_delivery=told
        )
        if number % 10_000 == 0:
            producer.poll(0)
    assert producer.flush(PATIENCE_SECONDS) == 0
    assert failures == []


@dataclass
class Heard:
    """Everything a fetcher brought: copies, as a batch is valid only until the next one."""

    values: list[bytes | None] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    timestamps_ms: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    lost: int = 0

    def add(self, raw: RawBatch) -> None:
        """Copy a batch."""
        self.values += [raw.value(i) for i in range(len(raw))]
        self.offsets += raw.offsets.tolist()
        self.timestamps_ms += raw.timestamps_ms.tolist()


def hear(
    fetcher: PartitionFetcher,
    until: Callable[[Heard], bool],
    *,
    most: int = 1000,
    patience: float = PATIENCE_SECONDS,
) -> Heard:
    """Fetch until ``until`` is true of what was heard. Fails after ``patience`` seconds."""
    heard = Heard()
    deadline = time.monotonic() + patience
    while not until(heard):
        assert time.monotonic() < deadline, f"not heard within {patience} s; heard {heard}"
        fetched = fetcher.fetch(most)
        if fetched.batch is not None:
            heard.add(fetched.batch)
        if fetched.ended_at is not None:
            heard.ends.append(fetched.ended_at)
        heard.lost += fetched.lost
        if fetched.batch is None:
            time.sleep(0.002)
    return heard


def at_end(heard: Heard) -> bool:
    """The end of the partition has been reached."""
    return bool(heard.ends)


@dataclass
class RecordingLane:
    """A lane that passes values on as inputs of one shard, named after the partition.

    ``event_ms``: what a value's event time is, NO_EVENT_MS without one.
    """

    topic: str = "orders"
    partition: int = 0
    seen: int = 0
    event_ms: Callable[[bytes | None], int] = lambda value: NO_EVENT_MS
    newest_ms: int = NO_EVENT_MS
    batches: list[int] = field(default_factory=list)
    standings: list[Standing] = field(default_factory=list)
    closed: bool = False

    def take(self, raw: RawBatch) -> LaneOutput:
        """Pass values on."""
        self.batches.append(len(raw))
        self.seen += len(raw)
        values = [raw.value(i) for i in range(len(raw))]
        self.newest_ms = max([self.newest_ms, *map(self.event_ms, values)])
        return LaneOutput(
            to_shards=[(f"{self.topic}/{self.partition}", v) for v in values], messages=len(raw)
        )

    def pulse(self, standing: Standing) -> LaneOutput:
        """Pass the standing on."""
        self.standings.append(standing)
        return LaneOutput(to_shards=[(f"{self.topic}/{self.partition}", standing)])

    def snapshot(self) -> int:
        """How many messages this lane and those before it have seen."""
        return self.seen

    def close(self) -> None:
        """Note it."""
        self.closed = True


def values_of(outputs: Sequence[LaneOutput]) -> list[Any]:
    """Values that lanes passed on, without standings."""
    return [v for out in outputs for _, v in out.to_shards if not isinstance(v, Standing)]


def standings_of(outputs: Sequence[LaneOutput]) -> list[Standing]:
    """Standings that lanes passed on."""
    return [v for out in outputs for _, v in out.to_shards if isinstance(v, Standing)]
