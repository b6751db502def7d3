"""What a request is answered with that cannot be served: problem details as RFC 9457 has them.

Problem    ``detail`` is one sentence: what is wrong with which value, and what would be right
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus

import orjson
from starlette.requests import Request
from starlette.responses import Response


class Problem(Exception):  # noqa: N818 - the RFC's word
    """A refusal. ``kind`` names it for programs, ``detail`` tells a person what would be right."""

    def __init__(self, status: int, kind: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.detail = detail
        self.headers = dict(headers or {})

    def response(self, path: str) -> Response:
        """As ``application/problem+json``."""
        body = orjson.dumps(
            {
                "type": f"urn:warroom:problem:{self.kind}",
                "title": HTTPStatus(self.status).phrase,
                "status": self.status,
                "detail": self.detail,
                "instance": path,
            }
        )
        headers = {"cache-control": "no-store", **self.headers}
        return Response(body, self.status, headers, media_type="application/problem+json")


def not_one_of(name: str, value: str, known: Sequence[str]) -> Problem:
    """A value that stands on no list."""
    return Problem(400, f"unknown-{name}", f"{name} = {shown(value)}: must be one of {', '.join(known)}")


def shown(value: str) -> str:
    """A value of a request as it may stand in an answer: quoted, at most 140 characters."""
    return repr(value if len(value) <= 140 else value[:140] + "…")


async def answer_problem(request: Request, error: Exception) -> Response:
    """Exception handler for ``Problem``."""
    assert isinstance(error, Problem)
    return error.response(request.url.path)
