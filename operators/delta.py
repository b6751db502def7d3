"""What crosses from the worker that reads a partition to the worker that keeps a shard.

The same bytes serve the exchange between processes and the shard's journal.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import msgspec
import numpy as np

from operators.batches import I32, I64, U8, Progress, Standing
from operators.bytes_kernels import PADDING_BYTES, U64
from operators.sales_cuts import Head as SalesHead
from operators.sales_cuts import SalesCuts
from schemas.baselines import Baseline
from schemas.dead_letters import DeadLetter
from schemas.rollups import UNKNOWN
from schemas.windows import MEASURES


class Suspect(msgspec.Struct, frozen=True):
    """An old event that may be late: the shard, which knows the watermark, decides. Rare."""

    merchant_id: str
    event_time_ms: int
    values: tuple[int, ...]
    letter: DeadLetter
    channel: str = UNKNOWN
    category: str = UNKNOWN
    city_tier: str = UNKNOWN


class _Head(msgspec.Struct, frozen=True, array_like=True):
    shard: int
    topic: str
    partition: int
    next_offset: int
    newest_ms: int
    standing: int
    rows: int
    id_bytes: int
    suspects: list[Suspect]
    sales: SalesHead = (0, (), ())


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(_Head)


@dataclass(slots=True)
class ShardDelta:
    """Sums of one batch for the merchants of one shard; ``n`` rows (merchant, finest bucket).

    Id ``i`` is ``id_bytes[id_offsets[i] : id_offsets[i + 1]]``; the offsets need not begin at 0.
    """

    shard: int
    progress: Progress
    id_offsets: I32  # n + 1
    id_bytes: U8  # padded
    id_hashes: U64  # n
    buckets: I64  # n, event time // FINEST_BUCKET_MS
    values: I64  # n x MEASURES
    newest_ms: I64  # n, newest event of the row
    arrived_ms: I64  # n, newest Kafka timestamp of the row
    suspects: list[Suspect] = field(default_factory=list)
    sales: SalesCuts = field(default_factory=SalesCuts.empty)

    def __len__(self) -> int:
        return len(self.buckets)

    @staticmethod
    def empty(shard: int, progress: Progress) -> ShardDelta:
        """Progress alone."""
        none = np.zeros(0, np.int64)
        return ShardDelta(
            shard, progress, np.zeros(1, np.int32), np.zeros(PADDING_BYTES, np.uint8),
            np.zeros(0, np.uint64), none, np.zeros((0, len(MEASURES)), np.int64), none, none,
        )  # fmt: skip

    def to_bytes(self) -> bytes:
        """One compact block: a head, then the columns one after the other."""
        first, last = int(self.id_offsets[0]), int(self.id_offsets[-1])
        p = self.progress
        head = _ENCODER.encode(
            _Head(
                self.shard, p.topic, p.partition, p.next_offset, p.newest_ms, int(p.standing),
                len(self), last - first, self.suspects, self.sales.head,
            )
        )  # fmt: skip
        parts = [len(head).to_bytes(4, "little"), head]
        if len(self):
            parts += [
                (self.id_offsets - first).tobytes(),
                self.id_bytes[first:last].tobytes(),
                self.id_hashes.tobytes(),
                self.buckets.tobytes(),
                self.values.tobytes(),
                self.newest_ms.tobytes(),
                self.arrived_ms.tobytes(),
                *self.sales.columns(),
            ]
        return b"".join(parts)

    @staticmethod
    def from_bytes(block: bytes) -> ShardDelta:
        """The reverse of ``to_bytes``."""
        length = int.from_bytes(block[:4], "little")
        head = _DECODER.decode(block[4 : 4 + length])
        progress = Progress(
            head.topic, head.partition, head.next_offset, head.newest_ms, Standing(head.standing)
        )
        delta = ShardDelta.empty(head.shard, progress)
        delta.suspects = head.suspects
        if not head.rows:
            return delta
        n = head.rows
        at = 4 + length
        delta.id_offsets = np.frombuffer(block, np.int32, n + 1, at).copy()
        at += 4 * (n + 1)
        delta.id_bytes = np.frombuffer(block[at : at + head.id_bytes] + bytes(PADDING_BYTES), np.uint8).copy()
        at += head.id_bytes
        delta.id_hashes = np.frombuffer(block, np.uint64, n, at).copy()
        columns = np.frombuffer(block, np.int64, n * (len(MEASURES) + 3), at + 8 * n).copy()
        delta.buckets = columns[:n]
        delta.values = columns[n : n * (len(MEASURES) + 1)].reshape(n, len(MEASURES))
        delta.newest_ms = columns[n * (len(MEASURES) + 1) : n * (len(MEASURES) + 2)]
        delta.arrived_ms = columns[n * (len(MEASURES) + 2) :]
        at += 8 * n * (len(MEASURES) + 4)
        delta.sales = SalesCuts.from_columns(head.sales, block, at)
        return delta

    def __reduce__(self) -> tuple[object, tuple[bytes]]:
        return ShardDelta.from_bytes, (self.to_bytes(),)


@dataclass(slots=True)
class ShardBaselines:
    """Newer baselines of a shard's merchants; None removes one. In the order of the topic."""

    shard: int
    progress: Progress
    changes: list[tuple[str, Baseline | None]]

    def to_bytes(self) -> bytes:
        """One block, for the journal and the exchange."""
        p = self.progress
        where = (p.topic, p.partition, p.next_offset, p.newest_ms, int(p.standing))
        return _ENCODER.encode((self.shard, where, self.changes))

    @staticmethod
    def from_bytes(block: bytes) -> ShardBaselines:
        """The reverse of ``to_bytes``."""
        shard, where, changes = _BASELINES.decode(block)
        topic, partition, next_offset, newest_ms, standing = where
        return ShardBaselines(
            shard, Progress(topic, partition, next_offset, newest_ms, Standing(standing)), changes
        )

    def __reduce__(self) -> tuple[object, tuple[bytes]]:
        return ShardBaselines.from_bytes, (self.to_bytes(),)


_BASELINES: Final = msgspec.msgpack.Decoder(
    tuple[int, tuple[str, int, int, int, int], list[tuple[str, Baseline | None]]]
)
