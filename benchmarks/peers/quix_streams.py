"""Quix Streams as its guide shows it: group by, tumbling window, count and sum. BROKERS TOPIC EVENTS."""

from __future__ import annotations

import sys
import tempfile
import uuid
from typing import Any

from quixstreams import Application
from quixstreams.dataframe.windows import Count, Sum

from benchmarks.peers.report import Stopwatch

IDLE_SECONDS = 15.0


def main() -> None:
    """Read the topic to its end."""
    brokers, topic, events = sys.argv[1], sys.argv[2], int(sys.argv[3])
    watch = Stopwatch()
    with tempfile.TemporaryDirectory() as state:
        app = Application(
            broker_address=brokers,
            consumer_group=f"peer-{uuid.uuid4().hex[:8]}",
            auto_offset_reset="earliest",
            state_dir=state,
            loglevel="WARNING",
        )
        orders = app.topic(
            topic,
            value_deserializer="json",
            timestamp_extractor=lambda value, headers, timestamp, kind: int(value["event_time"]),
        )

        def seen(result: dict[str, Any]) -> None:
            watch.touch()
            watch.events += 1
            if watch.events >= events:
                app.stop()

        frame = app.dataframe(orders)
        frame = frame.group_by("merchant_id")
        frame = frame.tumbling_window(60_000, grace_ms=5000).agg(orders=Count(), gmv=Sum("amount")).current()
        frame.update(seen)
        app.run(timeout=IDLE_SECONDS)
    watch.counted = watch.events
    watch.print_report()


if __name__ == "__main__":
    main()
