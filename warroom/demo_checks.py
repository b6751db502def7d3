"""One number of the demo: what Warroom says and what the oracle says, as texts of the same form."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

_NONE: Final = "–"


class Check(Struct, frozen=True):
    """One number: what Warroom says and what the oracle says, as text of the same form."""

    what_zh: str
    what_en: str
    ours: str
    oracle: str

    @property
    def agrees(self) -> bool:
        """Whether both are the same."""
        return self.ours == self.oracle


def decimal(number: float | None) -> str:
    """A multiple or a rate with the six decimals that Redis has."""
    return _NONE if number is None else f"{number:.6f}"


def counted(number: int | None) -> str:
    """A number of things."""
    return _NONE if number is None else f"{number:,}"
