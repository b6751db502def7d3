"""The oracle's people, joins, rates and roll-ups: on a few events, and against a slow recount of a day."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest

from loadgen import truth as truth_module
from loadgen.channels import CART, JOIN, SOURCES, VIEW
from loadgen.facts import KINDS, ClickFacts, Facts, Where
from loadgen.oracle import Answers, Asked, Expected, answer
from loadgen.plan import Plan
from loadgen.truth import Truth
from schemas.baselines import Baseline
from schemas.windows import DISTINCT_WINDOWS, HOUR_MS, MINUTE_MS, WINDOWS
from tests.loadgen.days import answers_of, plan_of, small_day
from tests.loadgen.slow_oracle import Counts, SlowAnswers, recompute

MIDNIGHT_MS = 1_576_080_000_000
KNOWN_KINDS = np.array([1, 0, 0, 0, 0, 0], np.int64)


@cache
def plan() -> Plan:
    return plan_of(small_day(12_000, hours=14))


@cache
def answers() -> Answers:
    return answers_of(plan())


@cache
def slow() -> SlowAnswers:
    return recompute(plan(), answers().windows)


def nonzero(counts: dict[str, int]) -> dict[str, int]:
    return {field: value for field, value in counts.items() if value}


def sums_of(by_window: dict[str, Counts]) -> dict[str, int]:
    return {f"{m}:{window}": n for window, counts in by_window.items() for m, n in counts.sums.items() if n}


def people_of(by_window: dict[str, Counts], rollup: bool = False) -> dict[str, int]:
    told = {}
    for window in DISTINCT_WINDOWS:
        counts = by_window[window]
        told[f"visitors:{window}"] = len(counts.visitors)
        told[f"buyers:{window}"] = len(counts.buyers)
        if window in ("day", "sale"):
            told[f"returning_buyers:{window}"] = len(counts.said_again if rollup else counts.returning)
            if not rollup:
                told[f"repeat_buyers:{window}"] = sum(n >= 2 for n in counts.bought.values())
    return nonzero(told)


class TestAgainstASlowRecount:
    def test_every_measure_of_every_merchant(self) -> None:
        told = {m: nonzero(e.measures) for m, e in answers().merchants.items()}
        assert told == {m: sums_of(slow().of[m]) for m in told}

    def test_every_number_of_people_of_every_merchant(self) -> None:
        told = {m: nonzero(e.people) for m, e in answers().merchants.items()}
        assert told == {m: people_of(slow().of[m]) for m in told}

    def test_every_row_of_every_roll_up(self) -> None:
        rows = answers().rollups
        assert sorted(rows) == sorted(s for s in slow().of if ":" in s)
        assert {r: nonzero(e.measures) for r, e in rows.items()} == {r: sums_of(slow().of[r]) for r in rows}
        people = {r: nonzero(e.people) for r, e in rows.items()}
        assert people == {r: people_of(slow().of[r], rollup=True) for r in rows}

    def test_dead_letters_and_duplicates_of_both_topics(self) -> None:
        assert nonzero(answers().dead_letters) == dict(slow().reasons)
        assert answers().duplicates == dict(slow().duplicates)

    def test_repeated_joins(self) -> None:
        assert answers().repeated_joins == slow().repeated_joins > 10

    def test_hours_to_a_hundred_members(self) -> None:
        closed = {m: at // MINUTE_MS * MINUTE_MS + MINUTE_MS for m, at in slow().hundredth_ms.items()}
        told = {m: e.singles for m, e in answers().merchants.items() if e.singles}
        assert "meilijiazu" in told
        assert told == {
            m: {
                "hours_to_100_new_members": (at - MIDNIGHT_MS) / HOUR_MS,
                "hours_to_100_new_members:sale": (at - MIDNIGHT_MS) / HOUR_MS,
            }
            for m, at in closed.items()
        }

    def test_rates_are_quotients_of_these_and_absent_where_nothing_would_divide(self) -> None:
        for merchant_id, expected in answers().merchants.items():
            for window in WINDOWS:
                counts = slow().of[merchant_id][window]
                sourced = counts.sums["private_views"] + counts.sums["platform_views"]
                check(expected, f"private_traffic_share:{window}", counts.sums["private_views"], sourced)
                check(expected, f"cart_rate:{window}", counts.sums["carts"], counts.sums["views"])
                check(expected, f"order_rate:{window}", counts.sums["orders"], counts.sums["views"])
                if window in DISTINCT_WINDOWS:
                    check(expected, f"conversion:{window}", len(counts.buyers), len(counts.visitors))

    def test_compacting_on_the_way_changes_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(truth_module, "COMPACT_AT_ROWS", 500)
        assert answers_of(plan()) == answers()


def check(expected: Expected, field: str, above: int, below: int) -> None:
    assert expected.rates.get(field) == (above / below if below else None)


def where(people: list[int]) -> Where:
    none = np.zeros(len(people), np.int32)
    return Where(np.array(people, np.int64), none, none, none.astype(np.uint8))


def told(clicks: list[tuple[str, int, int]], orders: Sequence[tuple[str, int, int]] = ()) -> Expected:
    """Merchant ``a`` after clicks (clock, person, action) and paid orders (clock, person, first_order)."""
    truth = Truth()
    if clicks:
        clock, person, action = zip(*clicks, strict=True)
        truth.add_clicks(
            ClickFacts(
                np.zeros(len(clicks), np.int32), np.array([at(c) for c in clock], np.int64),
                np.array(action, np.uint8), np.full(len(clicks), SOURCES.index("direct"), np.uint8),
                where(list(person)), KNOWN_KINDS,
            )
        )  # fmt: skip
    if orders:
        clock, person, first = zip(*orders, strict=True)
        one = np.ones(len(orders), np.int64)
        truth.add(
            Facts(
                np.zeros(len(orders), np.int32), np.array([at(c) for c in clock], np.int64),
                np.zeros(len(orders), np.uint8), one, one, np.array(first, np.int8), where(list(person)),
                KNOWN_KINDS,
            )
        )  # fmt: skip
    baseline = Baseline("a", "甲", 30, {"new_members": 2.0}, [1 / 24] * 24)
    asked = Asked("t", ["a"], {"a": baseline}, MIDNIGHT_MS, channels=("x",), categories=("y",))
    return answer(asked, truth).merchants["a"]


def at(clock: str) -> int:
    hours, minutes, seconds = (int(part) for part in clock.split(":"))
    return MIDNIGHT_MS + (hours * 3600 + minutes * 60 + seconds) * 1000


def test_a_visitor_of_an_hour_ago_is_in_the_day_and_no_more_in_the_hour() -> None:
    people = told([("10:00:00", 1, VIEW), ("10:59:59", 2, VIEW), ("11:00:00", 2, CART)]).people
    assert (people["visitors:1h"], people["visitors:day"]) == (1, 2)


def test_a_join_counts_once_at_its_first_time() -> None:
    expected = told([("10:00:00", 1, JOIN), ("11:30:00", 1, JOIN), ("11:30:00", 2, JOIN)])
    assert (expected.measures["new_members:1h"], expected.measures["new_members:day"]) == (1, 2)
    assert expected.multiples["new_member_multiple:day"] == 1.0


def test_the_second_order_of_a_person_makes_one_that_repeats() -> None:
    people = told(
        [], [("10:00:00", 1, 1), ("11:00:00", 1, -1), ("12:00:00", 1, -1), ("12:00:00", 2, 1)]
    ).people
    assert (people["repeat_buyers:day"], people["buyers:day"]) == (1, 2)


def test_an_order_that_is_not_the_first_makes_a_returning_buyer() -> None:
    expected = told([("09:00:00", 5, VIEW)], [("10:00:00", 1, 0), ("11:00:00", 2, 1), ("12:00:00", 3, -1)])
    assert expected.people["returning_buyers:day"] == 1
    assert expected.rates["repurchase_rate:day"] == pytest.approx(1 / 3)


def test_the_hundredth_member_is_there_when_its_minute_has_closed() -> None:
    joins = [(f"{8 + n // 60:02d}:{n % 60:02d}:30", n, JOIN) for n in range(120)]
    # The hundredth joins at 09:39:30.
    assert told(joins).singles["hours_to_100_new_members"] == pytest.approx(9 + 40 / 60)


def test_ninety_nine_members_have_no_hours() -> None:
    assert told([("08:00:00", n, JOIN) for n in range(99)]).singles == {}


def test_kinds_are_told_over_both_topics() -> None:
    assert sorted(KINDS) == sorted(answers().events)
