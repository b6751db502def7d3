"""One broker for the session; each test has topics and a Redis of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kafka.apache_kafka import ApacheKafka
from tests.kafka.stage import Stage
from warroom.services import EmbeddedRedis


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApacheKafka]:
    """Apache Kafka."""
    with ApacheKafka(tmp_path_factory.mktemp("kafka") / "node") as broker:
        yield broker


@pytest.fixture
def stage(kafka: ApacheKafka, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Stage]:
    """Topics named after the test, an empty Redis, and the processes that a test starts."""
    name = request.node.name.removeprefix("test_")[:80]
    with EmbeddedRedis() as redis, Stage(kafka, redis.url, tmp_path, name) as made:
        yield made
