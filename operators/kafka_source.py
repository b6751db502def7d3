"""The Kafka source: one Bytewax partition for each partition of a topic, thousands of messages an item.

Guarantee: exact positions. The offset of the next message is part of the snapshot, together with the
state of the lane that took the messages before it; a position that is no longer on the broker ends the
run instead of being skipped. Partitions that are added to the topic are read after a restart.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from bytewax.inputs import FixedPartitionedSource

from operators.batches import Lane, LaneOutput
from operators.kafka_connection import KafkaConnection
from operators.kafka_fetch import BEGINNING, FetchClient
from operators.kafka_fetch_native import NativeClient
from operators.kafka_fetch_plain import PlainClient
from operators.kafka_offsets import OffsetReporter
from operators.kafka_partition import KafkaPartition, PartitionState, ReadOptions, StatsListener
from operators.kafka_topic import wait_for_partitions
from operators.process_clock import ProcessClock
from operators.thread_state import keep_thread_state

log = logging.getLogger(__name__)

LaneFactory = Callable[[str, int, Any], Lane]
"""Topic, partition, state of the lane's last snapshot (None at the first start)."""


class KafkaSource(FixedPartitionedSource[LaneOutput, PartitionState]):
    """Reads one topic. Each partition's messages go through a lane of their own.

    ``group``: committed offsets are shown under this name to lag tools; empty: none are.
    ``on_stats`` is called for each partition about twice a second. ``with_keys``: batches carry the keys;
    for topics with little traffic, as it takes the slower client. While ``hold()`` is true nothing is read.
    """

    def __init__(
        self,
        connection: KafkaConnection,
        topic: str,
        lane_factory: LaneFactory,
        clock: ProcessClock,
        options: ReadOptions | None = None,
        *,
        group: str = "warroom",
        on_stats: StatsListener | None = None,
        with_keys: bool = False,
        hold: Callable[[], bool] = lambda: False,
    ) -> None:
        self._with_keys = with_keys
        self._hold = hold
        self._connection = connection
        self._topic = topic
        self._lane_factory = lane_factory
        self._clock = clock
        self._options = options or ReadOptions()
        self._group = group
        self._on_stats = on_stats
        self._partitions = 0
        self._client: FetchClient | None = None
        self._reporter: OffsetReporter | None = None
        self._open: set[str] = set()

    def list_parts(self) -> list[str]:
        """``topic/0`` and so on; waits for the broker and the topic. Raises ``KafkaReadError``."""
        keep_thread_state()  # Bytewax asks each of its threads that, before the first of them reads
        self._partitions = wait_for_partitions(self._connection, self._topic, lambda: self._clock.stopping)
        return [f"{self._topic}/{number}" for number in range(self._partitions)]

    def build_part(self, step_id: str, for_part: str, resume_state: PartitionState | None) -> KafkaPartition:
        """Start reading one partition, at the stored offset or at the earliest message."""
        number = int(for_part.rpartition("/")[2])
        if self._client is None:
            self._client = open_client(
                self._connection,
                self._topic,
                self._partitions,
                native=self._options.native,
                with_keys=self._with_keys,
            )
        if self._reporter is None and self._group:
            self._reporter = OffsetReporter(self._connection, self._group)
        self._open.add(for_part)
        return KafkaPartition(
            self._topic,
            number,
            self._client.partition(number),
            self._lane_factory(self._topic, number, resume_state.lane if resume_state else None),
            self._clock,
            self._options,
            offset=resume_state.offset if resume_state else BEGINNING,
            reporter=self._reporter,
            on_stats=self._on_stats,
            on_close=lambda: self._closed(for_part),
            hold=self._hold,
        )

    def _closed(self, part: str) -> None:
        self._open.discard(part)
        if not self._open:
            if self._client is not None:
                self._client.close()
            if self._reporter is not None:
                self._reporter.close()
            self._client = self._reporter = None


def open_client(
    connection: KafkaConnection, topic: str, partitions: int, *, native: bool = True, with_keys: bool = False
) -> FetchClient:
    """The fast client where it can do what is asked, else the plain one.

    Keys and OAuth tokens need the plain one: the first as Python objects, the second its callbacks.
    """
    mechanism = connection.client.get("sasl.mechanism", connection.client.get("sasl.mechanisms", ""))
    if native and not with_keys and mechanism.upper() != "OAUTHBEARER":
        try:
            return NativeClient(connection, topic, partitions)
        except (OSError, AttributeError) as error:
            log.warning("reading through the slower Kafka client: librdkafka is out of reach: %s", error)
    return PlainClient(connection, topic, partitions, with_keys=with_keys)
