"""Visitors, buyers and who came back, from bytes to results, held against sets of the events themselves."""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import operators.state_files as state_files
from operators.batches import Standing
from operators.board import Board
from operators.board_rules import BoardRules
from operators.delta import ShardDelta
from operators.merged_delta import merge_deltas
from operators.people_distinct import Distinct
from operators.people_loyalty import Loyalty
from operators.people_registers import SLIDING_ERROR, TOTAL_ERROR
from operators.shard import Shard
from operators.shard_people import people_of_all
from operators.shard_store import ShardRef, ShardStore
from operators.state_files import RebaseTurns
from operators.tally import shard_of_merchant
from schemas.windows import DAY_MS, DISTINCT, HOUR_MS, MINUTE_MS, SLIDING
from tests.operators.night import (
    DAY_START_MS,
    SHANGHAI_OFFSET_MS,
    WarRoom,
    click,
    encoded,
    fields_of,
    flat_baseline,
    order,
    rules,
)

Event = dict[str, Any]
NOON_MS = DAY_START_MS + 12 * HOUR_MS


class AlwaysTurn(RebaseTurns):
    def take(self) -> bool:
        return True


def in_window(at_ms: int, window: str, newest_ms: int, sale_ms: int) -> bool:
    if window == "day":
        return at_ms >= (newest_ms + SHANGHAI_OFFSET_MS) // DAY_MS * DAY_MS - SHANGHAI_OFFSET_MS
    if window == "sale":
        return at_ms >= sale_ms
    sliding = next(w for w in SLIDING if w.name == window)
    return newest_ms // sliding.bucket_ms - sliding.buckets < at_ms // sliding.bucket_ms


def recomputed(
    clicks: Iterable[Event], orders: Iterable[Event], merchant: str, sale_ms: int = DAY_START_MS
) -> dict[str, int]:
    """Numbers of people of one merchant, the slow way."""
    clicks, orders = list(clicks), list(orders)
    newest_ms = max(e["event_time"] for e in (*clicks, *orders))
    found: dict[str, int] = {}
    told = any("first_order" in e for e in orders if e["merchant_id"] == merchant and e["status"] == "paid")
    for window in ("5m", "1h", "day", "sale"):
        inside = [
            e
            for e in (*clicks, *orders)
            if e["merchant_id"] == merchant and in_window(e["event_time"], window, newest_ms, sale_ms)
        ]
        paid = [e for e in inside if e.get("status") == "paid"]
        found[f"visitors:{window}"] = len({e["visitor_id"] for e in inside if "visitor_id" in e})
        found[f"buyers:{window}"] = len({e["member_id"] for e in paid})
        if window in ("day", "sale"):
            members = [e["member_id"] for e in paid]
            found[f"repeat_buyers:{window}"] = len({m for m in members if members.count(m) > 1})
            if told:
                back = {e["member_id"] for e in paid if e.get("first_order") is False}
                found[f"returning_buyers:{window}"] = len(back)
    return found


def people_fields(fields: dict[str, Any]) -> dict[str, int]:
    names = ("visitors:", "buyers:", "repeat_buyers:", "returning_buyers:")
    return {name: value for name, value in fields.items() if name.startswith(names)}


def stream(seed: int, batches: int, step_ms: int) -> list[tuple[str, list[Event]]]:
    """Batches of clicks and orders, in time but for a few seconds."""
    rng = random.Random(seed)
    now_ms = NOON_MS
    sent: list[tuple[str, list[Event]]] = []
    for number in range(batches):
        now_ms += rng.randrange(step_ms)
        merchant = rng.choice(["m1", "m2"])
        at = [now_ms - rng.randrange(5_000) for _ in range(rng.randrange(1, 8))]
        if rng.random() < 0.6:
            events = [
                click(number * 10 + i, merchant, t, visitor_id=f"u{rng.randrange(30)}")
                for i, t in enumerate(at)
            ]
            sent.append(("clicks", events))
        else:
            events = [
                order(
                    number * 10 + i, merchant, t,
                    member_id=f"u{rng.randrange(30)}",
                    status=rng.choice(["paid", "paid", "paid", "created", "refunded"]),
                    **rng.choice([{}, {"first_order": True}, {"first_order": False}]),
                )
                for i, t in enumerate(at)
            ]  # fmt: skip
            sent.append(("orders", events))
    return sent


def play(room: WarRoom, sent: list[tuple[str, list[Event]]]) -> None:
    for topic, events in sent:
        values = [encoded(e) for e in events]
        (room.send if topic == "orders" else room.send_clicks)(0, values)


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 2**32), step_ms=st.sampled_from([3_000, 60_000, 900_000]))
def test_people_are_those_of_the_events(seed: int, step_ms: int) -> None:
    sent = stream(seed, 40, step_ms)
    room = WarRoom(rules(1, 1))
    play(room, sent)
    clicks = [e for topic, events in sent if topic == "clicks" for e in events]
    orders = [e for topic, events in sent if topic == "orders" for e in events]
    told = room.results()
    for merchant in told:
        assert people_fields(told[merchant]) == recomputed(clicks, orders, merchant)


def test_a_person_counts_once_however_often_and_wherever_it_clicks() -> None:
    room = WarRoom(rules(1, 2))
    for partition in (0, 1):
        room.send_clicks(
            partition,
            [
                encoded(click(n + 10 * partition, at_ms=NOON_MS + n * 7_000, visitor_id="u1"))
                for n in range(9)
            ],
        )
    assert room.results()["m1"]["visitors:day"] == 1


def test_a_visitor_and_a_member_of_the_same_id_are_one_person() -> None:
    room = WarRoom(rules(1, 1))
    room.send_clicks(0, [encoded(click(1, at_ms=NOON_MS, visitor_id="王小明"))])
    room.send(0, [encoded(order(1, at_ms=NOON_MS, member_id="王小明"))])
    room.send(0, [b'{"member_id":"\\u738b\\u5c0f\\u660e",' + encoded(order(2, at_ms=NOON_MS))[1:].replace(
        b'"member_id":"u2",', b'')])  # fmt: skip
    fields = room.results()["m1"]
    assert (fields["visitors:day"], fields["buyers:day"], fields["repeat_buyers:day"]) == (1, 1, 1)


def test_a_late_event_brings_no_person_and_an_old_one_that_is_kept_does() -> None:
    room = WarRoom(rules(1, 1, sale_opens_ms=None))
    room.send(0, [encoded(order(1, "m1", NOON_MS, member_id="now"))])
    room.send_clicks(0, [encoded(click(1, "m1", NOON_MS, visitor_id="now"))])
    room.send_clicks(
        0,
        [
            encoded(click(2, "m1", NOON_MS - 40 * HOUR_MS, visitor_id="late")),
            encoded(click(3, "m1", NOON_MS - 11 * HOUR_MS - 59 * MINUTE_MS, visitor_id="kept")),
        ],
    )
    room.send(0, [encoded(order(2, "m1", NOON_MS - 40 * HOUR_MS, member_id="late", first_order=False))])
    fields = room.results()["m1"]
    assert [letter.reason for letter in room.dead_letters] == ["late", "late"]
    assert (fields["visitors:day"], fields["visitors:1h"], fields["buyers:day"]) == (2, 1, 1)
    assert "returning_buyers:day" not in fields


def test_known_members_of_the_baseline_are_returning_buyers_at_once() -> None:
    room = WarRoom(rules(1, 1))
    room.send(0, [encoded(order(n, "m1", NOON_MS + n, member_id=f"u{n}")) for n in range(6)])
    assert "returning_buyers:day" not in room.results()["m1"]
    room.know(flat_baseline("m1", known_members=["u1", "u3", "stranger"]))
    room.send(0, [encoded(order(9, "m1", NOON_MS + 9, member_id="u3"))])
    assert room.results()["m1"]["returning_buyers:day"] == 2
    room.know(flat_baseline("m1", known_members=["u1", "u2", "u4", "u5"]))
    room.send(0, [encoded(order(10, "m1", NOON_MS + 10, member_id="stranger"))])
    assert room.results()["m1"]["returning_buyers:day"] == 4
    room.know(flat_baseline("m1", known_members=[]))
    assert room.results()["m1"]["returning_buyers:day"] == 0
    room.know(flat_baseline("m1"))
    assert "returning_buyers:day" not in room.results()["m1"]


def test_a_visitor_id_of_ten_kilobytes_is_a_dead_letter_and_its_neighbours_count() -> None:
    room = WarRoom(rules(1, 1))
    ids = ["u1", "x" * 10_240, "u2"]
    room.send_clicks(0, [encoded(click(n, at_ms=NOON_MS, visitor_id=v)) for n, v in enumerate(ids)])
    assert [(letter.reason, letter.offset) for letter in room.dead_letters] == [("invalid", 1)]
    assert room.results()["m1"]["visitors:day"] == 2


def test_a_merchant_with_hundreds_of_thousands_of_visitors_and_joins_stays_small() -> None:
    """Of clicks as they come from a lane: one merchant, everybody new."""
    room = WarRoom(rules(1, 1))
    people = 200_000
    for first in range(0, people, 20_000):
        at_ms = NOON_MS + first // 100
        room.send_clicks(
            0,
            [
                b'{"event_id":"e%d","merchant_id":"m1","visitor_id":"u%d","action":"join","event_time":%d}'
                % (n, n, at_ms)
                for n in range(first, first + 20_000)
            ],
        )
    fields = room.results()["m1"]
    shard = room.shards[shard_of_merchant("m1")]
    assert fields["new_members:day"] > 0
    for window in ("5m", "1h", "day", "sale"):
        assert abs(fields[f"visitors:{window}"] / people - 1) <= 3 * SLIDING_ERROR
    assert shard.people.visitors.nbytes <= 250_000


def test_the_total_counts_a_person_of_many_merchants_once() -> None:
    room = WarRoom(rules(1, 1))
    clicks = [click(n, f"m{n % 50}", NOON_MS, visitor_id=f"u{n % 40}") for n in range(2_000)]
    room.send_clicks(0, [encoded(e) for e in clicks])
    room.send(0, [encoded(order(n, f"m{n}", NOON_MS - 2 * HOUR_MS, member_id="u1")) for n in range(20)])
    bitmaps = [s.people.bitmaps(s.span()[0]) for s in room.shards if s.windows.newest_ms > 0]
    told = people_of_all(bitmaps)
    assert told[:2].tolist() == [[40, 40, 40, 40], [0, 0, 1, 1]]
    assert np.isnan(told[2:]).all()


def test_the_total_counts_who_returned_to_several_merchants_once() -> None:
    room = WarRoom(rules(1, 1))
    orders = [order(n, f"m{n}", NOON_MS, member_id=f"u{n % 5}", first_order=n % 5 > 1) for n in range(20)]
    room.send(0, [encoded(e) for e in orders])
    bitmaps = [s.people.bitmaps(s.span()[0]) for s in room.shards if s.windows.newest_ms > 0]
    assert people_of_all(bitmaps)[DISTINCT.index("returning_buyers"), 2:].tolist() == [2, 2]


def deltas_of(seed: int, batches: int, shard: int) -> list[ShardDelta]:
    room = WarRoom(rules(1, 1))
    sent: list[ShardDelta] = []
    room.deliver = lambda output: sent.extend(  # type: ignore[method-assign]
        d for _, d in output.to_shards if d.shard == shard
    )
    rng = random.Random(seed)
    for topic, events in stream(seed, batches, 240_000):
        play(room, [(topic, events)])
        if rng.random() < 0.1:
            room.stand(0, Standing.IDLE)
    return sent


def told_by(shard: Shard) -> dict[str, dict[str, int]]:
    shard.outbox.touch()
    rows = shard.outbox.take()
    return {} if rows is None else {m: people_fields(f) for m, f in fields_of(rows).items()}


@pytest.fixture
def small_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Merchants become large with their 25th person, and let go half of who may come back."""
    plain, loyal = Distinct.__init__, Loyalty.__init__
    monkeypatch.setattr(
        Distinct,
        "__init__",
        lambda self, budget, *, with_sale: plain(self, budget, with_sale=with_sale, most_entries=32),
    )
    monkeypatch.setattr(Loyalty, "__init__", lambda self, budget: loyal(self, budget, most_buyers=32))


@pytest.mark.usefixtures("small_tables")
@pytest.mark.parametrize("seed", range(6))
def test_merged_deltas_bring_the_same_people(seed: int) -> None:
    number = shard_of_merchant("m1")
    plain, merged = Shard(number, rules(1, 1)), Shard(number, rules(1, 1))
    segment: list[ShardDelta] = []
    for delta in deltas_of(seed, 150, number):
        before = plain.closing.next_minute
        plain.take(delta)
        if plain.closing.next_minute != before:
            for one in (*([merge_deltas(segment)] if segment else ()), delta):
                merged.take(ShardDelta.from_bytes(one.to_bytes()))
            segment = []
        else:
            segment.append(delta)
    if segment:
        merged.take(merge_deltas(segment))
    assert told_by(merged) == told_by(plain)
    assert np.array_equal(merged.people.bitmaps(merged.span()[0]), plain.people.bitmaps(plain.span()[0]))


@pytest.mark.usefixtures("small_tables")
@pytest.mark.parametrize(("seed", "rebase"), [(1, True), (2, False), (3, True), (4, False)])
def test_a_killed_shard_remembers_the_people_of_the_committed_snapshot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, rebase: bool
) -> None:
    monkeypatch.setattr(state_files, "SMALLEST_JOURNAL_BYTES", 500 if rebase else 1 << 40)
    number = shard_of_merchant("m1")
    deltas = deltas_of(seed, 150, number)
    straight = Shard(number, rules(1, 1))
    shard, store = Shard(number, rules(1, 1)), ShardStore(tmp_path, number, "run-1", AlwaysTurn())
    refs: list[ShardRef] = []
    size = len(deltas) // 5 + 1
    epochs = [deltas[i : i + size] for i in range(0, len(deltas), size)]
    for epoch in epochs:
        take(shard, store, epoch)
        refs.append(store.save(shard, -1))
    again = ShardStore(tmp_path, number, "run-2", AlwaysTurn())
    resumed = again.load(refs[2], rules(1, 1))
    for epoch in epochs[3:]:
        take(resumed, again, epoch)
    for delta in deltas:
        straight.take(delta)
    assert told_by(resumed) == told_by(straight)


def take(shard: Shard, store: ShardStore, deltas: list[ShardDelta]) -> None:
    for delta in deltas:
        before = shard.closing.next_minute
        shard.take(delta)
        store.note(delta, shard.closing.next_minute != before)


def test_a_repeated_join_alone_brings_its_visitor_in_and_takes_it_out_again() -> None:
    """It adds to no measure, so nothing else of the merchant changes."""
    room = WarRoom(rules(1, 1))
    shard = room.shards[shard_of_merchant("m1")]
    join = click(1, "m1", NOON_MS, visitor_id="u1", action="join")
    room.send_clicks(0, [encoded(join)])
    room.send_clicks(0, [encoded({**join, "event_id": "again", "event_time": NOON_MS + HOUR_MS})])
    rows = shard.outbox.take()
    assert rows is not None
    assert fields_of(rows)["m1"]["visitors:5m"] == 1
    room.send_clicks(0, [encoded(click(2, "elsewhere", NOON_MS + 2 * HOUR_MS))])
    rows = shard.outbox.take()
    assert rows is not None
    assert fields_of(rows)["m1"]["visitors:5m"] == 0


def test_conversion_and_repurchase_are_ratios_of_people() -> None:
    room = WarRoom(rules(1, 1))
    room.send_clicks(0, [encoded(click(n, "m1", NOON_MS, visitor_id=f"u{n % 8}")) for n in range(40)])
    room.send(
        0, [encoded(order(n, "m1", NOON_MS, member_id=f"u{n % 2}", first_order=n == 0)) for n in range(6)]
    )
    fields = room.results()["m1"]
    assert (fields["conversion:1h"], fields["repurchase_rate:day"]) == (0.25, 1.0)
    assert not {"conversion:1m", "repurchase_rate:1h"} & set(fields)


def test_the_board_by_conversion_needs_a_hundred_visitors_and_is_that_of_all_shards() -> None:
    room = WarRoom(rules(1, 1, top=BoardRules(3, min_visitors=100)))
    clicks, orders = [], []
    for m in range(60):
        visitors = 99 if m % 3 == 0 else 120
        clicks += [click(1_000 * m + v, f"m{m}", NOON_MS, visitor_id=f"u{v}") for v in range(visitors)]
        orders += [order(m * 100 + b, f"m{m}", NOON_MS, member_id=f"u{b}") for b in range(m % 50)]
    room.send_clicks(0, [encoded(e) for e in clicks])
    room.send(0, [encoded(e) for e in orders])
    board = Board(3)
    for shard in room.shards:
        board.take(shard.outbox.summary())
    rows = board.rows()
    assert rows is not None
    assert rows.tops["conversion", "1h"] == [
        ("m49", None, 49 / 120), ("m47", None, 47 / 120), ("m46", None, 46 / 120)
    ]  # fmt: skip
    total = rows.rollups["total", "all"]
    assert total["visitors:day"] == pytest.approx(120, rel=3 * TOTAL_ERROR)
    assert total["conversion:day"] == total["buyers:day"] / total["visitors:day"]
