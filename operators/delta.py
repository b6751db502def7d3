"""What crosses from the worker that reads a partition to the worker that keeps a shard.

The same bytes serve the exchange between processes and the shard's journal.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec
import numpy as np

from operators.batches import I32, I64, U8, Progress, Standing
from operators.bytes_kernels import PADDING_BYTES, U64
from operators.dimensions import NO_NAMES, UNKNOWN_TIER, CutNames
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
    joined: int | None = None
    """The person, if the event is a join."""
    channel: str = UNKNOWN
    category: str = UNKNOWN
    tier: int = UNKNOWN_TIER
    person: int = 0
    """Who visited or paid, as of ``people_tables.person_of``; 0 if nobody did."""


class _Head(msgspec.Struct, frozen=True, array_like=True):
    shard: int
    topic: str
    partition: int
    next_offset: int
    newest_ms: int
    standing: int
    rows: int
    id_bytes: int
    measures: int
    """Bit ``m``: the column of measure ``m`` follows; the others are zeros."""
    joins: int
    persons: int
    suspects: list[Suspect]
    sales: int
    names: tuple[tuple[str, ...], tuple[str, ...]]


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(_Head)


class Joins(NamedTuple):
    """Joins in the order of the stream; whether each is the first of its visitor, the shard knows."""

    rows: I32  # row of the delta: merchant and bucket
    people: U64  # hash of visitor_id
    cuts: I64  # channel, category and tier (``operators.cuts``), in the delta's names

    @staticmethod
    def none() -> Joins:
        """No joins."""
        return _NO_JOINS


def _nobody() -> U64:
    return np.zeros(0, np.uint64)


_NO_JOINS: Final = Joins(np.zeros(0, np.int32), np.zeros(0, np.uint64), np.zeros(0, np.int64))


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
    joins: Joins = _NO_JOINS
    """Not in ``values`` yet."""
    sales: SalesCuts = field(default_factory=SalesCuts.empty)
    names: CutNames = NO_NAMES
    person_ends: I64 | None = None
    """n: people of row ``i`` end here in ``persons``; None = nobody in any row."""
    persons: U64 = field(default_factory=_nobody)
    """Visitors and buyers, as of ``people_tables.person_of``: a visitor of a row at least once, a buyer
    once for each paid order."""

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
        """One compact block: a head, then the columns one after the other, without measures of zeros."""
        first, last = int(self.id_offsets[0]), int(self.id_offsets[-1])
        told = [m for m in range(len(MEASURES)) if self.values[:, m].any()]
        p = self.progress
        head = _ENCODER.encode(
            _Head(
                self.shard, p.topic, p.partition, p.next_offset, p.newest_ms, int(p.standing),
                len(self), last - first, sum(1 << m for m in told), len(self.joins.rows),
                len(self.persons), self.suspects, len(self.sales), self.names,
            )
        )  # fmt: skip
        parts = [len(head).to_bytes(4, "little"), head]
        if len(self):
            parts += [
                (self.id_offsets - first).tobytes(),
                self.id_bytes[first:last].tobytes(),
                self.id_hashes.tobytes(),
                self.buckets.tobytes(),
                self.newest_ms.tobytes(),
                self.arrived_ms.tobytes(),
                *(self.values[:, m].tobytes() for m in told),
                self.joins.rows.tobytes(),
                self.joins.people.tobytes(),
                self.joins.cuts.tobytes(),
                *self.sales.to_bytes(),
            ]
            if self.person_ends is not None and len(self.persons):
                parts += [self.person_ends.astype(np.int32).tobytes(), self.persons.tobytes()]
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
        if head.rows:
            delta._fill(block, 4 + length, head)
        return delta

    def _fill(self, block: bytes, at: int, head: _Head) -> None:
        n = head.rows
        self.id_offsets = np.frombuffer(block, np.int32, n + 1, at).copy()
        at += 4 * (n + 1)
        self.id_bytes = np.frombuffer(block[at : at + head.id_bytes] + bytes(PADDING_BYTES), np.uint8).copy()
        at += head.id_bytes
        self.id_hashes = np.frombuffer(block, np.uint64, n, at).copy()
        at += 8 * n
        told = [m for m in range(len(MEASURES)) if head.measures >> m & 1]
        columns = np.frombuffer(block, np.int64, n * (3 + len(told)), at).reshape(-1, n).copy()
        self.buckets, self.newest_ms, self.arrived_ms = columns[:3]
        self.values = np.zeros((n, len(MEASURES)), np.int64)
        for column, m in zip(columns[3:], told, strict=True):
            self.values[:, m] = column
        at += 8 * n * (3 + len(told))
        j = head.joins
        if j:
            self.joins = Joins(
                np.frombuffer(block, np.int32, j, at).copy(),
                np.frombuffer(block, np.uint64, j, at + 4 * j).copy(),
                np.frombuffer(block, np.int64, j, at + 12 * j).copy(),
            )
        at += 20 * j
        if head.sales:
            self.sales = SalesCuts.from_bytes(head.sales, block, at)
        self.names = CutNames(*head.names)
        if head.persons:
            at += SalesCuts.ENTRY_BYTES * head.sales
            self.person_ends = np.frombuffer(block, np.int32, n, at).astype(np.int64)
            self.persons = np.frombuffer(block, np.uint64, head.persons, at + 4 * n).copy()

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
