"""Who is let in, before anything is answered: the host's name, the site that asks, the token.

A page elsewhere must not read the war room through the browser of somebody who may: neither by a name
that it has pointed at this machine (DNS rebinding) nor by opening the stream.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboards.web.options import LOOPBACK_NAMES
from dashboards.web.problems import Problem, shown

COOKIE: Final = "warroom_token"
LOGIN: Final = "/login"
OPEN_PATHS: Final = ("/", LOGIN)
"""Without a token these show the form that asks for it; files under ``/static/`` hold no results."""

SECURITY_HEADERS: Final = {
    "content-security-policy": (
        "default-src 'self'; style-src 'self' 'unsafe-inline'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'self'; object-src 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "SAMEORIGIN",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}


class Guard:
    """ASGI middleware; it does not touch bodies, so that streams flow."""

    def __init__(self, app: ASGIApp, hosts: Iterable[str], token: str | None) -> None:
        self._app = app
        self._hosts = LOOPBACK_NAMES | {h.lower() for h in hosts}
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what may not in, pass on the rest; every answer gets the security headers."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers[name] = value
            await send(message)

        problem = self.problem(scope["method"], scope["path"], Headers(scope=scope))
        if problem is not None:
            await problem.response(scope["path"])(scope, receive, send_guarded)
        else:
            await self._app(scope, receive, send_guarded)

    def problem(self, method: str, path: str, headers: Headers) -> Problem | None:
        """Why this request may not in; None if it may."""
        return (
            self._wrong_host(headers)
            or _wrong_method(method, path)
            or _cross_site(path, headers)
            or self._wrong_token(path, headers)
        )

    def _wrong_host(self, headers: Headers) -> Problem | None:
        host = headers.get("host", "")
        if _name_of(host) in self._hosts:
            return None
        return Problem(
            421,
            "wrong-host",
            f"host {shown(host)} is not what this server is called; must be one of "
            f"{', '.join(sorted(self._hosts))}, see web.hosts",
        )

    def _wrong_token(self, path: str, headers: Headers) -> Problem | None:
        if self._token is None or path in OPEN_PATHS or path.startswith("/static/"):
            return None
        if self.knows(given_token(headers)):
            return None
        return Problem(
            401,
            "token-wanted",
            "a token is wanted: Authorization: Bearer TOKEN, or log in at /",
            {"www-authenticate": 'Bearer realm="warroom"'},
        )

    def knows(self, given: str | None) -> bool:
        """Whether a token is right, in a time that tells nothing about it."""
        return self._token is None or hmac.compare_digest((given or "").encode(), self._token.encode())


def given_token(headers: Headers) -> str | None:
    """The token that a request carries, in its header or its cookie."""
    kind, _, value = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return value.strip()
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return morsel.value if morsel else None


def _name_of(host: str) -> str:
    """``Host`` without its port, in small letters; empty where it is none."""
    try:
        parts = urlsplit(f"//{host}")
        name = parts.hostname or ""
        parts.port  # noqa: B018 - raises where it is no number
    except ValueError:
        return ""
    return f"[{name}]" if ":" in name else name


def _wrong_method(method: str, path: str) -> Problem | None:
    allowed = ("GET", "HEAD", "POST") if path == LOGIN else ("GET", "HEAD")
    if method in allowed:
        return None
    return Problem(
        405,
        "read-only",
        f"method {method}: must be one of {', '.join(allowed)}; nothing can be changed here",
        {"allow": ", ".join(allowed)},
    )


def _cross_site(path: str, headers: Headers) -> Problem | None:
    origin = headers.get("origin")
    site = headers.get("sec-fetch-site", "same-origin")
    foreign = origin is not None and origin.partition("://")[2].lower() != headers.get("host", "").lower()
    # A link from elsewhere may open the page; it may not fetch data or post a form.
    if path.startswith("/api/") or path == LOGIN:
        foreign = foreign or site not in ("same-origin", "none")
    if not foreign:
        return None
    return Problem(
        403,
        "cross-site",
        f"asked by {shown(origin or site)}: results are given to pages of this server and to programs "
        "that are no browser",
    )
