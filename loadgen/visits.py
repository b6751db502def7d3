"""Visits: what people do in the click stream before they order, and when they do not.

Each paid order brings its buyer's own visit with it, or none, and some visits of people who do not buy
then: so clicks follow the day's curves, spikes and outages as orders do. No visit leaves its block.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from loadgen.cells import JITTER_MS, Arrivals
from loadgen.channels import (
    CART,
    CHANNEL_TABLE,
    FAVORITE,
    JOIN,
    PLATFORM_SOURCES,
    PRIVATE_SOURCES,
    UNNAMED_SOURCE,
    VIEW,
    channel_of,
)
from loadgen.draws import CHANCE_ONE, I32, I64, U8, U64, below, chance, compiled, draw, mix, stream_key
from loadgen.people import Pool, Traits, stranger
from loadgen.plan import Plan
from loadgen.scenario import MOST_VIEWS, Clicks

VISIT_MS: Final = 10 * 60_000
MOST_STEPS: Final = 8
"""Of a visit: four views, a favourite, a cart, a join and that join again."""
STRAY_SHARE: Final = CHANCE_ONE // 32
"""Visits without an order that fall on any merchant, however little it sells."""
UNNAMED_SHARE: Final = CHANCE_ONE // 200
JOIN_STREAM: Final = 103
PEOPLE_STEP: Final = 7919


class ClickArrivals(NamedTuple):
    """Clicks of a cell, visit after visit. ``n`` of them."""

    time_ms: I64  # since the scenario's start
    row: I32
    person: I64
    bits: U64  # what every further draw about this click comes from
    action: U8
    source: U8
    channel: U8


class Chances(NamedTuple):
    """The scenario's rates as thresholds for 32 random bits; pairs: of a visit without and with an order."""

    browsed: int
    looks: int  # thousandths of a visit without an order, for each order
    more: int  # for each of the three views after the first
    favorite: tuple[int, int]
    cart: tuple[int, int]
    join: tuple[int, int]
    again: int  # of a join, that it comes again
    unsourced: int


def chances_of(clicks: Clicks) -> Chances:
    """From the scenario's file."""
    favorite, cart, join = (
        (chance(looking), chance(buying))
        for buying, looking in map(clicks.chances, (clicks.favorite_rate, clicks.cart_rate, clicks.join_rate))
    )
    return Chances(
        browsed=chance(clicks.browsed),
        looks=round(clicks.looks_per_order * 1000),
        more=chance((clicks.views_per_visit - 1) / (MOST_VIEWS - 1)),
        favorite=favorite,
        cart=cart,
        join=join,
        again=chance(clicks.faults.repeated_join),
        unsourced=chance(clicks.unsourced),
    )


def make_clicks(plan: Plan, block: int, partition: int, arrivals: Arrivals) -> ClickArrivals:
    """The clicks that come with the orders of a cell, and of those who join as planned."""
    clicks = plan.scenario.clicks
    assert clicks is not None
    chances = chances_of(clicks)
    traits, pool = plan.catalogue.traits, plan.pool
    start_ms = block * plan.block_seconds * 1000
    span = (start_ms, start_ms + plan.block_seconds * 1000)
    most = 2 + (chances.looks * int(traits.appeal.max(initial=1000)) // 1000 + 999) // 1000
    planned = sum(int(joins.counts[block].sum()) for joins in plan.joins)
    out = _empty(MOST_STEPS * (most * len(arrivals.row) + planned))
    bots = plan.scenario.bots.members if plan.scenario.bots else 0
    ordinary = 0 if plan.by_merchant else plan.scenario.popularity.merchants
    strays = (len(plan.scenario.featured), ordinary)
    count = _visits(arrivals, chances, traits, CHANNEL_TABLE, pool, partition, bots, strays, span, out)
    for joins in plan.joins:
        cells = [(partition, False), ((partition - 1) % plan.partitions, True)]
        for cell, elsewhere in cells[:1] if plan.by_merchant else cells:
            key = stream_key(plan.scenario.seed, JOIN_STREAM, joins.row, block, cell, plan.partitions)
            people, before = int(joins.counts[block, cell]), int(joins.before[block, cell])
            count = _joins(
                key, joins.row, people, before, cell, elsewhere, chances, traits, CHANNEL_TABLE, pool, span,
                out, count,
            )  # fmt: skip
    return chosen(out, slice(0, count))


def chosen(clicks: ClickArrivals, which: slice | npt.NDArray[np.bool_] | I32) -> ClickArrivals:
    """Some of the clicks: views for a slice, copies for a mask or for places, in their order."""
    c = clicks
    return ClickArrivals(
        c.time_ms[which], c.row[which], c.person[which], c.bits[which], c.action[which], c.source[which],
        c.channel[which],
    )  # fmt: skip


def joined(parts: list[ClickArrivals]) -> ClickArrivals:
    """Several cells' clicks one after the other."""
    if len(parts) == 1:
        return parts[0]
    return ClickArrivals(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _empty(capacity: int) -> ClickArrivals:
    return ClickArrivals(
        np.empty(capacity, np.int64), np.empty(capacity, np.int32), np.empty(capacity, np.int64),
        np.empty(capacity, np.uint64), np.empty(capacity, np.uint8), np.empty(capacity, np.uint8),
        np.empty(capacity, np.uint8),
    )  # fmt: skip


@compiled
def _visits(
    arrivals: Arrivals, chances: Chances, traits: Traits, table: U8, pool: Pool, partition: int, bots: int,
    strays: tuple[int, int], span: tuple[int, int], out: ClickArrivals,
) -> int:  # fmt: skip
    """All visits that come with orders; returns how many clicks they are."""
    count = 0
    for index in range(len(arrivals.row)):
        if arrivals.member[index] < bots:
            continue
        time = arrivals.time_ms[index]
        bits = mix(arrivals.bits[index] + np.uint64(8))
        longest = min(VISIT_MS, time - span[0])
        row = arrivals.row[index]
        if _hit(bits, chances.browsed):
            length = below(mix(bits + np.uint64(1)), longest + 1)
            channel = channel_of(table, traits.meals[row], arrivals.bits[index])
            count = _visit(
                row, arrivals.member[index], channel, mix(bits + np.uint64(2)), time - length, length, 1,
                chances, traits, out, count,
            )  # fmt: skip
        looks = (chances.looks * traits.appeal[row] // 1000 + below(mix(bits + np.uint64(3)), 1000)) // 1000
        for look in range(looks):
            drawn = draw(bits, look + 1)
            at = row
            if strays[1] > 0 and _hit(drawn, STRAY_SHARE):
                at = np.int32(strays[0] + below(mix(drawn + np.uint64(1)), strays[1]))
            # A stranger's visit goes round the block's ends: held back at them, it would crowd its middle.
            around = time - span[0] - below(mix(drawn + np.uint64(2)), VISIT_MS)
            first = span[0] + around % (span[1] - span[0])
            length = below(mix(drawn + np.uint64(3)), min(VISIT_MS, span[1] - first))
            person = stranger(mix(drawn + np.uint64(4)), pool.people, pool.partitions, partition)
            channel = channel_of(table, traits.meals[at], drawn)
            count = _visit(
                at, person, channel, mix(drawn + np.uint64(5)), first, length, 0, chances, traits, out, count
            )
    return count


@compiled
def _joins(
    key: np.uint64, row: int, people: int, before: int, partition: int, elsewhere: bool, chances: Chances,
    traits: Traits, table: U8, pool: Pool, span: tuple[int, int], out: ClickArrivals, count: int,
) -> int:  # fmt: skip
    """Visits that end in a planned join, each of somebody else.

    ``elsewhere``: of the same visits, a share of the joins again and nothing else, at the same time: what a
    producer that sends to another partition would make of them.
    """
    step = PEOPLE_STEP if pool.people % PEOPLE_STEP else 1
    offset = below(mix(np.uint64(row) + np.uint64(JOIN_STREAM)), pool.people)
    for number in range(people):
        bits = draw(key, number)
        person = (offset + (before + number) * step) % pool.people * pool.partitions + partition
        first = span[0] + below(bits, span[1] - span[0])
        length = below(mix(bits + np.uint64(1)), min(VISIT_MS, span[1] - first))
        channel = channel_of(table, traits.meals[row], mix(bits + np.uint64(2)))
        end = _visit(row, person, channel, bits, first, length, 2, chances, traits, out, count)
        if elsewhere:
            end = _only_join(bits, chances.again, out, count, end)
        count = end
    return count


@compiled
def _only_join(bits: np.uint64, again: int, out: ClickArrivals, first: int, last: int) -> int:
    """Of a visit in ``out`` leave only its join, as another event, with the chance ``again``."""
    if not _hit(mix(bits + np.uint64(9)), again):
        return first
    at = first
    while out.action[at] != JOIN:
        at += 1
    out.time_ms[first] = out.time_ms[at]
    out.bits[first] = mix(out.bits[at] + np.uint64(1))
    out.action[first] = JOIN
    return first + 1


@compiled
def _visit(
    row: int, person: int, channel: int, bits: np.uint64, first_ms: int, length_ms: int, kind: int,
    chances: Chances, traits: Traits, out: ClickArrivals, count: int,
) -> int:  # fmt: skip
    """One visit, its steps evenly over its length. ``kind``: 1 with an order, 2 with a planned join."""
    views = 1
    for extra in range(1, MOST_VIEWS):
        views += int(np.int64(_hit(mix(bits + np.uint64(extra)), chances.more)))
    with_order = 1 if kind > 0 else 0
    favorite = np.int64(_hit(mix(bits + np.uint64(11)), chances.favorite[with_order]))
    cart = np.int64(_hit(mix(bits + np.uint64(12)), chances.cart[with_order]))
    luck = mix(bits + np.uint64(13))
    by_chance = traits.planned[row] == 0 and _hit(luck, chances.join[with_order])
    join = np.int64(kind == 2 or by_chance)
    steps = views + favorite + cart + join
    # The second join must not overtake the first where that is delayed.
    again = np.int64(join == 1 and length_ms // (steps + 1) > JITTER_MS and _hit(mix(luck), chances.again))
    steps += again
    source = _source(mix(bits + np.uint64(14)), traits.private[row], chances.unsourced)
    for step in range(steps):
        out.time_ms[count] = first_ms + length_ms * step // steps
        out.row[count] = row
        out.person[count] = person
        out.bits[count] = draw(bits, step + 20)
        if step < views:
            out.action[count] = VIEW
        elif step < views + favorite:
            out.action[count] = FAVORITE
        elif step < views + favorite + cart:
            out.action[count] = CART
        else:
            out.action[count] = JOIN
        out.source[count] = source
        out.channel[count] = channel
        count += 1
    return count


@compiled
def _source(bits: np.uint64, private: int, unsourced: int) -> int:
    """Whose traffic a visit is; 0: it does not say."""
    luck = below(bits, CHANCE_ONE)
    if luck < unsourced:
        return 0
    if luck < unsourced + UNNAMED_SHARE:
        return UNNAMED_SOURCE
    drawn = mix(bits)
    eighth = np.int64(drawn & np.uint64(7))
    return int(np.int64(PRIVATE_SOURCES[eighth] if _hit(drawn, private) else PLATFORM_SOURCES[eighth]))


@compiled
def _hit(bits: np.uint64, threshold: int) -> bool:
    return below(bits, CHANCE_ONE) < threshold
