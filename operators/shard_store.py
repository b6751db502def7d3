"""A shard across restarts: its files, what stands in them, and a small reference that Bytewax keeps."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from operators.added import Added
from operators.batches import I32, I64, Progress
from operators.bytes_kernels import PADDING_BYTES
from operators.cut_names import CutNumbers
from operators.delta import Joins, ShardBaselines, ShardDelta
from operators.sales_cuts import merge_sales
from operators.shard import STATE_LAYOUT, Shard, ShardRules, refuse_other_layout
from operators.state_files import FilesRef, RebaseTurns, StateFiles
from operators.stock_notes import ShardStock

_DELTA, _BASELINES, _STOCK = 0, 1, 2


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
    layout: int = 0
    """``STATE_LAYOUT`` of the version that wrote the files, for a journal says none. 0: not said."""

    @property
    def files(self) -> FilesRef:
        """The files alone."""
        return FilesRef(self.base, self.base_bytes, self.journal, self.journal_bytes)


def merge_deltas(deltas: list[ShardDelta]) -> list[ShardDelta]:
    """Fewer deltas that have the same effect, provided that none of them closes a minute.

    The last progress of every other source comes first, alone; all rows and the last delta's progress follow.
    """
    latest: dict[str, Progress] = {d.progress.source: d.progress for d in deltas}
    last = deltas[-1]
    del latest[last.progress.source]
    through = [ShardDelta.empty(last.shard, progress) for progress in latest.values()]
    filled = [d for d in deltas if len(d) or d.suspects]
    if not filled:
        return [*through, ShardDelta.empty(last.shard, last.progress)]
    texts = [d.id_bytes[d.id_offsets[0] : d.id_offsets[-1]] for d in filled]
    lengths: I32 = np.concatenate([np.diff(d.id_offsets) for d in filled])
    offsets = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    firsts = np.cumsum([0, *(len(d) for d in filled[:-1])]).tolist()
    numbers = CutNumbers()
    through.append(
        ShardDelta(
            shard=last.shard,
            progress=last.progress,
            id_offsets=offsets,
            id_bytes=np.concatenate([*texts, np.zeros(PADDING_BYTES, np.uint8)]),
            id_hashes=np.concatenate([d.id_hashes for d in filled]),
            buckets=np.concatenate([d.buckets for d in filled]),
            added=Added.joined([d.added for d in filled]),
            newest_ms=np.concatenate([d.newest_ms for d in filled]),
            arrived_ms=np.concatenate([d.arrived_ms for d in filled]),
            suspects=[s for d in filled for s in d.suspects],
            joins=_joins_of(filled, firsts, numbers),
            sales=merge_sales(
                [(d.sales, d.names, first) for d, first in zip(filled, firsts, strict=True)], numbers
            ),
            person_ends=_person_ends_of(filled),
            persons=np.concatenate([d.persons for d in filled]),
        )
    )
    through[-1].names = numbers.names
    return through


def _joins_of(deltas: list[ShardDelta], firsts: list[int], numbers: CutNumbers) -> Joins:
    """The joins of all deltas in their order, their rows as they stand one delta behind the other."""
    rows: I32 = np.concatenate(
        [d.joins.rows + n for d, n in zip(deltas, firsts, strict=True)], dtype=np.int32
    )
    cuts = [numbers.cuts(d.joins.cuts, d.names) for d in deltas if len(d.joins.cuts)]
    return Joins(
        rows,
        np.concatenate([d.joins.people for d in deltas]),
        np.concatenate(cuts) if cuts else np.zeros(0, np.int64),
    )


def _person_ends_of(deltas: list[ShardDelta]) -> I64:
    before = 0
    ends = []
    for delta in deltas:
        held = delta.person_ends
        ends.append((np.zeros(len(delta), np.int64) if held is None else held) + before)
        before += len(delta.persons)
    return np.concatenate(ends)


class ShardStore:
    """Files of one shard in ``directory``; new ones carry the name of this run."""

    def __init__(self, directory: Path, shard: int, run: str, turns: RebaseTurns) -> None:
        self._files = StateFiles(directory, f"{shard:02d}", run, turns)
        self._segment: list[ShardDelta] = []
        self._stock: list[ShardStock] = []

    def note(self, delta: ShardDelta, closed_a_minute: bool) -> None:
        """Remember a delta that the shard has taken."""
        if closed_a_minute or delta.suspects:
            # What came before it was judged by a watermark of the minute before. And suspects are taken
            # before rows: merged with deltas before it, an old join, or an old channel, would be first.
            self._end_segment()
        self._segment.append(delta)
        if closed_a_minute:
            self._end_segment()

    def note_baselines(self, baselines: ShardBaselines) -> None:
        """Remember baselines that the shard has taken."""
        self._end_segment()
        self._files.add(_BASELINES, baselines.to_bytes())

    def note_stock(self, stock: ShardStock) -> None:
        """Remember what was said of items; it does not matter when, among deltas."""
        self._stock.append(stock)

    def _end_segment(self) -> None:
        if self._segment:
            for delta in merge_deltas(self._segment):
                self._files.add(_DELTA, delta.to_bytes())
            self._segment = []

    def save(self, shard: Shard, minutes_upto_ms: int) -> ShardRef:
        """Bring the journal up to now; the reference that names it. Raises ``OSError`` on a full disk."""
        self._end_segment()
        if self._stock:
            self._files.add(_STOCK, ShardStock.joined(self._stock).to_bytes())
            self._stock = []
        files = self._files.save(shard.dump)
        watched = np.flatnonzero(shard.columns.watched).tolist()
        names = tuple(shard.merchants.text(row) for row in watched)
        return ShardRef(shard.number, *files, minutes_upto_ms, names, STATE_LAYOUT)

    def load(self, ref: ShardRef, rules: ShardRules) -> Shard:
        """The shard as it was when ``ref`` was made.

        Raises ``OSError`` or ``ValueError`` if a file is missing, was cut or has another layout.
        """
        refuse_other_layout(ref.layout)
        base, blocks = self._files.load(ref.files)
        shard = Shard(ref.shard, rules) if base is None else Shard.load(base, rules)
        for kind, block in blocks:
            if kind == _DELTA:
                shard.take(ShardDelta.from_bytes(block))
            elif kind == _STOCK:
                shard.take_stock(ShardStock.from_bytes(block))
            else:
                shard.take_baselines(ShardBaselines.from_bytes(block))
        shard.clock.resume(rules.sources, rules.lateness_ms)
        shard.closing.minutes = [p for p in shard.closing.minutes if p.minute_ms >= ref.minutes_upto_ms]
        shard.closing.points = []
        shard.for_rollups.clear()
        shard.columns.watched[:] = False
        for merchant_id in ref.watched:
            shard.outbox.watch(shard.row_of(merchant_id))
        shard.milestones.resumed()
        shard.outbox.touch()
        return shard

    def close(self) -> None:
        """Give back the file."""
        self._files.close()
