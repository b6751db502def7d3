"""The same order id and status twice within the horizon is counted once."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.dedup import FIRST_TABLE_SLOTS, Dedup, DedupBudget
from operators.dedup_store import DedupStore
from tests.operators.night import DAY_START_MS, WarRoom, encoded, order, rules

HORIZON_MS = 600_000
PLENTY = 1 << 30


def mark(dedup: Dedup, keys: list[int], times_ms: list[int]) -> list[bool]:
    """Which of the events are copies."""
    outcome = np.zeros(len(keys), np.uint8)
    dedup.mark(np.array(keys, np.uint64), np.array(times_ms, np.int64), outcome)
    return [bool(o) for o in outcome]


def remembered_copies(keys: list[int], times_ms: list[int]) -> list[bool]:
    """The rule, the slow way: half-horizon slices of the partition's own progress, three of them live."""
    slice_ms = HORIZON_MS // 2
    slices: dict[int, set[int]] = {}
    newest = -1
    copies = []
    for key, time_ms in zip(keys, times_ms, strict=True):
        newest = max(newest, time_ms)
        current = newest // slice_ms
        live = [s for s in slices if s >= current - 2]
        copy = any(key in slices[s] for s in live)
        copies.append(copy)
        if not copy:
            slices.setdefault(current, set()).add(key)
    return copies


def test_a_copy_in_the_same_batch_is_marked() -> None:
    assert mark(Dedup(HORIZON_MS, DedupBudget(PLENTY)), [7, 8, 7], [1, 2, 3]) == [False, False, True]


def test_a_copy_at_exactly_one_horizon_is_still_recognised() -> None:
    dedup = Dedup(HORIZON_MS, DedupBudget(PLENTY))
    assert mark(dedup, [7], [0]) == [False]
    assert mark(dedup, [8, 7], [HORIZON_MS, HORIZON_MS]) == [False, True]


def test_an_order_is_forgotten_one_and_a_half_horizons_later() -> None:
    dedup = Dedup(HORIZON_MS, DedupBudget(PLENTY))
    mark(dedup, [7], [0])
    assert mark(dedup, [7], [HORIZON_MS * 3 // 2]) == [False]


def test_the_same_order_with_another_status_is_no_copy() -> None:
    room = WarRoom(rules())
    room.send(0, [encoded(order(1)), encoded(order(1, status="refunded")), encoded(order(1))])
    assert room.duplicates == 1
    fields = room.results()["m1"]
    assert (fields["orders:day"], fields["refunds:day"]) == (1, 100)


def test_a_copy_in_another_partition_is_not_recognised() -> None:
    room = WarRoom(rules(2))
    room.send(0, [encoded(order(1))])
    room.send(1, [encoded(order(1))])
    assert room.duplicates == 0


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 60), st.integers(-400_000, 400_000)), min_size=1, max_size=200),
    st.lists(st.integers(0, 200), max_size=6),
)
def test_what_is_a_copy_depends_on_event_time_alone_not_on_batches(
    steps: list[tuple[int, int]], cuts: list[int]
) -> None:
    keys = [key for key, _ in steps]
    times, now = [], DAY_START_MS
    for _, step in steps:
        now = max(DAY_START_MS, now + step)
        times.append(now)
    dedup = Dedup(HORIZON_MS, DedupBudget(PLENTY))
    edges = sorted({0, len(keys), *(min(c, len(keys)) for c in cuts)})
    found = [
        copy for start, stop in pairwise(edges) for copy in mark(dedup, keys[start:stop], times[start:stop])
    ]
    assert found == remembered_copies(keys, times)


def test_tables_grow_and_still_know_every_order() -> None:
    dedup = Dedup(HORIZON_MS, DedupBudget(PLENTY))
    keys = list(range(1, 4 * FIRST_TABLE_SLOTS))
    assert not any(mark(dedup, keys, [0] * len(keys)))
    assert all(mark(dedup, keys, [1] * len(keys)))


def test_memory_stays_within_its_bound_and_the_shrunk_horizon_is_counted() -> None:
    budget = DedupBudget(8 * FIRST_TABLE_SLOTS * 4)
    dedup = Dedup(HORIZON_MS, budget)
    for start in range(1, 400_000, 10_000):
        mark(dedup, list(range(start, start + 10_000)), [start] * 10_000)
        assert budget.used_bytes == sum(t.slots.nbytes for t in dedup) <= budget.limit_bytes
    assert budget.shrunk_total > 0
    assert budget.ids == sum(t.count for t in dedup)
    assert all(mark(dedup, [399_999, 399_998], [400_000] * 2))


def test_remembered_orders_survive_a_restart_and_uncommitted_ones_do_not(tmp_path: Path) -> None:
    store = DedupStore(tmp_path, "run-1")
    dedup = Dedup(HORIZON_MS, DedupBudget(PLENTY))
    mark(dedup, [1, 2], [0, HORIZON_MS])
    store.save(dedup)
    mark(dedup, [3], [HORIZON_MS])
    committed = store.save(dedup)
    mark(dedup, [4], [HORIZON_MS])
    store.save(dedup)  # never committed: the process was killed before the epoch was
    again = Dedup(HORIZON_MS, DedupBudget(PLENTY))
    store = DedupStore(tmp_path, "run-2")
    store.load(committed, again)
    assert mark(again, [1, 2, 3, 4], [HORIZON_MS] * 4) == [True, True, True, False]
    third = Dedup(HORIZON_MS, DedupBudget(PLENTY))
    DedupStore(tmp_path, "run-3").load(store.save(again), third)
    assert mark(third, [1, 2, 3, 4, 5], [HORIZON_MS] * 5) == [True, True, True, True, False]


def test_a_snapshot_costs_what_is_new(tmp_path: Path) -> None:
    store = DedupStore(tmp_path, "run-1")
    dedup = Dedup(HORIZON_MS, DedupBudget(PLENTY))
    mark(dedup, list(range(1, 5001)), [0] * 5000)
    before = store.save(dedup)[0].length
    mark(dedup, [9001, 9002], [0, 0])
    assert store.save(dedup)[0].length - before == 2 * 8


def test_files_of_forgotten_slices_are_removed(tmp_path: Path) -> None:
    store = DedupStore(tmp_path, "run-1")
    dedup = Dedup(HORIZON_MS, DedupBudget(PLENTY))
    for number in range(30):
        mark(dedup, [number + 1], [number * HORIZON_MS])
        state = store.save(dedup)
    named = {ref.file for ref in state}
    assert named <= {p.name for p in tmp_path.iterdir()}
    assert len(list(tmp_path.iterdir())) <= len(named) + 11


def test_clicks_leave_orders_their_part_of_the_memory() -> None:
    whole = DedupBudget(8 * FIRST_TABLE_SLOTS * 8)
    clicks = DedupBudget(6 * FIRST_TABLE_SLOTS * 8, whole)
    seen, bought = Dedup(HORIZON_MS, clicks), Dedup(HORIZON_MS, whole)
    mark(seen, list(range(1, 20 * FIRST_TABLE_SLOTS)), [0] * (20 * FIRST_TABLE_SLOTS - 1))
    assert clicks.used_bytes <= clicks.limit_bytes
    assert clicks.shrunk_total > 0
    orders = list(range(1, FIRST_TABLE_SLOTS))
    mark(bought, orders, [0] * len(orders))
    assert all(mark(bought, orders, [1] * len(orders)))
    assert whole.used_bytes <= whole.limit_bytes
    assert (whole.ids, whole.shrunk_total) == (clicks.ids + len(orders), clicks.shrunk_total)
