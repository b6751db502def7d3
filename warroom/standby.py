"""Where the workers of every run come from: a zygote, kept at hand where that is wanted.

A start from nothing costs one to three seconds of CPU before a worker can read its state: the interpreter,
the packages, the compiled kernels. A zygote that stands by has spent them for all.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

from warroom.zygote import Worker, Zygote

log = logging.getLogger(__name__)

QUIET_SECONDS: Final = 2.0
"""A run gets this long to itself before the zygote gets ready beside it."""
RETRY_SECONDS: Final = 30.0
"""Pause after a zygote that ended by itself."""


class Standby:
    """Gives workers of ``flow``, and keeps their zygote ready to give more. ``now``: monotonic seconds."""

    def __init__(self, flow: str, now: Callable[[], float] = time.monotonic) -> None:
        self._flow = flow
        self._now = now
        self._zygote: Zygote | None = None
        self._due_at = 0.0

    def begin(self) -> Zygote:
        """Start a zygote if none lives: until it is asked for workers, it imports. Raises ``OSError``."""
        self._drop_dead()
        if self._zygote is None:
            self._zygote = Zygote(self._flow)
        return self._zygote

    @property
    def is_ready(self) -> bool:
        """Whether workers could begin at once, as far as ``tend`` has heard. May be asked from any thread."""
        zygote = self._zygote
        return zygote is not None and zygote.is_ready

    def fork(self, post: bytes) -> Worker:
        """A new worker; ``post``: of ``post_text``. Raises ``OSError`` if a fresh zygote gives none."""
        try:
            return self.begin().fork(post)
        except OSError:
            self.close()
            return self.begin().fork(post)

    def rest(self) -> None:
        """A run has just begun to work: leave it alone for a while."""
        self._due_at = self._now() + QUIET_SECONDS

    def tend(self) -> None:
        """Have a zygote get ready when it is time, a new one if it has ended; to be called often."""
        if self._drop_dead():
            log.warning("the process that stood by has ended; the next one in %g s", RETRY_SECONDS)
            self._due_at = self._now() + RETRY_SECONDS
        if self._now() < self._due_at:
            return
        try:
            zygote = self.begin()
            zygote.get_ready()
            zygote.listen()
        except OSError as error:
            log.warning("no process stands by (%s); the next try in %g s", error, RETRY_SECONDS)
            self._due_at = self._now() + RETRY_SECONDS

    def close(self) -> None:
        """End the zygote; workers live on."""
        if self._zygote is not None:
            self._zygote.close()
        self._zygote = None

    def _drop_dead(self) -> bool:
        dead = self._zygote is not None and not self._zygote.lives
        if dead:
            self.close()
        return dead
