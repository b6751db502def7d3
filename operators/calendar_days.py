"""Calendar days in the time zones of merchants: where a day begins and how much of one has passed."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from operators.batches import I64, U8
from schemas.windows import DAY_MS


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    """The IANA time zone of that name; raises ``ZoneInfoNotFoundError`` (a KeyError) if there is none."""
    return ZoneInfo(name)


def _local(at_ms: int, name: str) -> datetime:
    return datetime.fromtimestamp(at_ms // 1000, UTC).astimezone(zone(name))


def _midnight_ms(day: date, name: str) -> int:
    return int(datetime.combine(day, time(), zone(name)).timestamp()) * 1000


def day_bounds_ms(at_ms: int, name: str) -> tuple[int, int]:
    """First millisecond of the local calendar day of ``at_ms``, and of the next one."""
    day = _local(at_ms, name).date()
    return _midnight_ms(day, name), _midnight_ms(day + timedelta(days=1), name)


def local_ms(at_ms: int, name: str) -> int:
    """Local clock time as milliseconds since the local 1970-01-01T00:00: its part of a day is the clock."""
    offset = _local(at_ms, name).utcoffset() or timedelta()
    return at_ms + int(offset.total_seconds()) * 1000


@lru_cache(maxsize=4096)
def clock_time(at_ms: int, name: str) -> tuple[int, int]:
    """(days since the local epoch, milliseconds since local midnight by the clock).

    All shards ask for the few instants at which windows begin and end.
    """
    return divmod(local_ms(at_ms, name), DAY_MS)


class DayBounds:
    """The current calendar day of every time zone in ``zones``, a list that may grow."""

    def __init__(self, zones: list[str]) -> None:
        self._zones = zones
        self.start_ms: I64 = np.zeros(0, np.int64)
        self.end_ms: I64 = np.zeros(0, np.int64)

    def move_to(self, at_ms: int) -> list[int]:
        """Let the days that ended by ``at_ms`` give way; numbers of the zones whose day did."""
        ended = []
        if len(self.start_ms) < len(self._zones):
            missing = np.full(len(self._zones) - len(self.start_ms), -1)
            self.start_ms = np.append(self.start_ms, missing)
            self.end_ms = np.append(self.end_ms, missing)
        for number, name in enumerate(self._zones):
            if at_ms < self.end_ms[number]:
                continue
            if self.end_ms[number] != -1:
                ended.append(number)
            self.start_ms[number], self.end_ms[number] = day_bounds_ms(at_ms, name)
        return ended

    def hold(self, zones: U8, at_ms: int) -> npt.NDArray[np.bool_]:
        """For each zone number, whether ``at_ms`` is in its current day."""
        known = zones < len(self.start_ms)
        safe = np.where(known, zones, 0)
        if not len(self.start_ms):
            return np.zeros(len(zones), np.bool_)
        return known & (self.start_ms[safe] <= at_ms) & (at_ms < self.end_ms[safe])
