"""Fetching through librdkafka itself: one client for all partitions of a topic, no object for a message."""

from __future__ import annotations

import ctypes

import numpy as np
from confluent_kafka import KafkaError

from operators.batches import READ_AHEAD_BYTES, U8, RawBatch
from operators.kafka_connection import LEADERS_SECONDS, BrokerHealth, ClientLog, KafkaConnection
from operators.kafka_errors import KafkaReadError
from operators.kafka_fetch import QUERY_SECONDS, UNKNOWN_OFFSET, Fetched, note_event
from operators.kafka_librdkafka import EVENT_ERROR, EVENT_LOG, EVENT_STATS, WITHOUT_GROUP, Librdkafka
from operators.kafka_message_kernels import (
    LAYOUT_IS_KNOWN,
    NOTHING,
    MessageColumns,
    Queue,
    take_messages,
)


class NativeClient:
    """One librdkafka consumer that reads each partition into a queue of its own, without a group.

    Raises ``OSError`` or ``AttributeError`` where the library cannot be reached, ``ClientSettingError``
    where it refuses a setting.
    """

    def __init__(self, connection: KafkaConnection, topic: str, partitions: int) -> None:
        if not LAYOUT_IS_KNOWN:
            raise OSError("not a 64-bit machine")
        self.librdkafka = Librdkafka()
        self.brokers = connection.brokers
        self.topic = topic
        self._log = ClientLog()
        self.health = BrokerHealth(connection.brokers, f"reading {topic}")
        settings = connection.consumer_settings(partitions)
        del settings["group.id"]
        self.handle = self.librdkafka.open_consumer(settings)
        self._main_queue = self.librdkafka.queue_get_main(self.handle)
        self.topic_handle = self.librdkafka.topic_new(self.handle, topic.encode(), None)
        self.librdkafka.learn_leaders(self.handle, self.topic_handle, LEADERS_SECONDS)
        self._columns = MessageColumns.empty(0)
        self._data = np.empty(0, np.uint8)

    def partition(self, number: int) -> NativeFetcher:
        """A fetcher of one partition, not started yet."""
        return NativeFetcher(self, number)

    def columns(self, messages: int) -> MessageColumns:
        """Room for so many messages, shared by all partitions."""
        if len(self._columns.starts) < messages:
            self._columns = MessageColumns.empty(messages)
        return self._columns

    def data(self, size: int, kept: int) -> U8:
        """Room for ``size`` bytes and what is read ahead, for all partitions. The first ``kept`` stay."""
        if len(self._data) < size + READ_AHEAD_BYTES:
            data = np.zeros(size + size // 4 + READ_AHEAD_BYTES, np.uint8)
            data[:kept] = self._data[:kept]
            self._data = data
        return self._data

    def serve_events(self) -> None:
        """Take what librdkafka has to say about itself. Raises ``AccessRefusedError``."""
        while event := self.librdkafka.queue_poll(self._main_queue, 0):
            try:
                self._take_event(event)
            finally:
                self.librdkafka.event_destroy(event)

    def close(self) -> None:
        """Give the client back, after its fetchers have been closed."""
        self.librdkafka.topic_destroy(self.topic_handle)
        self.librdkafka.queue_destroy(self._main_queue)
        self.librdkafka.destroy_flags(self.handle, WITHOUT_GROUP)

    def _take_event(self, event: int) -> None:
        kind = self.librdkafka.event_type(event)
        if kind == EVENT_ERROR:
            reason = self.librdkafka.event_error_string(event).decode()
            self.health.failed(self.librdkafka.event_error(event), reason)
        elif kind == EVENT_STATS:
            self.health.heard_statistics(self.librdkafka.event_stats(event))
        elif kind == EVENT_LOG:
            facility, text, level = ctypes.c_char_p(), ctypes.c_char_p(), ctypes.c_int()
            self.librdkafka.event_log(event, facility, text, level)
            self._log.syslog(level.value, (text.value or b"").decode(errors="replace"))


class NativeFetcher:
    """One partition's queue. Batches lie in buffers that all partitions of the client share."""

    def __init__(self, client: NativeClient, number: int) -> None:
        self._client = client
        self._number = number
        self._started = False
        functions = ("consume_batch", "message_timestamp", "message_destroy")
        self._queue = Queue(client.topic_handle, number, *map(client.librdkafka.address, functions))

    def start(self, offset: int) -> None:
        """Read from ``offset`` on."""
        self.close()
        librdkafka = self._client.librdkafka
        if librdkafka.consume_start(self._client.topic_handle, self._number, offset) != 0:
            reason = librdkafka.error_text(librdkafka.last_error())
            raise KafkaReadError(f"{self._where} of Kafka at {self._client.brokers} cannot be read: {reason}")
        self._started = True

    def fetch(self, most: int) -> Fetched:
        """Up to ``most`` messages that have arrived."""
        client = self._client
        client.serve_events()
        columns = client.columns(most)
        taken = NOTHING
        while True:
            data = client.data(taken.needed, taken.size)
            taken = take_messages(self._queue, most, columns, data, taken)
            if not taken.needed:
                return self._fetched(columns, taken.messages, taken.events, data[: taken.size])

    def high_watermark(self) -> int:
        """Next offset of the partition's end, as the latest fetch told it."""
        return self._watermarks("get_watermark_offsets")[1]

    def available(self) -> tuple[int, int]:
        """First offset and next offset as the broker tells them now."""
        return self._watermarks("query_watermark_offsets", int(QUERY_SECONDS * 1000))

    def close(self) -> None:
        """Stop reading."""
        if self._started:
            self._started = False
            self._client.librdkafka.consume_stop(self._client.topic_handle, self._number)

    @property
    def _where(self) -> str:
        return f"topic {self._client.topic}, partition {self._number}"

    def _fetched(
        self,
        columns: MessageColumns,
        messages: int,
        events: int,
        data: U8,
    ) -> Fetched:
        fetched = Fetched()
        for i in range(events):
            code = int(columns.event_codes[i])
            reason = self._client.librdkafka.error_text(code)
            note_event(
                fetched, self._client.brokers, self._where, code, reason, int(columns.event_offsets[i])
            )
            if code == KafkaError._PARTITION_EOF and columns.event_places[i] < messages:
                fetched.ended_at = None
        if messages:
            fetched.batch = RawBatch(
                topic=self._client.topic,
                partition=self._number,
                data=data,
                starts=columns.starts[:messages],
                lengths=columns.lengths[:messages],
                offsets=columns.offsets[:messages],
                timestamps_ms=columns.timestamps_ms[:messages],
            )
        return fetched

    def _watermarks(self, query: str, *arguments: int) -> tuple[int, int]:
        low, high = ctypes.c_int64(UNKNOWN_OFFSET), ctypes.c_int64(UNKNOWN_OFFSET)
        ask = getattr(self._client.librdkafka, query)
        failed = ask(self._client.handle, self._client.topic.encode(), self._number, low, high, *arguments)
        if failed:
            return UNKNOWN_OFFSET, UNKNOWN_OFFSET
        return max(low.value, UNKNOWN_OFFSET), max(high.value, UNKNOWN_OFFSET)
