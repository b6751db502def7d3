"""What a fetcher of one Kafka partition does, whatever it is made of."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Final, Protocol

from confluent_kafka import OFFSET_BEGINNING, KafkaError

from operators.batches import RawBatch
from operators.kafka_connection import REFUSALS
from operators.kafka_errors import AccessRefusedError

log = logging.getLogger(__name__)

BEGINNING: Final[int] = OFFSET_BEGINNING
"""The offset that stands for the earliest message there is."""
UNKNOWN_OFFSET: Final = -1
QUERY_SECONDS: Final = 5.0

_LOST = frozenset({KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE})


@dataclass(slots=True)
class Fetched:
    """What one call of ``fetch`` brought, in the order of the fields."""

    batch: RawBatch | None = None
    ended_at: int | None = None
    """Next offset, where the end of the partition was reached behind the batch."""
    lost: bool = False
    """The position is not on the broker; nothing comes until ``start`` is called with another one."""


class PartitionFetcher(Protocol):
    """Reads one partition. Never blocks, unless the method says so."""

    def start(self, offset: int) -> None:
        """Read from ``offset`` (or ``BEGINNING``) on. The end of the partition is reported afresh."""

    def fetch(self, most: int) -> Fetched:
        """Up to ``most`` messages that have arrived. The batch is valid until the next call,
        also one for another partition of the same client.

        Raises ``AccessRefusedError`` where the broker refuses; an outage is logged and brings nothing.
        """

    def high_watermark(self) -> int:
        """Next offset of the partition's end as the latest fetch told it, or ``UNKNOWN_OFFSET``."""

    def available(self) -> tuple[int, int]:
        """First offset and next offset as the broker tells them now; blocks up to ``QUERY_SECONDS``.

        ``UNKNOWN_OFFSET`` for both if it does not answer.
        """

    def close(self) -> None:
        """Stop reading."""


class FetchClient(Protocol):
    """A connection that serves the partitions of one topic to one thread."""

    def partition(self, number: int) -> PartitionFetcher:
        """A fetcher of one partition, not started yet."""

    def close(self) -> None:
        """Give everything back, after the fetchers have been closed."""


def note_event(fetched: Fetched, brokers: str, where: str, code: int, reason: str, offset: int) -> None:
    """Take an event that came in place of a message.

    ``where``: topic and partition for people. Raises ``AccessRefusedError``.
    """
    if code == KafkaError._PARTITION_EOF:
        fetched.ended_at = offset
    elif code in _LOST:
        fetched.lost = True
    elif code in REFUSALS:
        raise AccessRefusedError(brokers, f"to read {where}", reason)
    else:
        log.warning("Kafka at %s, %s: %s; trying again", brokers, where, reason)
