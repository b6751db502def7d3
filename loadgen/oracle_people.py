"""Different people, counted plainly: visitors and buyers of merchants and places by window.

Every window ends at the newest event, so somebody is in it who has an event that is not before its start.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from loadgen.draws import I8, I64, U64
from loadgen.people import FIRST_MEMBER
from schemas.windows import DAY, DISTINCT_WINDOWS, SALE

REPEAT_WINDOWS: Final = (DAY, SALE)
Starts = Mapping[str, I64]
"""Window to its start for each of the positions that are counted, in milliseconds since the epoch."""
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Crowd:
    """``n`` events of people: whom they are counted for (a position), whose they are, and when."""

    at: I64
    person: I64
    event_ms: I64

    def keys(self, inside: Mask) -> U64:
        """Of some events, position and person as one number, in their order."""
        keys = (self.at[inside].astype(np.uint64) << np.uint64(32)) | self.person[inside].astype(np.uint64)
        keys.sort()
        return keys


def different(
    crowd: Crowd, windows: tuple[str, ...], starts: Starts, size: int, least: int = 1
) -> dict[str, I64]:
    """How many people have ``least`` (1 or 2) events or more in each window, for each position."""
    told: dict[str, I64] = {}
    inside_before, counts_before = None, None
    for window in windows:
        inside = crowd.event_ms >= starts[window][crowd.at]
        if inside_before is None or not np.array_equal(inside, inside_before):
            keys = crowd.keys(inside)
            if least == 2:
                keys = keys[1:][keys[1:] == keys[:-1]]
            firsts = np.append(True, keys[1:] != keys[:-1])[: len(keys)]
            counts_before = np.bincount((keys[firsts] >> np.uint64(32)).astype(np.int64), minlength=size)
            inside_before = inside
        assert counts_before is not None
        told[window] = counts_before
    return told


def visitors_and_buyers(visits: Crowd, paid: Crowd, starts: Starts, size: int) -> dict[str, I64]:
    """``visitors:1h``, ``buyers:1h`` and the like for each of ``size`` positions: (size,) each."""
    told: dict[str, I64] = {}
    for name, crowd in (("visitors", visits), ("buyers", paid)):
        counts = different(crowd, DISTINCT_WINDOWS, starts, size)
        told |= {f"{name}:{window}": values for window, values in counts.items()}
    return told


def returning(paid: Crowd, old: Mask, starts: Starts, size: int) -> dict[str, I64]:
    """``returning_buyers`` of the day and the sale, (size,) each: people with one of the ``old`` orders."""
    back = Crowd(paid.at[old], paid.person[old], paid.event_ms[old])
    counts = different(back, REPEAT_WINDOWS, starts, size)
    return {f"returning_buyers:{window}": values for window, values in counts.items()}


def repeating(
    paid: Crowd, first_order: I8, known: Mapping[int, list[str]], starts: Starts, size: int
) -> dict[str, I64]:
    """``repeat_buyers`` and ``returning_buyers`` of the day and the sale, (size,) each.

    Returning is whose order says that it is not the first, or who is among the position's ``known`` members.
    """
    repeat = different(paid, REPEAT_WINDOWS, starts, size, least=2)
    old = first_order == 0
    for position, names in known.items():
        mine = np.flatnonzero(paid.at == position)
        old[mine] |= np.isin(
            paid.person[mine], [int(name[1:]) - FIRST_MEMBER for name in names if _made(name)]
        )
    told = {f"repeat_buyers:{window}": values for window, values in repeat.items()}
    return told | returning(paid, old, starts, size)


def _made(name: str) -> bool:
    return name[:1] == "u" and name[1:].isdecimal() and int(name[1:]) >= FIRST_MEMBER
