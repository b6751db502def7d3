"""How often partitions are asked, and for how much at a time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Final
from weakref import WeakKeyDictionary

TICK_SECONDS: Final = 0.03
"""Partitions that had little are asked at these ticks of the clock, all of them at the same one: what they
bring goes to the shards together. A visit of a shard costs the same however little it brings."""
LONGEST_SLEEP_SECONDS: Final = 0.005
BATCH_BYTES: Final = 32 * 1024 * 1024
"""Aim for the size of a batch of large messages."""
FIRST_BATCH_MESSAGES: Final = 1_000
"""Size of the first batch, before the messages' size is known."""


def batch_limit(most: int, mean_bytes: float, credit_bytes: int) -> int:
    """Messages to ask for, so that the batch keeps to ``BATCH_BYTES`` and the credit left; at least one.

    ``mean_bytes``: of a message of the last batch, 0 before there was one.
    """
    if mean_bytes <= 0:
        return min(most, FIRST_BATCH_MESSAGES)
    return max(1, min(most, int(min(BATCH_BYTES, credit_bytes) / mean_bytes)))


class Pacer:
    """Lets the thread sleep while all of its partitions rest, a little at a time.

    A partition that has something to do never waits for one that has not. The clock is the machine's, so
    the ticks of its processes are the same.
    """

    _of_process: Pacer | None = None

    def __init__(
        self, now: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._now = now
        self._sleep = sleep
        self._rests_until: WeakKeyDictionary[object, float] = WeakKeyDictionary()

    @classmethod
    def of_process(cls) -> Pacer:
        """The one that all sources of this process share."""
        if cls._of_process is None:
            cls._of_process = cls()
        return cls._of_process

    def rest(self, partition: object, now: float) -> None:
        """Let a partition rest until the next tick that is at least half of one away."""
        self._rests_until[partition] = math.ceil(now / TICK_SECONDS + 0.5) * TICK_SECONDS

    def resting(self, partition: object, now: float) -> bool:
        """Whether a partition rests; sleeps up to ``LONGEST_SLEEP_SECONDS`` if every one does."""
        if self._rests_until.setdefault(partition, 0.0) <= now:
            self._rests_until[partition] = 0.0
            return False
        left = min(self._rests_until.values()) - now
        if left > 0:
            self._sleep(min(left, LONGEST_SLEEP_SECONDS))
        return True

    def leave(self, partition: object) -> None:
        """Forget a partition that is closed."""
        self._rests_until.pop(partition, None)
