"""How the shards of a process are made, and which of them live where."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flows.options import EngineOptions
from operators.kafka_connection import KafkaConnection
from operators.kafka_topic import wait_for_partitions
from operators.metrics import Metrics
from operators.process_clock import ProcessClock
from operators.redis_sink import BOARD_PART, ROLLUPS_PART, shard_part
from operators.shard import ShardRules
from operators.shard_logic import ShardLogic
from operators.shard_store import ShardRef, ShardStore
from operators.shards import BOARD_KEY, ROLLUPS_KEY, SHARD_KEYS, route_hash
from operators.state_files import RebaseTurns


@dataclass(frozen=True, slots=True)
class Place:
    """This process among the workers of the run."""

    index: int
    workers: int

    @property
    def part_of(self) -> dict[str, str]:
        """Key of every shard, of the board and of the roll-ups to its partition of the Redis sink."""
        parts = {key: shard_part(shard) for shard, key in enumerate(SHARD_KEYS)}
        return parts | {BOARD_KEY: BOARD_PART, ROLLUPS_KEY: ROLLUPS_PART}

    @property
    def local_parts(self) -> list[str]:
        """Partitions of the sink whose keys are routed to this worker: results stay in the process."""
        return [part for key, part in self.part_of.items() if route_hash(key) % self.workers == self.index]


def partitions_of(connection: KafkaConnection, topic: str, clock: ProcessClock) -> tuple[str, ...]:
    """``topic/0`` and so on, once the broker has told how many there are."""
    count = wait_for_partitions(connection, topic, lambda: clock.stopping)
    return tuple(f"{topic}/{number}" for number in range(count))


class Shards:
    """Makes the logic of each shard key; those of a process share the turns for writing bases."""

    def __init__(
        self,
        engine: EngineOptions,
        sources: tuple[str, ...],
        clock: ProcessClock,
        metrics: Metrics,
        lost: Callable[[int], bool],
        publish_seconds: float,
        run_name: str,
        workers: int,
    ) -> None:
        self._state_dir = engine.state_dir
        self._rules = ShardRules(
            sources=sources,
            lateness_ms=engine.lateness_ms,
            timezone=engine.timezone,
            sale_opens_ms=engine.sale_opens_ms,
            top=engine.top,
            series_watch=engine.series_watch,
            milestone_min_orders=engine.milestone_min_orders,
            series_merchants=-(-engine.series_merchants // len(SHARD_KEYS)),
            low_stock_minutes=engine.low_stock_minutes,
            joins_bytes=engine.joins_memory_bytes // -(-len(SHARD_KEYS) // workers),
            people_bytes=engine.people_memory_bytes // -(-len(SHARD_KEYS) // workers),
        )
        self._clock = clock
        self._metrics = metrics
        self._lost = lost
        self._publish_seconds = publish_seconds
        self._run_name = run_name
        self._turns = RebaseTurns()

    def __call__(self, resume: ShardRef | None) -> ShardLogic:
        """A shard, as its last snapshot left it; it learns its number with its first input."""
        return ShardLogic(
            self._rules,
            self._store,
            self._clock,
            self._metrics,
            self._lost,
            self._publish_seconds,
            resume,
        )

    def _store(self, shard: int) -> ShardStore | None:
        if self._state_dir is None:
            return None
        return ShardStore(self._state_dir / "shards", shard, self._run_name, self._turns)
