"""The minute series as the page draws them: today's curve and the small ones beside the leaders."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from dashboards.web.results import Command, Fields, points_of, series_of
from schemas import redis_layout
from schemas.redis_layout import SERIES_FIELDS
from schemas.windows import MINUTE_MS

TOTAL: Final = "total"
SHOWN: Final = ("gmv", "orders", "new_members")
"""What the curve's points hold, in this order."""
SPARK_STEP_MS: Final = 10 * MINUTE_MS
SPARK_POINTS: Final = 72
"""A small curve: gmv of the last hour, every ten minutes, over the last twelve hours."""
SUBJECTS: Final = 400
LOOK_BACK_MINUTES: Final = 10
"""Points are written a moment after the clock: so many minutes are asked for again."""
MOST_MINUTES: Final = 240
"""A gap greater than this is read as a whole."""

_SHOWN_AT: Final = tuple(SERIES_FIELDS.index(name) if name in SERIES_FIELDS else None for name in SHOWN)
_GMV_1H: Final = SERIES_FIELDS.index("gmv:1h")


def day_of(at_ms: int, timezone: str) -> tuple[int, int]:
    """Start (inclusive) and end (exclusive) of the local day that ``at_ms`` lies in."""
    zone = ZoneInfo(timezone)
    date = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone).date()
    ends = (datetime.combine(d, time(), zone) for d in (date, date + timedelta(days=1)))
    start, end = (int(moment.timestamp()) * 1000 for moment in ends)
    return start, end


def ordinary_new_members(gmv_by_hour: Sequence[float], a_day: float | None) -> list[float] | None:
    """New members of each hour of the ordinary day; None where the baseline does not say.

    A baseline has one ``hourly_share`` for all its measures, so they come in the hours in which it sells.
    """
    whole = sum(gmv_by_hour)
    if a_day is None or whole <= 0:
        return None
    return [round(a_day * gmv / whole, 6) for gmv in gmv_by_hour]


def shown_point(values: Sequence[int]) -> list[int | None]:
    """A point of the series by ``SHOWN``; None for what an older version did not write."""
    return [values[at] if at is not None and at < len(values) else None for at in _SHOWN_AT]


def new_points(before: dict[str, Any] | None, after: dict[str, Any]) -> dict[str, Any]:
    """What a viewer of ``before`` needs to have ``after``: the points that are new, or all of them."""
    same = ("day_start_ms", "generation", "ordinary")
    if not before or any(before.get(name) != after.get(name) for name in same):
        return after
    had = before["points"]
    return {**after, "points": {m: p for m, p in after["points"].items() if had.get(m) != p}, "more": True}


class SeriesCache:
    """The series that are shown, each read whole once and then by its new minutes.

    ``generation`` changes when another run, or an emptied Redis, makes what is held worthless.
    """

    def __init__(self, prefix: str) -> None:
        self.generation = 0
        self._prefix = prefix
        self._held: OrderedDict[str, dict[int, list[int]]] = OrderedDict()
        self._run: object = None
        self._watermark_ms: int | None = None

    def begin(self, clock: Fields) -> None:
        """Note how far results are; forget everything where they began anew."""
        watermark_ms, run = clock.get("watermark"), clock.get("run")
        went_back = self._watermark_ms is not None and (watermark_ms or 0) < self._watermark_ms
        if run != self._run or went_back:
            self._held.clear()
            self.generation += 1
        self._run, self._watermark_ms = run, watermark_ms

    def commands(self, subjects: Iterable[str]) -> list[tuple[tuple[str, list[int] | None], Command]]:
        """What to ask for: the subject and the minutes (None: all), and the command."""
        if self._watermark_ms is None:
            return []
        end_ms = self._watermark_ms // MINUTE_MS * MINUTE_MS
        wanted: list[tuple[tuple[str, list[int] | None], Command]] = []
        for subject in dict.fromkeys(subjects):
            key = redis_layout.series(self._prefix, subject)
            held = self._held.get(subject)
            since_ms = max(held) - LOOK_BACK_MINUTES * MINUTE_MS if held else 0
            if not held or (end_ms - since_ms) // MINUTE_MS > MOST_MINUTES:
                wanted.append(((subject, None), ("HGETALL", key)))
                continue
            minutes = [m for m in range(since_ms, end_ms, MINUTE_MS) if m not in held]
            if minutes:
                wanted.append(((subject, minutes), ("HMGET", key, *map(str, minutes))))
        return wanted

    def take(self, answers: Iterable[tuple[tuple[str, list[int] | None], Any]]) -> None:
        """The answers to ``commands``."""
        for (subject, minutes), answer in answers:
            if minutes is None:
                self._held[subject] = series_of(answer)
            else:
                self._held.setdefault(subject, {}).update(points_of(minutes, answer))
            self._held.move_to_end(subject)
        while len(self._held) > SUBJECTS:
            self._held.popitem(last=False)

    def points(self, subject: str) -> dict[int, list[int]]:
        """Minute start in ms to the point's values."""
        return self._held.get(subject, {})

    def spark(self, subject: str, event_ms: int | None) -> list[int | None]:
        """gmv of the last hour at ``SPARK_POINTS`` moments, oldest first; None before there is any."""
        points = self._held.get(subject)
        if not points or event_ms is None:
            return []
        end_ms = max(points) // SPARK_STEP_MS * SPARK_STEP_MS
        minutes = (end_ms - i * SPARK_STEP_MS for i in range(SPARK_POINTS - 1, -1, -1))
        return [points[m][_GMV_1H] if m in points else None for m in minutes]
