"""What is not as it must be, and when a decimal number in Redis is the one that is meant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

TOLERANCE: Final = 1e-6
"""Multiples are written rounded to six decimals: absolute and relative."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that is not as it must be. ``found`` None: absent; ``expected`` None: it must be."""

    merchant: str
    field: str
    expected: str | None
    found: str | None


def same(expected: float | None, found: str | None, within: float = TOLERANCE) -> bool:
    """Whether a decimal number is the expected one, or absent where None is."""
    if expected is None or found is None:
        return expected is None and found is None
    try:
        value = float(found)
    except ValueError:
        return False
    return abs(value - expected) <= TOLERANCE + within * abs(expected)
