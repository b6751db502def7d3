"""One shard: the merchants whose state lives together, from deltas and baselines to results.

Plain and deterministic: its state is a function of the inputs it took, in their order. No wall clock, no
Bytewax, no Redis. ``operators.shard_store`` keeps it across restarts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from operators.added import ORDERS_WIDE, Added
from operators.batches import (
    I32,
    I64,
    NO_EVENT_MS,
)
from operators.board_rules import BoardRules
from operators.bytes_kernels import Interner
from operators.calendar_days import day_bounds_ms
from operators.changes import ALL_CHANGED
from operators.closing import Closing
from operators.cut_names import CutNumbers
from operators.delta import ShardBaselines, ShardDelta, Suspect, counts_of
from operators.event_clock import EventClock
from operators.joins import JoinMemory
from operators.merchant_columns import NO_BASELINE, MerchantColumns, note_times
from operators.milestones import Book, Milestones
from operators.multiples import Baselines, Rows, known_zone
from operators.people_span import Era, Span
from operators.rollup_share import RollupShare
from operators.shard_outbox import ShardOutbox
from operators.shard_people import ShardPeople
from operators.share_texts import ShareTexts
from operators.shares import NAMES_HELD, MerchantShares
from operators.state_bytes import pack_state, unpack_state
from operators.stock_notes import ShardStock
from operators.stocks import Stocks
from operators.windows import Windows
from schemas.baselines import Baseline
from schemas.dead_letters import DeadLetter
from schemas.windows import FINEST_BUCKET_MS, ORDERS, SLIDING

STATE_LAYOUT = 11
"""Version of what ``dump`` writes; state of another version is refused."""

LONGEST = SLIDING[-1]
Mask = np.ndarray[tuple[int], np.dtype[np.bool_]]


@dataclass(frozen=True, slots=True)
class ShardRules:
    """What a shard has to know beside its inputs. ``sources``: every ``topic/partition`` of events."""

    sources: tuple[str, ...]
    lateness_ms: int
    timezone: str
    sale_opens_ms: int | None
    top: BoardRules
    series_watch: tuple[str, ...]
    series_merchants: int
    milestone_min_orders: int
    joins_bytes: int
    """Bound for the joins that the shard remembers."""
    people_bytes: int = 1 << 40
    """Bound for the people that the shard remembers."""
    low_stock_minutes: float = 30.0
    """With less than this left at its present speed, an item is low."""


class Shard:
    """State of one shard. All methods are called by one thread."""

    def __init__(self, number: int, rules: ShardRules) -> None:
        self.number = number
        self.rules = rules
        self.clock = EventClock(rules.sources, rules.lateness_ms)
        self.merchants = Interner(256)
        self.columns = MerchantColumns.empty()
        self.baselines = Baselines()
        self.zones = [rules.timezone]
        self.windows = Windows(self.columns, self.zones, rules.sale_opens_ms)
        self.closing = Closing(self.windows)
        self.milestones = Milestones()
        self.joins = JoinMemory(rules.joins_bytes)
        self.cut_numbers = CutNumbers(NAMES_HELD)
        self.shares = MerchantShares(self.zones, self.cut_numbers)
        self.share_texts = ShareTexts(self.shares)
        self.for_rollups = RollupShare(self.cut_numbers)
        self.baselines_at = 0
        """Rises with every change of baselines."""
        self.stocks = Stocks(rules.low_stock_minutes, self.merchants)
        self.people = ShardPeople(rules.people_bytes, with_sale=rules.sale_opens_ms is not None)
        self.late = 0
        self._packed_ms = 0
        self._swept_hour = 0
        self._span: tuple[Span, Era] | None = None
        self._span_at: tuple[int | None, ...] = ()
        self.outbox = ShardOutbox(self)

    def take(self, delta: ShardDelta) -> list[DeadLetter]:
        """Count a delta; the events among its suspects that are late come back as dead letters."""
        first = self.clock.newest_ms == NO_EVENT_MS
        for progress in delta.progresses:
            self.clock.hear(progress)
        if first and self.clock.newest_ms != NO_EVENT_MS:
            self.outbox.touch()  # what merchants without sales are compared with is known only now
        merchants = len(self.merchants)
        self.windows.advance(self.clock.newest_ms, merchants)
        begun = self.shares.advance(self.clock.newest_ms, self.columns.zone[:merchants])
        self.columns.shares_changed[begun] = True
        late = self._take_suspects(delta.suspects)
        if len(delta):
            late += self._take_rows(delta)
        if self.clock.watermark_ms >= 0:
            self.closing.close(self.clock.watermark_ms, len(self.merchants), self)
            self._pack()
            self._sweep()
        self.late += len(late)
        return late

    def minute_closed(self, minute: int, rows: I32) -> None:
        """Decide on what is told once. See ``ClosedMinutes``."""
        self.milestones.look(minute, rows, self.columns, self.baselines, self._book())

    def day_began(self, rows: Rows) -> None:
        """What was told of the day before may be told again. See ``ClosedMinutes``."""
        self.milestones.begin_day(rows, self.columns, self.baselines, self._book())

    def _book(self) -> Book:
        return Book(self.merchants, self.zones, self.rules.milestone_min_orders)

    def _take_rows(self, delta: ShardDelta) -> list[DeadLetter]:
        before = len(self.merchants)
        rows = self.merchants.add_packed(delta.id_offsets, delta.id_bytes, delta.id_hashes)
        self._welcome(before)
        buckets, added = delta.buckets, delta.added
        newest_ms, arrived_ms = delta.newest_ms, delta.arrived_ms
        late: list[DeadLetter] = []
        kept = np.ones(len(delta), np.bool_)
        watermark_ms = self.clock.watermark_ms
        if int(buckets.min()) * FINEST_BUCKET_MS < self._surely_kept_ms(watermark_ms):
            kept = self._kept(rows, buckets, watermark_ms)
            late = [self._late_row(delta, int(i)) for i in np.flatnonzero(~kept)]
        self._take_people(delta, rows, kept)
        if len(delta.joins.rows):
            added = self._count_joins(delta, kept)
        if late:
            rows, buckets, added = rows[kept], buckets[kept], added.pick(kept)
            newest_ms, arrived_ms = newest_ms[kept], arrived_ms[kept]
        self._add(rows, buckets, added, newest_ms, arrived_ms)
        if len(delta.sales):
            self._add_sales(delta, rows, buckets, kept)
        return late

    def _count_joins(self, delta: ShardDelta, kept: Mask) -> Added:
        """What a delta adds with its joins, those that count. The delta goes to the journal as it came."""
        joins, clicks = delta.joins, delta.added.clicks
        assert clicks is not None
        clicks = clicks.copy()
        first = self.joins.count(joins.rows, joins.people, delta.id_hashes, kept, clicks) != 0
        cuts = self.cut_numbers.cuts(joins.cuts[first], delta.names)
        self.for_rollups.add_joins(cuts, delta.buckets[joins.rows[first]])
        return delta.added._replace(clicks=clicks)

    def _add_sales(self, delta: ShardDelta, rows: I32, buckets: I64, kept: Mask) -> None:
        """``rows``, ``buckets``: those that are kept."""
        sales = delta.sales
        if len(rows) < len(delta):
            mine = np.flatnonzero(kept[sales.row])
            sales = sales.pick(mine, (np.cumsum(kept) - 1).astype(np.int32)[sales.row[mine]])
        mine_rows = rows[sales.row]
        self.shares.add(sales, delta.names, mine_rows, buckets[sales.row], self.columns.zone[mine_rows])
        self.columns.shares_changed[mine_rows] = True

    def _take_people(self, delta: ShardDelta, rows: I32, kept: npt.NDArray[np.bool_]) -> None:
        if delta.person_ends is None or not len(delta.persons):
            return
        row = np.repeat(np.arange(len(rows)), counts_of(delta.person_ends))
        persons = delta.persons
        if not kept.all():
            row, persons = row[kept[row]], persons[kept[row]]
        zone = self.columns.zone[: len(self.merchants)]
        self.people.take(rows[row], persons, delta.buckets[row], zone, *self.span())

    def span(self) -> tuple[Span, Era]:
        """Where the windows of people begin now; the same one until something moves. Needs an event."""
        windows, next_minute = self.windows, self.closing.next_minute
        newest_bucket = windows.newest_ms // FINEST_BUCKET_MS
        moment = (newest_bucket, next_minute, len(self.zones), len(windows.days.start_ms))
        if self._span is None or moment != self._span_at:
            self._span_at, self._span = moment, self._span_now()
        return self._span

    def _span_now(self) -> tuple[Span, Era]:
        newest_ms = self.windows.newest_ms
        day_ms = self.windows.days.start_ms
        if len(day_ms) < len(self.zones):  # a zone since the last event: its day is known with the next one
            day_ms = np.append(day_ms, np.full(len(self.zones) - len(day_ms), day_ms[0]))
        closing = self.closing
        span = Span.of(
            newest_ms, day_ms, self.windows.sale_bucket, closing.next_minute, closing.days.start_ms
        )
        return span, Era.of(newest_ms)

    def _sweep(self) -> None:
        """Once an event-time hour, forget people whom no window will ask for."""
        if self.closing.next_minute is None or self.closing.next_minute // 60 == self._swept_hour:
            return
        self._swept_hour = self.closing.next_minute // 60
        self.people.sweep(self.columns.zone[: len(self.merchants)], *self.span())

    def _add(self, rows: I32, buckets: I64, added: Added, newest_ms: I64, arrived_ms: I64) -> None:
        self.windows.add(rows, buckets, added)
        self.closing.add_behind(rows, buckets, added)
        columns = self.columns
        note_times(rows, newest_ms, arrived_ms, columns.newest_ms, columns.arrived_ms, columns.urgent)

    def _welcome(self, before: int) -> None:
        """Rows for merchants that appeared: everything of theirs is news."""
        now = len(self.merchants)
        if now == before:
            return
        self.columns.reserve(now)
        self.columns.changed[before:now] = ALL_CHANGED
        for row in range(before, now) if self.rules.series_watch else ():
            self.outbox.watch(row, self.merchants.text(row) in self.rules.series_watch)

    def _surely_kept_ms(self, now_ms: int) -> int:
        """Events of this time or later stand in the longest sliding window that ends at ``now_ms``."""
        if now_ms < 0:
            return 0
        return (now_ms // LONGEST.bucket_ms - LONGEST.buckets + 1) * LONGEST.bucket_ms

    def _kept(self, rows: I32, buckets: I64, now_ms: int) -> Mask:
        """Whether any window still keeps each bucket at ``now_ms``; by the watermark, others are late."""
        kept = buckets * FINEST_BUCKET_MS >= self._surely_kept_ms(now_ms)
        kept |= buckets >= self.windows.sale_bucket
        for i in np.flatnonzero(~kept).tolist():
            zone = self.zones[int(self.columns.zone[rows[i]])]
            start_ms, _ = day_bounds_ms(now_ms, zone)
            kept[i] = int(buckets[i]) * FINEST_BUCKET_MS >= start_ms
        return kept

    def _late_row(self, delta: ShardDelta, row: int) -> DeadLetter:
        # Lanes hand over whatever might be late with its bytes, so this is for state that was lost.
        p = delta.progress
        detail = "the events of one merchant and bucket; their bytes are no longer at hand"
        return DeadLetter(p.topic, p.partition, p.next_offset - 1, 0, "late", None, detail)

    def _take_suspects(self, suspects: list[Suspect]) -> list[DeadLetter]:
        late = []
        for suspect in suspects:
            row, bucket, values = self._columns_of(suspect)
            if self._kept(row, bucket, self.clock.watermark_ms)[0]:
                if suspect.person:
                    zone = self.columns.zone[: len(self.merchants)]
                    person = np.array([suspect.person], np.uint64)
                    self.people.take(row, person, bucket, zone, *self.span())
                # What a partition that is read ahead makes not late must change no window: neither may a join
                # so old that no window shows it take the place of a later one.
                if suspect.joined is not None and self._kept(row, bucket, self.clock.newest_ms)[0]:
                    self._count_join(int(row[0]), suspect.joined, values)
                stamp = np.array([suspect.event_time_ms], np.int64)
                self._add(row, bucket, Added.of(values), stamp, np.array([-1], np.int64))
                self._cut_suspect(suspect, row, bucket, values)
            else:
                behind_ms = self.clock.watermark_ms - suspect.event_time_ms
                detail = f"event_time is {behind_ms} ms behind the watermark; no window keeps its bucket"
                letter = suspect.letter
                late.append(
                    DeadLetter(
                        letter.topic,
                        letter.partition,
                        letter.offset,
                        letter.line,
                        "late",
                        letter.value,
                        detail,
                    )
                )
        return late

    def _cut_suspect(self, suspect: Suspect, row: I32, bucket: I64, values: I64) -> None:
        channel, category = suspect.channel, suspect.category
        cut = self.cut_numbers.cut(channel, category, suspect.tier)
        self.for_rollups.add_event(cut, int(bucket[0]), values, suspect.person)
        if values[0, ORDERS]:
            self.shares.add_order(int(row[0]), cut, values, int(bucket[0]), self.columns.zone[row])
            self.columns.shares_changed[row] = True

    def _columns_of(self, suspect: Suspect) -> tuple[I32, I64, I64]:
        row = self.row_of(suspect.merchant_id)
        bucket = suspect.event_time_ms // FINEST_BUCKET_MS
        return np.array([row], np.int32), np.array([bucket]), np.array([suspect.values], np.int64)

    def _count_join(self, row: int, person: int, values: I64) -> None:
        hashes = self.merchants.table.hashes[row : row + 1]
        self.joins.count(_ROW_0, np.array([person], np.uint64), hashes, _KEPT, values[:, ORDERS_WIDE:])

    def row_of(self, merchant_id: str) -> int:
        """The row of a merchant, a new one if it has none."""
        before = len(self.merchants)
        row = self.merchants.add(merchant_id)
        self._welcome(before)
        return row

    def _pack(self) -> None:
        """Once an event-time minute, bring closed buckets into their narrow form."""
        minute = self.clock.watermark_ms // 60_000
        if minute != self._packed_ms:
            self._packed_ms = minute
            self.windows.pack_before(self.clock.watermark_ms)

    def take_baselines(self, baselines: ShardBaselines) -> None:
        """Newer baselines take effect at once; a removed one makes the multiples absent again."""
        for merchant_id, baseline in baselines.changes:
            row = self.row_of(merchant_id)
            held = int(self.columns.baseline[row])
            if baseline is not None:
                self.columns.baseline[row] = self.baselines.put(baseline, held)
                self.columns.zone[row] = self._zone_number(baseline)
                self.people.loyalty.know(row, baseline.known_members)
            elif held != NO_BASELINE:
                self.baselines.remove(held)
                self.columns.baseline[row] = NO_BASELINE
                self.people.loyalty.know(row, None)
            self.columns.changed[row] = ALL_CHANGED
            self.columns.ordinary_due[row] = self.columns.watched[row]
        self.baselines_at += 1

    def take_stock(self, stock: ShardStock) -> None:
        """What events say of items."""
        before = len(self.merchants)
        self.stocks.take(stock.notes, self.clock.newest_ms)
        self._welcome(before)

    def _zone_number(self, baseline: Baseline) -> int:
        name = baseline.timezone or self.rules.timezone
        if not known_zone(name):
            name = self.rules.timezone
        if name not in self.zones:
            if len(self.zones) == np.iinfo(np.uint8).max:
                return 0
            self.zones.append(name)
        return self.zones.index(name)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        merchants = self.merchants.nbytes + self.columns.nbytes + self.baselines.nbytes
        merchants += self.joins.nbytes + self.people.nbytes + self.shares.nbytes + self.stocks.nbytes
        return merchants + self.windows.nbytes

    def dump(self) -> bytes:
        """The whole state as bytes."""
        state = {slot: getattr(self, slot) for slot in _STATE}
        return pack_state((STATE_LAYOUT, self.number, state))

    @staticmethod
    def load(block: bytes, rules: ShardRules) -> Shard:
        """The reverse of ``dump``, under the rules in force now.

        Raises ``ValueError`` for another layout version.
        """
        layout, number, state = unpack_state(block)
        refuse_other_layout(layout)
        shard = Shard(number, rules)
        for slot, value in state.items():
            setattr(shard, slot, value)
        shard.for_rollups = RollupShare(shard.cut_numbers)
        shard.share_texts = ShareTexts(shard.shares)
        shard.stocks.low_minutes = rules.low_stock_minutes
        shard.clock.resume(rules.sources, rules.lateness_ms)
        shard.joins.limit_bytes = rules.joins_bytes
        shard.people.budget.limit_bytes = rules.people_bytes
        return shard


def refuse_other_layout(layout: int) -> None:
    """Raises ``ValueError`` for state that another version wrote."""
    if layout != STATE_LAYOUT:
        raise ValueError(f"state has layout {layout}; this version reads layout {STATE_LAYOUT}")


_STATE = (
    *("clock", "merchants", "columns", "baselines", "zones", "windows", "closing", "joins", "people"),
    *("milestones", "cut_numbers", "shares", "stocks", "late", "_packed_ms", "_swept_hour"),
)
_ROW_0 = np.zeros(1, np.int32)
_KEPT = np.ones(1, np.bool_)
