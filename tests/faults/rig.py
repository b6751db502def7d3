"""One seeded night with faults: real broker, Redis, war room and load, proxies between them."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis

from tests.faults.proxy import Proxy
from warroom.children import free_port
from warroom.dead_letters import count_dead_letters
from warroom.services import EmbeddedBroker, EmbeddedRedis, create_topics
from warroom.waiting import wait_until

SALE_OPENS = "2019-12-12T00:00:00+08:00"
DRAIN_SECONDS = 90.0


@dataclass(frozen=True, slots=True)
class Night:
    """What is played. ``seconds``: how long the 24 hours take; ``pause_s``: between two faults."""

    seed: int
    seconds: float = 45.0
    orders: int = 150_000
    workers: int = 2
    pause_s: float = 3.5


@dataclass(slots=True)
class Outcome:
    """What became of it. ``differences``: what ``loadgen verify`` printed, empty if all agreed."""

    events: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    restarts: int = 0
    longest_gap_s: float = 0.0
    differences: str = ""
    dead_letters: dict[str, int] = field(default_factory=dict)
    expected_dead_letters: dict[str, int] = field(default_factory=dict)
    exit_code: int | None = None

    def summary(self) -> str:
        """Lines for people."""
        faults = ", ".join(f"{n} {name}" for name, n in sorted(self.faults.items()))
        return (
            f"events {self.events:,}; faults {self.faults.total()} ({faults}); restarts {self.restarts}; "
            f"longest pause of fresh results {self.longest_gap_s:.1f} s; differences: "
            f"{self.differences or 0}; dead letters {self.dead_letters}"
        )


class Rig:
    """Servers, proxies and processes of one night; a context manager."""

    def __init__(self, night: Night, directory: Path) -> None:
        self.night = night
        self.directory = directory
        self.outcome = Outcome()
        self.random = random.Random(night.seed)
        self.metrics_port = free_port()
        self.log = directory / "warroom.log"

    def __enter__(self) -> Rig:
        self._stack = contextlib.ExitStack()
        self.kafka = self._stack.enter_context(Proxy())
        self.redis = self._stack.enter_context(Proxy())
        self.broker = EmbeddedBroker(advertised=self.kafka.address)
        # Clients follow the advertised address, so the proxy must lead on before the broker is asked.
        self.broker.on_port = lambda port: setattr(self.kafka, "target_port", port)
        self._stack.enter_context(self.broker)
        self.redis_server = self._stack.enter_context(EmbeddedRedis())
        self.redis.target_port = self.redis_server.port
        create_topics(self.kafka.address)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def play(self) -> Outcome:
        """Play the night with its faults, then compare everything."""
        supervisor = self._start_war_room()
        load = self._start_load()
        try:
            schedule = self.schedule()
            watcher = Watcher(self.redis_server.url)
            until = time.monotonic() + self.night.pause_s
            while load.poll() is None:
                watcher.look()
                if time.monotonic() >= until:
                    name, strike = next(schedule)
                    strike()
                    self.outcome.faults[name] += 1
                    until = time.monotonic() + self.night.pause_s
                time.sleep(0.05)
            assert load.returncode == 0, (self.directory / "load.log").read_text()
            self._mend()
            supervisor.send_signal(signal.SIGUSR1)
            self.outcome.exit_code = supervisor.wait(DRAIN_SECONDS)
        finally:
            for process in (load, supervisor):
                if process.poll() is None:
                    process.kill()
                process.wait()
        self.outcome.longest_gap_s = watcher.longest_gap_s
        self._compare()
        return self.outcome

    def workers(self) -> list[int]:
        """Process ids of the workers that live now."""
        found = []
        for line in Path(f"/proc/{self.supervisor_pid}/task").iterdir():
            with contextlib.suppress(OSError):
                found += [int(child) for child in (line / "children").read_text().split()]
        return found

    def schedule(self) -> Iterator[tuple[str, Callable[[], None]]]:
        """Faults in seeded order, every kind before any comes again."""
        kinds: dict[str, Callable[[], None]] = {
            "kill one worker": self.kill_one,
            "kill all workers": self.kill_all,
            "stop a worker for a second": self.stop_one,
            "cut Kafka for two seconds": lambda: self._for(self.kafka, self.kafka.cut, 2.0),
            "cut Redis for two seconds": lambda: self._for(self.redis, self.redis.cut, 2.0),
            "silence Redis for two seconds": lambda: self._for(self.redis, self.redis.silence, 2.0),
            "slow Redis for two seconds": lambda: self._slow(self.redis, 2.0),
            "slow Kafka for two seconds": lambda: self._slow(self.kafka, 2.0),
            "empty Redis": self.empty_redis,
        }
        while True:
            order = list(kinds)
            self.random.shuffle(order)
            for name in order:
                yield name, kinds[name]

    def kill_one(self) -> None:
        """``kill -9`` of one worker."""
        if workers := self.workers():
            self._signal(self.random.choice(workers), signal.SIGKILL)

    def kill_all(self) -> None:
        """``kill -9`` of every worker."""
        for pid in self.workers():
            self._signal(pid, signal.SIGKILL)

    def stop_one(self) -> None:
        """SIGSTOP, and SIGCONT a second later."""
        if workers := self.workers():
            pid = self.random.choice(workers)
            self._signal(pid, signal.SIGSTOP)
            time.sleep(1.0)
            self._signal(pid, signal.SIGCONT)

    def empty_redis(self) -> None:
        """Redis comes back without anything, as after a fail-over to an empty copy."""
        client = redis.Redis.from_url(self.redis_server.url)
        client.flushall()
        client.close()

    def _signal(self, pid: int, which: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, which)

    def _for(self, proxy: Proxy, strike: Callable[[], None], seconds: float) -> None:
        strike()
        time.sleep(seconds)
        proxy.mend()

    def _slow(self, proxy: Proxy, seconds: float) -> None:
        proxy.delay_s = 0.2
        time.sleep(seconds)
        proxy.mend()

    def _mend(self) -> None:
        self.kafka.mend()
        self.redis.mend()

    def _start_war_room(self) -> subprocess.Popen[bytes]:
        redis_url = f"redis://{self.redis.address}/0"
        command = [
            *(sys.executable, "-m", "warroom.cli", "run", "--brokers", self.kafka.address),
            *("--redis", redis_url, "--workers", str(self.night.workers), "--sale-opens", SALE_OPENS),
            *("--state", str(self.directory / "state"), "--metrics-port", str(self.metrics_port)),
        ]
        with self.log.open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self.supervisor_pid = process.pid
        assert wait_until(lambda: len(self.workers()) == self.night.workers, 30.0), self.log.read_text()
        return process

    def _start_load(self) -> subprocess.Popen[bytes]:
        command = [
            *(sys.executable, "-m", "loadgen.cli", "run", "double12-2019", "--brokers", self.kafka.address),
            *("--speed", str(86_400 / self.night.seconds), "--orders", str(self.night.orders)),
            *("--seed", str(self.night.seed), "--oracle", str(self.directory / "oracle.json")),
            *("--summary", str(self.directory / "summary.json")),
        ]
        with (self.directory / "load.log").open("wb") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def _compare(self) -> None:
        oracle = self.directory / "oracle.json"
        command = [
            *(sys.executable, "-m", "loadgen.cli", "verify", "--redis", self.redis_server.url),
            *("--oracle", str(oracle)),
        ]
        verdict = subprocess.run(command, capture_output=True, text=True, check=False)
        if verdict.returncode:
            self.outcome.differences = verdict.stdout + verdict.stderr
        expected: dict[str, Any] = json.loads(oracle.read_text())
        summary = json.loads((self.directory / "summary.json").read_text())
        self.outcome.events = summary["events_sent"]
        self.outcome.expected_dead_letters = expected["dead_letters"]
        self.outcome.dead_letters = count_dead_letters(self.broker.address, "dead-letters")
        self.outcome.restarts = self.log.read_text().count("starting all again")


class Watcher:
    """Notes for how long results in Redis did not move."""

    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(url, decode_responses=True)
        self._last = ""
        self._moved_at: float | None = None
        self.longest_gap_s = 0.0

    def look(self) -> None:
        """Ask once for the newest event that the results hold."""
        now = time.monotonic()
        shown = str(self._client.hget("warroom:meta", "event_time") or "")
        if shown != self._last:
            if self._moved_at is not None:
                self.longest_gap_s = max(self.longest_gap_s, now - self._moved_at)
            self._last, self._moved_at = shown, now
