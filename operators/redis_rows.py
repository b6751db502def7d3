"""Rows of merchants in columns, and who is written first."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

import numpy as np
import numpy.typing as npt

from operators.batches import F64, I64, U16, Texts
from schemas.windows import GMV, RATIOS, WINDOWS

UNKNOWN_MS: Final = -1
"""Arrival of a record without a Kafka timestamp, or of none."""
_HOUR: Final = WINDOWS.index("1h")
_SALES: Final = RATIOS.index("sales_multiple")


@dataclass(slots=True)
class PendingRows:
    """Merchants that wait for Redis, of any shards, each once."""

    merchant_ids: list[str]  # n
    names: list[str | None]  # n
    texts: list[Texts | None]  # n, None: nothing to write
    shard: I64  # n
    since_s: F64  # n, monotonic seconds of the oldest offer that is not written
    changed: U16  # n
    clicked: npt.NDArray[np.bool_]  # n
    urgent: npt.NDArray[np.bool_]  # n
    measures: I64  # n x W x M
    ratios: F64  # n x W x K
    people: F64  # n x DISTINCT x DISTINCT_WINDOWS, NaN = absent
    peak_multiple: F64  # n
    peak_same_period: F64  # n
    peak_at_ms: I64  # n
    event_time_ms: I64  # n
    baseline_gmv: F64  # n
    baseline_orders: F64  # n
    baseline_new_members: F64  # n
    hundred_hours: F64  # n x 2
    arrived_ms: I64  # n, of the oldest record that is not written, or UNKNOWN_MS
    best_multiple: F64  # n, the 1h sales multiple, -1 where it is absent
    best_gmv: F64  # n, the 1h gmv

    def __len__(self) -> int:
        return len(self.merchant_ids)

    def pick(self, rows: I64) -> PendingRows:
        """The given rows, in the given order."""
        picked = rows.tolist()
        ids, names, texts = self.merchant_ids, self.names, self.texts
        return PendingRows(
            [ids[i] for i in picked],
            [names[i] for i in picked],
            [texts[i] for i in picked],
            **{name: getattr(self, name)[rows] for name in ARRAYS},
        )

    def part(self, start: int, stop: int | None) -> PendingRows:
        """Rows ``start`` to ``stop``, exclusive; arrays are shared, not copied."""
        return PendingRows(
            self.merchant_ids[start:stop],
            self.names[start:stop],
            self.texts[start:stop],
            **{name: getattr(self, name)[start:stop] for name in ARRAYS},
        )


_LISTS: Final = ("merchant_ids", "names", "texts")
ARRAYS: Final = tuple(f.name for f in fields(PendingRows) if f.name not in _LISTS)
"""Names of the columns that are arrays."""


def rank_columns(measures: I64, ratios: F64) -> tuple[F64, F64]:
    """What decides who is best: the 1h sales multiple (-1 where absent) and the 1h gmv."""
    multiple = np.nan_to_num(ratios[:, _HOUR, _SALES], nan=-1.0)
    return multiple, measures[:, _HOUR, GMV].astype(np.float64)


AGE_SHARE: Final = 4
"""Of so many merchants written, one is taken by age, so that nobody waits for ever behind the best."""


def best_rows(rows: PendingRows, candidates: I64, limit: int) -> I64:
    """The ``limit`` of ``candidates`` that are written next: a quarter by age, the others the best.

    Partial sorts only: of a million candidates, 8,000 are found in some 50 ms.
    """
    if len(candidates) <= limit:
        return candidates
    oldest = _least(rows.since_s[candidates], limit // AGE_SHARE)
    behind = np.where(rows.urgent[candidates], 0.0, 1e300)
    half = (limit - len(oldest)) // 2
    greatest = _least(behind - rows.best_multiple[candidates], half)
    largest = _least(behind - rows.best_gmv[candidates], half)
    return candidates[np.unique(np.concatenate((oldest, greatest, largest)))]


def _least(keys: F64, count: int) -> I64:
    return np.argpartition(keys, count)[:count]


def publish_order(rows: PendingRows, chosen: I64) -> I64:
    """``chosen`` in the order of writing: urgent ones first, of them the best first, one in four by age.

    The best are those with the greatest 1h sales multiple or the greatest 1h gmv, by rank, whichever is
    better.
    """
    best = np.minimum(_rank(-rows.best_multiple[chosen]), _rank(-rows.best_gmv[chosen]))
    leading = _rank(best + np.where(rows.urgent[chosen], 0, len(chosen)))
    by_age = _rank(rows.since_s[chosen])
    return chosen[np.argsort(np.minimum(leading, AGE_SHARE * by_age), kind="stable")]


def _rank(values: npt.NDArray[np.generic]) -> I64:
    order = np.argsort(values, kind="stable")
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(len(order))
    return ranks
