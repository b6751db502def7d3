"""Leaderboards, in two levels: every shard names its candidates, one key merges them. Exact.

A merchant among the best N of all is among the best N of its shard. Equal scores are ordered by merchant
id, so that the same state always gives the same table. Of a shard's merchants one compiled look finds the few
that may lead, and those alone are compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from operators.added import CLICKS_WIDE, MEASURES_WIDE, ORDERS_WIDE
from operators.batches import F64, I32, I64
from operators.bytes_kernels import Interner, compiled
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
_SALES_MULTIPLE, _GMV, _ORDERS, _JOINED, _JOINED_MULTIPLE, _PRIVATE_SHARE = range(len(METRICS))
Mask = npt.NDArray[np.bool_]


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


@compiled
def _stands(best: F64, score: float) -> bool:
    """Note a score; whether it is among the best so far or equals the last of them.

    ``best``: the best so far, a heap whose root is the least; zeros where there is room.
    """
    if not (score > 0 and score >= best[0]):
        return False
    if score > best[0]:
        at = 0
        child = 1
        while child < len(best):
            if child + 1 < len(best) and best[child + 1] < best[child]:
                child += 1
            if best[child] >= score:
                break
            best[at] = best[child]
            at = child
            child = 2 * at + 1
        best[at] = score
    return True


@compiled
def _look_over(
    order_sums: I64,
    click_sums: I64,
    clicked: Mask,
    base: I32,
    daily_gmv: F64,
    daily_joined: F64,
    min_orders: int,
    min_joined: int,
    min_views: int,
    best: F64,
    may_lead: Mask,
    totals: I64,
) -> None:
    """Add up merchants, and see which of them may stand on a board: those that do, and some more.

    Reads every merchant once, in order. ``best``: METRICS x WINDOWS x places, zeros; ``totals``: WINDOWS x
    MEASURES, zeros. What is asked of a merchant and how it scores is as in ``_scores``.
    """
    for row in range(len(base)):
        held = base[row]
        leads = False
        for w in range(order_sums.shape[1]):
            for m in range(ORDERS_WIDE):
                totals[w, m] += order_sums[row, w, m]
            orders = order_sums[row, w, ORDERS]
            gmv = order_sums[row, w, GMV]
            leads |= _stands(best[_ORDERS, w], orders)
            leads |= _stands(best[_GMV, w], gmv)
            if held != NO_BASELINE and orders >= min_orders and daily_gmv[held] > 0:
                leads |= _stands(best[_SALES_MULTIPLE, w], gmv / daily_gmv[held])
            if not clicked[row]:
                continue
            for m in range(CLICKS_WIDE):
                totals[w, ORDERS_WIDE + m] += click_sums[row, w, m]
            joined = click_sums[row, w, NEW_MEMBERS - ORDERS_WIDE]
            leads |= _stands(best[_JOINED, w], joined)
            if held != NO_BASELINE and joined >= min_joined and daily_joined[held] > 0:
                leads |= _stands(best[_JOINED_MULTIPLE, w], joined / daily_joined[held])
            private = click_sums[row, w, PRIVATE_VIEWS - ORDERS_WIDE]
            sourced = private + click_sums[row, w, PLATFORM_VIEWS - ORDERS_WIDE]
            if sourced > 0 and sourced >= min_views:
                leads |= _stands(best[_PRIVATE_SHARE, w], private / sourced)
        may_lead[row] = leads


def look_over(
    count: int, columns: MerchantColumns, baselines: Baselines, rules: BoardRules
) -> tuple[I64, I64]:
    """Of the first ``count`` merchants, the rows that may stand on a board, and the sums of all of them.

    Returns rows, ascending, and WINDOWS x MEASURES.
    """
    best = np.zeros((len(METRICS), len(WINDOWS), rules.size))
    may_lead = np.empty(count, np.bool_)
    totals = np.zeros((len(WINDOWS), MEASURES_WIDE), np.int64)
    _look_over(
        columns.order_sums, columns.click_sums, columns.clicked, columns.baseline[:count],
        baselines.gmv, baselines.new_members, rules.min_orders, rules.min_new_members, rules.min_views,
        best, may_lead, totals,
    )  # fmt: skip
    return np.flatnonzero(may_lead), totals


def candidates_of(
    merchants: Interner, leading: I64, columns: MerchantColumns, baselines: Baselines, rules: BoardRules
) -> dict[tuple[str, str], list[Candidate]]:
    """A shard's candidates for every metric and window. ``leading``: the rows that ``look_over`` found."""
    sums = np.ascontiguousarray(columns.sums(leading).transpose(1, 2, 0))
    base = columns.baseline[leading]
    found: dict[tuple[str, str], list[Candidate]] = {}
    named: Named = {}
    for w, window in enumerate(WINDOWS):
        for metric, which, scores in _scores(sums[w], base, baselines, rules):
            if window in windows_of(metric):
                found[metric, window] = named_best(
                    merchants, columns, baselines, leading[which], scores, rules.size, named
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
    """Every metric of a window: who may stand on its board, and their scores.

    ``sums``: MEASURES x merchants, whose places the answers name.
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
