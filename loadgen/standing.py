"""How far sending is: one process's account, or the sum of several processes' accounts."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from typing import Final

import msgspec
import numpy as np
from msgspec import Struct

from loadgen.client import Client
from loadgen.facts import KINDS
from loadgen.latency import Histogram
from loadgen.sending import Account

ON_TIME_MS: Final = 1000
"""A message that the broker acknowledged at most this long after it was due was sent on time."""


class Standing(Struct, frozen=True):
    """What was sent and answered so far. Two standings of the same run add up.

    ``kinds``: events of each of ``KINDS``, of blocks sent whole. ``messages_by`` and ``ends``: ``"orders/0"``
    to messages acknowledged, and to the offset after the last. ``latency``: counts of ``Histogram``.
    ``rate_asked`` is in events a second, None where it is as fast as it goes.
    """

    events: int = 0
    messages: int = 0
    size_bytes: int = 0
    handed_over_late: int = 0
    worst_delay_us: int = 0
    seconds: float = 0.0
    scenario_ms: int = 0
    rate_asked: float | None = None
    queued: int = 0
    failed: int = 0
    last_error: str = ""
    kinds: list[int] = msgspec.field(default_factory=lambda: [0] * len(KINDS))
    messages_by: dict[str, int] = {}
    ends: dict[str, int] = {}
    latency: bytes = b""

    @property
    def answered(self) -> int:
        """Messages that the broker acknowledged."""
        return sum(self.messages_by.values())

    @property
    def events_answered(self) -> int:
        """Events in acknowledged messages; an estimate while messages of several events are under way."""
        return self.events * self.answered // self.messages if self.messages else 0

    @property
    def histogram(self) -> Histogram:
        """Waits from the due time to the acknowledgement."""
        return Histogram(np.frombuffer(self.latency, np.int64) if self.latency else None)

    @property
    def on_time(self) -> int:
        """Messages acknowledged within ``ON_TIME_MS`` of when they were due."""
        return self.histogram.within(ON_TIME_MS * 1000)

    @property
    def on_time_share(self) -> float:
        """Messages on time, of all that were answered or failed; 1 before the first."""
        settled = self.answered + self.failed
        return self.on_time / settled if settled else 1.0


def standing_of(topics: list[str], client: Client, account: Account) -> Standing:
    """The standing of one process. ``topics`` by lane."""
    lanes = [
        (lane, f"{topic}/{p}", int(p))
        for lane, topic in enumerate(topics)
        for p in np.flatnonzero(client.ends[lane])
    ]
    return Standing(
        events=account.events,
        messages=account.messages,
        size_bytes=account.bytes,
        handed_over_late=account.handed_over_late,
        worst_delay_us=account.worst_delay_us,
        seconds=account.seconds,
        scenario_ms=account.scenario_ms,
        rate_asked=account.rate_asked,
        queued=client.queued,
        failed=client.failed,
        last_error=client.last_error,
        kinds=account.kinds.tolist(),
        messages_by={name: int(client.delivered[lane, p]) for lane, name, p in lanes},
        ends={name: int(client.ends[lane, p]) for lane, name, p in lanes},
        latency=client.latency.tobytes(),
    )


def added(standings: Iterable[Standing]) -> Standing:
    """Several processes' standings as one: counts add up, time is that of the one furthest behind."""
    return reduce(_plus, standings)


def _plus(one: Standing, two: Standing) -> Standing:
    asked = [s.rate_asked for s in (one, two) if s.rate_asked is not None]
    return msgspec.structs.replace(
        one,
        events=one.events + two.events,
        messages=one.messages + two.messages,
        size_bytes=one.size_bytes + two.size_bytes,
        handed_over_late=one.handed_over_late + two.handed_over_late,
        worst_delay_us=max(one.worst_delay_us, two.worst_delay_us),
        seconds=max(one.seconds, two.seconds),
        scenario_ms=min(one.scenario_ms, two.scenario_ms),
        rate_asked=sum(asked) if asked else None,
        queued=one.queued + two.queued,
        failed=one.failed + two.failed,
        last_error=one.last_error or two.last_error,
        kinds=[a + b for a, b in zip(one.kinds, two.kinds, strict=True)],
        messages_by=_sums(one.messages_by, two.messages_by),
        ends={**one.ends, **two.ends},
        latency=(one.histogram + two.histogram).counts.tobytes(),
    )


def _sums(one: dict[str, int], two: dict[str, int]) -> dict[str, int]:
    return {name: one.get(name, 0) + two.get(name, 0) for name in sorted({*one, *two})}
