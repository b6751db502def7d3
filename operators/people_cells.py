"""What a lane tells of people by value of a dimension: cells of registers, only those that are news.

A *cell* says: in this register of this value a person of this rank was seen in this bucket
(``people_registers``). What was told of a bucket already is not told again, so few cells cross. Cells may
come twice and in any order.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from operators.batches import I16, I32, I64, U8
from operators.bytes_kernels import U64, compiled, inlined
from operators.cuts import key_in
from operators.people_registers import PLANE_REGISTERS, register_in
from operators.people_tables import rank_of, token_of
from schemas.rollups import DIMENSIONS

VISITOR, BUYER, RETURNING = 0, 1, 2
KINDS: Final = 3
"""Kinds of people; a *place* is ``KINDS`` times the number of a value, plus the kind."""
NOBODY, SEEN, SEEN_AGAIN = 0, 1, 2
"""What an event says of its person: it does not count; it does; it does, by an order not its first."""
VALUES_FILTERED: Final = 512
"""Values of which a lane knows what it told last; cells of others are told every time."""
RANKS_FILTERED: Final = 8
"""Cells of higher ranks, one in 256 people, are told every time: the bitmaps of some fifty values stay in the
caches."""
_SLOTS: Final = 2


class People(NamedTuple):
    """Cells of people, ``n``."""

    place: I32  # value or row, and kind
    cell: I32  # rank in the upper bits, register in the lower 16
    bucket: I64

    @staticmethod
    def nobody() -> People:
        """No cells."""
        return People(np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0, np.int64))


class Told(NamedTuple):
    """What a lane told last, by value: bitmaps of two buckets."""

    keys: I64  # power of two slots, value key + 1
    rows: I32
    bitmaps: U8  # VALUES_FILTERED x 2 x layers x PLANE_REGISTERS, a bit a rank up to ``RANKS_FILTERED``
    buckets: I64  # VALUES_FILTERED x 2
    counts: I64

    @staticmethod
    def nothing(layers: int) -> Told:
        """A lane that has not begun. ``layers``: kinds of people that its events tell."""
        return Told(
            np.zeros(4 * VALUES_FILTERED, np.int64),
            np.zeros(4 * VALUES_FILTERED, np.int32),
            np.zeros((VALUES_FILTERED, _SLOTS, layers, PLANE_REGISTERS), np.uint8),
            np.full((VALUES_FILTERED, _SLOTS), -1, np.int64),
            np.zeros(1, np.int64),
        )


@inlined
def _row_of(told: Told, key: int) -> int:
    """The row of a value, a new one while there is room, else -1."""
    mask = len(told.keys) - 1
    slot = ((key * 0x1E3779B97F4A7C15) >> 33) & mask
    while told.keys[slot] != 0:
        if told.keys[slot] == key + 1:
            return int(told.rows[slot])
        slot = (slot + 1) & mask
    row = told.counts[0]
    if row >= VALUES_FILTERED:
        return -1
    told.counts[0] = row + 1
    told.keys[slot] = key + 1
    told.rows[slot] = row
    return int(row)


@inlined
def _is_news(told: Told, row: int, bucket: int, layer: int, register: int, rank: int) -> bool:
    """Whether the rank of a register was not told yet of its value and bucket."""
    if row < 0 or rank > RANKS_FILTERED:
        return True
    slot = bucket & 1
    held = told.buckets[row, slot]
    if held > bucket:
        return True
    if held < bucket:
        told.buckets[row, slot] = bucket
        told.bitmaps[row, slot] = 0
    bit = np.uint8(1 << (rank - 1))
    if told.bitmaps[row, slot, layer, register] & bit:
        return False
    told.bitmaps[row, slot, layer, register] |= bit
    return True


@compiled
def cell_of(token: np.uint64) -> int:
    """Rank and register of a token."""
    return (rank_of(token) << 16) | register_in(token, PLANE_REGISTERS)


@compiled
def find_people(
    person: U64,
    seen: U8,
    channel: I16,
    category: I16,
    tier: I16,
    group_of: I32,
    group_bucket: I64,
    told: Told,
    kind: int,
    keys: I64,
    places: I32,
    cells: I32,
    buckets: I64,
) -> int:
    """The cells that are news; their number. ``person``: hashes of ids. ``kind``: of those who are seen.

    Room for eight cells an event. ``keys``: of the cells' values. ``places``: the cells' kinds alone.
    """
    count = 0
    for i in range(len(group_of)):
        group = group_of[i]
        if group < 0 or not seen[i]:
            continue
        bucket = group_bucket[group]
        token = token_of(person[i])
        rank, register = rank_of(token), register_in(token, PLANE_REGISTERS)
        for dimension in range(4):
            key = key_in(dimension, channel[i], category[i], tier[i] + 2)
            row = _row_of(told, key)
            if _is_news(told, row, bucket, 0, register, rank):
                keys[count] = key
                places[count] = kind
                cells[count] = (rank << 16) | register
                buckets[count] = bucket
                count += 1
            if seen[i] == SEEN_AGAIN and _is_news(told, row, bucket, 1, register, rank):
                keys[count] = key
                places[count] = RETURNING
                cells[count] = (rank << 16) | register
                buckets[count] = bucket
                count += 1
    return count


class PeopleFilter:
    """Finds a partition's cells that are news. ``kind``: of people that its events are of."""

    def __init__(self, kind: int) -> None:
        self._kind = kind
        self._layers = 2 if kind == BUYER else 1
        self._told = Told.nothing(self._layers)
        self._room(1024)

    def _room(self, events: int) -> None:
        cells = len(DIMENSIONS) * self._layers * events
        self._keys = np.empty(cells, np.int64)
        self._places = np.empty(cells, np.int32)
        self._cells = np.empty(cells, np.int32)
        self._buckets = np.empty(cells, np.int64)

    def find(
        self, person: U64, seen: U8, dimensions: tuple[I16, I16, I16], group_of: I32, group_bucket: I64
    ) -> tuple[I64, People]:
        """The keys of values, and the cells that are news; ``place`` is the kind alone."""
        events = len(group_of)
        if len(DIMENSIONS) * self._layers * events > len(self._keys):
            self._room(2 * events)
        count = find_people(
            person, seen, *dimensions, group_of, group_bucket, self._told, self._kind,
            self._keys, self._places, self._cells, self._buckets,
        )  # fmt: skip
        return self._keys[:count].copy(), People(
            self._places[:count].copy(), self._cells[:count].copy(), self._buckets[:count].copy()
        )
