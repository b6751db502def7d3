"""Paid orders of a batch by merchant's row, channel and category, beside the rows of a shard's delta."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from operators.batches import I16, I32, I64
from operators.dimensions import NAMES_ALWAYS, OTHER_NAME

_TABLES_HELD = 64

Head = tuple[int, tuple[str, ...], tuple[str, ...]]
"""Entries, names of channels, names of categories."""


@dataclass(slots=True)
class SalesCuts:
    """``n`` entries; ``row`` is the delta's row (merchant, bucket), numbers are of names in the tables.

    Number 0 is an absent value, 1 one without a name of its own.
    """

    row: I32  # n
    channel: I16  # n
    category: I16  # n
    orders: I64  # n
    gmv: I64  # n, fen
    channels: tuple[str, ...]
    categories: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.row)

    @staticmethod
    def empty() -> SalesCuts:
        """No entries."""
        return SalesCuts.from_columns((0, (), ()), b"", 0)

    def pick(self, entries: I64, row: I32) -> SalesCuts:
        """Some entries, with other row numbers."""
        return SalesCuts(
            row, self.channel[entries], self.category[entries], self.orders[entries], self.gmv[entries],
            self.channels, self.categories,
        )  # fmt: skip

    @property
    def head(self) -> Head:
        """What ``from_columns`` has to be told."""
        return (len(self), self.channels, self.categories) if len(self) else (0, (), ())

    def columns(self) -> list[bytes]:
        """The entries as bytes, one column after the other."""
        return [c.tobytes() for c in (self.row, self.orders, self.gmv, self.channel, self.category)]

    @staticmethod
    def from_columns(head: Head, block: bytes, at: int) -> SalesCuts:
        """The reverse of ``columns``, which begin at ``at``."""
        n, channels, categories = head
        return SalesCuts(
            row=np.frombuffer(block, np.int32, n, at).copy(),
            orders=np.frombuffer(block, np.int64, n, at + 4 * n).copy(),
            gmv=np.frombuffer(block, np.int64, n, at + 12 * n).copy(),
            channel=np.frombuffer(block, np.int16, n, at + 20 * n).copy(),
            category=np.frombuffer(block, np.int16, n, at + 22 * n).copy(),
            channels=channels,
            categories=categories,
        )


def merged(parts: list[SalesCuts], firsts: list[int]) -> SalesCuts:
    """Entries one after the other; row 0 of part ``i`` is row ``firsts[i]`` of what they stand beside."""
    filled = [(part, first) for part, first in zip(parts, firsts, strict=True) if len(part)]
    if not filled:
        return SalesCuts.empty()
    channels = NameNumbers()
    categories = NameNumbers()
    return SalesCuts(
        row=np.concatenate([part.row + np.int32(first) for part, first in filled]),
        channel=np.concatenate([channels.numbers(p.channels)[p.channel] for p, _ in filled]),
        category=np.concatenate([categories.numbers(p.categories)[p.category] for p, _ in filled]),
        orders=np.concatenate([part.orders for part, _ in filled]),
        gmv=np.concatenate([part.gmv for part, _ in filled]),
        channels=tuple(channels.names),
        categories=tuple(categories.names),
    )


class NameNumbers:
    """Names that come in tables of many processes, numbered once, in the order of their appearance.

    ``most``: names that get numbers of their own; later ones are 1, ``other``.
    """

    def __init__(self, most: int = np.iinfo(np.int16).max) -> None:
        self.names: list[str] = list(NAMES_ALWAYS)
        self._most = most
        self._number_of = {name: number for number, name in enumerate(self.names)}
        self._tables: dict[tuple[str, ...], I16] = {}

    def number(self, name: str) -> int:
        """Number of one name."""
        number = self._number_of.get(name)
        if number is None:
            if len(self.names) >= self._most:
                return OTHER_NAME
            number = self._number_of[name] = len(self.names)
            self.names.append(name)
        return number

    def numbers(self, table: tuple[str, ...]) -> I16:
        """The numbers of a table of names."""
        found = self._tables.get(table)
        if found is None:
            if len(self._tables) >= _TABLES_HELD:
                self._tables.clear()
            found = np.array([self.number(name) for name in table], np.int16)
            self._tables[table] = found
        return found

    def __getstate__(self) -> tuple[list[str], int]:
        return self.names, self._most

    def __setstate__(self, state: tuple[list[str], int]) -> None:
        self.names, self._most = state
        self._number_of = {name: number for number, name in enumerate(self.names)}
        self._tables = {}
