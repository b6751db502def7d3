"""Fetching through the client's Python objects: a consumer for each partition. Slow, and works anywhere."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Consumer, KafkaException, TopicPartition

from operators.batches import READ_AHEAD_BYTES, RawBatch
from operators.kafka_connection import LEADERS_SECONDS, BrokerHealth, ClientLog, KafkaConnection
from operators.kafka_fetch import QUERY_SECONDS, UNKNOWN_OFFSET, Fetched, note_event


class PlainClient:
    """Fetchers of one topic's partitions that share what is said about the broker's health."""

    def __init__(
        self, connection: KafkaConnection, topic: str, partitions: int, *, with_keys: bool = False
    ) -> None:
        self._connection = connection
        self._topic = topic
        self._with_keys = with_keys
        self._settings = connection.consumer_settings(partitions)
        self._health = BrokerHealth(connection.brokers, f"reading {topic}")

    def partition(self, number: int) -> PlainFetcher:
        """A fetcher of one partition, not started yet."""
        consumer = Consumer(
            {
                **self._settings,
                "error_cb": lambda error: self._health.failed(error.code(), error.str()),
                "stats_cb": self._health.heard_statistics,
            },
            logger=ClientLog(),
        )
        with contextlib.suppress(KafkaException):
            consumer.list_topics(self._topic, LEADERS_SECONDS)
        return PlainFetcher(
            consumer, self._connection.brokers, self._topic, number, self._health, with_keys=self._with_keys
        )

    def close(self) -> None:
        """Nothing is shared but words."""


class PlainFetcher:
    """One partition, read by a consumer of its own."""

    def __init__(
        self,
        consumer: Consumer,
        brokers: str,
        topic: str,
        number: int,
        health: BrokerHealth,
        *,
        with_keys: bool = False,
    ) -> None:
        self._with_keys = with_keys
        self._consumer = consumer
        self._brokers = brokers
        self._topic = topic
        self._number = number
        self._health = health

    def start(self, offset: int) -> None:
        """Read from ``offset`` on."""
        self._consumer.assign([TopicPartition(self._topic, self._number, offset)])

    def fetch(self, most: int) -> Fetched:
        """Up to ``most`` messages that have arrived."""
        fetched = Fetched()
        messages = []
        for message in self._consumer.consume(most, 0):
            error = message.error()
            if error is None:
                messages.append(message)
                fetched.ended_at = None
            else:
                where = f"topic {self._topic}, partition {self._number}"
                note_event(fetched, self._brokers, where, error.code(), error.str(), message.offset() or 0)
        if messages:
            fetched.batch = _joined(self._topic, self._number, messages)
            if self._with_keys:
                fetched.batch.keys = [message.key() for message in messages]
        return fetched

    def high_watermark(self) -> int:
        """Next offset of the partition's end, as the latest fetch told it."""
        known = self._consumer.get_watermark_offsets(TopicPartition(self._topic, self._number), cached=True)
        return int(known[1]) if known and known[1] >= 0 else UNKNOWN_OFFSET

    def available(self) -> tuple[int, int]:
        """First offset and next offset as the broker tells them now."""
        try:
            first, behind = self._consumer.get_watermark_offsets(
                TopicPartition(self._topic, self._number), timeout=QUERY_SECONDS
            )
        except (KafkaException, TypeError):  # TypeError: None after a timeout
            return UNKNOWN_OFFSET, UNKNOWN_OFFSET
        return int(first), int(behind)

    def close(self) -> None:
        """Stop reading."""
        self._consumer.close()


def _joined(topic: str, number: int, messages: list[Any]) -> RawBatch:
    values = [message.value() for message in messages]
    lengths = np.fromiter((-1 if v is None else len(v) for v in values), np.int64, len(values))
    starts = np.zeros(len(values), np.int64)
    np.cumsum(np.maximum(lengths[:-1], 0) + 1, out=starts[1:])
    text = bytearray(b"\n").join([b"" if v is None else v for v in values])
    text += b"\n" + bytes(READ_AHEAD_BYTES)
    data = np.frombuffer(text, np.uint8)[:-READ_AHEAD_BYTES]
    stamps = [message.timestamp() for message in messages]
    return RawBatch(
        topic=topic,
        partition=number,
        data=data,
        starts=starts,
        lengths=lengths,
        offsets=np.fromiter((message.offset() for message in messages), np.int64, len(values)),
        timestamps_ms=np.fromiter(
            (-1 if k == TIMESTAMP_NOT_AVAILABLE else t for k, t in stamps), np.int64, len(values)
        ),
    )
