"""How long a running installation takes from an order to Redis: orders of one merchant at a steady rate.

Every order has a due time on a monotonic clock; it waits until the merchant's hash shows its event time.
The wait is measured from the due time, so a late sending, a slow broker and a slow pipeline all count.
"""

from __future__ import annotations

import contextlib
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import redis
from confluent_kafka import KafkaException, Producer
from msgspec import Struct

from loadgen.errors import DeliveryError, LoadgenError
from loadgen.keying import partitions_of_ids
from loadgen.latency import Histogram
from schemas import redis_layout

MAX_RATE: Final = 500.0
"""Event times are whole milliseconds and every order needs one of its own."""
FAR_AWAY_MS: Final = 3_600_000
MERCHANT: Final = "loadgen-probe"


@dataclass(frozen=True, slots=True)
class Probe:
    """What is asked. ``seconds`` None: until stopped. ``amount_fen`` 0 leaves every sum of money alone."""

    rate: float = 20.0
    seconds: float | None = 30.0
    merchant_id: str = MERCHANT
    amount_fen: int = 0
    poll_s: float = 0.005
    patience_s: float = 30.0
    """An order that Redis does not show this long after it was due is lost."""

    def check(self) -> None:
        """Raises ``LoadgenError`` for a rate that cannot be."""
        if not 0 < self.rate <= MAX_RATE:
            raise LoadgenError(
                f"--rate {self.rate:g}: a probe sends between 0 and {MAX_RATE:g} orders a second"
            )


class Outcome(Struct, frozen=True):
    """What a probe found. Waits are milliseconds from due to seen in Redis, of the orders that were seen."""

    sent: int
    seen: int
    lost: int
    seconds: float
    rate: float
    latency_ms: dict[str, float]
    histogram: list[tuple[float, int]]
    """Upper edge of each bucket that is not empty, in milliseconds, and how many waits fell into it."""


@dataclass(slots=True)
class Tracker:
    """Which orders are under way. Event times are milliseconds, strictly ascending; waits in microseconds."""

    patience_us: int
    sent: int = 0
    seen: int = 0
    lost: int = 0
    waits: Histogram = field(default_factory=Histogram)
    _under_way: deque[tuple[int, int]] = field(default_factory=deque)

    def send(self, event_ms: int, due_us: int) -> None:
        """An order goes out."""
        self.sent += 1
        self._under_way.append((event_ms, due_us))

    def look(self, newest_ms: int | None, now_us: int) -> list[int]:
        """Redis shows ``newest_ms``: the waits of the orders that are seen now; the overdue ones are lost."""
        waits = []
        while self._under_way and newest_ms is not None and self._under_way[0][0] <= newest_ms:
            waits.append(now_us - self._under_way.popleft()[1])
        for wait_us in waits:
            self.waits.record(wait_us)
        self.seen += len(waits)
        while self._under_way and now_us - self._under_way[0][1] > self.patience_us:
            self._under_way.popleft()
            self.lost += 1
        return waits

    def give_up(self) -> None:
        """What is still under way is not waited for: it counts as not sent."""
        self.sent -= len(self._under_way)
        self._under_way.clear()

    @property
    def under_way(self) -> int:
        """Orders sent and neither seen nor lost."""
        return len(self._under_way)


Watcher = Callable[[Tracker, list[int]], None]


@dataclass(frozen=True, slots=True)
class Installation:
    """Where the orders go and where the results show."""

    settings: Mapping[str, str]
    topic: str
    partitions: int
    redis_url: str
    prefix: str = redis_layout.DEFAULT_PREFIX


def run_probe(
    probe: Probe, where: Installation, watch: Watcher = lambda *_: None, anyway: bool = False
) -> Outcome:
    """Send, watch Redis, and tell. Ctrl-C ends it early; what was seen until then is told.

    Raises ``LoadgenError`` when the installation lives in another time (unless ``anyway``): orders of now
    would move its windows. Raises ``DeliveryError`` when Kafka or Redis fails.
    """
    probe.check()
    client = redis.Redis.from_url(where.redis_url, decode_responses=True, socket_timeout=10)
    try:
        if not anyway:
            _same_time(client, where.prefix)
        return _Loop(probe, where, client, watch).run()
    except (redis.RedisError, OSError) as error:
        raise DeliveryError(f"no Redis answers at {where.redis_url}: {error}") from error
    except KafkaException as error:
        raise DeliveryError(f"Kafka does not take probe orders: {error.args[0].str()}") from error
    finally:
        client.close()


def _same_time(client: redis.Redis, prefix: str) -> None:
    newest: Any = client.hget(redis_layout.meta(prefix), redis_layout.EVENT_TIME)
    if newest is not None and abs(int(newest) - time.time() * 1000) > FAR_AWAY_MS:
        told = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(int(newest) / 1000))
        raise LoadgenError(
            f"the newest event of this installation is of {told}; orders of now would move its windows; "
            "probe one that follows the clock, or add --anyway"
        )


class _Loop:
    def __init__(self, probe: Probe, where: Installation, client: redis.Redis, watch: Watcher) -> None:
        self._probe, self._where, self._client, self._watch = probe, where, client, watch
        self._producer = Producer({**where.settings, "linger.ms": 0, "log_level": 0})
        self._partition = int(partitions_of_ids([probe.merchant_id], where.partitions)[0])
        self._run = uuid.uuid4().hex[:12]
        self._tracker = Tracker(round(probe.patience_s * 1e6))
        self._failed: list[str] = []

    def run(self) -> Outcome:
        """Send and look until all orders are seen or lost."""
        # A monotonic clock measures; the wall clock only names the event times.
        self._offset_ms = time.time() * 1000 - time.perf_counter() * 1000
        self._last_ms = 0
        key = redis_layout.merchant(self._where.prefix, self._probe.merchant_id)
        began = time.perf_counter()
        with contextlib.suppress(KeyboardInterrupt):
            for due_s in self._dues(began):
                self._look_until(key, due_s)
                self._send(due_s)
            while self._tracker.under_way:
                self._look_until(key, time.perf_counter() + self._probe.poll_s)
        self._tracker.give_up()
        return self._outcome(time.perf_counter() - began)

    def _dues(self, began: float) -> Iterator[float]:
        number = 0
        while self._probe.seconds is None or number < self._probe.seconds * self._probe.rate:
            yield began + number / self._probe.rate
            number += 1

    def _look_until(self, key: str, due_s: float) -> None:
        """Look at Redis every ``poll_s`` until an order is due; at least once."""
        while True:
            newest: Any = self._client.hget(key, redis_layout.EVENT_TIME)
            now_s = time.perf_counter()
            waits = self._tracker.look(None if newest is None else int(newest), round(now_s * 1e6))
            self._producer.poll(0)
            if self._failed:
                raise DeliveryError(f"Kafka does not take probe orders: {self._failed[0]}")
            self._watch(self._tracker, waits)
            if now_s >= due_s:
                return
            time.sleep(max(0.0, min(self._probe.poll_s, due_s - time.perf_counter())))

    def _send(self, due_s: float) -> None:
        event_ms = max(self._last_ms + 1, round(due_s * 1000 + self._offset_ms))
        self._last_ms = event_ms
        order = {
            "order_id": f"{self._probe.merchant_id}-{self._run}-{self._tracker.sent}",
            "merchant_id": self._probe.merchant_id,
            "member_id": self._probe.merchant_id,
            "amount": self._probe.amount_fen,
            "quantity": 1,
            "status": "paid",
            "event_time": event_ms,
        }
        self._tracker.send(event_ms, round(due_s * 1e6))
        self._producer.produce(
            self._where.topic, msgspec.json.encode(order), self._probe.merchant_id,
            partition=self._partition, timestamp=event_ms,
            on_delivery=lambda error, _: self._failed.append(error.str()) if error else None,
        )  # fmt: skip
        self._producer.poll(0)

    def _outcome(self, seconds: float) -> Outcome:
        tracker = self._tracker
        return Outcome(
            sent=tracker.sent,
            seen=tracker.seen,
            lost=tracker.lost,
            seconds=round(seconds, 3),
            rate=self._probe.rate,
            latency_ms=tracker.waits.quantiles_ms(),
            histogram=tracker.waits.buckets_ms(),
        )
