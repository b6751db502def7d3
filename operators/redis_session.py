"""A run's right to write to one Redis, and what Redis already shows.

A session claims the fence for its run and writes transactions under it. It notices when Redis has lost
what was written: restarted empty, or failed over to a copy that was behind.
"""

from __future__ import annotations

import redis

from operators import redis_scripts as scripts
from operators.redis_command import command
from operators.redis_errors import RedisRefusedError, fenced
from operators.redis_link import Bulk, RedisLink
from operators.redis_run import Run
from schemas import redis_layout
from schemas.redis_layout import LAYOUT_VERSION


class Interrupted(redis.ConnectionError):
    """The fence was touched between two writes: what Redis holds has to be looked at again."""


class RedisSession:
    """Transactions of one process of a run. Used by one thread.

    ``writer``: number of the process, so that each counts its own transactions in ``meta``.
    """

    def __init__(self, url: str, prefix: str, run: Run, writer: int, timeout_s: float) -> None:
        self._prefix = prefix
        self._run = run
        self._link = RedisLink(url, scripts.fence(prefix), timeout_s)
        self._meta = redis_layout.meta(prefix)
        self._counter = scripts.writes_field(writer)
        self._written = 0
        self._open = False
        self.lost = False
        """Set when Redis no longer has what this session wrote; whoever reacts resets it."""

    @property
    def address(self) -> str:
        """Where Redis is, without user and password."""
        return self._link.address

    @property
    def is_open(self) -> bool:
        """Whether a transaction may be sent."""
        return self._open

    def open(self) -> None:
        """Connect and claim the fence. Raises ``FencedError``, ``RedisRefusedError`` or a redis-py error."""
        self.close()
        try:
            self._begin()
        except BaseException:
            self.close()
            raise
        self._open = True

    def _begin(self) -> None:
        self._link.open()
        self._claim()
        if self._has_lost():
            self.lost = True
            self._written = 0
        fence = self._link.arm()
        if fence != self._run.number:
            self._left(fence)

    def close(self) -> None:
        """Drop the connection; ``open`` may follow."""
        self._open = False
        self._link.close()

    def _claim(self) -> None:
        run = self._run
        state, number = self._link.call(
            "EVAL",
            scripts.CLAIM,
            2,
            scripts.fence(self._prefix),
            self._meta,
            run.number,
            run.run_id,
            run.started_at_ms,
            LAYOUT_VERSION,
        )
        if state == b"newer":
            raise fenced(self.address, run.number, int(number))
        if state == b"layout":
            raise RedisRefusedError(
                f"{self._meta} at {self.address} has layout {number}, this program writes layout"
                f" {LAYOUT_VERSION}; choose another prefix or empty that one"
            )

    def _left(self, fence: int | None) -> None:
        self.close()
        if fence is not None and fence > self._run.number:
            raise fenced(self.address, self._run.number, fence)
        raise Interrupted(f"what run {self._run.number} wrote has been touched")

    def hash_of(self, key: str) -> dict[str, str]:
        """All fields of a hash; not between ``send`` and ``receive``."""
        flat = self._link.call("HGETALL", key)
        texts = [part.decode() for part in flat]
        return dict(zip(texts[::2], texts[1::2], strict=True))

    def fields_of(self, key: str) -> list[str]:
        """All field names of a hash; not between ``send`` and ``receive``."""
        return [name.decode() for name in self._link.call("HKEYS", key)]

    def probe(self) -> None:
        """Look whether Redis answers and this run may still write; raises like ``receive``."""
        fence = self._link.fence()
        if fence != self._run.number or self._has_lost():
            self._left(fence)

    def _has_lost(self) -> bool:
        kept = self._link.call("HGET", self._meta, self._counter)
        return int(kept or 0) < self._written

    def send(self, bulk: Bulk) -> None:
        """Send one transaction; ``receive`` has to follow."""
        count = command(b"HSET", self._meta.encode(), self._counter.encode(), b"%d" % (self._written + 1))
        self._link.send(Bulk([count, *bulk.commands], bulk.rows, bulk.row_commands))

    def receive(self) -> None:
        """Return if it took effect; raise ``FencedError``, ``Interrupted`` or a redis-py error."""
        try:
            outcome = self._link.receive()
        except redis.RedisError:
            self._open = False
            raise
        if outcome.written:
            self._written += 1
        if outcome.fence is not None and outcome.fence > self._run.number:
            self._left(outcome.fence)
        if not outcome.written:
            self._left(outcome.fence)
        if outcome.fence != self._run.number:
            # Written, but the fence went right after it: the next write has to look first.
            self.close()


def next_run(url: str, prefix: str, *, at_least: int = 1, last: int = 0, timeout_s: float = 5.0) -> int:
    """Take the next run number and fence off whoever wrote before.

    ``at_least``: one more than the last number known here, in case Redis has been emptied since. ``last``:
    number of the run that this process started before, if any. Raises ``FencedError`` where another has taken
    over since, ``RedisRefusedError`` or a redis-py error.
    """
    link = RedisLink(url, scripts.fence(prefix), timeout_s)
    try:
        link.open()
        state, number = link.call("EVAL", scripts.NEXT_RUN, 1, scripts.fence(prefix), at_least, last)
    finally:
        link.close()
    if state == b"replaced":
        raise fenced(link.address, last, int(number))
    return int(number)
