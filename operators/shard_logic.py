"""Shards and the board as Bytewax runs them: one stateful key each.

The wall clock decides here when results are handed on, never what they are.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from bytewax.operators import StatefulBatchLogic

from operators.batches import NO_EVENT_MS, BoardRows, MerchantRows, ShardSummary
from operators.board import Board
from operators.category_days import CategoryDays, category_days
from operators.delta import ShardBaselines, ShardDelta
from operators.idle_turns import ALWAYS_DUE
from operators.merged_delta import merge_deltas
from operators.metrics import Metrics
from operators.process_clock import ProcessClock
from operators.rollup_delta import RollupDelta
from operators.shard import Shard, ShardRules
from operators.shard_store import ShardRef, ShardStore
from operators.stage_times import RESULTS, SNAPSHOT, WINDOWS
from operators.stock_notes import ShardStock
from schemas.dead_letters import DeadLetter
from schemas.windows import MINUTE_MS

log = logging.getLogger(__name__)

REFRESH_SECONDS = 30.0
"""Time in which every merchant is handed on once more: quiet ones' multiples change as time passes."""
ROWS_A_TURN = 4096
"""Most merchants that a shard hands on at once: some 20 ms, during which the flow reads nothing."""
ROWS_IN_BACKLOG = 256
"""The same while a backlog is read, half of them those that sell most, and the first time, when nobody knows
yet whether there is one: with a million merchants, handing on all that changed would take most of the
machine (some 35 microseconds for each that Redis has not seen yet), and what it says is old before it is
read."""
ROWS_SHARE = 0.1
"""Most of the time that a shard spends on results; another thread needs three times as much to write them."""
FEW_ROWS = 2_000
"""Up to so many rows a delta costs a shard more for coming than for what it brings."""
SUMMARY_INTERVALS = 2
"""Publish intervals between two summaries: they look at all merchants, also at those that did not change."""
SUMMARY_SHARE = 0.05
"""Most of the time that a shard spends on summaries."""


@dataclass(slots=True)
class ShardOutput:
    """What a shard has to tell at one moment."""

    rows: MerchantRows | None = None
    summary: ShardSummary | None = None
    late: list[DeadLetter] = field(default_factory=list)
    rollups: RollupDelta | None = None
    category_days: CategoryDays | None = None


ShardInput = ShardDelta | ShardBaselines | ShardStock


def merged(values: list[ShardInput]) -> list[ShardInput]:
    """The same with small deltas that came together as one."""
    told: list[ShardInput] = []
    together: list[ShardDelta] = []
    for value in values:
        # Suspects are taken before rows: merged with deltas before it, an old join would be first.
        if isinstance(value, ShardDelta) and len(value) <= FEW_ROWS and not value.suspects:
            together.append(value)
            continue
        if together:
            told.append(merge_deltas(together))
            together = []
        told.append(value)
    return [*told, merge_deltas(together)] if together else told


class ShardLogic(StatefulBatchLogic[ShardInput, ShardOutput, ShardRef | None]):
    """Keeps one shard. ``lost`` tells whether what was written of the shard is lost and all is wanted."""

    def __init__(
        self,
        rules: ShardRules,
        store: Callable[[int], ShardStore | None],
        clock: ProcessClock,
        metrics: Metrics,
        lost: Callable[[int], bool],
        publish_seconds: float,
        resume: ShardRef | None,
    ) -> None:
        self._rules = rules
        self._store_of = store
        self._clock = clock
        self._metrics = metrics
        self._lost = lost
        self._publish_seconds = publish_seconds
        self._minutes_upto_ms = NO_EVENT_MS
        self._next_rows = 0.0
        self._counts = False
        self._has_told = False
        self._next_summary = 0.0
        self._refreshed = 0
        self._forgotten = 0
        self._baselines_told = -1
        self._thinned = 0
        self._last_refresh = time.monotonic()
        self._last_snapshot: float | None = None
        self._store: ShardStore | None = None
        self._shard_held: Shard | None = None
        if resume is not None:
            self._store = store(resume.shard)
            assert self._store is not None
            self._shard_held = self._store.load(resume, rules)
            self._minutes_upto_ms = resume.minutes_upto_ms
            self._forgotten = self._shard_held.joins.forgotten
            self._thinned = self._shard_held.people.thinned

    def _shard_of(self, number: int) -> Shard:
        # Bytewax does not tell a logic its key: a new shard learns its number with its first input.
        if self._shard_held is None:
            self._store = self._store_of(number)
            self._shard_held = Shard(number, self._rules)
        return self._shard_held

    def on_batch(self, values: list[ShardInput]) -> tuple[list[ShardOutput], bool]:
        """Count what came; now and then, hand on what changed."""
        output = ShardOutput()
        stages = self._clock.stages
        started = stages.start()
        for value in merged(values):
            if isinstance(value, ShardStock):
                self._take_stock(value)
            elif isinstance(value, ShardBaselines):
                self._take_baselines(value)
            else:
                self._take(value, output)
        if self._shard_held is not None:
            output.rollups = self._shard_held.for_rollups.take()
        started = stages.lap(WINDOWS, started)
        self._hand_on(output, last=False)
        stages.lap(RESULTS, started)
        told = output.late or output.rows is not None or output.summary is not None
        return ([output] if told or output.rollups is not None else []), StatefulBatchLogic.RETAIN

    def _take(self, delta: ShardDelta, output: ShardOutput) -> None:
        shard = self._shard_of(delta.shard)
        before = shard.closing.next_minute
        output.late += shard.take(delta)
        if self._store is not None:
            self._store.note(delta, shard.closing.next_minute != before)
        for progress in delta.progresses:
            self._clock.note(progress)
        if len(delta) and not self._counts:
            # Somebody has just started this run: its first results wait for no interval.
            self._counts = True
            self._next_rows = 0.0

    def _take_stock(self, stock: ShardStock) -> None:
        self._shard_of(stock.shard).take_stock(stock)
        if self._store is not None:
            self._store.note_stock(stock)

    def _take_baselines(self, baselines: ShardBaselines) -> None:
        self._clock.note_baselines(baselines.progress)
        shard = self._shard_of(baselines.shard)
        if baselines.changes:
            shard.take_baselines(baselines)
            if self._store is not None:
                self._store.note_baselines(baselines)

    def _hand_on(self, output: ShardOutput, *, last: bool) -> None:
        shard = self._shard_held
        if shard is None:
            return
        now = time.monotonic()
        asked = self._clock.publish_seconds(self._publish_seconds)
        # CPU time: on a busy machine, above all after a restart, most of the time is others'.
        begun = time.thread_time()
        if last or now >= self._next_rows:
            output.rows = self._take_results(shard, now, last=last)
            self._next_rows = now + max(asked, (time.thread_time() - begun) / ROWS_SHARE)
            begun = time.thread_time()
        if last or now >= self._next_summary:
            self._summarise(shard, output)
            asked *= SUMMARY_INTERVALS
            self._next_summary = now + max(asked, (time.thread_time() - begun) / SUMMARY_SHARE)

    def _take_results(self, shard: Shard, now: float, *, last: bool) -> MerchantRows | None:
        if self._lost(shard.number):
            shard.outbox.touch()
        if last:
            shard.outbox.refresh_all()
            # Who is told to stop has to end soon, and the next run hands on everything.
            return shard.outbox.take(ROWS_A_TURN if self._clock.stopping else None)
        self._refresh(shard, now)
        few = self._clock.in_backlog() or not self._has_told
        rows = shard.outbox.take(ROWS_IN_BACKLOG if few else ROWS_A_TURN)
        self._has_told |= rows is not None
        return rows

    def _summarise(self, shard: Shard, output: ShardOutput) -> None:
        output.summary = shard.outbox.summary()
        self._metrics.shard(output.summary)
        self._tell_forgotten(output.summary)
        if self._baselines_told != shard.baselines_at:
            self._baselines_told = shard.baselines_at
            output.category_days = category_days(shard.number, shard.columns, shard.baselines, shard.zones)
        if output.summary.minutes:
            self._minutes_upto_ms = output.summary.minutes[-1].minute_ms + MINUTE_MS

    def _tell_forgotten(self, summary: ShardSummary) -> None:
        if summary.forgotten_joins > self._forgotten:
            self._forgotten = summary.forgotten_joins
            log.warning(
                "shard %d has forgotten %d joins for want of memory: a repeated one would count again; "
                "raise engine.joins_memory_mib",
                summary.shard,
                summary.forgotten_joins,
            )
        if summary.thinned > 2 * self._thinned:
            self._thinned = summary.thinned
            log.warning(
                "shard %d has halved the people of merchants to samples %d times for want of memory: their "
                "numbers are less exact; raise engine.people_memory_mib",
                summary.shard,
                summary.thinned,
            )

    def _refresh(self, shard: Shard, now: float) -> None:
        """Touch a few merchants after the other, all of them within ``REFRESH_SECONDS``."""
        count = len(shard.merchants)
        due = int(count * min(1.0, (now - self._last_refresh) / REFRESH_SECONDS))
        if not due:
            return
        self._last_refresh = now
        start = self._refreshed % count
        shard.outbox.refresh(start, start + due)
        shard.outbox.refresh(0, start + due - count)
        self._refreshed = (start + due) % count

    def notify_at(self) -> datetime | None:
        """For one shard of the process in every turn of Bytewax's loop, so that ``on_notify`` is called."""
        return ALWAYS_DUE if self._clock.idle_turns.are_told_by(self) else None

    def on_notify(self) -> tuple[list[ShardOutput], bool]:
        """Pause, if there is nothing else to do. See ``operators.idle_turns``."""
        self._clock.idle_turns.turn()
        return [], StatefulBatchLogic.RETAIN

    def on_eof(self) -> tuple[list[ShardOutput], bool]:
        """The end of the input, or of this run: hand on everything that is not handed on."""
        output = ShardOutput()
        started = self._clock.stages.start()
        if self._shard_held is not None:
            output.rollups = self._shard_held.for_rollups.take()
        self._hand_on(output, last=True)
        self._clock.stages.lap(RESULTS, started)
        return [output], StatefulBatchLogic.RETAIN

    def snapshot(self) -> ShardRef | None:
        """Bring the journal up to now; the reference to it."""
        started = time.monotonic()
        if self._store is None or self._shard_held is None:
            return None
        reading = self._clock.stages.start()
        ref = self._store.save(self._shard_held, self._minutes_upto_ms)
        self._clock.stages.lap(SNAPSHOT, reading)
        self._metrics.snapshot(time.monotonic() - started)
        if self._last_snapshot is not None:
            self._metrics.epoch(started - self._last_snapshot)
        self._last_snapshot = started
        return ref


class BoardLogic(StatefulBatchLogic[ShardSummary, BoardRows, dict[int, list[int]]]):
    """Keeps the board. Only minutes that are not complete have to survive; shards tell the rest again."""

    def __init__(self, top_size: int, publish_seconds: float, resume: dict[int, list[int]] | None) -> None:
        self._board = Board(top_size, minutes=dict(resume or {}))
        self._publish_seconds = publish_seconds
        self._next = 0.0

    def on_batch(self, values: list[ShardSummary]) -> tuple[list[BoardRows], bool]:
        """Take summaries; now and then, tell what stands on the board."""
        for summary in values:
            self._board.take(summary)
        now = time.monotonic()
        if now < self._next:
            return [], StatefulBatchLogic.RETAIN
        rows = self._board.rows()
        if rows is None:
            return [], StatefulBatchLogic.RETAIN
        self._next = now + self._publish_seconds
        return [rows], StatefulBatchLogic.RETAIN

    def on_eof(self) -> tuple[list[BoardRows], bool]:
        """Tell the last of it."""
        rows = self._board.rows()
        return ([rows] if rows is not None else []), StatefulBatchLogic.RETAIN

    def snapshot(self) -> dict[int, list[int]]:
        """Minutes that are not complete."""
        return dict(self._board.minutes)
