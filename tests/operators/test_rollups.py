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
from operators.rollup_delta import RollupDelta, Value
from operators.rollup_store import RollupStore
from operators.rollups import RollupRules, Rollups
from operators.state_files import RebaseTurns
from schemas.rollups import CATEGORY, CHANNEL, CHANNEL_TIER, CITY_TIER, DIMENSIONS, VALUES_SHOWN
from schemas.windows import DAY_MS, HOUR_MS, LATENESS_MS, MEASURES, MINUTE_MS, ORDERS, WINDOWS
from tests.operators.night import DAY_START_MS, WarRoom, click, encoded, order, recomputed, rules

Event = dict[str, Any]
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
            orders.append(order(n, merchant, at_ms, amount=amount, status=status, **cut_fields(rng)))
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
    return {
        value: {
            f"{m}:{w}": int(rollups.columns.sums[row, i, j])
            for i, w in enumerate(WINDOWS)
            for j, m in enumerate(MEASURES)
        }
        for row, value in enumerate(rollups.values)
    }


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
    total = sum(s.columns.sums[: len(s.merchants)].sum(axis=0) for s in room.shards)
    for dimension in DIMENSIONS:
        rows = [row for row, value in enumerate(room.rollups.values) if value[0] == dimension]
        assert np.array_equal(room.rollups.columns.sums[rows].sum(axis=0), total)


def test_an_old_event_counts_in_a_roll_up_exactly_if_it_counts_at_its_merchant() -> None:
    room = WarRoom(rules(1, 1, sale_opens_ms=None))
    now_ms = DAY_START_MS + 20 * HOUR_MS
    room.send(0, [encoded(order(1, at_ms=now_ms, channel="koubei"))])
    room.send_clicks(0, [encoded(click(1, at_ms=now_ms, channel="koubei"))])
    of_today, too_old = DAY_START_MS + HOUR_MS, DAY_START_MS - 1
    room.send(0, [encoded(order(n, at_ms=t, channel="koubei")) for n, t in ((2, of_today), (3, too_old))])
    joins = [(2, of_today), (3, of_today), (4, too_old)]
    room.send_clicks(
        0, [encoded(click(n, at_ms=t, action="join", visitor_id="v", channel="koubei")) for n, t in joins]
    )
    fields = shown(room.rollups)[CHANNEL, "koubei"]
    assert (fields["orders:day"], fields["orders:12h"], fields["new_members:day"]) == (2, 1, 1)
    assert [letter.reason for letter in room.dead_letters] == ["late", "late"]
    koubei = room.rollups.row_of((CHANNEL, "koubei"))
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
        rollups.take(
            RollupDelta(None, DAY_START_MS, names, np.arange(size, dtype=np.int32), buckets, sums, ones)
        )
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


RULES = RollupRules(
    ("orders/0", "orders/1", "clicks/0", "clicks/1"), LATENESS_MS, "Asia/Shanghai", DAY_START_MS
)
