"""How long it took until a hundred had joined: plainly, the hundredth of each merchant's joins in time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from loadgen.draws import I32, I64
from schemas.windows import DAY, HOUR_MS, MINUTE_MS, SALE

HOURS_TO_100: Final = "hours_to_100_new_members"
HUNDRED: Final = 100


def hours_to_100(
    joins: pl.DataFrame, rows: I32, starts: Mapping[str, I64]
) -> dict[str, npt.NDArray[np.float64]]:
    """Hours from the start of the day, and of the sale, to the end of the minute with the hundredth join.

    (n,) for the ascending ``rows``; NaN where fewer than a hundred have joined since.
    """
    told = {}
    for field, window in ((HOURS_TO_100, DAY), (f"{HOURS_TO_100}:{SALE}", SALE)):
        hours = np.full(len(rows), np.nan)
        at = np.searchsorted(rows, joins["row"].to_numpy())
        since = joins.with_columns(at=at, start_ms=starts[window][at] if len(at) else np.zeros(0, np.int64))
        since = since.filter(pl.col("event_ms") >= pl.col("start_ms")).sort("at", "event_ms")
        places, firsts, counts = np.unique(since["at"].to_numpy(), return_index=True, return_counts=True)
        enough = counts >= HUNDRED
        newest = since["event_ms"].to_numpy()[firsts[enough] + HUNDRED - 1]
        closed = newest - newest % MINUTE_MS + MINUTE_MS
        hours[places[enough]] = (closed - starts[window][places[enough]]) / HOUR_MS
        told[field] = hours
    return told
