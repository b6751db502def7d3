"""One seeded night with faults: every kind of them before any comes again, then everything is compared."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import statistics
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tests.faults.stage import Stage, WarRoom
from tests.faults.watcher import Cause, Struck, Watcher, longest_pauses
from warroom.services import EmbeddedRedis
from warroom.waiting import wait_until

SETTLED_SECONDS = 30.0
SHORT_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Night:
    """What is played. ``seconds``: how long the 24 hours take; ``pause_s``: between two faults.

    ``settle``: let results be fresh again before the next fault, so that each pause is one fault's.
    """

    seed: int
    seconds: float = 45.0
    orders: int = 150_000
    workers: int = 2
    pause_s: float = 2.0
    settle: bool = False


@dataclass(slots=True)
class Outcome:
    """What became of it. ``differences``: what was found against the oracle, empty if all agreed."""

    events: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    restarts: int = 0
    recoveries_s: list[float] = field(default_factory=list)
    """From a worker's death to events counted again on all workers, each time, as the supervisor tells."""
    longest_pause_s: dict[Cause, float] = field(default_factory=dict)
    differences: str = ""
    fallen: list[str] = field(default_factory=list)
    values_watched: int = 0
    exit_code: int | None = None

    @property
    def agreed(self) -> bool:
        """Whether nothing was lost, counted twice or seen to fall, and the run ended in order."""
        return self.exit_code == 0 and not self.differences and not self.fallen

    def summary(self) -> str:
        """A line for people."""
        faults = ", ".join(f"{n} {name}" for name, n in sorted(self.faults.items()))
        pauses = ", ".join(f"{s:.1f} s in {cause.value}" for cause, s in self.longest_pause_s.items())
        return (
            f"events {self.events:,}; faults {self.faults.total()} ({faults}); restarts {self.restarts}; "
            f"death to consuming {median_and_most(self.recoveries_s)}; "
            f"longest pause of fresh results {pauses}; {len(self.fallen)} of {self.values_watched:,} watched "
            f"values fell; differences: {self.differences or 0}"
        )


def median_and_most(seconds: list[float]) -> str:
    """The two in words."""
    if not seconds:
        return "never seen"
    return f"{statistics.median(seconds):.1f} s at the median, {max(seconds):.1f} s at most"


class Fault(NamedTuple):
    """A kind of fault. ``strike`` returns when it is over."""

    cause: Cause
    strike: Callable[[], None]


class Rig:
    """Plays a night on a stage; a context manager."""

    def __init__(self, night: Night, directory: Path) -> None:
        self.night = night
        self.stage = Stage(directory)
        self.random = random.Random(night.seed)
        self.outcome = Outcome()
        self._struck: list[Struck] = []

    def __enter__(self) -> Rig:
        self.stage.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.stage.__exit__()

    def play(self) -> Outcome:
        """Play the night with its faults, then compare everything."""
        night, stage, outcome = self.night, self.stage, self.outcome
        self.room: WarRoom = stage.war_room(workers=night.workers)
        load = stage.load(night.seed, night.seconds, night.orders)
        with Watcher(stage.redis_server.url) as watcher:
            stage.is_counting(self.room)
            schedule = self.schedule()
            while not has_ended(load, night.pause_s):
                self._strike(*next(schedule), watcher)
            stage.loaded(load)
            outcome.exit_code = self.room.ask(signal.SIGUSR1)
        outcome.longest_pause_s = longest_pauses(watcher.fresh_s, self._struck)
        outcome.fallen, outcome.values_watched = watcher.fallen, watcher.values_seen
        outcome.events = stage.events_sent()
        outcome.differences = stage.differences()
        outcome.restarts = self.room.said().count("starting all again")
        outcome.recoveries_s = recoveries_in(self.room.said())
        return outcome

    def _strike(self, name: str, fault: Fault, watcher: Watcher) -> None:
        begin_s = time.monotonic()
        fault.strike()
        self._struck.append(Struck(fault.cause, begin_s, time.monotonic()))
        self.outcome.faults[name] += 1
        if self.night.settle:
            # What was under way when it was struck may still arrive: a second fresh result tells more.
            seen = len(watcher.fresh_s)
            wait_until(lambda: len(watcher.fresh_s) >= seen + 2, SETTLED_SECONDS)

    def schedule(self) -> Iterator[tuple[str, Fault]]:
        """Faults in seeded order, every kind before any comes again."""
        stage, process, server = self.stage, Cause.PROCESS, Cause.SERVER
        kinds = {
            "kill one worker": Fault(process, self.kill_one),
            "kill all workers": Fault(process, self.kill_all),
            "stop a worker for a second": Fault(process, self.stop_one),
            "stop all workers for a second": Fault(process, self.stop_all),
            "cut Kafka": Fault(server, lambda: self._for_a_while(stage.kafka.cut)),
            "silence Kafka": Fault(server, lambda: self._for_a_while(stage.kafka.silence)),
            "slow Kafka": Fault(server, lambda: self._for_a_while(self._slow_kafka)),
            "cut Redis": Fault(server, lambda: self._for_a_while(stage.redis.cut)),
            "silence Redis": Fault(server, lambda: self._for_a_while(stage.redis.silence)),
            "slow Redis": Fault(server, lambda: self._for_a_while(self._slow_redis)),
            "empty Redis": Fault(server, self.empty_redis),
            "restart Redis empty": Fault(server, lambda: restart_empty(stage.redis_server)),
            "fill Redis": Fault(
                server, lambda: self._redis_for_a_while(("maxmemory", "1mb"), ("maxmemory", "0"))
            ),
            "Redis read-only": Fault(server, self.make_read_only),
        }
        while True:
            order = list(kinds)
            self.random.shuffle(order)
            for name in order:
                yield name, kinds[name]

    def kill_one(self) -> None:
        """``kill -9`` of one worker."""
        if workers := self.room.workers():
            self._signal([self.random.choice(workers)], signal.SIGKILL)

    def kill_all(self) -> None:
        """``kill -9`` of every worker."""
        self._signal(self.room.workers(), signal.SIGKILL)

    def stop_one(self) -> None:
        """SIGSTOP, and SIGCONT a second later."""
        if workers := self.room.workers():
            self._pause([self.random.choice(workers)])

    def stop_all(self) -> None:
        """SIGSTOP of supervisor and workers, and SIGCONT a second later."""
        self._pause([self.room.process.pid, *self.room.workers()])

    def empty_redis(self) -> None:
        """Redis loses everything while connections live."""
        with self.stage.results() as client:
            client.flushall()

    def make_read_only(self) -> None:
        """As after a fail-over in which the wrong server stayed in the client's hands."""
        with self.stage.results() as client:
            client.replicaof("127.0.0.1", "1")
            last(SHORT_SECONDS)
            client.replicaof("NO", "ONE")

    def _redis_for_a_while(self, setting: tuple[str, str], before: tuple[str, str]) -> None:
        with self.stage.results() as client:
            client.config_set(*setting)
            last(SHORT_SECONDS)
            client.config_set(*before)

    def _pause(self, pids: list[int]) -> None:
        self._signal(pids, signal.SIGSTOP)
        last(1.0)
        self._signal(pids, signal.SIGCONT)

    def _signal(self, pids: list[int], which: signal.Signals) -> None:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, which)

    def _for_a_while(self, strike: Callable[[], None]) -> None:
        strike()
        last(SHORT_SECONDS)
        self.stage.kafka.mend()
        self.stage.redis.mend()

    def _slow_kafka(self) -> None:
        self.stage.kafka.delay_s = 0.2

    def _slow_redis(self) -> None:
        self.stage.redis.delay_s = 0.2


def last(seconds: float) -> None:
    """Let a fault last: its length belongs to the schedule, nothing is waited for."""
    time.sleep(seconds)


def has_ended(load: subprocess.Popen[bytes], within_s: float) -> bool:
    """Whether the load is through, now or within the pause before the next fault."""
    try:
        load.wait(within_s)
    except subprocess.TimeoutExpired:
        return False
    return True


def recoveries_in(log: str) -> list[float]:
    """Seconds from each death of a worker to consuming again that a supervisor's log tells of."""
    return [float(seconds) for seconds in re.findall(r"consuming again after ([0-9.]+) s", log)]


def restart_empty(server: EmbeddedRedis) -> None:
    """Kill Redis and start it again on its port, without its data."""
    server.kill()
    server.start()
