"""Stock: the newest wins, speed is of the last five minutes, and the end is where the two meet."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from operators.bytes_kernels import Interner
from operators.decode import raw_batch
from operators.shard import Shard
from operators.shard_store import ShardStore
from operators.state_files import RebaseTurns
from operators.stock_lane import StockLane
from operators.stock_notes import ShardStock, StockNote
from operators.stock_tables import ITEMS_HELD
from operators.stock_texts import ITEMS_TOLD
from operators.stocks import TOLD_AGAIN, Stocks
from operators.tally import shard_of_merchant
from schemas.windows import MINUTE_MS
from tests.operators.night import DAY_START_MS, WarRoom, encoded, order, rules

NOON_MS = DAY_START_MS + 12 * 60 * MINUTE_MS


def note(item: str, left: int | None, at_ms: int = NOON_MS, units: int = 0) -> StockNote:
    return StockNote("m1", item, at_ms, units, left)


def empty(low_minutes: float = 30) -> Stocks:
    return Stocks(low_minutes, Interner(2, 16))


def take(stocks: Stocks, *notes: StockNote, newest_ms: int = NOON_MS) -> None:
    """Notes of one batch."""
    stocks.take(ShardStock.of(0, notes).notes, newest_ms)


def told(stocks: Stocks, newest_ms: int = NOON_MS) -> tuple[Any, Any]:
    """Both fields of the first merchant, parsed."""
    ((low, sold_out_at),) = stocks.texts(np.zeros(1, np.int64), newest_ms)
    return low and json.loads(low), sold_out_at and int(sold_out_at)


def test_sixty_units_left_at_six_a_minute_are_gone_in_ten_minutes() -> None:
    stocks = empty()
    # 30 units in the last 5 minutes: 6 a minute. 60 / 6 = 10 minutes from the moment of the stock.
    take(stocks, note("cake", 90, NOON_MS - 4 * MINUTE_MS))
    take(stocks, note("cake", 60, NOON_MS, units=30))
    assert told(stocks) == ([["cake", 60, 6, NOON_MS + 10 * MINUTE_MS]], NOON_MS + 10 * MINUTE_MS)


def test_units_sold_five_minutes_ago_no_longer_count() -> None:
    stocks = empty()
    take(stocks, note("cake", 60, NOON_MS, units=30))
    still = NOON_MS + 5 * MINUTE_MS - 5_000  # the bucket of noon is the oldest of sixty
    assert told(stocks, still)[1] == NOON_MS + 10 * MINUTE_MS
    assert told(stocks, still + 5_000) == (None, None)


def test_units_count_where_they_were_sold_in_whatever_order_they_come() -> None:
    stocks = empty(low_minutes=10_000)
    ages_ms = (0, 10 * MINUTE_MS, 2 * MINUTE_MS, 5 * MINUTE_MS - 5_000, 5 * MINUTE_MS, 0)
    take(stocks, note("cake", 60))
    take(stocks, *(note("cake", None, NOON_MS - age, 10**n) for n, age in enumerate(ages_ms)))
    assert told(stocks)[0][0][2] == 101_101 / 5
    assert told(stocks, NOON_MS + 5_000)[0][0][2] == 100_101 / 5
    assert told(stocks, NOON_MS + 3 * MINUTE_MS)[0][0][2] == 100_001 / 5
    take(stocks, note("cake", None, NOON_MS + 20 * MINUTE_MS, 5), newest_ms=NOON_MS + 20 * MINUTE_MS)
    assert told(stocks, NOON_MS + 20 * MINUTE_MS)[0][0][2] == 1


def test_sales_ahead_of_the_newest_event_so_far_push_out_what_left_the_window_before_them() -> None:
    stocks = empty(low_minutes=10_000)
    ahead = NOON_MS + 5 * MINUTE_MS
    take(stocks, note("cake", 60, ahead, units=10))
    take(
        stocks, note("cake", None, NOON_MS, units=5)
    )  # sixty buckets before: it shares the place of the newest
    assert told(stocks, ahead)[0][0][2] == 2


def test_an_item_with_more_than_the_minutes_left_is_not_low_but_has_an_end() -> None:
    stocks = empty(low_minutes=10)
    take(stocks, note("cake", 60, units=30))
    assert told(stocks) == (None, NOON_MS + 10 * MINUTE_MS)
    take(stocks, note("cake", 59))
    assert told(stocks) == ([["cake", 59, 6, NOON_MS + 590_000]], NOON_MS + 590_000)


def test_what_is_sold_out_is_low_since_it_was_told_so() -> None:
    stocks = empty()
    take(stocks, note("cake", 0, NOON_MS - MINUTE_MS), note("tea", 5))
    assert told(stocks) == ([["cake", 0, 0, NOON_MS - MINUTE_MS]], NOON_MS - MINUTE_MS)


@pytest.mark.parametrize("turn", [1, -1])
def test_the_newest_stock_by_event_time_wins_in_any_order_and_the_lower_at_the_same_moment(turn: int) -> None:
    stocks = empty()
    notes = [note("a", 9, NOON_MS - 1, 1), note("a", 4, NOON_MS), note("a", 5, NOON_MS)]
    for one in notes[::turn]:
        take(stocks, one)
    low, _ = told(stocks)
    assert low[0][:2] == ["a", 4]


def test_orders_of_an_item_whose_stock_is_unknown_are_not_kept() -> None:
    stocks = empty()
    take(stocks, note("cake", None, units=3))
    assert (len(stocks), stocks.items(0)) == (0, [])
    assert stocks.due(NOON_MS).tolist() == []


def test_a_merchant_with_a_thousand_items_keeps_the_fifty_heard_of_last_and_tells_ten() -> None:
    stocks = empty(low_minutes=10_000)
    take(stocks, *(note(f"i{n}", 10 + n, NOON_MS + n, units=1) for n in range(1_000)))
    assert set(stocks.items(0)) == {f"i{n}" for n in range(1_000 - ITEMS_HELD, 1_000)}
    low, sold_out_at = told(stocks, NOON_MS + 1_000)
    assert [entry[0] for entry in low] == [f"i{n}" for n in range(950, 950 + ITEMS_TOLD)]
    assert sold_out_at == low[0][3]


def test_of_items_heard_of_at_the_same_moment_the_first_by_name_gives_way() -> None:
    stocks = empty()
    names = [f"i{n:02}" for n in range(ITEMS_HELD)]
    take(stocks, *(note(name, 1) for name in reversed(names)))
    take(stocks, note("zero", 1), note("i00", 1))
    assert set(stocks.items(0)) == {"zero", "i00", *names[2:]}


def test_an_item_that_comes_again_begins_anew() -> None:
    stocks = empty()
    take(stocks, note("cake", 60, NOON_MS - 1, units=30))
    take(stocks, *(note(f"i{n}", 9) for n in range(ITEMS_HELD)))
    take(stocks, note("cake", 60, NOON_MS, units=5))
    assert told(stocks)[0] is None  # one unit a minute, not seven
    assert told(stocks)[1] == NOON_MS + 60 * MINUTE_MS


def test_a_batch_that_says_nothing_changes_nothing() -> None:
    stocks = empty()
    take(stocks)
    assert (len(stocks), stocks.due(NOON_MS).tolist()) == (0, [])


def test_a_merchant_is_due_when_something_is_said_of_it_until_it_is_told() -> None:
    stocks = empty()
    take(stocks, note("cake", 60), note("tea", 60))
    assert stocks.due(NOON_MS).tolist() == stocks.due(NOON_MS).tolist() == [0]
    told(stocks)
    assert stocks.due(NOON_MS).tolist() == []
    take(stocks, note("tea", None))
    assert stocks.due(NOON_MS).tolist() == [0]


def test_quiet_merchants_are_due_by_turns_for_what_they_sell_slows() -> None:
    stocks = empty()
    count = 2 * TOLD_AGAIN
    take(stocks, *(StockNote(f"m{n}", "cake", NOON_MS, 1, 9) for n in range(count)))
    stocks.texts(stocks.due(NOON_MS), NOON_MS)
    turns = []
    for turn in (1, 2, 3):
        turns.append(stocks.due(NOON_MS + turn * 5_000).tolist())
        stocks.texts(np.array(turns[-1]), NOON_MS)
    first, second = list(range(TOLD_AGAIN)), list(range(TOLD_AGAIN, count))
    assert turns == [second, first, second]


def test_merchants_without_items_that_come_later_are_not_due() -> None:
    merchants = Interner(2, 16)
    stocks = Stocks(30, merchants)
    take(stocks, note("cake", 60))
    for n in range(5_000):
        merchants.add(f"other{n}")
    assert stocks.due(NOON_MS).tolist() == [0]
    take(stocks, StockNote("other4999", "tea", NOON_MS, 0, 0))
    assert stocks.due(NOON_MS).tolist() == [0, 5_000]
    assert stocks.texts(np.array([5_000]), NOON_MS) == [(b'[["tea",0,0.0,%d]]' % NOON_MS, b"%d" % NOON_MS)]


def rows_of(shard: Shard) -> dict[str, Any]:
    """Text fields that are told of m1 now."""
    rows = shard.outbox.take()
    assert rows is not None
    return dict(rows.texts[rows.merchant_ids.index("m1")] or {})


def test_orders_tell_stock_and_speed_by_themselves() -> None:
    room = WarRoom(rules())
    fields: dict[str, Any] = {"item_id": "cake", "at_ms": NOON_MS}
    events = [
        order(1, quantity=10, stock_left=70, **fields),
        order(2, quantity=20, stock_left=60, **fields),
        order(2, quantity=20, stock_left=60, **fields),  # a copy
        order(3, quantity=5, stock_left=None, **fields),  # says nothing of what is left
        order(4, quantity=7, status="created", stock_left=60, **fields),
        order(5, quantity=50, at_ms=NOON_MS),
    ]
    room.send(0, [encoded(e) for e in events])
    texts = rows_of(room.shards[shard_of_merchant("m1")])
    assert json.loads(texts["low_stock"]) == [["cake", 60, 6, NOON_MS + 10 * MINUTE_MS]]
    assert texts["sold_out_at"] == b"%d" % (NOON_MS + 10 * MINUTE_MS)


@pytest.mark.parametrize("value", ["5", -1, 1.5, True])
def test_an_order_with_a_stock_that_is_none_is_invalid(value: Any) -> None:  # noqa: ANN401
    room = WarRoom(rules())
    room.send(0, [encoded(order(1, item_id="cake", stock_left=value))])
    assert [letter.reason for letter in room.dead_letters] == ["invalid"]


def test_bad_stock_records_go_aside_and_their_neighbours_count() -> None:
    good = encoded({"merchant_id": "m1", "item_id": "cake", "stock_left": 3, "event_time": NOON_MS})
    future = good.replace(b"%d" % NOON_MS, b"%d" % (NOON_MS + 300_001))
    values: list[bytes | None] = [b"no\n" + good, None, good.replace(b"3,", b"-3,"), future]
    output = StockLane("stock", 0).take(raw_batch("stock", 0, 7, values, NOON_MS))
    told_of = [(x.offset, x.line, x.reason, x.value) for x in output.dead_letters]
    assert told_of == [
        (7, 0, "malformed", b"no"),
        (8, 0, "malformed", None),
        (9, 0, "invalid", values[2]),
        (10, 0, "future", future),
    ]
    ((_, stock),) = output.to_shards
    assert stock.to_bytes() == ShardStock.of(stock.shard, [note("cake", 3)]).to_bytes()


class Turns(RebaseTurns):
    """Whether a base is written at a snapshot."""

    def __init__(self, rebase: bool) -> None:
        super().__init__()
        self._rebase = rebase

    def take(self) -> bool:
        return self._rebase


@pytest.mark.parametrize("rebase", [False, True])
def test_stock_survives_a_kill(tmp_path: Path, rebase: bool) -> None:
    number = shard_of_merchant("m1")
    shard, store = Shard(number, rules()), ShardStore(tmp_path, number, "run-1", Turns(rebase))
    for snapshot in (1, 2, 3):
        for stock in (
            ShardStock.of(number, [note("cake", 60 + snapshot, units=5), note("tea", 10**9)]),
            ShardStock.of(number, [note("cake", 60, units=5)]),
        ):
            shard.take_stock(stock)
            store.note_stock(stock)
        ref = store.save(shard, -1)
    shard.take_stock(ShardStock.of(number, [note("cake", 1, NOON_MS + 1)]))  # after the last snapshot
    resumed = ShardStore(tmp_path, number, "run-2", Turns(rebase)).load(ref, rules())
    loaded = Shard.load(resumed.dump(), rules())
    for one in (resumed, loaded):
        assert told(one.stocks) == ([["cake", 60, 6, NOON_MS + 10 * MINUTE_MS]], NOON_MS + 10 * MINUTE_MS)
        assert set(one.stocks.items(one.row_of("m1"))) == {"cake", "tea"}
