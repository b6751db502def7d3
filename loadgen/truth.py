"""Sums of the events that count, by merchant and five seconds: the plain ground of the oracle."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from loadgen.cells import CANCELLED, CREATED, PAID
from loadgen.draws import I64
from loadgen.stream import KINDS, Facts
from schemas.windows import FINEST_BUCKET_MS, ORDER_MEASURES

COMPACT_AT_ROWS: Final = 3_000_000
_KEYS: Final = ("row", "bucket_ms")


class Truth:
    """Facts added up. ``sums()`` has one line a merchant and five seconds, with a column a measure."""

    def __init__(self) -> None:
        self._parts: list[pl.DataFrame] = []
        self._loose = 0
        self.kinds: I64 = np.zeros(len(KINDS), np.int64)
        self.newest_ms = -1

    def add(self, facts: Facts) -> None:
        """Take a block's facts."""
        self.kinds += facts.kinds
        if len(facts.row) == 0:
            return
        self.newest_ms = max(self.newest_ms, int(facts.event_ms.max()))
        paid = facts.code == PAID
        back = (facts.code > PAID) & (facts.code <= CANCELLED)
        assert facts.code.max() <= CREATED
        frame = pl.DataFrame(
            {
                "row": facts.row,
                "bucket_ms": facts.event_ms - facts.event_ms % FINEST_BUCKET_MS,
                "orders": paid.astype(np.int64),
                "units": facts.quantity * paid,
                "gmv": facts.amount_fen * paid,
                "refunds": facts.amount_fen * back,
            }
        )
        self._parts.append(_added(frame))
        self._loose += len(self._parts[-1])
        if self._loose > COMPACT_AT_ROWS:
            self._parts, self._loose = [_added(pl.concat(self._parts))], 0

    def sums(self) -> pl.DataFrame:
        """Columns ``row``, ``bucket_ms`` and ``ORDER_MEASURES``, in the order of merchant and time."""
        if not self._parts:
            empty = {"row": pl.Int32, **dict.fromkeys(("bucket_ms", *ORDER_MEASURES), pl.Int64)}
            return pl.DataFrame(schema=empty)
        return _added(pl.concat(self._parts)).sort(_KEYS)


def _added(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.group_by(_KEYS).agg(pl.col(name).sum() for name in ORDER_MEASURES)
