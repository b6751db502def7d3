"""Paid orders of a batch by merchant's row, channel and category, beside the rows of a shard's delta."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from operators.batches import I16, I32, I64
from operators.cut_names import CutNumbers
from operators.dimensions import CutNames


@dataclass(slots=True)
class SalesCuts:
    """``n`` entries; ``row`` is the delta's row (merchant, bucket), numbers are of the delta's names.

    Number 0 is an absent value, 1 one without a name of its own.
    """

    row: I32  # n
    channel: I16  # n
    category: I16  # n
    orders: I64  # n
    gmv: I64  # n, fen

    COLUMNS: ClassVar[int] = 5

    def __len__(self) -> int:
        return len(self.row)

    @staticmethod
    def empty() -> SalesCuts:
        """No entries."""
        numbers = np.zeros(0, np.int16)
        sums = np.zeros(0, np.int64)
        return SalesCuts(np.zeros(0, np.int32), numbers, numbers, sums, sums)

    def pick(self, entries: I64, row: I32) -> SalesCuts:
        """Some entries, with other row numbers."""
        return SalesCuts(
            row, self.channel[entries], self.category[entries], self.orders[entries], self.gmv[entries]
        )

    @property
    def columns(self) -> tuple[I32 | I16 | I64, ...]:
        """All of them, to be written."""
        return self.row, self.channel, self.category, self.orders, self.gmv

    @staticmethod
    def of(columns: list[I64]) -> SalesCuts:
        """The reverse of ``columns``."""
        row, channel, category, orders, gmv = columns
        return SalesCuts(
            row.astype(np.int32), channel.astype(np.int16), category.astype(np.int16), orders, gmv
        )


def merge_sales(parts: list[tuple[SalesCuts, CutNames, int]], numbers: CutNumbers) -> SalesCuts:
    """Entries one after the other in one numbering.

    ``parts``: entries, their names, and what their row 0 is in the rows that they stand beside together.
    """
    filled = [part for part in parts if len(part[0])]
    if not filled:
        return SalesCuts.empty()
    return SalesCuts(
        row=np.concatenate([sales.row + np.int32(first) for sales, _, first in filled]),
        channel=np.concatenate([numbers.channels.numbers(n.channels)[s.channel] for s, n, _ in filled]),
        category=np.concatenate([numbers.categories.numbers(n.categories)[s.category] for s, n, _ in filled]),
        orders=np.concatenate([sales.orders for sales, _, _ in filled]),
        gmv=np.concatenate([sales.gmv for sales, _, _ in filled]),
    )
