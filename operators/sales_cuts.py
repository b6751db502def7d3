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

    ENTRY_BYTES: ClassVar[int] = 24

    def __len__(self) -> int:
        return len(self.row)

    @staticmethod
    def empty() -> SalesCuts:
        """No entries."""
        return SalesCuts.from_bytes(0, b"", 0)

    def pick(self, entries: I64, row: I32) -> SalesCuts:
        """Some entries, with other row numbers."""
        return SalesCuts(
            row, self.channel[entries], self.category[entries], self.orders[entries], self.gmv[entries]
        )

    def to_bytes(self) -> list[bytes]:
        """One column after the other."""
        return [c.tobytes() for c in (self.row, self.orders, self.gmv, self.channel, self.category)]

    @staticmethod
    def from_bytes(entries: int, block: bytes, at: int) -> SalesCuts:
        """The reverse of ``to_bytes``; the columns begin at ``at``."""
        n = entries
        return SalesCuts(
            row=np.frombuffer(block, np.int32, n, at).copy(),
            orders=np.frombuffer(block, np.int64, n, at + 4 * n).copy(),
            gmv=np.frombuffer(block, np.int64, n, at + 12 * n).copy(),
            channel=np.frombuffer(block, np.int16, n, at + 20 * n).copy(),
            category=np.frombuffer(block, np.int16, n, at + 22 * n).copy(),
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
