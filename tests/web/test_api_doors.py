"""What the JSON API refuses: wrong questions, other hosts and sites, those without the token."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.web.night import Night
from tests.web.rig import WebServer
from warroom.services import EmbeddedRedis

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
