"""Who leads: exact over all shards, and nobody without a minimum of volume."""

from __future__ import annotations

from typing import Any

import pytest

from operators.board import Board
from operators.leaders import METRICS, BoardRules
from operators.shards import SHARDS
from schemas.windows import windows_of
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
