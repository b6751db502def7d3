"""The wall as it is now, in named sections: what the page shows, what ``/api/v1/summary`` answers."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import orjson
import redis

from dashboards.web import curves
from dashboards.web.broadcast import Sections
from dashboards.web.curves import SeriesCache
from dashboards.web.options import WebOptions
from dashboards.web.results import Command, Fields, ResultsReader, fields_of, ranking_of, some_fields_of
from schemas import redis_layout
from schemas.redis_layout import field
from schemas.windows import DAY, SALE

log = logging.getLogger("warroom.web")

BOARDS: Final = (
    *(("sales_multiple", window) for window in ("5m", "1h", "12h", DAY, SALE)),
    *(("new_members", window) for window in ("1h", DAY)),
    ("new_member_multiple", DAY),
    ("gmv", DAY),
)
"""Leaderboards that the page shows."""
PLACES: Final = 10
SHARES: Final = ("channel", "city_tier")
"""Dimensions whose parts of the whole the page shows."""
MOST_SHARES: Final = 8
MERCHANT_FIELDS: Final = (
    redis_layout.NAME,
    redis_layout.PEAK,
    redis_layout.PEAK_AT,
    "baseline_gmv",
    *(field("sales_multiple", w) for w in ("5m", "1h", "12h", DAY, SALE)),
    *(field("gmv", w) for w in ("1h", DAY, SALE)),
    *(field("orders", w) for w in ("1h", DAY)),
    *(field("new_members", w) for w in ("1h", DAY)),
    field("new_member_multiple", DAY),
    "low_stock",
)
"""What the page shows of a merchant that stands on a board."""
ALERTS: Final = 12
GRAVITY: Final = {"critical": 2, "warning": 1}
STOCK: Final = 6
SOMETIME_MS: Final = 2**53
LAG_SECONDS: Final = 3.0


class Wall:
    """Takes the wall from Redis: two round trips, however many watch.

    ``lag_messages`` asks the workers how many messages they have not read; None where none answers. It
    may block, so it is called in a thread.
    """

    def __init__(
        self, reader: ResultsReader, options: WebOptions, lag_messages: Callable[[], int | None]
    ) -> None:
        self._reader = reader
        self._options = options
        self._lag_messages = lag_messages
        self._lag: int | None = None
        self._lag_due_s = 0.0
        self._lag_task: asyncio.Task[None] | None = None
        self._series = SeriesCache(reader.prefix)
        self._curve: dict[str, Any] = {}
        self._curve_mark: list[Any] = []
        self._alerts: Fields = {}
        self._alerts_mark: list[Any] | None = None
        self._last: Sections = {}
        self._away_since_ms: int | None = None

    async def take(self) -> Sections:
        """All sections. Where Redis does not answer: the last ones, and ``health`` says so."""
        self._keep_asking_lag()
        try:
            self._last = await self._sections()
            self._away_since_ms = None
        except redis.RedisError as error:
            if self._away_since_ms is None:
                log.warning("Redis does not answer (%s); the wall shows what it had", type(error).__name__)
                self._away_since_ms = now_ms()
        health = {
            "redis": self._away_since_ms is None,
            "away_since_ms": self._away_since_ms,
            "lag_messages": self._lag,
        }
        clock = {**self._last.get("clock", {}), "now_ms": now_ms()}
        return {**self._last, "clock": clock, "health": health}

    async def close(self) -> None:
        """End what runs beside the updates."""
        if self._lag_task is not None:
            self._lag_task.cancel()
            await asyncio.gather(self._lag_task, return_exceptions=True)

    async def _sections(self) -> Sections:
        prefix = self._reader.prefix
        meta, total, ordinary, count, recent, *rankings = await self._reader.ask(
            [
                ("HGETALL", redis_layout.meta(prefix)),
                ("HGETALL", redis_layout.rollup(prefix, "total", "all")),
                ("GET", redis_layout.ordinary(prefix, curves.TOTAL)),
                ("HLEN", redis_layout.active_alerts(prefix)),
                ("XREVRANGE", redis_layout.alerts(prefix), "+", "-", "COUNT", ALERTS),
                *(_best(redis_layout.top(prefix, m, w), PLACES) for m, w in BOARDS),
                *(_best(redis_layout.rollup_values(prefix, d), 0) for d in SHARES),
            ]
        )
        ranked = [ranking_of(answer) for answer in rankings]
        boards = dict(zip((field(m, w) for m, w in BOARDS), ranked[: len(BOARDS)], strict=True))
        clock = fields_of(meta)
        leaders = list(dict.fromkeys(i for board in boards.values() for i, _ in board))
        sparked = [i for i, _ in boards[field("sales_multiple", "1h")]]
        merchants = await self._ask_merchants(leaders, sparked, clock)
        return {
            "clock": {_CLOCK[name]: value for name, value in clock.items() if name in _CLOCK},
            "totals": fields_of(total),
            "boards": {name: [list(pair) for pair in board] for name, board in boards.items()},
            "merchants": merchants,
            "shares": {d: shares_of(parts) for d, parts in zip(SHARES, ranked[len(BOARDS) :], strict=True)},
            "stock": stock_of(merchants),
            "alerts": await self._ask_alerts(count, recent),
            "sparks": {i: spark for i in sparked if (spark := self._series.spark(i, _event_time(clock)))},
            "curve": self._day_curve(clock, ordinary),
        }

    async def _ask_merchants(
        self, leaders: Sequence[str], sparked: Sequence[str], clock: Fields
    ) -> dict[str, Fields]:
        prefix = self._reader.prefix
        hashes: list[Command] = [
            ("HMGET", redis_layout.merchant(prefix, i), *MERCHANT_FIELDS) for i in leaders
        ]
        self._series.begin(clock)
        wanted = self._series.commands([curves.TOTAL, *sparked])
        answers = await self._reader.ask([*hashes, *(command for _, command in wanted)])
        self._series.take(zip((key for key, _ in wanted), answers[len(hashes) :], strict=True))
        found = (some_fields_of(MERCHANT_FIELDS, answer) for answer in answers[: len(hashes)])
        return dict(zip(leaders, found, strict=True))

    async def _ask_alerts(self, count: int, recent: Sequence[Any]) -> Fields:
        """Alerts that hold, the gravest first; read again only where some came or went."""
        mark = [count, recent[0][0] if recent else None]
        if mark != self._alerts_mark:
            (active,) = await self._reader.ask([("HVALS", redis_layout.active_alerts(self._reader.prefix))])
            gravest = sorted(alerts_of(active), key=lambda a: -GRAVITY.get(str(a.get("severity")), 0))
            told = recent_alerts_of(recent)
            self._alerts = {"active": gravest[:ALERTS], "count": count, "recent": told}
            self._alerts_mark = mark
        return self._alerts

    def _day_curve(self, clock: Fields, ordinary: str | None) -> dict[str, Any]:
        event_ms = _event_time(clock)
        shares = orjson.loads(ordinary) if ordinary else None
        if event_ms is None:
            return self._curve
        day = curves.day_of(event_ms, self._options.timezone)
        points = self._series.points(curves.TOTAL)
        newest = max(points, default=None)
        mark = [day, self._series.generation, newest, len(points), shares]
        if mark != self._curve_mark:
            self._curve_mark = mark
            self._curve = {
                "day_start_ms": day[0],
                "day_end_ms": day[1],
                "generation": self._series.generation,
                "ordinary": shares,
                "points": {m: curves.shown_point(v) for m, v in points.items() if day[0] <= m < day[1]},
            }
        return self._curve

    def _keep_asking_lag(self) -> None:
        """Ask beside the updates when it is due, never twice at once."""
        now_s = time.monotonic()
        if now_s >= self._lag_due_s and (self._lag_task is None or self._lag_task.done()):
            self._lag_due_s = now_s + LAG_SECONDS
            self._lag_task = asyncio.create_task(self._ask_lag())

    async def _ask_lag(self) -> None:
        try:
            self._lag = await asyncio.to_thread(self._lag_messages)
        except Exception:  # the wall goes on without it
            log.exception("the workers' lag could not be read")
            self._lag = None


_CLOCK: Final = {
    "run": "run",
    "watermark": "watermark_ms",
    redis_layout.EVENT_TIME: "event_time_ms",
    redis_layout.UPDATED_AT: "updated_at_ms",
    "merchants": "merchants",
    "merchants_without_baseline": "merchants_without_baseline",
}
"""Fields of ``meta`` to their names with units."""


def now_ms() -> int:
    """The wall clock."""
    return time.time_ns() // 1_000_000


def _event_time(clock: Fields) -> int | None:
    value = clock.get(redis_layout.EVENT_TIME)
    return value if isinstance(value, int) else None


def _best(key: str, count: int) -> Command:
    return ("ZREVRANGE", key, 0, count - 1, "WITHSCORES")


def shares_of(parts: Sequence[tuple[str, float]]) -> list[Fields]:
    """Parts of a dimension by gmv of the day, greatest first, each with its share; the smallest as one."""
    gmv, whole = field("gmv", DAY), sum(score for _, score in parts)
    if whole == 0:
        return []
    told: list[Fields] = [{"value": v, gmv: int(score), "share": score / whole} for v, score in parts]
    rest = told[MOST_SHARES - 1 :]
    if len(rest) <= 1:
        return told
    others = {
        "value": None,
        "values": len(rest),
        gmv: sum(part[gmv] for part in rest),
        "share": sum(part["share"] for part in rest),
    }
    return [*told[: MOST_SHARES - 1], others]


def stock_of(merchants: dict[str, Fields]) -> list[Fields]:
    """What will be sold out soonest among the merchants on the boards."""
    rows = [
        {
            "merchant_id": merchant_id,
            "name": fields.get(redis_layout.NAME, merchant_id),
            "item_id": item_id,
            "stock_left": left,
            "units_per_minute": pace,
            "sold_out_at_ms": sold_out_at,
        }
        for merchant_id, fields in merchants.items()
        for item_id, left, pace, sold_out_at in stock_lists(fields)
    ]
    # What is gone already can wait: somebody can still do something about the others.
    rows.sort(key=lambda r: (r["stock_left"] == 0, r["sold_out_at_ms"] or SOMETIME_MS, r["stock_left"]))
    return rows[:STOCK]


def stock_lists(fields: Fields) -> list[list[Any]]:
    """``low_stock`` where it is what the contract says."""
    found = fields.get("low_stock")
    return (
        [row for row in found if isinstance(row, list) and len(row) == 4] if isinstance(found, list) else []
    )


def alerts_of(texts: Iterable[str]) -> list[Fields]:
    """Alerts from their JSON, newest first."""
    found = [alert for text in texts if (alert := _alert(text)) is not None]
    found.sort(key=lambda a: (-a.get("bucket_end_ms", 0), str(a.get("alert_id"))))
    return found


def recent_alerts_of(entries: Iterable[Any]) -> list[Fields]:
    """Alerts from entries of the stream, newest first."""
    texts = (fields_by_name(entry[1]).get("alert", "") for entry in entries)
    return [alert for text in texts if (alert := _alert(text)) is not None]


def fields_by_name(flat: Any) -> dict[str, str]:  # noqa: ANN401 - a dict or pairs in a row
    """Fields of a stream's entry, in either protocol of Redis."""
    return dict(flat) if isinstance(flat, dict) else dict(zip(flat[::2], flat[1::2], strict=True))


def _alert(text: str) -> Fields | None:
    try:
        alert = orjson.loads(text)
    except ValueError:
        return None
    return alert if isinstance(alert, dict) else None
