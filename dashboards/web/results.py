"""Reads results from Redis as the JSON that is given on: fields keep the names they have in Redis.

Everything is asked for in pipelines, so that an answer costs one or two round trips however much is in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, cast

import orjson
import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from schemas import redis_layout
from schemas.redis_layout import SERIES_FIELDS

Fields = dict[str, Any]
"""A hash as JSON: numbers as numbers, lists as lists, ``name`` as text."""
Command = tuple[str | int, ...]

ANSWER_SECONDS: Final = 2.0
TEXTS: Final = frozenset({redis_layout.NAME, "run_id"})
LISTS: Final = frozenset({"channels:day", "categories:day", "low_stock"})


class ResultsReader:
    """One prefix of one Redis. Raises ``redis.RedisError`` where it does not answer; never writes."""

    def __init__(self, url: str, prefix: str) -> None:
        self.prefix = prefix
        self.reads = 0
        """Round trips so far."""
        self._client = redis.asyncio.Redis.from_url(
            url,
            decode_responses=True,
            encoding_errors="replace",
            socket_timeout=ANSWER_SECONDS,
            socket_connect_timeout=ANSWER_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )

    async def close(self) -> None:
        """Drop the connections."""
        await self._client.aclose()

    async def ask(self, commands: Iterable[Command]) -> list[Any]:
        """The answers to some commands, in one round trip."""
        pipeline = self._client.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        self.reads += 1
        return await pipeline.execute()


def fields_of(answer: object) -> Fields:
    """The answer to HGETALL as JSON."""
    pairs = answer if isinstance(answer, dict) else _pairs(cast("Sequence[str]", answer))
    return {str(name): value_of(str(name), str(text)) for name, text in pairs.items()}


def some_fields_of(names: Sequence[str], answer: Sequence[str | None]) -> Fields:
    """The answer to HMGET as JSON; what is absent is left out."""
    return {n: value_of(n, text) for n, text in zip(names, answer, strict=True) if text is not None}


def value_of(name: str, text: str) -> Any:  # noqa: ANN401 - JSON
    """A field's value as JSON."""
    if name in TEXTS:
        return text
    try:
        return orjson.loads(text) if name in LISTS else _number(text)
    except ValueError:  # a field that a later version writes
        return text


def _number(text: str) -> int | float:
    return int(text) if text.lstrip("-").isdigit() else float(text)


def ranking_of(answer: Sequence[Any]) -> list[tuple[str, float]]:
    """The answer to ZREVRANGE WITHSCORES: id and score, best first, in either protocol of Redis."""
    if answer and not isinstance(answer[0], list | tuple):
        answer = list(zip(answer[::2], answer[1::2], strict=True))
    return [(str(i), float(score)) for i, score in answer]


def points_of(minutes: Sequence[int], answer: Sequence[str | None]) -> dict[int, list[int]]:
    """Some minutes of a series that are there, by their start in ms."""
    return {m: orjson.loads(text) for m, text in zip(minutes, answer, strict=True) if text is not None}


def series_of(answer: object) -> dict[int, list[int]]:
    """A whole series, oldest minute first."""
    pairs = answer if isinstance(answer, dict) else _pairs(cast("Sequence[str]", answer))
    return {int(m): orjson.loads(text) for m, text in sorted(pairs.items(), key=lambda pair: int(pair[0]))}


def point_fields(values: Sequence[int]) -> dict[str, int]:
    """A point by the names of its fields; one that an older version wrote has fewer."""
    return dict(zip(SERIES_FIELDS, values, strict=False))


def _pairs(flat: Sequence[str]) -> Mapping[str, str]:
    return dict(zip(flat[::2], flat[1::2], strict=True))
