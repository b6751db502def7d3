"""Numbers of names that come from many processes, each with a table of its own, made one numbering."""

from __future__ import annotations

from typing import Final

import numpy as np

from operators.batches import I16, I64
from operators.cuts import cut_of
from operators.dimensions import NAMES_ALWAYS, OTHER_NAME, CutNames

TABLES_HELD: Final = 64
"""Tables whose numbers are kept at hand."""


class Numbering:
    """Names of one dimension, numbered once, in the order of their appearance.

    ``most``: names that get numbers of their own; later ones are ``other``.
    """

    def __init__(self, most: int) -> None:
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
        """The number of every name of a table."""
        found = self._tables.get(table)
        if found is None:
            if len(self._tables) >= TABLES_HELD:
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


class CutNumbers:
    """One numbering of channels and one of categories."""

    def __init__(self, most: int = np.iinfo(np.int16).max) -> None:
        self.channels = Numbering(most)
        self.categories = Numbering(most)

    @property
    def names(self) -> CutNames:
        """What the numbers stand for."""
        return CutNames(tuple(self.channels.names), tuple(self.categories.names))

    def cuts(self, cuts: I64, names: CutNames) -> I64:
        """Cuts whose numbers are of ``names``, in this numbering."""
        channels: I64 = self.channels.numbers(names.channels)[cuts >> 32].astype(np.int64)
        categories: I64 = self.categories.numbers(names.categories)[(cuts >> 16) & 0xFFFF].astype(np.int64)
        return (channels << 32) | (categories << 16) | (cuts & 0xFFFF)

    def cut(self, channel: str, category: str, tier: int) -> int:
        """The cut of one event."""
        return int(cut_of(self.channels.number(channel), self.categories.number(category), tier))
