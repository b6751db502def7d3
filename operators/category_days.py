"""The ordinary day of a category: its merchants' baselines added up, for the multiples of its roll-up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from operators.batches import F64
from operators.merchant_columns import NO_BASELINE, MerchantColumns
from operators.multiples import Baselines, stretch_of
from schemas.baselines import HOURS

CATEGORIES_TOLD: Final = 1_000
"""Categories that a shard tells the ordinary day of; later ones have no multiples."""
GMV_DAY, ORDERS_DAY, NEW_MEMBERS_DAY = range(3)


@dataclass(slots=True)
class CategoryDays:
    """Of one shard: (category, time zone) to the sums of its merchants' baselines.

    A sum: daily gmv in fen, daily orders, daily new members, then gmv in each hour of the local clock.
    """

    shard: int
    days: dict[tuple[str, str], F64]


def category_days(
    shard: int, columns: MerchantColumns, baselines: Baselines, zones: list[str]
) -> CategoryDays:
    """The sums of a shard's baselines that name a category."""
    rows = np.flatnonzero(columns.baseline != NO_BASELINE)
    numbers: dict[tuple[str, int], int] = {}
    picked, number_of = [], []
    for row, base, zone in zip(
        rows.tolist(), columns.baseline[rows].tolist(), columns.zone[rows].tolist(), strict=True
    ):
        category = baselines.categories[base]
        if category is None:
            continue
        number = numbers.setdefault((category, zone), len(numbers))
        if number < CATEGORIES_TOLD:
            picked.append(row)
            number_of.append(number)
    sums = np.zeros((min(len(numbers), CATEGORIES_TOLD), 3 + HOURS))
    if picked:
        base = columns.baseline[picked]
        gmv = np.nan_to_num(baselines.gmv[base])
        hours = gmv[:, None] * np.diff(baselines.passed[base], axis=1)
        daily = (gmv, np.nan_to_num(baselines.orders[base]), np.nan_to_num(baselines.new_members[base]))
        np.add.at(sums, np.array(number_of), np.column_stack((*daily, hours)))
    told = list(numbers)[:CATEGORIES_TOLD]
    return CategoryDays(shard, {(c, zones[z]): day for (c, z), day in zip(told, sums, strict=True)})


@dataclass(slots=True)
class OrdinaryCategories:
    """The ordinary days of all categories, from every shard's newest word."""

    heard: dict[int, CategoryDays] = field(default_factory=dict)
    days: dict[str, dict[str, F64]] = field(default_factory=dict)
    """Category to time zone to the sums of all shards."""

    def take(self, told: Iterable[CategoryDays]) -> set[str]:
        """Take newer words; the categories that they concern."""
        concerned = set()
        for word in told:
            before = self.heard.get(word.shard)
            concerned |= {category for category, _ in (*word.days, *(before.days if before else ()))}
            self.heard[word.shard] = word
        if concerned:
            self.days = {}
            for word in self.heard.values():
                for (category, zone), day in word.days.items():
                    zones = self.days.setdefault(category, {})
                    zones[zone] = zones[zone] + day if zone in zones else day
        return concerned

    def daily(self, category: str) -> F64 | None:
        """Daily gmv in fen, orders and new members of a category's merchants; None without baselines."""
        zones = self.days.get(category)
        return None if zones is None else np.sum([day[:3] for day in zones.values()], axis=0)

    def sold_between(self, category: str, bounds_ms: list[tuple[int, int]]) -> F64:
        """What the category's merchants ordinarily sell in each [start, end), in fen."""
        total = np.zeros(len(bounds_ms))
        for zone, day in self.days.get(category, {}).items():
            passed = np.concatenate(([0.0], np.cumsum(day[3:])))
            for w, (start_ms, end_ms) in enumerate(bounds_ms):
                days, first, into_first, last, into_last = stretch_of(start_ms, end_ms, zone)
                total[w] += (
                    days * passed[HOURS] + _at(passed, last, into_last) - _at(passed, first, into_first)
                )
        return total


def _at(passed: F64, hour: int, part: float) -> float:
    return float(passed[hour] + (passed[hour + 1] - passed[hour]) * part)
