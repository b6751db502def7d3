"""A shard across restarts: a base, a journal of deltas behind it, and a small reference that Bytewax keeps.

At the end of an epoch the deltas taken in it are merged and appended to the shard's journal; the reference
(files, lengths) is what Bytewax commits. Cost follows what arrived, not what is held. Now and then, one shard
at a time, the whole state becomes a new base and the journal begins anew. A kill between any two of these
steps leaves files longer than a committed reference says, never shorter; what stands behind is cut off.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from operators.batches import I32, Progress
from operators.bytes_kernels import PADDING_BYTES
from operators.delta import Joins, ShardBaselines, ShardDelta
from operators.journal import Journal, Retired, read_upto
from operators.shard import Shard, ShardRules

_HEAD_BYTES = 5
_DELTA, _BASELINES = 0, 1
SMALLEST_JOURNAL_BYTES = 4 * 1024 * 1024
"""A journal this short is never worth a new base."""
REBASE_PAUSE_SECONDS = 0.5
"""A process writes at most one base in this time, so that no epoch has to wait for several."""


class ShardRef(NamedTuple):
    """What Bytewax keeps of a shard."""

    shard: int
    base: str | None
    base_bytes: int
    journal: str
    journal_bytes: int
    minutes_upto_ms: int
    """Closed minutes up to here have been handed to the board."""
    watched: tuple[str, ...]
    """Merchants that have a series."""


class RebaseTurns:
    """Lets the shards of one process write their bases one after the other."""

    def __init__(self) -> None:
        self._next = 0.0

    def take(self) -> bool:
        """Whether it is somebody's turn now."""
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + REBASE_PAUSE_SECONDS
        return True


def merge_deltas(deltas: list[ShardDelta]) -> list[ShardDelta]:
    """Fewer deltas that have the same effect, provided that none of them closes a minute.

    The last progress of every other source comes first, alone; all rows and the last delta's progress follow.
    """
    latest: dict[str, Progress] = {d.progress.source: d.progress for d in deltas}
    last = deltas[-1]
    del latest[last.progress.source]
    merged = [ShardDelta.empty(last.shard, progress) for progress in latest.values()]
    filled = [d for d in deltas if len(d) or d.suspects]
    if not filled:
        return [*merged, ShardDelta.empty(last.shard, last.progress)]
    texts = [d.id_bytes[d.id_offsets[0] : d.id_offsets[-1]] for d in filled]
    lengths: I32 = np.concatenate([np.diff(d.id_offsets) for d in filled])
    offsets = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    merged.append(
        ShardDelta(
            shard=last.shard,
            progress=last.progress,
            id_offsets=offsets,
            id_bytes=np.concatenate([*texts, np.zeros(PADDING_BYTES, np.uint8)]),
            id_hashes=np.concatenate([d.id_hashes for d in filled]),
            buckets=np.concatenate([d.buckets for d in filled]),
            values=np.concatenate([d.values for d in filled]),
            newest_ms=np.concatenate([d.newest_ms for d in filled]),
            arrived_ms=np.concatenate([d.arrived_ms for d in filled]),
            suspects=[s for d in filled for s in d.suspects],
            joins=_joins_of(filled),
        )
    )
    return merged


def _joins_of(deltas: list[ShardDelta]) -> Joins:
    """The joins of all deltas in their order, their rows as they stand one delta behind the other."""
    before = np.cumsum([0, *(len(d) for d in deltas[:-1])])
    rows: I32 = np.concatenate(
        [d.joins.rows + n for d, n in zip(deltas, before, strict=True)], dtype=np.int32
    )
    return Joins(rows, np.concatenate([d.joins.people for d in deltas]))


def _blocks(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "little")
        yield data[at + 4], data[at + _HEAD_BYTES : at + _HEAD_BYTES + length]
        at += _HEAD_BYTES + length


class ShardStore:
    """Files of one shard in ``directory``; new ones carry the name of this run."""

    def __init__(self, directory: Path, shard: int, run: str, turns: RebaseTurns) -> None:
        self._directory = directory
        self._name = f"{run}-{shard:02d}"
        self._generation = 0
        self._turns = turns
        self._retired = Retired()
        self._base: str | None = None
        self._base_bytes = 0
        self._journal: Journal | None = None
        self._segment: list[ShardDelta] = []
        self._blocks: list[bytes] = []

    def note(self, delta: ShardDelta, closed_a_minute: bool) -> None:
        """Remember a delta that the shard has taken."""
        if closed_a_minute or any(s.joined is not None for s in delta.suspects):
            # What came before it was judged by a watermark of the minute before. And suspects are taken
            # before rows: merged with deltas before it, an old join would be first where it was not.
            self._end_segment()
        self._segment.append(delta)
        if closed_a_minute:
            self._end_segment()

    def note_baselines(self, baselines: ShardBaselines) -> None:
        """Remember baselines that the shard has taken."""
        self._end_segment()
        self._add_block(_BASELINES, baselines.to_bytes())

    def _end_segment(self) -> None:
        if self._segment:
            for delta in merge_deltas(self._segment):
                self._add_block(_DELTA, delta.to_bytes())
            self._segment = []

    def _add_block(self, kind: int, block: bytes) -> None:
        self._blocks.append(len(block).to_bytes(4, "little") + bytes([kind]) + block)

    def save(self, shard: Shard, minutes_upto_ms: int) -> ShardRef:
        """Bring the journal up to now; the reference that names it. Raises ``OSError`` on a full disk."""
        self._end_segment()
        if self._journal is None:
            self._journal = Journal(self._path("journal"))
        if self._blocks:
            self._journal.append(b"".join(self._blocks))
            self._blocks = []
        if self._journal.length > max(SMALLEST_JOURNAL_BYTES, self._base_bytes) and self._turns.take():
            self._write_base(shard)
        self._retired.snapshot_taken()
        watched = np.flatnonzero(shard.columns.watched).tolist()
        return ShardRef(
            shard.number,
            self._base,
            self._base_bytes,
            self._journal.path.name,
            self._journal.length,
            minutes_upto_ms,
            tuple(shard.merchants.text(row) for row in watched),
        )

    def _path(self, kind: str) -> Path:
        return self._directory / f"{self._name}-{self._generation:06d}.{kind}"

    def _write_base(self, shard: Shard) -> None:
        assert self._journal is not None
        self._journal.close()
        self._retired.add(self._journal.path)
        if self._base is not None:
            self._retired.add(self._directory / self._base)
        self._generation += 1
        base = Journal(self._path("base"))
        base.append(shard.dump())
        base.close()
        self._base, self._base_bytes = base.path.name, base.length
        self._journal = Journal(self._path("journal"))

    def load(self, ref: ShardRef, rules: ShardRules) -> Shard:
        """The shard as it was when ``ref`` was made.

        Raises ``OSError`` or ``ValueError`` if a file is missing, was cut or has another layout.
        """
        shard = Shard(ref.shard, rules)
        if ref.base is not None:
            shard = Shard.load(read_upto(self._directory / ref.base, ref.base_bytes), rules)
        journal = self._directory / ref.journal
        for kind, block in _blocks(read_upto(journal, ref.journal_bytes)):
            if kind == _DELTA:
                shard.take(ShardDelta.from_bytes(block))
            else:
                shard.take_baselines(ShardBaselines.from_bytes(block))
        shard.clock.resume(rules.sources, rules.lateness_ms)
        shard.closing.minutes = [p for p in shard.closing.minutes if p.minute_ms >= ref.minutes_upto_ms]
        shard.closing.points = []
        shard.columns.watched[:] = False
        for merchant_id in ref.watched:
            shard.watch(shard.row_of(merchant_id))
        shard.milestones.resumed()
        shard.touch()
        self._base, self._base_bytes = ref.base, ref.base_bytes
        self._journal = Journal(journal, ref.journal_bytes)
        self._drop_strays(ref.shard)
        return shard

    def _drop_strays(self, number: int) -> None:
        """Files of this shard that the reference does not name were never committed, or are done with."""
        assert self._journal is not None
        named = {self._base, self._journal.path.name}
        for pattern in (f"*-{number:02d}-??????.base", f"*-{number:02d}-??????.journal"):
            for stray in self._directory.glob(pattern):
                if stray.name not in named:
                    stray.unlink(missing_ok=True)

    def close(self) -> None:
        """Give back the file."""
        if self._journal is not None:
            self._journal.close()
