"""The OpenAPI description of the API: made from the same lists that requests are checked against."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from dashboards.web import questions
from schemas.redis_layout import SERIES_FIELDS
from schemas.windows import WINDOWS

_OBJECT: Final = {"type": "object", "additionalProperties": True}
_ID: Final = {"type": "string", "minLength": 1, "maxLength": questions.MOST_ID_BYTES}


@cache
def description() -> dict[str, Any]:
    """OpenAPI 3.1."""
    windows, items = {"type": "string", "enum": list(WINDOWS)}, {"type": "array", "items": _OBJECT}
    page = {
        "items": items,
        "next_cursor": {"type": ["string", "null"], "description": "for cursor; null at the end"},
    }
    limit = _query(
        "limit",
        "items at most",
        {
            "type": "integer",
            "minimum": 1,
            "maximum": questions.MOST_ITEMS,
            "default": questions.DEFAULT_ITEMS,
        },
    )
    cursor = _query("cursor", "next_cursor of an answer to the same question", {"type": "string"})
    number = {"type": "integer", "minimum": 0}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Warroom",
            "version": "1",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": (
                "Results of the night, read from Redis. Amounts are integers in fen, times are milliseconds "
                "since the epoch. A multiple or share that cannot be told is absent, never 0. Fields are named "
                "as in docs/contract.md."
            ),
        },
        "security": [{}, {"bearer": []}, {"cookie": []}],
        "paths": {
            "/api/v1/summary": _get("summary", "What the wall shows: clock, totals, leaderboards, shares", _OBJECT),
            "/api/v1/stream": _stream(),
            "/api/v1/merchants": _get(
                "top",
                "A leaderboard, best first, with the merchants' fields of its window",
                _object({"top": {"type": "string"}, "window": windows, **page}),
                _query("top", "the metric", {"type": "string", "enum": list(questions.TOP_WINDOWS), "default": "sales_multiple"}),
                _query("window", "conversion: 5m, 1h, day and sale only", {**windows, "default": "1h"}),
                limit,
                cursor,
            ),
            "/api/v1/merchants/{merchant_id}": _get(
                "merchant", "Everything about one merchant", _OBJECT, _path("merchant_id", _ID)
            ),
            "/api/v1/series/{subject}": _get(
                "series",
                "One point a closed minute, of a merchant or of `total`; two days are kept",
                _object({"subject": {"type": "string"}, "ordinary": {"type": ["array", "null"], "items": {"type": "number"}}, "items": items, "columns": _OBJECT}),
                _path("subject", _ID),
                _query("fields", f"separated by commas, of {', '.join(SERIES_FIELDS)}", {"type": "string"}),
                _query("from", "first minute, ms", number),
                _query("until", "end (exclusive), ms", number),
                _query("step", "every so many minutes", {"type": "integer", "minimum": 1, "maximum": questions.MOST_STEP_MINUTES, "default": 1}),
                _query("shape", "rows: `items`; columns: `columns`, shorter", {"type": "string", "enum": ["rows", "columns"], "default": "rows"}),
            ),
            "/api/v1/rollups/{dimension}": _get(
                "rollups",
                "Sums by a dimension's values, greatest gmv first",
                _object({"dimension": {"type": "string"}, "items": items}),
                _path("dimension", {"type": "string", "enum": list(questions.DIMENSIONS)}),
                _query("window", "only this window, under bare names", windows),
            ),
            "/api/v1/alerts": _get(
                "alerts",
                "Alerts that hold (`active`), and those that were told, newest first",
                _object({"active": items, **page}),
                _query("merchant", "only those of this merchant", _ID),
                limit,
                cursor,
            ),
            "/api/v1/report": _get("report", "The battle report; reads every merchant, so asked for seldom", _OBJECT),
            "/api/v1/openapi.json": _get("openapi", "This description", _OBJECT),
        },
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
    }  # fmt: skip


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
