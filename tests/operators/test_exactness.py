"""Whatever the interleaving, the batches and the disorder within the lateness: the same exact results."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from operators.click_scan import SOURCES
from schemas.windows import DAY_MS, HOUR_MS, LATENESS_MS, MINUTE_MS
from tests.operators.night import (
    DAY_START_MS,
    WarRoom,
    click,
    encoded,
    flat_baseline,
    order,
    recomputed,
    recomputed_hundreds,
    recomputed_peaks,
    rules,
)


def seeded_orders(seed: int, count: int, span_ms: int) -> list[dict[str, Any]]:
    rng = random.Random(seed)
    times = sorted(rng.randrange(span_ms) for _ in range(count))
    return [
        order(
            n,
            merchant=f"m{int(rng.paretovariate(0.9)) % 40}",
            at_ms=DAY_START_MS + at,
            amount=rng.randrange(0, 10_000),
            quantity=rng.randrange(1, 4),
            status=rng.choice(["paid"] * 8 + ["refunded", "cancelled", "created"]),
        )
        for n, at in enumerate(times)
    ]


def seeded_clicks(seed: int, count: int, span_ms: int) -> list[dict[str, Any]]:
    """Clicks of which every join is by another visitor: which of two would count depends on the run."""
    rng = random.Random(seed)
    times = sorted(rng.randrange(span_ms) for _ in range(count))
    sources = [*SOURCES, "elsewhere", None]
    return [
        click(
            n,
            merchant=f"m{int(rng.paretovariate(0.9)) % 40}",
            at_ms=DAY_START_MS + at,
            visitor_id=f"v{n}",
            action=rng.choice(["view"] * 6 + ["cart", "favorite", "join", "join"]),
            source=rng.choice(sources),
        )
        for n, at in enumerate(times)
    ]


def shuffled_within_lateness(events: list[dict[str, Any]], rng: random.Random) -> list[dict[str, Any]]:
    return sorted(events, key=lambda e: e["event_time"] + rng.randrange(LATENESS_MS))


def run(
    events: list[dict[str, Any]],
    seed: int,
    partitions: int,
    largest_batch: int,
    click_partitions: int = 0,
    **shard_rules: Any,  # noqa: ANN401
) -> WarRoom:
    """All events through a war room, in partitions, batches and an order that ``seed`` draws."""
    rng = random.Random(seed)
    room = WarRoom(rules(partitions, click_partitions, **shard_rules))
    room.know(*(flat_baseline(f"m{i}") for i in range(0, 40, 2)))
    queues: list[list[dict[str, Any]]] = [[] for _ in range(partitions + click_partitions)]
    for event in events:
        first, count = (0, partitions) if "status" in event else (partitions, click_partitions)
        queues[first + rng.randrange(count)].append(event)
    queues = [shuffled_within_lateness(q, rng) for q in queues]
    while any(queues):
        queue = rng.choice([p for p, q in enumerate(queues) if q])
        take = rng.randrange(1, largest_batch + 1)
        batch, queues[queue] = queues[queue][:take], queues[queue][take:]
        if queue < partitions:
            room.send(queue, [encoded(e) for e in batch])
        else:
            room.send_clicks(queue - partitions, [encoded(e) for e in batch])
    room.end()
    return room


@pytest.mark.parametrize("span_ms", [2 * MINUTE_MS, 3 * HOUR_MS, DAY_MS - 1, 2 * DAY_MS])
@settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 2**32),
    partitions=st.integers(1, 4),
    largest_batch=st.sampled_from([1, 7, 50, 400]),
)
def test_measures_and_peaks_equal_a_plain_recomputation(
    span_ms: int, seed: int, partitions: int, largest_batch: int
) -> None:
    events = seeded_orders(seed, 300, span_ms)
    room = run(events, seed, partitions, largest_batch)
    found = room.results()
    expected = recomputed(events)
    assert room.dead_letters == []
    sold = {m: f for m, f in found.items() if f["event_time"] >= 0}
    assert {m: {k: f[k] for k in expected[m]} for m, f in sold.items()} == expected
    newest = max(e["event_time"] for e in events)
    peaks = recomputed_peaks(events, (newest // MINUTE_MS + 1) * MINUTE_MS)
    with_baseline = {m: p for m, p in peaks.items() if int(m[1:]) % 2 == 0}
    assert {
        m: (round(f["peak"] * 2400), f["peak_at"]) for m, f in found.items() if "peak" in f
    } == with_baseline


def assert_equals_recomputation(room: WarRoom, events: list[dict[str, Any]]) -> None:
    expected = recomputed(events)
    found = {m: f for m, f in room.results().items() if f["event_time"] >= 0}
    assert room.dead_letters == []
    assert {m: {k: f[k] for k in expected[m]} for m, f in found.items()} == expected


@pytest.mark.parametrize("span_ms", [2 * MINUTE_MS, 3 * HOUR_MS, DAY_MS - 1, 2 * DAY_MS])
@settings(deadline=None, max_examples=10, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 2**32),
    partitions=st.integers(1, 2),
    click_partitions=st.integers(1, 3),
    largest_batch=st.sampled_from([1, 7, 50, 400]),
)
def test_orders_and_clicks_together_equal_a_plain_recomputation(
    span_ms: int, seed: int, partitions: int, click_partitions: int, largest_batch: int
) -> None:
    events = seeded_orders(seed, 100, span_ms) + seeded_clicks(seed, 300, span_ms)
    room = run(events, seed, partitions, largest_batch, click_partitions)
    assert_equals_recomputation(room, events)


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 2**32),
    click_partitions=st.integers(1, 3),
    largest_batch=st.sampled_from([7, 50, 400]),
)
def test_hours_to_the_hundredth_new_member_are_the_same_in_every_run(
    seed: int, click_partitions: int, largest_batch: int
) -> None:
    rng = random.Random(seed)
    span_ms = rng.choice([20 * MINUTE_MS, 5 * HOUR_MS])
    sale_ms = DAY_START_MS + span_ms // 4 // MINUTE_MS * MINUTE_MS
    joins = [e | {"action": "join"} for e in seeded_clicks(seed, 700, span_ms)]
    newest_ms = max(e["event_time"] for e in joins)
    room = run(joins, seed, 1, largest_batch, click_partitions, sale_opens_ms=sale_ms)
    closed_ms = (newest_ms // MINUTE_MS + 1) * MINUTE_MS
    found = room.results()
    day, sale = ({m: f[k] for m, f in found.items() if k in f} for k in ("hundred", "hundred_sale"))
    assert day == pytest.approx(recomputed_hundreds(joins, closed_ms))
    assert sale == pytest.approx(recomputed_hundreds(joins, closed_ms, sale_ms))


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32), click_partitions=st.integers(1, 3))
def test_repeated_joins_change_no_count_whatever_partition_they_come_from(
    seed: int, click_partitions: int
) -> None:
    rng = random.Random(seed)
    joins = [e | {"action": "join"} for e in seeded_clicks(seed, 120, 50 * MINUTE_MS)]
    again = [
        e
        | {
            "event_id": f"again-{n}",
            "event_time": min(e["event_time"] + rng.randrange(60_000), DAY_START_MS + DAY_MS),
        }
        for n, e in enumerate(rng.sample(joins, 60))
    ]
    room = run(joins + again, seed, 1, 40, click_partitions)
    found = {m: f["new_members:day"] for m, f in room.results().items() if f["event_time"] >= 0}
    assert found == {m: f["new_members:day"] for m, f in recomputed(joins).items()}
    assert sum(s.joins.repeated for s in room.shards) == len(again)


def test_a_new_day_begins_without_its_hundredth_new_member() -> None:
    room = WarRoom(rules(1, 1))
    joins = [click(n, at_ms=DAY_START_MS + n, visitor_id=f"v{n}", action="join") for n in range(100)]
    room.send(0, [encoded(order(1, at_ms=DAY_START_MS + 2 * MINUTE_MS))])
    room.send_clicks(0, [encoded(j) for j in joins])
    room.send_clicks(0, [encoded(click(1000, at_ms=DAY_START_MS + 2 * MINUTE_MS))])
    assert room.results()["m1"]["hundred"] == 1 / 60
    later_ms = DAY_START_MS + DAY_MS + 2 * MINUTE_MS
    room.send(0, [encoded(order(2, at_ms=later_ms))])
    room.send_clicks(0, [encoded(click(1001, at_ms=later_ms))])
    found = room.results()["m1"]
    assert "hundred" not in found
    assert found["hundred_sale"] == 1 / 60
