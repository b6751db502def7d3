"""Does memory grow at a steady rate, once the widest bounded window is full?

Event time runs fast enough that the 12 h window is full at half time; from then on a line is fitted through
the resident memory of all workers, and its slope is the answer.
"""

from __future__ import annotations

import subprocess
import sys
import time

import numpy as np

from benchmarks.processes import WarRoomProcess
from benchmarks.results import Figure, Result
from benchmarks.throughput import Place, make_topics

HOURS_A_DAY = 24
SAMPLE_SECONDS = 5.0


def memory(place: Place, rate: int, seconds: float) -> Result:
    """A day of orders at a steady rate in ``seconds``; the slope over its second half."""
    topic = "orders-memory"
    make_topics(place.brokers, topic)
    orders = int(rate * seconds)
    command = [
        *(sys.executable, "-m", "loadgen.cli", "run", "ordinary-day", "--brokers", place.brokers),
        *("--speed", str(HOURS_A_DAY * 3600 / seconds), "--orders", str(orders)),
        *("--topic-orders", topic, "--topic-clicks", ""),
    ]
    samples: list[tuple[float, float]] = []
    with WarRoomProcess(place.brokers, place.redis_url, prefix="memory:", topic=topic, bounded=False) as flow:
        load = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        started = time.perf_counter()
        while load.poll() is None:
            samples.append((time.perf_counter() - started, flow.resident_mib))
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
            Figure.of("resident", "MiB", resident),
        ],
        f"A day of event time in {seconds / 60:.0f} min; resident memory every {SAMPLE_SECONDS:g} s.",
    )
