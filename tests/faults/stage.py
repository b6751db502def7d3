"""What a test of faults plays on: broker and Redis behind proxies, war rooms, a load, and the verdict."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest
import redis

from tests.faults.proxy import Proxy
from warroom.children import end, free_port, free_ports
from warroom.dead_letters import count_dead_letters
from warroom.services import EmbeddedBroker, EmbeddedRedis, create_topics
from warroom.waiting import wait_until

SALE_OPENS = "2019-12-12T00:00:00+08:00"
PATIENCE_SECONDS = 90.0
ONE_BY_ONE = pytest.mark.xdist_group("faults")
"""On tests with a stage: all in one process, since two stages at once leave each other too little of a small
machine. The other process has tests meanwhile that need one core or none."""
META = "warroom:meta"


@dataclass(frozen=True, slots=True)
class WarRoom:
    """A supervisor that runs, and what it and its workers write."""

    process: subprocess.Popen[bytes]
    log: Path
    metrics_port: int

    def said(self) -> str:
        """Everything up to now."""
        return self.log.read_text(errors="replace")

    def workers(self) -> list[int]:
        """Process ids of the workers that live now."""
        return workers_of(self.process.pid)

    def tell(self, which: signal.Signals) -> None:
        """Send a signal to the supervisor and to every worker."""
        for pid in (self.process.pid, *self.workers()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, which)

    def ask(self, which: signal.Signals) -> int:
        """Send a signal to the supervisor alone and wait for its end; its exit code.

        Only once it has started its workers: before it listens to signals, they end it.
        """
        assert self.says("workers started"), self.said()
        self.process.send_signal(which)
        return self.process.wait(PATIENCE_SECONDS)

    def says(self, words: str, times: int = 1) -> bool:
        """Whether it says something, soon."""
        return wait_until(lambda: self.said().count(words) >= times, PATIENCE_SECONDS)


def workers_of(supervisor: int) -> list[int]:
    """Process ids of a supervisor's workers that live now; what they are forked from is none."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{supervisor}/task").iterdir():
            found += [int(child) for child in (task / "children").read_text().split()]
    return [pid for pid in found if _name(pid).startswith("warroom-w")]


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text()
    except OSError:
        return ""


class Stage:
    """Servers, proxies and processes of one test; a context manager. ``host``: where the proxies listen."""

    def __init__(self, directory: Path, host: str = "127.0.0.1") -> None:
        self.directory = directory
        self._host = host
        self._processes: list[subprocess.Popen[bytes]] = []
        self._rooms = 0

    def __enter__(self) -> Self:
        self._stack = contextlib.ExitStack()
        self.kafka = self._stack.enter_context(Proxy(host=self._host))
        self.redis = self._stack.enter_context(Proxy(host=self._host))
        self.broker = EmbeddedBroker(advertised=self.kafka.address)
        # Clients follow the advertised address, so the proxy must lead on before the broker is asked.
        self.broker.on_port = lambda port: setattr(self.kafka, "target_port", port)
        self._stack.enter_context(self.broker)
        self.redis_server = self._stack.enter_context(EmbeddedRedis(free_port()))
        self.redis.target_port = self.redis_server.port
        create_topics(self.kafka.address)
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._processes):
            end(process)
        self._stack.close()

    def war_room(
        self,
        *flags: str,
        workers: int = 2,
        state: Path | None = None,
        within: tuple[str, ...] = (),
        module: str = "warroom",
        **given: str,
    ) -> WarRoom:
        """Start ``warroom run``. ``given``: settings of the environment; ``within``: what it is run by."""
        self._rooms += 1
        log, port = self.directory / f"warroom-{self._rooms}.log", free_ports(workers)
        command = [
            *(*within, sys.executable, "-m", module, "run"),
            *("--workers", str(workers), "--sale-opens", SALE_OPENS, "--metrics-port", str(port)),
            *("--state", str(state or self.directory / "state")),
            *(() if "--brokers" in flags else ("--brokers", self.kafka.address)),
            *(() if "--redis" in flags else ("--redis", f"redis://{self.redis.address}/0")),
            *flags,
        ]
        environment = {**os.environ, **{f"WARROOM_{key}": value for key, value in given.items()}}
        return WarRoom(self._start(command, log, environment), log, port)

    def load(self, seed: int, seconds: float, orders: int, *flags: str) -> subprocess.Popen[bytes]:
        """Start the load of the double-twelve night, its 24 hours played in ``seconds``."""
        command = [
            *(sys.executable, "-m", "loadgen.cli", "run", "double12-2019", "--brokers", self.kafka.address),
            *("--speed", str(86_400 / seconds), "--orders", str(orders), "--seed", str(seed)),
            *("--oracle", str(self.directory / "oracle.json")),
            *("--summary", str(self.directory / "summary.json"), *flags),
        ]
        return self._start(command, self.directory / "load.log", None)

    def loaded(self, load: subprocess.Popen[bytes]) -> None:
        """Wait until everything has been sent."""
        assert load.wait(2 * PATIENCE_SECONDS) == 0, (self.directory / "load.log").read_text()

    def events_sent(self) -> int:
        """Events of the load, as it tells."""
        return int(json.loads((self.directory / "summary.json").read_text())["events_sent"])

    def differences(self) -> str:
        """What ``loadgen verify`` and the dead letters have against the oracle; empty if nothing.

        After an outage a backlog is read as fast as possible, and a partition that is read ahead makes
        nothing late: fewer events may be late than in a night that is read as it comes. They change no
        window, and each one that the engine did call late has its letter.
        """
        oracle = self.directory / "oracle.json"
        command = (sys.executable, "-m", "loadgen.cli", "verify", "--redis", self.redis_server.url)
        verdict = subprocess.run(
            [*command, "--oracle", str(oracle)], capture_output=True, text=True, check=False
        )
        expected: dict[str, Any] = json.loads(oracle.read_text())["dead_letters"]
        written = count_dead_letters(self.broker.address, "dead-letters")
        late = self.shown("late")
        if written.get("late", 0) == late <= expected["late"]:
            written["late"] = expected["late"]
        dead = (
            "" if written == expected else f"dead letters: {written}, expected {expected}; {late} called late"
        )
        return (verdict.stdout + verdict.stderr if verdict.returncode else "") + dead

    def results(self) -> redis.Redis:
        """A client of the results, past the proxy."""
        return redis.Redis.from_url(self.redis_server.url, decode_responses=True)

    def shown(self, field: str, key: str = "warroom:rollup:total:all") -> int:
        """A number in the results, 0 if there is none or no Redis."""
        try:
            with self.results() as client:
                return int(client.hget(key, field) or 0)
        except redis.RedisError:
            return 0

    def is_counting(self, room: WarRoom) -> None:
        """Fails with the war room's log unless results begin to show."""
        assert wait_until(lambda: self.shown("event_time", META) > 0, PATIENCE_SECONDS), room.said()

    def writes(self, room: WarRoom) -> None:
        """Fails with the war room's log unless results are written anew from now on, moved or not."""
        before = self.shown("updated_at", META)
        assert wait_until(lambda: self.shown("updated_at", META) > before, PATIENCE_SECONDS), room.said()

    def _start(
        self, command: list[str], log: Path, environment: dict[str, str] | None
    ) -> subprocess.Popen[bytes]:
        with log.open("ab") as output:
            process = subprocess.Popen(
                command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, env=environment
            )
        self._processes.append(process)
        return process
