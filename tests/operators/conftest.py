"""Fixtures of the operators' tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.operators.redis_rig import Reader


@pytest.fixture
def reader(redis_url: str) -> Iterator[Reader]:
    """What stands in a fresh Redis."""
    reader = Reader(redis_url)
    yield reader
    reader.close()
