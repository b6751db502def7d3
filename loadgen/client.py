"""A Kafka producer for columns of messages, with an account of every one of them."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Mapping
from typing import Final

import msgspec
import numpy as np
from msgspec import Struct

from loadgen import librdkafka
from loadgen.draws import I64
from loadgen.errors import DeliveryError, LoadgenError
from loadgen.json_bytes import Headers, Messages
from loadgen.latency import BUCKETS

LANE_SHIFT: Final = 52
"""An opaque is the lane (topic) above this bit and the due time in microseconds below."""
MAX_PARTITIONS: Final = 4096
SETTLE_S: Final = 15.0
REPORTS_AT_ONCE: Final = 200_000
NO_HEADERS: Final = np.zeros(0, np.int64)
DEFAULTS: Final[dict[str, str]] = {
    "linger.ms": "20",
    "batch.num.messages": "50000",
    "batch.size": "1000000",
    "queue.buffering.max.messages": "500000",
    "queue.buffering.max.kbytes": "524288",
    "enable.idempotence": "true",
    "statistics.interval.ms": "250",
    # The library's own words on standard error would break the progress display; errors come as events.
    "log_level": "0",
}


class _Idempotence(Struct):
    idemp_state: str


class _Statistics(Struct):
    """The part of librdkafka's statistics that is read."""

    eos: _Idempotence | None = None


class Client:
    """Guarantee: each message taken is delivered once, in the order of its partition, or counted failed.

    ``delivered`` and ``ends`` are (lanes, partitions): messages acknowledged, and the offset after the
    last one. ``latency`` counts microseconds from due time to acknowledgement. Not for several threads.
    """

    def __init__(self, settings: Mapping[str, str], topics: list[str]) -> None:
        self._library = librdkafka.open_library()
        self._started_ns = time.perf_counter_ns()
        self._handle = self._open({**DEFAULTS, **settings})
        self._queue = self._library.rd_kafka_queue_get_main(self._handle)
        self._topics = [
            self._library.rd_kafka_topic_new(self._handle, name.encode(), None) for name in topics
        ]
        self._produceva = librdkafka.address(self._library, "rd_kafka_produceva")
        self._block = librdkafka.argument_block()
        self._pointers = np.zeros(REPORTS_AT_ONCE, np.int64)
        self.delivered = np.zeros((len(topics), MAX_PARTITIONS), np.int64)
        self.ends = np.zeros((len(topics), MAX_PARTITIONS), np.int64)
        self.latency: I64 = np.zeros(BUCKETS, np.int64)
        self.failed = 0
        self._settled = False
        self.last_error = ""

    def _open(self, settings: Mapping[str, str]) -> int:
        text = ctypes.create_string_buffer(512)
        conf = self._library.rd_kafka_conf_new()
        for key, value in settings.items():
            if (
                self._library.rd_kafka_conf_set(conf, key.encode(), value.encode(), text, 512)
                != librdkafka.CONF_OK
            ):
                raise LoadgenError(f"kafka setting {key}={value!r}: {text.value.decode()}")
        events = librdkafka.EVENT_DELIVERY | librdkafka.EVENT_ERROR | librdkafka.EVENT_STATISTICS
        self._library.rd_kafka_conf_set_events(conf, events)
        handle = self._library.rd_kafka_new(librdkafka.PRODUCER, conf, text, 512)
        if not handle:
            raise LoadgenError(f"kafka settings: {text.value.decode()}")
        return int(handle)

    def now_us(self) -> int:
        """Microseconds since this client was made."""
        return self.at_us(time.perf_counter_ns())

    def at_us(self, perf_counter_ns: int) -> int:
        """An instant of ``time.perf_counter_ns``, which all processes of a machine share, on this clock."""
        return (perf_counter_ns - self._started_ns) // 1000

    def settle(self) -> None:
        """Wait until the broker has given this producer its number, which takes it half a second.

        Before that nothing is sent, and the first messages would count as late. Raises ``DeliveryError``.
        """
        deadline = time.monotonic() + SETTLE_S
        while not self._settled:
            self.poll(50)
            if time.monotonic() > deadline:
                raise DeliveryError(f"Kafka does not take this producer: {self.last_error or 'no answer'}")

    def send(self, lane: int, messages: Messages, due_us: I64, first: int, last: int) -> int:
        """Queue messages ``first`` to ``last`` (exclusive); how many were taken before the queue was full.

        ``due_us``: (n,) when each should be sent, on the clock of ``now_us``.
        """
        headers = NO_HEADERS if messages.headers is None else self._headers(messages.headers, first, last)
        taken, error = librdkafka.hand_over(
            self._produceva, self._handle, self._topics[lane], messages.partition, messages.data,
            messages.starts, messages.lengths, messages.key_starts, messages.key_lengths,
            messages.timestamps_ms, due_us, lane << LANE_SHIFT, headers, first, last, self._block,
        )  # fmt: skip
        for unused in headers[first + taken : last]:
            self._library.rd_kafka_headers_destroy(int(unused))
        if error:
            code = self._library.rd_kafka_error_code(error)
            self._library.rd_kafka_error_destroy(error)
            if code != librdkafka.QUEUE_FULL:
                raise DeliveryError(f"Kafka refuses a message: {self._reason(code)}")
        return int(taken)

    def _headers(self, headers: list[Headers], first: int, last: int) -> I64:
        """Headers of messages ``first`` to ``last`` as the library keeps them: addresses, 0 where none."""
        addresses = np.zeros(last, np.int64)
        for index in range(first, last):
            if headers[index]:
                addresses[index] = held = self._library.rd_kafka_headers_new(len(headers[index]))
                for name, value in headers[index]:
                    size = 0 if value is None else len(value)
                    self._library.rd_kafka_header_add(held, name.encode(), -1, value, size)
        return addresses

    def pause(self, milliseconds: int) -> None:
        """Wait so long, then take what the broker has answered meanwhile, all of it together."""
        time.sleep(milliseconds / 1000)
        self.poll(0)

    def poll(self, timeout_ms: int) -> None:
        """Take what the broker has answered; wait for the first answer at most ``timeout_ms``."""
        while event := self._library.rd_kafka_queue_poll(self._queue, timeout_ms):
            timeout_ms = 0
            kind = self._library.rd_kafka_event_type(event)
            if kind == librdkafka.EVENT_DELIVERY:
                self._note(event)
            elif kind == librdkafka.EVENT_ERROR:
                self.last_error = self._library.rd_kafka_event_error_string(event).decode(errors="replace")
            elif kind == librdkafka.EVENT_STATISTICS and not self._settled:
                told = msgspec.json.decode(self._library.rd_kafka_event_stats(event), type=_Statistics)
                self._settled = told.eos is None or told.eos.idemp_state == "Assigned"
            self._library.rd_kafka_event_destroy(event)

    def _note(self, event: int) -> None:
        count = self._library.rd_kafka_event_message_count(event)
        if count > len(self._pointers):
            self._pointers = np.zeros(count, np.int64)
        place = self._pointers.ctypes.data
        count = self._library.rd_kafka_event_message_array(event, place, len(self._pointers))
        failed, code = librdkafka.read_reports(
            self._pointers, count, self.now_us(), LANE_SHIFT, self.delivered, self.ends, self.latency
        )
        if failed:
            self.failed += failed
            self.last_error = self._reason(code)

    def _reason(self, code: int) -> str:
        return str(self._library.rd_kafka_err2str(code).decode())

    @property
    def queued(self) -> int:
        """Messages taken and not yet answered for."""
        return int(self._library.rd_kafka_outq_len(self._handle))

    def close(self) -> None:
        """Give the connection back; what is still queued is lost, so ``flush`` first."""
        for topic in self._topics:
            self._library.rd_kafka_topic_destroy(topic)
        self._library.rd_kafka_queue_destroy(self._queue)
        self._library.rd_kafka_purge(self._handle, 7)
        self._library.rd_kafka_destroy(self._handle)

    def flush(self, patience_s: float, tick: Callable[[], None] = lambda: None) -> None:
        """Wait until everything is answered for; ``tick`` is called ten times a second meanwhile.

        Raises ``DeliveryError`` when nothing moves for ``patience_s`` seconds.
        """
        left, moved_at = self.queued, time.monotonic()
        while left:
            self.poll(100)
            tick()
            if self.queued != left:
                left, moved_at = self.queued, time.monotonic()
            elif time.monotonic() - moved_at > patience_s:
                raise DeliveryError(
                    f"Kafka has not answered for {patience_s:g} s; {left} messages are unsent: "
                    f"{self.last_error or 'no reason given'}"
                )
