"""Parts of the page's server that need no server: limits, shares, days, settings of who may in."""

from __future__ import annotations

import pytest
from starlette.datastructures import Headers

from dashboards.web.curves import SeriesCache, day_of
from dashboards.web.guard import Guard
from dashboards.web.limits import RateLimit
from dashboards.web.problems import Problem
from dashboards.web.wall import alerts_of, shares_of, stock_of

MINUTE = 60_000


def test_limit_gives_back_what_time_has_earned() -> None:
    now = [0.0]
    limit = RateLimit(per_second=2, burst=3, now_s=lambda: now[0])
    for _ in range(3):
        limit.take("a")
    with pytest.raises(Problem, match="at most 3 requests at once and 2 a second; ask again in 1 s"):
        limit.take("a")
    limit.take("b")
    now[0] = 0.5
    limit.take("a")
    with pytest.raises(Problem):
        limit.take("a")


def test_limit_remembers_a_bounded_number_of_addresses() -> None:
    limit = RateLimit(per_second=1, burst=1, now_s=lambda: 0.0)
    for number in range(10_000):
        limit.take(str(number))
    assert len(limit._left) <= 4_096


def test_shares_are_of_the_whole_and_the_smallest_are_one() -> None:
    parts = [(f"c{n}", float(100 - n)) for n in range(20)]
    told = shares_of(parts)
    assert [p["value"] for p in told] == [*(f"c{n}" for n in range(7)), None]
    assert told[-1]["values"] == 13
    assert sum(p["share"] for p in told) == pytest.approx(1)
    assert shares_of([("koubei", 0.0)]) == shares_of([]) == []


def test_stock_that_is_gone_soonest_comes_first_and_odd_fields_are_left_out() -> None:
    told = stock_of(
        {
            "a": {"name": "A", "low_stock": [["x", 5, 0.0, None], ["y", 7, 1.0, 9_000]]},
            "b": {"low_stock": [["z", 1, 3.0, 4_000], ["broken"], ["gone", 0, 3.0, 1_000]]},
            "c": {"low_stock": "not a list"},
        }
    )
    assert [(r["name"], r["item_id"]) for r in told] == [("b", "z"), ("A", "y"), ("A", "x"), ("b", "gone")]


def test_alerts_that_are_no_json_are_left_out() -> None:
    told = alerts_of(
        ['{"alert_id":"1","bucket_end_ms":1}', "broken", "[]", '{"alert_id":"2","bucket_end_ms":2}']
    )
    assert [a["alert_id"] for a in told] == ["2", "1"]


@pytest.mark.parametrize(
    ("timezone", "start_ms", "hours"),
    [
        ("Asia/Shanghai", 1_576_080_000_000, 24),
        ("UTC", 1_576_108_800_000, 24),
        ("America/New_York", 1_576_126_800_000, 24),
    ],
)
def test_day_is_that_of_the_time_zone(timezone: str, start_ms: int, hours: int) -> None:
    assert day_of(start_ms, timezone) == (start_ms, start_ms + hours * 3_600_000)
    assert day_of(start_ms + hours * 3_600_000 - 1, timezone)[0] == start_ms


def test_day_that_the_clocks_change_is_as_long_as_it_is() -> None:
    start_ms, end_ms = day_of(1_572_789_600_000, "America/New_York")  # 2019-11-03, back to winter time
    assert end_ms - start_ms == 25 * 3_600_000


def test_series_are_read_whole_once_and_then_by_their_new_minutes() -> None:
    cache = SeriesCache("p:")
    cache.begin({"run": 1, "watermark": 100 * MINUTE})
    ((key, command),) = cache.commands(["total"])
    assert command == ("HGETALL", "p:series:total")
    points = {str(m * MINUTE): "[1,2]" for m in range(100)}
    cache.take([(key, points)])
    assert cache.commands(["total"]) == []
    cache.begin({"run": 1, "watermark": 102 * MINUTE + 5})
    ((key, command),) = cache.commands(["total"])
    assert command == ("HMGET", "p:series:total", str(100 * MINUTE), str(101 * MINUTE))
    cache.take([(key, ["[3,4]", None])])
    assert cache.points("total")[100 * MINUTE] == [3, 4]
    # What was not there yet is asked for again.
    ((_, command),) = cache.commands(["total"])
    assert command == ("HMGET", "p:series:total", str(101 * MINUTE))


@pytest.mark.parametrize(("run", "minutes"), [(2, 100), (1, 50)])
def test_series_of_another_run_are_read_anew(run: int, minutes: int) -> None:
    cache = SeriesCache("p:")
    cache.begin({"run": 1, "watermark": 100 * MINUTE})
    cache.take([(("total", None), {"0": "[1]"})])
    before = cache.generation
    cache.begin({"run": run, "watermark": minutes * MINUTE})
    assert cache.generation == before + 1
    assert cache.points("total") == {}


async def nothing(*_: object) -> None:
    """No application: the guard alone is asked."""


@pytest.mark.parametrize(
    ("host", "let_in"),
    [
        ("127.0.0.1:8600", True),
        ("localhost", True),
        ("[::1]:8600", True),
        ("WALL.example:80", True),
        ("wall.example.evil", False),
        ("user@wall.example", True),
        ("", False),
        ("[::1", False),
        ("a:b", False),
    ],
)
def test_guard_knows_the_names_of_its_server(host: str, let_in: bool) -> None:
    guard = Guard(nothing, {"wall.example"}, None)
    assert (guard.problem("GET", "/", Headers({"host": host})) is None) is let_in


def test_link_from_another_site_opens_the_page_and_nothing_else() -> None:
    guard = Guard(nothing, (), None)
    headers = Headers({"host": "localhost", "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"})
    assert guard.problem("GET", "/", headers) is None
    assert guard.problem("GET", "/api/v1/summary", headers) is not None
    assert guard.problem("POST", "/login", headers) is not None


@pytest.mark.parametrize("cookie", ["warroom_token=secret", "a=b; warroom_token=secret"])
def test_token_is_taken_from_the_cookie(cookie: str) -> None:
    guard = Guard(nothing, (), "secret")
    assert guard.problem("GET", "/api/v1/summary", Headers({"host": "localhost", "cookie": cookie})) is None


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"cookie": "warroom_token="},
        {"cookie": "\x00=;;"},
        {"authorization": "Basic c2VjcmV0"},
        {"authorization": "Bearer geheim"},
    ],
)
def test_without_the_token_nothing_is_told(headers: dict[str, str]) -> None:
    problem = Guard(nothing, (), "secret").problem(
        "GET", "/api/v1/summary", Headers({"host": "localhost", **headers})
    )
    assert problem is not None
    assert problem.status == 401
