"""What crosses from the worker that reads a partition to the worker that keeps a shard.

The same bytes serve the exchange between processes and the shard's journal.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from operators.added import MEASURES_WIDE, ORDERS_WIDE, Added
from operators.batches import I32, I64, U8, Progress, Standing
from operators.bytes_kernels import PADDING_BYTES, U64
from operators.dimensions import NO_NAMES, UNKNOWN_TIER, CutNames
from operators.packed_words import packed, padded, unpacked
from operators.sales_cuts import SalesCuts
from schemas.baselines import Baseline
from schemas.dead_letters import DeadLetter
from schemas.rollups import UNKNOWN
from schemas.windows import FINEST_BUCKET_MS


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
    bucket: int
    """Buckets count from here, and the times of arrival from ``arrived_ms``."""
    arrived_ms: int
    kinds: int
    """Of what events the rows are: ``OF_ORDERS``, ``OF_CLICKS``, or both."""
    measures: int
    """Bit ``m``: the column of measure ``m`` follows; the others are zeros."""
    joins: int
    persons: int
    suspects: list[Suspect]
    sales: int
    names: tuple[tuple[str, ...], tuple[str, ...]]
    through: tuple[Progress, ...] = ()


T = TypeVar("T", bound=np.generic)

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


def counts_of(ends: I64) -> I64:
    """How many stand up to each end, behind the one before it. ``np.diff`` takes six times as long."""
    counts = ends.copy()
    counts[1:] -= ends[:-1]
    return counts


def _parts(column: npt.NDArray[T], sizes: list[int]) -> Iterator[npt.NDArray[T]]:
    """Cut a column into parts of these sizes."""
    at = 0
    for size in sizes:
        yield column[at : at + size]
        at += size


@dataclass(slots=True)
class ShardDelta:
    """Sums of one batch, or of several, for the merchants of one shard; ``n`` rows (merchant, finest bucket).

    Id ``i`` is ``id_bytes[id_offsets[i] : id_offsets[i + 1]]``; the offsets need not begin at 0.
    """

    shard: int
    progress: Progress
    id_offsets: I32  # n + 1
    id_bytes: U8  # padded
    id_hashes: U64  # n
    buckets: I64  # n, event time // FINEST_BUCKET_MS
    added: Added
    newest_ms: I64  # n, newest event of the row
    arrived_ms: I64  # n, newest Kafka timestamp of the row
    suspects: list[Suspect] = field(default_factory=list)
    joins: Joins = _NO_JOINS
    """Not in ``added`` yet."""
    sales: SalesCuts = field(default_factory=SalesCuts.empty)
    names: CutNames = NO_NAMES
    person_ends: I64 | None = None
    """n: people of row ``i`` end here in ``persons``; None = nobody in any row."""
    persons: U64 = field(default_factory=_nobody)
    """Visitors and buyers, as of ``people_tables.person_of``: a visitor of a row at least once, a buyer
    once for each paid order."""
    through: tuple[Progress, ...] = ()
    """Of the other partitions whose batches are in here too."""

    def __len__(self) -> int:
        return len(self.buckets)

    @property
    def id_lengths(self) -> I32:
        """n: bytes of each id."""
        return self.id_offsets[1:] - self.id_offsets[:-1]

    @property
    def progresses(self) -> tuple[Progress, ...]:
        """Of every partition whose batches are in here."""
        return (*self.through, self.progress)

    @staticmethod
    def empty(shard: int, progress: Progress) -> ShardDelta:
        """Progress alone."""
        none = np.zeros(0, np.int64)
        return ShardDelta(
            shard, progress, np.zeros(1, np.int32), np.zeros(PADDING_BYTES, np.uint8),
            np.zeros(0, np.uint64), none, Added(np.zeros((0, ORDERS_WIDE), np.int64), None), none, none,
        )  # fmt: skip

    def to_bytes(self) -> bytes:
        """One compact block: a head, then ids, hashes and persons, then all numbers, packed."""
        first, last = int(self.id_offsets[0]), int(self.id_offsets[-1])
        told = self.added.columns()
        p = self.progress
        bucket, arrived_ms = (int(c.min()) if len(self) else 0 for c in (self.buckets, self.arrived_ms))
        head = _ENCODER.encode(
            _Head(
                self.shard, p.topic, p.partition, p.next_offset, p.newest_ms, int(p.standing),
                len(self), last - first, bucket, arrived_ms, self.added.kinds, sum(1 << m for m in told),
                len(self.joins.rows), len(self.persons), self.suspects, len(self.sales), self.names,
                self.through,
            )
        )  # fmt: skip
        parts = [len(head).to_bytes(4, "little"), head]
        ends = self.person_ends
        if len(self):
            parts += [
                self.id_bytes[first:last].tobytes(),
                self.id_hashes.tobytes(),
                self.joins.people.tobytes(),
                self.persons.tobytes(),
            ]
            numbers = (
                self.id_lengths,
                self.buckets - bucket,
                self.newest_ms - self.buckets * FINEST_BUCKET_MS,
                self.arrived_ms - arrived_ms,
                *told.values(),
                self.joins.rows,
                self.joins.cuts,
                *self.sales.columns,
                *(() if ends is None or not len(self.persons) else (counts_of(ends),)),
            )
            parts += packed(np.concatenate(numbers, dtype=np.int64).view(np.uint64))
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
        delta.through = head.through
        if head.rows:
            delta._fill(padded(block), 4 + length, head)
        return delta

    def _fill(self, data: U8, at: int, head: _Head) -> None:
        n = head.rows
        self.id_bytes = np.append(data[at : at + head.id_bytes], np.zeros(PADDING_BYTES, np.uint8))
        at += head.id_bytes
        sizes = [n, head.joins, head.persons]
        hashes: U64 = data[at : at + 8 * sum(sizes)].copy().view(np.uint64)
        self.id_hashes, people, self.persons = _parts(hashes, sizes)
        told = [m for m in range(MEASURES_WIDE) if head.measures >> m & 1]
        sizes = [n] * (4 + len(told)) + [head.joins] * 2 + [head.sales] * SalesCuts.COLUMNS
        sizes.append(n if head.persons else 0)
        numbers = np.zeros(sum(sizes), np.int64)
        unpacked(data, at + hashes.nbytes, numbers.view(np.uint64))
        columns = _parts(numbers, sizes)
        self.id_offsets = np.zeros(n + 1, np.int32)
        np.cumsum(next(columns), out=self.id_offsets[1:])
        self.buckets = next(columns) + head.bucket
        self.newest_ms = next(columns) + self.buckets * FINEST_BUCKET_MS
        self.arrived_ms = next(columns) + head.arrived_ms
        self.added = Added.of_columns(head.kinds, {m: next(columns) for m in told}, n)
        self.joins = Joins(next(columns).astype(np.int32), people, next(columns))
        self.sales = SalesCuts.of([next(columns) for _ in range(SalesCuts.COLUMNS)])
        self.names = CutNames(*head.names)
        self.person_ends = np.cumsum(next(columns)) if head.persons else None

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
