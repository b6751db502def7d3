"""The JSON API: what it answers equals Redis, and what it refuses it explains."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import pytest
import redis

from tests.web.night import SHOPS, Client, Night
from tests.web.rig import WebServer
from warroom.children import LOOPBACK, free_port
from warroom.services import EmbeddedRedis
from warroom.waiting import wait_until


@pytest.fixture
def client(redis_server: EmbeddedRedis) -> Iterator[Any]:
    connection: Any = redis.Redis.from_url(redis_server.url, decode_responses=True)
    yield connection
    connection.close()


def test_summary_has_the_totals_and_leaders_that_redis_has(
    web: WebServer, night: Night, client: Client
) -> None:
    night.write(700)
    wanted = night.fields("total", 700)
    assert wait_until(
        lambda: web.get("/api/v1/summary").json["totals"].get("gmv:day") == wanted["gmv:day"], 5
    )
    told = web.get("/api/v1/summary").json
    assert {name: told["totals"][name] for name in wanted} == wanted
    best = client.zrevrange("warroom:top:sales_multiple:1h", 0, 9, withscores=True)
    assert told["boards"]["sales_multiple:1h"] == [[i, score] for i, score in best]
    assert told["merchants"][best[0][0]]["name"] == client.hget(f"warroom:merchant:{best[0][0]}", "name")
    assert [p["value"] for p in told["shares"]["channel"]][:2] == ["koubei", "taobao"]


def test_merchant_has_every_field_of_its_hash(web: WebServer, night: Night) -> None:
    night.write(700)
    told = web.get("/api/v1/merchants/waipojia").json
    wanted = night.fields("waipojia", 700)
    assert {name: told[name] for name in wanted} == wanted
    assert (told["merchant_id"], told["name"], told["baseline_gmv"]) == ("waipojia", "外婆家", 2_000_000)
    assert told["channels:day"][0][0] == "koubei"
    assert [a["subject"] for a in told["alerts"]] == ["waipojia"] * len(told["alerts"]) != []


@pytest.mark.parametrize("merchant_id", ["a/b c?d#e", "../../etc/passwd", "店🧨", "100%"])
def test_merchant_of_any_id_is_found(web: WebServer, night: Night, client: Client, merchant_id: str) -> None:
    client.hset(f"warroom:merchant:{merchant_id}", mapping={"name": "x", "gmv:day": "5"})
    told = web.get(f"/api/v1/merchants/{quote(merchant_id, safe='')}")
    assert (told.status, told.json["merchant_id"], told.json["gmv:day"]) == (200, merchant_id, 5)


def test_leaderboard_is_read_page_by_page_to_its_end(web: WebServer, night: Night) -> None:
    night.write(700)
    found: list[Any] = []
    path = "/api/v1/merchants?top=gmv&window=day&limit=5"
    told = web.get(path).json
    while True:
        found += told["items"]
        if told["next_cursor"] is None:
            break
        told = web.get(f"{path}&cursor={told['next_cursor']}").json
    by_gmv = sorted(SHOPS, key=lambda s: -night.fields(s.merchant_id, 700)["gmv:day"])
    assert [item["merchant_id"] for item in found] == [s.merchant_id for s in by_gmv]
    assert [item["rank"] for item in found] == list(range(1, len(SHOPS) + 1))
    assert found[0]["gmv"] == night.fields(by_gmv[0].merchant_id, 700)["gmv:day"]


def test_series_has_the_minutes_that_are_asked_for(web: WebServer, night: Night) -> None:
    night.write(700)
    rows = web.get("/api/v1/series/waipojia?fields=gmv,orders:day&step=10").json["items"]
    assert len(rows) == 70
    assert rows[1] == {
        "time": 1_576_080_600_000,
        "gmv": night.sums("waipojia", 11, 1)[1],
        "orders:day": night.sums("waipojia", 11, 1_440)[0],
    }
    told = web.get(
        "/api/v1/series/total?fields=gmv&shape=columns&from=1576080000000&until=1576080120000"
    ).json
    assert told["columns"]["gmv"] == [night.sums("total", 1, 1)[1], night.sums("total", 2, 1)[1]]
    assert sum(told["ordinary"]) == pytest.approx(night.day_fen["total"])


def test_rollups_stand_by_value_greatest_first(web: WebServer, night: Night) -> None:
    night.write(700)
    told = web.get("/api/v1/rollups/channel?window=1h").json
    assert [item["value"] for item in told["items"]] == ["koubei", "taobao", "eleme", "wechat", "offline"]
    assert told["items"][0]["orders"] == int(night.fields("total", 700)["orders:1h"] * 0.42)
    assert (
        web.get("/api/v1/rollups/total").json["items"][0]["gmv:day"] == night.fields("total", 700)["gmv:day"]
    )


def test_alerts_are_read_page_by_page_newest_first(web: WebServer, night: Night) -> None:
    night.write(700)
    first = web.get("/api/v1/alerts?limit=3").json
    second = web.get(f"/api/v1/alerts?limit=100&cursor={first['next_cursor']}").json
    everything = web.get("/api/v1/alerts?limit=100").json
    assert first["items"] + second["items"] == everything["items"]
    only = web.get("/api/v1/alerts?merchant=ledazui").json
    assert {a["subject"] for a in only["items"]} == {"ledazui"}


def test_report_is_the_battle_report(web: WebServer, night: Night) -> None:
    night.write(700)
    told = web.get("/api/v1/report").json
    assert told["window"] == "sale"
    assert told["leaders"][0]["peak_multiple"] > 1


def test_answer_that_is_known_is_not_sent_again(web: WebServer, night: Night) -> None:
    night.write(700)
    path = "/api/v1/merchants/waipojia"
    etag = web.get(path).headers["etag"]
    again = web.get(path, {"if-none-match": f'"other", W/{etag}'})
    assert (again.status, again.body) == (304, b"")
    night.write(701)
    assert web.get(path, {"if-none-match": etag}).status == 200


def test_list_items_are_flat_for_the_infinity_plugin(web: WebServer, night: Night) -> None:
    night.write(700)
    for path in ("merchants?top=orders&window=5m", "series/total", "alerts"):
        items = web.get(f"/api/v1/{path}").json["items"]
        assert items
        assert all(isinstance(v, str | int | float | list) for v in items[0].values())


PROBLEMS = [
    ("/api/v1/merchants/nobody", 404, "merchant 'nobody' has no results"),
    (f"/api/v1/merchants/{'x' * 129}", 400, "must be of 1 to 128 bytes"),
    ("/api/v1/series/nobody", 404, "merchant 'nobody' has no results"),
    ("/api/v1/series/total?fields=gmx", 400, "fields = 'gmx': must be one of orders, gmv,"),
    ("/api/v1/series/total?step=0", 400, "step = '0': must be a whole number from 1 to 1440"),
    ("/api/v1/merchants?top=gmx", 400, "top = 'gmx': must be one of sales_multiple, gmv, orders,"),
    ("/api/v1/merchants?window=2h", 400, "window = '2h': must be one of 1m, 5m, 1h, 12h, day, sale"),
    ("/api/v1/merchants?top=conversion&window=1m", 400, "window = '1m': must be one of 5m, 1h, day, sale"),
    ("/api/v1/merchants?limit=999999999", 400, "limit = '999999999': must be a whole number from 1 to 100"),
    ("/api/v1/merchants?limit=%C2%B2", 400, "limit = '²': must be a whole number from 1 to 100"),
    ("/api/v1/merchants?cursor=bogus", 400, "must be next_cursor of an answer to the same question"),
    ("/api/v1/merchants?sort=asc", 400, "parameter 'sort': there are top, window, limit, cursor"),
    ("/api/v1/rollups/planet", 404, "dimension 'planet': must be one of total, channel, category,"),
    ("/api/v1/rollups/channel?window=2h", 400, "window = '2h': must be one of"),
    ("/api/v1/alerts?cursor=bogus", 400, "must be next_cursor"),
    ("/api/v1/nothing", 404, "the API is described at /api/v1/openapi.json"),
    ("/static/nothing.js", 404, "the page is at /"),
    ("/static/../app.py", 404, "the page is at /"),
    ("/static/%2e%2e/app.py", 404, "the page is at /"),
    ("/static/..%2f..%2f..%2fpyproject.toml", 404, "the page is at /"),
    ("/../../etc/passwd", 404, "the page is at /"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "status", "says"), PROBLEMS)
def test_bad_request_is_told_what_would_be_right(
    web: WebServer, night: Night, path: str, status: int, says: str
) -> None:
    answer = web.get(path)
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json
    assert (answer.status, told["status"]) == (status, status)
    assert says in told["detail"]
    assert told["type"].startswith("urn:warroom:problem:")


def test_cursor_of_another_question_is_refused(web: WebServer, night: Night) -> None:
    night.write(700)
    cursor = web.get("/api/v1/merchants?top=gmv&window=day&limit=2").json["next_cursor"]
    assert web.get(f"/api/v1/merchants?top=gmv&window=1h&cursor={cursor}").status == 400
    assert web.get(f"/api/v1/alerts?cursor={cursor}").status == 400


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_nothing_can_be_changed(web: WebServer, night: Night, method: str) -> None:
    answer = web.get("/api/v1/summary", method=method)
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost:x", "", "a b"])
def test_wrong_host_is_refused(web: WebServer, host: str) -> None:
    assert web.get("/", {"host": host}).status in (400, 421)
    assert web.get("/api/v1/stream", {"host": host}).status in (400, 421)


@pytest.mark.parametrize("path", ["stream", "summary"])
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "http://127.0.0.1:1", "sec-fetch-site": "same-site"},
    ],
)
def test_other_sites_read_nothing(web: WebServer, path: str, headers: dict[str, str]) -> None:
    answer = web.get(f"/api/v1/{path}", headers)
    assert (answer.status, answer.json["type"]) == (403, "urn:warroom:problem:cross-site")


def test_every_answer_forbids_what_comes_from_elsewhere(web: WebServer, night: Night) -> None:
    for path in ("/", "/static/js/main.js", "/api/v1/summary", "/nothing"):
        headers = web.get(path).headers
        assert headers["content-security-policy"].startswith(
            "default-src 'self'; style-src 'self' 'unsafe-inline'"
        )
        assert headers["x-content-type-options"] == "nosniff"
        assert "server" not in headers


TOKEN = "open-sesame-open-sesame"


@pytest.fixture(scope="module")
def closed(redis_server: EmbeddedRedis) -> Iterator[WebServer]:
    """A server that wants a token."""
    server = WebServer(redis_server.url, environment={"WARROOM_WEB__TOKEN": TOKEN})
    server.start()
    yield server
    assert server.stop() == 0


def test_token_is_wanted_in_header_or_cookie(closed: WebServer, night: Night) -> None:
    night.write(5)
    path = "/api/v1/summary"
    assert closed.get(path).status == closed.get("/api/v1/stream").status == closed.get("/").status == 401
    assert closed.get(path, {"authorization": f"Bearer {TOKEN}"}).status == 200
    assert closed.get(path, {"authorization": f"Bearer {TOKEN}x"}).status == 401
    login = closed.get(
        "/login", {"content-type": "application/x-www-form-urlencoded"}, "POST", f"token={TOKEN}".encode()
    )
    cookie = login.headers["set-cookie"]
    assert login.status == 303
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert closed.get(path, {"cookie": cookie.split(";")[0]}).status == 200
    assert closed.get("/", {"cookie": cookie.split(";")[0]}).status == 200
    assert closed.get("/login", {}, "POST", b"token=wrong").status == 401


def test_expensive_questions_are_limited_for_each_address(closed: WebServer, night: Night) -> None:
    night.write(5)
    headers = {"authorization": f"Bearer {TOKEN}"}
    answers = [closed.get("/api/v1/report", headers) for _ in range(14)]
    refused = [a for a in answers if a.status == 429]
    assert refused
    assert {a.status for a in answers} == {200, 429}
    assert int(refused[0].headers["retry-after"]) >= 1
    assert "ask again in" in refused[0].json["detail"]


def test_openapi_describes_what_is_answered(web: WebServer, night: Night) -> None:
    night.write(10)
    described = web.get("/api/v1/openapi.json").json
    values = {"merchant_id": "waipojia", "subject": "total", "dimension": "channel"}
    for path, operations in described["paths"].items():
        operation = operations["get"]
        for parameter in operation["parameters"]:
            for value in parameter["schema"].get("enum", []):
                if parameter["in"] == "query" and value != "1m" and value != "12h":
                    assert web.get(f"{path.format(**values)}?{parameter['name']}={value}").status == 200
        if not path.endswith("stream"):
            answer = web.get(path.format(**values)).json
            schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
            assert schema.get("additionalProperties") or set(answer) <= set(schema["properties"])


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
    command = [sys.executable, "-m", "warroom.cli", "web", *arguments]
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
    command = [sys.executable, "-m", "warroom.cli", "web", "--port", str(free_port())]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 2
    assert "must be a secret of 16 to 256 visible ASCII characters" in done.stderr
    assert "short" not in done.stderr
