"""The JSON API, ``/api/v1/…``: one handler a resource. Only reads."""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections.abc import Callable
from typing import Any, Final

import orjson
import redis
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from dashboards.web import questions
from dashboards.web.alert_log import AlertLog, place_of
from dashboards.web.broadcast import Broadcast
from dashboards.web.curves import TOTAL, ordinary_new_members
from dashboards.web.limits import RateLimit
from dashboards.web.openapi import description
from dashboards.web.options import WebOptions
from dashboards.web.problems import Problem, shown
from dashboards.web.results import (
    Fields,
    ResultsReader,
    fields_of,
    point_fields,
    ranking_of,
    series_of,
)
from dashboards.web.wall import alerts_of, recent_alerts_of
from schemas import redis_layout
from schemas.windows import MINUTE_MS, WINDOWS

REPORT_SECONDS: Final = 5.0
"""A report reads every merchant; one that is younger is given again."""
REPORT_COST: Final = 10.0
PAST_ALERTS: Final = 50
"""Of a merchant's that hold no longer, so many come with it; ``alerts?merchant=`` pages through all."""
_STREAM_ID: Final = re.compile(r"\d{1,19}-\d{1,19}")
_ALL_TIME_MS: Final = 2**53


class Api:
    """Handlers over one reader. ``report`` writes the battle report as JSON; it may block."""

    def __init__(
        self, options: WebOptions, reader: ResultsReader, broadcast: Broadcast, report: Callable[[], bytes]
    ) -> None:
        self._options = options
        self._reader = reader
        self._broadcast = broadcast
        self._report = report
        self._alert_log = AlertLog(reader)
        self._reported: tuple[float, bytes] | None = None
        self._reporting = asyncio.Lock()
        self._limit = RateLimit(options.requests_per_second, options.burst)

    def routes(self) -> list[Route]:
        """Every resource of the API."""
        base = "/api/v1"
        return [
            Route(f"{base}/summary", self.summary),
            Route(f"{base}/stream", self.stream),
            Route(f"{base}/merchants", self.top),
            Route(f"{base}/merchants/{{merchant_id:path}}", self.merchant),
            Route(f"{base}/series/{{merchant_id:path}}", self.series),
            Route(f"{base}/rollups/{{dimension}}", self.rollups),
            Route(f"{base}/alerts", self.alerts),
            Route(f"{base}/report", self.report),
            Route(f"{base}/openapi.json", self.openapi),
        ]

    async def summary(self, request: Request) -> Response:
        """Everything that the wall shows but its curves."""
        questions.known_parameters(request)
        self._count(request)
        sections = await self._broadcast.sections()
        if "clock" not in sections or not sections.get("health", {}).get("redis"):
            raise redis.ConnectionError
        curves = ("curve", "sparks", "config")
        return json_response(request, {name: v for name, v in sections.items() if name not in curves})

    async def stream(self, request: Request) -> Response:
        """Server-sent events: ``whole``, then ``update`` with the sections that changed."""
        questions.known_parameters(request)
        events = await self._broadcast.stream()
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(events, headers=headers, media_type="text/event-stream")

    async def top(self, request: Request) -> Response:
        """A leaderboard, with the merchants' fields of its window."""
        questions.known_parameters(request, "top", "window", "limit", "cursor")
        self._count(request)
        metric = questions.choice(request, "top", tuple(questions.TOP_WINDOWS), "sales_multiple")
        window = questions.choice(request, "window", questions.TOP_WINDOWS[metric], "1h")
        limit = questions.whole(request, "limit", questions.DEFAULT_ITEMS, 1, questions.MOST_ITEMS)
        first = int(questions.cursor_of(request, "merchants", metric, window) or 0)
        prefix = self._reader.prefix
        key = redis_layout.top(prefix, metric, window)
        (answer,) = await self._reader.ask([("ZREVRANGE", key, first, first + limit, "WITHSCORES")])
        ranking = ranking_of(answer)
        shown_here = ranking[:limit]
        answers = await self._reader.ask(
            [("HGETALL", redis_layout.merchant(prefix, i)) for i, _ in shown_here]
        ) if shown_here else []  # fmt: skip
        items = [
            {"rank": place, "merchant_id": i, metric: score, **of_window(fields_of(answer), window)}
            for place, ((i, score), answer) in enumerate(zip(shown_here, answers, strict=True), first + 1)
        ]
        more = len(ranking) > limit
        cursor = questions.cursor_text("merchants", metric, window, first + limit) if more else None
        return json_response(
            request, {"top": metric, "window": window, "items": items, "next_cursor": cursor}
        )

    async def merchant(self, request: Request) -> Response:
        """Everything about one merchant, its ordinary day, its alerts that hold and that did."""
        questions.known_parameters(request)
        self._count(request)
        merchant_id, prefix = questions.merchant_id(request), self._reader.prefix
        found, active, ordinary = await self._reader.ask(
            [
                ("HGETALL", redis_layout.merchant(prefix, merchant_id)),
                ("HVALS", redis_layout.active_alerts(prefix)),
                ("GET", redis_layout.ordinary(prefix, merchant_id)),
            ]
        )
        if not found:
            raise _no_merchant(merchant_id)
        fields = fields_of(found)
        alerts = [a for a in alerts_of(active) if a.get("subject") == merchant_id]
        holding = {a.get("alert_id") for a in alerts}
        past = [a for _, a in await self._alert_log.of(merchant_id) if a.get("alert_id") not in holding]
        extra: dict[str, Any] = {"alerts": alerts, "past_alerts": past[:PAST_ALERTS]}
        if ordinary:
            extra["ordinary_gmv_by_hour"] = orjson.loads(ordinary)
            joins = ordinary_new_members(extra["ordinary_gmv_by_hour"], fields.get("baseline_new_members"))
            if joins is not None:
                extra["ordinary_new_members_by_hour"] = joins
        return json_response(request, {"merchant_id": merchant_id, **fields, **extra})

    async def series(self, request: Request) -> Response:
        """One point a closed minute, of a merchant or of everything (``total``)."""
        questions.known_parameters(request, "fields", "from", "until", "step", "shape")
        self._count(request)
        subject, prefix = questions.merchant_id(request), self._reader.prefix
        fields = questions.series_fields(request)
        since = questions.whole(request, "from", 0, 0, _ALL_TIME_MS)
        until = questions.whole(request, "until", _ALL_TIME_MS, 0, _ALL_TIME_MS)
        step_ms = questions.whole(request, "step", 1, 1, questions.MOST_STEP_MINUTES) * MINUTE_MS
        shape = questions.choice(request, "shape", ("rows", "columns"), "rows")
        found, ordinary, there = await self._reader.ask(
            [
                ("HGETALL", redis_layout.series(prefix, subject)),
                ("GET", redis_layout.ordinary(prefix, subject)),
                ("EXISTS", redis_layout.merchant(prefix, subject)),
            ]
        )
        if not found and not there and subject != TOTAL:
            raise _no_merchant(subject)
        points = [
            {"time": minute, **{n: v for n, v in point_fields(values).items() if n in fields}}
            for minute, values in series_of(found).items()
            if since <= minute < until and (minute // MINUTE_MS * MINUTE_MS) % step_ms == 0
        ]
        told: dict[str, Any] = {"subject": subject, "ordinary": orjson.loads(ordinary) if ordinary else None}
        if shape == "columns":
            told["columns"] = {n: [p.get(n) for p in points] for n in ("time", *fields)}
        else:
            told["items"] = points
        return json_response(request, told)

    async def rollups(self, request: Request) -> Response:
        """Every value of a dimension with its fields, of one window or of all."""
        questions.known_parameters(request, "window")
        self._count(request)
        dimension, prefix = str(request.path_params["dimension"]), self._reader.prefix
        if dimension not in questions.DIMENSIONS:
            raise Problem(
                404,
                "unknown-dimension",
                f"dimension {shown(dimension)}: must be one of {', '.join(questions.DIMENSIONS)}",
            )
        window = None
        if "window" in request.query_params:
            window = questions.choice(request, "window", tuple(WINDOWS))
        (values,) = await self._reader.ask(
            [("ZREVRANGE", redis_layout.rollup_values(prefix, dimension), 0, -1)]
        )
        answers = await self._reader.ask(
            [("HGETALL", redis_layout.rollup(prefix, dimension, v)) for v in values]
        ) if values else []  # fmt: skip
        items: list[Fields] = []
        for value, answer in zip(values, answers, strict=True):
            fields = fields_of(answer)
            items.append({"value": value, **(fields if window is None else of_window(fields, window))})
        return json_response(request, {"dimension": dimension, "items": items})

    async def alerts(self, request: Request) -> Response:
        """Alerts that hold, and all that were told, newest first."""
        questions.known_parameters(request, "merchant", "limit", "cursor")
        self._count(request)
        limit = questions.whole(request, "limit", questions.DEFAULT_ITEMS, 1, questions.MOST_ITEMS)
        subject = request.query_params.get("merchant")
        if subject is not None:
            questions.checked_id(subject)
        before = questions.cursor_of(request, "alerts", subject or "")
        if before is not None and not _STREAM_ID.fullmatch(str(before)):
            raise Problem(400, "foreign-cursor", "cursor: must be next_cursor of an answer to this question")
        told = await self._told(subject, None if before is None else str(before), limit + 1)
        (active,) = await self._reader.ask([("HVALS", redis_layout.active_alerts(self._reader.prefix))])
        more = len(told) > limit
        cursor = questions.cursor_text("alerts", subject or "", told[limit - 1][0]) if more else None
        holding = [a for a in alerts_of(active) if subject is None or a.get("subject") == subject]
        return json_response(
            request, {"active": holding, "items": [a for _, a in told[:limit]], "next_cursor": cursor}
        )

    async def _told(self, subject: str | None, before: str | None, count: int) -> list[tuple[str, Fields]]:
        """Alerts that were told before a stream id, newest first, with theirs."""
        if subject is not None:
            told = await self._alert_log.of(subject)
            return [t for t in told if before is None or place_of(t[0]) < place_of(before)][:count]
        key, end = redis_layout.alerts(self._reader.prefix), f"({before}" if before else "+"
        (entries,) = await self._reader.ask([("XREVRANGE", key, end, "-", "COUNT", count)])
        return [(str(entry[0]), alert) for entry in entries for alert in recent_alerts_of([entry])]

    async def report(self, request: Request) -> Response:
        """The battle report."""
        questions.known_parameters(request)
        self._count(request, REPORT_COST)
        async with self._reporting:
            if self._reported is None or time.monotonic() - self._reported[0] > REPORT_SECONDS:
                text = await asyncio.to_thread(self._report)
                self._reported = (time.monotonic(), text)
        return bytes_response(request, self._reported[1])

    async def openapi(self, request: Request) -> Response:
        """What all of this is, for programs."""
        return json_response(request, description())

    def _count(self, request: Request, cost: float = 1.0) -> None:
        self._limit.take(request.client.host if request.client else "", cost)


def of_window(fields: Fields, window: str) -> Fields:
    """Fields of one window by their bare names, and those that belong to none."""
    end = f":{window}"
    single = {n: v for n, v in fields.items() if ":" not in n}
    return {**single, **{n.removesuffix(end): v for n, v in fields.items() if n.endswith(end)}}


def json_response(request: Request, value: object) -> Response:
    """``value`` as JSON, or 304 where the asker has it already."""
    return bytes_response(request, orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS))


def bytes_response(request: Request, body: bytes, media_type: str = "application/json") -> Response:
    """A body with its ETag, or 304 where the asker has it already."""
    etag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    headers = {"etag": etag, "cache-control": "no-cache"}
    if has_it(request.headers.get("if-none-match", ""), etag):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=media_type)


def has_it(if_none_match: str, etag: str) -> bool:
    """Whether a list of ETags has this one, weak or strong."""
    return any(one.strip().removeprefix("W/") in (etag, "*") for one in if_none_match.split(","))


def _no_merchant(merchant_id: str) -> Problem:
    return Problem(
        404,
        "unknown-merchant",
        f"merchant {shown(merchant_id)} has no results; "
        "/api/v1/merchants?top=gmv&window=day lists some that have",
    )
