"""Who leads: exact over all shards, and nobody without a minimum of volume."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.batches import F64, I64
from operators.board import Board
from operators.board_rules import BoardRules
from operators.bytes_kernels import Interner
from operators.leaders import METRICS, candidates_of, look_over
from operators.merchant_columns import NO_BASELINE, MerchantColumns
from operators.multiples import Baselines
from operators.shards import SHARDS
from schemas.windows import (
    GMV,
    MEASURES,
    NEW_MEMBERS,
    ORDER_MEASURES,
    ORDERS,
    PLATFORM_VIEWS,
    PRIVATE_VIEWS,
    WINDOWS,
    windows_of,
)
from tests.operators.night import DAY_START_MS, WarRoom, click, encoded, flat_baseline, order, rules

Tops = dict[tuple[str, str], list[tuple[str, str | None, float]]]


def tops(events: list[dict[str, Any]], top: BoardRules, *known: str) -> Tops:
    """The leaderboards after some events."""
    room = WarRoom(rules(1, 1, top=top))
    daily = {"gmv": 2400.0, "orders": 24.0, "new_members": 2.0}
    for merchant in known:
        room.know(flat_baseline(merchant, daily=daily))
    orders, clicks = ([encoded(e) for e in events if name in e] for name in ("status", "action"))
    if orders:
        room.send(0, orders)
    if clicks:
        room.send_clicks(0, clicks)
    board = Board(top.size)
    for shard in room.shards:
        board.take(shard.outbox.summary())
    assert len(board.latest) == SHARDS
    told = board.rows()
    assert told is not None
    return told.tops


def ids(board: list[tuple[str, str | None, float]]) -> list[str]:
    return [merchant for merchant, _, _ in board]


def joins(merchant: str, count: int, first: int = 0) -> list[dict[str, Any]]:
    return [
        click(first + n, merchant, visitor_id=f"{merchant}-{n}", action="join", event_id=f"{merchant}-j{n}")
        for n in range(count)
    ]


def views(merchant: str, private: int, platform: int) -> list[dict[str, Any]]:
    sources = ["map"] * private + ["search"] * platform
    return [click(n, merchant, event_id=f"{merchant}-v{n}", source=s) for n, s in enumerate(sources)]


def test_every_metric_stands_on_a_board_in_each_of_its_windows() -> None:
    metrics = (*METRICS, "conversion")
    assert set(tops([], BoardRules())) == {(m, w) for m in metrics for w in windows_of(m)}


def test_leaders_of_all_shards_are_merged_in_order_and_equal_ones_by_id() -> None:
    counts = {f"m{n}": n % 7 for n in range(60)}
    events = [e for merchant, count in counts.items() for e in joins(merchant, count)]
    best = tops(events, BoardRules(5))["new_members", "day"]
    expected = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:5]
    assert [(merchant, score) for merchant, _, score in best] == expected


def test_a_multiple_of_new_members_needs_enough_of_them() -> None:
    events = joins("few", 9) + joins("enough", 10)
    found = tops(events, BoardRules(min_new_members=10), "few", "enough")
    assert found["new_member_multiple", "1h"] == [("enough", "ENOUGH", 5.0)]
    assert ids(found["new_members", "1h"]) == ["enough", "few"]


def test_a_merchant_without_a_baseline_leads_no_multiple() -> None:
    assert tops(joins("unknown", 20), BoardRules())["new_member_multiple", "day"] == []


def test_a_share_of_traffic_needs_enough_views_with_a_source() -> None:
    events = [*views("own", 60, 40), *views("platform's", 20, 80), *views("small", 99, 0)]
    found = tops(events, BoardRules(min_views=100))
    assert found["private_traffic_share", "5m"] == [("own", None, 0.6), ("platform's", None, 0.2)]


def test_a_multiple_of_sales_needs_enough_orders() -> None:
    events = [order(n, "one", DAY_START_MS, order_id=f"a{n}") for n in range(1)]
    events += [order(n, "ten", DAY_START_MS, order_id=f"b{n}") for n in range(10)]
    found = tops(events, BoardRules(min_orders=10), "one", "ten")
    assert ids(found["sales_multiple", "1h"]) == ["ten"]
    assert ids(found["orders", "1h"]) == ["ten", "one"]


@pytest.mark.parametrize("size", [1, 3])
def test_a_board_has_as_many_places_as_it_is_told(size: int) -> None:
    events = [e for n in range(10) for e in joins(f"m{n}", n + 1)]
    assert len(tops(events, BoardRules(size))["new_members", "sale"]) == size


MOST = 60


def _score(metric: str, sums: I64, daily: F64, known: bool, top: BoardRules) -> float:
    """What a merchant scores in a window, from the metrics' definitions; 0 where it may not stand."""
    private = int(sums[PRIVATE_VIEWS])
    sourced = private + int(sums[PLATFORM_VIEWS])
    plain = {"gmv": sums[GMV], "orders": sums[ORDERS], "new_members": sums[NEW_MEMBERS]}
    if metric in plain:
        return float(plain[metric])
    if metric == "private_traffic_share":
        return private / sourced if sourced >= max(top.min_views, 1) else 0.0
    above, enough, usual = {
        "sales_multiple": (sums[GMV], sums[ORDERS] >= top.min_orders, daily[0]),
        "new_member_multiple": (sums[NEW_MEMBERS], sums[NEW_MEMBERS] >= top.min_new_members, daily[1]),
    }[metric]
    return float(above / usual) if known and enough and usual > 0 else 0.0


@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(0, MOST), st.integers(1, 9))
def test_one_look_over_all_merchants_misses_none_that_leads_and_adds_all_up(
    seed: int, greatest: int, count: int, size: int
) -> None:
    """``greatest``: of all numbers; small ones make many merchants equal."""
    some = np.random.default_rng(seed)
    sums = some.integers(0, greatest, (MOST, len(WINDOWS), len(MEASURES)), endpoint=True)
    daily = some.choice([math.nan, 0.0, 1.0, 3.0, 10.0], (2, MOST))
    known, clicked = some.random((2, MOST)) < 0.7
    top = BoardRules(size, min_orders=5, min_new_members=8, min_views=10)
    merchants, columns, baselines = Interner(), MerchantColumns.empty(MOST), Baselines()
    names = [f"m{n:02}" for n in range(count)]
    for name in names:
        merchants.add(name)
    sums[~clicked, :, len(ORDER_MEASURES) :] = 0
    sums[count:] = 0
    columns.order_sums[:] = sums[:, :, : len(ORDER_MEASURES)]
    columns.click_sums[:] = sums[:, :, len(ORDER_MEASURES) :]
    columns.clicked[:] = clicked
    columns.baseline[:] = np.where(known, np.arange(MOST), NO_BASELINE)
    baselines.gmv[:MOST], baselines.new_members[:MOST] = daily
    baselines.names = names + [""] * (MOST - count)

    leading, totals = look_over(count, columns, baselines, top)
    found = candidates_of(merchants, leading, columns, baselines, top)

    assert np.array_equal(totals, sums.sum(axis=0))
    for w, window in enumerate(WINDOWS):
        for metric in METRICS:
            scores = [
                (-_score(metric, sums[m, w], daily[:, m], bool(known[m]), top), names[m])
                for m in range(count)
            ]
            expected = [(name, -score) for score, name in sorted(scores)[:size] if score < 0]
            assert [(name, score) for name, _, score in found[metric, window]] == expected
