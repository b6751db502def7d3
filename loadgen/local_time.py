"""Clock time of a merchant: its midnight, and how a stretch of time falls on its hours."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from schemas.windows import MINUTE_MS

QUARTER_MS: Final = 15 * MINUTE_MS
"""Every time zone's hours begin on one of these."""
HOUR_MS: Final = 60 * MINUTE_MS


@cache
def midnight_ms(timezone: str, at_ms: int) -> int:
    """The start of the local day that holds an instant."""
    local = datetime.fromtimestamp(at_ms // 1000, ZoneInfo(timezone))
    return int(local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0).timestamp()) * 1000


@cache
def hours_of(timezone: str, start_ms: int, end_ms: int) -> tuple[float, ...]:
    """How many hours of the stretch [start, end) fall on each of the 24 hours of the local day."""
    zone = ZoneInfo(timezone)
    held = [0] * 24
    at = start_ms
    while at < end_ms:
        until = min(end_ms, at - at % QUARTER_MS + QUARTER_MS)
        held[datetime.fromtimestamp(at / 1000, zone).hour] += until - at
        at = until
    return tuple(ms / HOUR_MS for ms in held)


def share_of(hourly_share: npt.NDArray[np.float64], timezone: str, start_ms: int, end_ms: int) -> np.float64:
    """What part of an ordinary day falls into a stretch; above 1 if it is longer than a day."""
    return np.float64(hourly_share @ np.array(hours_of(timezone, start_ms, end_ms)))
