"""The page as it runs: ``warroom web`` in a process of its own, over a real Redis with a night in it."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import redis
from playwright.sync_api import Browser, ConsoleMessage, Error, Request, sync_playwright

from tests.web.night import Night
from warroom.children import LOOPBACK, accepts, end, free_port, start
from warroom.services import EmbeddedRedis
from warroom.waiting import wait_until

READY_SECONDS = 30.0
LOOPBACK_ORIGIN = f"http://{LOOPBACK}"


@dataclass
class Answer:
    """What came back over HTTP."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401
        """The body as JSON."""
        return json.loads(self.body)


@dataclass
class WebServer:
    """``warroom web`` on a port of its own; may be stopped and started again."""

    redis_url: str
    arguments: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    output: Path | None = None
    process: subprocess.Popen[bytes] | None = None

    @property
    def origin(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def start(self) -> None:
        command = [sys.executable, "-m", "warroom.cli", "web", "--redis", self.redis_url]
        command += ["--port", str(self.port), "--sale-opens", "2019-12-12T00:00:00+08:00", *self.arguments]
        self.process = start(command, environment={**_environment(), **self.environment})
        assert wait_until(lambda: accepts(LOOPBACK, self.port), READY_SECONDS)

    def stop(self) -> int:
        assert self.process is not None
        return end(self.process)

    def get(
        self, path: str, headers: dict[str, str] | None = None, method: str = "GET", body: bytes | None = None
    ) -> Answer:
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=10)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("WARROOM_")}


@pytest.fixture(scope="session")
def redis_server() -> Iterator[EmbeddedRedis]:
    """One Redis for these tests."""
    with EmbeddedRedis() as server:
        yield server


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


CHROMIUM = "/usr/bin/chromium"
CHROMIUM_FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--no-first-run"),
)
SIZES = {"wall": (1920, 1080), "laptop": (1366, 768), "phone": (390, 844)}


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests."""
    assert Path(CHROMIUM).exists(), "no Chromium: apt-get install chromium fonts-noto-cjk"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=list(CHROMIUM_FLAGS))
        yield chromium
        chromium.close()


class Wall:
    """An open page. Notes what must not be: errors, and requests to anywhere but its own server."""

    def __init__(self, browser: Browser, origin: str, size: tuple[int, int] = SIZES["wall"]) -> None:
        self.wrong: list[str] = []
        self.origin = origin
        self.context = browser.new_context(
            viewport={"width": size[0], "height": size[1]}, reduced_motion="reduce", locale="zh-TW"
        )
        self.context.on("request", self._note_request)
        self.page = self.context.new_page()
        self.page.on("console", self._note_console)
        self.page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        self.expected: tuple[str, ...] = ()

    def _note_request(self, request: Request) -> None:
        if not request.url.startswith(self.origin):
            self.wrong.append(f"foreign request: {request.url}")

    def _note_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not any(e in message.text for e in self.expected):
            self.wrong.append(f"{message.type}: {message.text}")

    def open(self, query: str = "") -> Wall:
        """Go to the page and wait until it shows something."""
        self.page.goto(f"{self.origin}/?{query}")
        self.until(lambda: self.page.evaluate("document.body.dataset.drawn !== undefined"))
        return self

    def until(self, condition: Callable[[], object], seconds: float = 10.0) -> None:
        """Wait for a condition; the browser's own events are heard meanwhile."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"not within {seconds} s; {self.wrong}"
            self.page.wait_for_timeout(20)

    def value(self, selector: str) -> float | None:
        """``data-value`` of an element; None where it is not there."""
        try:
            found = self.page.evaluate("s => document.querySelector(s)?.dataset.value ?? null", selector)
        except Error:  # it loads itself again just now
            return None
        return None if found is None else float(found)

    def text(self, selector: str = "body") -> str:
        """What a person reads there."""
        return str(self.page.inner_text(selector))

    def close(self) -> None:
        """End, and say what was wrong."""
        self.context.close()
        assert self.wrong == []


@pytest.fixture
def wall(browser: Browser, web: WebServer) -> Iterator[Wall]:
    """A page of the server that all tests share."""
    opened = Wall(browser, web.origin)
    yield opened
    opened.close()
