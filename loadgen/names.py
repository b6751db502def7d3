"""The names in a recording, numbered as they are met: facts hold numbers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Self

UNKNOWN: Final = "unknown"
"""What the results call a channel or a category that an event does not name."""


@dataclass(slots=True)
class Register:
    """Names by number, from 0 on."""

    names: list[str] = field(default_factory=list)
    _numbers: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, names: Iterable[str]) -> Self:
        """A register of different names in their order."""
        register = cls()
        for name in names:
            register.number(name)
        return register

    def number(self, name: str) -> int:
        """The number of a name; a new one if it is new."""
        number = self._numbers.setdefault(name, len(self.names))
        if number == len(self.names):
            self.names.append(name)
        return number


@dataclass(slots=True)
class Names:
    """Everybody and everything that a recording names."""

    merchants: Register = field(default_factory=Register)
    people: Register = field(default_factory=Register)
    channels: Register = field(default_factory=Register)
    categories: Register = field(default_factory=Register)
