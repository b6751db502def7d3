"""``python -m benchmarks [NAME…]``: how fast, how soon, how much memory; beside a bare loop in the same run.

Without a name: ``all``, everything but the hour. ``quick`` is a glimpse in two minutes. Results are printed,
appended to ``benchmarks/results.jsonl`` and shown in ``benchmarks/RESULTS.md``.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks import results
from benchmarks.catch_up import catch_up
from benchmarks.latency import STEADY_LOG, latency
from benchmarks.memory import BOUNDED_TOPICS, memory
from benchmarks.mixed import mixed
from benchmarks.results import Result
from benchmarks.start_up import start_up
from benchmarks.throughput import Goals, Load, Place, beside_bare_loop, one_against_the_other
from benchmarks.trouble import trouble
from benchmarks.workers import workers
from tests.kafka.apache_kafka import ApacheKafka
from warroom.services import EmbeddedBroker, EmbeddedRedis

MEASURE: Final = (
    "How many orders a second, beside a bare loop (consume, decode, group by) over the same topic"
)
EMBEDDED: Final = Goals(f"{MEASURE}, embedded broker?", "≥ 583,000", "≥ 0.80", "≤ 2.0", "≤ 2,048")
KAFKA: Final = Goals(f"{MEASURE}, Apache Kafka?", "≥ 800,000", "≥ 0.80", "≤ 2.0", "≤ 2,048")
PACKED: Final = Goals(f"{MEASURE}, 50 orders a message, embedded broker?", ratio="≥ 0.75")
PACKED_KAFKA: Final = Goals(f"{MEASURE}, 50 orders a message, Apache Kafka?", "≥ 1,500,000", "≥ 0.75")
MIXED: Final = Goals(
    "Clicks at ten times the orders: how many events a second, beside a bare loop over the same bytes?",
    "≥ 400,000",
    "≥ 0.60",
)
HOT: Final = Goals(
    "One merchant with a third of all traffic, against Zipf 1.1 alone: what does it cost?", ratio="≥ 0.95"
)
MILLION: Final = Goals(
    "1,000,000 merchants against 1,000: what do they cost?", ratio="≥ 0.80", memory="≤ 4,096"
)


def _throughput(place: Place) -> Result:
    return beside_bare_loop("throughput", place, Load(), 5, EMBEDDED)


def _quick(place: Place) -> Result:
    return beside_bare_loop("quick", place, Load(events=3_000_000), 2, EMBEDDED)


def _packed(place: Place) -> Result:
    return beside_bare_loop("packed", place, Load(packed=50), 3, PACKED)


def _hot(place: Place) -> Result:
    loads = Load(hot_share=1 / 3), Load()
    return one_against_the_other("hot-merchant", place, loads, 3, HOT)


def _million(place: Place) -> Result:
    loads = Load(merchants=1_000_000), Load(merchants=1_000)
    return one_against_the_other("million-merchants", place, loads, 5, MILLION)


def _mixed(place: Place) -> Result:
    return mixed(place, Load(), 3, MIXED)


EMBEDDED_BENCHMARKS: Final[dict[str, Callable[[Place], Result]]] = {
    "throughput": _throughput,
    "packed": _packed,
    "mixed": _mixed,
    "hot-merchant": _hot,
    "million-merchants": _million,
    "start": lambda place: start_up(place, 1_000_000, 3),
    "workers": lambda place: workers(place, Load(events=4_000_000), 3),
    "trouble": lambda place: trouble(place, 0.1),
    "trouble-full": lambda place: trouble(place, 1.0),
    "quick": _quick,
}
KAFKA_BENCHMARKS: Final[dict[str, Callable[[Place], Result]]] = {
    "apache-kafka": lambda place: beside_bare_loop("apache-kafka", place, Load(), 5, KAFKA),
    "packed-kafka": lambda place: beside_bare_loop("packed-kafka", place, Load(packed=50), 3, PACKED_KAFKA),
    # The embedded broker keeps all orders in memory and takes more of the processor the more they are.
    "latency": lambda place: latency(place, 100_000, 120.0, 1),
    "catch-up": lambda place: catch_up(place, 100_000, 60.0, 1),
    "hour": lambda place: memory(place, 20_000, 3600.0),
}
SUITES: Final = {
    "all": [
        *(name for name in KAFKA_BENCHMARKS if name != "hour"),
        *(name for name in EMBEDDED_BENCHMARKS if name not in ("quick", "trouble-full")),
    ],
}


@contextmanager
def _embedded() -> Iterator[Place]:
    with EmbeddedBroker() as broker, EmbeddedRedis() as redis:
        yield Place(broker.address, redis.url)


@contextmanager
def _apache(settings: Mapping[str, str]) -> Iterator[Place]:
    directory = Path(tempfile.mkdtemp(prefix="warroom-kafka-"))
    try:
        with ApacheKafka(directory, settings=settings) as kafka, EmbeddedRedis() as redis:
            yield Place(kafka.address, redis.url)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


BROKER_SETTINGS: Final = {"hour": BOUNDED_TOPICS, "latency": STEADY_LOG}
"""Settings of Apache Kafka that a benchmark needs."""


def run(name: str) -> Result:
    """One benchmark on servers of its own."""
    if name in KAFKA_BENCHMARKS:
        with _apache(BROKER_SETTINGS.get(name, {})) as place:
            return KAFKA_BENCHMARKS[name](place)
    with _embedded() as place:
        return EMBEDDED_BENCHMARKS[name](place)


def asked(arguments: Sequence[str]) -> tuple[list[str], bool]:
    """The benchmarks that a command line names, and whether their results are to be kept."""
    names = [*KAFKA_BENCHMARKS, *EMBEDDED_BENCHMARKS, *SUITES]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(names))
    parser.add_argument("--no-keep", action="store_true", help="print only")
    given = parser.parse_args(arguments)
    for name in given.names:  # with ``choices``, Python 3.11 would want a name
        if name not in names:
            parser.error(f"there is no benchmark {name!r}; there are {', '.join(names)}")
    chosen = [name for asked in given.names or ["all"] for name in SUITES.get(asked, [asked])]
    return chosen, not given.no_keep


def main() -> None:
    """Run what was asked for, show and keep the results."""
    names, keep = asked(sys.argv[1:])
    for name in names:
        result = run(name)
        results.show(result)
        if keep:
            results.keep(result)
            results.write_page()


if __name__ == "__main__":
    main()
