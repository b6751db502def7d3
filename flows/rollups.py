"""The way of the roll-ups: from the lanes and the shards to one key, and from there to Redis."""

from __future__ import annotations

import bytewax.operators as op
from bytewax.dataflow import Stream
from bytewax.operators import KeyedStream

from flows.options import EngineOptions
from operators.batches import LaneOutput
from operators.category_days import CategoryDays
from operators.metrics import Metrics
from operators.process_clock import ProcessClock
from operators.redis_aside import ROLLUPS
from operators.redis_publisher import RedisPublisher
from operators.rollup_delta import RollupDelta
from operators.rollup_logic import RollupLogic
from operators.rollup_results import RollupRows
from operators.rollup_store import RollupStore
from operators.rollups import RollupRules
from operators.shard_logic import ShardOutput
from operators.shards import ROLLUPS_KEY
from operators.state_files import FilesRef, RebaseTurns


class RollupKeeper:
    """Makes the logic of the roll-ups' key."""

    def __init__(
        self,
        engine: EngineOptions,
        sources: tuple[str, ...],
        clock: ProcessClock,
        publisher: RedisPublisher,
        publish_seconds: float,
        run_name: str,
    ) -> None:
        self._state_dir = engine.state_dir
        self._rules = RollupRules(sources, engine.lateness_ms, engine.timezone, engine.sale_opens_ms)
        self._clock = clock
        self._publisher = publisher
        self._publish_seconds = publish_seconds
        self._run_name = run_name

    def __call__(self, resume: FilesRef | None) -> RollupLogic:
        """The roll-ups, as their last snapshot left them."""
        store = None
        if self._state_dir is not None:
            store = RollupStore(self._state_dir / "shards", self._run_name, RebaseTurns())
        return RollupLogic(
            self._rules,
            store,
            lambda: self._publisher.needs_everything(ROLLUPS),
            self._clock,
            self._publish_seconds,
            resume,
        )


def roll_up(
    counted: Stream[LaneOutput], told: KeyedStream[ShardOutput], keeper: RollupKeeper, metrics: Metrics
) -> KeyedStream[RollupRows]:
    """Sums by channel, category and city tier: most from the lanes, what only shards can judge from them."""
    read = op.flat_map("rollup_deltas", counted, _from_lane)  # ("rollups", RollupDelta)
    judged = op.flat_map("rollup_shares", told, _from_shard)  # ("rollups", RollupDelta | CategoryDays)
    inputs = op.merge("rollup_inputs", read, judged)
    rows = op.stateful_batch("rollups", inputs, keeper)  # ("rollups", RollupRows)
    return op.inspect("count_rollups", rows, lambda _, item: metrics.rolled_up(item[1]))


def _from_lane(output: LaneOutput) -> list[tuple[str, RollupDelta | CategoryDays]]:
    return output.to_rollups


def _from_shard(item: tuple[str, ShardOutput]) -> list[tuple[str, RollupDelta | CategoryDays]]:
    output = item[1]
    return [(ROLLUPS_KEY, told) for told in (output.rollups, output.category_days) if told is not None]
