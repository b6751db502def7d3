"""Leaderboards, in two levels: every shard names its candidates, one key merges them. Exact.

A merchant among the best N of all is among the best N of its shard. Equal scores are ordered by merchant
id, so that the same state always gives the same table.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np

from operators.batches import F64
from operators.bytes_kernels import Interner
from operators.merchant_columns import NO_BASELINE, MerchantColumns
from operators.multiples import Baselines, ratio
from schemas.windows import GMV, ORDERS, WINDOWS

Candidate = tuple[str, str | None, float]
"""Merchant id, name, score."""

METRICS: Final = ("sales_multiple", "gmv", "orders")


def best(scores: F64, size: int) -> list[int]:
    """Rows of the ``size`` greatest scores above 0, and of all that equal the last of them."""
    above = np.flatnonzero(scores > 0)
    if len(above) > size:
        threshold = np.partition(scores[above], len(above) - size)[len(above) - size]
        above = above[scores[above] >= threshold]
    return [int(row) for row in above]


def ranked(candidates: Iterable[Candidate], size: int) -> list[Candidate]:
    """The best ``size`` candidates, greatest score first, equal ones by id."""
    return sorted(candidates, key=lambda c: (-c[2], c[0]))[:size]


def candidates_of(
    merchants: Interner, columns: MerchantColumns, baselines: Baselines, size: int, min_orders: int
) -> dict[tuple[str, str], list[Candidate]]:
    """A shard's candidates for every metric and window.

    A merchant with fewer than ``min_orders`` orders in the window is on no leaderboard of multiples: one
    order of a merchant that sells one a month must not lead the table.
    """
    rows = len(merchants)
    sums = columns.sums[:rows]
    base = columns.baseline[:rows]
    daily_gmv = np.where(base != NO_BASELINE, baselines.gmv[base], np.nan)
    found: dict[tuple[str, str], list[Candidate]] = {}
    for w, window in enumerate(WINDOWS):
        orders = sums[:, w, ORDERS]
        multiples = np.where(orders >= min_orders, ratio(sums[:, w, GMV], daily_gmv), np.nan)
        for metric, scores in zip(METRICS, (multiples, sums[:, w, GMV], orders), strict=True):
            named = [
                (merchants.text(row), _name(baselines, int(base[row])), float(scores[row]))
                for row in best(scores, size)
            ]
            found[metric, window] = ranked(named, size)
    return found


def _name(baselines: Baselines, base: int) -> str | None:
    return baselines.names[base] if base != NO_BASELINE else None
