"""Who buys and who looks: people are numbers, and a person's events of a topic stay in one partition.

A person's number leaves the partition as its rest when divided by the partitions, as if topics were keyed
by the person: so what a person does twice comes twice in one partition, in order.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from loadgen.draws import CHANCE_ONE, I64, U8, WEYL, below, compiled, draw, mix
from loadgen.scenario import Scenario

MEMBER_DIGITS: Final = 7
FIRST_MEMBER: Final = 1_000_000
"""Person n is called ``u`` and this plus n, in seven digits."""
SILENT_MASK: Final = np.uint64(15)
"""One order in sixteen does not say whether it is its buyer's first."""
CIRCLE_DAYS: Final = 3
"""A merchant's regulars are as many as its orders on so many ordinary days."""


class Traits(NamedTuple):
    """What tells merchants apart besides ticket and popularity: (n,) each."""

    meals: U8  # 1: serves meals
    circle: I64  # regulars
    appeal: I64  # visits without an order, in thousandths of the average merchant's
    private: I64  # share of its views that is its own traffic, as ``chance`` counts
    planned: U8  # 1: who joins is planned to the head, so nobody joins by chance
    category: I64  # index into the catalogue's categories


class Pool(NamedTuple):
    """People, and how they fall on partitions."""

    people: int  # of one partition
    partitions: int
    regulars: int  # share of orders by regulars, as ``chance`` counts

    @property
    def everyone(self) -> int:
        """People in all."""
        return self.people * self.partitions


def pool_of(scenario: Scenario, partitions: int) -> Pool:
    """The people of a scenario on so many partitions."""
    return Pool(
        scenario.popularity.people // partitions, partitions, round(scenario.popularity.regulars * CHANCE_ONE)
    )


@compiled
def stranger(bits: np.uint64, people: int, partitions: int, partition: int) -> int:
    """Anybody of a partition."""
    return below(bits, people) * partitions + partition


@compiled
def regular(row: int, number: int, people: int, partitions: int, partition: int) -> int:
    """Regular ``number`` of a merchant in a partition: always the same person."""
    return stranger(
        draw(mix(np.uint64(row) * WEYL + np.uint64(partition)), number), people, partitions, partition
    )


def circle_of(row: int, circle: int, pool: Pool) -> list[str]:
    """The names of a merchant's regulars."""
    numbers = range(circle // pool.partitions + 1)
    people = {
        regular(row, number, pool.people, pool.partitions, partition)
        for partition in range(pool.partitions)
        for number in numbers
    }
    return [f"u{FIRST_MEMBER + person:0{MEMBER_DIGITS}d}" for person in sorted(people)]


@compiled
def is_regular(bits: np.uint64, regulars: int) -> bool:
    """Whether an order is by one of the merchant's regulars."""
    return below(mix(bits + np.uint64(6)), CHANCE_ONE) < regulars


@compiled
def buyer(bits: np.uint64, row: int, circle: int, pool: Pool, partition: int, other: int) -> int:
    """Whose order it is: a regular of the merchant, or ``other``."""
    if not is_regular(bits, pool.regulars):
        return other
    number = below(mix(bits + np.uint64(7)), circle // pool.partitions + 1)
    return regular(row, number, pool.people, pool.partitions, partition)


@compiled
def first_order_of(bits: np.uint64, regulars: int) -> int:
    """What an order says of ``first_order``: 1 true, 0 false, -1 nothing."""
    if mix(bits + np.uint64(6)) & SILENT_MASK == 0:
        return -1
    return 0 if is_regular(bits, regulars) else 1
