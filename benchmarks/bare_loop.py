"""The bare loop: consume, decode the fields in use, group by merchant. Nothing else; what others are held to.

Run as a process: ``python -m benchmarks.bare_loop BROKERS TOPIC[,TOPIC] PARTITION[,PARTITION…]`` prints one
JSON line when every partition has been read to its end. A topic of clicks has a name that begins so.
"""

from __future__ import annotations

import json
import resource
import sys
import time

import msgspec
import polars as pl
from confluent_kafka import Consumer, KafkaError, TopicPartition


class Line(msgspec.Struct, gc=False):
    """The fields that sums need."""

    order_id: str
    merchant_id: str
    amount: int
    quantity: int
    status: str
    event_time: int


class Click(msgspec.Struct, gc=False):
    """The fields that sums need of a click."""

    event_id: str
    merchant_id: str
    visitor_id: str
    action: str
    event_time: int
    source: str | None = None


def main() -> None:
    """Read the given partitions to their ends."""
    brokers, topics, parts = sys.argv[1:4]
    left = {(topic, int(p)) for topic in topics.split(",") for p in parts.split(",")}
    consumer = consumer_at_the_start(brokers, left)
    order_decoder, click_decoder = msgspec.json.Decoder(Line), msgspec.json.Decoder(Click)
    totals: dict[str, int] = {}
    counts: dict[tuple[str, str], int] = {}
    first = 0.0
    messages = events = 0
    while left:
        orders, clicks = consume(consumer, left)
        if not orders and not clicks:
            continue
        first = first or time.time()
        messages += len(orders) + len(clicks)
        if clicks:
            seen = click_decoder.decode_lines(b"\n".join(clicks))
            events += len(seen)
            count_clicks(seen, counts)
        lines = order_decoder.decode_lines(b"\n".join(orders))
        events += len(lines)
        count_orders(lines, totals)
    last = time.time()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    told = {
        "first": first,
        "last": last,
        "messages": messages,
        "events": events,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_mib": usage.ru_maxrss / 1024,
        "gmv": sum(totals.values()),
    }
    print(json.dumps(told))
    consumer.close()


def consumer_at_the_start(brokers: str, partitions: set[tuple[str, int]]) -> Consumer:
    """A consumer of these partitions from their beginnings, with room to fetch ahead."""
    consumer = Consumer(
        {
            "bootstrap.servers": brokers,
            "group.id": "bare",
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "fetch.message.max.bytes": 10 * 1024 * 1024,
            "queued.min.messages": 1_000_000,
            "queued.max.messages.kbytes": 131_072,
            "fetch.queue.backoff.ms": 100,  # as for ours: the default lets a full queue run empty
        }
    )
    consumer.assign([TopicPartition(topic, p, 0) for topic, p in partitions])
    return consumer


def consume(consumer: Consumer, left: set[tuple[str, int]]) -> tuple[list[bytes], list[bytes]]:
    """The next values of orders and of clicks; partitions that were read to their end leave ``left``."""
    orders: list[bytes] = []
    clicks: list[bytes] = []
    for message in consumer.consume(50_000, 0.1):
        error = message.error()
        if error is None:
            values = clicks if (message.topic() or "").startswith("clicks") else orders
            values.append(message.value() or b"")
        elif error.code() == KafkaError._PARTITION_EOF:
            left.discard((message.topic() or "", message.partition() or 0))
        else:
            sys.exit(str(error))
    return orders, clicks


def count_orders(lines: list[Line], totals: dict[str, int]) -> None:
    """Add up amounts by merchant, in columns of a merchant and minute."""
    frame = pl.DataFrame(
        {
            "merchant": [x.merchant_id for x in lines],
            "amount": [x.amount for x in lines],
            "minute": [x.event_time // 60_000 for x in lines],
        }
    )
    sums = frame.group_by("merchant", "minute").agg(pl.col("amount").sum(), pl.len())
    for merchant, _, amount, _ in sums.iter_rows():
        totals[merchant] = totals.get(merchant, 0) + amount


def count_clicks(seen: list[Click], counts: dict[tuple[str, str], int]) -> None:
    """Add up clicks by merchant and action, as orders are."""
    frame = pl.DataFrame(
        {
            "merchant": [x.merchant_id for x in seen],
            "action": [x.action for x in seen],
            "minute": [x.event_time // 60_000 for x in seen],
        }
    )
    for merchant, action, _, count in (
        frame.group_by("merchant", "action", "minute").agg(pl.len()).iter_rows()
    ):
        counts[merchant, action] = counts.get((merchant, action), 0) + count


if __name__ == "__main__":
    main()
