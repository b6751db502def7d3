"""The numbers the night is remembered by come out exactly, whatever the seed and size."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from zoneinfo import ZoneInfo

import pytest

from loadgen.oracle import Story
from tests.loadgen.days import answers_of, plan_of, small_day


@cache
def story(merchant_id: str, seed: int, orders: int) -> Story:
    return answers_of(plan_of(small_day(orders, seed=seed))).story[merchant_id]


def clock(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, ZoneInfo("Asia/Shanghai")).strftime("%d %H:%M")


@pytest.mark.parametrize(("seed", "orders"), [(20191212, 20_000), (1, 60_000), (2, 200_000)])
class TestStory:
    def test_waipojia_sells_57_average_days_from_twelve_to_one(self, seed: int, orders: int) -> None:
        told = story("waipojia", seed, orders)
        assert told.peak.sales_multiple == 57.0
        assert told.peak.gmv_fen == 57 * 2_000_000
        assert clock(told.peak.at_ms) == "12 13:00"

    def test_zhengongfu_sells_2_70_times_what_it_ordinarily_sells_from_twelve_to_one(
        self, seed: int, orders: int
    ) -> None:
        told = story("zhengongfu", seed, orders)
        assert told.peak.same_period_multiple == 2.7
        assert told.peak.gmv_fen == 27_648_000
        assert clock(told.peak.at_ms) == "12 13:00"

    def test_ledazui_has_sold_13_average_days_twelve_hours_after_the_sale_opened(
        self, seed: int, orders: int
    ) -> None:
        told = story("ledazui", seed, orders)
        assert told.sale_12h_multiple == 13.0
        assert told.sale_12h_gmv_fen == 13 * 5_000_000
        assert clock(told.sale_12h_at_ms or 0) == "12 12:00"

    def test_meilijiazu_gets_367_new_members_on_the_day_22_times_its_ordinary_day(
        self, seed: int, orders: int
    ) -> None:
        told = story("meilijiazu", seed, orders)
        assert told.new_members == 367
        assert f"{told.new_member_multiple:.1f}" == "22.0"

    def test_meilijiazu_has_its_hundredth_before_noon(self, seed: int, orders: int) -> None:
        hours = story("meilijiazu", seed, orders).hours_to_100_new_members
        assert hours is not None
        assert 8 < hours < 12
