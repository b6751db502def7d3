"""Small days for tests, made without any server."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from loadgen import scenario as scenarios
from loadgen.facts import Facts
from loadgen.oracle import Answers, answer
from loadgen.plan import Plan, make_plan
from loadgen.run import asked
from loadgen.scenario import Scenario
from loadgen.stream import blocks
from loadgen.truth import Truth
from schemas.events import Order


@dataclass(frozen=True, slots=True)
class Sent:
    """One event as it is sent: its line, where its message stands, the message's times."""

    line: bytes
    partition: int
    message: int
    due_ms: int
    timestamp_ms: int


def small_day(orders: int = 20_000, hours: int = 24, seed: int = 20191212) -> Scenario:
    """The article's day with fewer orders."""
    day = scenarios.load("double12-2019")
    return msgspec.structs.replace(day, orders=orders, hours=hours, seed=seed)


ORDERS, CLICKS = 0, 1


def all_sent(plan: Plan, per_message: int = 1, lane: int = ORDERS) -> list[Sent]:
    """Every event of a plan's topic, partition after partition, each in the order of sending."""
    partitions = plan.click_partitions if lane == CLICKS else plan.partitions
    by_partition: list[list[Sent]] = [[] for _ in range(partitions)]
    counts = [0] * partitions
    for block in blocks(plan, per_message):
        for m in (m for m in block.messages if m.lane == lane):
            for i in range(len(m)):
                for line in m.value(i).split(b"\n"):
                    sent = Sent(
                        line, m.partition, counts[m.partition], int(m.due_ms[i]), int(m.timestamps_ms[i])
                    )
                    by_partition[m.partition].append(sent)
                counts[m.partition] += 1
    return [sent for partition in by_partition for sent in partition]


def all_facts(plan: Plan) -> list[Facts]:
    """The truth about the orders of every cell of a plan."""
    return [facts for block in blocks(plan) for facts in block.facts]


def answers_of(plan: Plan) -> Answers:
    """What the oracle says about a whole plan."""
    truth = Truth()
    for block in blocks(plan):
        for facts in block.facts:
            truth.add(facts)
        for clicks in block.click_facts:
            truth.add_clicks(clicks)
    return answer(asked(plan), truth)


def plan_of(scenario: Scenario, partitions: int = 4) -> Plan:
    """The plan of a scenario, on four partitions unless told otherwise."""
    return make_plan(scenario, partitions)


def parsed(line: bytes) -> Order | None:
    """The line as an order, or None if it is none by its JSON and types."""
    try:
        return msgspec.json.decode(line, type=Order)
    except msgspec.DecodeError:
        return None
