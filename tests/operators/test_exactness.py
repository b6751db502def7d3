"""Whatever the interleaving, the batches and the disorder within the lateness: the same exact results."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.windows import DAY_MS, HOUR_MS, LATENESS_MS, MINUTE_MS
from tests.operators.night import (
    DAY_START_MS,
    WarRoom,
    encoded,
    flat_baseline,
    order,
    recomputed,
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


def shuffled_within_lateness(events: list[dict[str, Any]], rng: random.Random) -> list[dict[str, Any]]:
    return sorted(events, key=lambda e: e["event_time"] + rng.randrange(LATENESS_MS))


def run(events: list[dict[str, Any]], seed: int, partitions: int, largest_batch: int) -> WarRoom:
    rng = random.Random(seed)
    room = WarRoom(rules(partitions))
    room.know(*(flat_baseline(f"m{i}") for i in range(0, 40, 2)))
    queues: list[list[dict[str, Any]]] = [[] for _ in range(partitions)]
    for event in events:
        queues[rng.randrange(partitions)].append(event)
    queues = [shuffled_within_lateness(q, rng) for q in queues]
    while any(queues):
        partition = rng.choice([p for p, q in enumerate(queues) if q])
        take = rng.randrange(1, largest_batch + 1)
        batch, queues[partition] = queues[partition][:take], queues[partition][take:]
        room.send(partition, [encoded(e) for e in batch])
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
