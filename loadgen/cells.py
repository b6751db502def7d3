"""One cell of a plan, made: its arrivals, what goes wrong with them, and the order of sending."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from loadgen.channels import CHANNEL_TABLE, CHANNELS, channel_of
from loadgen.draws import (
    CHANCE_ONE,
    I32,
    I64,
    U8,
    U32,
    U64,
    allocating,
    below,
    chance,
    compiled,
    draw,
    mix,
    stream_key,
)
from loadgen.people import Pool, buyer, stranger
from loadgen.plan import Component, Plan
from loadgen.scenario import ClickFaults, clock_seconds

PAID: Final = 0
REFUNDED: Final = 1
CANCELLED: Final = 2
CREATED: Final = 3
LATE: Final = 4
FUTURE: Final = 5
MALFORMED: Final = 6
MALFORMED_KINDS: Final = 2
INVALID: Final = 8
INVALID_KINDS: Final = 7
COPY: Final = 64
"""Added to the code of an event that is sent a second time."""

JITTER_MS: Final = 4_900
"""A disordered event is sent this much after its time at most: just within the lateness."""
COPY_WITHIN_MS: Final = 120_000
LATE_FROM_MS: Final = 12 * 3_600_000
"""Late events are sent from local noon on, when nothing older than this day is kept."""
LATE_BY_MS: Final = 60 * 3_600_000
"""So old that no window keeps it even where a war room catches up and its watermark is still at midnight."""
LATE_SPREAD_MS: Final = 12 * 3_600_000
AHEAD_BY_MS: Final = 30 * 60_000
AHEAD_SPREAD_MS: Final = 48 * 3_600_000
REFUND_WITHIN_MS: Final = 30 * 60_000
CREATED_BEFORE_MS: Final = 60_000
SLOTS_AN_ORDER: Final = 5
SIGMA: Final = 0.5
FACTORS: Final = np.array(
    [
        round(1000 * 2.718281828459045 ** (SIGMA * NormalDist().inv_cdf((i + 0.5) / 1024) - SIGMA**2 / 2))
        for i in range(1024)
    ],
    np.int64,
)
"""Amounts over the merchant's ticket, in thousandths: a log-normal law by its quantiles."""


class Arrivals(NamedTuple):
    """Paid orders of a cell, component after component. ``n`` of them."""

    time_ms: I64  # since the scenario's start
    row: I32
    amount_fen: I64
    member: I64
    bits: U64  # what every further draw about this order comes from


class Slots(NamedTuple):
    """Events of a cell in the order of sending. ``n`` of them."""

    send_ms: I64  # since the scenario's start, ascending
    event_ms: I64  # since the scenario's start; negative for late ones
    source: I32  # the order in Arrivals
    code: U8


@dataclass(frozen=True, slots=True)
class Odds:
    """The scenario's faults as thresholds for 32 random bits."""

    thresholds: I64

    @classmethod
    def of(cls, plan: Plan) -> Odds:
        """From the shares in the scenario's file; the order is that of ``_slots``."""
        f = plan.scenario.faults
        shares = (
            f.duplicate, f.created, f.refunded, f.cancelled, f.late,
            f.future, f.malformed, f.invalid, f.disordered,
        )  # fmt: skip
        return cls(np.array([chance(share) for share in shares], np.int64))

    @classmethod
    def of_clicks(cls, faults: ClickFaults) -> Odds:
        """The same for clicks, which are never created, refunded or cancelled."""
        f = faults
        shares = (f.duplicate, 0, 0, 0, f.late, f.future, f.malformed, f.invalid, f.disordered)
        return cls(np.array([chance(share) for share in shares], np.int64))


def make_arrivals(plan: Plan, block: int, partition: int) -> Arrivals:
    """The paid orders of a cell."""
    count = plan.cell_orders(block, partition)
    out = Arrivals(
        np.empty(count, np.int64), np.empty(count, np.int32), np.empty(count, np.int64),
        np.empty(count, np.int64), np.empty(count, np.uint64),
    )  # fmt: skip
    first = 0
    for index, component in enumerate(plan.components):
        last = first + int(component.counts[block, partition])
        if last > first:
            key = stream_key(plan.scenario.seed, index, block, partition, plan.partitions)
            _fill_component(plan, component, block, partition, key, chosen(out, slice(first, last)))
        first = last
    return _without_outages(plan, out)


def _fill_component(
    plan: Plan, component: Component, block: int, partition: int, key: np.uint64, out: Arrivals
) -> None:
    seconds = slice(block * plan.block_seconds, (block + 1) * plan.block_seconds)
    marks = np.concatenate([np.zeros(1, np.int64), np.cumsum(component.curve[seconds])])
    even = component.targets_fen is not None
    _arrive(key, marks, seconds.start * 1000, even, out.time_ms, out.member, out.bits)
    tickets = plan.catalogue.ticket_fen
    _attribute(out.bits, component.rows, component.thresholds, component.aliases, tickets, even, FACTORS,
               out.row, out.amount_fen)  # fmt: skip
    _name(
        out.bits, out.row, plan.catalogue.traits.circle, plan.pool, partition, component.members, out.member
    )
    if component.targets_fen is not None:
        _meet(int(component.targets_fen[block, partition]), out.amount_fen)


def _without_outages(plan: Plan, arrivals: Arrivals) -> Arrivals:
    for outage in plan.scenario.outages:
        first_ms = clock_seconds(outage.at) * 1000
        inside = (arrivals.time_ms >= first_ms) & (arrivals.time_ms < first_ms + outage.duration_s * 1000)
        dark = inside & (channels(plan, arrivals) == CHANNELS.index(outage.channel))
        arrivals = chosen(arrivals, ~dark)
    return arrivals


def chosen(arrivals: Arrivals, which: slice | npt.NDArray[np.bool_] | I32) -> Arrivals:
    """Some of the orders: views for a slice, copies for a mask or for places, in their order."""
    a = arrivals
    return Arrivals(a.time_ms[which], a.row[which], a.amount_fen[which], a.member[which], a.bits[which])


def channels(plan: Plan, arrivals: Arrivals) -> U8:
    """Index into ``CHANNELS`` of each order."""
    return _channels(CHANNEL_TABLE, plan.catalogue.traits.meals, arrivals.row, arrivals.bits)


@allocating
def _channels(table: U8, meals: U8, row: I32, bits: U64) -> U8:
    channel = np.empty(len(row), np.uint8)
    for index in range(len(row)):
        channel[index] = channel_of(table, meals[row[index]], bits[index])
    return channel


def make_slots(plan: Plan, odds: Odds, block: int, time_ms: I64, bits: U64) -> Slots:
    """What is sent for these orders or clicks, faults and all, in the order of sending."""
    start_ms = block * plan.block_seconds * 1000
    capacity = SLOTS_AN_ORDER * len(bits)
    out = Slots(
        np.empty(capacity, np.int64), np.empty(capacity, np.int64), np.empty(capacity, np.int32),
        np.empty(capacity, np.uint8),
    )  # fmt: skip
    end_ms = start_ms + plan.block_seconds * 1000
    count = _slots(time_ms, bits, odds.thresholds, start_ms, end_ms, *out)
    # Times are unique keys together with the slot's number, so any sorting algorithm gives one order.
    keys = (out.send_ms[:count] << 24) | np.arange(count)
    keys.sort()
    order = keys & ((1 << 24) - 1)
    return Slots(keys >> 24, *(column[order] for column in out[1:]))


@compiled
def _arrive(
    key: np.uint64, marks: I64, start_ms: int, even: bool, time_ms: I64, member: I64, bits: U64
) -> None:
    """Times by the curve: independent of each other, or ``even``: one in each of n equal parts.

    ``member`` gets 32 random bits, which ``_name`` makes a person of.
    """
    count = len(time_ms)
    total = marks[-1]
    for index in range(count):
        drawn = draw(key, index)
        bits[index] = mix(drawn)
        member[index] = below(draw(key, index + (1 << 40)), CHANCE_ONE)
        mark = below(drawn, total)
        if even:
            mark = (index * total + mark) // count
        second = np.searchsorted(marks, mark, side="right") - 1
        width = marks[second + 1] - marks[second]
        time_ms[index] = start_ms + second * 1000 + (mark - marks[second]) * 1000 // width


@compiled
def _attribute(
    bits: U64, rows: I32, thresholds: U32, aliases: I32, tickets: I64, even: bool, factors: I64,
    row: I32, amount_fen: I64,
) -> None:  # fmt: skip
    """Merchant by popularity, amount by the merchant's ticket."""
    for index in range(len(bits)):
        drawn = mix(bits[index] + np.uint64(1))
        column = below(drawn, len(rows))
        if np.uint32(mix(drawn)) > thresholds[column]:
            column = aliases[column]
        row[index] = rows[column]
        noise = mix(bits[index] + np.uint64(2))
        factor = 600 + below(noise, 801) if even else factors[below(noise, 1024)]
        amount_fen[index] = max(1, tickets[rows[column]] * factor // 1000)


@compiled
def _name(bits: U64, row: I32, circle: I64, pool: Pool, partition: int, bots: int, member: I64) -> None:
    """Whose orders they are. ``bots``: the few members whose orders these are, 0 for everybody's."""
    for index in range(len(bits)):
        drawn = np.uint64(member[index]) << np.uint64(32)
        if bots > 0:
            member[index] = below(drawn, bots)
        else:
            other = stranger(drawn, pool.people, pool.partitions, partition)
            member[index] = buyer(bits[index], row[index], circle[row[index]], pool, partition, other)


@compiled
def _meet(target_fen: int, amount_fen: I64) -> None:
    """Scale amounts so that they sum to the target; the last order takes what rounding leaves."""
    total = amount_fen.sum()
    left = target_fen
    for index in range(len(amount_fen) - 1):
        amount_fen[index] = amount_fen[index] * target_fen // total
        left -= amount_fen[index]
    amount_fen[-1] = left


@compiled
def _slots(
    time_ms: I64, bits: U64, odds: I64, start_ms: int, end_ms: int,
    send_ms: I64, event_ms: I64, source: I32, code: U8,
) -> int:  # fmt: skip
    """Everything that is sent about these orders; returns how many slots were filled."""
    count = 0
    for index in range(len(time_ms)):
        time = time_ms[index]
        luck = mix(bits[index] + np.uint64(3))
        spread = mix(bits[index] + np.uint64(4))
        send = time
        # Nothing is held back at the end of a block: it would arrive there in a crowd.
        if _hit(luck, odds[8]) and time < end_ms - JITTER_MS:
            send = time + below(spread, JITTER_MS)
        count = _put(count, send, time, index, PAID, send_ms, event_ms, source, code)
        luck = mix(luck)
        if _hit(luck, odds[0]):
            again = min(send + 1 + below(mix(spread), min(COPY_WITHIN_MS, end_ms - 1 - send)), end_ms - 1)
            count = _put(count, again, time, index, PAID + COPY, send_ms, event_ms, source, code)
        luck = mix(luck)
        if _hit(luck, odds[1]):
            made = time - below(spread, min(CREATED_BEFORE_MS, time - start_ms + 1))
            count = _put(count, made, made, index, CREATED, send_ms, event_ms, source, code)
        luck = mix(luck)
        if _hit(luck, odds[2] + odds[3]):
            back = time + below(spread, min(REFUND_WITHIN_MS, end_ms - time))
            kind = REFUNDED if _hit(luck, odds[2]) else CANCELLED
            count = _put(count, back, back, index, kind, send_ms, event_ms, source, code)
        luck = mix(luck)
        if _hit(luck, odds[4] + odds[5] + odds[6] + odds[7]):
            count = _put_bad(count, luck, spread, odds, time, index, send_ms, event_ms, source, code)
    return count


@compiled
def _hit(bits: np.uint64, threshold: int) -> bool:
    return below(bits, CHANCE_ONE) < threshold


@compiled
def _put(
    count: int, send: int, event: int, index: int, kind: int,
    send_ms: I64, event_ms: I64, source: I32, code: U8,
) -> int:  # fmt: skip
    send_ms[count] = send
    event_ms[count] = event
    source[count] = index
    code[count] = kind
    return count + 1


@compiled
def _put_bad(
    count: int, luck: np.uint64, spread: np.uint64, odds: I64, time: int, index: int,
    send_ms: I64, event_ms: I64, source: I32, code: U8,
) -> int:  # fmt: skip
    """One event that cannot be used, beside a good one."""
    kind, event = FUTURE, time + AHEAD_BY_MS + below(spread, AHEAD_SPREAD_MS)
    if _hit(luck, odds[4]):
        if time < LATE_FROM_MS:
            return count
        kind, event = LATE, time - LATE_BY_MS - below(spread, LATE_SPREAD_MS)
    elif not _hit(luck, odds[4] + odds[5]):
        event = time
        if _hit(luck, odds[4] + odds[5] + odds[6]):
            kind = MALFORMED + below(spread, MALFORMED_KINDS)
        else:
            kind = INVALID + below(spread, INVALID_KINDS)
    return _put(count, time, event, index, kind, send_ms, event_ms, source, code)
