"""A shard across restarts: its files, what stands in them, and a small reference that Bytewax keeps."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from operators.delta import ShardBaselines, ShardDelta
from operators.merged_delta import merge_deltas
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
            self._files.add(_DELTA, merge_deltas(self._segment).to_bytes())
            self._segment = []

    def save(self, shard: Shard, minutes_upto_ms: int) -> ShardRef:
        """Bring the journal up to now; the reference that names it. Raises ``OSError`` on a full disk."""
        self._end_segment()
        if self._stock:
            self._files.add(_STOCK, ShardStock.joined(self._stock).to_bytes())
            self._stock = []
        files = self._files.save(shard.dump, shard.nbytes)
        watched = np.flatnonzero(shard.columns.watched)
        names = tuple(shard.merchants.texts(watched))
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
