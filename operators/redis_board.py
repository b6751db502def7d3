"""Leaderboards, totals, the clock and the minute series as Redis commands."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import orjson

from operators import redis_scripts as scripts
from operators.batches import NO_EVENT_MS, BoardRows, SeriesPoint
from operators.redis_command import command
from schemas import redis_layout
from schemas.windows import DAY, HOUR_MS, MINUTE_MS

SERIES_KEPT_MS = 48 * HOUR_MS
"""How much of a series stays in Redis."""
POINTS_PER_WRITE = 1_000


def number(value: int | float) -> bytes | None:
    """A number as text, decimals rounded to 6 places without zeros at the end; None if it is not finite."""
    if isinstance(value, int):
        return b"%d" % value
    if not math.isfinite(value):
        return None
    text = f"{value:.{redis_layout.MULTIPLE_DECIMALS}f}".rstrip("0").rstrip(".")
    return b"0" if text == "-0" else text.encode()


def hash_commands(key: str, fields: Mapping[str, int | float], now_ms: int) -> list[bytes]:
    """A hash replaced by what it is now. For one transaction."""
    texts = [(name.encode(), number(v)) for name, v in fields.items()]
    pairs = [part for name, text in texts if text is not None for part in (name, text)]
    stamp = (redis_layout.UPDATED_AT.encode(), b"%d" % now_ms)
    return [command(b"DEL", _bytes(key)), command(b"HSET", _bytes(key), *pairs, *stamp)]


def board_commands(rows: BoardRows, prefix: str, now_ms: int) -> list[bytes]:
    """Every leaderboard and rollup replaced by what it is now, and the clock. For one transaction."""
    commands = []
    for (metric, window), best in rows.tops.items():
        key = redis_layout.top(prefix, metric, window).encode()
        commands.append(command(b"DEL", key))
        scores = [(number(score), merchant_id) for merchant_id, _, score in best]
        pairs = [part for score, i in scores if score is not None for part in (score, _bytes(i))]
        if pairs:
            commands.append(command(b"ZADD", key, *pairs))
    for (dimension, value), values in rows.rollups.items():
        commands += hash_commands(redis_layout.rollup(prefix, dimension, value), values, now_ms)
        commands.append(listed_command(prefix, dimension, value, values))
    commands.append(ordinary_command(prefix, "total", rows.ordinary))
    commands.append(_clock(rows, prefix, now_ms))
    return commands


def listed_command(prefix: str, dimension: str, value: str, fields: Mapping[str, int | float]) -> bytes:
    """Note that a value has a rollup: keys of unknown names cannot be listed otherwise."""
    score = number(fields.get(redis_layout.field("gmv", DAY), 0)) or b"0"
    key = redis_layout.rollup_values(prefix, dimension)
    return command(b"ZADD", _bytes(key), score, _bytes(value))


def _clock(rows: BoardRows, prefix: str, now_ms: int) -> bytes:
    fields = {
        scripts.META_UPDATED_AT: now_ms,
        scripts.META_MERCHANTS: rows.merchants,
        scripts.META_WITHOUT_BASELINE: rows.without_baseline,
    }
    if rows.watermark_ms != NO_EVENT_MS:
        fields[scripts.META_WATERMARK] = rows.watermark_ms
    if rows.newest_ms != NO_EVENT_MS:
        fields[scripts.META_EVENT_TIME] = rows.newest_ms
    pairs = [part for name, value in fields.items() for part in (name.encode(), b"%d" % value)]
    return command(b"HSET", redis_layout.meta(prefix).encode(), *pairs)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def ordinary_command(prefix: str, subject: str, hours: list[float] | None) -> bytes:
    """The ordinary day of a subject written, or removed."""
    key = _bytes(redis_layout.ordinary(prefix, subject))
    if not hours:
        return command(b"DEL", key)
    return command(b"SET", key, orjson.dumps([round(fen, 2) for fen in hours]))


class PendingSeries:
    """Points of series that are not written yet: the newest values of a minute, 48 hours a subject.

    ``ordinary``: ordinary days that are not written yet, by subject.
    """

    def __init__(self) -> None:
        self.ordinary: dict[str, list[float] | None] = {}
        self._points: dict[str, dict[int, list[int]]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, points: Iterable[SeriesPoint]) -> None:
        """Take points; they replace pending ones of the same minute."""
        for point in points:
            minutes = self._points.setdefault(point.subject, {})
            before = len(minutes)
            minutes[point.minute_ms] = point.values
            if len(minutes) > SERIES_KEPT_MS // MINUTE_MS:
                del minutes[min(minutes)]
            self._count += len(minutes) - before

    def take(self) -> list[SeriesPoint]:
        """Some points, at most ``POINTS_PER_WRITE`` or one subject's; those of a subject together."""
        taken: list[SeriesPoint] = []
        while self._points and len(taken) < POINTS_PER_WRITE:
            subject, minutes = self._points.popitem()
            self._count -= len(minutes)
            taken += [SeriesPoint(subject, minute, values) for minute, values in sorted(minutes.items())]
        return taken

    def put_back(self, points: Iterable[SeriesPoint]) -> None:
        """Points that were taken and not written, unless there are newer ones of the same minute."""
        for point in points:
            if point.minute_ms not in self._points.get(point.subject, ()):
                self.add([point])


def series_commands(points: list[SeriesPoint], prefix: str) -> list[bytes]:
    """The points written, and the minutes that they push out of the 48 hours removed.

    The series of a merchant that leads no longer expires two days after its last point.
    """
    commands: list[bytes] = []
    by_subject: dict[str, list[SeriesPoint]] = {}
    for point in points:
        by_subject.setdefault(point.subject, []).append(point)
    for subject, its_points in by_subject.items():
        key = _bytes(redis_layout.series(prefix, subject))
        pairs = [t for p in its_points for t in (b"%d" % p.minute_ms, orjson.dumps(p.values))]
        commands.append(command(b"HSET", key, *pairs))
        leaving = (b"%d" % (p.minute_ms - SERIES_KEPT_MS) for p in its_points)
        commands.append(command(b"HDEL", key, *leaving))
        commands.append(command(b"EXPIRE", key, b"%d" % (SERIES_KEPT_MS // 1000)))
    return commands


def stale_minutes(subject: str, newest_ms: int, fields: list[str], prefix: str) -> bytes | None:
    """A command that removes what is older than 48 hours before ``newest_ms``; None if nothing is."""
    bound = newest_ms - SERIES_KEPT_MS
    stale = [name.encode() for name in fields if int(name) <= bound]
    return command(b"HDEL", _bytes(redis_layout.series(prefix, subject)), *stale) if stale else None
