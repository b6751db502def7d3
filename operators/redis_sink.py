"""Where the dataflow hands results to Redis.

Guarantee: at least once, with absolute values: what is written twice changes nothing. The sink's snapshot
does not wait for Redis, so what was pending when a process died is unknown to the next one: it is told
through ``RedisPublisher.needs_everything``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from operators.batches import BoardRows, MerchantRows
from operators.redis_aside import ROLLUPS
from operators.redis_publisher import RedisPublisher
from operators.rollup_results import RollupRows

log = logging.getLogger("warroom.redis")

STOPPED_LIMIT_S = 6.0
"""Longest wait for what is not written, when somebody waits for the process to stop."""
FLUSH_LOOK_S = 0.5
BOARD_PART = "board"
ROLLUPS_PART = "rollups"
Result = MerchantRows | BoardRows | RollupRows


def shard_part(shard: int) -> str:
    """Name of the partition that takes a shard's rows."""
    return f"shard-{shard:02d}"


class RedisSink(FixedPartitionedSink[Result, bool]):
    """One partition a shard, for the board and for the roll-ups; all of a process share one publisher.

    ``part_of``: key of an item to its partition's name. ``local_parts``: those that this worker offers to
    write (all if not given): name those whose shards live here, and rows cross no process boundary.
    ``stopping`` tells whether somebody waits for the process to stop: then what is not written soon is left
    to the next run. Otherwise, at the end of input, all is written as long as Redis answers.
    """

    def __init__(
        self,
        publisher: RedisPublisher,
        part_of: Mapping[str, str],
        local_parts: Sequence[str] | None = None,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._publisher = publisher
        # Bytewax counts partitions in the order of their names, over all workers.
        self._parts = sorted(set(part_of.values()))
        self._index = {key: self._parts.index(part) for key, part in part_of.items()}
        self._local = list(self._parts if local_parts is None else local_parts)
        self._stopping = stopping
        self._open_parts = 0

    def list_parts(self) -> list[str]:
        """Partitions that this worker offers to write."""
        return self._local

    def part_fn(self, item_key: str) -> int:
        """Number of the partition for a key; raises ``KeyError`` for one that nobody announced."""
        return self._index[item_key]

    def build_part(self, step_id: str, for_part: str, resume_state: bool | None) -> _RedisPartition:
        """Open a partition; the first one starts the publisher."""
        del step_id
        self._publisher.start()
        if resume_state is not None and for_part != BOARD_PART:
            number = ROLLUPS if for_part == ROLLUPS_PART else int(for_part.removeprefix("shard-"))
            self._publisher.mark_everything(number)
        self._open_parts += 1
        return _RedisPartition(self, self._publisher)

    def part_closed(self) -> None:
        """The input of one partition has ended; with the last one everything is flushed."""
        self._open_parts -= 1
        if self._open_parts == 0:
            while (
                self._publisher.is_connected
                and not self._stopping()
                and not self._publisher.flush(FLUSH_LOOK_S)
            ):
                pass
            self._publisher.close(STOPPED_LIMIT_S)


class _RedisPartition(StatefulSinkPartition[Result, bool]):
    def __init__(self, sink: RedisSink, publisher: RedisPublisher) -> None:
        self._sink = sink
        self._publisher = publisher

    def write_batch(self, values: list[Result]) -> None:
        for value in values:
            if isinstance(value, BoardRows):
                self._publisher.offer_board(value)
            elif isinstance(value, RollupRows):
                self._publisher.offer_rollups(value)
            else:
                self._publisher.offer(value)

    def snapshot(self) -> bool:
        return True

    def close(self) -> None:
        self._sink.part_closed()
