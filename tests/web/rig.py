"""The page as it runs: ``warroom web`` as a process, the real flow behind it, Chromium before it."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from confluent_kafka import Producer
from playwright.sync_api import Browser, ConsoleMessage, Error, Request, sync_playwright

from warroom.children import LOOPBACK, accepts, end, free_port, start
from warroom.services import EmbeddedBroker, EmbeddedRedis, create_topics, quiet_client
from warroom.services_command import configuration_text
from warroom.waiting import wait_until

CHROMIUM = "/usr/bin/chromium"
CHROMIUM_FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--no-first-run"),
)
SIZES = {"wall": (1920, 1080), "laptop": (1366, 768), "phone": (390, 844)}


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
        command = [sys.executable, "-m", "warroom", "web", "--redis", self.redis_url]
        command += ["--port", str(self.port), "--sale-opens", "2019-12-12T00:00:00+08:00", *self.arguments]
        self.process = start(command, environment={**plain_environment(), **self.environment})
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


def plain_environment() -> dict[str, str]:
    """This process's environment without settings of the war room."""
    return {name: value for name, value in os.environ.items() if not name.startswith("WARROOM_")}


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, driven by Playwright."""
    assert Path(CHROMIUM).exists(), "no Chromium: apt-get install chromium fonts-noto-cjk"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(CHROMIUM_FLAGS))
        yield browser
        browser.close()


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
        assert self.wrong == [], self.wrong


class RealNight:
    """Broker, Redis, the counting war room and the page, each a real process; ended with the context."""

    def __init__(self, workers: int = 1) -> None:
        self.workers = workers
        self.broker = EmbeddedBroker()
        self.redis = EmbeddedRedis()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        stack = self._stack
        stack.enter_context(self.broker)
        stack.enter_context(self.redis)
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        create_topics(self.broker.address)
        config = home / "warroom.toml"
        config.write_text(
            configuration_text(self.broker.address, self.redis.url)
            + f"[metrics]\nport = {free_port()}\n[engine]\nworkers = {self.workers}\n"
            + '[state]\ndirectory = "state"\n'
        )
        self.producer = Producer(quiet_client(self.broker.address))
        command = [sys.executable, "-m", "warroom", "run", "--config", str(config)]
        self.flow = start(command, environment=plain_environment())
        stack.callback(end, self.flow)
        self.web = WebServer(self.redis.url, ("--config", str(config)))
        self.web.start()
        stack.callback(self.web.stop)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def send(self, orders: list[dict[str, Any]]) -> None:
        """Produce orders, merchants to partitions, and return when the broker has them."""
        for order in orders:
            partition = hash(order["merchant_id"]) % 4
            self.producer.produce("orders", json.dumps(order).encode(), partition=partition)
        assert self.producer.flush(10) == 0
