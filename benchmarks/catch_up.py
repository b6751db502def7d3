"""After an outage of the war room, how long until it is live again while orders go on coming?

Orders come at a steady rate. The war room is killed (all processes, ``kill -9``) and started again after the
outage; it is live again when less than a quarter of a second's orders wait in Kafka.
"""

from __future__ import annotations

import os
import signal
import tempfile
import time
from pathlib import Path

from benchmarks.live import LiveLoad
from benchmarks.processes import WarRoomProcess
from benchmarks.results import Figure, Result
from benchmarks.throughput import Place, make_topics

LIMIT_SECONDS = 180.0


def catch_up(place: Place, rate: int, outage_seconds: float, rounds: int) -> Result:
    """Kill, wait, start, measure."""
    seconds = [_once(place, rate, outage_seconds, number) for number in range(rounds)]
    return Result(
        "catch-up",
        f"After {outage_seconds:g} s without the war room, how long from its start until it is live again "
        f"at {rate:,} orders/s?",
        [Figure.of("start to live", "s", seconds, "≤ 15")],
        f"{rounds} rounds; Apache Kafka, Redis, loadgen and two workers on the same cores.",
    )


def _once(place: Place, rate: int, outage_seconds: float, number: int) -> float:
    topic = f"orders-catch-up-{number}"
    make_topics(place.brokers, topic)
    with tempfile.TemporaryDirectory(prefix="warroom-bench-") as directory:
        flow = WarRoomProcess(
            place.brokers,
            place.redis_url,
            prefix=f"{topic}:",
            topic=topic,
            state=Path(directory),
            bounded=False,
        )
        with LiveLoad(place.brokers, topic, rate):
            with flow:
                flow.until(lambda: flow.events() > 5 * rate, LIMIT_SECONDS)
                for pid in [flow.process.pid, *flow.pids]:
                    os.kill(pid, signal.SIGKILL)
                flow.process.wait()
            time.sleep(outage_seconds)
            with flow:
                least = outage_seconds * rate
                return flow.until(lambda: flow.events() >= least and _lag(flow) < rate / 4, LIMIT_SECONDS)


def _lag(flow: WarRoomProcess) -> float:
    return flow.metric("warroom_consumer_lag_messages", 'topic="orders')
