"""The roll-ups as Bytewax runs them: one stateful key. The wall clock decides when they are handed on."""

from __future__ import annotations

import time
from collections.abc import Callable

from bytewax.operators import StatefulBatchLogic

from operators.category_days import CategoryDays, OrdinaryCategories
from operators.process_clock import ProcessClock
from operators.rollup_delta import RollupDelta
from operators.rollup_results import RollupRows, rollup_rows
from operators.rollup_store import RollupStore
from operators.rollups import RollupRules, Rollups
from operators.shards import SHARDS
from operators.stage_times import ROLLUPS, SNAPSHOT
from operators.state_files import FilesRef
from schemas.rollups import CATEGORY
from schemas.windows import FINEST_BUCKET_MS


class RollupLogic(StatefulBatchLogic[RollupDelta | CategoryDays, RollupRows, FilesRef | None]):
    """Keeps the roll-ups. ``lost`` tells whether what was written of them is lost and all is wanted."""

    def __init__(
        self,
        rules: RollupRules,
        store: RollupStore | None,
        lost: Callable[[], bool],
        clock: ProcessClock,
        publish_seconds: float,
        resume: FilesRef | None,
        shards: int = SHARDS,
    ) -> None:
        self._store = store
        self._lost = lost
        self._clock = clock
        self._publish_seconds = publish_seconds
        self._shards = shards
        self._ordinary = OrdinaryCategories()
        self._next = 0.0
        self._shown_bucket = -1
        if resume is None:
            self._rollups = Rollups(rules)
        else:
            assert store is not None
            self._rollups = store.load(resume, rules)
        self._rollups.noting = store is not None

    def on_batch(self, values: list[RollupDelta | CategoryDays]) -> tuple[list[RollupRows], bool]:
        """Add what came; now and then, hand on what changed."""
        started = self._clock.stages.start()
        rows = self._take(values)
        self._clock.stages.lap(ROLLUPS, started)
        return rows, StatefulBatchLogic.RETAIN

    def _take(self, values: list[RollupDelta | CategoryDays]) -> list[RollupRows]:
        for value in values:
            if isinstance(value, RollupDelta):
                self._rollups.take(value)
        self._touch_categories(self._ordinary.take(v for v in values if isinstance(v, CategoryDays)))
        now = time.monotonic()
        # Before every shard has told its baselines, multiples of categories would be of some of them only.
        if now < self._next or len(self._ordinary.heard) < self._shards:
            return []
        self._next = now + self._clock.publish_seconds(self._publish_seconds)
        return self._hand_on()

    def _touch_categories(self, names: set[str]) -> None:
        rows = [self._rollups.row_of((CATEGORY, name)) for name in names]
        self._rollups.touch(row for row in rows if row is not None)

    def _hand_on(self) -> list[RollupRows]:
        rollups = self._rollups
        if self._lost():
            rollups.touch()
        bucket = rollups.windows.newest_ms // FINEST_BUCKET_MS
        if bucket != self._shown_bucket:
            self._shown_bucket = bucket
            # What a category ordinarily sells in the stretch of a window grows with time.
            self._touch_categories(set(self._ordinary.days))
        changed = rollups.take_changed()
        return [rollup_rows(rollups, changed, self._ordinary)] if len(changed) else []

    def on_eof(self) -> tuple[list[RollupRows], bool]:
        """The end of the input, or of this run: hand on all that is not handed on."""
        return self._hand_on(), StatefulBatchLogic.RETAIN

    def snapshot(self) -> FilesRef | None:
        """Bring the journal up to now; the reference to it."""
        if self._store is None:
            return None
        started = self._clock.stages.start()
        ref = self._store.save(self._rollups)
        self._clock.stages.lap(SNAPSHOT, started)
        return ref
