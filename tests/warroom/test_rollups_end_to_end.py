"""Roll-ups of a night on real servers: with any number of workers, and after a kill, what the events say."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import redis
from confluent_kafka import Producer

from schemas.rollups import DIMENSIONS
from schemas.windows import DAY_MS, MEASURES, WINDOWS
from tests.faults.stage import workers_of
from tests.operators.night import encoded, flat_baseline
from tests.operators.test_rollups import plainly, seeded_night
from warroom.children import end, free_ports
from warroom.services import Topic, create_topics
from warroom.waiting import wait_until

Event = dict[str, Any]
PARTITIONS = 2
PATIENCE_SECONDS = 90.0
TOPICS = (
    Topic("orders", PARTITIONS),
    Topic("clicks", PARTITIONS),
    Topic("baselines", 1, compacted=True),
    Topic("dead-letters", 1),
)


def send(broker: str, topic: str, events: list[Event]) -> None:
    """Each event to its partition, in order, with a timestamp that it is not ahead of."""
    producer = Producer({"bootstrap.servers": broker})
    for n, event in enumerate(events):
        stamp = event["event_time"]
        producer.produce(topic, encoded(event), partition=n % PARTITIONS, timestamp=stamp)
    assert producer.flush(PATIENCE_SECONDS) == 0


def send_baselines(broker: str) -> None:
    """Half of the merchants sell food, at 2400 fen a day."""
    producer = Producer({"bootstrap.servers": broker})
    for n in range(0, 40, 2):
        baseline = {
            "merchant_id": f"m{n}",
            "name": f"M{n}",
            "days": 28,
            "daily": {"gmv": 2400.0, "orders": 24.0},
            "hourly_share": flat_baseline("m").hourly_share,
            "category": "餐飲",
        }
        producer.produce("baselines", encoded(baseline), key=f"m{n}")
    assert producer.flush(PATIENCE_SECONDS) == 0


class War:
    """``warroom run`` on a broker and a Redis; a context manager."""

    def __init__(self, broker: str, redis_url: str, directory: Path, workers: int) -> None:
        self.log = directory / "warroom.log"
        self._command = [
            *(sys.executable, "-m", "warroom", "run", "--brokers", broker, "--redis", redis_url),
            *("--workers", str(workers), "--state", str(directory / "state")),
            *("--sale-opens", "2019-12-12T00:00:00+08:00", "--metrics-port", str(free_ports(workers))),
        ]

    def __enter__(self) -> War:
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(self._command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        return self

    def __exit__(self, *_: object) -> None:
        end(self.process)

    def workers(self) -> list[int]:
        """Process ids of the workers that live now."""
        return workers_of(self.process.pid)

    def finish(self) -> None:
        """Read all that is there, and end."""
        self.process.send_signal(signal.SIGUSR1)
        assert self.process.wait(PATIENCE_SECONDS) == 0, self.log.read_text()


def shown(client: redis.Redis) -> dict[Any, Any]:
    """Every roll-up in Redis but the total."""
    found = {}
    for key in client.scan_iter("warroom:rollup:*"):
        _, _, dimension, value = key.split(":", 3)
        if dimension in DIMENSIONS:
            found[dimension, value] = client.hgetall(key)
    return found


@pytest.mark.parametrize(("workers", "kill"), [(1, False), (2, True), (3, False)])
def test_roll_ups_in_redis_are_what_the_events_say(
    workers: int, kill: bool, broker: str, redis_url: str, tmp_path: Path
) -> None:
    create_topics(broker, TOPICS)
    orders, clicks = seeded_night(workers, 3_000, DAY_MS - 1)
    client = redis.Redis.from_url(redis_url, decode_responses=True)
    send_baselines(broker)
    middle_ms = orders[len(orders) // 2]["event_time"]
    early = [[e for e in events if e["event_time"] < middle_ms] for events in (orders, clicks)]
    send(broker, "orders", early[0])
    send(broker, "clicks", early[1])
    with War(broker, redis_url, tmp_path, workers) as war:
        newest_ms = max(e["event_time"] for events in early for e in events)
        reached = lambda: client.hget("warroom:meta", "event_time") == str(newest_ms)  # noqa: E731
        assert wait_until(reached, PATIENCE_SECONDS), war.log.read_text()
        if kill:
            for pid in war.workers():
                os.kill(pid, signal.SIGKILL)
        send(broker, "orders", orders[len(early[0]) :])
        send(broker, "clicks", clicks[len(early[1]) :])
        war.finish()
    expected = plainly(orders + clicks)
    found = shown(client)
    measures = [f"{m}:{w}" for m in MEASURES for w in WINDOWS]
    assert {v: {m: int(fields[m]) for m in measures} for v, fields in found.items()} == expected
    total = client.hgetall("warroom:rollup:total:all")
    for dimension in DIMENSIONS:
        for m in measures:
            assert sum(f[m] for v, f in expected.items() if v[0] == dimension) == int(total[m])
    food = found["category", "餐飲"]
    assert float(food["sales_multiple:day"]) == pytest.approx(int(food["gmv:day"]) / (20 * 2400), abs=1e-6)
    private, platform = int(food["private_views:day"]), int(food["platform_views:day"])
    assert float(food["private_traffic_share:day"]) == pytest.approx(private / (private + platform), abs=1e-6)
