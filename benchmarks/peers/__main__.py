"""``python -m benchmarks.peers``: the same job by others, beside ours and the bare loop, over one topic.

The job: per merchant and minute, count and sum. Ours does all that it always does. Each peer runs as its
users would write it; what is not installed (``pip install '.[peers]'``) is left out, and the result says so.
Runs on Apache Kafka, since consumer groups need a real one, so it needs Java and Maven.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from benchmarks import results
from benchmarks.results import Figure, Result
from benchmarks.throughput import Load, Place, bare_loop, fill, make_topics, war_room
from tests.kafka.apache_kafka import ApacheKafka
from warroom.services import EmbeddedRedis

PEERS: Final = {
    "naive Bytewax": ("benchmarks.peers.naive_bytewax", "bytewax"),
    "Quix Streams": ("benchmarks.peers.quix_streams", "quixstreams"),
    "Pathway": ("benchmarks.peers.pathway_", "pathway"),
}
LIMIT_SECONDS: Final = 600.0


def peer(python: str, module: str, brokers: str, topic: str, events: int) -> dict[str, Any]:
    """Run a peer; what it tells of itself."""
    command = [python, "-m", module, brokers, topic, str(events)]
    done = subprocess.run(command, stdout=subprocess.PIPE, timeout=LIMIT_SECONDS, check=True)
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def measure(place: Place, events: int, python: str) -> Result:
    """Ours and the bare loop once over all events, each peer once."""
    topic = "orders-peers"
    make_topics(place.brokers, topic)
    fill(place.brokers, topic, Load(events=events))
    bare = bare_loop(place.brokers, topic, events)
    ours = war_room(place, topic, events, "peers:")
    figures = [
        Figure.of("Warroom, everything on, two workers", "orders/s", [ours.events_a_second]),
        Figure.of("Warroom, CPU", "s a million", [ours.cpu_seconds_a_million]),
        Figure.of("bare loop, two processes", "orders/s", [bare.events_a_second]),
    ]
    left_out = []
    for name, (module, package) in PEERS.items():
        if python == sys.executable and importlib.util.find_spec(package) is None:
            left_out.append(name)
            continue
        told = peer(python, module, place.brokers, topic, events)
        figures.append(Figure.of(name, "orders/s", [told["events"] / told["seconds"]]))
        figures.append(Figure.of(f"{name}, CPU", "s a million", [told["cpu_seconds"] / told["events"] * 1e6]))
        figures.append(Figure.of(f"{name}, events in its results", "share", [told["counted"] / events]))
    note = f"{events:,} orders, one run each." + (
        f" Not installed: {', '.join(left_out)}." if left_out else ""
    )
    return Result("peers", "The same job (per merchant and minute: count and sum) by others?", figures, note)


def main() -> None:
    """Measure, show, keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument(
        "--python", default=sys.executable, help="an interpreter that has the peers installed"
    )
    parser.add_argument("--no-keep", action="store_true", help="print only")
    given = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="warroom-kafka-"))
    try:
        with ApacheKafka(directory) as kafka, EmbeddedRedis() as redis:
            result = measure(Place(kafka.address, redis.url), given.events, given.python)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    results.show(result)
    if not given.no_keep:
        results.keep(result)
        results.write_page()


if __name__ == "__main__":
    main()
