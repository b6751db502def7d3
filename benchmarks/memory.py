"""Does memory grow at a steady rate, once the widest bounded window is full?

Event time runs 24 times as fast as the clock, so the 12 h window is full before half time; over the second
half a line is fitted through the resident memory of all workers, and its slope is the answer. The people of
the current day are held until it ends, so they may still grow.
"""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Final

import numpy as np

from benchmarks.processes import WarRoomProcess
from benchmarks.results import Figure, Result
from benchmarks.throughput import Place, make_topics

SAMPLE_SECONDS: Final = 5.0
BOUNDED_TOPICS: Final = {
    "log.retention.bytes": str(256 << 20),
    "log.segment.bytes": str(64 << 20),
    "log.retention.check.interval.ms": "20000",
}
"""Settings of the broker: an hour of orders has not to stay."""


def memory(place: Place, rate: int, seconds: float) -> Result:
    """A day of orders at a steady rate in ``seconds``; the slope over its second half."""
    topic = "orders-memory"
    make_topics(place.brokers, topic)
    orders = int(rate * seconds)
    command = [
        *(sys.executable, "-m", "loadgen.cli", "run", "ordinary-day", "--brokers", place.brokers),
        *("--rate", str(rate), "--orders", str(orders)),
        *("--topic-orders", topic, "--topic-clicks", ""),
    ]
    samples: list[tuple[float, float]] = []
    lags: list[float] = []
    with WarRoomProcess(place.brokers, place.redis_url, prefix="memory:", topic=topic, bounded=False) as flow:
        load = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        started = time.perf_counter()
        while load.poll() is None:
            samples.append((time.perf_counter() - started, flow.resident_mib))
            lags.append(flow.metric("warroom_consumer_lag_messages", f'topic="{topic}"'))
            time.sleep(SAMPLE_SECONDS)
        if load.returncode:
            sys.exit("loadgen failed")
    half = [(at, mib) for at, mib in samples if at > seconds / 2]
    slope = float(np.polyfit([at for at, _ in half], [mib for _, mib in half], 1)[0]) * 3600
    resident = [mib for _, mib in half]
    return Result(
        "memory",
        f"Does the workers' memory grow at a steady {rate:,} orders/s once the 12 h window is full?",
        [
            Figure.of("slope over the second half", "MiB an hour", [slope], "0"),
            Figure.of("resident, in the second half", "MiB", resident),
            Figure.of("messages waiting in Kafka", "", lags),
        ],
        f"A day of event time in {seconds / 60:.0f} min; resident memory every {SAMPLE_SECONDS:g} s; "
        "Apache Kafka, which keeps the last 256 MiB of each partition.",
    )
