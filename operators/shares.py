"""Whose channels and categories a merchant's sales of the day come from: sparse sums, bounded a merchant.

A merchant has a short chain of sums in each dimension, one for each value of its orders since local
midnight, at most ``VALUES_HELD`` and one more for ``other``. Absent values are not held: what is missing from
the day's gmv is theirs.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from operators.batches import I16, I32, I64, U8
from operators.bytes_kernels import AHEAD, compiled, grown, prefetch
from operators.calendar_days import DayBounds
from operators.cut_names import CutNumbers
from operators.dimensions import OTHER_NAME, UNKNOWN_NAME, CutNames
from operators.sales_cuts import SalesCuts
from schemas.windows import FINEST_BUCKET_MS, GMV, ORDERS

VALUES_HELD: Final = 16
"""Values of a dimension that are held of one merchant's day; later ones are ``other``."""
NAMES_HELD: Final = 4_000
"""Names of a dimension that a shard tells apart."""


_NOBODY: Final = np.zeros(0, np.int64)


class Chains(NamedTuple):
    """Sums as linked lists: ``heads[row, dimension]`` is the first entry plus 1, ``after`` the next one's."""

    heads: I32  # rows x 2
    after: I32
    name: I16
    orders: I64
    gmv: I64
    counts: I64  # [entries ever used, first free entry + 1]


@compiled
def _take_entry(chains: Chains, name: int) -> int:
    at = chains.counts[1] - 1
    if at >= 0:
        chains.counts[1] = chains.after[at]
    else:
        at = chains.counts[0]
        chains.counts[0] += 1
    chains.after[at] = 0
    chains.name[at] = name
    chains.orders[at] = 0
    chains.gmv[at] = 0
    return int(at)


@compiled
def _entry_of(chains: Chains, row: int, dimension: int, name: int) -> int:
    """The entry of a value, a new one behind the others while there is room, else that of ``other``."""
    last = -1
    other = -1
    named = 0
    at = chains.heads[row, dimension] - 1
    while at >= 0:
        if chains.name[at] == name:
            return int(at)
        if chains.name[at] == OTHER_NAME:
            other = at
        else:
            named += 1
        last = at
        at = chains.after[at] - 1
    if name != OTHER_NAME and named >= VALUES_HELD:
        if other >= 0:
            return int(other)
        name = OTHER_NAME
    at = _take_entry(chains, name)
    if last < 0:
        chains.heads[row, dimension] = at + 1
    else:
        chains.after[last] = at + 1
    return int(at)


@compiled
def add_sales(
    chains: Chains, rows: I32, dimension: int, names: I16, orders: I64, gmv: I64, inside: U8
) -> None:
    """Add sales of the day. There must be room for an entry each."""
    wide = chains.heads.shape[1]
    for i in range(len(rows)):
        if i + 2 * AHEAD < len(rows):
            prefetch(chains.heads, wide * rows[i + 2 * AHEAD])
        if i + AHEAD < len(rows):
            soon = max(chains.heads[rows[i + AHEAD], dimension] - 1, 0)
            prefetch(chains.after, soon)
            prefetch(chains.name, soon)
            prefetch(chains.orders, soon)
            prefetch(chains.gmv, soon)
        if inside[i] and names[i] != UNKNOWN_NAME:
            at = _entry_of(chains, rows[i], dimension, names[i])
            chains.orders[at] += orders[i]
            chains.gmv[at] += gmv[i]


@compiled
def drop_chains(chains: Chains, rows: I64) -> None:
    """Give the entries of some merchants back."""
    for row in rows:
        for dimension in range(2):
            at = chains.heads[row, dimension] - 1
            chains.heads[row, dimension] = 0
            while at >= 0:
                following = chains.after[at] - 1
                chains.after[at] = chains.counts[1]
                chains.counts[1] = at + 1
                at = following


class MerchantShares:
    """Sales of a shard's merchants by channel (dimension 0) and category (1), since local midnight.

    ``zones``, ``numbers``: the shard's time zones and names, which may grow.
    """

    def __init__(self, zones: list[str], numbers: CutNumbers) -> None:
        self.numbers = numbers
        self.days = DayBounds(zones)
        self.chains = Chains(
            heads=np.zeros((256, 2), np.int32),
            after=np.zeros(256, np.int32),
            name=np.zeros(256, np.int16),
            orders=np.zeros(256, np.int64),
            gmv=np.zeros(256, np.int64),
            counts=np.zeros(2, np.int64),
        )

    def advance(self, newest_ms: int, zone_of: U8) -> I64:
        """Move on to a newer newest event; ``zone_of``: every merchant's zone.

        Days that end are dropped; the merchants that had sold in them.
        """
        ended = self.days.move_to(newest_ms) if newest_ms >= 0 else []
        if not ended:
            return _NOBODY
        known = min(len(zone_of), len(self.chains.heads))
        mine = np.flatnonzero(np.isin(zone_of[:known], ended) & self.chains.heads[:known].any(axis=1))
        drop_chains(self.chains, mine)
        return mine

    def add(self, sales: SalesCuts, names: CutNames, rows: I32, buckets: I64, zone_of: U8) -> None:
        """Add sales; ``rows``, ``buckets``, ``zone_of``: merchant's row, bucket and zone of each entry."""
        if not len(sales):
            return
        channels = self.numbers.channels.numbers(names.channels)[sales.channel]
        categories = self.numbers.categories.numbers(names.categories)[sales.category]
        self._add(rows, (channels, categories), sales.orders, sales.gmv, buckets, zone_of)

    def add_order(self, row: int, cut: int, values: I64, bucket: int, zone_of: U8) -> None:
        """Add one paid order; ``values``: 1 x MEASURES."""
        names = (np.array([cut >> 32], np.int16), np.array([cut >> 16 & 0xFFFF], np.int16))
        rows = np.array([row], np.int32)
        self._add(rows, names, values[:, ORDERS], values[:, GMV], np.array([bucket]), zone_of)

    def _add(
        self, rows: I32, names: tuple[I16, I16], orders: I64, gmv: I64, buckets: I64, zone_of: U8
    ) -> None:
        self._reserve(int(rows.max()) + 1, 2 * len(rows))
        inside = (buckets * FINEST_BUCKET_MS >= self.days.start_ms[zone_of]).astype(np.uint8)
        orders, gmv = np.ascontiguousarray(orders), np.ascontiguousarray(gmv)
        for dimension, numbers in enumerate(names):
            add_sales(self.chains, rows, dimension, numbers, orders, gmv, inside)

    def _reserve(self, rows: int, entries: int) -> None:
        c = self.chains
        if rows > len(c.heads):
            c = c._replace(heads=grown(c.heads, max(rows, 2 * len(c.heads))))
        need = int(c.counts[0]) + entries
        if need > len(c.after):
            size = max(need, len(c.after) + len(c.after) // 2)
            c = c._replace(
                after=grown(c.after, size), name=grown(c.name, size),
                orders=grown(c.orders, size), gmv=grown(c.gmv, size),
            )  # fmt: skip
        self.chains = c

    def of(self, row: int, dimension: int) -> dict[str, tuple[int, int]]:
        """One merchant's orders and gmv by value, for tests and tools."""
        found = {}
        names = (self.numbers.channels, self.numbers.categories)[dimension].names
        c = self.chains
        at = int(c.heads[row, dimension]) - 1 if row < len(c.heads) else -1
        while at >= 0:
            found[names[int(c.name[at])]] = (int(c.orders[at]), int(c.gmv[at]))
            at = int(c.after[at]) - 1
        return found

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return sum(column.nbytes for column in self.chains)
