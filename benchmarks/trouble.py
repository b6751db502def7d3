"""Bad input in bulk: does memory stay bounded and does nothing stop?

Each case sends its messages before the war room starts and reads them to the end. The rate may fall; what is
looked at is that every event came out (accepted or dead-lettered) and the workers' memory at its peak.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from itertools import repeat

from confluent_kafka import Producer

from benchmarks.orders import START_MS
from benchmarks.processes import WarRoomProcess
from benchmarks.results import Figure, Result
from benchmarks.throughput import PARTITIONS, Place, make_topics

TEN_MIB = 10 * 1024 * 1024
LIMIT_SECONDS = 600.0


def order(number: int, width: int = 12) -> bytes:
    """An order; ids are padded to ``width`` bytes."""
    return json.dumps(
        {
            "order_id": f"o{number}".rjust(width, "o"),
            "merchant_id": f"m{number % 1000}".rjust(width, "m"),
            "member_id": f"u{number}".rjust(width, "u"),
            "amount": 100,
            "status": "paid",
            "event_time": START_MS + number // 500,
        }
    ).encode()


def cases(scale: float) -> dict[str, tuple[Iterator[bytes], int]]:
    """Messages, and how many events they hold, by what is wrong with them."""
    tiny, wide, broken = int(10_000_000 * scale), int(2_000_000 * scale), int(500_000 * scale)
    lines = TEN_MIB // (len(order(10**6)) + 1)
    big = b"\n".join(order(n) for n in range(lines))
    return {
        "one message of 10 MiB, full of orders": (iter([big]), lines),
        "one message of 10 MiB of rubbish": (iter([b"x" * TEN_MIB]), 1),
        f"{tiny:,} messages of one byte": (repeat(b"1", tiny), tiny),
        f"{wide:,} orders with ids of 128 bytes": ((order(n, 128) for n in range(wide)), wide),
        f"{broken:,} orders that are all broken": ((order(n)[:-1] for n in range(broken)), broken),
    }


def trouble(place: Place, scale: float) -> Result:
    """Every case once. ``scale`` 1 is the full size."""
    figures = []
    for number, (name, (messages, events)) in enumerate(cases(scale).items()):
        topic = f"orders-trouble-{number}"
        make_topics(place.brokers, topic)
        send(place.brokers, topic, messages)
        flow = WarRoomProcess(place.brokers, place.redis_url, prefix=f"trouble-{number}:", topic=topic)
        counted = 0
        with flow:
            started = time.perf_counter()
            while flow.process.poll() is None:
                flow.note_peaks()
                counted = max(counted, flow.events())
                if counted == events:
                    break
                if time.perf_counter() - started > LIMIT_SECONDS:
                    sys.exit(f"{name}: {counted} of {events} events after {LIMIT_SECONDS:g} s")
                time.sleep(0.05)
            seconds = time.perf_counter() - started
        if counted != events:
            sys.exit(f"{name}: {counted} of {events} events came out")
        figures += [
            Figure.of(f"{name}: with its start", "s", [seconds]),
            Figure.of(f"{name}: peak memory", "MiB", [flow.peak_mib], "bounded"),
        ]
    return Result("trouble", "Bad input in bulk: does memory stay bounded and does nothing stop?", figures)


def send(brokers: str, topic: str, messages: Iterator[bytes]) -> None:
    """Produce to the partitions in turn."""
    producer = Producer(
        {
            "bootstrap.servers": brokers,
            "message.max.bytes": 2 * TEN_MIB,
            "queue.buffering.max.messages": 1_000_000,
            "linger.ms": 20,
        }
    )
    for number, message in enumerate(messages):
        while True:
            try:
                producer.produce(topic, message, partition=number // 1000 % PARTITIONS, timestamp=START_MS)
                break
            except BufferError:
                producer.poll(0.05)
    if producer.flush(60.0):
        sys.exit("the broker did not take all messages")
