"""A scenario as it is sent: block after block of time, messages and the truth about them side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from loadgen import cells
from loadgen.cells import COPY, CREATED, FUTURE, LATE, MALFORMED, Arrivals, Odds, Slots
from loadgen.draws import I32, I64, U8, U64, compiled
from loadgen.json_bytes import Messages, quantity_of, write_messages
from loadgen.plan import Plan

KINDS: Final = ("good", "duplicate", "late", "future", "malformed", "invalid")
"""What an event can be, in the order of ``Facts.kinds``."""


@dataclass(frozen=True, slots=True)
class Facts:
    """The events of a block that count, each once. ``n`` of them; ``row`` numbers merchants."""

    row: I32
    event_ms: I64  # since the epoch
    code: U8  # PAID, REFUNDED, CANCELLED or CREATED
    amount_fen: I64
    quantity: I64
    kinds: I64  # (6,) events of each of KINDS, also those that do not count


@dataclass(frozen=True, slots=True)
class Block:
    """A stretch of time: one ``Messages`` a partition, and the facts."""

    messages: list[Messages]
    facts: list[Facts]
    end_ms: int
    """Since the scenario's start, exclusive: everything in it is due before."""


def blocks(plan: Plan, per_message: int = 1, only: frozenset[int] | None = None) -> Iterator[Block]:
    """Every block of a plan in the order of time; of the partitions in ``only``, or all."""
    odds = Odds.of(plan)
    chosen = [p for p in range(plan.partitions) if only is None or p in only]
    for index in range(plan.blocks):
        messages, facts = [], []
        for partition in chosen:
            arrivals = cells.make_arrivals(plan, index, partition)
            slots = cells.make_slots(plan, odds, index, arrivals)
            messages.append(write_messages(plan, index, partition, arrivals, slots, per_message))
            facts.append(_facts(plan, arrivals, slots))
        yield Block(messages, facts, (index + 1) * plan.block_seconds * 1000)


def _facts(plan: Plan, arrivals: Arrivals, slots: Slots) -> Facts:
    counted = slots.code <= CREATED
    source = slots.source[counted]
    return Facts(
        row=arrivals.row[source],
        event_ms=slots.event_ms[counted] + plan.scenario.start_ms,
        code=slots.code[counted],
        amount_fen=arrivals.amount_fen[source],
        quantity=_quantities(arrivals.bits[source]),
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


@compiled
def _quantities(bits: U64) -> I64:
    quantities = np.empty(len(bits), np.int64)
    for index in range(len(bits)):
        quantities[index] = quantity_of(bits[index])
    return quantities
