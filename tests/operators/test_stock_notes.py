"""What orders and the topic ``stock`` say of items comes to the same however it is read, split and kept."""

from __future__ import annotations

import json
import pickle
import random
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.bytes_kernels import Interner
from operators.decode import OrderDecoder, raw_batch
from operators.dimensions import Dimensions
from operators.order_tally import OrderTally
from operators.shards import SHARDS
from operators.stock_lane import StockLane
from operators.stock_notes import ShardStock, StockNote, to_shards
from operators.stocks import Stocks
from operators.tally import shard_of_merchant
from schemas.events import MAX_ID_BYTES, MAX_QUANTITY
from schemas.windows import MINUTE_MS
from tests.operators.night import DAY_START_MS, STAMP_MS, encoded, order
from tests.operators.plain_stocks import PlainStocks

NOON_MS = DAY_START_MS + 12 * 60 * MINUTE_MS
LOW_MINUTES = 30.0
LONG = "樂" * (MAX_ID_BYTES // 3) + "xy"  # as long as an id may be
NAMES = ("", "a", "a\0", "a\0b", 'q"uote', "back\\slash", "\n\t\x01\x1f\x7f", "蛋糕", "🎂", LONG)
"""Names that JSON escapes, that are empty or long, or that differ in nothing but zeros."""

ids = st.text(st.characters(codec="utf-8"), max_size=40)
items_said = st.lists(
    st.tuples(st.sampled_from(("m1", "m2", LONG)), ids, st.none() | st.integers(0, MAX_QUANTITY)),
    max_size=12,
)


def escaped(text: str) -> str:
    """A JSON string in which every character is escaped: no scanner reads it, the full decoder does."""
    units = text.encode("utf-16-be").hex()
    return '"' + "".join(f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4)) + '"'


def written(event: dict[str, Any], by_the_full_decoder: bool) -> bytes:
    """An event as JSON that the one or the other reader reads, unless JSON has to escape its names."""
    if not by_the_full_decoder:
        return encoded(event)
    return encoded({**event, "item_id": "@"}).replace(b'"@"', escaped(event["item_id"]).encode())


class Reader:
    """Orders as bytes to notes by shard."""

    def __init__(self, *, all_items: bool = True) -> None:
        merchants, dimensions = Interner(2, 8), Dimensions()
        self._decoder = OrderDecoder(merchants, dimensions)
        self._tally = OrderTally(merchants, dimensions, all_items=all_items)

    def read(self, values: list[bytes]) -> list[ShardStock]:
        decoded = self._decoder.decode(raw_batch("orders", 0, 0, list(values), STAMP_MS))
        return [stock for _, stock in self._tally.stock(decoded)]


def same(some: Iterable[ShardStock], others: Iterable[ShardStock]) -> bool:
    """Whether the shards of both are told the same."""
    return {s.shard: s.to_bytes() for s in some} == {s.shard: s.to_bytes() for s in others}


@settings(deadline=None, max_examples=100)
@given(said=items_said, aside=st.lists(st.booleans(), min_size=12, max_size=12), cut=st.integers(0, 12))
def test_the_scan_and_the_full_decoder_make_the_same_notes_of_an_order(
    said: list[tuple[str, str, int | None]], aside: list[bool], cut: int
) -> None:
    events = [
        order(n, merchant, NOON_MS + n, item_id=item, stock_left=left, quantity=n + 1)
        for n, (merchant, item, left) in enumerate(said)
    ]
    notes = [StockNote(m, item, NOON_MS + n, n + 1, left) for n, (m, item, left) in enumerate(said)]
    expected = [stock for _, stock in to_shards(notes)]
    for how in ([False] * 12, [True] * 12, aside):
        values = [written(event, full) for event, full in zip(events, how, strict=False)]
        assert same(Reader().read(values), expected)
        reader = Reader()
        parts = [reader.read(part) for part in (values[:cut], values[cut:]) if part]
        by_shard: dict[int, list[ShardStock]] = {}
        for stock in (s for part in parts for s in part):
            by_shard.setdefault(stock.shard, []).append(ShardStock.from_bytes(stock.to_bytes()))
        assert same(map(ShardStock.joined, by_shard.values()), expected)


@pytest.mark.parametrize("full", [False, True])
def test_only_orders_that_are_paid_say_that_units_were_sold(full: bool) -> None:
    states = ("created", "paid", "cancelled", "refunded")
    events = [
        order(n, at_ms=NOON_MS, item_id="cake", stock_left=9, quantity=5, status=status)
        for n, status in enumerate(states)
    ]
    notes = [StockNote("m1", "cake", NOON_MS, 5 * (status == "paid"), 9) for status in states]
    read = Reader().read([written(event, full) for event in events])
    assert same(read, [stock for _, stock in to_shards(notes)])


@pytest.mark.parametrize("full", [False, True])
def test_without_a_topic_of_stock_only_orders_that_say_what_is_left_are_heard(full: bool) -> None:
    events = [
        order(1, at_ms=NOON_MS, item_id="cake"),
        order(2, at_ms=NOON_MS, item_id="cake", stock_left=None),
        order(3, at_ms=NOON_MS, item_id="cake", stock_left=0),
    ]
    values = [written(event, full) for event in events]
    values.append(encoded(order(4, at_ms=NOON_MS, item_id=None, stock_left=7)))
    values.append(encoded(order(5, at_ms=NOON_MS, stock_left=7)))
    with_stock = StockNote("m1", "cake", NOON_MS, 1, 0)
    without = StockNote("m1", "cake", NOON_MS, 1, None)
    expected = [stock for _, stock in to_shards([with_stock])]
    assert same(Reader(all_items=False).read(values), expected)
    expected = [stock for _, stock in to_shards([without, without, with_stock])]
    assert same(Reader(all_items=True).read(values), expected)


def test_orders_that_are_refused_say_nothing() -> None:
    values = [
        encoded(order(1, item_id="cake", stock_left=5, amount=-1)),
        encoded(order(2, item_id="cake", stock_left=MAX_QUANTITY + 1)),
        encoded(order(3, item_id="cake", stock_left=5, at_ms=STAMP_MS + 10 * 60 * MINUTE_MS)),
        b'{"item_id":"cake","stock_left":5}',
    ]
    assert Reader().read(values) == []


def test_names_read_by_the_full_decoder_are_kept_for_their_batch_alone() -> None:
    decoder = OrderDecoder(Interner(2, 8))
    for item in ("cake", "tea"):
        values: list[bytes | None] = [written(order(1, item_id=item), by_the_full_decoder=True)]
        assert decoder.decode(raw_batch("orders", 0, 0, values, STAMP_MS)).aside == item.encode()


def test_the_last_of_two_values_of_a_field_counts() -> None:
    twice = encoded(order(1, at_ms=NOON_MS, item_id="cake", stock_left=5))[:-1]
    values = [
        twice + b',"item_id":"tea","stock_left":6}',
        twice + b',"item_id":null}',
        twice + b',"stock_left":null}',
    ]
    notes = [StockNote("m1", "tea", NOON_MS, 1, 6), StockNote("m1", "cake", NOON_MS, 1, None)]
    assert same(Reader().read(values), [stock for _, stock in to_shards(notes)])


Shown = tuple[dict[str, Any], dict[str, list[str]], int]
"""Texts of the merchants that are due, the items of each merchant, and how many merchants there are."""


class Told:
    """Stocks of every shard beside plain ones, and a journal as a shard's store keeps it."""

    def __init__(self) -> None:
        self.plain = [PlainStocks(LOW_MINUTES) for _ in range(SHARDS)]
        self.interners = [Interner(2, 16) for _ in range(SHARDS)]
        self.stocks = [Stocks(LOW_MINUTES, interner) for interner in self.interners]
        self.journal: list[list[ShardStock]] = [[] for _ in range(SHARDS)]
        self.newest_ms = NOON_MS
        self.save()

    def take(self, stocks: Iterable[ShardStock], notes: Iterable[StockNote]) -> None:
        for stock in stocks:
            self.stocks[stock.shard].take(stock.notes, self.newest_ms)
            self.journal[stock.shard].append(ShardStock.from_bytes(stock.to_bytes()))
        for note in notes:
            self.plain[shard_of_merchant(note.merchant_id)].take([note])

    def save(self) -> None:
        """All of it as bytes; the journal begins anew."""
        self._saved = pickle.dumps((self.interners, self.stocks))
        self._turns = [(plain.again, plain.again_bucket) for plain in self.plain]
        self.journal = [[] for _ in range(SHARDS)]

    def kill(self) -> None:
        """Back to what was saved, and what was said since once more, as one block."""
        self.interners, self.stocks = pickle.loads(self._saved)
        for shard, stocks in enumerate(self.journal):
            if stocks:
                self.stocks[shard].take(ShardStock.joined(stocks).notes, self.newest_ms)
            self.stocks[shard].touch()
            self.plain[shard].touch()
            self.plain[shard].again, self.plain[shard].again_bucket = self._turns[shard]

    def strangers(self, count: int) -> None:
        """Merchants without items come to every shard, as they do with the first order."""
        for interner in self.interners:
            for n in range(len(interner), len(interner) + count):
                interner.add(f"stranger{n}")

    def shown(self) -> list[Shown]:
        """What is due and held, by shard."""
        found = []
        for plain, stocks, interner in zip(self.plain, self.stocks, self.interners, strict=True):
            rows = stocks.due(self.newest_ms)
            texts = dict(zip(map(interner.text, rows), stocks.texts(rows, self.newest_ms), strict=True))
            held = {merchant: sorted(stocks.items(interner.add(merchant))) for merchant in plain.merchants}
            found.append((texts, held, len(stocks)))
        return found

    def right(self) -> list[Shown]:
        """The same as plain dictionaries say it."""
        return [
            (
                {merchant: plain.texts(merchant, self.newest_ms) for merchant in plain.due(self.newest_ms)},
                {merchant: sorted(items) for merchant, items in plain.merchants.items()},
                len(plain.merchants),
            )
            for plain in self.plain
        ]


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**32),
    merchants=st.integers(1, 8),
    items=st.integers(1, 90),
    longer=st.sampled_from((0, 7, 100)),
    batch=st.integers(1, 60),
    step_ms=st.sampled_from((0, 900, 20_000, 200_000)),
)
def test_stocks_are_what_plain_dictionaries_say_over_late_notes_kills_and_any_split(
    seed: int, merchants: int, items: int, longer: int, batch: int, step_ms: int
) -> None:
    rng = random.Random(seed)
    sellers = [*(f"m{n}" for n in range(merchants)), LONG]
    names = rng.sample([*NAMES, *(f"{'i' * longer}{n}" for n in range(items))], items)
    told, reader, lane = Told(), Reader(), StockLane("stock", 0)
    for number in range(30):
        notes = [
            StockNote(
                rng.choice(sellers),
                rng.choice(names),
                told.newest_ms + rng.choice((1, 1, -1, -60)) * rng.choice((0, 5_000, rng.randrange(6_000))),
                rng.choice((0, 1, 2, 50, MAX_QUANTITY)),
                rng.choice((None, 0, 3, 40, 4_000, MAX_QUANTITY)),
            )
            for _ in range(rng.randrange(batch))
        ]
        if notes and rng.random() < 0.8:
            told.newest_ms = max(told.newest_ms, *(note.event_time_ms for note in notes))
            told.take(reader.read([of_order(note, rng) for note in notes]), notes)
        elif notes:  # records of the topic may be ahead of all orders
            notes = [note._replace(units=0, item_id=note.item_id or "-") for note in notes]
            notes = [note for note in notes if note.stock_left is not None]
            values: list[bytes | None] = [of_topic(note) for note in notes]
            output = lane.take(raw_batch("stock", 0, 0, values, STAMP_MS))
            told.take([stock for _, stock in output.to_shards], notes)
        told.newest_ms += rng.randrange(step_ms + 1)
        if rng.random() < 0.1:
            told.strangers(rng.randrange(60))
        if rng.random() < 0.2:
            told.save()
        if rng.random() < 0.2:
            told.kill()
        if rng.random() < 0.5 or number == 29:
            assert told.shown() == told.right()


def of_order(note: StockNote, rng: random.Random) -> bytes:
    """An order that says it."""
    event = order(
        rng.randrange(10**9),
        note.merchant_id,
        note.event_time_ms,
        item_id=note.item_id,
        quantity=note.units or 7,
        status="paid" if note.units else rng.choice(("created", "refunded")),
        stock_left=note.stock_left,
    )
    return written(event, by_the_full_decoder=rng.random() < 0.3)


def of_topic(note: StockNote) -> bytes:
    """A record of the topic ``stock`` that says it."""
    return encoded(
        {
            "merchant_id": note.merchant_id,
            "item_id": note.item_id,
            "stock_left": note.stock_left,
            "event_time": note.event_time_ms,
        }
    )


@settings(deadline=None, max_examples=100)
@given(names=st.lists(ids, min_size=1, max_size=12, unique=True), at_once=st.booleans())
def test_names_are_told_as_json_writes_them_and_of_those_sold_out_at_once_the_first_in_order(
    names: list[str], at_once: bool
) -> None:
    stocks = Stocks(LOW_MINUTES, Interner())
    notes = [StockNote("m1", name, NOON_MS + n * (not at_once), 0, 0) for n, name in enumerate(names)]
    stocks.take(ShardStock.of(0, notes).notes, NOON_MS)
    ((low, _),) = stocks.texts(np.zeros(1, np.int64), NOON_MS)
    first = sorted(names)[:10] if at_once else names[:10]
    times = [NOON_MS + n * (not at_once) for n in range(len(first))]
    told = [[name, 0, 0.0, at_ms] for name, at_ms in zip(first, times, strict=True)]
    assert low == json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()


@pytest.mark.parametrize("merchants", [1, 2, 50])
def test_names_that_json_makes_six_times_as_long_find_room(merchants: int) -> None:
    stocks = Stocks(LOW_MINUTES, Interner())
    names = ["\1" * (MAX_ID_BYTES - 2) + f"{n:02}" for n in range(10)]
    notes = [StockNote(f"m{m}", name, NOON_MS, 0, 0) for m in range(merchants) for name in names]
    stocks.take(ShardStock.of(0, notes).notes, NOON_MS)
    low = json.dumps([[name, 0, 0.0, NOON_MS] for name in names], separators=(",", ":")).encode()
    assert stocks.texts(stocks.due(NOON_MS), NOON_MS) == [(low, b"%d" % NOON_MS)] * merchants


def test_items_that_come_and_go_take_no_more_room_than_those_held_at_a_time() -> None:
    stocks = Stocks(LOW_MINUTES, Interner())
    sizes = []
    for turn in range(40):
        at_ms = NOON_MS + turn * 6 * MINUTE_MS  # what sold before has left the window
        notes = [StockNote("m1", f"item {n:02} of turn {turn:02}", at_ms, 1, 5) for n in range(50)]
        stocks.take(ShardStock.of(0, notes).notes, at_ms)
        assert set(stocks.items(0)) == {note.item_id for note in notes}
        sizes.append(stocks.nbytes)
    assert max(sizes) < 2 * sizes[0]


def test_merchants_that_come_take_the_room_that_others_have_outgrown() -> None:
    stocks = Stocks(LOW_MINUTES, Interner())

    def stock(first: int, items: int) -> int:
        notes = [StockNote(f"m{first + m}", f"i{n}", NOON_MS, 0, 1) for n in range(items) for m in range(200)]
        stocks.take(ShardStock.of(0, notes).notes, NOON_MS)
        return stocks.nbytes

    assert stock(0, items=3) == stock(200, items=2)
    assert {tuple(sorted(stocks.items(row))) for row in range(200)} == {("i0", "i1", "i2")}
    assert {tuple(sorted(stocks.items(row))) for row in range(200, 400)} == {("i0", "i1")}
