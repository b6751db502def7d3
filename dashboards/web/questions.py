"""What a request asks for, read from its parameters; a wrong one is answered with what would be right."""

from __future__ import annotations

import base64
from typing import Final

import orjson
from starlette.requests import Request

from dashboards.web.problems import Problem, not_one_of, shown
from schemas.redis_layout import SERIES_FIELDS
from schemas.windows import windows_of

TOP_WINDOWS: Final = {
    metric: windows_of(metric)
    for metric in (
        *("sales_multiple", "gmv", "orders"),
        *("new_members", "new_member_multiple", "private_traffic_share", "conversion"),
    )
}
"""Leaderboards: metric to the windows that it has one for."""
DIMENSIONS: Final = ("total", "channel", "category", "city_tier", "channel_tier")
MOST_ITEMS: Final = 100
DEFAULT_ITEMS: Final = 20
MOST_ID_BYTES: Final = 128
MOST_STEP_MINUTES: Final = 1_440


def known_parameters(request: Request, *names: str) -> None:
    """Raises ``Problem`` for a parameter that means nothing here: it would be ignored in silence."""
    for name in request.query_params:
        if name not in names:
            wanted = f"there are {', '.join(names)}" if names else "there are none"
            raise Problem(400, "unknown-parameter", f"parameter {shown(name)}: {wanted}")


def choice(request: Request, name: str, known: tuple[str, ...], default: str | None = None) -> str:
    """One of some words. Raises ``Problem``."""
    value = request.query_params.get(name, default)
    if value is None:
        raise Problem(
            400, f"missing-{name}", f"parameter {name} is missing: must be one of {', '.join(known)}"
        )
    if value not in known:
        raise not_one_of(name, value, known)
    return value


def whole(request: Request, name: str, default: int, least: int, most: int) -> int:
    """A whole number within bounds. Raises ``Problem``."""
    text = request.query_params.get(name)
    if text is None:
        return default
    digits = text.removeprefix("-")
    if digits.isascii() and digits.isdigit() and len(text) <= 19 and least <= int(text) <= most:
        return int(text)
    raise Problem(
        400, f"bad-{name}", f"{name} = {shown(text)}: must be a whole number from {least} to {most}"
    )


def merchant_id(request: Request) -> str:
    """The merchant that the path names. Raises ``Problem``."""
    return checked_id(str(request.path_params["merchant_id"]))


def checked_id(value: str) -> str:
    """An id as events carry it. Raises ``Problem``."""
    if not 1 <= len(value.encode("utf-8", "surrogatepass")) <= MOST_ID_BYTES:
        raise Problem(400, "bad-merchant-id", f"merchant id {shown(value)}: must be of 1 to 128 bytes")
    return value


def series_fields(request: Request) -> tuple[str, ...]:
    """Fields of a series, all by default. Raises ``Problem``."""
    text = request.query_params.get("fields")
    if text is None:
        return SERIES_FIELDS
    fields = tuple(dict.fromkeys(text.split(",")))
    for name in fields:
        if name not in SERIES_FIELDS:
            raise not_one_of("fields", name, SERIES_FIELDS)
    return fields


def cursor_text(*parts: str | int) -> str:
    """Where the next page begins; it names its question, so that it fits no other."""
    return base64.urlsafe_b64encode(orjson.dumps(parts)).decode().rstrip("=")


def cursor_of(request: Request, *question: str) -> str | int | None:
    """Where this page begins; None for the first. Raises ``Problem`` for a cursor from elsewhere."""
    text = request.query_params.get("cursor")
    if text is None:
        return None
    try:
        parts = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except ValueError:
        parts = None
    if isinstance(parts, list) and parts[:-1] == list(question) and isinstance(parts[-1], str | int):
        return parts[-1]
    raise Problem(
        400,
        "foreign-cursor",
        f"cursor = {shown(text)}: must be next_cursor of an answer to the same question",
    )
