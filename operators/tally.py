"""Sums per (merchant, finest bucket) inside a batch, and one delta of them for every shard.

Events never cross a process; these deltas do. A merchant with a third of all traffic costs no more than
any other: its thousands of events in a batch leave as one row a bucket. What an event adds is known to
``operators.order_tally`` and ``operators.click_tally``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from itertools import pairwise
from typing import Any, ClassVar, Generic, NamedTuple

import numpy as np

from operators.added import WIDE, Added
from operators.batches import I32, I64, U8, Progress
from operators.bytes_kernels import U64, Interner, allocating, compiled, inlined, prefetch, stable_hash
from operators.cut_tally import CutTally
from operators.decode import C, Decoded
from operators.delta import Joins, ShardDelta, Suspect
from operators.dimensions import NO_NAMES, Dimensions
from operators.people_cells import VISITOR
from operators.rollup_delta import RollupDelta
from operators.sales_cuts import SalesCuts
from operators.shards import SHARDS

SUSPECT = 4
"""Outcome of a line that may be late: it is not added up, its shard decides."""


class Groups(NamedTuple):
    """Room for the sums of a batch, one row a group. ``scratch``: a power of two of zeros, at least twice
    the rows; left as zeros. ``counts``: groups so far.
    """

    scratch: I32
    merchants: I32
    buckets: I64
    values: I64  # rows x measures of these events
    newest_ms: I64
    arrived_ms: I64
    counts: I64
    of: I32  # by event: its group, ``NO_GROUP`` where it is not added up

    @staticmethod
    def empty(rows: int, wide: int) -> Groups:
        """Room for ``rows`` groups of events with ``wide`` measures."""
        return Groups(
            scratch=np.zeros(1 << (2 * rows - 1).bit_length(), np.int32),
            merchants=np.empty(rows, np.int32),
            buckets=np.empty(rows, np.int64),
            values=np.empty((rows, wide), np.int64),
            newest_ms=np.empty(rows, np.int64),
            arrived_ms=np.empty(rows, np.int64),
            counts=np.zeros(1, np.int64),
            of=np.empty(rows, np.int32),
        )


@inlined
def _slot_of(groups: Groups, who: int, bucket: int) -> int:
    """Where the search for a group begins."""
    mixed = np.uint64(who * 0x9E3779B1 + bucket * 0x85EBCA77) * np.uint64(0x9E3779B97F4A7C15)
    return int(np.int64(mixed >> np.uint64(33)) & (len(groups.scratch) - 1))


@inlined
def ask_for_group(groups: Groups, who: int, bucket: int) -> None:
    """Ask for where the search for a group begins."""
    prefetch(groups.scratch, _slot_of(groups, who, bucket))


@compiled
def group_of(groups: Groups, who: int, bucket: int, time_ms: int, stamped_ms: int) -> int:
    """The group of one more event of a merchant in a bucket, begun with zeros if there is none."""
    mask = len(groups.scratch) - 1
    slot = _slot_of(groups, who, bucket)
    while True:
        group = groups.scratch[slot] - 1
        if group < 0:
            break
        if groups.merchants[group] == who and groups.buckets[group] == bucket:
            groups.newest_ms[group] = max(groups.newest_ms[group], time_ms)
            groups.arrived_ms[group] = max(groups.arrived_ms[group], stamped_ms)
            return int(group)
        slot = (slot + 1) & mask
    begun = groups.counts[0]
    groups.counts[0] = begun + 1
    groups.scratch[slot] = begun + 1
    groups.merchants[begun] = who
    groups.buckets[begun] = bucket
    groups.newest_ms[begun] = time_ms
    groups.arrived_ms[begun] = max(stamped_ms, -1)
    for m in range(groups.values.shape[1]):
        groups.values[begun, m] = 0
    return int(begun)


class SeenPeople(NamedTuple):
    """Room for the people of a batch: their groups, in the order of the stream."""

    groups: I32
    persons: U64  # as of ``people_tables.person_of``
    recent: U64  # a power of two: which (group, person) came lately, so that most repetitions stay here
    counts: I64  # people so far

    @staticmethod
    def empty(rows: int) -> SeenPeople:
        """Room for ``rows`` people."""
        return SeenPeople(
            np.empty(rows, np.int32), np.empty(rows, np.uint64), np.zeros(_RECENT, np.uint64),
            np.zeros(1, np.int64),
        )  # fmt: skip


_RECENT = 1 << 13


@compiled
def see(seen: SeenPeople, group: int, person: np.uint64) -> None:
    """Note a person of a group."""
    at = seen.counts[0]
    seen.groups[at] = group
    seen.persons[at] = person
    seen.counts[0] = at + 1


@compiled
def see_once(seen: SeenPeople, group: int, person: np.uint64) -> None:
    """The same for people who may be told any number of times: not if they came lately."""
    key = (person ^ np.uint64(group)) * np.uint64(0x9E3779B97F4A7C15)
    slot = np.int64(key >> np.uint64(51))
    if seen.recent[slot] != key:
        seen.recent[slot] = key
        see(seen, group, person)


@compiled
def people_by_row(place: I32, seen: SeenPeople, ends: I64, persons: U64) -> None:
    """Bring people into the order of rows: those of row ``r`` end at ``ends[r + 1]`` of ``persons``.

    ``place``: of every group, its row; ``ends``: zeros, one more than rows.
    """
    count = seen.counts[0]
    for i in range(count):
        ends[place[seen.groups[i]] + 1] += 1
    total = 0
    for row in range(1, len(ends)):
        here = ends[row]
        ends[row] = total  # where the next one of the row goes
        total += here
    for i in range(count):
        row = place[seen.groups[i]] + 1
        persons[ends[row]] = seen.persons[i]
        ends[row] += 1


@allocating
def order_by_shard(shard_of: U8, merchants: I32, groups: int, order: I64, bounds: I64) -> None:
    """Counting sort of groups by shard: those of ``s`` are ``order[bounds[s] : bounds[s + 1]]``."""
    bounds[:] = 0
    for g in range(groups):
        bounds[shard_of[merchants[g]] + 1] += 1
    for s in range(len(bounds) - 1):
        bounds[s + 1] += bounds[s]
    fill = bounds.copy()
    for g in range(groups):
        shard = shard_of[merchants[g]]
        order[fill[shard]] = g
        fill[shard] += 1


@compiled
def shards_of(hashes: U64, start: int, shard_of: U8, shards: int) -> None:
    """The shard of every merchant from row ``start`` on, by its id's hash."""
    for row in range(start, len(shard_of)):
        shard_of[row] = (hashes[row] >> np.uint64(40)) % np.uint64(shards)


def shard_of_merchant(merchant_id: str, shards: int = SHARDS) -> int:
    """The shard of one merchant, as ``shards_of`` decides it."""
    return (stable_hash(merchant_id) >> 40) % shards


class Tally(ABC, Generic[C]):
    """Adds up a partition's accepted events. Scratch arrays are kept between batches.

    ``merchants``: the worker's interner, whose rows the columns name; ``dimensions``: its other names.
    """

    def __init__(self, merchants: Interner, dimensions: Dimensions, shards: int = SHARDS) -> None:
        self._merchants = merchants
        self._dimensions = dimensions
        self._cuts = CutTally(self._dimensions, self.people_kind)
        self._shards = shards
        self._shard_of = np.zeros(0, np.uint8)
        self._groups = Groups.empty(1024, WIDE[self.kind])
        self._order = np.empty(1024, np.int64)
        self._seen = SeenPeople.empty(1024)

    people_kind: ClassVar[int] = VISITOR
    """Whom the events are of: visitors or buyers."""
    kind: ClassVar[int]
    """What the events are: ``OF_ORDERS`` or ``OF_CLICKS``."""

    @abstractmethod
    def _add_up(self, decoded: Decoded[C], suspect_before_ms: int) -> int:
        """Put the sums of the accepted rows into ``_groups``; the number of suspects among them."""

    @abstractmethod
    def _suspect(self, decoded: Decoded[C], row: int) -> Suspect:
        """The event of one row, by itself."""

    @abstractmethod
    def _rollups(self, decoded: Decoded[C], progress: Progress) -> RollupDelta:
        """The sums of the rows in groups, by dimension."""

    def _joins(self) -> tuple[I64, U64, I64]:
        """Of each join that was added up, in the order of the stream: its group, its person, its cut."""
        return np.zeros(0, np.int64), np.zeros(0, np.uint64), np.zeros(0, np.int64)

    def stock(self, decoded: Decoded[C]) -> list[tuple[str, Any]]:
        """What accepted events say of items' stock, by shard key."""
        return []

    def _sales(self, decoded: Decoded[C]) -> SalesCuts:
        """Paid orders by group, channel and category; ``row`` is the group."""
        return SalesCuts.empty()

    def deltas(
        self, decoded: Decoded[C], suspect_before_ms: int, progress: Progress
    ) -> tuple[list[ShardDelta], RollupDelta]:
        """One delta a shard, in the order of shards, also empty ones, for the progress they carry; and
        that of the roll-ups.

        Rows older than ``suspect_before_ms`` are not added up; their outcome becomes ``SUSPECT``.
        """
        rows = len(decoded.columns.outcome)
        if rows > len(self._groups.merchants):
            self._groups = Groups.empty(2 * rows, WIDE[self.kind])
            self._order = np.empty(2 * rows, np.int64)
            self._seen = SeenPeople.empty(2 * rows)
        self._groups.counts[0] = self._seen.counts[0] = 0
        suspects = self._add_up(decoded, suspect_before_ms)
        deltas = self._split(int(self._groups.counts[0]), progress)
        self._add_sales(self._sales(decoded), deltas)
        if suspects:
            self._add_suspects(decoded, deltas)
        return deltas, self._rollups(decoded, progress)

    def _add_sales(self, sales: SalesCuts, deltas: list[ShardDelta]) -> None:
        """Give every shard its merchants' sales by channel and category."""
        if not len(sales):
            return
        groups = int(self._groups.counts[0])
        place = np.empty(groups, np.int32)  # of a group, among its shard's rows
        place[self._order[:groups]] = np.concatenate([np.arange(len(d), dtype=np.int32) for d in deltas])
        bounds = np.zeros(self._shards + 1, np.int64)
        order = np.empty(len(sales), np.int64)
        order_by_shard(self._shard_of, self._groups.merchants[sales.row], len(sales), order, bounds)
        for delta, (start, stop) in zip(deltas, pairwise(bounds.tolist()), strict=True):
            if start == stop:
                continue
            mine = order[start:stop]
            delta.sales = sales.pick(mine, place[sales.row[mine]])
            delta.names = self._dimensions.names

    def _split(self, groups: int, progress: Progress) -> list[ShardDelta]:
        self._know_shards()
        held = self._groups
        bounds = np.zeros(self._shards + 1, np.int64)
        order_by_shard(self._shard_of, held.merchants, groups, self._order, bounds)
        order = self._order[:groups]
        merchants = held.merchants[order]
        id_offsets, id_bytes = self._merchants.packed(merchants)
        hashes = self._merchants.table.hashes[merchants]
        buckets = held.buckets[order]
        values = held.values[order]
        newest = held.newest_ms[order]
        arrived = held.arrived_ms[order]
        joins = self._joins_by_shard(order, bounds)
        ends, persons = self._people_by_row(order)
        edges = bounds.tolist()
        return [
            ShardDelta(
                shard=shard,
                progress=progress,
                id_offsets=id_offsets[start : stop + 1],
                id_bytes=id_bytes,
                id_hashes=hashes[start:stop],
                buckets=buckets[start:stop],
                added=Added.of_kind(self.kind, values[start:stop]),
                newest_ms=newest[start:stop],
                arrived_ms=arrived[start:stop],
                joins=joins[shard] if joins else Joins.none(),
                names=self._dimensions.names if joins and len(joins[shard].rows) else NO_NAMES,
                person_ends=ends[start + 1 : stop + 1] - ends[start],
                persons=persons[ends[start] : ends[stop]],
            )
            for shard, (start, stop) in enumerate(pairwise(edges))
        ]

    def _people_by_row(self, order: I64) -> tuple[I64, U64]:
        """Where the people of each row end, behind a 0, and all of them in the order of rows."""
        place = np.empty(len(order), np.int32)
        place[order] = np.arange(len(order), dtype=np.int32)
        ends = np.zeros(len(order) + 1, np.int64)
        persons = np.empty(int(self._seen.counts[0]), np.uint64)
        people_by_row(place, self._seen, ends, persons)
        return ends, persons

    def _joins_by_shard(self, order: I64, bounds: I64) -> list[Joins]:
        """The joins of every shard, their rows counted within its delta; nothing if there are none."""
        groups, people, cuts = self._joins()
        if not len(groups):
            return []
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        row = place[groups]
        shard = np.searchsorted(bounds, row, side="right") - 1
        row -= bounds[shard]
        by_shard = np.argsort(shard, kind="stable")
        edges = np.searchsorted(shard[by_shard], np.arange(self._shards + 1)).tolist()
        rows, people, cuts = row[by_shard].astype(np.int32), people[by_shard], cuts[by_shard]
        return [Joins(rows[a:b], people[a:b], cuts[a:b]) for a, b in pairwise(edges)]

    def _know_shards(self) -> None:
        known = len(self._shard_of)
        if known < len(self._merchants):
            shard_of = np.zeros(len(self._merchants), np.uint8)
            shard_of[:known] = self._shard_of
            shards_of(self._merchants.table.hashes, known, shard_of, self._shards)
            self._shard_of = shard_of

    def _add_suspects(self, decoded: Decoded[C], deltas: list[ShardDelta]) -> None:
        for row in np.flatnonzero(decoded.columns.outcome == SUSPECT).tolist():
            shard = int(self._shard_of[decoded.columns.merchant[row]])
            deltas[shard].suspects.append(self._suspect(decoded, row))
