"""Sums of a batch by value of a dimension: what crosses to the worker that keeps the roll-ups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from operators.batches import I32, I64, NO_EVENT_MS, Progress, Standing
from operators.people_cells import People
from schemas.windows import MEASURES

Value = tuple[str, str]
"""Dimension and value."""


class _Head(msgspec.Struct, frozen=True, array_like=True):
    progress: tuple[str, int, int, int, int] | None
    newest_ms: int
    names: list[Value]
    rows: int
    cells: int


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(_Head)


@dataclass(slots=True)
class RollupDelta:
    """Sums by (value, finest bucket), ``n`` rows; row ``i`` is of ``names[value[i]]``.

    ``progress``: of the partition that was read; None in what a shard adds on its own judgement.
    ``newest_ms``: no event in the rows is newer.
    """

    progress: Progress | None
    newest_ms: int
    names: list[Value]
    value: I32  # n, index into names
    buckets: I64  # n
    sums: I64  # n x MEASURES
    events: I64  # n, events of any kind
    people: People  # places are KINDS times the index into names, plus the kind

    def __len__(self) -> int:
        return len(self.value)

    @staticmethod
    def empty(progress: Progress | None, newest_ms: int = NO_EVENT_MS) -> RollupDelta:
        """Progress alone."""
        none = np.zeros(0, np.int64)
        sums = np.zeros((0, len(MEASURES)), np.int64)
        return RollupDelta(progress, newest_ms, [], np.zeros(0, np.int32), none, sums, none, People.nobody())

    def to_bytes(self) -> bytes:
        """One block: a head, then the columns one after the other."""
        p = self.progress
        where = None if p is None else (p.topic, p.partition, p.next_offset, p.newest_ms, int(p.standing))
        head = _ENCODER.encode(_Head(where, self.newest_ms, self.names, len(self), len(self.people.place)))
        people = (self.people.bucket, self.people.place, self.people.cell)
        columns = (self.buckets, self.sums, self.events, self.value, *people)
        return b"".join((len(head).to_bytes(4, "little"), head, *(c.tobytes() for c in columns)))

    @staticmethod
    def from_bytes(block: bytes) -> RollupDelta:
        """The reverse of ``to_bytes``."""
        at = 4 + int.from_bytes(block[:4], "little")
        head = _DECODER.decode(block[4:at])
        progress = None
        if head.progress is not None:
            topic, partition, next_offset, newest_ms, standing = head.progress
            progress = Progress(topic, partition, next_offset, newest_ms, Standing(standing))
        n, wide = head.rows, len(MEASURES)
        numbers = np.frombuffer(block, np.int64, n * (wide + 2), at).copy()
        c, behind = head.cells, at + 8 * n * (wide + 2) + 4 * n
        return RollupDelta(
            progress=progress,
            newest_ms=head.newest_ms,
            names=head.names,
            value=np.frombuffer(block, np.int32, n, at + 8 * n * (wide + 2)).copy(),
            buckets=numbers[:n],
            sums=numbers[n : n * (wide + 1)].reshape(n, wide),
            events=numbers[n * (wide + 1) :],
            people=People(
                np.frombuffer(block, np.int32, c, behind + 8 * c).copy(),
                np.frombuffer(block, np.int32, c, behind + 12 * c).copy(),
                np.frombuffer(block, np.int64, c, behind).copy(),
            ),
        )

    def __reduce__(self) -> tuple[object, tuple[bytes]]:
        return RollupDelta.from_bytes, (self.to_bytes(),)
