"""What a scenario will be like: arrivals a second and multiples by the minute, from the day itself.

The day is made as it would be sent and nothing of it is sent: what is drawn is what will happen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from loadgen.cells import PAID
from loadgen.draws import I64
from loadgen.plan import Plan, make_plan
from loadgen.scenario import Scenario
from loadgen.stream import Block, blocks
from schemas.windows import MINUTE_MS

F64 = npt.NDArray[np.float64]
PARTITIONS: Final = 4
SECOND_MS: Final = 1000
MINUTES_AN_HOUR: Final = 60


@dataclass(frozen=True, slots=True)
class Outlook:
    """``arrivals``: topic to events sent in each second (seconds,), from the scenario's start on.

    ``multiples``: name to the last hour's sales over the ordinary day's at the end of each minute
    (minutes,): of everybody together first, then of each featured merchant.
    """

    scenario: Scenario
    events: int
    merchants: int
    arrivals: dict[str, I64]
    multiples: dict[str, F64]


def outlook(scenario: Scenario, everybody: str = "all") -> Outlook:
    """Make a scenario's day and look at it. ``everybody``: what all merchants together are called."""
    plan = make_plan(scenario, PARTITIONS, PARTITIONS if scenario.clicks else 0)
    seconds = scenario.duration_ms // SECOND_MS
    lanes = np.zeros((2, seconds), np.int64)
    # A row for each featured merchant, which come first in a catalogue, and one for all.
    gmv = np.zeros((len(scenario.featured) + 1, scenario.duration_ms // MINUTE_MS), np.int64)
    for block in blocks(plan):
        _add_arrivals(lanes, block)
        _add_sales(gmv, plan, block)
    topics = ("orders", "clicks") if scenario.clicks else ("orders",)
    return Outlook(
        scenario,
        events=int(lanes.sum()),
        merchants=len(plan.catalogue),
        arrivals={topic: lanes[lane] for lane, topic in enumerate(topics)},
        multiples=_multiples(plan, gmv, everybody),
    )


def _add_arrivals(lanes: I64, block: Block) -> None:
    for messages in block.messages:
        np.add.at(lanes[messages.lane], messages.due_ms // SECOND_MS, messages.events)


def _add_sales(gmv: I64, plan: Plan, block: Block) -> None:
    featured = len(gmv) - 1
    for facts in block.facts:
        paid = facts.code == PAID
        minute = (facts.event_ms[paid] - plan.scenario.start_ms) // MINUTE_MS
        amount, row = facts.amount_fen[paid], facts.row[paid]
        np.add.at(gmv[-1], minute, amount)
        told = row < featured
        np.add.at(gmv, (row[told], minute[told]), amount[told])


def _multiples(plan: Plan, gmv: I64, everybody: str) -> dict[str, F64]:
    daily = [float(merchant.daily_gmv_fen) for merchant in plan.scenario.featured]
    daily.append(sum(baseline.daily.get("gmv", 0.0) for baseline in plan.catalogue.baselines))
    running = np.cumsum(gmv, axis=1)
    hours = running.copy()
    hours[:, MINUTES_AN_HOUR:] -= running[:, :-MINUTES_AN_HOUR]
    names = [*(merchant.name for merchant in plan.scenario.featured), everybody]
    told = {name: hours[i] / daily[i] for i, name in enumerate(names) if daily[i] > 0}
    last = told.pop(everybody, None)
    return told if last is None else {everybody: last, **told}
