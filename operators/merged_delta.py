"""Deltas that came together as one: a visit of a shard costs the same however little it brings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from operators.added import Added
from operators.batches import I32, I64, Progress
from operators.bytes_kernels import PADDING_BYTES
from operators.cut_names import CutNumbers
from operators.delta import Joins, ShardDelta
from operators.sales_cuts import merge_sales


def merge_deltas(deltas: list[ShardDelta]) -> ShardDelta:
    """One delta that has the effect of several, in their order.

    It is heard of as far as all of them had been read before its rows are counted. So a minute that several
    close by and by is closed behind all of their rows. The suspects of all come before all rows.
    """
    last = deltas[-1]
    if len(deltas) == 1:
        return last
    latest: dict[str, Progress] = {p.source: p for d in deltas for p in d.progresses}
    del latest[last.progress.source]
    through = tuple(latest.values())
    filled = [d for d in deltas if len(d) or d.suspects]
    if len(filled) < 2:
        one = filled[0] if filled else last
        return replace(one, progress=last.progress, through=through)
    texts = [d.id_bytes[d.id_offsets[0] : d.id_offsets[-1]] for d in filled]
    lengths: I32 = np.concatenate([d.id_lengths for d in filled])
    offsets = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    firsts = np.cumsum([0, *(len(d) for d in filled[:-1])]).tolist()
    numbers = CutNumbers()
    joins = _joins_of(filled, firsts, numbers)
    sales = merge_sales([(d.sales, d.names, first) for d, first in zip(filled, firsts, strict=True)], numbers)
    return ShardDelta(
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
        joins=joins,
        sales=sales,
        names=numbers.names,
        person_ends=_person_ends_of(filled),
        persons=np.concatenate([d.persons for d in filled]),
        through=through,
    )


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
