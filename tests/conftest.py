"""Fixtures for every test: real servers, fresh for each test that asks for them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from warroom.services import EmbeddedBroker, EmbeddedRedis


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out the suite on Apache Kafka unless it is asked for by name: it needs Java and Maven."""
    suite = Path(__file__).parent / "kafka"
    asked = any("kafka" in Path(argument.partition("::")[0]).parts for argument in config.args)
    return True if collection_path == suite and not asked else None


@pytest.fixture
def broker() -> Iterator[str]:
    """Bootstrap address of a fresh embedded broker without topics."""
    with EmbeddedBroker() as server:
        yield server.address


@pytest.fixture
def redis_url() -> Iterator[str]:
    """URL of a fresh, empty embedded Redis."""
    with EmbeddedRedis() as server:
        yield server.url
