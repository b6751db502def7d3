"""Processes that stand by to replace workers: started in quiet times, ready when one dies.

A start from nothing costs a worker one to three seconds of CPU before it can read its state: the interpreter,
the packages, the compiled kernels. Who stands by has spent them.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

from warroom.candidate import Candidate

log = logging.getLogger(__name__)

QUIET_SECONDS: Final = 2.0
"""A run gets this long to itself before others are made ready beside it."""
RETRY_SECONDS: Final = 30.0
"""Pause after a standby that ended by itself."""


class Standbys:
    """Keeps processes ready that can run ``flow``, as many as are wanted; none at first.

    They are made ready one after the other. ``now``: monotonic seconds.
    """

    def __init__(self, flow: str, now: Callable[[], float] = time.monotonic) -> None:
        self._flow = flow
        self._wanted = 0
        self._now = now
        self._waiting: list[Candidate] = []
        self._due_at = 0.0

    def begin(self, count: int) -> None:
        """Start so many at once, for a run that is about to begin: until it takes them, they import."""
        self._waiting += [Candidate(self._flow) for _ in range(count)]

    @property
    def ready(self) -> int:
        """How many could take over at once, as far as ``tend`` has heard. May be asked from any thread."""
        return sum(s.lives and s.listener.ready for s in self._waiting)

    def want(self, count: int) -> None:
        """From now on keep so many."""
        self._wanted = count

    def take(self) -> Candidate:
        """One that lives, the readiest first; a fresh process if there is none."""
        self._drop_dead()
        if not self._waiting:
            return Candidate(self._flow)
        best = max(self._waiting, key=lambda s: s.is_ready)
        self._waiting.remove(best)
        return best

    def rest(self) -> None:
        """A run has just begun to work: leave it alone for a while."""
        self._due_at = self._now() + QUIET_SECONDS

    def tend(self) -> None:
        """Start the next one if one is missing and it is time; to be called often."""
        if self._drop_dead():
            log.warning("a process that stood by has ended; the next one in %g s", RETRY_SECONDS)
            self._due_at = self._now() + RETRY_SECONDS
        ready = [s.is_ready for s in self._waiting]
        if all(ready) and len(ready) < self._wanted and self._now() >= self._due_at:
            self._waiting.append(Candidate(self._flow, standby=True))

    def close(self) -> None:
        """End all of them."""
        for standby in self._waiting:
            standby.dismiss()
        self._waiting = []

    def _drop_dead(self) -> bool:
        dead = [s for s in self._waiting if not s.lives]
        for standby in dead:
            standby.dismiss()
            self._waiting.remove(standby)
        return bool(dead)
