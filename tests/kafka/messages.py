"""Orders and baselines, one by one."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from confluent_kafka import Producer

NIGHT_MS = 1_576_080_000_000
"""2019-12-12T00:00:00+08:00."""
PATIENCE_SECONDS = 20.0


def order(number: int, merchant: str = "m1") -> bytes:
    """A paid order of a second after midnight."""
    event = {
        "order_id": f"o{number}",
        "merchant_id": merchant,
        "member_id": f"u{number}",
        "amount": 100,
        "quantity": 1,
        "status": "paid",
        "event_time": NIGHT_MS + 1000 + number,
    }
    return json.dumps(event).encode()


def baseline(merchant: str, name: str, gmv: float) -> bytes:
    """A baseline that sells the same in every hour."""
    record = {
        "merchant_id": merchant,
        "name": name,
        "days": 28,
        "daily": {"gmv": gmv, "orders": 24.0},
        "hourly_share": [1 / 24] * 24,
    }
    return json.dumps(record).encode()


def producer(brokers: str, **settings: Any) -> Producer:  # noqa: ANN401
    """A client; underscores in ``settings`` are dots."""
    given = {key.replace("_", "."): value for key, value in settings.items()}
    return Producer({"bootstrap.servers": brokers, "linger.ms": 5, **given})


def send(client: Producer, topic: str, records: Iterable[tuple[str | None, bytes | None]]) -> None:
    """Keys and values to partition 0; returns when the broker has them."""
    for key, value in records:
        client.produce(topic, key=key, value=value, partition=0, timestamp=NIGHT_MS)
    assert client.flush(PATIENCE_SECONDS) == 0
