"""The stream of a page's viewers, and the server behind it: starting, ending, without its Redis."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis

from tests.web.night import Client, Night
from tests.web.rig import WebServer
from warroom.children import LOOPBACK, free_port
from warroom.services import EmbeddedRedis
from warroom.waiting import wait_until


@contextmanager
def viewer(web: WebServer) -> Iterator[http.client.HTTPResponse]:
    """An open stream."""
    connection = http.client.HTTPConnection(LOOPBACK, web.port, timeout=10)
    connection.request("GET", "/api/v1/stream")
    response = connection.getresponse()
    assert response.headers["content-type"].startswith("text/event-stream")
    yield response
    connection.close()


def event(response: http.client.HTTPResponse) -> tuple[str, str, Any]:
    """The next event: its kind, its id, its sections."""
    fields: dict[str, str] = {}
    while "data" not in fields or response.readline().strip():
        name, _, value = response.readline().decode().strip().partition(": ")
        fields[name] = value
    return fields["event"], fields["id"], json.loads(fields["data"])


def test_viewer_gets_everything_and_then_what_changed(web: WebServer, night: Night) -> None:
    night.write(600)
    with viewer(web) as stream:
        kind, _, sections = event(stream)
        assert kind == "whole"
        assert sections["totals"]["gmv:day"] == night.fields("total", 600)["gmv:day"]
        assert len(sections["curve"]["points"]) == 600
        night.write(602)
        kinds = set()
        while "curve" not in (sections := event(stream)[2]):
            kinds |= set(sections)
        assert list(sections["curve"]["points"]) == ["1576116000000", "1576116060000"]
        assert sections["totals"]["gmv:day"] == night.fields("total", 602)["gmv:day"]
        assert "config" not in sections


def test_all_viewers_get_the_same_bytes_of_one_read(web: WebServer, night: Night, client: Client) -> None:
    night.write(600)

    def reads() -> int:
        return int(client.info("commandstats").get("cmdstat_xrevrange", {"calls": 0})["calls"])

    with viewer(web) as alone:
        event(alone)
        before, first = reads(), event(alone)[1]
        while (last := event(alone)[1]).split("-")[1] != str(int(first.split("-")[1]) + 10):
            pass
        one = reads() - before
        others = [viewer(web) for _ in range(20)]
        streams = [v.__enter__() for v in others]
        starts = [event(s) for s in streams]
        before = reads()
        updates: dict[str, Any] = {}
        for stream, start in zip(streams, starts, strict=True):
            for _ in range(10):
                kind, number, sections = event(stream)
                assert updates.setdefault(number, sections) == sections
                assert start[0] == "whole"
                assert kind == "update"
        # Each update is one read, whoever watches: as many as there were numbers.
        assert reads() - before <= len(updates) + 3
        assert one <= 13
        assert last.split("-")[0] == number.split("-")[0]
        for v in others:
            v.__exit__(None, None, None)


def test_server_rests_while_nobody_watches(web: WebServer, night: Night, client: Client) -> None:
    night.write(600)
    with viewer(web) as stream:
        event(stream)

    def asked() -> int:
        return int(client.info("commandstats").get("cmdstat_xrevrange", {"calls": 0})["calls"])

    seen = [-1]

    def rests() -> bool:
        before, seen[0] = seen[0], asked()
        return before == seen[0]

    assert wait_until(rests, 5)


def test_server_with_open_streams_ends_when_told_to(redis_server: EmbeddedRedis, night: Night) -> None:
    night.write(600)
    server = WebServer(redis_server.url)
    server.start()
    with viewer(server) as stream:
        event(stream)
        assert server.process is not None
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(10) == 0


def test_redis_that_is_away_is_said_so_and_comes_back() -> None:
    with EmbeddedRedis() as own:
        client = redis.Redis.from_url(own.url)
        Night(client).write(30)
        server = WebServer(own.url, environment={"WARROOM_WEB__REFRESH_MS": "100"})
        server.start()
        with viewer(server) as stream:
            assert event(stream)[2]["health"]["redis"] is True
            own.kill()
            while event(stream)[2].get("health", {}).get("redis") is not False:
                pass
            answer = server.get("/api/v1/merchants/waipojia")
            assert (answer.status, answer.json["type"]) == (503, "urn:warroom:problem:redis-away")
            assert server.get("/api/v1/summary").status == 503
            with EmbeddedRedis(own.port) as again:
                back = redis.Redis.from_url(again.url)
                Night(back).write(31)
                while event(stream)[2].get("health", {}).get("redis") is not True:
                    pass
                back.close()
        client.close()
        assert server.stop() == 0


def test_empty_redis_is_no_error(web: WebServer, night: Night) -> None:
    assert wait_until(lambda: web.get("/api/v1/summary").json["totals"] == {}, 5)
    told = web.get("/api/v1/summary").json
    assert (told["boards"]["sales_multiple:1h"], told["alerts"]["count"], told["stock"]) == ([], 0, [])
    assert web.get("/api/v1/series/total").json["items"] == []
    assert web.get("/api/v1/merchants").json == {
        "top": "sales_multiple",
        "window": "1h",
        "items": [],
        "next_cursor": None,
    }


def run_web(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "warroom", "web", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_port_that_is_taken_is_told_in_one_line(redis_server: EmbeddedRedis) -> None:
    done = run_web("--redis", redis_server.url, "--port", str(redis_server.port))
    assert done.returncode == 2
    assert done.stderr == (
        f"warroom: the page cannot be served on 127.0.0.1:{redis_server.port}: address already in use; "
        "choose another --port\n"
    )


def test_token_that_is_too_short_is_told_and_not_shown() -> None:
    import os

    environment = {**os.environ, "WARROOM_WEB__TOKEN": "short"}
    command = [sys.executable, "-m", "warroom", "web", "--port", str(free_port())]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 2
    assert "must be a secret of 16 to 256 visible ASCII characters" in done.stderr
    assert "short" not in done.stderr
