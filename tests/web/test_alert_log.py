"""Alerts by merchant: each entry of the stream is read once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

import redis

from dashboards.web.alert_log import AlertLog, place_of
from dashboards.web.results import ResultsReader
from schemas import redis_layout
from tests.web.night import PREFIX, Night
from warroom.services import EmbeddedRedis

STREAM = redis_layout.alerts(PREFIX)


def run(url: str, steps: Callable[[AlertLog, ResultsReader], Coroutine[Any, Any, None]]) -> None:
    """Some steps over one log."""

    async def all_of_it() -> None:
        reader = ResultsReader(url, PREFIX)
        try:
            await steps(AlertLog(reader), reader)
        finally:
            await reader.close()

    asyncio.run(all_of_it())


def tell(client: Any, subject: str, name: str) -> str:  # noqa: ANN401 - redis-py's types leave open when
    """Put an alert into the stream; its stream id."""
    return str(client.xadd(STREAM, {"alert": json.dumps({"alert_id": name, "subject": subject})}).decode())


def names(told: list[tuple[str, dict[str, Any]]]) -> list[str]:
    return [alert["alert_id"] for _, alert in told]


def test_merchant_has_its_own_alerts_newest_first(redis_server: EmbeddedRedis, night: Night) -> None:
    for number in range(6):
        tell(night.client, f"m{number % 2}", f"a{number}")

    async def steps(log: AlertLog, reader: ResultsReader) -> None:
        assert names(await log.of("m0")) == ["a4", "a2", "a0"]
        assert await log.of("nobody") == []
        newest = tell(night.client, "m0", "a6")
        told = await log.of("m0")
        assert names(told) == ["a6", "a4", "a2", "a0"]
        assert told[0][0] == newest

    run(redis_server.url, steps)


def test_alerts_that_the_stream_has_dropped_are_forgotten(redis_server: EmbeddedRedis, night: Night) -> None:
    for number in range(6):
        tell(night.client, f"m{number % 2}", f"a{number}")

    async def steps(log: AlertLog, reader: ResultsReader) -> None:
        await log.of("m0")
        night.client.xtrim(STREAM, maxlen=2, approximate=False)
        assert names(await log.of("m0")) == ["a4"]
        assert names(await log.of("m1")) == ["a5"]

    run(redis_server.url, steps)


def test_emptied_redis_is_read_anew(redis_server: EmbeddedRedis, night: Night) -> None:
    tell(night.client, "m0", "before")

    async def steps(log: AlertLog, reader: ResultsReader) -> None:
        await log.of("m0")
        night.client.flushdb()
        assert await log.of("m0") == []
        alert = json.dumps({"alert_id": "after", "subject": "m0"})
        night.client.xadd(STREAM, {"alert": alert}, id="5-1")  # as a server whose clock is behind gives
        assert names(await log.of("m0")) == ["after"]

    run(redis_server.url, steps)


def test_what_is_no_alert_is_left_out(redis_server: EmbeddedRedis, night: Night) -> None:
    night.client.xadd(STREAM, {"alert": "{"})
    night.client.xadd(STREAM, {"other": "x"})
    tell(night.client, "m0", "a")

    async def steps(log: AlertLog, reader: ResultsReader) -> None:
        assert names(await log.of("m0")) == ["a"]

    run(redis_server.url, steps)


def test_redis_that_is_away_loses_nothing() -> None:
    with EmbeddedRedis() as own:
        client = redis.Redis.from_url(own.url)
        tell(client, "m0", "a")
        client.close()

        async def steps(log: AlertLog, reader: ResultsReader) -> None:
            assert names(await log.of("m0")) == ["a"]
            own.kill()
            try:
                await log.of("m0")
            except redis.RedisError:
                refused = True
            assert refused
            with EmbeddedRedis(own.port) as again:
                other = redis.Redis.from_url(again.url)
                tell(other, "m0", "b")
                other.close()
                assert names(await log.of("m0")) == ["b"]

        run(own.url, steps)


def test_stream_ids_compare_as_they_were_given_out() -> None:
    assert place_of("1576080000000-9") < place_of("1576080000000-10") < place_of("1576080000001-0")
