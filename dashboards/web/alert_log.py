"""All that the stream of alerts holds, by merchant: read once, then by what is new."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Final

from dashboards.web.results import Command, Fields, ResultsReader
from dashboards.web.wall import recent_alerts_of
from schemas import redis_layout

MOST: Final = 11_000
"""The stream is capped at about ten thousand."""

_Place = tuple[int, int]
"""A stream id in its two parts, so that ids compare as they were given out."""


class AlertLog:
    """Told alerts, oldest first, each with the stream id it was told under.

    A merchant's are asked for every second while somebody looks at its page, and picking them from ten
    thousand each time would hold up everybody else. Where Redis was emptied, reading begins anew.
    """

    def __init__(self, reader: ResultsReader) -> None:
        self._reader = reader
        self._key = redis_layout.alerts(reader.prefix)
        self._told: deque[tuple[_Place, Fields]] = deque()
        self._by_subject: dict[str, deque[tuple[_Place, Fields]]] = {}
        self._last: _Place = (0, 0)
        self._reading = asyncio.Lock()

    async def of(self, subject: str) -> list[tuple[str, Fields]]:
        """A merchant's alerts with their stream ids, newest first. Raises ``redis.RedisError``."""
        async with self._reading:
            await self._read()
        return [(f"{p[0]}-{p[1]}", alert) for p, alert in reversed(self._by_subject.get(subject, ()))]

    async def _read(self) -> None:
        since = f"({self._last[0]}-{self._last[1]}"
        fresh, oldest, newest = await self._reader.ask([self._range(since), *self._ends()])
        if self._last > (place_of(newest[0][0]) if newest else (0, 0)):
            self._told.clear()
            self._by_subject.clear()
            self._last = (0, 0)
            (fresh,) = await self._reader.ask([self._range("-")])
        for entry in fresh:
            self._take(entry)
        while oldest and self._told and self._told[0][0] < place_of(oldest[0][0]):
            self._forget_oldest()

    def _range(self, since: str) -> Command:
        return ("XRANGE", self._key, since, "+", "COUNT", MOST)

    def _ends(self) -> tuple[Command, Command]:
        return ("XRANGE", self._key, "-", "+", "COUNT", 1), ("XREVRANGE", self._key, "+", "-", "COUNT", 1)

    def _take(self, entry: Any) -> None:  # noqa: ANN401 - a stream's entry, in either protocol of Redis
        self._last = place_of(entry[0])
        for alert in recent_alerts_of([entry]):
            told = (self._last, alert)
            self._told.append(told)
            self._by_subject.setdefault(str(alert.get("subject")), deque()).append(told)

    def _forget_oldest(self) -> None:
        subject = str(self._told.popleft()[1].get("subject"))
        mine = self._by_subject[subject]
        mine.popleft()
        if not mine:
            del self._by_subject[subject]


def place_of(stream_id: str) -> _Place:
    """``1576080000000-3`` to its two numbers."""
    ms, _, number = stream_id.partition("-")
    return int(ms), int(number)
