"""What is to be made, before any of it is: how many orders of which component in which cell.

A cell is one block of time on one partition. Cells are made alone and in any order, so any number of
processes makes the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import msgspec
import numpy as np

from loadgen.catalogue import Catalogue, make_catalogue
from loadgen.curves import SECONDS_AN_HOUR, WEIGHT_SCALE, apportion, base_curve, spike_curve
from loadgen.draws import I32, I64, U32
from loadgen.errors import LoadgenError
from loadgen.people import Pool, circle_of, pool_of
from loadgen.popularity import alias_table
from loadgen.scenario import HOURS_A_DAY, Featured, Scenario

PEAK_HOUR_ORDERS: Final = 600
"""A featured merchant's best hour has at least this many orders: enough that no shifted hour beats it."""
TARGET_CELL_ORDERS: Final = 30_000
MOST_KNOWN: Final = 1000
"""A featured merchant with more regulars leaves it to its orders to say who was there before."""
CLICKS_AN_ORDER: Final = 2
"""So many clicks weigh as much as an order where the length of a block is chosen."""
BLOCK_SECONDS: Final = (3600, 1800, 1200, 600, 300, 120, 60, 30, 20, 10)
"""Lengths that a block may have: each divides an hour, so that an hour's sum is made of whole blocks."""


@dataclass(frozen=True, slots=True)
class Component:
    """One kind of arrivals: when they come, and on whom they fall.

    ``targets_fen`` holds the exact gmv of each cell where that is planned, else nothing. ``members`` is
    the few from whom buyers come, 0 for everybody.
    """

    curve: I64  # seconds
    rows: I32  # k, merchants
    thresholds: U32  # k, alias table over rows
    aliases: I32  # k
    counts: I64  # blocks x partitions
    targets_fen: I64 | None  # blocks x partitions
    members: int


@dataclass(frozen=True, slots=True)
class PlannedJoins:
    """People who join one featured merchant: how many in each cell, and how many of its partition before."""

    row: int
    counts: I64  # blocks x partitions
    before: I64  # blocks x partitions


@dataclass(frozen=True, slots=True)
class Plan:
    """A scenario made countable."""

    scenario: Scenario
    partitions: int
    block_seconds: int
    catalogue: Catalogue
    components: tuple[Component, ...]
    joins: tuple[PlannedJoins, ...]
    pool: Pool
    click_partitions: int
    """0: no clicks are sent."""
    by_merchant: bool = False
    """Whether everything of a merchant is on one partition."""

    @property
    def blocks(self) -> int:
        """Number of blocks of time."""
        return self.scenario.hours * SECONDS_AN_HOUR // self.block_seconds

    @property
    def orders(self) -> int:
        """Paid orders in all, before an outage takes some."""
        return sum(int(component.counts.sum()) for component in self.components)

    def cell_orders(self, block: int, partition: int) -> int:
        """Orders planned for one cell."""
        return sum(int(component.counts[block, partition]) for component in self.components)


def make_plan(scenario: Scenario, partitions: int, click_partitions: int | None = None) -> Plan:
    """The plan of a scenario on ``partitions`` partitions of orders.

    ``click_partitions``: of clicks, as many if None; 0: none are sent, as by a scenario without clicks.
    Raises ``LoadgenError`` if the featured merchants alone need more orders than the scenario has.
    """
    featured_counts = [_featured_orders(scenario, merchant) for merchant in scenario.featured]
    ordinary = scenario.orders - int(sum(int(counts.sum()) for counts in featured_counts))
    if ordinary < 0:
        raise LoadgenError(
            f"scenario {scenario.name}: orders is {scenario.orders}, but the featured merchants alone have "
            f"{scenario.orders - ordinary}; ask for at least as many"
        )
    seconds = scenario.hours * SECONDS_AN_HOUR
    curves = [base_curve(scenario), *(spike_curve(spike, seconds) for spike in scenario.spikes)]
    click_partitions = partitions if click_partitions is None else click_partitions
    clicks = scenario.clicks if click_partitions else None
    events = ordinary * (1 + clicks.views_per_order / CLICKS_AN_ORDER) if clicks else ordinary
    block_seconds = _block_seconds(np.sum(curves, axis=0), int(events), partitions)
    pool = pool_of(scenario, partitions)
    catalogue = _knowing(make_catalogue(scenario, ordinary), pool, len(scenario.featured))
    layout = _Layout(block_seconds, partitions)
    components = _ordinary_components(scenario, catalogue, curves, ordinary, layout)
    for row, counts in enumerate(featured_counts):
        components.append(_featured_component(scenario, row, counts, layout))
    joins = tuple(
        _planned_joins(scenario, row, merchant.new_members, layout)
        for row, merchant in enumerate(scenario.featured)
        if clicks and merchant.new_members is not None
    )
    return Plan(
        scenario, partitions, block_seconds, catalogue, tuple(components), joins,
        pool, click_partitions if clicks else 0,
    )  # fmt: skip


def _knowing(catalogue: Catalogue, pool: Pool, featured: int) -> Catalogue:
    """The same, featured merchants' baselines with their regulars as known members where they are few."""
    baselines = list(catalogue.baselines)
    for row in range(featured):
        circle = int(catalogue.traits.circle[row])
        if circle <= MOST_KNOWN:
            known = circle_of(row, circle, pool)
            baselines[row] = msgspec.structs.replace(baselines[row], known_members=known)
    return replace(catalogue, baselines=baselines)


@dataclass(frozen=True, slots=True)
class _Layout:
    block_seconds: int
    partitions: int

    def spread(self, total: int, curve: I64) -> I64:
        """``total`` over (blocks, partitions) as a curve of seconds says."""
        blocks = apportion(total, curve.reshape(-1, self.block_seconds).sum(axis=1))
        cells = [apportion(int(n), np.ones(self.partitions, np.int64)) for n in blocks]
        # Rounding would otherwise favour the same partition in every block.
        return np.stack([np.roll(cell, block) for block, cell in enumerate(cells)])


def _block_seconds(curve: I64, orders: int, partitions: int) -> int:
    """The longest block of which no cell is expected to hold much more than the target."""
    for length in BLOCK_SECONDS:
        busiest = int(curve.reshape(-1, length).sum(axis=1).max())
        if orders * busiest <= TARGET_CELL_ORDERS * partitions * max(1, int(curve.sum())):
            return length
    return BLOCK_SECONDS[-1]


def _featured_orders(scenario: Scenario, merchant: Featured) -> I64:
    """Orders of a featured merchant in each hour: as many as its ticket says, scaled as the scenario is."""
    full = max(1, merchant.daily_gmv_fen // merchant.daily_orders)
    counts = np.zeros(scenario.hours, np.int64)
    for hour in range(scenario.hours):
        gmv_fen = merchant.gmv_fen(hour)
        orders = gmv_fen * scenario.orders // (full * REFERENCE_ORDERS)
        least = PEAK_HOUR_ORDERS if hour == merchant.peak_hour else 1
        counts[hour] = min(max(orders, least), gmv_fen)
    return counts


REFERENCE_ORDERS: Final = 2_000_000
"""Orders at which a featured merchant's tickets are as its baseline says; with fewer they are larger."""


def _ordinary_components(
    scenario: Scenario, catalogue: Catalogue, curves: list[I64], orders: int, layout: _Layout
) -> list[Component]:
    parts = apportion(orders, np.array([int(curve.sum()) for curve in curves], np.int64))
    first = len(scenario.featured)
    components: list[Component] = []
    for index, (curve, part) in enumerate(zip(curves, parts, strict=True)):
        spike = scenario.spikes[index - 1] if index else None
        hot = round(int(part) * spike.locality) if spike else 0
        bots = round((int(part) - hot) * scenario.bots.share) if spike and scenario.bots else 0
        everyone = np.arange(first, len(catalogue), dtype=np.int32)
        components.append(_component(catalogue, everyone, curve, int(part) - hot - bots, layout))
        if spike and hot:
            rows = everyone[spike.hot_from - 1 : spike.hot_from - 1 + spike.hot_merchants]
            components.append(_component(catalogue, rows, curve, hot, layout))
        if spike and scenario.bots and bots:
            members = scenario.bots.members
            components.append(_component(catalogue, everyone, curve, bots, layout, members))
    return components


def _component(
    catalogue: Catalogue, rows: I32, curve: I64, orders: int, layout: _Layout, members: int = 0
) -> Component:
    thresholds, aliases = alias_table(catalogue.weights[rows])
    return Component(curve, rows, thresholds, aliases, layout.spread(orders, curve), None, members)


def _featured_component(scenario: Scenario, row: int, hourly: I64, layout: _Layout) -> Component:
    """A featured merchant: its orders even within each hour, its gmv planned to the fen."""
    merchant = scenario.featured[row]
    counts, targets = [], []
    for hour, orders in enumerate(hourly):
        flat = np.full(SECONDS_AN_HOUR, WEIGHT_SCALE, np.int64)
        cells = layout.spread(int(orders), flat)
        counts.append(cells)
        targets.append(apportion(merchant.gmv_fen(hour), cells.ravel()).reshape(cells.shape))
    only = np.array([row], np.int32)
    thresholds, aliases = alias_table(np.ones(1, np.int64))
    curve = np.full(scenario.hours * SECONDS_AN_HOUR, WEIGHT_SCALE, np.int64)
    return Component(curve, only, thresholds, aliases, np.concatenate(counts), np.concatenate(targets), 0)


def _planned_joins(scenario: Scenario, row: int, people: int, layout: _Layout) -> PlannedJoins:
    """``people`` joining over the hours of a whole day as the merchant sells in them."""
    merchant = scenario.featured[row]
    sold = np.array([merchant.gmv_fen(hour) for hour in range(HOURS_A_DAY)], np.int64)
    flat = np.full(SECONDS_AN_HOUR, WEIGHT_SCALE, np.int64)
    hourly = apportion(people, sold)[: scenario.hours]
    counts = np.concatenate([layout.spread(int(joins), flat) for joins in hourly])
    return PlannedJoins(row, counts, np.cumsum(counts, axis=0) - counts)
