"""A join counts once per merchant and visitor, wherever and however often it is told."""

from __future__ import annotations

import pickle
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.added import CLICKS_WIDE, ORDERS_WIDE
from operators.decode import raw_batch
from operators.delta import ShardDelta
from operators.joins import FIRST_SLOTS, MAX_LOAD, JoinMemory
from operators.merged_delta import merge_deltas
from operators.shard import Shard
from operators.shard_store import ShardStore
from operators.state_files import RebaseTurns
from schemas.windows import DAY_MS, MINUTE_MS, NEW_MEMBERS
from tests.operators.night import DAY_START_MS, WarRoom, click, encoded, order, rules

PLENTY = 1 << 24


def join(number: int, visitor: str, merchant: str = "m1", at_ms: int = DAY_START_MS) -> bytes:
    return encoded(click(number, merchant, at_ms, visitor_id=visitor, action="join"))


def members(room: WarRoom, merchant: str = "m1", window: str = "sale") -> int:
    return int(room.results()[merchant][f"new_members:{window}"])


def first_ones(memory: JoinMemory, people: list[int], merchant: int = 1) -> int:
    """How many of the joins, in order, count."""
    clicks = np.zeros((1, CLICKS_WIDE), np.int64)
    count = len(people)
    memory.count(
        np.zeros(count, np.int32), np.array(people, np.uint64), np.array([merchant], np.uint64),
        np.ones(1, np.bool_), clicks,
    )  # fmt: skip
    return int(clicks[0, NEW_MEMBERS - ORDERS_WIDE])


def test_a_visitor_who_joins_twice_is_one_new_member() -> None:
    room = WarRoom(rules(1, 1))
    room.send_clicks(0, [join(1, "a"), join(2, "a"), join(3, "b")])
    assert members(room) == 2


def test_a_join_repeated_from_another_partition_or_hours_later_does_not_count() -> None:
    room = WarRoom(rules(1, 2))
    room.send_clicks(0, [join(1, "a")])
    room.send_clicks(1, [join(2, "a"), join(3, "a", at_ms=DAY_START_MS + 90 * MINUTE_MS)])
    assert members(room) == 1


def test_the_same_visitor_may_join_several_merchants() -> None:
    room = WarRoom(rules(1, 1))
    room.send_clicks(0, [join(n, "a", merchant=f"m{n}") for n in range(5)])
    assert [members(room, f"m{n}") for n in range(5)] == [1] * 5


def test_a_copy_of_a_join_is_a_duplicate_and_no_repeated_join() -> None:
    room = WarRoom(rules(1, 1))
    room.send_clicks(0, [join(1, "a"), join(1, "a")])
    assert (room.duplicates, sum(s.joins.repeated for s in room.shards)) == (1, 0)


def test_a_late_join_is_a_dead_letter_and_is_not_remembered() -> None:
    room = WarRoom(rules(1, 1, sale_opens_ms=None))
    now_ms = DAY_START_MS + 2 * DAY_MS
    room.send(0, [encoded(order(1, at_ms=now_ms))])
    room.send_clicks(0, [join(1, "b", at_ms=now_ms)])
    late = join(2, "a")
    room.send_clicks(0, [late])
    assert [(x.reason, x.topic, x.value) for x in room.dead_letters] == [("late", "clicks", late)]
    room.send_clicks(0, [join(3, "a", at_ms=now_ms)])
    assert members(room, window="day") == 2


def test_a_join_that_is_not_late_only_because_others_are_behind_takes_no_later_ones_place() -> None:
    room = WarRoom(rules(1, 1, sale_opens_ms=None))
    now_ms = DAY_START_MS + 2 * DAY_MS
    room.send(0, [encoded(order(1, at_ms=DAY_START_MS))])  # the watermark stays here
    room.send_clicks(0, [join(1, "b", at_ms=now_ms)])
    room.send_clicks(0, [join(2, "a")])  # of the day before yesterday: no window shows it
    room.send_clicks(0, [join(3, "a", at_ms=now_ms)])
    assert room.dead_letters == []
    assert members(room, window="day") == 2


def test_an_old_join_that_some_window_still_keeps_counts_once() -> None:
    room = WarRoom(rules(1, 1))
    room.send(0, [encoded(order(1, at_ms=DAY_START_MS + 20 * 60 * MINUTE_MS))])
    room.send_clicks(0, [join(1, "b", at_ms=DAY_START_MS + 20 * 60 * MINUTE_MS)])
    room.send_clicks(0, [join(2, "a"), join(3, "a", at_ms=DAY_START_MS + 1)])
    assert members(room) == 2


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 400)), max_size=900))
def test_first_joins_are_those_of_a_plain_set(joins: list[tuple[int, int]]) -> None:
    memory = JoinMemory(PLENTY)
    for merchant in range(4):
        people = [p for m, p in joins if m == merchant]
        assert first_ones(memory, people, merchant + 1) == len(set(people))
    assert len(memory) == len(set(joins))
    assert memory.repeated == len(joins) - len(set(joins))


def test_memory_stays_bounded_and_the_younger_joins_are_remembered() -> None:
    memory = JoinMemory(4 * FIRST_SLOTS * 8)
    held = int(2 * FIRST_SLOTS * MAX_LOAD)
    for person in range(10 * held):
        assert first_ones(memory, [person]) == 1
    assert memory.nbytes <= 4 * FIRST_SLOTS * 8
    assert memory.forgotten > 0
    assert first_ones(memory, list(range(9 * held, 10 * held))) == 0


def test_a_merchant_with_a_million_joins_is_counted_exactly() -> None:
    memory = JoinMemory(1 << 26)
    people = [*range(1, 1_000_001), *range(1, 1_000_001)]
    assert first_ones(memory, people) == 1_000_000
    assert memory.nbytes <= 1 << 26


def test_what_is_remembered_survives_a_dump() -> None:
    memory = JoinMemory(PLENTY)
    first_ones(memory, list(range(1000)))
    again = pickle.loads(pickle.dumps(memory))
    assert (len(again), again.nbytes) == (len(memory), memory.nbytes)
    assert first_ones(again, [*range(500, 1500)]) == 500


class AlwaysTurn(RebaseTurns):
    def take(self) -> bool:
        return True


def deltas_of_shard(seed: int, shard: int) -> list[ShardDelta]:
    """Deltas of one shard with many repeated joins from three partitions, some of them old."""
    rng = random.Random(seed)
    room = WarRoom(rules(1, 3, sale_opens_ms=DAY_START_MS))
    found = []
    number = 0
    for step in range(40):
        partition = rng.randrange(3)
        values: list[bytes | None] = []
        for _ in range(rng.randrange(1, 30)):
            number += 1
            behind_ms = rng.choice([0, 0, 0, 13 * 60 * MINUTE_MS])
            at_ms = DAY_START_MS + max(0, step * 25 * MINUTE_MS - behind_ms)
            values.append(join(number, f"v{rng.randrange(40)}", f"m{rng.randrange(60)}", at_ms))
        output = room.click_lanes[partition].take(raw_batch("clicks", partition, step * 100, values, -1))
        found += [d for _, d in output.to_shards if d.shard == shard]
    return found


def columns_of(shard: Shard) -> dict[str, list[int]]:
    texts = [shard.merchants.text(row) for row in range(len(shard.merchants))]
    return {m: shard.columns.sums(slice(row, row + 1)).ravel().tolist() for row, m in enumerate(texts)}


@pytest.mark.parametrize("joins_bytes", [1 << 20, 4096])
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32), stop=st.integers(0, 40))
def test_a_shard_that_stops_and_resumes_counts_each_join_as_if_it_had_not(
    joins_bytes: int, seed: int, stop: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    deltas = deltas_of_shard(seed, 5)
    shard_rules = rules(1, 3, joins_bytes=joins_bytes)
    plain = Shard(5, shard_rules)
    for delta in deltas:
        plain.take(delta)

    directory: Path = tmp_path_factory.mktemp("joins")
    shard, store = Shard(5, shard_rules), ShardStore(directory, 5, "run-1", AlwaysTurn())
    for delta in deltas[:stop]:
        before = shard.closing.next_minute
        shard.take(ShardDelta.from_bytes(delta.to_bytes()))
        store.note(delta, shard.closing.next_minute != before)
    ref = store.save(shard, -1)
    resumed = ShardStore(directory, 5, "run-2", AlwaysTurn()).load(ref, shard_rules)
    for delta in deltas[stop:]:
        resumed.take(delta)
    assert columns_of(resumed) == columns_of(plain)
    assert (len(resumed.joins), resumed.joins.repeated) == (len(plain.joins), plain.joins.repeated)


def test_merged_deltas_keep_the_order_of_joins() -> None:
    deltas = [d for d in deltas_of_shard(7, 5) if not d.suspects][:6]
    merged = merge_deltas(deltas)
    people = np.concatenate([d.joins.people for d in deltas])
    hashes = np.concatenate([d.id_hashes[d.joins.rows] for d in deltas])
    assert merged.joins.people.tolist() == people.tolist()
    assert merged.id_hashes[merged.joins.rows].tolist() == hashes.tolist()
