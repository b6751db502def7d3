"""The oracle's milestones: computed by hand, and beside those of the engine on the same events."""

from __future__ import annotations

import random

import msgspec
import numpy as np
import polars as pl
import pytest
import redis

from loadgen.oracle_alerts import MIN_ORDERS, Milestone, milestones
from loadgen.verify_alerts import alert_differences
from schemas.alerts import Alert
from schemas.windows import HOUR_MS, MINUTE_MS
from tests.operators.night import DAY_START_MS, WarRoom, click, encoded, flat_baseline, order, rules

NOON_MS = DAY_START_MS + 12 * HOUR_MS
ZONE = "Asia/Shanghai"


def sold(*sales: tuple[int, int, int]) -> pl.DataFrame:
    """Sums of one merchant from (time, gmv, orders)."""
    names = ("row", "bucket_ms", "gmv", "orders")
    return pl.DataFrame([(0, *sale) for sale in sales], schema=dict.fromkeys(names, pl.Int64), orient="row")


NOBODY = pl.DataFrame(schema={"row": pl.Int32, "event_ms": pl.Int64})


def of(sums: pl.DataFrame, daily: float = 1000.0, joins: pl.DataFrame = NOBODY) -> dict[str, Milestone]:
    return milestones(["m1"], [ZONE], np.array([daily]), np.array([0], np.int32), sums, joins)


def test_the_highest_step_of_a_minute_is_told_at_its_end() -> None:
    end_ms = NOON_MS + MINUTE_MS
    assert of(sold((NOON_MS, 57_000, 10))) == {
        f"sales_multiple_1h|m1|{end_ms}": Milestone(57.0, 50.0),
        f"sales_multiple_day|m1|{end_ms}": Milestone(57.0, 50.0),
    }


def test_with_too_few_orders_on_the_day_nothing_is_told() -> None:
    assert of(sold((NOON_MS, 57_000, MIN_ORDERS - 1))) == {}


def test_the_day_goes_on_where_the_hour_has_been_left() -> None:
    told = of(sold((NOON_MS, 3000, 10), (NOON_MS + 2 * HOUR_MS, 3000, 10)))
    assert [(key.split("|")[0], m.threshold) for key, m in told.items()] == [
        ("sales_multiple_1h", 1.0),
        ("sales_multiple_day", 1.0),
        ("sales_multiple_day", 5.0),
    ]


def test_the_hundredth_join_of_a_day_counts_with_all_of_its_minute() -> None:
    times = [NOON_MS + i for i in range(99)] + [NOON_MS + MINUTE_MS, NOON_MS + MINUTE_MS + 1]
    joins = pl.DataFrame({"row": [0] * 101, "event_ms": times})
    end_ms = NOON_MS + 2 * MINUTE_MS
    assert of(sold(), joins=joins) == {f"new_members_100|m1|{end_ms}": Milestone(101.0, 100.0)}


@pytest.mark.parametrize("seed", range(4))
def test_oracle_and_engine_tell_the_same_milestones(seed: int) -> None:
    chance = random.Random(seed)
    names = [f"m{i}" for i in range(6)]
    daily = np.array([float(chance.choice([500, 2000, 9000])) for _ in names])
    start_ms = DAY_START_MS + 20 * HOUR_MS
    times = sorted(start_ms + chance.randrange(30 * HOUR_MS) for _ in range(900))
    events = [
        order(i, chance.choice(names), at_ms, amount=chance.choice([50, 200, 900]))
        for i, at_ms in enumerate(times)
    ]
    clicks = [
        click(i, chance.choice(names[:2]), at_ms, action="join", visitor_id=f"v{i}")
        for i, at_ms in enumerate(sorted(start_ms + chance.randrange(30 * HOUR_MS) for _ in range(500)))
    ]
    night = WarRoom(rules(click_partitions=1, milestone_min_orders=MIN_ORDERS))
    night.know(*(flat_baseline(name, gmv=gmv) for name, gmv in zip(names, daily, strict=True)))
    since = start_ms
    for first in range(0, len(events), 30):
        night.send(0, [encoded(e) for e in events[first : first + 30]])
        upto = events[min(first + 29, len(events) - 1)]["event_time"]
        night.send_clicks(0, [encoded(c) for c in clicks if since <= c["event_time"] < upto])
        since = upto
    night.end()
    told = [a for shard in night.shards for a in shard.milestones.take_news().told]
    found = {a.alert_id: Milestone(a.value, a.threshold) for a in told}
    sums = pl.DataFrame(
        {
            "row": [names.index(e["merchant_id"]) for e in events],
            "bucket_ms": [e["event_time"] - e["event_time"] % 5000 for e in events],
            "gmv": [e["amount"] for e in events],
            "orders": [1] * len(events),
        }
    ).sort("row", "bucket_ms")
    joined = [c for c in clicks if c["event_time"] < since]
    joins = pl.DataFrame(
        {
            "row": [names.index(c["merchant_id"]) for c in joined],
            "event_ms": [c["event_time"] for c in joined],
        }
    )
    rows = np.arange(len(names), dtype=np.int32)
    assert len(found) > 10
    assert any(key.startswith("new_members") for key in found)
    assert found == milestones(names, [ZONE] * len(names), daily, rows, sums, joins)


def alert(alert_id: str, value: float = 5.5) -> Alert:
    rule, subject, end_ms = alert_id.split("|")
    return Alert(alert_id, rule, subject, "info", int(end_ms), value, 5.0, "中", "en")


def test_alerts_that_are_missing_doubled_unexpected_or_wrong_are_found(redis_url: str) -> None:
    client = redis.Redis.from_url(redis_url, decode_responses=True)
    for told in (
        alert("r|right|1"),
        alert("r|twice|1"),
        alert("r|twice|1"),
        alert("r|new|1"),
        alert("r|off|1", 6.0),
    ):
        client.xadd("warroom:alerts", {"alert": msgspec.json.encode(told)})
    expected = {f"r|{who}|1": Milestone(5.5, 5.0) for who in ("right", "twice", "off", "gone")}
    found = {
        (d.merchant, d.expected is None, d.found is None)
        for d in alert_differences(client, "warroom:", expected)
    }
    client.close()
    assert found == {
        ("r|twice|1", False, False),
        ("new", True, False),
        ("off", False, False),
        ("gone", False, True),
    }
