"""What do more worker processes bring on this machine?

One topic of eight partitions, read by 1, 2, 4 and 8 worker processes in turns. On a machine with fewer cores
than workers this shows what the workers cost one another, not what more cores would bring:
``docs/performance.md`` says which is measured and which is computed.
"""

from __future__ import annotations

from benchmarks.orders import chunks, produce
from benchmarks.results import Figure, Result
from benchmarks.throughput import Load, Place, make_topics, war_room

PARTITIONS = 8
WORKERS = (1, 2, 4, 8)


def workers(place: Place, load: Load, rounds: int) -> Result:
    """Throughput, CPU and memory by the number of workers."""
    topic = "orders-workers"
    make_topics(place.brokers, topic, partitions=PARTITIONS)
    stream = chunks(load.events, load.merchants, load.event_rate, load.exponent)
    events = produce(place.brokers, topic, PARTITIONS, stream)
    figures = []
    for count in WORKERS:
        runs = [
            war_room(place, topic, events, f"bench-workers-{count}-{number}:", count)
            for number in range(rounds)
        ]
        named = f"{count} worker{'s' if count > 1 else ''}"
        figures += [
            Figure.of(named, "orders/s", [m.events_a_second for m in runs]),
            Figure.of(f"{named}, CPU", "s a million", [m.cpu_seconds_a_million for m in runs]),
            Figure.of(f"{named}, peak memory", "MiB", [m.peak_mib for m in runs]),
        ]
    question = "What do more worker processes bring on this machine?"
    return Result(
        "workers", question, figures, f"{events:,} orders on {PARTITIONS} partitions, {rounds} rounds."
    )
