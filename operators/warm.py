"""``python -m operators.warm``: compile the hot path once, so that no start has to wait for it.

Sends a few orders through everything that is compiled; numba keeps the result beside the sources.
"""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from operators.added import CLICKS_WIDE
from operators.batches import Standing
from operators.board_rules import BoardRules
from operators.bytes_kernels import Interner
from operators.category_days import OrdinaryCategories
from operators.click_tally import ClickTally
from operators.decode import ClickDecoder, OrderDecoder, raw_batch
from operators.dedup import FIRST_TABLE_SLOTS, Dedup, DedupBudget
from operators.dedup_store import DedupStore
from operators.delta import ShardDelta
from operators.dimensions import Dimensions
from operators.event_lane import EventLane
from operators.joins import JoinMemory
from operators.kafka_message_kernels import NOTHING, MessageColumns, Queue, take_messages
from operators.order_tally import OrderTally
from operators.people_distinct import Distinct, PeopleBudget
from operators.people_loyalty import Loyalty
from operators.people_span import Era, Span
from operators.people_tables import BUYER, TIME_BITS, person_of
from operators.process_clock import ProcessClock
from operators.redis_encoding import RowEncoder
from operators.redis_pending import PendingMerchants
from operators.rollup_results import rollup_rows
from operators.rollups import RollupRules, Rollups
from operators.shard import Shard, ShardRules
from operators.shard_people import ShardPeople, people_of_all
from operators.shard_store import ShardStore
from operators.shards import SHARDS
from operators.state_files import RebaseTurns
from operators.stock_notes import ShardStock
from schemas.windows import DAY_MS, DEFAULT_TIMEZONE, FINEST_BUCKET_MS, HOUR_MS, LATENESS_MS

_START_MS = 1_576_080_000_000
_ORDER = (
    b'{"order_id":"o%d","merchant_id":"m%d","member_id":"u","amount":1,"quantity":1,'
    b'"status":"paid","event_time":%d,"channel":"c","category":"k","city_tier":1,"item_id":"i","stock_left":9}'
)
_CLICK = (
    b'{"event_id":"e%d","merchant_id":"m%d","visitor_id":"u%d","action":"%b","source":"map",'
    b'"city_tier":1,"event_time":%d}'
)
_ACTIONS = (b"view", b"cart", b"favorite", b"join")


def warm(directory: Path) -> None:
    """Run every compiled function once; files go to ``directory``."""
    sources = ("orders/0", "clicks/0")
    top = BoardRules(10)
    rules = ShardRules(sources, LATENESS_MS, DEFAULT_TIMEZONE, _START_MS, top, ("m1",), 24, 1, 1 << 12)
    merchants = Interner(4, 16)
    dimensions = Dimensions()
    dedup = Dedup(DAY_MS, DedupBudget(1 << 24))
    lane = EventLane(
        "orders", 0, OrderDecoder(merchants, dimensions), dedup, OrderTally(merchants, dimensions),
        DedupStore(directory, "warm"), ProcessClock(), LATENESS_MS, _START_MS,
    )  # fmt: skip
    clicks = EventLane(
        "clicks", 0, ClickDecoder(merchants, dimensions), Dedup(DAY_MS, DedupBudget(1 << 24)),
        ClickTally(merchants, dimensions),
        None, ProcessClock(), LATENESS_MS, _START_MS,
    )  # fmt: skip
    rollups = Rollups(RollupRules(sources, LATENESS_MS, DEFAULT_TIMEZONE, _START_MS))
    shards = [Shard(number, rules) for number in range(SHARDS)]
    stores = [ShardStore(directory, number, "warm", RebaseTurns()) for number in range(SHARDS)]
    for minute in range(0, 130, 10):
        at_ms = _START_MS + minute * 60_000
        values: list[bytes | None] = [_ORDER % (minute * 1000 + n, n % 7, at_ms + n) for n in range(100)]
        output = lane.take(raw_batch("orders", 0, minute * 100, values, at_ms))
        values = [
            _CLICK % (minute * 1000 + n, n % 7, n if minute else minute, _ACTIONS[n % 4], at_ms + n)
            for n in range(1000)
        ]
        seen = clicks.take(raw_batch("clicks", 0, minute * 1000, values, at_ms))
        for _, rollup in (*output.to_rollups, *seen.to_rollups):
            rollups.take(rollup)
        for _, delta in (*output.to_shards, *seen.to_shards):
            if isinstance(delta, ShardStock):
                shards[delta.shard].take_stock(ShardStock.from_bytes(delta.to_bytes()))
                stores[delta.shard].note_stock(delta)
                continue
            shards[delta.shard].take(ShardDelta.from_bytes(delta.to_bytes()))
            stores[delta.shard].note(delta, True)
            if (share := shards[delta.shard].for_rollups.take()) is not None:
                rollups.take(share)
    for _, delta in (*lane.pulse(Standing.ENDED).to_shards, *clicks.pulse(Standing.ENDED).to_shards):
        shards[delta.shard].take(delta)
    dedup.mark(
        np.arange(1, FIRST_TABLE_SLOTS, dtype=np.uint64),
        np.full(FIRST_TABLE_SLOTS - 1, dedup.newest_ms),
        np.zeros(FIRST_TABLE_SLOTS - 1, np.uint8),
    )
    lane.snapshot()
    _warm_results(shards, stores, rules, at_ms)
    rollup_rows(rollups, rollups.take_changed(), OrdinaryCategories())
    _warm_people()
    _warm_joins()
    take_messages(Queue(0, 0, 0, 0, 0), 0, MessageColumns.empty(1), np.zeros(1, np.uint8), NOTHING)


def _warm_results(shards: list[Shard], stores: list[ShardStore], rules: ShardRules, at_ms: int) -> None:
    """Shards resume, hand on what Redis is to show, and see two days later."""
    encoder = RowEncoder("warm:")
    for shard, store in zip(shards, stores, strict=True):
        resumed = Shard.load(store.load(store.save(shard, 0), rules).dump(), rules)
        resumed.outbox.summary()
        rows = resumed.outbox.take()
        if rows is not None:
            pending = PendingMerchants(time.monotonic)
            pending.offer(rows)
            if (taken := pending.take(len(rows))) is not None:
                encoder.encode(taken.rows, 0)
    for shard in shards:
        shard.shares.advance(at_ms + 2 * DAY_MS, shard.columns.zone[: len(shard.merchants)])


def _warm_people() -> None:
    """What happens to the people of merchants only when there are many, when memory is short, or in time."""
    zone, start_ms = np.zeros(1, np.uint8), np.array([_START_MS])
    rows = np.zeros(99, np.int32)
    persons = np.arange(99, dtype=np.uint64) << np.uint64(TIME_BITS) | np.uint64(BUYER)
    for limit in (0, 1 << 30):
        budget = PeopleBudget(limit)
        distinct = Distinct(budget, with_sale=True, most_entries=32)
        loyalty = Loyalty(budget, most_buyers=32)
        for later_ms in (HOUR_MS, 2_000 * DAY_MS):
            newest_ms = _START_MS + later_ms
            span = Span.of(newest_ms, start_ms, _START_MS // FINEST_BUCKET_MS, 0, start_ms)
            buckets = np.full(99, newest_ms // FINEST_BUCKET_MS)
            era = Era.of(newest_ms)
            distinct.add(rows, persons, buckets, zone, span, era)
            loyalty.add(rows, persons, buckets, zone, span, era, lambda row, persons, buckets: None)
            for part in (distinct, loyalty):
                part.sweep(zone, span, era)
        distinct.counts(np.zeros(1, np.int64), zone, span, era)
        loyalty.know(0, ["u"])
    people_of_all([ShardPeople(1 << 20, with_sale=True).bitmaps(span)])
    person_of(np.uint64(1), BUYER)


def _warm_joins() -> None:
    """What happens to joins when there are many."""
    many = 4_096
    joins = JoinMemory(1 << 20)
    joins.count(
        np.zeros(many, np.int32), np.arange(1, many + 1, dtype=np.uint64), np.ones(1, np.uint64),
        np.ones(1, np.bool_), np.zeros((1, CLICKS_WIDE), np.int64),
    )  # fmt: skip


def main() -> None:
    """Compile, and say how long it took."""
    started = time.monotonic()
    with TemporaryDirectory() as directory:
        warm(Path(directory))
    print(f"compiled the hot path in {time.monotonic() - started:.1f} s")


if __name__ == "__main__":
    main()
