"""How many orders a second does the whole flow count, and how does that compare to a bare loop?

Both read the same topic in the same run, one after the other: the bare loop in two processes (consume,
decode, group by) and the flow with duplicates, windows, snapshots every 2 s, Redis and metrics on. The
producer has finished before. Rates are from the first message to the last; CPU seconds are of all worker
processes over that stretch.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import redis
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from benchmarks.orders import chunks, produce
from benchmarks.processes import WarRoomProcess
from benchmarks.results import Figure, Result
from schemas import redis_layout
from schemas.windows import SALE

PARTITIONS: Final = 4
LOOK_SECONDS: Final = 0.2
"""Each look has every worker write all of its metrics, 3 ms: fifty a second cost a fifth of the rate."""


@dataclass(frozen=True, slots=True)
class Load:
    """Orders to be read. ``hot_share``: share of all orders of one merchant; ``packed``: events a message."""

    events: int = 12_000_000
    merchants: int = 10_000
    hot_share: float = 0.0
    packed: int = 1
    exponent: float = 1.1
    """Of the merchants' popularity (Zipf); 0: all the same."""
    event_rate: int = 500_000
    """Orders a second of event time."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of one program."""

    events_a_second: float
    cpu_seconds_a_million: float
    peak_mib: float


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at the running flow showed."""

    events: int
    seconds: float
    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class Place:
    """Servers that are there already."""

    brokers: str
    redis_url: str


def make_topics(brokers: str, *orders: str, partitions: int = PARTITIONS) -> None:
    """The topics of a benchmark, each on as many partitions as the embedded broker gives."""
    topics = [NewTopic(name, partitions) for name in orders]
    there = AdminClient({"bootstrap.servers": brokers}).list_topics(timeout=10).topics
    others = [
        NewTopic(name, count)
        for name, count in (("clicks", PARTITIONS), ("baselines", 1), ("dead-letters", 1))
        if name not in there
    ]
    admin = AdminClient({"bootstrap.servers": brokers})
    for made in admin.create_topics([*topics, *others]).values():
        made.result()


def fill(brokers: str, topic: str, load: Load) -> int:
    """Produce a load; the number of its events."""
    stream = chunks(load.events, load.merchants, load.event_rate, load.exponent, load.hot_share, load.packed)
    return produce(brokers, topic, PARTITIONS, stream)


def bare_loop(brokers: str, topic: str, events: int) -> Measured:
    """Two processes, half the partitions each. ``topic``: one, or several separated by commas."""
    commands = [[sys.executable, "-m", "benchmarks.bare_loop", brokers, topic, p] for p in ("0,1", "2,3")]
    started = [subprocess.Popen(c, stdout=subprocess.PIPE) for c in commands]
    told: list[dict[str, Any]] = [json.loads(p.communicate()[0]) for p in started]
    if sum(t["events"] for t in told) != events:
        sys.exit(f"the bare loop read {sum(t['events'] for t in told)} of {events} events")
    seconds = max(t["last"] for t in told) - min(t["first"] for t in told)
    return Measured(
        events / seconds,
        sum(t["cpu_seconds"] for t in told) / events * 1e6,
        sum(t["peak_mib"] for t in told),
    )


def war_room(
    place: Place, topic: str, events: int, prefix: str, workers: int = 2, clicks: str = ""
) -> Measured:
    """The whole flow; rated by what its metrics say, look by look; all must be counted in the end."""
    settings = {"WARROOM_KAFKA__CLICKS": clicks} if clicks else {}
    flow = WarRoomProcess(place.brokers, place.redis_url, workers, prefix, topic, settings=settings)
    looks: list[Look] = []
    with flow:
        while flow.process.poll() is None:
            flow.note_peaks()
            counted = flow.events() + (flow.events(clicks) if clicks else 0)
            if counted and (not looks or looks[-1].events < counted):
                looks.append(Look(counted, time.perf_counter(), flow.cpu_seconds()))
            time.sleep(LOOK_SECONDS)
        if flow.process.returncode or len(looks) < 2:
            sys.exit(f"the flow ended with exit code {flow.process.returncode} after {len(looks)} looks")
    # Of orders Redis tells: the last batch may be counted just before the flow ends, between two looks.
    done = looks[-1].events if clicks else _orders_told(place.redis_url, prefix)
    if done != events:
        sys.exit(f"the flow ended with {done:,} of {events:,} events counted")
    first, last = looks[0], looks[-1]
    counted = last.events - first.events
    return Measured(
        counted / (last.seconds - first.seconds),
        (last.cpu_seconds - first.cpu_seconds) / counted * 1e6,
        flow.peak_mib,
    )


def _orders_told(redis_url: str, prefix: str) -> int:
    """Orders in Redis; every one of a load is paid."""
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        field = redis_layout.field("orders", SALE)
        return int(client.hget(redis_layout.rollup(prefix, "total", "all"), field) or 0)


def beside_bare_loop(
    name: str, place: Place, load: Load, rounds: int, goals: Goals, workers: int = 2
) -> Result:
    """Bare loop and flow in turns over one topic."""
    topic = f"orders-{name}"
    make_topics(place.brokers, topic)
    events = fill(place.brokers, topic, load)
    bare, flow = [], []
    for number in range(rounds):
        bare.append(bare_loop(place.brokers, topic, events))
        flow.append(war_room(place, topic, events, f"bench-{name}-{number}:", workers))
    return Result(name, goals.question, figures_of(bare, flow, goals), f"{events:,} orders, {rounds} rounds.")


@dataclass(frozen=True, slots=True)
class Goals:
    """What is asked, and what is to be reached."""

    question: str
    rate: str = ""
    ratio: str = ""
    cpu: str = ""
    memory: str = ""


def figures_of(
    bare: Sequence[Measured], flow: Sequence[Measured], goals: Goals, unit: str = "orders/s"
) -> list[Figure]:
    """Rates, their ratios pair by pair, CPU and memory."""
    pairs = list(zip(bare, flow, strict=True))
    return [
        Figure.of(
            "flow", unit, [f.events_a_second for f in flow], goals.rate,
            [b.events_a_second for b in bare],
        ),
        Figure.of(
            "flow / bare loop", "ratio",
            [f.events_a_second / b.events_a_second for b, f in pairs], goals.ratio,
        ),
        Figure.of(
            "CPU of all workers", "s a million", [f.cpu_seconds_a_million for f in flow], goals.cpu,
            [b.cpu_seconds_a_million for b in bare],
        ),
        Figure.of(
            "peak memory of all workers", "MiB", [f.peak_mib for f in flow], goals.memory,
            [b.peak_mib for b in bare],
        ),
    ]  # fmt: skip


def one_against_the_other(
    name: str, place: Place, loads: tuple[Load, Load], rounds: int, goals: Goals
) -> Result:
    """The flow over two topics in turns: the first load's rate over the second's."""
    topics = [f"orders-{name}-{number}" for number in (0, 1)]
    make_topics(place.brokers, *topics)
    events = [fill(place.brokers, topic, load) for topic, load in zip(topics, loads, strict=True)]
    runs: tuple[list[Measured], list[Measured]] = ([], [])
    for number in range(rounds):
        for which in (0, 1):
            prefix = f"bench-{name}-{number}-{which}:"
            runs[which].append(war_room(place, topics[which], events[which], prefix))
    rates = [[m.events_a_second for m in some] for some in runs]
    ratios = [a / b for a, b in zip(*rates, strict=True)]
    return Result(
        name,
        goals.question,
        [
            Figure.of("throughput of the one over the other's", "ratio", ratios, goals.ratio),
            Figure.of("the one", "orders/s", rates[0], "", rates[1]),
            Figure.of("peak memory of all workers", "MiB", [m.peak_mib for m in runs[0]], goals.memory),
        ],
        f"{events[0]:,} orders each, {rounds} rounds; beside: the other load.",
    )
