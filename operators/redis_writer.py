"""Writes merchants in transactions of a few hundred, each with the progress of their shards.

While Redis carries out one transaction, the next one is encoded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from operators.bytes_kernels import U64
from operators.redis_command import command
from operators.redis_encoding import AbsentFields, RowEncoder
from operators.redis_link import Bulk
from operators.redis_pending import PendingMerchants, Taken
from operators.redis_rows import PendingRows
from operators.redis_session import RedisSession
from operators.redis_stats import PublisherStats
from schemas import redis_layout

ROWS_PER_WRITE = 256
"""Merchants in a transaction; it keeps the server busy for about 6 ms, during which nobody else is served."""


def text_commands(chunk: PendingRows, prefix: str) -> list[bytes]:
    """Fields that are texts, of the merchants of which they changed."""
    commands = []
    for merchant_id, texts in zip(chunk.merchant_ids, chunk.texts, strict=True):
        if texts is None:
            continue
        key = redis_layout.merchant(prefix, merchant_id).encode("utf-8", "surrogatepass")
        told = [part for name, text in texts.items() if text is not None for part in (name.encode(), text)]
        gone = [name.encode() for name, text in texts.items() if text is None]
        if told:
            commands.append(command(b"HSET", key, *told))
        if gone:
            commands.append(command(b"HDEL", key, *gone))
    return commands


class MerchantWriter:
    """Writes merchants' hashes and their shards' progress."""

    def __init__(
        self, prefix: str, session: RedisSession, stats: PublisherStats, wall_ms: Callable[[], int]
    ) -> None:
        self._prefix = prefix
        self._session = session
        self._stats = stats
        self._wall_ms = wall_ms
        self._encoder = RowEncoder(prefix)
        self._absent = AbsentFields()

    def forget(self) -> None:
        """Redis has been emptied."""
        self._absent = AbsentFields()

    def write(
        self, taken: Taken, progress: Mapping[int, Mapping[str, int]], pending: PendingMerchants
    ) -> None:
        """Write rows in their order; on an error what is not written goes back to ``pending``.

        ``progress``: of every shard in the rows, no older than they.
        """
        done = 0
        announced: set[int] = set()
        flying: tuple[Taken, U64] | None = None
        try:
            for start in range(0, len(taken), ROWS_PER_WRITE):
                chunk = taken.part(start, start + ROWS_PER_WRITE)
                bulk, absent = self._encode(chunk.rows, progress, announced)
                if flying is not None:
                    done += self._finish(*flying, pending)
                self._session.send(bulk)
                flying = (chunk, absent)
            if flying is not None:
                done += self._finish(*flying, pending)
        finally:
            if done < len(taken):
                pending.put_back(taken.part(done))

    def _encode(
        self, chunk: PendingRows, progress: Mapping[int, Mapping[str, int]], announced: set[int]
    ) -> tuple[Bulk, U64]:
        body, absent = self._encoder.encode(chunk, self._wall_ms())
        commands = []
        for shard in set(chunk.shard.tolist()) - announced:
            announced.add(shard)
            pairs = [part for source, at in progress[shard].items() for part in (source.encode(), b"%d" % at)]
            if pairs:
                key = redis_layout.shard_progress(self._prefix, shard).encode()
                commands += [command(b"DEL", key), command(b"HSET", key, *pairs)]
        commands += self._absent.removals(chunk, absent, self._prefix)
        commands += text_commands(chunk, self._prefix)
        return Bulk(commands, body, len(chunk)), absent

    def _finish(self, chunk: Taken, absent: U64, pending: PendingMerchants) -> int:
        self._session.receive()
        pending.written(chunk)
        rows = chunk.rows
        self._absent.written(rows, absent)
        known = rows.arrived_ms[rows.arrived_ms >= 0]
        self._stats.latency.observe((self._wall_ms() - known) / 1000.0)
        self._stats.merchants_written += len(rows)
        self._stats.transactions += 1
        return len(rows)
