"""Who has joined which merchant: a join counts once per merchant and visitor, whoever tells it how often.

A shard remembers a 64-bit hash of every (merchant, visitor) in open addressing, 13 to 27 bytes a join. Memory
is bounded: two generations of half the room each, and when the younger one is full, the older one is
forgotten whole. A join is thus remembered for at least as many later ones as half the room holds. What is
forgotten depends on the joins and their order alone, so a shard that is replayed forgets the same.

Two different pairs share a hash with probability (joins remembered) / 2**64 each: with 30 million remembered,
1.6e-12 a join, one new member in 600 billion not counted.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from operators.added import ORDERS_WIDE
from operators.batches import I32, I64, U8
from operators.bytes_kernels import U64, compiled
from schemas.windows import NEW_MEMBERS

FIRST_SLOTS = 1 << 8
MAX_LOAD = 0.6
BYTES_A_SLOT = 8


@compiled
def pair_hash(merchant: np.uint64, person: np.uint64) -> np.uint64:
    """One hash, never 0, of the hashes of a merchant and of a person (MurmurHash3's 64-bit finaliser)."""
    h = (merchant * np.uint64(0x9E3779B97F4A7C15)) ^ person
    h ^= h >> np.uint64(33)
    h *= np.uint64(0xFF51AFD7ED558CCD)
    h ^= h >> np.uint64(33)
    h *= np.uint64(0xC4CEB9FE1A85EC53)
    h ^= h >> np.uint64(33)
    return h if h != 0 else np.uint64(1)


@compiled
def _slot_of(slots: U64, key: np.uint64) -> int:
    mask = len(slots) - 1
    slot = np.int64(key & np.uint64(0x7FFFFFFFFFFFFFFF)) & mask
    while slots[slot] != 0 and slots[slot] != key:
        slot = (slot + 1) & mask
    return int(slot)


@compiled
def _insert_all(slots: U64, keys: U64) -> None:
    for key in keys:
        slots[_slot_of(slots, key)] = key


@compiled
def count_joins(
    rows: I32,
    people: U64,
    hashes: U64,
    kept: np.ndarray,
    clicks: I64,
    start: int,
    young: U64,
    old: U64,
    room: int,
    first: U8,
) -> tuple[int, int, int]:
    """Add first joins from ``start`` on to their rows of ``clicks``; stop where the young generation is full.

    ``hashes``: of the merchants, by row. ``kept``: by row, whether some window keeps its bucket; the joins of
    other rows are neither counted nor remembered. ``clicks``: n x CLICK_MEASURES. ``first``: by join, set to
    1 where it counts. Returns (next join, first ones, repeated ones).
    """
    added = 0
    repeated = 0
    for i in range(start, len(rows)):
        row = rows[i]
        if not kept[row]:
            continue
        key = pair_hash(hashes[row], people[i])
        slot = _slot_of(young, key)
        if young[slot] == key or old[_slot_of(old, key)] == key:
            repeated += 1
            continue
        if added >= room:
            return i, added, repeated
        young[slot] = key
        clicks[row, NEW_MEMBERS - ORDERS_WIDE] += 1
        first[i] = 1
        added += 1
    return len(rows), added, repeated


class JoinMemory:
    """The joins of one shard. ``limit_bytes`` bounds both generations together."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.repeated = 0
        """Joins that did not count again."""
        self.forgotten = 0
        """Joins that were forgotten for want of memory."""
        self._young: U64 = np.zeros(FIRST_SLOTS, np.uint64)
        self._old: U64 = np.zeros(1, np.uint64)
        self._young_count = 0
        self._old_count = 0

    def __len__(self) -> int:
        """Joins remembered."""
        return self._young_count + self._old_count

    def count(self, rows: I32, people: U64, hashes: U64, kept: np.ndarray, clicks: I64) -> U8:
        """Add first joins to ``clicks``, in order; shapes as in ``count_joins``. By join, 1 if it counts."""
        first = np.zeros(len(rows), np.uint8)
        at = 0
        while True:
            room = int(len(self._young) * MAX_LOAD) - self._young_count
            at, added, repeated = count_joins(
                rows, people, hashes, kept, clicks, at, self._young, self._old, room, first
            )
            self._young_count += added
            self.repeated += repeated
            if at == len(rows):
                return first
            self._make_room()

    def _make_room(self) -> None:
        size = 2 * len(self._young)
        if 2 * size * BYTES_A_SLOT <= self.limit_bytes:
            wider = np.zeros(size, np.uint64)
            _insert_all(wider, self._young[self._young != 0])
            self._young = wider
            return
        self.forgotten += self._old_count
        self._old, self._old_count = self._young, self._young_count
        self._young, self._young_count = np.zeros(len(self._old), np.uint64), 0

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self._young.nbytes + self._old.nbytes

    def __getstate__(self) -> dict[str, Any]:
        """The hashes without the free slots between them."""
        return {
            "repeated": self.repeated,
            "forgotten": self.forgotten,
            "slots": (len(self._young), len(self._old)),
            "keys": (self._young[self._young != 0], self._old[self._old != 0]),
            "limit_bytes": self.limit_bytes,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.repeated, self.forgotten = state["repeated"], state["forgotten"]
        self.limit_bytes = state["limit_bytes"]
        tables = []
        for size, keys in zip(state["slots"], state["keys"], strict=True):
            table = np.zeros(size, np.uint64)
            _insert_all(table, keys)
            tables.append(table)
        self._young, self._old = tables
        self._young_count, self._old_count = (len(keys) for keys in state["keys"])
