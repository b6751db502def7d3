"""From when an order is due at the producer until its value stands in Redis, open loop, under load?

``loadgen run`` sends orders when they are due; beside it ``loadgen probe`` sends orders of a merchant of its
own and waits until Redis shows each. Waits run from the due time, so whatever the producer, the broker, an
epoch's end or Redis holds up counts. Snapshots every 2 s are on.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any, Final

from benchmarks.live import LiveLoad
from benchmarks.processes import WarRoomProcess
from benchmarks.results import Figure, Result
from benchmarks.throughput import Place, make_topics

WARM_SECONDS = 60
"""So much load comes first: a JVM that has just started compiles for a minute, on the same cores."""
SETTLE_SECONDS = 180.0
PROBES_A_SECOND = 50
STEADY_LOG: Final = {"log.flush.interval.ms": "500", "log.flush.scheduler.interval.ms": "500"}
"""Settings of the broker. By default the kernel writes half a minute of its log to the disk at once, 500 MB
at this rate: for 1 to 2 s no snapshot on the same disk is committed, and nothing is read."""


def latency(place: Place, rate: int, seconds: float, rounds: int) -> Result:
    """Percentiles of the probe's waits."""
    waits = [_once(place, rate, seconds, number) for number in range(rounds)]
    goals = {"p50": "≤ 300", "p90": "", "p99": "≤ 700", "max": "≤ 2,000"}
    return Result(
        "latency",
        f"From when an order is due until Redis shows it, at {rate:,} orders/s?",
        [Figure.of(name, "ms", [w[name] for w in waits], goal) for name, goal in goals.items()],
        f"{rounds} rounds of {seconds:g} s after {WARM_SECONDS} s of load, {PROBES_A_SECOND} probes/s; "
        "Apache Kafka, which writes its log out twice a second, Redis, loadgen, probe and two workers on the "
        "same cores and disk.",
    )


def _once(place: Place, rate: int, seconds: float, number: int) -> dict[str, float]:
    topic = f"orders-latency-{number}"
    make_topics(place.brokers, topic)
    flow = WarRoomProcess(place.brokers, place.redis_url, prefix=f"{topic}:", topic=topic, bounded=False)
    with flow, LiveLoad(place.brokers, topic, rate):
        flow.until(lambda: flow.events() > WARM_SECONDS * rate, SETTLE_SECONDS)
        command = [
            *(sys.executable, "-m", "loadgen.cli", "probe", "--brokers", place.brokers),
            *("--redis", place.redis_url, "--prefix", f"{topic}:", "--topic-orders", topic),
            *("--rate", str(PROBES_A_SECOND), "--seconds", str(seconds), "--json"),
        ]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    told: dict[str, Any] = json.loads(done.stdout)
    if told["lost"]:
        sys.exit(f"{told['lost']} of {told['sent']} probes were never seen in Redis")
    waits: dict[str, float] = told["latency_ms"]
    return waits
