"""Pauses for a thread that has nothing to do but wait for the others.

At the end of an epoch Bytewax asks its steps again and again, without a pause, until every worker has
stored its state (``activate_after(0)`` of a source that waits for the probe; Bytewax 0.21.1, ``inputs.rs``).
Where workers, broker and Redis share their cores, it takes the processor from those whom it waits for.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from operators.stage_times import StageTimes

FIRST_PAUSE_SECONDS: Final = 0.0001
"""By so much each pause is longer than the one before: whoever waits only a moment loses none."""
LONGEST_PAUSE_SECONDS: Final = 0.002
"""So late, at most, something that comes from another worker is noticed."""

ALWAYS_DUE: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""What to tell Bytewax, which compares it with the machine's time of day, to be called in every turn."""


class IdleTurns:
    """Counts turns of the dataflow's loop in which no stage was at work, and pauses in them.

    ``stages``: of this process. ``turn`` has to be called once in every turn, by the dataflow's thread.
    """

    def __init__(self, stages: StageTimes, sleep: Callable[[float], None] = time.sleep) -> None:
        self._stages = stages
        self._sleep = sleep
        self._laps = 0
        self._idle = 0
        self._teller: object = None

    def are_told_by(self, teller: object) -> bool:
        """Whether it is this one that calls ``turn``: the first that asked, as one is enough."""
        if self._teller is None:
            self._teller = teller
        return self._teller is teller

    def turn(self) -> None:
        """Pause if nothing was done since the last turn, the longer the more turns there were like that."""
        laps = self._stages.laps
        if laps != self._laps:
            self._laps, self._idle = laps, 0
            return
        self._idle += 1
        self._sleep(min(self._idle * FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS))
