"""Leaderboards, in two levels: every shard names its candidates, one key merges them. Exact.

A merchant among the best N of all is among the best N of its shard. Equal scores are ordered by merchant
id, so that the same state always gives the same table. Of a shard's merchants one compiled look finds the few
that may lead, and those alone are compared.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from operators.added import CLICKS_WIDE, MEASURES_WIDE, ORDERS_WIDE
from operators.batches import F64, I32, I64
from operators.board_rules import BoardRules
from operators.bytes_kernels import Interner, compiled, inlined
from operators.merchant_columns import NO_BASELINE, MerchantColumns
from operators.multiples import Baselines
from schemas.windows import (
    GMV,
    NEW_MEMBERS,
    ORDERS,
    PLATFORM_VIEWS,
    PRIVATE_VIEWS,
    WINDOWS,
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


class Minima(NamedTuple):
    """``BoardRules`` as kernels take them."""

    orders: int
    new_members: int
    views: int

    @staticmethod
    def of(rules: BoardRules) -> Minima:
        """What a merchant needs."""
        return Minima(rules.min_orders, rules.min_new_members, rules.min_views)


def best(scores: F64, size: int) -> list[int]:
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
def _note(best: F64, score: float) -> None:
    """Take a score that is not less than the last of the best so far among them.

    ``best``: a heap whose root is the least; zeros where there is room.
    """
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


class Held(NamedTuple):
    """What merchants' scores are made from, as kernels take it. By row, and by row of the baseline."""

    order_sums: I64
    click_sums: I64
    clicked: Mask
    base: I32
    daily_gmv: F64
    daily_joined: F64

    @staticmethod
    def of(columns: MerchantColumns, baselines: Baselines) -> Held:
        """Of a shard's merchants."""
        return Held(
            columns.order_sums, columns.click_sums, columns.clicked, columns.baseline,
            baselines.gmv, baselines.new_members,
        )  # fmt: skip


@inlined
def _score(held: Held, rules: Minima, row: int, w: int, scores: F64) -> None:
    """A merchant's score of every metric in a window; 0 where it may not stand on the board."""
    base = held.base[row]
    orders = held.order_sums[row, w, ORDERS]
    gmv = held.order_sums[row, w, GMV]
    scores[:] = 0
    scores[_ORDERS] = orders
    scores[_GMV] = gmv
    if base != NO_BASELINE and orders >= rules.orders and held.daily_gmv[base] > 0:
        scores[_SALES_MULTIPLE] = gmv / held.daily_gmv[base]
    if not held.clicked[row]:
        return
    joined = held.click_sums[row, w, NEW_MEMBERS - ORDERS_WIDE]
    scores[_JOINED] = joined
    if base != NO_BASELINE and joined >= rules.new_members and held.daily_joined[base] > 0:
        scores[_JOINED_MULTIPLE] = joined / held.daily_joined[base]
    private = held.click_sums[row, w, PRIVATE_VIEWS - ORDERS_WIDE]
    sourced = private + held.click_sums[row, w, PLATFORM_VIEWS - ORDERS_WIDE]
    if sourced > 0 and sourced >= rules.views:
        scores[_PRIVATE_SHARE] = private / sourced


@compiled
def _look_over(held: Held, rules: Minima, best: F64, scores: F64, may_lead: Mask, totals: I64) -> None:
    """Add up merchants, and see which of them may stand on a board: those that do, and some more.

    Reads every merchant once, in order. ``best``: WINDOWS x METRICS x places, zeros; ``scores``: METRICS;
    ``totals``: WINDOWS x MEASURES, zeros.
    """
    for row in range(len(may_lead)):
        leads = False
        for w in range(totals.shape[0]):
            for m in range(ORDERS_WIDE):
                totals[w, m] += held.order_sums[row, w, m]
            for m in range(CLICKS_WIDE if held.clicked[row] else 0):
                totals[w, ORDERS_WIDE + m] += held.click_sums[row, w, m]
            _score(held, rules, row, w, scores)
            for metric in range(len(scores)):
                if scores[metric] > 0 and scores[metric] >= best[w, metric, 0]:
                    leads = True
                    _note(best[w, metric], scores[metric])
        may_lead[row] = leads


@compiled
def _score_all(held: Held, rules: Minima, rows: I64, scores: F64) -> None:
    """``scores``: WINDOWS x rows x METRICS."""
    for w in range(scores.shape[0]):
        for i in range(len(rows)):
            _score(held, rules, rows[i], w, scores[w, i])


def look_over(
    count: int, columns: MerchantColumns, baselines: Baselines, rules: BoardRules
) -> tuple[I64, I64]:
    """Of the first ``count`` merchants, the rows that may stand on a board, and the sums of all of them.

    Returns rows, ascending, and WINDOWS x MEASURES.
    """
    best = np.zeros((len(WINDOWS), len(METRICS), rules.size))
    may_lead = np.empty(count, np.bool_)
    totals = np.zeros((len(WINDOWS), MEASURES_WIDE), np.int64)
    held = Held.of(columns, baselines)
    _look_over(held, Minima.of(rules), best, np.empty(len(METRICS)), may_lead, totals)
    return np.flatnonzero(may_lead), totals


def candidates_of(
    merchants: Interner, leading: I64, columns: MerchantColumns, baselines: Baselines, rules: BoardRules
) -> dict[tuple[str, str], list[Candidate]]:
    """A shard's candidates for every metric and window. ``leading``: the rows that ``look_over`` found."""
    scores = np.empty((len(WINDOWS), len(leading), len(METRICS)))
    _score_all(Held.of(columns, baselines), Minima.of(rules), leading, scores)
    named: Named = {}
    return {
        (metric, window): named_best(
            merchants, columns, baselines, leading, scores[w, :, m], rules.size, named
        )
        for w, window in enumerate(WINDOWS)
        for m, metric in enumerate(METRICS)
    }


def named_best(
    merchants: Interner,
    columns: MerchantColumns,
    baselines: Baselines,
    rows: I64,
    scores: F64,
    size: int,
    named: Named,
) -> list[Candidate]:
    """The best of some merchants; ``scores`` of ``rows``, NaN or 0 = not on the board.

    ``named``: ids and names by row that this moment has needed already; the same few lead many boards.
    """
    places = best(scores, size)
    found = []
    for row, score in zip(rows[places].tolist(), scores[places].tolist(), strict=True):
        known = named.get(row)
        if known is None:
            known = named[row] = (merchants.text(row), _name(baselines, int(columns.baseline[row])))
        found.append((-score, *known))
    found.sort()  # as ``ranked`` does; ids differ, so names are never compared
    return [(merchant_id, name, -score) for score, merchant_id, name in found[:size]]


def _name(baselines: Baselines, base: int) -> str | None:
    return baselines.names[base] if base != NO_BASELINE else None
