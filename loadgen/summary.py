"""What a run did, in numbers: for people on one screen, for programs as JSON."""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from loadgen.client import Client
from loadgen.librdkafka import bucket_upper
from loadgen.pacing import Pace
from loadgen.sending import Account
from loadgen.facts import KINDS

QUANTILES = (0.5, 0.9, 0.99, 0.999)


class Summary(Struct, frozen=True):
    """A run's account. ``end_offsets``: ``"orders/0"`` to the offset after the last message sent there.

    ``events``: by kind as made, of what was sent whole. Latencies are milliseconds from due time to the
    broker's acknowledgement.
    """

    scenario: str
    complete: bool
    events: dict[str, int]
    messages: dict[str, int]
    end_offsets: dict[str, int]
    events_sent: int
    messages_sent: int
    messages_failed: int
    messages_unanswered: int
    bytes_sent: int
    baselines: int
    seconds: float
    rate_asked: float | None
    rate_reached: float
    on_time_share: float
    overdue_messages: int
    worst_delay_ms: float
    latency_ms: dict[str, float]
    last_error: str


def summarise(
    scenario: str,
    topics: list[str],
    client: Client,
    account: Account,
    pace: Pace,
    baselines: int,
    complete: bool,
) -> Summary:
    """The account of a run that is over, or was stopped."""
    lanes = [
        (lane, topic, int(p)) for lane, topic in enumerate(topics) for p in np.flatnonzero(client.ends[lane])
    ]
    return Summary(
        scenario=scenario,
        complete=complete,
        events={kind: int(count) for kind, count in zip(KINDS, account.kinds, strict=True)},
        messages={f"{topic}/{p}": int(client.delivered[lane, p]) for lane, topic, p in lanes},
        end_offsets={f"{topic}/{p}": int(client.ends[lane, p]) for lane, topic, p in lanes},
        events_sent=account.events,
        messages_sent=account.messages,
        messages_failed=client.failed,
        messages_unanswered=account.messages - int(client.delivered.sum()) - client.failed,
        bytes_sent=account.bytes,
        baselines=baselines,
        seconds=round(account.seconds, 3),
        rate_asked=pace.rate,
        rate_reached=round(account.events / account.seconds, 1) if account.seconds else 0.0,
        on_time_share=round(account.on_time_share, 6),
        overdue_messages=account.overdue,
        worst_delay_ms=round(account.worst_delay_us / 1000, 3),
        latency_ms=latencies(client),
        last_error=client.last_error,
    )


def latencies(client: Client) -> dict[str, float]:
    """``p50``, ``p90``, ``p99``, ``p99.9`` and ``max`` in milliseconds; empty before the first answer."""
    running = np.cumsum(client.latency)
    if running[-1] == 0:
        return {}
    marks = {f"p{100 * q:g}": int(np.searchsorted(running, q * running[-1])) for q in QUANTILES}
    marks["max"] = int(np.flatnonzero(client.latency)[-1])
    return {name: bucket_upper(bucket) / 1000 for name, bucket in marks.items()}


def sentence(summary: Summary) -> str:
    """The account in one paragraph."""
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in summary.events.items())
    text = (
        f"{summary.scenario}: {summary.events_sent:,} events in {summary.messages_sent:,} messages "
        f"({kinds}), {summary.seconds:.1f} s, {summary.rate_reached:,.0f} events/s, "
        f"{summary.on_time_share:.2%} on time"
    )
    if summary.messages_failed or summary.messages_unanswered:
        text += (
            f"; {summary.messages_failed:,} failed, {summary.messages_unanswered:,} unanswered: "
            f"{summary.last_error or 'stopped'}"
        )
    return text if summary.complete else f"STOPPED EARLY. {text}"
