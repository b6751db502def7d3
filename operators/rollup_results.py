"""What roll-ups show: the fields of each row, as readers find them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from operators.batches import F64, I64
from operators.category_days import GMV_DAY, NEW_MEMBERS_DAY, ORDERS_DAY, OrdinaryCategories
from operators.rates import rates_of
from operators.rollup_delta import Value
from operators.rollups import Rollups
from schemas.redis_layout import field
from schemas.rollups import CATEGORY
from schemas.windows import (
    DISTINCT,
    DISTINCT_WINDOWS,
    GMV,
    MEASURES,
    MULTIPLES,
    NEW_MEMBERS,
    ORDERS,
    RATES,
    WINDOWS,
    windows_of,
)

Fields = dict[str, int | float]

_MEASURE_NAMES: Final = [field(m, w) for w in WINDOWS for m in MEASURES]
_PEOPLE_NAMES: Final = [field(d, w) for d in DISTINCT for w in DISTINCT_WINDOWS]
_RATES: Final = [(WINDOWS.index(w), i, field(r, w)) for i, r in enumerate(RATES) for w in windows_of(r)]
_RATE_PLACES: Final = tuple(np.array([place[:2] for place in _RATES]).T)
_RATE_NAMES: Final = [name for _, _, name in _RATES]


@dataclass(slots=True)
class RollupRows:
    """Roll-ups that changed: absolute values, to be written as they are; a later one replaces another."""

    progress: dict[str, int]  # "topic/partition" -> next offset that is in these values
    rows: dict[Value, Fields]
    others: dict[str, int]  # dimension -> events that fell under ``other``

    def __len__(self) -> int:
        return len(self.rows)


def rollup_rows(rollups: Rollups, rows: I64, ordinary: OrdinaryCategories) -> RollupRows:
    """The fields of some rows, now."""
    sums = rollups.columns.sums(rows)
    windows = rollups.windows
    known = len(windows.days.start_ms) > 0
    people = rollups.people.counts(
        rows, windows.newest_ms, int(windows.days.start_ms[0]) if known else 0, windows.sale_bucket
    )
    rates = rates_of(sums, people)
    bounds = windows.bounds_ms(0) if known else []
    shown = {}
    for i, row in enumerate(rows.tolist()):
        value = rollups.values[row]
        fields = measure_fields(sums[i]) | people_fields(people[i]) | rate_fields(rates[i])
        if value[0] == CATEGORY and bounds:
            fields |= _multiples(value[1], sums[i], ordinary, bounds)
        shown[value] = fields
    return RollupRows(rollups.clock.offsets, shown, rollups.others)


def measure_fields(sums: I64) -> Fields:
    """Every measure in every window; ``sums``: WINDOWS x MEASURES."""
    return dict(zip(_MEASURE_NAMES, sums.ravel().tolist(), strict=True))


def people_fields(people: F64) -> Fields:
    """Every number of people that is there; ``people``: DISTINCT x DISTINCT_WINDOWS."""
    told = zip(_PEOPLE_NAMES, people.ravel().tolist(), strict=True)
    return {name: int(number) for name, number in told if math.isfinite(number)}


def rate_fields(rates: F64) -> Fields:
    """Every rate that is there, in the windows that tell it; ``rates``: WINDOWS x RATES."""
    told = zip(_RATE_NAMES, rates[_RATE_PLACES].tolist(), strict=True)
    return {name: rate for name, rate in told if math.isfinite(rate)}


def _multiples(
    category: str, sums: I64, ordinary: OrdinaryCategories, bounds_ms: list[tuple[int, int]]
) -> Fields:
    daily = ordinary.daily(category)
    if daily is None:
        return {}
    fields: Fields = {}
    same_period = ordinary.sold_between(category, bounds_ms)
    ones = np.ones(len(WINDOWS))
    divisors: Mapping[str, tuple[int, F64]] = {
        "sales_multiple": (GMV, daily[GMV_DAY] * ones),
        "orders_multiple": (ORDERS, daily[ORDERS_DAY] * ones),
        "same_period_multiple": (GMV, same_period),
        "new_member_multiple": (NEW_MEMBERS, daily[NEW_MEMBERS_DAY] * ones),
    }
    for name in MULTIPLES:
        measure, divisor = divisors[name]
        for w, window in enumerate(WINDOWS):
            if divisor[w] > 0:
                fields[field(name, window)] = float(sums[w, measure] / divisor[w])
    for name, amount in zip(("gmv", "orders", "new_members"), daily.tolist(), strict=True):
        if amount > 0:
            fields[f"baseline_{name}"] = amount
    return fields
