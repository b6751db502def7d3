"""Everything the oracle says, counted once more from the bytes that are sent: event by event, in sets."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from loadgen.plan import Plan
from schemas.events import (
    FUTURE_TOLERANCE_MS,
    PLATFORM_SOURCES,
    PRIVATE_SOURCES,
    Click,
    Order,
    overlong,
)
from tests.loadgen.days import CLICKS, ORDERS, Sent, all_sent

MINUTE_MS = 60_000


@dataclass(slots=True)
class Counts:
    """Of one merchant, or one row of a roll-up, in one window."""

    sums: Counter[str] = field(default_factory=Counter)
    visitors: set[str] = field(default_factory=set)
    buyers: set[str] = field(default_factory=set)
    returning: set[str] = field(default_factory=set)
    said_again: set[str] = field(default_factory=set)
    """Of those, whose order says so: all that a roll-up knows of."""
    bought: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class SlowAnswers:
    """``of[subject][window]``; subjects are merchants and ``"channel:koubei"`` and the like."""

    of: dict[str, dict[str, Counts]]
    reasons: Counter[str]
    duplicates: Counter[str]
    repeated_joins: int
    hundredth_ms: dict[str, int]


def recompute(plan: Plan, windows: dict[str, tuple[int, int]]) -> SlowAnswers:
    """Read a whole plan's bytes. ``windows``: start and end of each."""
    of: dict[str, dict[str, Counts]] = defaultdict(lambda: {w: Counts() for w in windows})
    reasons: Counter[str] = Counter()
    duplicates: Counter[str] = Counter()
    joined: dict[tuple[str, str], int] = {}
    joins_of: dict[str, list[int]] = defaultdict(list)
    repeated = 0
    known = {b.merchant_id: frozenset(b.known_members or ()) for b in plan.catalogue.baselines}
    for topic, lane, kind in (("orders", ORDERS, Order), ("clicks", CLICKS, Click)):
        seen: set[tuple[str, ...]] = set()
        for one in all_sent(plan, lane=lane):
            event = _event(one, kind, plan.scenario.start_ms, reasons)
            if event is None:
                continue
            name = (event.order_id, event.status) if isinstance(event, Order) else (event.event_id,)
            if name in seen:
                duplicates[topic] += 1
                continue
            seen.add(name)
            again = False
            if isinstance(event, Click) and event.action == "join":
                again = (event.merchant_id, event.visitor_id) in joined
                repeated += again
                if not again:
                    joined[event.merchant_id, event.visitor_id] = event.event_time_ms
                    joins_of[event.merchant_id].append(event.event_time_ms)
            for subject in _subjects(event):
                for window, (start_ms, _) in windows.items():
                    if event.event_time_ms >= start_ms:
                        _add(of[subject][window], event, again, known)
    hundredth = {m: sorted(times)[99] for m, times in joins_of.items() if len(times) >= 100}
    return SlowAnswers(dict(of), reasons, duplicates, repeated, hundredth)


def _event(
    one: Sent, kind: type[Order | Click], start_ms: int, reasons: Counter[str]
) -> Order | Click | None:
    """The event if it counts; else why not is counted."""
    try:
        event = msgspec.json.decode(one.line, type=kind)
    except msgspec.ValidationError:
        reasons["invalid"] += 1
        return None
    except msgspec.DecodeError:
        reasons["malformed"] += 1
        return None
    person = event.member_id if isinstance(event, Order) else event.visitor_id
    if overlong(event.order_id if isinstance(event, Order) else event.event_id, person, event.merchant_id):
        reasons["invalid"] += 1
    elif event.event_time_ms > one.timestamp_ms + FUTURE_TOLERANCE_MS:
        reasons["future"] += 1
    elif event.event_time_ms < start_ms:
        reasons["late"] += 1
    else:
        return event
    return None


def _subjects(event: Order | Click) -> list[str]:
    return [
        event.merchant_id,
        "total:all",
        f"channel:{event.channel}",
        f"category:{event.category}",
        f"city_tier:{event.city_tier}",
        f"channel_tier:{event.channel}|{event.city_tier}",
    ]


def _add(counts: Counts, event: Order | Click, again: bool, known: Mapping[str, frozenset[str]]) -> None:
    sums = counts.sums
    if isinstance(event, Order):
        if event.status == "paid":
            sums.update(orders=1, units=event.quantity, gmv=event.amount_fen)
            counts.buyers.add(event.member_id)
            counts.bought[event.member_id] += 1
            if event.first_order is False:
                counts.said_again.add(event.member_id)
            if event.first_order is False or event.member_id in known.get(event.merchant_id, ()):
                counts.returning.add(event.member_id)
        elif event.status in ("refunded", "cancelled"):
            sums["refunds"] += event.amount_fen
        return
    counts.visitors.add(event.visitor_id)
    if event.action == "join":
        sums["new_members"] += not again
    else:
        sums[{"view": "views", "cart": "carts", "favorite": "favorites"}[event.action]] += 1
    if event.action == "view":
        sums["private_views"] += event.source in PRIVATE_SOURCES
        sums["platform_views"] += event.source in PLATFORM_SOURCES
