"""Pathway as its guide shows it: read JSON, group by merchant and minute, reduce. BROKERS TOPIC EVENTS."""

from __future__ import annotations

import os
import sys
import uuid
from typing import Any

import pathway as pw

from benchmarks.peers.report import Stopwatch


class Order(pw.Schema):
    """The fields that the job needs."""

    merchant_id: str
    amount: int
    event_time: int


def main() -> None:
    """Read until every event is in the results."""
    brokers, topic, events = sys.argv[1], sys.argv[2], int(sys.argv[3])
    watch = Stopwatch()
    settings = {
        "bootstrap.servers": brokers,
        "group.id": f"peer-{uuid.uuid4().hex[:8]}",
        "auto.offset.reset": "earliest",
    }
    orders = pw.io.kafka.read(settings, topic=topic, schema=Order, format="json", autocommit_duration_ms=500)
    minutes = orders.select(pw.this.merchant_id, pw.this.amount, minute=pw.this.event_time // 60_000)
    sums = minutes.groupby(pw.this.merchant_id, pw.this.minute).reduce(
        pw.this.merchant_id, pw.this.minute, orders=pw.reducers.count(), gmv=pw.reducers.sum(pw.this.amount)
    )

    def changed(key: Any, row: dict[str, Any], time: int, is_addition: bool) -> None:  # noqa: ANN401
        watch.touch()
        watch.counted += row["orders"] if is_addition else -row["orders"]
        if watch.counted >= events and is_addition:
            watch.events = events
            watch.print_report()
            os._exit(0)  # a live table never ends by itself

    pw.io.subscribe(sums, changed)
    pw.run(monitoring_level=pw.MonitoringLevel.NONE)


if __name__ == "__main__":
    main()
