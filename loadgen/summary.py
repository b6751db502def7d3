"""What a run did, in numbers: for people on one screen, for programs as JSON."""

from __future__ import annotations

from msgspec import Struct

from loadgen.facts import KINDS
from loadgen.pacing import Pace
from loadgen.standing import ON_TIME_MS, Standing


class Summary(Struct, frozen=True):
    """A run's account. ``end_offsets``: ``"orders/0"`` to the offset after the last message sent there.

    ``events``: by kind as made, of what was sent whole. ``messages``: acknowledged, by topic and partition.
    ``late_messages`` were acknowledged more than ``standing.ON_TIME_MS`` after they were due, failed, or
    never answered; ``on_time_share`` is the part of all messages that were none of these, None where
    nothing was due at a time (``--max``). ``handed_over_late``: given to the client more than 100 ms late,
    the worst by ``worst_delay_ms``: loadgen itself or a full queue was behind. ``latency_ms`` runs from the
    due time to the broker's acknowledgement.
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
    on_time_share: float | None
    late_messages: int
    handed_over_late: int
    worst_delay_ms: float
    latency_ms: dict[str, float]
    last_error: str
    start_ms: int | None = None
    """The scenario's start as its events' times have it, in milliseconds since the epoch."""
    sale_open_ms: int | None = None
    processes: int = 1


def summarise(scenario: str, standing: Standing, pace: Pace, baselines: int, complete: bool) -> Summary:
    """The account of a run that is over, or was stopped."""
    late = 0 if pace.unpaced else standing.messages - standing.on_time
    return Summary(
        scenario=scenario,
        complete=complete,
        events=dict(zip(KINDS, standing.kinds, strict=True)),
        messages=standing.messages_by,
        end_offsets=standing.ends,
        events_sent=standing.events,
        messages_sent=standing.messages,
        messages_failed=standing.failed,
        messages_unanswered=standing.messages - standing.answered - standing.failed,
        bytes_sent=standing.size_bytes,
        baselines=baselines,
        seconds=round(standing.seconds, 3),
        rate_asked=pace.rate,
        rate_reached=round(standing.events / standing.seconds, 1) if standing.seconds else 0.0,
        on_time_share=None if pace.unpaced else round(1 - late / max(1, standing.messages), 6),
        late_messages=late,
        handed_over_late=0 if pace.unpaced else standing.handed_over_late,
        worst_delay_ms=0.0 if pace.unpaced else round(standing.worst_delay_us / 1000, 3),
        latency_ms=standing.histogram.quantiles_ms(),
        last_error=standing.last_error,
    )


def sentence(summary: Summary) -> str:
    """The account in one paragraph."""
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in summary.events.items())
    told = f" ({kinds})" if any(summary.events.values()) else ""
    text = (
        f"{summary.scenario}: {summary.events_sent:,} events in {summary.messages_sent:,} messages"
        f"{told}, {summary.seconds:.1f} s, {summary.rate_reached:,.0f} events/s"
    )
    if summary.on_time_share is not None:
        text += f", {summary.on_time_share:.2%} on time"
    if summary.late_messages:
        text += f"; {summary.late_messages:,} messages later than {ON_TIME_MS / 1000:g} s"
    if summary.latency_ms:
        waits = ", ".join(f"{name} {ms:,.1f}" for name, ms in summary.latency_ms.items())
        text += f"; due to acknowledged, ms: {waits}"
    if summary.messages_failed or summary.messages_unanswered:
        text += (
            f"; {summary.messages_failed:,} failed, {summary.messages_unanswered:,} unanswered: "
            f"{summary.last_error or 'stopped'}"
        )
    return text if summary.complete else f"STOPPED EARLY. {text}"
