"""A scenario as it is sent: block after block of time, messages and the truth about them side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from loadgen import cells
from loadgen.cells import COPY, CREATED, FUTURE, LATE, MALFORMED, Arrivals, Odds, Slots
from loadgen.channels import tier_of
from loadgen.click_bytes import write_clicks
from loadgen.draws import I8, I64, U8, U64, allocating
from loadgen.facts import KINDS, ClickFacts, Facts, Where
from loadgen.json_bytes import Messages, quantity_of, write_messages
from loadgen.people import first_order_of
from loadgen.plan import Plan
from loadgen.visits import ClickArrivals, chosen, joined, make_clicks


@dataclass(frozen=True, slots=True)
class Block:
    """A stretch of time: one ``Messages`` a partition of each topic, and the facts."""

    messages: list[Messages]
    facts: list[Facts]
    end_ms: int
    """Since the scenario's start, exclusive: everything in it is due before."""
    click_facts: tuple[ClickFacts, ...] = ()

    @property
    def kinds(self) -> I64:
        """Events of each of ``KINDS``, of all topics: (6,)."""
        told = [facts.kinds for facts in self.facts] + [facts.kinds for facts in self.click_facts]
        total: I64 = np.sum([np.zeros(len(KINDS), np.int64), *told], axis=0)
        return total


def blocks(plan: Plan, per_message: int = 1, only: frozenset[int] | None = None) -> Iterator[Block]:
    """Every block of a plan in the order of time; of the partitions in ``only`` of each topic, or all."""
    odds = Odds.of(plan)
    click_odds = Odds.of_clicks(plan.scenario.clicks.faults) if plan.scenario.clicks else odds
    chosen_ones = [p for p in range(plan.partitions) if only is None or p in only]
    for index in range(plan.blocks):
        messages, facts, click_facts = [], [], []
        cell = _Cells(plan, index)
        for partition in chosen_ones:
            arrivals = cell.orders(partition)
            slots = cells.make_slots(plan, odds, index, arrivals.time_ms, arrivals.bits)
            sent = cells.chosen(arrivals, slots.source)
            messages.append(write_messages(plan, index, partition, sent, slots, per_message))
            facts.append(_facts(plan, sent, slots))
        for partition in range(plan.click_partitions):
            if only is None or partition in only:
                clicks = cell.clicks(partition)
                slots = cells.make_slots(plan, click_odds, index, clicks.time_ms, clicks.bits)
                looked = chosen(clicks, slots.source)
                messages.append(write_clicks(plan, index, partition, looked, slots, per_message))
                click_facts.append(_click_facts(plan, looked, slots))
        yield Block(messages, facts, (index + 1) * plan.block_seconds * 1000, tuple(click_facts))


class _Cells:
    """The cells of a block, each made when it is first wanted."""

    def __init__(self, plan: Plan, block: int) -> None:
        self._plan = plan
        self._block = block
        self._orders: dict[int, Arrivals] = {}
        self._clicks: dict[int, ClickArrivals] = {}

    def orders(self, partition: int) -> Arrivals:
        """A cell of the orders' topic."""
        if partition not in self._orders:
            self._orders[partition] = cells.make_arrivals(self._plan, self._block, partition)
        return self._orders[partition]

    def clicks(self, partition: int) -> ClickArrivals:
        """A cell of the clicks' topic: the visits of the order partitions with the same rest.

        Where there are more partitions of clicks, those with the same rest share a cell's people.
        """
        plan = self._plan
        if plan.click_partitions <= plan.partitions:
            sources = range(partition, plan.partitions, plan.click_partitions)
            return joined([self._visits(source) for source in sources])
        source = partition % plan.partitions
        sharers = len(range(source, plan.click_partitions, plan.partitions))
        visits = self._visits(source)
        mine = visits.person // plan.partitions % sharers == partition // plan.partitions
        return chosen(visits, mine)

    def _visits(self, partition: int) -> ClickArrivals:
        if partition not in self._clicks:
            orders = self.orders(partition)
            self._clicks[partition] = make_clicks(self._plan, self._block, partition, orders)
        return self._clicks[partition]


def _facts(plan: Plan, sent: Arrivals, slots: Slots) -> Facts:
    """``sent``: the order of each slot."""
    counted = slots.code <= CREATED
    orders = cells.chosen(sent, counted)
    return Facts(
        row=orders.row,
        event_ms=slots.event_ms[counted] + plan.scenario.start_ms,
        code=slots.code[counted],
        amount_fen=orders.amount_fen,
        quantity=_quantities(orders.bits),
        first_order=_first_orders(orders.bits, plan.pool.regulars),
        where=Where(
            person=orders.member,
            channel=cells.channels(plan, orders).astype(np.int32),
            category=plan.catalogue.traits.category[orders.row].astype(np.int32),
            tier=_tiers(orders.member),
        ),
        kinds=_kinds(slots.code),
    )


def _click_facts(plan: Plan, sent: ClickArrivals, slots: Slots) -> ClickFacts:
    """``sent``: the click of each slot."""
    counted = slots.code == 0
    clicks = chosen(sent, counted)
    return ClickFacts(
        row=clicks.row,
        event_ms=slots.event_ms[counted] + plan.scenario.start_ms,
        action=clicks.action,
        source=clicks.source,
        where=Where(
            person=clicks.person,
            channel=clicks.channel.astype(np.int32),
            category=plan.catalogue.traits.category[clicks.row].astype(np.int32),
            tier=_tiers(clicks.person),
        ),
        kinds=_kinds(slots.code),
    )


def _kinds(code: U8) -> I64:
    counts = np.bincount(code, minlength=COPY + MALFORMED)
    plain = counts[:COPY]
    return np.array(
        [
            plain[: CREATED + 1].sum(),
            counts[COPY:].sum(),
            plain[LATE],
            plain[FUTURE],
            plain[MALFORMED : MALFORMED + cells.MALFORMED_KINDS].sum(),
            plain[cells.INVALID :].sum(),
        ],
        np.int64,
    )


@allocating
def _quantities(bits: U64) -> I64:
    quantities = np.empty(len(bits), np.int64)
    for index in range(len(bits)):
        quantities[index] = quantity_of(bits[index])
    return quantities


@allocating
def _first_orders(bits: U64, regulars: int) -> I8:
    said = np.empty(len(bits), np.int8)
    for index in range(len(bits)):
        said[index] = first_order_of(bits[index], regulars)
    return said


@allocating
def _tiers(person: I64) -> U8:
    tiers = np.empty(len(person), np.uint8)
    for index in range(len(person)):
        tiers[index] = tier_of(person[index])
    return tiers
