"""Where a merchant's sales of the day come from: exact, bounded, from midnight to midnight."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from operators.share_texts import CATEGORIES_TOLD, CHANNELS_TOLD
from operators.shares import VALUES_HELD
from operators.tally import shard_of_merchant
from schemas.windows import DAY_MS, HOUR_MS
from tests.operators.night import (
    DAY_START_MS,
    SHANGHAI_OFFSET_MS,
    WarRoom,
    encoded,
    flat_baseline,
    order,
    rules,
)

Event = dict[str, Any]


def shares_of(room: WarRoom, merchant: str) -> dict[str, list[Any] | None]:
    """Both fields of one merchant, as a reader parses them."""
    shard = room.shards[shard_of_merchant(merchant)]
    shard.outbox.touch()
    rows = shard.outbox.take()
    assert rows is not None
    texts = rows.texts[rows.merchant_ids.index(merchant)]
    assert texts is not None
    told = {name: texts[f] for name, f in (("channel", "channels:day"), ("category", "categories:day"))}
    return {name: json.loads(text) if text else None for name, text in told.items()}


def plainly(events: list[Event], merchant: str, name: str, most: int) -> list[Any] | None:
    """The same from the events themselves."""
    newest = max(e["event_time"] for e in events)
    day_start = (newest + SHANGHAI_OFFSET_MS) // DAY_MS * DAY_MS - SHANGHAI_OFFSET_MS
    paid = [e for e in events if e["status"] == "paid" and e["event_time"] >= day_start]
    mine = [e for e in paid if e["merchant_id"] == merchant]
    whole = sum(e["amount"] for e in mine)
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for event in mine:
        if event.get(name):
            sums[event[name]][0] += 1
            sums[event[name]][1] += event["amount"]
    best = sorted(sums.items(), key=lambda item: (-item[1][1], item[0]))[:most]
    return [[v, o, g, round(g / whole, 6) if whole else None] for v, (o, g) in best] or None


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32), largest_batch=st.sampled_from([1, 10, 200]))
def test_shares_equal_a_plain_recomputation(seed: int, largest_batch: int) -> None:
    rng = random.Random(seed)
    events = [
        order(
            n,
            rng.choice(["m1", "m2", "m3"]),
            DAY_START_MS + at,
            amount=rng.choice([0, 5, 100, rng.randrange(10_000)]),
            status=rng.choice(["paid", "paid", "refunded"]),
            channel=rng.choice([None, "", "口碑", "a", "b", "c", 'q"q']),
            category=rng.choice([None, *(f"k{i}" for i in range(8))]),
        )
        for n, at in enumerate(sorted(rng.randrange(2 * DAY_MS) for _ in range(200)))
    ]
    room = WarRoom(rules())
    at = 0
    while at < len(events):
        size = rng.randrange(1, largest_batch + 1)
        room.send(0, [encoded(e) for e in events[at : at + size]])
        at += size
    for merchant in {e["merchant_id"] for e in events}:
        assert shares_of(room, merchant) == {
            "channel": plainly(events, merchant, "channel", CHANNELS_TOLD),
            "category": plainly(events, merchant, "category", CATEGORIES_TOLD),
        }


def test_values_beyond_the_first_sixteen_of_a_merchants_day_are_other() -> None:
    room = WarRoom(rules())
    room.send(0, [encoded(order(n, channel=f"c{n:02d}", amount=100 - n)) for n in range(VALUES_HELD + 4)])
    shard = room.shards[shard_of_merchant("m1")]
    held = shard.shares.of(shard.row_of("m1"), 0)
    assert len(held) == VALUES_HELD + 1
    assert held["other"] == (4, 84 + 83 + 82 + 81)
    told = shares_of(room, "m1")["channel"]
    assert told is not None
    assert (len(told), told[0][0]) == (CHANNELS_TOLD, "other")


def test_a_merchants_shares_begin_anew_at_its_own_midnight() -> None:
    room = WarRoom(rules())
    room.know(flat_baseline("tokyo", timezone="Asia/Tokyo"), flat_baseline("m1"))
    late = DAY_START_MS + 22 * HOUR_MS + HOUR_MS // 2  # 23:30 in Tokyo, 22:30 in Shanghai
    for n, merchant in enumerate(["tokyo", "m1"]):
        room.send(0, [encoded(order(n, merchant, late, channel="a"))])
    room.send(0, [encoded(order(9, "other", late + HOUR_MS))])
    assert shares_of(room, "tokyo")["channel"] is None
    assert shares_of(room, "m1")["channel"] == [["a", 1, 100, 1]]
    room.send(0, [encoded(order(10, "tokyo", late + HOUR_MS, channel="b"))])
    assert shares_of(room, "tokyo")["channel"] == [["b", 1, 100, 1]]


def test_entries_of_a_day_that_has_ended_are_used_again() -> None:
    room = WarRoom(rules())
    shard = room.shards[shard_of_merchant("m1")]
    for day in range(50):
        at_ms = DAY_START_MS + day * DAY_MS
        room.send(0, [encoded(order(day * 20 + n, at_ms=at_ms, channel=f"c{n}")) for n in range(16)])
    assert int(shard.shares.chains.counts[0]) == 16


def test_an_old_order_of_today_counts_in_the_shares() -> None:
    room = WarRoom(rules(sale_opens_ms=None))
    room.send(0, [encoded(order(1, at_ms=DAY_START_MS + 20 * HOUR_MS, channel="a"))])
    room.send(0, [encoded(order(2, at_ms=DAY_START_MS + HOUR_MS, channel="b", category="k"))])
    room.send(0, [encoded(order(3, at_ms=DAY_START_MS - 1, channel="b"))])
    assert shares_of(room, "m1") == {
        "channel": [["a", 1, 100, 0.5], ["b", 1, 100, 0.5]],
        "category": [["k", 1, 100, 0.5]],
    }
    assert [letter.reason for letter in room.dead_letters] == ["late"]


@pytest.mark.parametrize("amount", [0, 7])
def test_the_share_of_a_merchant_that_sold_for_nothing_is_absent(amount: int) -> None:
    room = WarRoom(rules())
    room.send(0, [encoded(order(1, amount=amount, channel="a"))])
    assert shares_of(room, "m1")["channel"] == [["a", 1, amount, 1 if amount else None]]
