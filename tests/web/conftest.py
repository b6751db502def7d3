"""Fixtures of the page's tests: one Redis, one server and one Chromium for all of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import redis
from playwright.sync_api import Browser

from tests.web.night import Night
from tests.web.rig import Wall, WebServer, chromium
from warroom.services import EmbeddedRedis


@pytest.fixture(scope="session")
def redis_server() -> Iterator[EmbeddedRedis]:
    """One Redis for these tests."""
    with EmbeddedRedis() as server:
        yield server


@pytest.fixture
def client(redis_server: EmbeddedRedis) -> Iterator[Any]:
    """Redis as the tests see it, behind the server's back."""
    connection: Any = redis.Redis.from_url(redis_server.url, decode_responses=True)
    yield connection
    connection.close()


@pytest.fixture
def night(redis_server: EmbeddedRedis) -> Iterator[Night]:
    """A night, not begun, in an empty Redis."""
    client = redis.Redis.from_url(redis_server.url)
    client.flushdb()
    yield Night(client)
    client.close()


@pytest.fixture(scope="session")
def web(redis_server: EmbeddedRedis) -> Iterator[WebServer]:
    """The page's server, for all tests that leave it running."""
    server = WebServer(redis_server.url, environment={"WARROOM_WEB__REFRESH_MS": "100"})
    server.start()
    yield server
    assert server.stop() == 0


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests."""
    with chromium() as opened:
        yield opened


@pytest.fixture
def wall(browser: Browser, web: WebServer) -> Iterator[Wall]:
    """A page of the server that all tests share."""
    opened = Wall(browser, web.origin)
    yield opened
    opened.close()
