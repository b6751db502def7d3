"""The shipped scenarios have the shapes they are named for; mistakes in one are told."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from loadgen import scenario as scenarios
from loadgen.catalogue import WEIGHT_TOTAL, zipf_weights
from loadgen.cells import Arrivals, channels, chosen, make_arrivals
from loadgen.channels import CHANNELS
from loadgen.curves import apportion, base_curve, spike_curve
from loadgen.draws import I64
from loadgen.errors import LoadgenError
from loadgen.plan import make_plan
from loadgen.popularity import alias_table
from tests.loadgen.console import Loadgen

NAMES = (
    "bots", "double12-2019", "flash-sale", "lunch-and-dinner", "midnight-spike", "million-merchants",
    "ordinary-day", "outage", "slow-burn", "two-peaks",
)  # fmt: skip
CRITICAL_999 = 3.09
"""Of the normal law: a chi-square as improbable as one in a thousand, by Wilson and Hilferty."""


@cache
def arrivals(name: str, orders: int) -> Arrivals:
    """All orders of a shipped scenario made smaller, on one partition."""
    plan = make_plan(msgspec.structs.replace(scenarios.load(name), orders=orders), 1)
    parts = [make_arrivals(plan, block, 0) for block in range(plan.blocks)]
    return Arrivals(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def chi_square_is_plausible(counts: I64, expected: np.ndarray[Any, np.dtype[np.float64]]) -> bool:
    """Whether counts are as expected, at one in a thousand (Wilson-Hilferty for many degrees)."""
    degrees = len(counts) - 1
    statistic = float(((counts - expected) ** 2 / expected).sum())
    score = ((statistic / degrees) ** (1 / 3) - (1 - 2 / (9 * degrees))) / math.sqrt(2 / (9 * degrees))
    return bool(abs(score) < CRITICAL_999)


def kolmogorov_smirnov_is_plausible(drawn: I64, cumulative: Callable[[I64], Any]) -> bool:
    """Whether a sample follows a law, at one in a thousand."""
    ordered = np.sort(drawn)
    ideal = cumulative(ordered)
    ranks = np.arange(1, len(ordered) + 1) / len(ordered)
    distance = np.maximum(np.abs(ranks - ideal), np.abs(ranks - 1 / len(ordered) - ideal)).max()
    return bool(distance < 1.95 / math.sqrt(len(ordered)))


def test_the_ten_scenarios_are_shipped() -> None:
    assert scenarios.shipped_names() == list(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_scenario_carries_its_file_name(name: str) -> None:
    assert scenarios.load(name).name == name


def test_merchants_share_orders_by_zipf() -> None:
    rows = arrivals("ordinary-day", 200_000).row
    counts = np.bincount(rows, minlength=1000)
    expected = np.arange(1, 1001) ** -1.0
    assert chi_square_is_plausible(counts, expected * len(rows) / expected.sum())


def test_times_within_an_hour_are_uniform() -> None:
    times = arrivals("ordinary-day", 200_000).time_ms
    noon = times[(times >= 12 * 3_600_000) & (times < 13 * 3_600_000)] - 12 * 3_600_000
    assert kolmogorov_smirnov_is_plausible(noon, lambda ms: ms / 3_600_000)


def test_hours_of_the_day_have_exactly_their_share() -> None:
    day = scenarios.load("ordinary-day")
    counts = np.bincount(arrivals("ordinary-day", 200_000).time_ms // 3_600_000, minlength=24)
    expected = np.array(day.profile) / sum(day.profile) * 200_000
    assert np.abs(counts - expected).max() <= 1


def test_amounts_are_log_normal_about_the_ticket() -> None:
    made = arrivals("ordinary-day", 200_000)
    plan = make_plan(msgspec.structs.replace(scenarios.load("ordinary-day"), orders=200_000), 1)
    ratio = np.log(made.amount_fen / plan.catalogue.ticket_fen[made.row])
    assert float(ratio.mean()) == pytest.approx(-0.125, abs=0.005)
    assert float(ratio.std()) == pytest.approx(0.5, abs=0.005)


def test_midnight_climbs_from_nothing_to_its_peak_in_five_seconds() -> None:
    day = scenarios.load("midnight-spike")
    curve = spike_curve(day.spikes[0], 7200)
    assert list(np.diff(curve[:6]) > 0) == [True] * 5
    assert curve[5:35].min() == curve.max()
    assert curve[35 + 180] == pytest.approx(curve.max() / math.e, rel=0.01)


def test_a_flash_sale_gives_one_merchant_a_third_of_all_traffic_for_ten_minutes() -> None:
    made = arrivals("flash-sale", 400_000)
    start = 10 * 3_600_000
    inside = (made.time_ms >= start + 10_000) & (made.time_ms < start + 590_000)
    hot = np.bincount(made.row[inside]).max() / inside.sum()
    assert hot == pytest.approx(1 / 3, abs=0.02)


def test_in_an_outage_the_channel_brings_nothing_and_the_others_go_on() -> None:
    made = arrivals("outage", 100_000)
    start = (20 * 60 + 10) * 60_000
    inside = (made.time_ms >= start) & (made.time_ms < start + 1_800_000)
    plan = make_plan(msgspec.structs.replace(scenarios.load("outage"), orders=1_000), 1)
    drawn = channels(plan, chosen(made, inside))
    counts = dict(zip(CHANNELS, np.bincount(drawn, minlength=len(CHANNELS)).tolist(), strict=True))
    assert counts.pop("taobao") == 0
    assert min(counts.values()) > 0


def test_bots_are_few_members_with_many_orders() -> None:
    made = arrivals("bots", 200_000)
    start = 3 * 3_600_000
    inside = (made.time_ms >= start + 1_000) & (made.time_ms < start + 60_000)
    assert np.bincount(made.member[inside & (made.member < 40)]).min() > 10
    assert (made.member[inside] < 40).mean() > 0.9


def test_a_slow_burn_has_no_step() -> None:
    day = scenarios.load("slow-burn")
    curve = spike_curve(day.spikes[0], 86_400)
    assert np.abs(np.diff(curve[43_200:64_800])).max() <= curve.max() / 21_600 + 1


def test_a_million_merchants_are_all_drawn_from() -> None:
    weights = zipf_weights(1_000_000, 0.6)
    assert (int(weights.sum()), int(weights.min()) > 0) == (WEIGHT_TOTAL, True)


def test_an_alias_table_gives_each_index_exactly_its_weight() -> None:
    weights = np.array([5, 1, 0, 2, 8], np.int64)
    thresholds, aliases = alias_table(weights)
    share = np.zeros(5)
    for column in range(5):
        kept = (int(thresholds[column]) + 1) / 2**32
        share[column] += kept / 5
        share[aliases[column]] += (1 - kept) / 5
    assert share == pytest.approx(weights / 16, abs=1e-8)


def test_parts_of_a_whole_sum_to_it_and_are_off_by_less_than_one() -> None:
    weights = np.array([1, 0, 3, 3, 7], np.int64)
    parts = apportion(1000, weights)
    assert int(parts.sum()) == 1000
    assert np.abs(parts - weights * 1000 / 14).max() < 1


def test_a_profile_may_be_in_any_unit() -> None:
    day = scenarios.load("ordinary-day")
    tenfold = msgspec.structs.replace(day, profile=[10 * part for part in day.profile])
    assert (base_curve(day) == base_curve(tenfold)).all()


MISTAKES: dict[str, tuple[str, str, str]] = {
    "a typo": ("duration_s", "duraton_s", r"unknown field `duraton_s` - at `\$.spikes\[0\]`"),
    "a wrong type": ("orders = 1_000_000", 'orders = "many"', r"Expected `int`, got `str` - at `\$.orders`"),
    "a share above one": (
        "locality = 0.3",
        "locality = 1.3",
        r"`float` <= 1.0 - at `\$.spikes\[0\].locality`",
    ),
    "a day that is none": ('day = "2019-11-11"', 'day = "2019-02-30"', "day is '2019-02-30'"),
    "a clock that is none": ('at = "10:00:00"', 'at = "25:00:00"', r"spikes\[1\].at is '25:00:00'"),
    "more hot merchants than there are": (
        "hot_from = 40",
        "hot_from = 990",
        r"spikes\[1\]: its hot merchants go up to 1019",
    ),
    "a profile of 23 hours": ("profile = [40, 22,", "profile = [62,", "length >= 24"),
    "broken TOML": ("[popularity]", "[popularity", "not TOML"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_a_scenario_is_told_with_file_and_key(mistake: str, tmp_path: Path) -> None:
    before, after, told = MISTAKES[mistake]
    path = tmp_path / "mine.toml"
    text = (scenarios.SHIPPED / "two-peaks.toml").read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after))
    with pytest.raises(LoadgenError, match=f"^{path}: .*{told}"):
        scenarios.load(str(path))


def test_a_mistake_is_one_line_and_exit_code_2(tmp_path: Path, loadgen: Loadgen) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('name = "mine"\n')
    done = loadgen("run", str(path))
    assert (done.code, done.err) == (2, f"loadgen: {path}: Object missing required field `title`\n")
