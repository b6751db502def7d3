"""How to reach Kafka: settings for librdkafka, and what to say while it does not answer."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from confluent_kafka import KafkaError

from operators.kafka_errors import AccessRefusedError

log = logging.getLogger(__name__)
client_log = logging.getLogger("operators.librdkafka")
"""Where librdkafka's own lines go."""

Settings = dict[str, Any]

QUEUED_KBYTES_PER_TOPIC: Final = 80 * 1024
"""Prefetched messages of one topic, in KiB of values, shared by its partitions.

librdkafka keeps about 250 bytes beside each message, which this does not count.
"""
LEAST_QUEUED_KBYTES: Final = 8 * 1024
QUEUED_MESSAGES: Final = 300_000
"""Prefetched messages of one partition, more than a batch: it bounds what is kept beside tiny ones."""
FULL_QUEUE_MS: Final = 100
"""A partition whose queue is full is not fetched for so long. At 1,000 ms, librdkafka's own, a reader has
emptied it long before, and waits: a backlog was read at half the speed, packed orders at a third."""
RECONNECT_SECONDS: Final = 2.0
FIRST_RECONNECT_MS: Final = 20
"""librdkafka also lets half of this pass between its first connection and the next: at its 100 ms each client
began with a pause of 50."""
LEADERS_SECONDS: Final = 1.0
"""Longest wait for the leaders of a topic's partitions before it is read. Reading that starts without them
stands still for half a second."""
SILENT_STATISTICS: Final = 2
"""Statistics in a row, a second apart, without any connection that works: Kafka does not answer."""

REFUSALS: Final = frozenset(
    {
        KafkaError._AUTHENTICATION,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.SASL_AUTHENTICATION_FAILED,
    }
)
"""Error codes that waiting does not cure."""


@dataclass(frozen=True, slots=True)
class KafkaConnection:
    """Where Kafka is. ``client``: librdkafka settings (TLS, SASL, sizes), which override the defaults.

    ``group``: nobody joins it, yet a broker that guards its groups asks readers for the right to it.
    """

    brokers: str
    client: Mapping[str, str] = field(default_factory=dict)
    group: str = "warroom"

    def settings(self, defaults: Mapping[str, Any], fixed: Mapping[str, Any]) -> Settings:
        """``defaults``, then the user's, then what must be as it is."""
        common = {
            "client.id": "warroom",
            "reconnect.backoff.ms": FIRST_RECONNECT_MS,
            "reconnect.backoff.max.ms": int(RECONNECT_SECONDS * 1000),
            "socket.timeout.ms": 10_000,
        }
        return {**common, **defaults, **self.client, **fixed, "bootstrap.servers": self.brokers}

    def consumer_settings(self, partitions: int) -> Settings:
        """Settings of a consumer that reads up to ``partitions`` partitions from exact offsets.

        How much is fetched at a time is left at librdkafka's 1 MiB a partition: ten times as much gains
        nothing and has left the caches before it is taken apart. The end-of-partition event decides what has
        been read to its end, and a lost offset is an error, never a silent jump.
        """
        defaults = {
            "queued.min.messages": QUEUED_MESSAGES,
            "queued.max.messages.kbytes": max(LEAST_QUEUED_KBYTES, QUEUED_KBYTES_PER_TOPIC // partitions),
            "fetch.queue.backoff.ms": FULL_QUEUE_MS,
            "fetch.wait.max.ms": 100,
            "isolation.level": "read_committed",
            "group.id": self.group,
        }
        fixed = {
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "allow.auto.create.topics": False,
            "statistics.interval.ms": 1000,
        }
        return self.settings(defaults, fixed)


class BrokerHealth:
    """Says once that Kafka has gone, and once that it is back. One for each client.

    ``doing``: what the client is for, so that a reader of the log can tell the lines of two clients apart.
    """

    def __init__(self, brokers: str, doing: str) -> None:
        self._doing = doing
        self._brokers = brokers
        self._silent_statistics = 0
        self._silent_since = 0.0

    def failed(self, code: int, reason: str) -> None:
        """Take an error of the client as a whole. Raises ``AccessRefusedError`` where waiting is no cure."""
        if code in REFUSALS:
            raise AccessRefusedError(self._brokers, "the connection", reason)
        log.info("Kafka at %s: %s", self._brokers, reason)

    def heard_statistics(self, statistics: str | bytes) -> None:
        """Take librdkafka's statistics (JSON), which tell the state of each connection once a second.

        Nothing else is as sure: an error may be one connection's of several, and messages may have been
        fetched before the outage.
        """
        brokers = json.loads(statistics)["brokers"].values()
        if any(b["state"] == "UP" and b["source"] != "logical" for b in brokers):
            if self._silent_statistics >= SILENT_STATISTICS:
                away = time.monotonic() - self._silent_since
                log.warning("Kafka at %s answers again after %.0f s (%s)", self._brokers, away, self._doing)
            self._silent_statistics = 0
            return
        if self._silent_statistics == 0:
            self._silent_since = time.monotonic()
        self._silent_statistics += 1
        if self._silent_statistics == SILENT_STATISTICS:
            log.warning(
                "Kafka at %s does not answer; trying again every %g s (%s)",
                self._brokers,
                RECONNECT_SECONDS,
                self._doing,
            )


class ClientLog:
    """Takes librdkafka's log lines, from the Python client too, which calls ``log``.

    Its lines about lost connections are notices here: ``BrokerHealth`` warns where that matters.
    """

    def log(self, level: int, message: str, *arguments: object) -> None:
        """Pass a line on. ``level``: of ``logging``."""
        milder = logging.INFO if level in (logging.WARNING, logging.ERROR) else level
        client_log.log(milder, message, *arguments)

    def syslog(self, level: int, text: str) -> None:
        """Pass a line on. ``level``: syslog's, 0 the gravest, 7 for debugging."""
        self.log(_LEVELS[min(level, 7)], "%s", text)


_LEVELS = (*[logging.CRITICAL] * 3, logging.ERROR, logging.WARNING, logging.INFO, logging.INFO, logging.DEBUG)
