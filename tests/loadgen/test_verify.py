"""``loadgen verify``: finds what differs, to the fen, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import msgspec
import pytest
import redis

from loadgen.oracle import Answers
from loadgen.verify import Difference, differences
from tests.loadgen.console import Loadgen
from tests.loadgen.days import answers_of, plan_of, small_day
from tests.loadgen.fake_results import write_right_results

PREFIX = "t:"
WAIPOJIA = f"{PREFIX}merchant:waipojia"


@cache
def answers() -> Answers:
    return answers_of(plan_of(small_day(8_000, hours=2)))


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
