"""Leaderboards, in two levels: every shard names its candidates, one key merges them. Exact.

A merchant among the best N of all is among the best N of its shard. Equal scores are ordered by merchant
id, so that the same state always gives the same table.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from operators.batches import F64, I64
from operators.bytes_kernels import Interner
from operators.merchant_columns import NO_BASELINE, MerchantColumns
from operators.multiples import Baselines, ratio
from operators.rates import part
from schemas.windows import (
    GMV,
    NEW_MEMBERS,
    ORDERS,
    PLATFORM_VIEWS,
    PRIVATE_VIEWS,
    WINDOWS,
    windows_of,
)

Candidate = tuple[str, str | None, float]
"""Merchant id, name, score."""
Named = dict[int, tuple[str, str | None]]
"""Id and name by row."""

METRICS: Final = (
    *("sales_multiple", "gmv", "orders"),
    *("new_members", "new_member_multiple", "private_traffic_share"),
)
"""What merchants are ranked by."""


@dataclass(frozen=True, slots=True)
class BoardRules:
    """How long a leaderboard is, and what a merchant needs in the window to stand on it.

    One order of a merchant that sells one a month must not lead the multiples, nor one view the shares.
    """

    size: int = 50
    min_orders: int = 10
    """For multiples of sales."""
    min_new_members: int = 10
    """For multiples of new members."""
    min_visitors: int = 100
    """For rates of people."""
    min_views: int = 100
    """Views with a known source, for shares of traffic."""


def best(scores: F64 | I64, size: int) -> list[int]:
    """Rows of the ``size`` greatest scores above 0, and of all that equal the last of them."""
    above = np.flatnonzero(scores > 0)
    if len(above) > size:
        threshold = np.partition(scores[above], len(above) - size)[len(above) - size]
        above = above[scores[above] >= threshold]
    return list(above.tolist())


def ranked(candidates: Iterable[Candidate], size: int) -> list[Candidate]:
    """The best ``size`` candidates, greatest score first, equal ones by id."""
    return sorted(candidates, key=lambda c: (-c[2], c[0]))[:size]


def candidates_of(
    merchants: Interner, columns: MerchantColumns, sums: I64, baselines: Baselines, rules: BoardRules
) -> dict[tuple[str, str], list[Candidate]]:
    """A shard's candidates for every metric and window. ``sums``: WINDOWS x MEASURES x merchants."""
    base = columns.baseline[: len(merchants)]
    found: dict[tuple[str, str], list[Candidate]] = {}
    named: Named = {}
    for w, window in enumerate(WINDOWS):
        for metric, rows, scores in _scores(sums[w], base, baselines, rules):
            if window in windows_of(metric):
                found[metric, window] = named_best(
                    merchants, columns, baselines, rows, scores, rules.size, named
                )
    return found


def named_best(
    merchants: Interner,
    columns: MerchantColumns,
    baselines: Baselines,
    rows: I64,
    scores: F64 | I64,
    size: int,
    named: Named,
) -> list[Candidate]:
    """The best of some merchants; ``scores`` of ``rows``, NaN or 0 = not on the board.

    ``named``: ids and names by row that this moment has needed already; the same few lead many boards.
    """
    places = best(scores, size)
    found = []
    for row, score in zip(rows[places].tolist(), scores[places].astype(np.float64).tolist(), strict=True):
        known = named.get(row)
        if known is None:
            known = named[row] = (merchants.text(row), _name(baselines, int(columns.baseline[row])))
        found.append((-score, *known))
    found.sort()  # as ``ranked`` does; ids differ, so names are never compared
    return [(merchant_id, name, -score) for score, merchant_id, name in found[:size]]


def _scores(
    sums: I64, base: np.ndarray, baselines: Baselines, rules: BoardRules
) -> Iterator[tuple[str, I64, F64 | I64]]:
    """Every metric of a window: rows of merchants that may stand on its board, and their scores.

    ``sums``: MEASURES x merchants. Of many merchants few pass what is asked of them, so that is looked at
    first: ratios of all would cost 0.24 µs a merchant each time.
    """
    orders, joined = sums[ORDERS], sums[NEW_MEMBERS]
    selling = np.flatnonzero((orders >= rules.min_orders) & (base != NO_BASELINE))
    yield "sales_multiple", selling, ratio(sums[GMV, selling], baselines.gmv[base[selling]])
    everyone = np.arange(len(base))
    yield "gmv", everyone, sums[GMV]
    yield "orders", everyone, orders
    winning = np.flatnonzero(joined)
    yield "new_members", winning, joined[winning]
    winning = winning[(joined[winning] >= rules.min_new_members) & (base[winning] != NO_BASELINE)]
    yield "new_member_multiple", winning, ratio(joined[winning], baselines.new_members[base[winning]])
    sourced = sums[PRIVATE_VIEWS] + sums[PLATFORM_VIEWS]
    viewed = np.flatnonzero(sourced >= rules.min_views)
    yield "private_traffic_share", viewed, part(sums[PRIVATE_VIEWS, viewed], sourced[viewed])


def _name(baselines: Baselines, base: int) -> str | None:
    return baselines.names[base] if base != NO_BASELINE else None
