"""Buyers, and who of them came back: with two paid orders, or customers before, in day and sale.

Every buyer has an entry: the times of its latest paid order, of the one before, and of the latest that was
said not to be its first. Two orders in a window means that the one before the latest is in it; the order
in which events come does not matter. Exact while a merchant has at most ``EXACT_BUYERS`` to remember;
beyond, one in two of them is kept, chosen by token, one in four, and so on, at least some
``EXACT_BUYERS`` / 2 while all are in the window: the share of those that came back is told within
0.5 / sqrt(kept), 0.9 % of the buyers, as one standard error, and is multiplied by the number of buyers.
That number is told here while all of them are held; before the first are let go, all are handed over to
somebody who counts more of them, and the merchant is *apart* from then on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from operators.batches import F64, I32, I64, U8
from operators.bytes_kernels import PADDING_BYTES, U64, compiled, grown, hash_bytes
from operators.json_scan import PERSON_SEED
from operators.people_distinct import PeopleBudget
from operators.people_orders import ENTRIES_A_TALLY, TALLY, count_buyers, mark_known, note_orders
from operators.people_span import Bounds, Era, Span
from operators.people_tables import DONE, FULL, MOST_TIME, PersonTables, gather, token_of

MOST_BUYERS: Final = 8192
EXACT_BUYERS: Final = MOST_BUYERS * 3 // 4
"""A merchant with at most this many buyers to remember is told exactly."""
_OLD: Final = 512


HandOver = Callable[[int, U64, I64], None]
"""Takes the buyers of a row that is apart from now on: the row, tokens above ``TIME_BITS`` bits of zeros, and
the bucket of the latest order of each."""


class Loyalty:
    """Buyers, repeat and returning buyers by row, in one shard.

    ``apart``: 1 for rows of which not all buyers are held here.
    """

    def __init__(self, budget: PeopleBudget, *, most_buyers: int = MOST_BUYERS) -> None:
        self._budget = budget
        self._era: Era | None = None
        self.tables = PersonTables(most_buyers, double=True)
        self.apart: U8 = np.zeros(64, np.uint8)
        self._says: U8 = np.zeros(64, np.uint8)
        self._known: U64 = np.zeros(0, np.uint64)
        self._known_at: I32 = np.zeros(64, np.int32)
        self._known_count: I32 = np.full(64, -1, np.int32)  # -1: the baseline has no list
        self._tallies: I32 = np.zeros((self._places(), *TALLY), np.int32)
        self._told_bytes = 0
        self._tell()

    def add(
        self, rows: I32, persons: U64, buckets: I64, zone: U8, span: Span, era: Era, hand_over: HandOver
    ) -> None:
        """Note paid orders, each once. ``persons``: as of ``people_tables.person_of``."""
        self.reserve(len(zone))
        self._move(era)
        times = era.times(buckets)
        bounds = Bounds.of(span, era)
        begin, may_grow = 0, True
        while True:
            begin, status = note_orders(
                self.tables.t, self._says, self.apart, self._known, self._known_at, self._known_count,
                rows, persons, times, zone, bounds.kept_all, bounds.day, bounds.sale, self._tallies,
                may_grow, begin,
            )  # fmt: skip
            if status == DONE:
                return
            if status == FULL:
                row = int(rows[begin])
                self.apart[row] = 1
                hand_over(row, *self._held(row, era))
                continue
            if self._budget.fits(self.tables.more_bytes()):
                self.tables.grow()
            elif may_grow:
                may_grow = False
            else:
                self.tables.grow(1024)
            self._tallies = grown(self._tallies, self._places())
            self._tell()

    def _held(self, row: int, era: Era) -> tuple[U64, I64]:
        """Tokens and buckets of a row's buyers, as ``HandOver`` takes them."""
        t = self.tables.t
        words = t.scratch[: 2 * gather(t, row, 0, 0) : 2]  # without the second words
        times = words & np.uint64(MOST_TIME)
        return words - times, times.astype(np.int64) + era.base

    def know(self, row: int, members: list[str] | None) -> None:
        """Take the known members that a merchant's baseline names; None: it names none."""
        self.reserve(row + 1)
        if members is None and self._known_count[row] < 0:
            return
        tokens = member_tokens(members or [])
        self._known_at[row] = len(self._known)
        self._known_count[row] = -1 if members is None else len(tokens)
        if len(tokens):
            self._known = np.concatenate([self._known, tokens])
        self._compact()
        mark_known(
            self.tables.t, self._tallies, row, self._known, self._known_at[row],
            max(self._known_count[row], 0),
        )  # fmt: skip
        self._tell()

    def _compact(self) -> None:
        """Drop replaced lists when they are more than half of all."""
        rows = np.flatnonzero(self._known_count > 0)
        needed = int(self._known_count[rows].sum())
        if len(self._known) <= 2 * needed + _OLD:
            return
        parts = [self._known[a : a + n] for a, n in zip(*self._lists(rows), strict=True)]
        self._known_at[rows] = np.cumsum(self._known_count[rows]) - self._known_count[rows]
        self._known = np.concatenate(parts) if parts else np.zeros(0, np.uint64)

    def _lists(self, rows: I64) -> tuple[I32, I32]:
        return self._known_at[rows], self._known_count[rows]

    def counts(self, rows: I64, zone: U8, span: Span, era: Era) -> tuple[I64, I64]:
        """n x (5m, 1h) buyers, zeros where ``apart``; n x (day, sale) x (buyers held, repeat, returning)."""
        self.reserve(len(zone))
        self._move(era)
        bounds = Bounds.of(span, era)
        recent = np.empty((len(rows), 2), np.int64)
        counts = np.empty((len(rows), 2, 3), np.int64)
        count_buyers(
            self.tables.t, self.apart, rows, zone, bounds.sliding, bounds.day, bounds.sale, self._tallies,
            recent, counts,
        )  # fmt: skip
        return recent, counts

    def exact(self, rows: I64) -> npt.NDArray[np.bool_]:
        """Whether all buyers of rows that the windows show are held."""
        return np.asarray(self.tables.t.level[rows] == 0)

    def told(self, rows: I64) -> npt.NDArray[np.bool_]:
        """Whether anything tells who is a returning buyer of each merchant."""
        return np.asarray((self._says[rows] != 0) | (self._known_count[rows] >= 0))

    def sweep(self, zone: U8, span: Span, era: Era) -> None:
        """Forget buyers of days that are over, and give their memory back."""
        self.reserve(len(zone))
        self._move(era)
        keep = np.zeros(len(self.tables.t.kind), np.int64)
        keep[: len(zone)] = Bounds.of(span, era).kept_all[zone]
        self.tables.sweep(keep)
        self._tallies = np.zeros((self._places(), *TALLY), np.int32)  # tables have moved
        t = self.tables.t
        t.level[t.used == 0] = 0
        self._tell()

    def _move(self, era: Era) -> None:
        held, self._era = self._era, era
        if held is not None and era.base > held.base:
            self.tables.shift(min(era.base - held.base, MOST_TIME))
            self._tallies[:] = 0

    def reserve(self, rows: int) -> None:
        """Make room for ``rows`` rows in all."""
        self.tables.reserve(rows)
        have, size = len(self._says), len(self.tables.t.kind)
        if have < size:
            self.apart = grown(self.apart, size)
            self._says = grown(self._says, size)
            self._known_at = grown(self._known_at, size)
            self._known_count = grown(self._known_count, size)
            self._known_count[have:] = -1
            self._tell()

    def _tell(self) -> None:
        now = self.nbytes
        self._budget.used_bytes += now - self._told_bytes
        self._told_bytes = now

    @property
    def thinned(self) -> int:
        """How often a table was halved for want of memory."""
        return int(self.tables.t.counts[1])

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        own = (self.apart, self._says, self._known, self._known_at, self._known_count, self._tallies)
        return self.tables.nbytes + sum(a.nbytes for a in own)

    def __getstate__(self) -> dict[str, Any]:
        """All but what can be counted anew."""
        return {name: value for name, value in self.__dict__.items() if name != "_tallies"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._tallies = np.zeros((self._places(), *TALLY), np.int32)

    def _places(self) -> int:
        """Places of tallies that the arena has."""
        return len(self.tables.t.arena) // ENTRIES_A_TALLY + 1


@compiled
def _tokens(data: U8, ends: I64, tokens: U64) -> None:
    start = 0
    for i in range(len(ends)):
        tokens[i] = token_of(hash_bytes(data, start, ends[i] - start, PERSON_SEED))
        start = ends[i]


def member_tokens(members: list[str]) -> U64:
    """Tokens of ids, ascending, each once."""
    raw = [m.encode("utf-8", "surrogatepass") for m in members]
    data = np.frombuffer(b"".join(raw) + bytes(PADDING_BYTES), np.uint8).copy()
    tokens = np.empty(len(raw), np.uint64)
    _tokens(data, np.cumsum([len(r) for r in raw], dtype=np.int64), tokens)
    return np.unique(tokens)


def back_counts(counts: I64, exact: npt.NDArray[np.bool_], buyers: F64) -> F64:
    """Repeat and returning buyers: n x (day, sale) x 2. ``buyers``: n x (day, sale), distinct ones."""
    held = np.maximum(counts[:, :, :1], 1)
    shares = counts[:, :, 1:] / held
    return np.where(exact[:, None, None], counts[:, :, 1:], np.rint(shares * buyers[:, :, None]))
