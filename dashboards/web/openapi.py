"""The OpenAPI description of the API: made from the same lists that requests are checked against."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from dashboards.web import questions
from schemas.redis_layout import SERIES_FIELDS
from schemas.windows import WINDOWS

_OBJECT: Final = {"type": "object", "additionalProperties": True}
_ITEMS: Final = {"type": "array", "items": _OBJECT}
_WINDOWS: Final = {"type": "string", "enum": list(WINDOWS)}
_ID: Final = {"type": "string", "minLength": 1, "maxLength": questions.MOST_ID_BYTES}


@cache
def description() -> dict[str, Any]:
    """OpenAPI 3.1."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Warroom",
            "version": "1",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": (
                "Results of the night, read from Redis. Amounts are integers in fen, times milliseconds "
                "since the epoch. A multiple or share that cannot be told is absent, never 0. Fields are "
                "named as in docs/contract.md."
            ),
        },
        "security": [{}, {"bearer": []}, {"cookie": []}],
        "paths": {**_lists(), **_singles()},
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "cookie": {"type": "apiKey", "in": "cookie", "name": "warroom_token"},
            },
            "schemas": {
                "Problem": _object(
                    {
                        "type": {"type": "string"},
                        "title": {"type": "string"},
                        "status": {"type": "integer"},
                        "detail": {"type": "string", "description": "what is wrong, and what would be right"},
                        "instance": {"type": "string"},
                    }
                )
            },
        },
    }


def _lists() -> dict[str, Any]:
    """What answers with ``items``."""
    page = {
        "items": _ITEMS,
        "next_cursor": {"type": ["string", "null"], "description": "for cursor; null at the end"},
    }
    paging = (
        _query("limit", "items at most", _whole(1, questions.MOST_ITEMS, questions.DEFAULT_ITEMS)),
        _query("cursor", "next_cursor of an answer to the same question", {"type": "string"}),
    )
    dimensions = {"type": "string", "enum": list(questions.DIMENSIONS)}
    return {
        "/api/v1/merchants": _get(
            "top",
            "A leaderboard, best first, with the merchants' fields of its window",
            _object({"top": {"type": "string"}, "window": _WINDOWS, **page}),
            _query("top", "the metric", _one_of(tuple(questions.TOP_WINDOWS), "sales_multiple")),
            _query("window", "conversion: 5m, 1h, day and sale only", {**_WINDOWS, "default": "1h"}),
            *paging,
        ),
        "/api/v1/rollups/{dimension}": _get(
            "rollups",
            "Sums by a dimension's values, greatest gmv first",
            _object({"dimension": {"type": "string"}, "items": _ITEMS}),
            _path("dimension", dimensions),
            _query("window", "only this window, under bare names", _WINDOWS),
        ),
        "/api/v1/alerts": _get(
            "alerts",
            "Alerts that hold (`active`), and those that were told, newest first",
            _object({"active": _ITEMS, **page}),
            _query("merchant", "only those of this merchant", _ID),
            *paging,
        ),
        "/api/v1/series/{subject}": _series(),
    }


def _series() -> dict[str, Any]:
    hours = {"type": ["array", "null"], "items": {"type": "number"}, "description": "gmv by local hour"}
    number = {"type": "integer", "minimum": 0}
    return _get(
        "series",
        "One point a closed minute, of a merchant or of `total`; two days are kept",
        _object({"subject": {"type": "string"}, "ordinary": hours, "items": _ITEMS, "columns": _OBJECT}),
        _path("subject", _ID),
        _query("fields", f"separated by commas, of {', '.join(SERIES_FIELDS)}", {"type": "string"}),
        _query("from", "first minute, ms", number),
        _query("until", "end (exclusive), ms", number),
        _query("step", "every so many minutes", _whole(1, questions.MOST_STEP_MINUTES, 1)),
        _query("shape", "rows: `items`; columns: `columns`, shorter", _one_of(("rows", "columns"), "rows")),
    )


def _singles() -> dict[str, Any]:
    """What answers with one object."""
    return {
        "/api/v1/summary": _get("summary", "What the wall shows: clock, totals, boards, shares", _OBJECT),
        "/api/v1/stream": _stream(),
        "/api/v1/merchants/{merchant_id}": _get(
            "merchant", "Everything about one merchant", _merchant(), _path("merchant_id", _ID)
        ),
        "/api/v1/report": _get("report", "The battle report; reads every merchant: ask seldom", _OBJECT),
        "/api/v1/openapi.json": _get("openapi", "This description", _OBJECT),
    }


def _merchant() -> dict[str, Any]:
    """Its fields in Redis, and what is put to them."""
    hours = {"type": "array", "items": {"type": "number"}, "minItems": 24, "maxItems": 24}
    put = {
        "merchant_id": _ID,
        "alerts": {**_ITEMS, "description": "those that hold, newest first"},
        "past_alerts": {**_ITEMS, "description": "told and over, newest first; all: alerts?merchant="},
        "ordinary_gmv_by_hour": {**hours, "description": "fen by local hour; with a series only"},
        "ordinary_new_members_by_hour": {**hours, "description": "people by local hour; with a series only"},
    }
    return {**_object(put), "additionalProperties": True}


def _whole(least: int, most: int, default: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": least, "maximum": most, "default": default}


def _one_of(known: tuple[str, ...], default: str) -> dict[str, Any]:
    return {"type": "string", "enum": list(known), "default": default}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def _query(name: str, what: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": what, "schema": schema}


def _path(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _get(operation: str, what: str, schema: dict[str, Any], *parameters: dict[str, Any]) -> dict[str, Any]:
    answer = {"description": what, "content": {"application/json": {"schema": schema}}}
    return {
        "get": {
            "operationId": operation,
            "summary": what,
            "parameters": list(parameters),
            "responses": {
                "200": answer,
                "304": {"description": "If-None-Match has it"},
                "default": _problem(),
            },
        }
    }


def _stream() -> dict[str, Any]:
    what = "Server-sent events: `whole` with every section, then `update` with those that changed"
    content = {"text/event-stream": {"schema": {"type": "string"}}}
    responses = {"200": {"description": what, "content": content}, "default": _problem()}
    return {"get": {"operationId": "stream", "summary": what, "parameters": [], "responses": responses}}


def _problem() -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": "RFC 9457", "content": {"application/problem+json": {"schema": schema}}}
