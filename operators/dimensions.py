"""The dimensions by which sales are cut: names of channels and categories as small numbers, city tiers.

Values come from an open set, so their number is bounded here, on the worker that reads them: names beyond
the first ``NAMES_HELD`` of a process, and names too long for a key, are ``other`` from the start.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from operators.batches import U8
from operators.bytes_kernels import (
    PADDING_BYTES,
    Interner,
    InternTable,
    find,
    hash_bytes,
    inlined,
    intern,
)
from schemas.events import MAX_ID_BYTES
from schemas.rollups import OTHER, UNKNOWN

NAMES_HELD: Final = 1_000
"""Distinct names of a dimension that a process tells apart: five times what roll-ups show."""
UNKNOWN_NAME, OTHER_NAME = 0, 1
"""Numbers of the name of an absent value, and of the values that have no number of their own."""
NAMES_ALWAYS: Final = (UNKNOWN, OTHER)
UNKNOWN_TIER, OTHER_TIER = -1, -2
TIERS: Final = 1_000
"""City tiers are 0 to this, exclusive; any other number is ``other``."""


@inlined
def name_number(table: InternTable, data: U8, start: int, length: int) -> int:
    """Number of the name ``data[start : start + length]``, a new one while there is room."""
    if length <= 0:
        return UNKNOWN_NAME
    if length > MAX_ID_BYTES:
        return OTHER_NAME
    hashed = hash_bytes(data, start, length, 0)
    if table.counts[0] < NAMES_HELD:
        return int(intern(table, data, start, length, hashed))
    number = find(table, data, start, length, hashed)
    return number if number >= 0 else OTHER_NAME


@inlined
def tier_number(value: int) -> int:
    """A city tier as it is kept in a column."""
    return value if 0 <= value < TIERS else OTHER_TIER


class Names:
    """The names of one dimension that a process has read, numbered in the order of their appearance."""

    def __init__(self) -> None:
        self._interner = Interner(1 << NAMES_HELD.bit_length(), NAMES_HELD * MAX_ID_BYTES)
        self._texts: tuple[str, ...] = ()
        for name in NAMES_ALWAYS:
            self._interner.add(name)

    @property
    def table(self) -> InternTable:
        """What kernels take; it never has to grow."""
        return self._interner.table

    def number(self, name: str | None) -> int:
        """Number of one name; None is an absent value."""
        raw = (name or "").encode("utf-8", "replace")
        data = np.frombuffer(raw + bytes(PADDING_BYTES), np.uint8).copy()
        return int(name_number(self.table, data, 0, len(raw)))

    @property
    def texts(self) -> tuple[str, ...]:
        """Every name by its number; the same object as long as there is no new one."""
        known = len(self._interner)
        if known > len(self._texts):
            self._texts += tuple(self._interner.text(n) for n in range(len(self._texts), known))
        return self._texts


class CutNames(NamedTuple):
    """The names that the numbers of channels and categories stand for."""

    channels: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()


NO_NAMES: Final = CutNames()


class NameTables(NamedTuple):
    """The tables of ``Dimensions``, as kernels take them."""

    channels: InternTable
    categories: InternTable


class Dimensions:
    """Names of channels and categories that a worker process has read, shared by all its lanes."""

    def __init__(self) -> None:
        self.channels = Names()
        self.categories = Names()

    @property
    def names(self) -> CutNames:
        """Every name by its number."""
        return CutNames(self.channels.texts, self.categories.texts)

    @property
    def tables(self) -> NameTables:
        """What kernels take."""
        return NameTables(self.channels.table, self.categories.table)


def tier_of(city_tier: int | None) -> int:
    """A city tier as it is kept in a column; None is an absent value."""
    return UNKNOWN_TIER if city_tier is None else int(tier_number(min(max(city_tier, -1), TIERS)))


def tier_text(tier: int) -> str:
    """A city tier as a name."""
    return str(tier) if tier >= 0 else (UNKNOWN if tier == UNKNOWN_TIER else OTHER)
