"""Tables of persons: who was seen when, one small table a merchant, all of them in one arena.

An entry is one word: the person's token (40 bits) above the time it was last seen (24 bits, in finest
buckets since ``Era.base``); a word of 0 is free. Up to 32 entries stand in the order in which they came and
are looked through; larger tables are open addressing with linear probing. A block that became too small
goes to a list of free ones of its size. Where ``more`` is not empty, every entry has a second word.

Two people share a token with probability 2**-40: a merchant with n of them is one short with probability
n**2 / 2**41, 1 in 900,000 with 1,536 people.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from operators.batches import I16, I32, I64, U8
from operators.bytes_kernels import U64, compiled, grown, inlined, prefetch, trailing_zeros

TOKEN_BITS: Final = 40
TIME_BITS: Final = 24
MOST_TIME: Final = (1 << TIME_BITS) - 1
MOST_RANK: Final = 25
"""Ranks of tokens run from 1 to this; half of all tokens have 1, a quarter 2, and so on."""

BUYER: Final = 1
"""Bit of a person below its token: it paid. Without it, it visited."""
NOT_FIRST: Final = 2
"""Bit of a buyer: the order says that it is not the first."""
SAYS: Final = 4
"""Bit of a buyer: the order says whether it is the first."""

LISTED: Final = 32
"""Entries up to which a table is a list."""
_STEPS: Final = (
    0, 1, 2, 4, 6, 8, 10, 12, 14, 16, 20, 24, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192,
)  # fmt: skip
_FIRST_ARENA: Final = 512

_ROW: Final = np.dtype([("at", np.int32), ("used", np.int16), ("kind", np.uint8), ("level", np.uint8)])

DONE, NO_ROOM, FULL = 0, 1, 2
"""What an addition came to: all is in; the arena has to grow; a table of the largest size is full."""


@compiled
def token_of(hashed: np.uint64) -> np.uint64:
    """The token of a person from the 64-bit hash of its id: its upper 40 bits, never 0."""
    token = hashed >> np.uint64(64 - TOKEN_BITS)
    return token if token != 0 else np.uint64(1)


@compiled
def person_of(hashed: np.uint64, flags: int) -> np.uint64:
    """A person as it travels: its token above ``TIME_BITS`` bits, of which the lowest are flags."""
    return token_of(hashed) << np.uint64(TIME_BITS) | np.uint64(flags)


@inlined
def rank_of(token: np.uint64) -> int:
    """1 + the zero bits below the lowest set one of the token's lower 28 bits, at most ``MOST_RANK``."""
    low = token & np.uint64(0xFFFFFFF)
    if low == 0:
        return MOST_RANK
    rank = trailing_zeros(low) + 1
    return rank if rank < MOST_RANK else MOST_RANK


class Tables(NamedTuple):
    """The arrays of ``PersonTables``, as kernels take them."""

    arena: U64
    more: U64  # second word of every entry; empty if there is none
    # By row, columns of one array: a merchant's four stand side by side in memory, in eight bytes.
    at: I32  # where its block begins
    used: I16  # entries
    kind: U8  # size of its block, 0 = none yet
    level: U8  # only tokens with a greater rank are in the table
    free: I64  # by kind: first free block + 1; a free block begins with the next one + 1
    counts: I64  # [entries of the arena that were ever given out, rows thinned for want of memory]
    caps: I64  # by kind: entries of a block
    limits: I64  # by kind: entries that may be used
    scratch: U64  # 2 x the largest block


@inlined
def home(t: Tables, row: int, token: np.uint64) -> int:
    """Where the search for a token begins."""
    start, cap = np.int64(t.at[row]), t.caps[t.kind[row]]
    if cap <= LISTED:
        return int(start)
    return int(start + np.int64(((token >> np.uint64(8)) * np.uint64(cap)) >> np.uint64(32)))


@inlined
def ask_for_row(t: Tables, row: int) -> None:
    """Ask for what is known of a row, so that ``home`` finds it at hand."""
    prefetch(t.at, 2 * row)  # a row's eight bytes are two of ``at``'s items


@inlined
def find(t: Tables, row: int, token: np.uint64) -> int:
    """Where the token's entry stands; -2 - i: it is not there and belongs at ``i``; -1: there is no room."""
    cap = t.caps[t.kind[row]]
    start = np.int64(t.at[row])
    used = np.int64(t.used[row])
    if cap <= LISTED:
        for i in range(start, start + used):
            if t.arena[i] >> np.uint64(TIME_BITS) == token:
                return int(i)
        return int(-2 - start - used) if used < cap else -1
    slot = np.int64(home(t, row, token))
    while t.arena[slot] != 0:
        if t.arena[slot] >> np.uint64(TIME_BITS) == token:
            return int(slot)
        slot += 1
        if slot == start + cap:
            slot = start
    return int(-2 - slot) if used < t.limits[t.kind[row]] else -1


@compiled
def gather(t: Tables, row: int, keep: int, level: int) -> int:
    """Copy the row's entries seen at ``keep`` or later, of ranks above ``level``, to scratch; how many."""
    cap = t.caps[t.kind[row]]
    start = np.int64(t.at[row])
    stop = start + (t.used[row] if cap <= LISTED else cap)
    count = 0
    for i in range(start, stop):
        word = t.arena[i]
        if word == 0 or np.int64(word & np.uint64(MOST_TIME)) < keep:
            continue
        if level and rank_of(word >> np.uint64(TIME_BITS)) <= level:
            continue
        t.scratch[2 * count] = word
        if len(t.more):
            t.scratch[2 * count + 1] = t.more[i]
        count += 1
    return count


@compiled
def _block(t: Tables, kind: int) -> int:
    """Take a block; -1 if the arena has none left."""
    head = t.free[kind]
    if head:
        t.free[kind] = np.int64(t.arena[head - 1])
        return int(head - 1)
    start = t.counts[0]
    if start + t.caps[kind] > len(t.arena):
        return -1
    t.counts[0] = start + t.caps[kind]
    return int(start)


@compiled
def release(t: Tables, row: int) -> None:
    """Give the row's block back."""
    kind = t.kind[row]
    if kind:
        start = np.int64(t.at[row])
        t.arena[start] = np.uint64(t.free[kind])
        t.free[kind] = start + 1
    t.kind[row] = 0
    t.used[row] = 0


@compiled
def place(t: Tables, row: int, count: int, kind: int) -> bool:
    """Make the first ``count`` entries of scratch the row's table, in a block of ``kind``; False: no room."""
    start = np.int64(t.at[row])
    if kind != t.kind[row]:
        start = np.int64(_block(t, kind))
        if start < 0:
            return False
        release(t, row)
    cap = t.caps[kind]
    t.arena[start : start + cap] = 0
    for j in range(count):
        word = t.scratch[2 * j]
        slot = start + j
        if cap > LISTED:
            slot = start + np.int64(((word >> np.uint64(TIME_BITS + 8)) * np.uint64(cap)) >> np.uint64(32))
            while t.arena[slot] != 0:
                slot += 1
                if slot == start + cap:
                    slot = start
        t.arena[slot] = word
        if len(t.more):
            t.more[slot] = t.scratch[2 * j + 1]
    t.at[row] = start
    t.kind[row] = kind
    t.used[row] = count
    return True


@compiled
def kind_for(t: Tables, count: int) -> int:
    """The smallest block that takes ``count`` entries; one beyond the last if none does."""
    kind = 1
    while kind < len(t.limits) and t.limits[kind] < count:
        kind += 1
    return kind


@compiled
def thin(t: Tables, row: int, keep: int) -> None:
    """Halve the row's table until there is room, in the block that it has: a sample of half the people."""
    count = int(t.limits[t.kind[row]])
    while count >= t.limits[t.kind[row]]:
        t.level[row] += 1
        count = gather(t, row, keep, t.level[row])
    place(t, row, count, t.kind[row])


@compiled
def make_room(t: Tables, row: int, keep: int) -> int:
    """Room for one more entry: forget those older than ``keep``, take a larger block; DONE, NO_ROOM, FULL."""
    kind = t.kind[row]
    count = gather(t, row, keep, t.level[row])
    if kind == 0 or 4 * count > 3 * t.limits[kind]:
        kind = kind_for(t, max(count, t.limits[kind]) + 1)
        if kind == len(t.limits):
            kind -= 1
            if count >= t.limits[kind]:
                return FULL
    return DONE if place(t, row, count, kind) else NO_ROOM


@compiled
def _sweep(t: Tables, old: Tables, keep: I64, rows: int) -> None:
    """Bring every table of ``old`` with what is not older than ``keep`` into ``t``, in the order of rows."""
    for row in range(rows):
        count = gather(old, row, keep[row], old.level[row])
        if count:
            place(t, row, count, kind_for(t, count))


@compiled
def _shift(t: Tables, rows: int, by: int) -> None:
    """Count times from a base that lies ``by`` later; what would be before it becomes 1."""
    for row in range(rows):
        cap = t.caps[t.kind[row]]
        start = np.int64(t.at[row])
        for i in range(start, start + (t.used[row] if cap <= LISTED else cap)):
            if t.arena[i] != 0:
                t.arena[i] = t.arena[i] & ~np.uint64(MOST_TIME) | _earlier(t.arena[i], by, 1)
                if len(t.more):
                    second = t.more[i]
                    rest = second >> np.uint64(2 * TIME_BITS) << np.uint64(2 * TIME_BITS)
                    low = _earlier(second, by, 0)
                    high = _earlier(second >> np.uint64(TIME_BITS), by, 0)
                    t.more[i] = rest | high << np.uint64(TIME_BITS) | low


@compiled
def _earlier(word: np.uint64, by: int, least: int) -> np.uint64:
    time = np.int64(word & np.uint64(MOST_TIME))
    if time == 0:
        return np.uint64(0)
    return np.uint64(time - by) if time - by > least else np.uint64(least)


class PersonTables:
    """Tables of persons by row. ``most``: entries that the largest table has; ``double``: two words each."""

    def __init__(self, most: int, *, double: bool) -> None:
        caps = np.array([c for c in _STEPS if c <= most], np.int64)
        limits = np.where(caps <= LISTED, caps, caps * 4 // 5)
        limits[-1] = caps[-1] * 3 // 4
        self._double = double
        self.t = self._empty(caps, limits, 64, _FIRST_ARENA)

    def _empty(self, caps: I64, limits: I64, rows: int, entries: int) -> Tables:
        self._rows = np.zeros(rows, _ROW)
        return Tables(
            arena=np.zeros(entries, np.uint64),
            more=np.zeros(entries if self._double else 0, np.uint64),
            at=self._rows["at"],
            used=self._rows["used"],
            kind=self._rows["kind"],
            level=self._rows["level"],
            free=np.zeros(len(caps), np.int64),
            counts=np.zeros(2, np.int64),
            caps=caps,
            limits=limits,
            scratch=np.zeros(2 * int(caps[-1]), np.uint64),
        )

    @property
    def most_used(self) -> int:
        """Entries that the largest table takes."""
        return int(self.t.limits[-1])

    def reserve(self, rows: int) -> None:
        """Make room for ``rows`` rows in all."""
        t = self.t
        have = len(t.kind)
        if rows > have:
            self._take_rows(grown(self._rows, max(rows, have + have // 2)), t)

    def _take_rows(self, rows: npt.NDArray[np.void], t: Tables) -> None:
        self._rows = rows
        self.t = t._replace(at=rows["at"], used=rows["used"], kind=rows["kind"], level=rows["level"])

    def more_bytes(self) -> int:
        """Bytes by which ``grow`` would grow the arena."""
        return self._growth() * (16 if self._double else 8)

    def _growth(self) -> int:
        return max(1024, len(self.t.arena) // 4)

    def grow(self, entries: int | None = None) -> None:
        """A larger arena."""
        t = self.t
        size = len(t.arena) + (self._growth() if entries is None else entries)
        more = grown(t.more, size) if self._double else t.more
        self.t = t._replace(arena=grown(t.arena, size), more=more)

    def sweep(self, keep: I64) -> None:
        """Forget entries older than ``keep`` (by row) and give back what is free."""
        old = self.t
        rows = len(old.kind)
        size = int(sum(int(old.caps[k]) * int(n) for k, n in enumerate(np.bincount(old.kind))))
        new = self._empty(old.caps, old.limits, rows, max(size, _FIRST_ARENA))
        new = new._replace(scratch=old.scratch)
        new.level[:] = old.level
        _sweep(new, old, keep, rows)
        new.counts[1] = old.counts[1]
        used = max(int(new.counts[0]) * 9 // 8, _FIRST_ARENA)
        more = new.more[:used].copy() if self._double else new.more
        self.t = new._replace(arena=new.arena[:used].copy(), more=more)

    def shift(self, by: int) -> None:
        """Count times from a base ``by`` buckets later."""
        _shift(self.t, len(self.t.kind), by)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return sum(a.nbytes for a in self.t)

    def __getstate__(self) -> dict[str, Any]:
        """What is in use, without what is room."""
        t = self.t
        used = int(t.counts[0])
        no_rows = self._rows[:0]
        held = t._replace(
            arena=t.arena[:used], more=t.more[:used], scratch=t.scratch[:0],
            at=no_rows["at"], used=no_rows["used"], kind=no_rows["kind"], level=no_rows["level"],
        )  # fmt: skip
        return {"double": self._double, "rows": self._rows, "t": held}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._double = state["double"]
        t = state["t"]
        self._take_rows(state["rows"], t._replace(scratch=np.zeros(2 * int(t.caps[-1]), np.uint64)))
        if not len(t.arena):
            self.grow(_FIRST_ARENA)
