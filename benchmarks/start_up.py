"""How long from the start of the process to the first result, with an empty state and a full one?

The first result with an empty state is a merchant of the topic standing in Redis; with a full one, the first
merchant that the new run writes. Both are seen by somebody who asks every 20 ms.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import redis

from benchmarks.processes import WarRoomProcess
from benchmarks.results import Figure, Result
from benchmarks.throughput import Load, Place, fill, make_topics

LIMIT_SECONDS = 120.0


def start_up(place: Place, merchants: int, rounds: int) -> Result:
    """Both cases, some rounds each."""
    client = redis.Redis.from_url(place.redis_url, decode_responses=True)
    empty = [_first_result(place, client, f"start-empty-{n}", None) for n in range(rounds)]
    with tempfile.TemporaryDirectory(prefix="warroom-bench-") as directory:
        topic, state = "orders-start-full", Path(directory)
        make_topics(place.brokers, topic)
        fill(place.brokers, topic, Load(events=3 * merchants, merchants=merchants, exponent=0.0))
        with WarRoomProcess(
            place.brokers, place.redis_url, prefix="start-full:", topic=topic, state=state
        ) as flow:
            flow.until(lambda: flow.process.poll() is not None, LIMIT_SECONDS * 5)
        full = [_again(place, topic, state) for _ in range(rounds)]
    client.close()
    return Result(
        "start",
        "How long from the start of the process to the first result in Redis?",
        [
            Figure.of("with an empty state", "s", empty, "≤ 2"),
            Figure.of(f"with {merchants:,} merchants in state", "s", full, "≤ 10"),
        ],
        f"{rounds} rounds; two workers, compiled code cached, servers running.",
    )


def _first_result(place: Place, client: redis.Redis, name: str, state: Path | None) -> float:
    make_topics(place.brokers, name)
    fill(place.brokers, name, Load(events=1000, merchants=10))
    flow = WarRoomProcess(
        place.brokers, place.redis_url, prefix=f"{name}:", topic=name, state=state, bounded=False
    )
    with flow:
        return flow.until(lambda: bool(client.exists(f"{name}:merchant:m0000000")), LIMIT_SECONDS)


def _again(place: Place, topic: str, state: Path) -> float:
    flow = WarRoomProcess(
        place.brokers, place.redis_url, prefix="start-full:", topic=topic, state=state, bounded=False
    )
    with flow:
        return flow.until(lambda: flow.metric("warroom_redis_writes_total") > 0, LIMIT_SECONDS)
