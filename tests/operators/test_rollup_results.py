"""What readers of roll-ups find: in Redis, in Prometheus, and what a category is compared with."""

from __future__ import annotations

import numpy as np
import pytest

from operators.category_days import CategoryDays, OrdinaryCategories, category_days
from operators.redis_aside import ROLLUPS
from operators.rollup_results import RollupRows, rollup_rows
from schemas.rollups import CATEGORY
from schemas.windows import HOUR_MS, MINUTE_MS
from tests.operators.night import DAY_START_MS, WarRoom, encoded, flat_baseline, order, rules
from tests.operators.redis_rig import Reader, publishing, rows, write
from tests.operators.test_metrics import Scrape
from warroom.waiting import wait_until


def channel(gmv: int, offset: int = 1, name: str = "koubei") -> RollupRows:
    return RollupRows({"orders/0": offset}, {("channel", name): {"gmv:day": gmv}}, {"channel": 3})


def told(room: WarRoom) -> OrdinaryCategories:
    """The words of all shards."""
    ordinary = OrdinaryCategories()
    ordinary.take(category_days(s.number, s.columns, s.baselines, s.zones) for s in room.shards)
    return ordinary


def test_a_roll_up_in_redis_is_what_was_told_last_and_no_more(redis_url: str, reader: Reader) -> None:
    with publishing(redis_url) as publisher:
        publisher.offer_rollups(
            RollupRows({"orders/0": 7}, {("channel", "口碑"): {"gmv:day": 1, "cart_rate:day": 0.5}}, {})
        )
        assert publisher.flush(10)
        assert reader.hash("rollup:channel:口碑")["cart_rate:day"] == "0.5"
        publisher.offer_rollups(RollupRows({"orders/0": 8}, {("channel", "口碑"): {"gmv:day": 2}}, {}))
        assert publisher.flush(10)
    found = reader.hash("rollup:channel:口碑")
    assert (found["gmv:day"], set(found)) == ("2", {"gmv:day", "updated_at"})
    assert reader.hash("progress:rollups") == {"orders/0": "8"}


def test_roll_ups_wait_until_a_new_run_has_read_what_is_shown(redis_url: str, reader: Reader) -> None:
    with publishing(redis_url, run=1) as publisher:
        publisher.offer_rollups(channel(gmv=100, offset=50))
        assert publisher.flush(10)
    with publishing(redis_url, run=2) as publisher:
        publisher.offer_rollups(channel(gmv=60, offset=30))
        write(publisher, rows("m1"))
        assert reader.hash("rollup:channel:koubei")["gmv:day"] == "100"
        publisher.offer_rollups(channel(gmv=5, offset=50, name="other"))
        assert publisher.flush(10)
        assert reader.hash("rollup:channel:koubei")["gmv:day"] == "60"


def test_roll_ups_are_wanted_again_when_redis_has_lost_them(redis_url: str, reader: Reader) -> None:
    with publishing(redis_url) as publisher:
        publisher.offer_rollups(channel(gmv=100))
        assert publisher.flush(10)
        reader.client.flushall()
        assert wait_until(lambda: publisher.needs_everything(ROLLUPS), 10)


def test_prometheus_tells_the_best_twenty_values_and_amounts_in_yuan() -> None:
    scrape = Scrape()
    for n in range(25):
        scrape.metrics.rolled_up(channel(gmv=100 * n, name=f"c{n}"))
    found = scrape.series("warroom_rollup")
    assert len(found) == 20
    assert found["channel", "c24", "gmv", "day"] == 24.0
    assert scrape.value("warroom_rollup_other_total", dimension="channel") == 3


def test_a_category_is_compared_with_all_baselines_that_name_it() -> None:
    room = WarRoom(rules())
    room.know(
        flat_baseline("m1", gmv=2400, orders=24, category="餐飲"),
        flat_baseline("m2", gmv=4800, orders=24, category="餐飲", timezone="Asia/Tokyo"),
        flat_baseline("m3", gmv=100, category="面包"),
        flat_baseline("m4", gmv=100),
    )
    at_ms = DAY_START_MS + 6 * HOUR_MS - 1
    room.send(0, [encoded(order(n, "m1", at_ms, amount=3600, category="餐飲")) for n in range(2)])
    row = room.rollups.row_of((CATEGORY, "餐飲"))
    fields = rollup_rows(room.rollups, np.array([row]), told(room)).rows[CATEGORY, "餐飲"]
    assert fields["sales_multiple:1h"] == 1
    assert fields["orders_multiple:day"] == 2 / 48
    # An hour of an even day is a 24th of 7,200; six hours since midnight are a quarter.
    assert fields["same_period_multiple:1h"] == pytest.approx(24)
    assert fields["same_period_multiple:day"] == pytest.approx(4)
    assert (fields["baseline_gmv"], fields["baseline_orders"]) == (7200, 48)


def test_a_newer_word_of_a_shard_replaces_the_older_and_names_what_changed() -> None:
    ordinary = OrdinaryCategories()
    day = np.ones(27)
    assert ordinary.take([CategoryDays(0, {("a", "UTC"): day, ("b", "UTC"): day})]) == {"a", "b"}
    assert ordinary.take([CategoryDays(1, {("a", "UTC"): day})]) == {"a"}
    assert ordinary.take([CategoryDays(0, {("c", "UTC"): day})]) == {"a", "b", "c"}
    a, b = ordinary.daily("a"), ordinary.daily("b")
    assert (None if a is None else a.tolist(), b) == ([1, 1, 1], None)


def test_a_category_without_baselines_has_no_multiples() -> None:
    room = WarRoom(rules())
    room.send(0, [encoded(order(1, at_ms=DAY_START_MS + MINUTE_MS, category="x"))])
    row = room.rollups.row_of((CATEGORY, "x"))
    fields = rollup_rows(room.rollups, np.array([row]), told(room)).rows[CATEGORY, "x"]
    assert [name for name in fields if "multiple" in name or "baseline" in name] == []
