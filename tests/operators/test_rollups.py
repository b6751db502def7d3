"""Roll-ups: exact by channel, category and city tier in any interleaving; bounded; whole after a kill."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from operators import state_files
from operators.category_days import OrdinaryCategories
from operators.people_cells import People
from operators.people_registers import SLIDING_ERROR
from operators.rollup_delta import RollupDelta, Value
from operators.rollup_results import rollup_rows
from operators.rollup_store import RollupStore
from operators.rollups import RollupRules, Rollups
from operators.state_files import RebaseTurns
from schemas.rollups import CATEGORY, CHANNEL, CHANNEL_TIER, CITY_TIER, DIMENSIONS, VALUES_SHOWN
from schemas.windows import (
    DAY_MS,
    DISTINCT_WINDOWS,
    HOUR_MS,
    LATENESS_MS,
    MEASURES,
    MINUTE_MS,
    ORDERS,
    WINDOWS,
    windows_of,
)
from tests.operators.night import DAY_START_MS, WarRoom, click, encoded, order, recomputed, rules

Event = dict[str, Any]
TOLD = ("visitors", "buyers", "returning_buyers")
ALL_WINDOWS_SUMS = (len(WINDOWS), len(MEASURES))


def cut_fields(rng: random.Random) -> dict[str, Any]:
    """Some channel, category and tier, each now and then absent."""
    drawn = {
        "channel": rng.choice(["koubei", "eleme", "店內", None]),
        "category": rng.choice(["餐飲", "面包", None, None]),
        "city_tier": rng.choice([1, 2, 3, None]),
    }
    return {name: value for name, value in drawn.items() if value is not None or rng.random() < 0.5}


def seeded_night(seed: int, count: int, span_ms: int) -> tuple[list[Event], list[Event]]:
    """Orders and clicks in the order of their times."""
    rng = random.Random(seed)
    times = sorted(DAY_START_MS + rng.randrange(span_ms) for _ in range(count))
    orders, clicks = [], []
    for n, at_ms in enumerate(times):
        merchant = f"m{int(rng.paretovariate(0.9)) % 40}"
        if rng.random() < 0.5:
            status = rng.choice(["paid"] * 6 + ["refunded", "cancelled", "created"])
            amount = rng.randrange(0, 10_000)
            again = rng.choice([{"first_order": False}, {"first_order": True}, {}])
            drawn = cut_fields(rng) | again
            orders.append(order(n, merchant, at_ms, amount=amount, status=status, **drawn))
        else:
            action = rng.choice(["view"] * 4 + ["cart", "favorite", "join"])
            source = rng.choice(["search", "map", "odd", None])
            clicks.append(
                click(n, merchant, at_ms, action=action, source=source, **cut_fields(rng))
                | {"visitor_id": f"v{n}"}
            )
    return orders, clicks


def values_of(event: Event) -> list[Value]:
    """The values of an event in every dimension, written once more, plainly."""
    channel, category = event.get("channel") or "unknown", event.get("category") or "unknown"
    tier = "unknown" if event.get("city_tier") is None else str(event["city_tier"])
    return [
        (CHANNEL, channel),
        (CATEGORY, category),
        (CITY_TIER, tier),
        (CHANNEL_TIER, f"{channel}|{tier}"),
    ]


def plainly(events: list[Event]) -> dict[Value, dict[str, int]]:
    """Every roll-up from the events themselves: as if each value were a merchant."""
    as_merchants = [{**e, "merchant_id": value} for e in events for value in values_of(e)]
    found: dict[Any, dict[str, int]] = recomputed(as_merchants)
    return found


def shown(rollups: Rollups) -> dict[Value, dict[str, int]]:
    """What the roll-ups say now."""
    sums = rollups.columns.sums(slice(len(rollups.values)))
    return {
        value: {
            f"{m}:{w}": int(sums[row, i, j]) for i, w in enumerate(WINDOWS) for j, m in enumerate(MEASURES)
        }
        for row, value in enumerate(rollups.values)
    }


def people_of(rollups: Rollups) -> dict[Value, list[list[float]]]:
    """Visitors, buyers and returning buyers of every value in every window that tells them."""
    rows = np.arange(len(rollups.values))
    told = rollup_rows(rollups, rows, OrdinaryCategories()).rows
    return {v: [[f.get(f"{d}:{w}", 0) for w in windows_of(d)] for d in TOLD] for v, f in told.items()}


def people_plainly(events: list[Event]) -> dict[Value, list[list[int]]]:
    """The same from the events themselves: who clicked, who paid, and who paid again, in each window."""
    newest = max(e["event_time"] for e in events)
    starts = {"5m": (newest // 5000 - 59) * 5000, "1h": (newest // MINUTE_MS - 59) * MINUTE_MS}
    starts |= {"day": (newest - DAY_START_MS) // DAY_MS * DAY_MS + DAY_START_MS, "sale": DAY_START_MS}
    found: dict[Value, list[list[set[str]]]] = {}
    for event in events:
        for value in values_of(event):
            people = found.setdefault(value, [[set() for _ in windows_of(d)] for d in TOLD])
            paid = event.get("status") == "paid"
            if not paid and "action" not in event:
                continue
            for place, window in enumerate(DISTINCT_WINDOWS):
                if event["event_time"] >= starts[window]:
                    people[paid][place].add(event["member_id"] if paid else event["visitor_id"])
                    if paid and event.get("first_order") is False and window in windows_of(TOLD[2]):
                        people[2][windows_of(TOLD[2]).index(window)].add(event["member_id"])
    return {v: [[len(who) for who in kind] for kind in kinds] for v, kinds in found.items()}


def shuffled_copies(events: list[Event], rng: random.Random) -> list[Event]:
    """Disorder within the lateness, and some events twice."""
    moved = sorted(events, key=lambda e: e["event_time"] + rng.randrange(LATENESS_MS))
    return [e for event in moved for e in ([event, event] if rng.random() < 0.05 else [event])]


def run(orders: list[Event], clicks: list[Event], seed: int, largest_batch: int) -> WarRoom:
    rng = random.Random(seed)
    room = WarRoom(rules(2, 2))
    queues: dict[tuple[str, int], list[Event]] = {}
    for kind, events in (("orders", orders), ("clicks", clicks)):
        for partition in range(2):
            queues[kind, partition] = shuffled_copies(events[partition::2], rng)
    while any(queues.values()):
        kind, partition = rng.choice([key for key, queue in queues.items() if queue])
        take = rng.randrange(1, largest_batch + 1)
        batch, queues[kind, partition] = queues[kind, partition][:take], queues[kind, partition][take:]
        send = room.send if kind == "orders" else room.send_clicks
        send(partition, [encoded(e) for e in batch])
    room.end()
    return room


@pytest.mark.parametrize("span_ms", [2 * MINUTE_MS, 3 * HOUR_MS, 2 * DAY_MS])
@settings(deadline=None, max_examples=10, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32), largest_batch=st.sampled_from([1, 20, 300]))
def test_roll_ups_equal_a_plain_recomputation(span_ms: int, seed: int, largest_batch: int) -> None:
    orders, clicks = seeded_night(seed, 300, span_ms)
    room = run(orders, clicks, seed, largest_batch)
    assert shown(room.rollups) == plainly(orders + clicks)


@settings(deadline=None, max_examples=10, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32))
def test_the_values_of_every_dimension_sum_to_all_merchants(seed: int) -> None:
    orders, clicks = seeded_night(seed, 300, DAY_MS)
    room = run(orders, clicks, seed, 50)
    total = sum(s.columns.sums(slice(len(s.merchants))).sum(axis=0) for s in room.shards)
    for dimension in DIMENSIONS:
        rows = [row for row, value in enumerate(room.rollups.values) if value[0] == dimension]
        assert np.array_equal(room.rollups.columns.sums(np.array(rows)).sum(axis=0), total)


@settings(deadline=None, max_examples=6, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32), span_ms=st.sampled_from([10 * MINUTE_MS, 2 * DAY_MS]))
def test_people_of_roll_ups_are_those_of_the_events(seed: int, span_ms: int) -> None:
    """Few people are counted right; 300 of 1,536 registers seldom meet: one may be missing, rarely two."""
    orders, clicks = seeded_night(seed, 300, span_ms)
    found = people_of(run(orders, clicks, seed, 40).rollups)
    expected = people_plainly(orders + clicks)
    assert found.keys() == expected.keys()
    for value, kinds in expected.items():
        for told, there in zip(found[value], kinds, strict=True):
            assert np.allclose(told, there, rtol=0.08, atol=2)


def test_fifty_thousand_visitors_of_a_channel_are_counted_within_four_standard_errors() -> None:
    room = WarRoom(rules(1, 1))
    for first in range(0, 100_000, 10_000):
        # Every visitor comes to two merchants and counts once in the channel.
        numbers = range(first, first + 10_000)
        clicks = [
            click(n, f"m{n % 2}", DAY_START_MS + n // 50, visitor_id=f"v{n % 50_000}", channel="amap")
            for n in numbers
        ]
        room.send_clicks(0, [encoded(c) for c in clicks])
    amap = people_of(room.rollups)[CHANNEL, "amap"]
    assert amap[0] == pytest.approx([50_000] * 4, rel=4 * SLIDING_ERROR)
    assert amap[1:] == [[0, 0, 0, 0], [0, 0]]
    assert room.rollups.people.nbytes < 4 << 20


def test_conversion_of_a_channel_is_its_buyers_over_its_visitors() -> None:
    room = WarRoom(rules(1, 1))
    room.send_clicks(0, [encoded(click(n, visitor_id=f"v{n}", channel="a")) for n in range(10)])
    room.send(0, [encoded(order(n, member_id=f"v{n % 2}", channel="a")) for n in range(4)])
    row = room.rollups.row_of((CHANNEL, "a"))
    fields = rollup_rows(room.rollups, np.array([row]), OrdinaryCategories()).rows[CHANNEL, "a"]
    assert (fields["visitors:day"], fields["buyers:day"], fields["conversion:day"]) == (10, 2, 0.2)


def fields_of_channel(room: WarRoom, channel: str) -> dict[str, int | float]:
    row = room.rollups.row_of((CHANNEL, channel))
    return rollup_rows(room.rollups, np.array([row]), OrdinaryCategories()).rows[CHANNEL, channel]


def test_who_returns_to_any_merchant_of_a_channel_is_its_returning_buyer_once() -> None:
    room = WarRoom(rules(1, 1))
    said = [
        ("m1", "u1", False),
        ("m2", "u1", False),
        ("m2", "u1", True),
        ("m1", "u2", True),
        ("m1", "u3", None),
    ]
    room.send(
        0, [encoded(order(n, m, member_id=u, channel="a", first_order=f)) for n, (m, u, f) in enumerate(said)]
    )
    fields = fields_of_channel(room, "a")
    assert (fields["buyers:day"], fields["returning_buyers:day"]) == (3, 1)
    assert fields["repurchase_rate:day"] == pytest.approx(1 / 3)
    assert "returning_buyers:1h" not in fields


def test_nothing_is_told_of_returning_buyers_where_no_order_says_that_it_is_not_the_first() -> None:
    room = WarRoom(rules(1, 1))
    room.send(0, [encoded(order(n, channel="a")) for n in range(5)])
    room.send(0, [encoded(order(6, member_id="u6", channel="b", first_order=False))])
    fields = fields_of_channel(room, "a")
    assert fields["buyers:day"] == 5
    assert not {"returning_buyers:day", "repurchase_rate:day", "repeat_buyers:day"} & fields.keys()


def test_twenty_thousand_returning_buyers_are_counted_within_four_standard_errors() -> None:
    room = WarRoom(rules(1, 1))
    for first in range(0, 40_000, 10_000):
        orders = [
            order(
                n,
                f"m{n % 3}",
                DAY_START_MS + n // 50,
                member_id=f"v{n}",
                channel="amap",
                first_order=n % 2 == 0,
            )
            for n in range(first, first + 10_000)
        ]
        room.send(0, [encoded(o) for o in orders])
    fields = fields_of_channel(room, "amap")
    for window in ("day", "sale"):
        assert fields[f"returning_buyers:{window}"] == pytest.approx(20_000, rel=4 * SLIDING_ERROR)
        assert fields[f"repurchase_rate:{window}"] == pytest.approx(0.5, rel=8 * SLIDING_ERROR)
        assert fields[f"returning_buyers:{window}"] <= fields[f"buyers:{window}"]


def test_an_old_event_counts_in_a_roll_up_exactly_if_it_counts_at_its_merchant() -> None:
    room = WarRoom(rules(1, 1, sale_opens_ms=None))
    now_ms = DAY_START_MS + 20 * HOUR_MS
    room.send(0, [encoded(order(1, at_ms=now_ms, channel="koubei"))])
    room.send_clicks(0, [encoded(click(1, at_ms=now_ms, channel="koubei"))])
    of_today, too_old = DAY_START_MS + HOUR_MS, DAY_START_MS - 1
    old = [order(n, at_ms=t, channel="koubei", first_order=False) for n, t in ((2, of_today), (3, too_old))]
    room.send(0, [encoded(o) for o in old])
    joins = [(2, of_today), (3, of_today), (4, too_old)]
    room.send_clicks(
        0, [encoded(click(n, at_ms=t, action="join", visitor_id="v", channel="koubei")) for n, t in joins]
    )
    fields = shown(room.rollups)[CHANNEL, "koubei"]
    assert (fields["orders:day"], fields["orders:12h"], fields["new_members:day"]) == (2, 1, 1)
    assert [letter.reason for letter in room.dead_letters] == ["late", "late"]
    koubei = room.rollups.row_of((CHANNEL, "koubei"))
    shown_now = fields_of_channel(room, "koubei")
    assert [shown_now[f"{kind}:day"] for kind in TOLD] == [2, 2, 1]
    assert room.rollups.events[koubei] == 5  # two orders, one view, two old joins of which one counts


def test_a_join_told_twice_counts_once_under_the_channel_of_the_first() -> None:
    room = WarRoom(rules(1, 1))
    room.send_clicks(0, [encoded(click(1, action="join", visitor_id="v", channel="amap", city_tier=2))])
    room.send_clicks(0, [encoded(click(2, action="join", visitor_id="v", channel="eleme"))])
    members = {v: f["new_members:day"] for v, f in shown(room.rollups).items() if f["new_members:day"]}
    assert members == {
        (CHANNEL, "amap"): 1,
        (CATEGORY, "unknown"): 1,
        (CITY_TIER, "2"): 1,
        (CHANNEL_TIER, "amap|2"): 1,
    }


def test_values_beyond_the_first_two_hundred_are_other_and_counted() -> None:
    room = WarRoom(rules())
    for _ in range(2):
        room.send(0, [encoded(order(n, channel=f"c{n:03d}", city_tier=n)) for n in range(VALUES_SHOWN + 50)])
        room.horizon_ms = 0
    fields = shown(room.rollups)
    channels = [value for value in fields if value[0] == CHANNEL]
    assert len(channels) == VALUES_SHOWN + 1
    assert fields[CHANNEL, "c199"]["orders:day"] == 1
    assert fields[CHANNEL, "other"]["orders:day"] == 50
    assert fields[CITY_TIER, "other"]["orders:day"] == 50
    assert room.rollups.others == {CHANNEL: 50, CATEGORY: 0, CITY_TIER: 50, CHANNEL_TIER: 50}


def test_a_million_distinct_channels_hold_no_more_rows_than_two_hundred() -> None:
    rollups = Rollups(RollupRules(("orders/0",), LATENESS_MS, "Asia/Shanghai", None))
    size = 5_000
    for first in range(0, 1_000_000, size):
        names = [(CHANNEL, f"c{n}") for n in range(first, first + size)]
        ones = np.ones(size, np.int64)
        sums = np.zeros((size, len(MEASURES)), np.int64)
        sums[:, ORDERS] = 1
        buckets = np.full(size, DAY_START_MS // 5000)
        value = np.arange(size, dtype=np.int32)
        rollups.take(RollupDelta(None, DAY_START_MS, names, value, buckets, sums, ones, People.nobody()))
    assert len(rollups.values) == VALUES_SHOWN + 1
    assert rollups.others[CHANNEL] == 1_000_000 - VALUES_SHOWN
    assert rollups.nbytes < 8 << 20


class AlwaysTurn(RebaseTurns):
    def take(self) -> bool:
        return True


def deltas_of(seed: int) -> list[RollupDelta]:
    """What the roll-ups are sent in a night of two days."""
    orders, clicks = seeded_night(seed, 200, 2 * DAY_MS)
    sent: list[RollupDelta] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rollups, "take", lambda _, delta: sent.append(delta))
        run(orders, clicks, seed, 20)
    return sent


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32), kills=st.lists(st.integers(0, 200), max_size=3), rebase=st.booleans())
def test_roll_ups_that_are_killed_and_resume_equal_those_that_ran_through(
    seed: int, kills: list[int], rebase: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """At a kill what was taken since the last snapshot is lost and is sent once more."""
    deltas = deltas_of(seed)
    through = Rollups(RULES)
    for delta in deltas:
        through.take(delta)

    directory: Path = tmp_path_factory.mktemp("rollups")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(state_files, "SMALLEST_JOURNAL_BYTES", 2000 if rebase else 1 << 40)
        store, killed = RollupStore(directory, "run-0", AlwaysTurn()), Rollups(RULES)
        killed.noting = True
        ref, at = store.save(killed), 0
        for run_number, kill in enumerate(sorted(k % (len(deltas) + 1) for k in kills)):
            for number in range(at, max(at, kill)):
                killed.take(RollupDelta.from_bytes(deltas[number].to_bytes()))
                if number % 7 == 0:
                    ref, at = store.save(killed), number + 1
            store = RollupStore(directory, f"run-{run_number + 1}", AlwaysTurn())
            killed = store.load(ref, RULES)
            killed.noting = True
        for delta in deltas[at:]:
            killed.take(delta)
    assert killed.values == through.values
    assert shown(killed) == shown(through)
    assert killed.others == through.others
    assert people_of(killed) == people_of(through)


RULES = RollupRules(
    ("orders/0", "orders/1", "clicks/0", "clicks/1"), LATENESS_MS, "Asia/Shanghai", DAY_START_MS
)
