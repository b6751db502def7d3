"""``loadgen verify``: finds what differs, to the fen, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import msgspec
import pytest
import redis

from loadgen.difference import Difference
from loadgen.oracle import Answers, Expected
from loadgen.verify import differences
from loadgen.verify_people import people_differences
from tests.loadgen.console import Loadgen
from tests.loadgen.days import answers_of, plan_of, small_day
from tests.loadgen.fake_results import write_right_results

PREFIX = "t:"
WAIPOJIA = f"{PREFIX}merchant:waipojia"
MEILIJIAZU = f"{PREFIX}merchant:meilijiazu"


@cache
def answers() -> Answers:
    return answers_of(plan_of(small_day(30_000, hours=14)))


@pytest.fixture
def right(redis_url: str) -> redis.Redis:
    return write_right_results(redis_url, PREFIX, answers())


def test_right_results_have_no_difference(redis_url: str, right: redis.Redis) -> None:
    assert differences(redis_url, PREFIX, answers()) == []


def test_one_fen_too_much_is_found(redis_url: str, right: redis.Redis) -> None:
    value = answers().merchants["waipojia"].measures["gmv:1h"]
    right.hincrby(WAIPOJIA, "gmv:1h", 1)
    expected = [Difference("waipojia", "gmv:1h", str(value), str(value + 1))]
    assert differences(redis_url, PREFIX, answers()) == expected


CHANGES: dict[str, Callable[[redis.Redis], object]] = {
    "(the whole hash)": lambda r: r.delete(WAIPOJIA),
    "gmv:sale": lambda r: r.hdel(WAIPOJIA, "gmv:sale"),
    "sales_multiple:1h": lambda r: r.hdel(WAIPOJIA, "sales_multiple:1h"),
    "orders_multiple:day": lambda r: r.hset(WAIPOJIA, "orders_multiple:day", "inf"),
    "peak_sales_multiple_at:1h": lambda r: r.hset(WAIPOJIA, "peak_sales_multiple_at:1h", "0"),
    "name": lambda r: r.hset(WAIPOJIA, "name", "外公家"),
}


@pytest.mark.parametrize("field", CHANGES)
def test_what_is_missing_or_changed_is_named(field: str, redis_url: str, right: redis.Redis) -> None:
    CHANGES[field](right)
    assert [(d.merchant, d.field) for d in differences(redis_url, PREFIX, answers())] == [("waipojia", field)]


def test_a_total_that_is_one_order_short_is_found(redis_url: str, right: redis.Redis) -> None:
    right.hincrby(f"{PREFIX}rollup:total:all", "orders:day", -1)
    assert [(d.merchant, d.field) for d in differences(redis_url, PREFIX, answers())] == [
        ("total", "orders:day")
    ]


def test_a_multiple_that_differs_only_by_rounding_is_right(redis_url: str, right: redis.Redis) -> None:
    value = answers().merchants["waipojia"].multiples["sales_multiple:1h"]
    right.hset(WAIPOJIA, "sales_multiple:1h", f"{value + 4e-7:.9f}")
    assert differences(redis_url, PREFIX, answers()) == []


CLICK_CHANGES: dict[tuple[str, str], Callable[[redis.Redis], object]] = {
    ("waipojia", "views:day"): lambda r: r.hincrby(WAIPOJIA, "views:day", 1),
    ("waipojia", "visitors:day"): lambda r: r.hincrby(WAIPOJIA, "visitors:day", 1),
    ("waipojia", "repeat_buyers:sale"): lambda r: r.hincrby(WAIPOJIA, "repeat_buyers:sale", 1),
    ("waipojia", "cart_rate:12h"): lambda r: r.hset(WAIPOJIA, "cart_rate:12h", "0.9"),
    ("waipojia", "conversion:day"): lambda r: r.hdel(WAIPOJIA, "conversion:day"),
    ("meilijiazu", "new_members:day"): lambda r: r.hincrby(MEILIJIAZU, "new_members:day", -1),
    ("meilijiazu", "new_member_multiple:day"): lambda r: r.hset(MEILIJIAZU, "new_member_multiple:day", "22"),
    ("meilijiazu", "hours_to_100_new_members"): lambda r: r.hset(MEILIJIAZU, "hours_to_100_new_members", "9"),
    ("channel:koubei", "gmv:day"): lambda r: r.hincrby(f"{PREFIX}rollup:channel:koubei", "gmv:day", 1),
    ("channel_tier:taobao|3", "carts:day"): lambda r: r.hincrby(
        f"{PREFIX}rollup:channel_tier:taobao|3", "carts:day", 1
    ),
    ("city_tier:5", "(the whole hash)"): lambda r: r.delete(f"{PREFIX}rollup:city_tier:5"),
    ("top:gmv:1h", "place 1"): lambda r: r.zincrby(
        f"{PREFIX}top:gmv:1h", 1, str(r.zrevrange(f"{PREFIX}top:gmv:1h", 0, 0)[0])
    ),
    ("top:new_members:day", "(how many)"): lambda r: r.zremrangebyrank(f"{PREFIX}top:new_members:day", 0, 0),
}


@pytest.mark.parametrize("where", CLICK_CHANGES, ids=lambda where: " ".join(where))
def test_one_member_click_or_place_that_differs_is_named(
    where: tuple[str, str], redis_url: str, right: redis.Redis
) -> None:
    CLICK_CHANGES[where](right)
    assert where in [(d.merchant, d.field) for d in differences(redis_url, PREFIX, answers())]


class TestEstimates:
    """Of 10,000 visitors an estimate may be told; of 1,000 the number itself."""

    @staticmethod
    def found(visitors: int, told: int) -> list[str]:
        expected = Expected({}, {}, people={"visitors:1h": visitors, "visitors:day": visitors})
        found = {"visitors:1h": str(told), "visitors:day": str(visitors)}
        return [str(d.expected) for d in people_differences("m", expected, found)]

    def test_few_people_must_be_told_exactly(self) -> None:
        assert self.found(1_000, 1_001) == ["1000"]

    def test_more_buyers_than_visitors_must_be_told_exactly(self) -> None:
        for buyers, told, wanted in ((6_144, "6145", ["6144"]), (6_145, "6146", [])):
            expected = Expected({}, {}, people={"buyers:1h": buyers})
            found = people_differences("m", expected, {"buyers:1h": told})
            assert [d.expected for d in found] == wanted

    def test_many_people_may_be_told_within_four_standard_errors(self) -> None:
        assert self.found(10_000, 10_790) == []

    def test_people_of_a_roll_up_may_be_estimated_however_few_they_are(self) -> None:
        expected = Expected({}, {}, people={"buyers:1h": 50}, estimated=True)
        for told, wanted in (("49", []), ("54", []), ("56", ["50 ± 5"])):
            found = people_differences("channel:koubei", expected, {"buyers:1h": told})
            assert [d.expected for d in found] == wanted

    def test_more_than_four_standard_errors_are_told_with_the_bound(self) -> None:
        assert self.found(10_000, 10_900) == ["10000 ± 801"]


def test_a_multiple_without_baseline_must_be_absent(redis_url: str) -> None:
    alone = answers().merchants["waipojia"]
    bare = msgspec.structs.replace(alone, multiples={})
    only = msgspec.structs.replace(answers(), merchants={"waipojia": bare})
    client = write_right_results(redis_url, PREFIX, only)
    client.hset(WAIPOJIA, "sales_multiple:5m", "0")
    assert differences(redis_url, PREFIX, only) == [Difference("waipojia", "sales_multiple:5m", None, "0")]


def test_an_absent_sliding_field_of_a_known_merchant_is_a_zero(redis_url: str, right: redis.Redis) -> None:
    zero = next(m for m, e in answers().merchants.items() if e.measures["refunds:1m"] == 0)
    right.hdel(f"{PREFIX}merchant:{zero}", "refunds:1m")
    assert differences(redis_url, PREFIX, answers()) == []


def test_the_command_says_all_right_with_exit_code_0(
    redis_url: str, right: redis.Redis, tmp_path: Path, loadgen: Loadgen
) -> None:
    oracle = tmp_path / "oracle.json"
    oracle.write_bytes(msgspec.json.encode(answers()))
    done = loadgen("verify", "--redis", redis_url, "--prefix", PREFIX, "--oracle", str(oracle))
    assert (done.code, done.out.startswith("all right:")) == (0, True)


def test_the_command_prints_a_table_of_80_columns_with_exit_code_1(
    redis_url: str, right: redis.Redis, tmp_path: Path, loadgen: Loadgen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    oracle = tmp_path / "oracle.json"
    oracle.write_bytes(msgspec.json.encode(answers()))
    right.hincrby(WAIPOJIA, "gmv:day", 1)
    done = loadgen("verify", "--redis", redis_url, "--prefix", PREFIX, "--oracle", str(oracle))
    assert done.code == 1
    assert "waipojia" in done.out
    assert max(len(line) for line in done.out.splitlines()) <= 80
