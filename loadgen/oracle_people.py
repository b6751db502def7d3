"""Different people, counted plainly: visitors and buyers of merchants and places in the windows that have them.

Every window ends at the newest event, so somebody is in it if their newest event is not before its start.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import polars as pl

from loadgen.draws import I64
from loadgen.people import FIRST_MEMBER
from schemas.windows import DAY, DISTINCT, DISTINCT_WINDOWS, SALE

REPEAT_WINDOWS: Final = (DAY, SALE)
Starts = Mapping[str, I64]
"""Window to its start for each of the positions that are counted, in milliseconds since the epoch."""


def people_of(
    visits: pl.DataFrame, paid: pl.DataFrame, known: pl.DataFrame, size: int, starts: Starts
) -> dict[str, I64]:
    """``visitors:1h`` and the like for each of ``size`` positions: (size,) each.

    ``visits``: at (position), person, event_ms; ``paid``: the same and first_order, a row an order;
    ``known``: at, person of known members, so who are returning whatever their orders say.
    """
    who = ["at", "person"]
    seen = visits.group_by(who).agg(pl.col("event_ms").max())
    bought = paid.group_by(who).agg(pl.col("event_ms").max())
    ordered = paid.sort(*who, "event_ms", descending=[False, False, True])
    same = (pl.col("at") == pl.col("at").shift(1)) & (pl.col("person") == pl.col("person").shift(1))
    marked = ordered.with_columns(same=same.fill_null(False))
    second = marked.filter(pl.col("same") & ~pl.col("same").shift(1).fill_null(False))
    old = paid.join(known.unique(), on=who, how="semi")
    returning = pl.concat([paid.filter(pl.col("first_order") == 0), old]).group_by(who).agg(pl.col("event_ms").max())
    told = {}
    for name, frame in zip(DISTINCT, (seen, bought, second, returning), strict=True):
        at, newest = frame["at"].to_numpy(), frame["event_ms"].to_numpy()
        for window in DISTINCT_WINDOWS if name in ("visitors", "buyers") else REPEAT_WINDOWS:
            inside = newest >= starts[window][at] if len(at) else np.zeros(0, bool)
            told[f"{name}:{window}"] = np.bincount(at[inside], minlength=size).astype(np.int64)
    return told


def known_people(known_members: Mapping[int, list[str]]) -> pl.DataFrame:
    """Positions and numbers of people from the names that baselines give: columns at, person."""
    pairs = [
        (at, int(name[1:]) - FIRST_MEMBER) for at, names in known_members.items() for name in names if _made(name)
    ]
    at, person = zip(*pairs, strict=True) if pairs else ((), ())
    return pl.DataFrame({"at": at, "person": person}, schema={"at": pl.Int64, "person": pl.UInt32})


def _made(name: str) -> bool:
    return name[:1] == "u" and name[1:].isdecimal() and int(name[1:]) >= FIRST_MEMBER
