"""The hour in which each merchant sold most, over every minute of the day."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from loadgen.draws import I32, I64
from schemas.windows import MINUTE_MS

MERCHANTS_AT_ONCE: Final = 512


class Peaks:
    """The greatest sixty minutes of each merchant, over every minute from the first to the newest."""

    def __init__(self, sums: pl.DataFrame, newest_ms: int) -> None:
        self._row = sums["row"].to_numpy()
        self._minute = sums["bucket_ms"].to_numpy() // MINUTE_MS
        self._gmv = sums["gmv"].to_numpy()
        self._first = int(self._minute.min()) if len(self._minute) else 0
        self._minutes = newest_ms // MINUTE_MS - self._first + 1

    def of(self, rows: I32) -> tuple[I64, I64]:
        """For each of the ascending rows: the greatest gmv and the end of its hour, both (n,)."""
        best, at = np.zeros(len(rows), np.int64), np.zeros(len(rows), np.int64)
        for first in range(0, len(rows), MERCHANTS_AT_ONCE):
            some = rows[first : first + MERCHANTS_AT_ONCE]
            low, high = np.searchsorted(self._row, (some[0], some[-1] + 1))
            sold = np.zeros((len(some), self._minutes + 1), np.int64)
            place = np.searchsorted(some, self._row[low:high])
            np.add.at(sold, (place, self._minute[low:high] - self._first + 1), self._gmv[low:high])
            running = np.cumsum(sold, axis=1)
            before = np.maximum(np.arange(1, self._minutes + 1) - 60, 0)
            hours = running[:, 1:] - running[:, before]
            index = hours.argmax(axis=1)
            best[first : first + len(some)] = hours[np.arange(len(some)), index]
            at[first : first + len(some)] = (self._first + index + 1) * MINUTE_MS
        return best, at
