"""``warroom run``: starts the workers of a cluster, watches them, and starts all again when one fails.

One dead worker ends the others at once (so does Bytewax); state is in the snapshots, so the new run
goes on where the last one's snapshot stands, in processes forked from one that stood by.
Each run takes a greater number from Redis, which fences off whatever is left of the one before.
"""

from __future__ import annotations

import logging
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Final

from operators.redis_run import Run
from warroom.cluster import Cluster, Ending, Job
from warroom.errors import WarroomError
from warroom.hosts import Membership
from warroom.standby import Standby
from warroom.state_directory import is_full, no_room

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 0.05


@dataclass(slots=True)
class Wishes:
    """What the people in charge have asked for, by signal."""

    stopping: bool = False
    finishing: bool = False
    impatient: bool = False
    """Asked twice to stop."""

    def take(self, number: int, _: FrameType | None = None) -> None:
        """Handle a signal."""
        if number == signal.SIGUSR1:
            self.finishing = True
        else:
            self.impatient = self.stopping
            self.stopping = True


@contextmanager
def heard_wishes() -> Iterator[Wishes]:
    """Handle SIGTERM, SIGINT and SIGUSR1 for the time of a run."""
    wishes = Wishes()
    signals = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
    before = [signal.signal(s, wishes.take) for s in signals]
    try:
        yield wishes
    finally:
        for which, handler in zip(signals, before, strict=True):
            signal.signal(which, handler)


class Supervisor:
    """Keeps one cluster running until it has drained.

    ``membership`` is asked before each start (free ports may have been taken), ``take_run`` for each
    run's number. ``standby`` of ``job.flow``: may be under way already; closed at the end.
    """

    def __init__(
        self,
        job: Job,
        wishes: Wishes,
        membership: Callable[[], Membership],
        take_run: Callable[[], int],
        standby: Standby | None = None,
    ) -> None:
        self._job = job
        self._wishes = wishes
        self._membership = membership
        self._take_run = take_run
        self._settings = job.settings.supervisor
        self._told: set[signal.Signals] = set()
        self._asked_at_s = 0.0
        self._failed_at_s: float | None = None
        self._standby = standby or Standby(job.flow)
        self._keeps_standby = self._settings.standby and not job.bounded

    def run(self) -> None:
        """Return when every worker has drained. Raises ``WarroomError`` when it gives up."""
        try:
            self._run()
        finally:
            self._standby.close()

    @property
    def stands_by(self) -> bool:
        """Whether new workers could begin at once."""
        return self._standby.is_ready

    def _run(self) -> None:
        failures = restarts = 0
        while not self._wishes.stopping:
            cluster = self._start(restarts)
            try:
                ending = self._watch(cluster)
            finally:
                cluster.kill()
            if ending is None:
                return
            if self._failed_at_s is None:
                self._failed_at_s = cluster.failed_at_s
            lasted_s = time.monotonic() - cluster.started_at_s
            failures = 1 if lasted_s >= self._settings.steady_after_seconds else failures + 1
            self._give_up_if_hopeless(ending, failures)
            self._pause(ending, failures)
            restarts += 1

    def _start(self, restarts: int) -> Cluster:
        self._told = set()
        run = Run(self._take_run(), uuid.uuid4().hex, time.time_ns() // 1_000_000)
        membership = self._membership()
        cluster = Cluster(self._job, membership, run, self._standby.fork, restarts)
        if not self._keeps_standby:
            self._standby.close()
        log.info("run %d: %d workers started", run.number, len(cluster.members))
        return cluster

    def _watch(self, cluster: Cluster) -> Ending | None:
        while True:
            # Looked at before the troubles: one that has just drained is none.
            running = cluster.is_running
            ending = cluster.trouble()
            if ending is not None or not running:
                return ending
            self._pass_on(cluster)
            self._look_after(cluster)
            if self._is_overdue():
                raise WarroomError(
                    f"workers did not drain within {self._settings.drain_seconds:g} s and were killed; "
                    "the next run goes on from the last snapshot"
                )
            time.sleep(LOOK_SECONDS)

    def _look_after(self, cluster: Cluster) -> None:
        """Tell how long a failure lasted; stand by for the next one, once the workers have what they need."""
        if self._failed_at_s is not None and cluster.consumes:
            log.info("consuming again after %.1f s", time.monotonic() - self._failed_at_s)
            self._failed_at_s = None
        if not cluster.beats:
            self._standby.rest()
        elif self._keeps_standby and not self._told:
            self._standby.tend()

    def _pass_on(self, cluster: Cluster) -> None:
        if self._wishes.finishing and signal.SIGUSR1 not in self._told:
            self._told.add(signal.SIGUSR1)
            cluster.tell(signal.SIGUSR1)
        if self._wishes.stopping and signal.SIGTERM not in self._told:
            self._told.add(signal.SIGTERM)
            self._asked_at_s = time.monotonic()
            cluster.tell(signal.SIGCONT)
            cluster.tell(signal.SIGTERM)

    def _is_overdue(self) -> bool:
        if signal.SIGTERM not in self._told:
            return False
        waited_s = time.monotonic() - self._asked_at_s
        return self._wishes.impatient or waited_s > self._settings.drain_seconds

    def _give_up_if_hopeless(self, ending: Ending, failures: int) -> None:
        if ending.hopeless:
            raise WarroomError(ending.reason)
        state = self._job.settings.state
        if state.enabled and is_full(state.directory.absolute()):
            where = f"state directory {state.directory.absolute()}"
            raise WarroomError(no_room(where, f"no space left on device ({ending.reason})"))
        most = self._settings.failures_in_a_row
        if failures >= most:
            raise WarroomError(f"gave up after {most} failures in a row; the last: {ending.reason}")

    def _pause(self, ending: Ending, failures: int) -> None:
        # What fails for the first time is started again at once.
        pause_s = min(
            self._settings.backoff_seconds * 2 ** (failures - 2) if failures > 1 else 0.0,
            self._settings.backoff_most_seconds,
        )
        soon = f"in {pause_s:.1f} s" if pause_s else "at once"
        log.warning("%s; starting all again %s", ending.reason, soon)
        until = time.monotonic() + pause_s
        while time.monotonic() < until and not self._wishes.stopping:
            time.sleep(LOOK_SECONDS)
