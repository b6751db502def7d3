"""Where dead letters go: their own Kafka topic, original bytes and headers.

Guarantee: at least once. The sink's snapshot waits a moment for Kafka; letters that it has not
acknowledged by then (the broker is away) are part of the snapshot, and a resumed run sends them again.
A reader tells a repeat by topic, partition, offset and line.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition
from confluent_kafka import KafkaError, KafkaException, Producer

from operators.kafka_connection import REFUSALS, BrokerHealth, ClientLog, KafkaConnection
from operators.kafka_errors import AccessRefusedError
from schemas.dead_letters import DeadLetter

log = logging.getLogger(__name__)

PARTS: Final = 8
"""Partitions of the sink, fixed for ever: the names are in the recovery store."""
SNAPSHOT_SECONDS: Final = 1.0
CLOSE_SECONDS: Final = 3.0
IMPATIENT_SECONDS: Final = 1.0
"""All partitions of a sink are asked one after the other: only the first waits for an absent broker."""
FULL_QUEUE_SECONDS: Final = 0.1
QUEUED_MESSAGES: Final = 100_000
QUEUED_KBYTES: Final = 64 * 1024
LARGEST_BYTES: Final = 256 * 1024 * 1024
"""No bound of the client's own: the topic's decides."""

Headers = list[tuple[str, str | bytes | None]]
Unsent = tuple[DeadLetter, ...]
"""What a snapshot holds: letters that Kafka had not acknowledged."""


class DeadLetterSink(FixedPartitionedSink[DeadLetter, Unsent]):
    """Sends dead letters, keyed by anything. All partitions on a worker share one producer."""

    def __init__(self, connection: KafkaConnection, topic: str) -> None:
        self._connection = connection
        self._topic = topic
        self._outbox: Outbox | None = None

    def list_parts(self) -> list[str]:
        """Names of the sink's partitions."""
        return [f"dead-letters-{n}" for n in range(PARTS)]

    def build_part(self, step_id: str, for_part: str, resume_state: Unsent | None) -> DeadLetterPartition:
        """Open a partition and send what the last run could not."""
        if self._outbox is None:
            self._outbox = Outbox(open_producer(self._connection, self._topic))
        return DeadLetterPartition(self._outbox, self._connection.brokers, self._topic, resume_state or ())


class Outbox:
    """The producer that the partitions of a sink share, and their patience with it."""

    def __init__(self, producer: Producer, now: Callable[[], float] = time.monotonic) -> None:
        self._producer = producer
        self._now = now
        self._impatient_until = 0.0

    def send(
        self, topic: str, value: bytes | None, headers: Headers, told: Callable[[KafkaError | None], None]
    ) -> None:
        """Hand over a message, waiting while the queue is full. ``told`` hears how it went, later."""
        while True:
            try:
                self._producer.produce(
                    topic, value=value, headers=headers, on_delivery=lambda error, message: told(error)
                )
                return
            except BufferError:
                self._producer.poll(FULL_QUEUE_SECONDS)
            except KafkaException as refused:
                told(refused.args[0])
                return

    def serve(self) -> None:
        """Tell what has been heard of messages; never waits."""
        self._producer.poll(0)

    def wait(self, seconds: float) -> None:
        """Wait for the answers to all messages. Once in vain, the partitions asked next do not wait again."""
        if self._producer.flush(0 if self._now() < self._impatient_until else seconds):
            self._impatient_until = self._now() + IMPATIENT_SECONDS


class DeadLetterPartition(StatefulSinkPartition[DeadLetter, Unsent]):
    """Remembers each letter until Kafka has acknowledged it."""

    def __init__(self, outbox: Outbox, brokers: str, topic: str, unsent: Unsent = ()) -> None:
        self._outbox = outbox
        self._brokers = brokers
        self._topic = topic
        self._pending: dict[int, DeadLetter] = {}
        self._returned: dict[int, KafkaError] = {}
        self._next_number = 0
        self.write_batch(list(unsent))

    def write_batch(self, values: list[DeadLetter]) -> None:
        """Hand letters to the producer; waits while its queue is full.

        Raises ``AccessRefusedError`` where the broker refuses.
        """
        for letter in values:
            number = self._next_number
            self._next_number += 1
            self._pending[number] = letter
            self._send(number, letter.value, [*letter.headers()])
        self._outbox.serve()
        self._send_returned()

    def snapshot(self) -> Unsent:
        """Letters that Kafka has not acknowledged within ``SNAPSHOT_SECONDS``; mostly none.

        Raises ``AccessRefusedError`` where the broker refuses.
        """
        self._outbox.serve()
        self._send_returned()
        if self._pending:
            self._outbox.wait(SNAPSHOT_SECONDS)
        return tuple(self._pending.values())

    def close(self) -> None:
        """Send what is left, within ``CLOSE_SECONDS``."""
        self._send_returned()
        if self._pending:
            self._outbox.wait(CLOSE_SECONDS)
        if self._pending:
            log.error(
                "Kafka at %s did not take %d dead letters for topic %s; they are in the last snapshot, "
                "and the next run with this state sends them",
                *(self._brokers, len(self._pending), self._topic),
            )

    def _send(self, number: int, value: bytes | None, headers: Headers) -> None:
        self._outbox.send(self._topic, value, headers, partial(self._told, number))

    def _told(self, number: int, error: KafkaError | None) -> None:
        if error is None:
            self._pending.pop(number, None)
        else:
            self._returned[number] = error

    def _send_returned(self) -> None:
        """Send again what came back."""
        returned, self._returned = self._returned, {}
        for number, error in returned.items():
            letter = self._pending[number]
            if error.code() in REFUSALS:
                raise AccessRefusedError(self._brokers, f"to write topic {self._topic}", error.str())
            if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
                self._send_without_value(number, letter)
            else:
                self._send(number, letter.value, [*letter.headers()])
        for reason in {error.str() for error in returned.values()}:
            log.warning(
                "Kafka at %s, topic %s: %s; trying again to send dead letters",
                *(self._brokers, self._topic, reason),
            )

    def _send_without_value(self, number: int, letter: DeadLetter) -> None:
        """A value above the topic's ``max.message.bytes`` stays where it is: the headers lead to it."""
        size = len(letter.value or b"")
        log.warning(
            "topic %s takes no dead letter of %d bytes; its value stays at offset %d of topic %s, "
            "partition %d",
            *(self._topic, size, letter.offset, letter.topic, letter.partition),
        )
        self._send(number, None, [*letter.headers(), ("omitted_bytes", str(size).encode())])


def open_producer(connection: KafkaConnection, topic: str) -> Producer:
    """A producer that tries for as long as it lives.

    Not an idempotent one: that gives up for good when a broker has forgotten its sequence numbers, and
    readers have to know repeats anyway.
    """
    health = BrokerHealth(connection.brokers, f"writing {topic}")
    defaults = {
        "linger.ms": 20,
        "queue.buffering.max.messages": QUEUED_MESSAGES,
        "queue.buffering.max.kbytes": QUEUED_KBYTES,
        "message.max.bytes": LARGEST_BYTES,
        "compression.type": "lz4",
    }
    fixed = {
        "acks": "all",
        "message.timeout.ms": 0,
        "statistics.interval.ms": 1000,
        "allow.auto.create.topics": False,
    }
    callbacks = {
        "error_cb": lambda error: health.failed(error.code(), error.str()),
        "stats_cb": health.heard_statistics,
    }
    return Producer({**connection.settings(defaults, fixed), **callbacks}, logger=ClientLog())
