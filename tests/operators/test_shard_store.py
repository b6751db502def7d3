"""A shard comes back from its files exactly as it was at the committed snapshot."""

from __future__ import annotations

import random
import shutil
from dataclasses import astuple
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import operators.state_files as state_files
from operators.batches import NO_EVENT_MS, Standing
from operators.delta import ShardBaselines, ShardDelta
from operators.merged_delta import merge_deltas
from operators.people_span import Era, Span
from operators.shard import STATE_LAYOUT, Shard
from operators.shard_logic import ShardInput, merged
from operators.shard_store import ShardRef, ShardStore
from operators.state_files import RebaseTurns, StateFiles
from operators.tally import shard_of_merchant
from schemas.windows import HOUR_MS
from tests.operators.night import DAY_START_MS, WarRoom, encoded, fields_of, flat_baseline, order, rules


class AlwaysTurn(RebaseTurns):
    def take(self) -> bool:
        return True


def deltas_of(seed: int, batches: int, partitions: int = 3, most_behind_ms: int = 9_000) -> list[ShardDelta]:
    """What one shard is sent by lanes that read a seeded stream, some of it old."""
    rng = random.Random(seed)
    room = WarRoom(rules(partitions, sale_opens_ms=None))
    sent: list[ShardDelta] = []
    shard = shard_of_merchant("m1")
    room.deliver = lambda output: sent.extend(  # type: ignore[method-assign]
        d for _, d in output.to_shards if d.shard == shard
    )
    now = DAY_START_MS
    for number in range(batches):
        now += rng.randrange(HOUR_MS // 4)
        events = [
            order(
                number * 10 + i,
                rng.choice(["m1", f"m{rng.randrange(300)}"]),
                now - rng.randrange(most_behind_ms),
                channel=f"c{rng.randrange(25)}",
            )
            for i in range(rng.randrange(4))
        ]
        if rng.random() < 0.05:
            events.append(order(number * 10 + 9, "m1", now - 40 * HOUR_MS, channel="old"))
            events.append(order(number * 10 + 8, "m1", now - 13 * HOUR_MS, channel="older"))
        partition = rng.randrange(partitions)
        if events:
            room.send(partition, [encoded(e) for e in events])
        else:
            room.stand(partition, Standing.LIVE)
    return sent


def state_of(shard: Shard) -> dict[str, Any]:
    """Everything that matters of a shard, comparable."""
    shard.outbox.touch()
    rows = shard.outbox.take()
    summary = shard.outbox.summary()
    return {
        "results": {} if rows is None else fields_of(rows),
        "clock": (shard.clock.newest_ms, shard.clock.watermark_ms, shard.clock.offsets),
        "closed": {
            shard.merchants.text(r): shard.columns.closed[r].tolist() for r in range(len(shard.merchants))
        },
        "shares": {shard.merchants.text(r): shard.shares.of(r, 0) for r in range(len(shard.merchants))},
        "totals": summary.totals.tolist(),
        "milestones": (list(shard.milestones.recent), shard.milestones.active),
        "closed totals": shard.closing.totals.tolist(),
    }


def assert_its_span_is_that_of_now(shard: Shard) -> None:
    """Where windows of people begin is what a shard says that was just loaded, so remembers nothing."""
    if shard.windows.newest_ms != NO_EVENT_MS:
        remembered, anew = (_numbers(s.span()) for s in (shard, Shard.load(shard.dump(), shard.rules)))
        assert remembered == anew


def _numbers(span: tuple[Span, Era]) -> list[Any]:
    return [np.asarray(value).tolist() for part in span for value in astuple(part)]


def take(shard: Shard, store: ShardStore, delta: ShardDelta) -> None:
    before = shard.closing.next_minute
    shard.take(delta)
    store.note(delta, shard.closing.next_minute != before)


def test_a_delta_is_the_same_after_its_way_through_bytes() -> None:
    for delta in deltas_of(5, 60):
        again = ShardDelta.from_bytes(delta.to_bytes())
        assert again.to_bytes() == delta.to_bytes()
        assert again.progress == delta.progress
        assert np.array_equal(again.added.table(), delta.added.table())
        assert again.suspects == delta.suspects


def test_a_delta_that_was_written_before_deltas_carried_several_partitions_is_still_read() -> None:
    for delta in deltas_of(5, 60):
        block = delta.to_bytes()
        length = int.from_bytes(block[:4], "little")
        head = msgspec.msgpack.encode(msgspec.msgpack.decode(block[4 : 4 + length])[:-1])
        again = ShardDelta.from_bytes(len(head).to_bytes(4, "little") + head + block[4 + length :])
        assert again.to_bytes() == block


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_where_windows_of_people_begin_is_never_remembered_for_too_long(seed: int) -> None:
    shard = Shard(1, rules(3, sale_opens_ms=None))
    rng = random.Random(seed)
    for delta in deltas_of(seed, 60):
        if rng.random() < 0.2:
            zone = rng.choice(["Asia/Tokyo", "Europe/Paris", "America/New_York"])
            moved = flat_baseline(f"m{rng.randrange(9)}", timezone=zone)
            shard.take_baselines(ShardBaselines(1, delta.progress, [(moved.merchant_id, moved)]))
            assert_its_span_is_that_of_now(shard)
        shard.take(delta)
        assert_its_span_is_that_of_now(shard)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), cut=st.integers(1, 120))
def test_merged_deltas_have_the_effect_of_the_deltas(seed: int, cut: int) -> None:
    plain, merged = Shard(1, rules(3, sale_opens_ms=None)), Shard(1, rules(3, sale_opens_ms=None))
    segment: list[ShardDelta] = []
    for delta in deltas_of(seed, 120)[:cut]:
        before = plain.closing.next_minute
        plain.take(delta)
        if plain.closing.next_minute != before:
            for one in (*([merge_deltas(segment)] if segment else ()), delta):
                merged.take(one)
            segment = []
        else:
            segment.append(delta)
    if segment:
        merged.take(merge_deltas(segment))
    assert state_of(merged) == state_of(plain)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), most=st.integers(2, 9))
def test_what_comes_together_counts_as_if_it_came_one_by_one(seed: int, most: int) -> None:
    plain, together = Shard(1, rules(3, sale_opens_ms=None)), Shard(1, rules(3, sale_opens_ms=None))
    deltas = deltas_of(seed, 120, most_behind_ms=4_000)
    rng = random.Random(seed)
    at = 0
    while at < len(deltas):
        some: list[ShardInput] = [*deltas[at : at + rng.randint(1, most)]]
        at += len(some)
        for delta in some:
            assert isinstance(delta, ShardDelta)
            plain.take(delta)
        for one in merged(some):
            assert isinstance(one, ShardDelta)
            together.take(ShardDelta.from_bytes(one.to_bytes()))
    assert state_of(together) == state_of(plain)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32), committed=st.integers(1, 5), rebase=st.booleans())
def test_a_killed_shard_resumes_at_the_committed_snapshot(
    tmp_path_factory: pytest.TempPathFactory, seed: int, committed: int, rebase: bool
) -> None:
    directory = tmp_path_factory.mktemp("shards")
    shard_rules = rules(3, sale_opens_ms=None)
    deltas = deltas_of(seed, 150)
    size = len(deltas) // 6 + 1
    epochs = [deltas[i : i + size] for i in range(0, len(deltas), size)]
    straight = Shard(1, shard_rules)
    straight.take_baselines(ShardBaselines(1, deltas[0].progress, [("m1", flat_baseline("m1"))]))
    shard, store = Shard(1, shard_rules), ShardStore(directory, 1, "run-1", AlwaysTurn())
    known = ShardBaselines(1, deltas[0].progress, [("m1", flat_baseline("m1"))])
    shard.take_baselines(known)
    store.note_baselines(known)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(state_files, "SMALLEST_JOURNAL_BYTES", 500 if rebase else 1 << 40)
        refs: list[ShardRef] = []
        for epoch in epochs:
            for delta in epoch:
                take(shard, store, delta)
            refs.append(store.save(shard, -1))
        committed = min(committed, len(epochs) - 1)
        ref = refs[committed - 1]  # the epochs after it were written, but never committed
        resumed_store = ShardStore(directory, 1, "run-2", AlwaysTurn())
        resumed = resumed_store.load(ref, shard_rules)
        for epoch in epochs[committed:]:
            for delta in epoch:
                take(resumed, resumed_store, delta)
            last = resumed_store.save(resumed, -1)
        for delta in deltas:
            straight.take(delta)
        assert state_of(resumed) == state_of(straight)
        third = ShardStore(directory, 1, "run-3", AlwaysTurn()).load(last, shard_rules)
        assert state_of(third) == state_of(straight)


def test_a_file_that_was_cut_is_refused_with_its_name(tmp_path: Path) -> None:
    shard, store = Shard(1, rules(3)), ShardStore(tmp_path, 1, "run-1", AlwaysTurn())
    for delta in deltas_of(3, 20):
        take(shard, store, delta)
    ref = store.save(shard, -1)
    path = tmp_path / ref.journal
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=rf"{ref.journal} holds \d+ bytes, but \d+ were committed"):
        ShardStore(tmp_path, 1, "run-2", AlwaysTurn()).load(ref, rules(3))


def test_state_of_another_layout_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shard = Shard(1, rules())
    block = shard.dump()
    monkeypatch.setattr("operators.shard.STATE_LAYOUT", 99)
    with pytest.raises(ValueError, match=f"state has layout {STATE_LAYOUT}; this version reads layout 99"):
        Shard.load(block, rules())


def test_a_journal_without_a_base_is_refused_by_another_version_too(tmp_path: Path) -> None:
    shard, store = Shard(1, rules(3)), ShardStore(tmp_path, 1, "run-1", AlwaysTurn())
    for delta in deltas_of(3, 2):
        take(shard, store, delta)
    ref = store.save(shard, -1)
    assert ref.base is None
    before = ShardRef(*ref[:-1])  # as they were while they did not say their layout
    for layout, other in ((STATE_LAYOUT - 1, ref._replace(layout=STATE_LAYOUT - 1)), (0, before)):
        with pytest.raises(
            ValueError, match=f"state has layout {layout}; this version reads layout {STATE_LAYOUT}"
        ):
            ShardStore(tmp_path, 1, "run-2", AlwaysTurn()).load(other, rules(3))


def test_a_quiet_nights_journal_stays_short_to_replay(tmp_path: Path) -> None:
    shard, store = Shard(1, rules(3)), ShardStore(tmp_path, 1, "run-1", AlwaysTurn())
    most = state_files.SMALLEST_JOURNAL_BYTES // state_files.BLOCK_BYTES
    longest = 0
    for delta in deltas_of(4, 400):
        take(shard, store, delta)
        ref = store.save(shard, -1)
        longest = max(longest, len([*state_files._blocks((tmp_path / ref.journal).read_bytes())]))
    assert ref.base is not None
    assert most - 4 <= longest <= most


def test_a_state_that_has_grown_gets_a_base_when_its_journal_is_worth_one(tmp_path: Path) -> None:
    smallest = state_files.SMALLEST_JOURNAL_BYTES
    held = 10 * smallest
    files = StateFiles(tmp_path, "01", "run-1", AlwaysTurn())
    lengths: list[int] = []
    while True:
        files.add(0, bytes(smallest // 8))
        ref = files.save(lambda: b"base", held)
        if ref.base is not None:
            break
        lengths.append(ref.journal_bytes)
    worth = state_files.BASE_SHARE * held
    assert 0.9 * worth < max(lengths) < worth
    assert (tmp_path / ref.base).read_bytes() == b"base"


def test_bases_take_a_tenth_of_the_time_and_an_epoch_waits_for_few() -> None:
    now_s = 100.0
    turns = RebaseTurns(lambda: now_s)
    written_s = 0.0
    for _ in range(50):
        in_this_epoch_s = 0.0
        while turns.take():
            turns.spent(0.15)
            in_this_epoch_s += 0.15
        assert in_this_epoch_s <= 0.3
        written_s += in_this_epoch_s
        now_s += 2.0
    assert written_s == pytest.approx(0.1 * 50 * 2.0, abs=0.3)


def test_disk_use_stays_bounded_however_long_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_files, "SMALLEST_JOURNAL_BYTES", 2000)
    shard, store = Shard(1, rules(3)), ShardStore(tmp_path, 1, "run-1", AlwaysTurn())
    for number, delta in enumerate(deltas_of(4, 600)):
        take(shard, store, delta)
        if number % 5 == 0:
            store.save(shard, -1)
    assert len(list(tmp_path.iterdir())) <= 2 * 11 + 2
    shutil.rmtree(tmp_path)
