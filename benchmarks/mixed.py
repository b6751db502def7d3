"""Clicks at ten times the orders: how many events a second, beside a bare loop over the same bytes?"""

from __future__ import annotations

from typing import Final

from benchmarks import clicks
from benchmarks.orders import chunks, produce
from benchmarks.results import Result
from benchmarks.throughput import (
    PARTITIONS,
    Goals,
    Load,
    Place,
    bare_loop,
    figures_of,
    make_topics,
    war_room,
)

CLICKS_PER_ORDER: Final = 10


def mixed(place: Place, load: Load, rounds: int, goals: Goals, workers: int = 2) -> Result:
    """Bare loop and flow in turns over a topic of orders and one of clicks, read together."""
    orders, seen = "orders-mixed", "clicks-mixed"
    make_topics(place.brokers, orders, seen)
    share = 1 / (1 + CLICKS_PER_ORDER)
    events = 0
    for topic, made, part in ((orders, chunks, share), (seen, clicks.chunks, 1 - share)):
        stream = made(
            round(load.events * part), load.merchants, round(load.event_rate * part),
            load.exponent, load.hot_share, load.packed,
        )  # fmt: skip
        events += produce(place.brokers, topic, PARTITIONS, stream)
    bare, flow = [], []
    for number in range(rounds):
        bare.append(bare_loop(place.brokers, f"{orders},{seen}", events))
        flow.append(war_room(place, orders, events, f"bench-mixed-{number}:", workers, seen))
    what = f"{events:,} events, {CLICKS_PER_ORDER} clicks an order, {rounds} rounds."
    return Result("mixed", goals.question, figures_of(bare, flow, goals, "events/s"), what)
