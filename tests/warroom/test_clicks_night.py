"""Orders and clicks through real servers and processes, over three runs, equal a plain recomputation."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import redis
from confluent_kafka import Producer

from schemas.windows import CLICK_MEASURES, HOUR_MS, MEASURES, WINDOWS
from tests.operators.night import DAY_START_MS, click, encoded, order, recomputed
from tests.operators.test_exactness import seeded_clicks, seeded_orders
from warroom.children import free_port
from warroom.dead_letters import count_dead_letters
from warroom.services import EmbeddedBroker, EmbeddedRedis, create_topics

SPAN_MS = 3 * HOUR_MS


def night(seed: int) -> list[dict[str, Any]]:
    """Orders and clicks in the order of their times."""
    events = seeded_orders(seed, 1_000, SPAN_MS) + seeded_clicks(seed, 4_000, SPAN_MS)
    return sorted(events, key=lambda e: e["event_time"])


def produce(brokers: str, events: list[dict[str, Any]], broken: int = 0) -> None:
    """Each event to a partition of its own choice, so that a copy comes in the same one."""
    producer = Producer({"bootstrap.servers": brokers})
    for event in events:
        topic, key = ("orders", "order_id") if "status" in event else ("clicks", "event_id")
        partition = sum(event[key].encode()) % 4
        producer.produce(topic, encoded(event), partition=partition, timestamp=event["event_time"])
    for number in range(broken):
        producer.produce("clicks", b'{"event_id":"broken"}', partition=number % 4)
    producer.flush()


def read_to_the_end(brokers: str, redis_url: str, workers: int, directory: Path) -> None:
    """One run of the war room over everything that is there."""
    command = [
        *(sys.executable, "-m", "warroom", "run", "--bounded", "--brokers", brokers),
        *("--redis", redis_url, "--workers", str(workers), "--state", str(directory / "state")),
        *("--metrics-port", str(free_port()), "--sale-opens", "2019-12-12T00:00:00+08:00"),
    ]
    done = subprocess.run(command, env=os.environ, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def found_of(redis_url: str, merchants: list[str]) -> dict[str, dict[str, int]]:
    """Every measure of every merchant; a merchant without clicks has no measures of clicks."""
    client = redis.Redis.from_url(redis_url, decode_responses=True)
    found = {}
    for merchant in merchants:
        fields: dict[str, str] = client.hgetall(f"warroom:merchant:{merchant}")  # type: ignore[assignment]
        found[merchant] = {
            f"{m}:{w}": int(fields.get(f"{m}:{w}", "0" if m in CLICK_MEASURES else "-1"))
            for m in MEASURES
            for w in WINDOWS
        }
    client.close()
    return found


def test_three_runs_with_one_three_and_two_workers_equal_a_plain_recomputation(tmp_path: Path) -> None:
    events = night(7)
    third = len(events) // 3
    joins = [e for e in events[: 2 * third] if e.get("action") == "join"]
    rng = random.Random(7)
    repeated = [
        e | {"event_id": f"again-{n}", "event_time": events[2 * third]["event_time"]}
        for n, e in enumerate(rng.sample(joins, 50))
    ]
    copies = events[-100:]  # of the last minutes: within the horizon
    with EmbeddedBroker() as broker, EmbeddedRedis() as server:
        create_topics(broker.address)
        parts = [events[:third], events[third : 2 * third], [*repeated, *events[2 * third :], *copies]]
        for workers, part in zip((1, 3, 2), parts, strict=True):
            produce(broker.address, part, broken=3)
            read_to_the_end(broker.address, server.url, workers, tmp_path)
        expected = recomputed(events)
        assert found_of(server.url, list(expected)) == expected
        assert count_dead_letters(broker.address, "dead-letters")["invalid"] == 9


def test_without_a_click_stream_orders_count_and_no_click_fields_stand(tmp_path: Path) -> None:
    with EmbeddedBroker() as broker, EmbeddedRedis() as server:
        create_topics(broker.address)
        produce(broker.address, [order(1, at_ms=DAY_START_MS), click(1, at_ms=DAY_START_MS)])
        (tmp_path / "warroom.toml").write_text('[kafka]\nclicks = ""\n')
        command = [
            *(sys.executable, "-m", "warroom", "run", "--bounded", "--brokers", broker.address),
            *("--redis", server.url, "--no-state", "--metrics-port", str(free_port())),
            *("--config", str(tmp_path / "warroom.toml")),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        client = redis.Redis.from_url(server.url, decode_responses=True)
        fields: dict[str, str] = client.hgetall("warroom:merchant:m1")  # type: ignore[assignment]
        client.close()
    assert fields["orders:day"] == "1"
    assert [name for name in fields if name.partition(":")[0] in CLICK_MEASURES] == []
