"""A short night with everything real: broker, Redis, two workers, loadgen, probes, Prometheus."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, Self

import redis

from dashboards.prometheus.scraping import targets_file
from tests.dashboards.servers import PrometheusServer
from tests.faults.stage import workers_of
from warroom.children import LOOPBACK, end, free_port, free_ports, start
from warroom.services import EmbeddedBroker, EmbeddedRedis, create_topics
from warroom.waiting import wait_until

WORKERS: Final = 2
PATIENCE_S: Final = 60.0
HOUR_MS: Final = 3_600_000
GRID_S: Final = 5


def scenario(hours: int, hours_ahead: float, spike: list[float]) -> str:
    """A scenario as TOML that ends ``hours_ahead`` from now, with 外婆家 as its star, first in everything.

    Where it ends ahead of the clock, probes of now never are its newest events, which would end its windows.
    ``spike``: the star's sales of each hour, in its ordinary days'.
    """
    ends_ms = int(time.time() + hours_ahead * 3600) // GRID_S * GRID_S * 1000
    begins_ms = ends_ms - hours * HOUR_MS
    day = time.strftime("%Y-%m-%d", time.gmtime(begins_ms / 1000 + 8 * 3600))
    return f"""
name = "live"
title = "A short night"
day = "{day}"
begins_ms = {begins_ms}
hours = {hours}
seed = 8
profile = {[50] * 24}
orders = 20_000
[popularity]
merchants = 150
[clicks]
views_per_order = 6.0
join_rate = 0.02
[[featured]]
merchant_id = "waipojia"
name = "外婆家"
category = "restaurant"
daily_orders = 60_000
daily_gmv_fen = 600_000_000
daily_new_members = 4.0
hourly_share = {[40] * 16 + [45] * 8}
times_the_day = {spike}
new_members = 2000
private = 0.6
"""


@contextmanager
def page(file: Path, port: int) -> Iterator[None]:
    """Serve a file of metrics under every path."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(file.read_bytes() if file.exists() else b"")

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer((LOOPBACK, port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield
        server.shutdown()
        thread.join()


class Night:
    """Servers and processes of one night; a context manager. ``speed``: scenario seconds a second."""

    def __init__(self, directory: Path, toml: str, speed: float, alertmanagers: list[str]) -> None:
        self.directory = directory
        self._toml = toml
        self._speed = speed
        self._sale_opens = time.strftime("%Y-%m-%dT00:00:00+00:00", time.gmtime(time.time() - 86_400))
        self.broker = EmbeddedBroker()
        self.redis = EmbeddedRedis()
        self.first_port = free_ports(WORKERS)
        self.load_port, self.probe_port, self.verify_port = free_port(), free_port(), free_port()
        self.oracle = directory / "oracle.json"
        targets: dict[str, Any] = {
            "warroom": targets_file("warroom", LOOPBACK, self.first_port, WORKERS),
            "loadgen": targets_file("loadgen", LOOPBACK, self.load_port, 1),
            "probe": targets_file("loadgen", LOOPBACK, self.probe_port, 1),
            "verify": targets_file("loadgen", LOOPBACK, self.verify_port, 1),
        }
        self.prometheus = PrometheusServer(targets, alertmanagers)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        try:
            for server in (self.broker, self.redis, self.prometheus):
                self._stack.enter_context(server)
            create_topics(self.broker.address)
            self.results = redis.Redis.from_url(self.redis.url, decode_responses=True)
            self._stack.callback(self.results.close)
            self.war_room = self.start(
                *("warroom", "run", "--brokers", self.broker.address, "--redis", self.redis.url),
                *("--workers", WORKERS, "--metrics-port", self.first_port),
                *("--state", self.directory / "state", "--sale-opens", self._sale_opens),
            )
            self.wait("both workers are scraped", "sum(up{job='warroom'}) == 2")
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start(self, module: str, *arguments: object) -> subprocess.Popen[bytes]:
        """Start one of our programs; it ends with the night."""
        with self.log(module).open("ab") as output:
            process = start([sys.executable, "-m", module, *map(str, arguments)], output=output)
        self._stack.callback(end, process)
        return process

    def log(self, module: str) -> Path:
        """What a program has said."""
        return self.directory / f"{module}.log"

    def start_load(self) -> subprocess.Popen[bytes]:
        """Send the scenario."""
        file = self.directory / "live.toml"
        file.write_text(self._toml, encoding="utf-8")
        return self.start(
            *("loadgen.cli", "run", file, "--brokers", self.broker.address, "--speed", self._speed),
            *("--metrics-port", self.load_port, "--oracle", self.oracle),
        )

    def start_probe(self) -> subprocess.Popen[bytes]:
        """Probe until told to stop."""
        return self.start(
            *("loadgen.cli", "probe", "--brokers", self.broker.address, "--redis", self.redis.url),
            *("--seconds", 0, "--anyway", "--metrics-port", self.probe_port),
        )

    def verify(self) -> int:
        """Compare Redis with the oracle and have the verdict scraped, as a textfile collector would.

        How many differences it told people.
        """
        verdict = self.directory / "verify.prom"
        self._stack.enter_context(page(verdict, self.verify_port))
        done = self.start(
            *("loadgen.cli", "verify", "--oracle", self.oracle, "--redis", self.redis.url),
            *("--metrics-file", verdict),
        )
        assert wait_until(lambda: done.poll() is not None, PATIENCE_S)
        told = re.search(r"([\d,]+) differences", self.log("loadgen.cli").read_text())
        return int(told[1].replace(",", "")) if told else 0

    def kill_a_worker(self) -> None:
        """``kill -9`` one worker; return when all have been started again and are scraped."""
        os.kill(workers_of(self.war_room.pid)[0], signal.SIGKILL)
        self.wait("a restart is seen", "min(warroom_restarts_total) == 1 and sum(up{job='warroom'}) == 2")

    def wait(self, what: str, expr: str, timeout_s: float = PATIENCE_S) -> float:
        """The moment at which an expression gave a series; fails with what the programs said if none does."""
        moment_s = time.time()

        def holds() -> bool:
            nonlocal moment_s
            moment_s = time.time()
            return bool(self.prometheus.instant(expr, moment_s))

        if not wait_until(holds, timeout_s):
            said = {file.name: file.read_text()[-500:] for file in self.directory.glob("*.log")}
            raise AssertionError(f"waited in vain until {what}: {expr}; {said}")
        return moment_s

    def scraped_after(self, moment_s: float) -> None:
        """Return when every process that lives has been scraped, and rules evaluated, after ``moment_s``."""
        self.wait("scraped", f"min(timestamp(up == 1)) > {moment_s}")
        self.wait("evaluated", f"min(timestamp(instance:warroom_events:rate1m)) > {moment_s}")

    def hash_of(self, key: str) -> dict[str, str]:
        """A hash in Redis."""
        return {str(name): str(value) for name, value in self.results.hgetall(key).items()}

    def settle(self) -> None:
        """Return when everything sent is counted, published and scraped."""
        self.wait("nothing is unread", "sum(warroom_consumer_lag_messages) == 0")
        self.wait("all is published", "sum(warroom_redis_backlog_merchants) == 0")
        self.scraped_after(time.time())

    @property
    def worker_ports(self) -> range:
        """Where the workers serve their metrics."""
        return range(self.first_port, self.first_port + WORKERS)

    def exported(self, *ports: int) -> list[str]:
        """What the processes at these ports export."""
        pages = []
        for port in ports:
            with urllib.request.urlopen(f"http://{LOOPBACK}:{port}/metrics", timeout=5) as reply:
                pages.append(reply.read().decode())
        return pages
