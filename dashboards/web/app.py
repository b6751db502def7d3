"""The web application put together: guard, API, stream, page."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

import redis
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from dashboards.web.api import Api
from dashboards.web.broadcast import Broadcast, Sections
from dashboards.web.curves import new_points
from dashboards.web.guard import COOKIE, LOGIN, Guard, given_token
from dashboards.web.options import WebOptions
from dashboards.web.page import Page
from dashboards.web.problems import Problem, answer_problem
from dashboards.web.results import ResultsReader
from dashboards.web.wall import Wall

MOST_FORM_BYTES = 4_096


@dataclass(frozen=True, slots=True)
class WebApp:
    """``asgi`` is served; ``end`` ends the open streams, to be called when shutdown begins."""

    asgi: ASGIApp
    end: Callable[[], None]
    broadcast: Broadcast
    reader: ResultsReader


def web_app(
    options: WebOptions, report: Callable[[], bytes], lag_messages: Callable[[], int | None]
) -> WebApp:
    """All of it. ``report`` writes the report, ``lag_messages`` asks the workers; both may block."""
    reader = ResultsReader(options.redis_url, options.prefix)
    wall = Wall(reader, options, lag_messages)
    page = Page()
    boot = secrets.token_hex(4)
    config = {
        "timezone": options.timezone,
        "sale_opens_ms": options.sale_opens_ms,
        "refresh_ms": options.refresh_ms,
        "code": page.code,
        "boot": boot,
    }

    async def take() -> Sections:
        return {"config": config, **await wall.take()}

    def partial(name: str, before: Any, after: Any) -> Any:  # noqa: ANN401 - JSON
        return new_points(before, after) if name == "curve" else after

    broadcast = Broadcast(take, partial, options.refresh_ms, options.viewers_at_most, boot)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        loop = asyncio.create_task(broadcast.run())
        try:
            yield
        finally:
            broadcast.end()
            loop.cancel()
            await asyncio.gather(loop, return_exceptions=True)
            await wall.close()
            await reader.close()

    api = Api(options, reader, broadcast, report)
    doors = Doors(page, options.token)
    app = Starlette(
        routes=[
            *api.routes(),
            Route("/", doors.front),
            Route(LOGIN, doors.login, methods=["GET", "POST"]),
            Route("/static/{name:path}", page.file),
        ],
        exception_handlers={
            Problem: answer_problem,
            HTTPException: _answer_http,
            redis.RedisError: _answer_away,
            Exception: _answer_fault,
        },
        lifespan=lifespan,
    )
    guard = Guard(app, options.hosts, options.token)
    doors.knows = guard.knows
    return WebApp(guard, broadcast.end, broadcast, reader)


class Doors:
    """The page itself, and the form where a token is wanted."""

    def __init__(self, page: Page, token: str | None) -> None:
        self._page = page
        self._token = token
        self.knows: Callable[[str | None], bool] = lambda given: False

    async def front(self, request: Request) -> Response:
        """The wall, or the form that asks for the token."""
        if self.knows(given_token(request.headers)):
            return self._page.show(request, "index.html")
        return self._page.show(request, "login.html", 401)

    async def login(self, request: Request) -> Response:
        """Take the token from the form into a cookie that no script and no other site can use."""
        if request.method != "POST":
            return RedirectResponse("/", 303)
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > MOST_FORM_BYTES:
                raise Problem(413, "form-too-long", f"the form: must be at most {MOST_FORM_BYTES} bytes")
        given = parse_qs(body.decode("utf-8", "replace")).get("token", [""])[0]
        if not self.knows(given):
            return self._page.show(request, "login.html", 401)
        response = RedirectResponse("/", 303)
        response.set_cookie(
            COOKIE, given, httponly=True, samesite="strict", secure=request.url.scheme == "https", path="/"
        )
        return response


async def _answer_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    kind = "not-found" if error.status_code == 404 else HTTPStatus(error.status_code).phrase.lower()
    detail = f"path {request.url.path!r}: the page is at /, the API is described at /api/v1/openapi.json"
    return Problem(error.status_code, kind.replace(" ", "-"), detail).response(request.url.path)


async def _answer_away(request: Request, error: Exception) -> Response:
    return Problem(
        503, "redis-away", "Redis does not answer; results will be there when it does", {"retry-after": "1"}
    ).response(request.url.path)


async def _answer_fault(request: Request, error: Exception) -> Response:
    return Problem(500, "fault", "the server failed at this; its log says how").response(request.url.path)
