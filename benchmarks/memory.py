"""Does memory grow at a steady rate, once all windows that end are full?

An ordinary day again and again, each within some minutes: the first fills every window that ends, those that
slide, up to 12 h, and the day, whose people grow until midnight. From then on whole days are held against
each other, whatever memory does within a day: the most that they take, which is what a machine must have, and
the mean, which also tells how much of what midnight freed the heap keeps for what comes.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import combinations
from pathlib import Path
from statistics import mean
from typing import Final

from benchmarks.processes import WarRoomProcess
from benchmarks.results import Figure, Result
from benchmarks.throughput import Place, make_topics
from loadgen.scenario import SHIPPED

DAYS: Final = 6
TOPIC: Final = "orders-memory"
SAMPLE_SECONDS: Final = 2.0
LAST_ORDERS_SECONDS: Final = 60.0
BOUNDED_TOPICS: Final = {
    "log.retention.bytes": str(256 << 20),
    "log.segment.bytes": str(64 << 20),
    "log.retention.check.interval.ms": "20000",
}
"""Settings of the broker: an hour of orders has not to stay."""


@dataclass(frozen=True, slots=True)
class Look:
    """One look at the workers: what they hold, what of it people are, and what waits for them in Kafka."""

    resident_mib: float
    people_mib: float
    waiting: float


def scenarios(folder: Path) -> Iterator[Path]:
    """Ordinary days, one after the other, before any sale."""
    shipped = (SHIPPED / "ordinary-day.toml").read_text("utf-8")
    first = date(2019, 12, 4)
    for number in range(DAYS):
        day = first + timedelta(days=number)
        text, replaced = re.subn(r'(?m)^day = "[^"]*"$', f'day = "{day}"', shipped)
        assert replaced == 1
        path = folder / f"{day}.toml"
        path.write_text(text, "utf-8")
        yield path


def slopes(days: Sequence[float], seconds_a_day: float) -> list[float]:
    """MiB an hour between each two days, given what each held.

    Their median is the Theil-Sen slope: one day that the host disturbed does not bend it.
    """
    hours_a_day = seconds_a_day / 3600
    return [
        (later - earlier) / ((to - since) * hours_a_day)
        for (since, earlier), (to, later) in combinations(enumerate(days), 2)
    ]


def memory(place: Place, rate: int, seconds: float) -> Result:
    """``DAYS`` days of orders at a steady rate in ``seconds``; what each but the first held."""
    make_topics(place.brokers, TOPIC)
    orders = int(rate * seconds / DAYS)
    with (
        WarRoomProcess(place.brokers, place.redis_url, prefix="memory:", topic=TOPIC, bounded=False) as flow,
        tempfile.TemporaryDirectory(prefix="warroom-bench-") as folder,
    ):
        looks = [list(_looks_of_a_day(place, flow, path, rate, orders)) for path in scenarios(Path(folder))]
        flow.until(lambda: flow.events() >= DAYS * orders, LAST_ORDERS_SECONDS)
    full = looks[1:]
    resident = [[look.resident_mib for look in day] for day in full]
    most, usual = [max(day) for day in resident], [mean(day) for day in resident]
    day_seconds = seconds / DAYS
    return Result(
        "memory",
        f"Does the workers' memory grow at a steady {rate:,} orders/s once every window that ends is full?",
        [
            Figure.of("slope of a day's most, each two days", "MiB an hour", slopes(most, day_seconds), "0"),
            Figure.of("slope of a day's mean, each two days", "MiB an hour", slopes(usual, day_seconds)),
            Figure.of("a day's most, resident", "MiB", most),
            Figure.of("a day's mean, resident", "MiB", usual),
            Figure.of(
                "people in it, a day's most", "MiB", [max(look.people_mib for look in day) for day in full]
            ),
            Figure.of("messages waiting in Kafka", "", [look.waiting for day in full for look in day]),
        ],
        f"{DAYS} days of event time in {seconds / 60:.0f} min, the first to fill the windows. Resident from "
        f"day to day, most: {_days(most)}; mean: {_days(usual)} MiB. A look every {SAMPLE_SECONDS:g} s; "
        "Apache Kafka, which keeps the last 256 MiB of each partition.",
    )


def _days(values: Sequence[float]) -> str:
    return ", ".join(f"{value:,.0f}" for value in values)


def _looks_of_a_day(place: Place, flow: WarRoomProcess, path: Path, rate: int, orders: int) -> Iterator[Look]:
    command = [
        *(sys.executable, "-m", "loadgen.cli", "run", str(path), "--brokers", place.brokers),
        *("--rate", str(rate), "--orders", str(orders)),
        *("--topic-orders", TOPIC, "--topic-clicks", ""),
    ]
    load = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while load.poll() is None:
        if flow.process.poll() is not None:
            load.terminate()
            sys.exit(f"the war room ended with exit code {flow.process.returncode}")
        yield Look(
            flow.resident_mib,
            flow.metric("warroom_people_bytes") / 2**20,
            flow.metric("warroom_consumer_lag_messages", f'topic="{TOPIC}"'),
        )
        time.sleep(SAMPLE_SECONDS)
    if load.returncode:
        sys.exit("loadgen failed")
