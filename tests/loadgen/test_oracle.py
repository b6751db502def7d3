"""The oracle's definitions, on days of a few orders, and against plain counting of a made day's bytes."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime

import numpy as np
import pytest

from loadgen.cells import CANCELLED, CREATED, PAID, REFUNDED
from loadgen.facts import KINDS, Facts, Where
from loadgen.local_time import hours_of, midnight_ms
from loadgen.oracle import Answers, Asked, answer
from loadgen.truth import Truth
from schemas.baselines import Baseline
from schemas.windows import HOUR_MS, MINUTE_MS, ORDER_MEASURES
from tests.loadgen.days import all_sent, answers_of, parsed, plan_of, small_day

MIDNIGHT_MS = 1_576_080_000_000  # 12 December 2019 in Shanghai
EVEN = [1 / 24] * 24


def at(clock: str) -> int:
    """A time of the day in milliseconds since the epoch."""
    parts = [float(part) for part in clock.split(":")]
    return MIDNIGHT_MS + round(sum(p * unit for p, unit in zip(parts, (3600, 60, 1), strict=True)) * 1000)


def told(*events: tuple[int, str, int, int, int], baseline: Baseline | None = None) -> Answers:
    """The oracle's answers after events of (merchant row, clock, code, fen, units)."""
    row, clock, code, fen, units = zip(*events, strict=True)
    kinds = np.array([len(events), 0, 0, 0, 0, 0], np.int64)
    truth = Truth()
    truth.add(
        Facts(
            np.array(row, np.int32), np.array([at(c) for c in clock], np.int64), np.array(code, np.uint8),
            np.array(fen, np.int64), np.array(units, np.int64), np.full(len(events), -1, np.int8),
            nobody_nowhere(len(events)), kinds,
        )
    )  # fmt: skip
    baselines = {baseline.merchant_id: baseline} if baseline else {}
    return answer(
        Asked("test", ["a", "b"], baselines, MIDNIGHT_MS, channels=("x",), categories=("y",)), truth
    )


def nobody_nowhere(count: int) -> Where:
    """All of person 0, channel ``x`` and category ``y``, in no town that is known."""
    none = np.zeros(count, np.int32)
    return Where(none.astype(np.int64), none, none, none.astype(np.uint8))


def baseline(
    daily: dict[str, float], hourly_share: list[float] = EVEN, timezone: str | None = None
) -> Baseline:
    return Baseline("a", "甲", 30, daily, hourly_share, timezone=timezone)


def test_a_paid_order_counts_as_order_units_and_gmv() -> None:
    measures = told((0, "10:00:00", PAID, 500, 3)).merchants["a"].measures
    assert (measures["orders:1m"], measures["units:1m"], measures["gmv:1m"], measures["refunds:1m"]) == (
        1,
        3,
        500,
        0,
    )


@pytest.mark.parametrize("code", [REFUNDED, CANCELLED])
def test_a_refunded_or_cancelled_order_counts_as_refund_only(code: int) -> None:
    measures = told((0, "10:00:00", code, 500, 3)).merchants["a"].measures
    assert (measures["orders:1m"], measures["units:1m"], measures["gmv:1m"], measures["refunds:1m"]) == (
        0,
        0,
        0,
        500,
    )


def test_a_created_order_counts_nothing_but_makes_the_merchant_known() -> None:
    measures = told((0, "10:00:00", CREATED, 500, 3)).merchants["a"].measures
    assert set(measures.values()) == {0}


def test_the_hour_before_one_oclock_is_exactly_the_1h_window_at_its_last_millisecond() -> None:
    answers = told((0, "00:00:00", PAID, 1, 1), (0, "00:59:59.999", PAID, 2, 1))
    assert answers.windows["1h"] == (at("00:00:00"), at("01:00:00"))
    assert answers.merchants["a"].measures["gmv:1h"] == 3


def test_one_minute_later_the_1h_window_has_lost_its_first_minute() -> None:
    answers = told((0, "00:00:59", PAID, 1, 1), (0, "00:01:00", PAID, 4, 1), (0, "01:00:00", PAID, 2, 1))
    assert answers.merchants["a"].measures["gmv:1h"] == 6


def test_the_1m_window_has_buckets_of_five_seconds() -> None:
    answers = told(
        (0, "10:00:04.999", PAID, 1, 1), (0, "10:00:05", PAID, 4, 1), (0, "10:01:04.999", PAID, 2, 1)
    )
    assert answers.merchants["a"].measures["gmv:1m"] == 6


def test_windows_of_a_silent_merchant_fall_with_the_newest_event_of_all() -> None:
    answers = told((0, "10:00:00", PAID, 7, 1), (1, "11:30:00", PAID, 1, 1))
    assert (answers.merchants["a"].measures["gmv:1h"], answers.merchants["a"].measures["gmv:12h"]) == (0, 7)


def test_totals_are_the_sums_over_merchants() -> None:
    answers = told((0, "10:00:00", PAID, 7, 1), (1, "10:00:00", PAID, 5, 2))
    assert (answers.totals["gmv:day"], answers.totals["units:day"]) == (12, 3)


def test_the_day_begins_at_midnight_in_the_merchants_own_time_zone() -> None:
    in_tokyo = baseline({"gmv": 100.0}, timezone="Asia/Tokyo")  # its 12 December ends at 23:00 in Shanghai
    answers = told((0, "22:59:59", PAID, 7, 1), (0, "23:00:00", PAID, 2, 1), baseline=in_tokyo)
    assert answers.merchants["a"].measures["gmv:day"] == 2


def test_sales_and_orders_multiples_divide_by_the_ordinary_day() -> None:
    day = baseline({"gmv": 200.0, "orders": 4.0})
    multiples = told((0, "10:00:00", PAID, 500, 1), baseline=day).merchants["a"].multiples
    assert (multiples["sales_multiple:1h"], multiples["orders_multiple:1h"]) == (2.5, 0.25)


def test_same_period_divides_by_the_share_of_the_stretch_from_window_start_to_its_current_bucket() -> None:
    lunch = [0.0] * 11 + [0.25, 0.5, 0.25] + [0.0] * 10
    answers = told((0, "12:29:30", PAID, 300, 1), baseline=baseline({"gmv": 1000.0}, lunch))
    # 11:30 to 12:30: half an hour of 0.25 and half an hour of 0.5
    assert answers.merchants["a"].multiples["same_period_multiple:1h"] == pytest.approx(300 / 375)


def test_same_period_of_the_day_ends_with_the_current_five_seconds() -> None:
    answers = told((0, "11:59:57", PAID, 300, 1), baseline=baseline({"gmv": 1200.0}))
    assert answers.merchants["a"].multiples["same_period_multiple:day"] == pytest.approx(0.5)


@pytest.mark.parametrize("daily", [{}, {"gmv": 0.0, "orders": 0.0}])
def test_a_zero_or_missing_baseline_value_leaves_the_multiple_absent(daily: dict[str, float]) -> None:
    assert told((0, "10:00:00", PAID, 500, 1), baseline=baseline(daily)).merchants["a"].multiples == {}


def test_a_merchant_without_baseline_has_no_multiple_and_its_peak_no_multiple() -> None:
    expected = told((0, "10:00:00", PAID, 500, 1)).merchants["a"]
    assert expected.multiples == {}
    assert expected.peak is not None
    assert (expected.peak.gmv_fen, bool(expected.peak.sales_multiple)) == (500, False)


def test_the_peak_is_the_hour_with_the_greatest_gmv_and_its_exclusive_end() -> None:
    events = ((0, "10:00:30", PAID, 5, 1), (0, "10:59:30", PAID, 5, 1), (0, "12:00:00", PAID, 9, 1))
    peak = told(*events, baseline=baseline({"gmv": 10.0})).merchants["a"].peak
    assert peak is not None
    assert (peak.gmv_fen, peak.at_ms, peak.sales_multiple) == (10, at("11:00:00"), 1.0)


def test_the_earliest_of_equal_peaks_wins() -> None:
    peak = told((0, "10:00:30", PAID, 5, 1), (0, "15:00:30", PAID, 5, 1)).merchants["a"].peak
    assert peak is not None
    assert peak.at_ms == at("10:01:00")


def test_same_period_at_the_peak_divides_by_that_hours_share() -> None:
    shares = [0.0] * 12 + [0.2] + [0.8 / 11] * 11
    events = ((0, "12:00:10", PAID, 300, 1), (0, "12:59:50", PAID, 240, 1))
    peak = told(*events, baseline=baseline({"gmv": 1000.0}, shares)).merchants["a"].peak
    assert peak is not None
    assert peak.same_period_multiple == pytest.approx(2.7)


def test_a_stretch_over_a_day_that_lasts_23_hours_leaves_out_the_hour_that_was_not() -> None:
    start = midnight_ms("Europe/Berlin", int(datetime(2020, 3, 29, 12, tzinfo=UTC).timestamp() * 1000))
    hours = hours_of("Europe/Berlin", start, start + 23 * HOUR_MS)
    assert (hours[2], sum(hours)) == (0, 23)


def test_every_sum_equals_plain_counting_of_the_bytes_sent() -> None:
    plan = plan_of(small_day(8_000, hours=3))
    answers = answers_of(plan)
    seen: set[tuple[str, str]] = set()
    counted: dict[tuple[str, str], int] = defaultdict(int)
    for sent in all_sent(plan):
        order = parsed(sent.line)
        usable = (
            order is not None
            and len(order.order_id) <= 128
            and order.event_time_ms <= sent.timestamp_ms + 5 * MINUTE_MS
        )
        if order is None or not usable or (order.order_id, order.status) in seen:
            continue
        seen.add((order.order_id, order.status))
        for window, (start, _) in answers.windows.items():
            if order.event_time_ms >= start:
                paid, back = order.status == "paid", order.status in ("refunded", "cancelled")
                counted[order.merchant_id, f"orders:{window}"] += paid
                counted[order.merchant_id, f"units:{window}"] += order.quantity * paid
                counted[order.merchant_id, f"gmv:{window}"] += order.amount_fen * paid
                counted[order.merchant_id, f"refunds:{window}"] += order.amount_fen * back
    expected = {
        (m, key): v
        for m, e in answers.merchants.items()
        for key, v in e.measures.items()
        if v and key.split(":")[0] in ORDER_MEASURES
    }
    assert expected == {key: value for key, value in counted.items() if value}
    assert sorted(KINDS) == sorted(answers.events)
