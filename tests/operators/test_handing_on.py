"""A shard hands on what changed, some merchants at a time where there are many."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from operators.batches import MerchantRows, Standing
from operators.decode import raw_batch
from operators.delta import ShardBaselines, ShardDelta
from operators.idle_turns import ALWAYS_DUE, IdleTurns
from operators.metrics import Metrics
from operators.process_clock import ProcessClock
from operators.shard import Shard
from operators.shard_logic import ROWS_IN_BACKLOG, ShardLogic, merged
from operators.shards import SHARD_KEYS
from operators.tally import shard_of_merchant
from schemas.windows import GMV
from tests.operators.night import DAY_START_MS, WarRoom, encoded, order, rules

NOON_MS = DAY_START_MS + 12 * 3_600_000


def of_one_shard(count: int) -> list[str]:
    """Merchants that live in the shard of m1."""
    home = shard_of_merchant("m1")
    names = (f"m{n}" for n in range(1, 40 * count))
    return [name for name in names if shard_of_merchant(name) == home][:count]


def taken(rows: MerchantRows | None) -> dict[str, tuple[list[int], str | None]]:
    """GMV by window and the text of low stock, by merchant."""
    assert rows is not None
    texts = [(t or {}).get("low_stock") for t in rows.texts]
    gmv = rows.measures[:, :, GMV].tolist()
    return {
        m: (g, None if t is None else t.decode())
        for m, g, t in zip(rows.merchant_ids, gmv, texts, strict=True)
    }


def a_night(amounts: list[int]) -> Shard:
    room = WarRoom(rules())
    merchants = of_one_shard(len(amounts))
    events = [
        order(n, merchant, NOON_MS, amount=amount, item_id="cake", stock_left=n)
        for n, (merchant, amount) in enumerate(zip(merchants, amounts, strict=True))
    ]
    room.send(0, [encoded(e) for e in events])
    return room.shards[shard_of_merchant("m1")]


@settings(deadline=None, max_examples=30)
@given(amounts=st.lists(st.integers(0, 10**6), min_size=1, max_size=40), most=st.integers(2, 12))
def test_taken_some_at_a_time_every_merchant_is_told_once_and_as_if_all_were_taken_at_once(
    amounts: list[int], most: int
) -> None:
    at_once = taken(a_night(amounts).outbox.take())
    shard = a_night(amounts)
    told: dict[str, tuple[list[int], str | None]] = {}
    while (rows := shard.outbox.take(most)) is not None:
        assert len(rows) <= most
        assert not told.keys() & set(rows.merchant_ids)
        told |= taken(rows)
    assert told == at_once


def test_those_that_have_sold_most_are_told_first() -> None:
    shard = a_night([1, 2, 900, 3, 4, 800, 5, 6])
    first = taken(shard.outbox.take(4))
    merchants = of_one_shard(8)
    assert {merchants[2], merchants[5]} <= first.keys()


@pytest.mark.parametrize("merchants", [20, 33])
def test_while_the_best_change_all_the_time_the_others_still_have_their_turn(merchants: int) -> None:
    shard = a_night(list(range(merchants)))
    seen: set[str] = set()
    for _ in range(-(-merchants // 2)):
        seen |= taken(shard.outbox.take(4)).keys()
        shard.columns.changed[:merchants] = np.uint16(1)
        shard.columns.urgent[:merchants] = True
    assert seen == set(of_one_shard(merchants))


def watched_of(shard: Shard) -> set[str]:
    """Merchants that have a series."""
    return {shard.merchants.text(row) for row in np.flatnonzero(shard.columns.watched).tolist()}


def selling_in_turn(room: WarRoom, merchants: list[str], first: int = 0) -> None:
    """Each sells more than those before it, and the board looks after each."""
    for turn, merchant in enumerate(merchants, first):
        room.send(0, [encoded(order(turn, merchant, NOON_MS + turn, amount=100 * (turn + 1)))])
        room.shards[shard_of_merchant("m1")].outbox.summary()


def test_a_merchant_that_takes_off_gets_the_series_of_the_last_that_leads_no_longer() -> None:
    merchants = of_one_shard(8)
    room = WarRoom(rules(series_merchants=5))
    shard = room.shards[shard_of_merchant("m1")]
    selling_in_turn(room, merchants[:5])
    assert watched_of(shard) == set(merchants[:5])
    selling_in_turn(room, merchants[5:], first=5)
    assert watched_of(shard) == set(merchants[3:])


def test_a_merchant_behind_the_first_three_takes_nobodys_series() -> None:
    merchants = of_one_shard(6)
    room = WarRoom(rules(series_merchants=5))
    selling_in_turn(room, merchants[:5])
    room.send(0, [encoded(order(9, merchants[5], NOON_MS + 9, amount=150))])
    shard = room.shards[shard_of_merchant("m1")]
    shard.outbox.summary()
    assert watched_of(shard) == set(merchants[:5])


def test_who_is_watched_in_any_case_keeps_the_series_behind_everybody() -> None:
    merchants = of_one_shard(9)
    room = WarRoom(rules(series_merchants=5, series_watch=(merchants[0],)))
    selling_in_turn(room, merchants)
    shard = room.shards[shard_of_merchant("m1")]
    assert watched_of(shard) == {merchants[0], *merchants[5:]}


HOUR_SECONDS = 3_600.0
"""Between results: none of these tests waits for it."""


def a_logic(clock: ProcessClock | None = None) -> ShardLogic:
    return ShardLogic(
        rules(),
        lambda _: None,
        clock or ProcessClock(),
        Metrics(CollectorRegistry()),
        lambda _: False,
        HOUR_SECONDS,
        None,
    )


def told_of(logic: ShardLogic, item: ShardDelta | ShardBaselines) -> list[str]:
    """Merchants that a shard hands on when it gets an item."""
    outputs, _ = logic.on_batch([item])
    return [m for output in outputs if output.rows is not None for m in output.rows.merchant_ids]


def test_first_results_of_a_run_are_handed_on_at_once_though_the_shard_has_just_looked_for_some() -> None:
    room, logic, home = WarRoom(rules()), a_logic(), shard_of_merchant("m1")
    standing = dict(room.lanes[0].pulse(Standing.LIVE).to_shards)[SHARD_KEYS[home]]
    assert told_of(logic, standing) == []
    assert told_of(logic, delta_of(room, 1)) == ["m1"]


def test_later_results_wait_for_their_interval() -> None:
    room, logic = WarRoom(rules()), a_logic()
    assert told_of(logic, delta_of(room, 1)) == ["m1"]
    assert told_of(logic, delta_of(room, 2)) == []


def test_during_a_backlog_a_shard_hands_on_few_merchants_and_those_that_sell_most_among_them() -> None:
    clock = ProcessClock()
    clock.note_backlog(time.monotonic() + HOUR_SECONDS)
    merchants = of_one_shard(ROWS_IN_BACKLOG + 100)
    told = told_of(a_logic(clock), delta_of(WarRoom(rules()), 1, merchants))
    assert len(told) == ROWS_IN_BACKLOG
    best = merchants[-ROWS_IN_BACKLOG // 2 :]  # they sold most, and are heard of last
    assert set(best) <= set(told)


def test_the_first_time_a_shard_hands_on_few_for_nobody_knows_yet_whether_there_is_a_backlog() -> None:
    logic, merchants = a_logic(), of_one_shard(ROWS_IN_BACKLOG + 100)
    told = told_of(logic, delta_of(WarRoom(rules()), 1, merchants))
    assert len(told) == ROWS_IN_BACKLOG


def test_at_the_end_a_shard_hands_on_whoever_was_kept_waiting_by_a_backlog() -> None:
    clock = ProcessClock()
    clock.note_backlog(time.monotonic() + HOUR_SECONDS)
    logic, merchants = a_logic(clock), of_one_shard(ROWS_IN_BACKLOG + 100)
    told = told_of(logic, delta_of(WarRoom(rules()), 1, merchants))
    outputs, _ = logic.on_eof()
    rest = [m for output in outputs if output.rows is not None for m in output.rows.merchant_ids]
    assert set(told) | set(rest) == set(merchants)


def test_a_shard_that_is_told_to_stop_hands_on_no_more_than_in_a_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("operators.shard_logic.ROWS_A_TURN", 20)
    monkeypatch.setattr("operators.shard_logic.ROWS_IN_BACKLOG", 20)
    clock = ProcessClock()
    logic, merchants = a_logic(clock), of_one_shard(50)
    told_of(logic, delta_of(WarRoom(rules()), 1, merchants))
    clock.stopping = True
    outputs, _ = logic.on_eof()
    assert [len(output.rows) for output in outputs if output.rows is not None] == [20]


def delta_of(room: WarRoom, number: int, merchants: Sequence[str] = ("m1",)) -> ShardDelta:
    """What one order of each of these merchants is to their shard; the amounts rise."""
    values: list[bytes | None] = [
        encoded(order(number + n, merchant, NOON_MS, amount=100 + n)) for n, merchant in enumerate(merchants)
    ]
    deltas = dict(room.lanes[0].take(raw_batch("orders", 0, number, values, NOON_MS)).to_shards)
    delta = deltas[SHARD_KEYS[shard_of_merchant("m1")]]
    assert isinstance(delta, ShardDelta)
    return delta


def test_one_shard_of_a_process_is_called_in_every_turn_and_pauses_in_idle_ones() -> None:
    clock = ProcessClock()
    pauses: list[float] = []
    clock.idle_turns = IdleTurns(clock.stages, pauses.append)
    first, second = a_logic(clock), a_logic(clock)
    assert (first.notify_at(), second.notify_at()) == (ALWAYS_DUE, None)
    assert first.on_notify() == ([], False)
    assert len(pauses) == 1
    told_of(first, delta_of(WarRoom(rules()), 1))
    first.on_notify()
    assert len(pauses) == 1


def test_small_deltas_that_come_together_are_taken_in_one_visit_and_large_ones_as_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    room = WarRoom(rules())
    few = [delta_of(room, number) for number in (1, 2)]
    assert [len(delta) for delta in few] == [1, 1]
    (one,) = merged([*few])
    assert isinstance(one, ShardDelta)
    assert len(one) == 2
    monkeypatch.setattr("operators.shard_logic.FEW_ROWS", 0)
    assert merged([*few]) == few
