"""Tells Kafka how far Warroom has read, for lag tools. Nothing reads these offsets back."""

from __future__ import annotations

import logging
import threading
import time
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from operators.kafka_connection import KafkaConnection

log = logging.getLogger(__name__)

ANSWER_SECONDS: Final = 1.0
"""How long ``close`` waits for the broker."""
POLL_SECONDS: Final = 0.02
"""An answer does not end a poll early; only a message would."""


class OffsetReporter:
    """Commits offsets under a group name, in the background; a failure is logged once and changes nothing.

    It joins no group. One request is on its way at a time, with the newest offset of each partition.
    """

    def __init__(self, connection: KafkaConnection, group: str) -> None:
        self._failed = False
        self._on_its_way = False
        self._unreported: dict[tuple[str, int], int] = {}
        settings = connection.settings({}, {"group.id": group, "enable.auto.commit": False, "log_level": 0})
        self._consumer = Consumer({**settings, "on_commit": self._answered})

    def report(self, topic: str, partition: int, next_offset: int) -> None:
        """Hand over the offset of the next message to read. Never waits, never raises."""
        self._unreported[topic, partition] = next_offset
        self._consumer.poll(0)  # serves the answer to an earlier request
        self._send()

    def close(self) -> None:
        """Report what is left and give the connection back, within about twice ``ANSWER_SECONDS``."""
        deadline = time.monotonic() + ANSWER_SECONDS
        while self._on_its_way and time.monotonic() < deadline:
            self._consumer.poll(POLL_SECONDS)
        self._send()
        # With a request unanswered, closing takes as long as the broker is away.
        closing = threading.Thread(target=self._consumer.close, daemon=True)
        closing.start()
        closing.join(ANSWER_SECONDS)

    def _send(self) -> None:
        if self._on_its_way or not self._unreported:
            return
        offsets = [TopicPartition(t, p, offset) for (t, p), offset in self._unreported.items()]
        self._unreported.clear()
        try:
            self._on_its_way = True
            self._consumer.commit(offsets=offsets, asynchronous=True)
        except KafkaException as error:
            self._on_its_way = False
            self._note_failure(error.args[0].str())

    def _answered(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        self._on_its_way = False
        reason = error or next((p.error for p in partitions if p.error), None)
        if reason is not None:
            self._note_failure(reason.str())

    def _note_failure(self, reason: str) -> None:
        if not self._failed:
            self._failed = True
            log.info("offsets could not be committed (only lag tools use them): %s", reason)
