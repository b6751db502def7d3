"""What the person on duty reads when Redis does not take writes: at once, then every ten seconds."""

from __future__ import annotations

import logging
import time

log = logging.getLogger("warroom.redis")

REPEAT_S = 10.0


class Trouble:
    """Since when something does not work, and when that was said last."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._since_s: float | None = None
        self._said_s = 0.0
        self._held_said_s = -REPEAT_S

    def failed(self, error: Exception, waiting: int) -> None:
        """Another try has failed; ``waiting`` merchants are not written."""
        now_s = time.monotonic()
        if self._since_s is None:
            self._since_s = now_s
        elif now_s - self._said_s < REPEAT_S:
            return
        self._said_s = now_s
        log.warning(
            "Redis at %s takes no writes: %s. %d merchants wait; trying again",
            self._address,
            str(error).rstrip("."),
            waiting,
        )

    def ended(self) -> None:
        """It works (again)."""
        if self._since_s is None:
            return
        log.warning(
            "Redis at %s takes writes again after %.1f s", self._address, time.monotonic() - self._since_s
        )
        self._since_s = None

    def held(self, shards: dict[int, dict[str, tuple[int, int]]]) -> None:
        """Shards wait until they have caught up with what Redis shows."""
        now_s = time.monotonic()
        if not shards or now_s - self._held_said_s < REPEAT_S:
            return
        self._held_said_s = now_s
        shard, sources = next(iter(shards.items()))
        source, (ours, shown) = next(iter(sources.items()))
        log.warning(
            "%d shards are held back until this run has read what Redis at %s shows already:"
            " shard %d is at offset %d of %s, Redis at %d",
            len(shards),
            self._address,
            shard,
            ours,
            source,
            shown,
        )
