"""The night before the night: what loadgen asked of the war room, and what came back."""

from __future__ import annotations

from dashboards.grafana.definition import Board, Panel, Query, Row, Thresholds
from dashboards.grafana.promql import heat, quantile, rate, select
from dashboards.grafana.shared import ANY_IS_BAD, LAG, LATENCY, PLAIN, firing, who

NO_PROBES = "without --probes nothing is probed"


def rehearsal() -> Board:
    """The whole dashboard."""
    return Board(
        uid="warroom-rehearsal",
        title="Warroom / Rehearsal",
        text="What loadgen sends, whether it keeps to its plan, how long its probes take, and whether "
        "every number is right afterwards.",
        rows=(_load(), _probes(), _engine()),
        variables=who("loadgen_.+", "warroom_build_info"),
        marks=firing(),
    )


def _load() -> Row:
    return Row(
        "The load",
        (
            Panel(
                "curves",
                "Asked and reached",
                "Events a second that the plan asks for, and that the broker has confirmed. Where the "
                "second stays below the first, the load is not what it claims to be.",
                "cps",
                (
                    Query(f"sum by (job) ({select('loadgen_rate_asked')})", "asked"),
                    Query(f"sum by (job) ({select('loadgen_rate_reached')})", "reached"),
                ),
                PLAIN,
                width=12,
            ),
            _stat(
                "On time",
                "Part of the events that left in time; a rehearsal below the threshold proves nothing.",
                "percentunit",
                f"min({select('loadgen_on_time_ratio')})",
                Thresholds(
                    "green from 0.99; yellow from 0.95; below it the load itself was late, not the war room.",
                    ((0.95, "yellow"), (0.99, "green")),
                    base="red",
                ),
                high=1.0,
            ),
            _stat(
                "Waiting to be sent",
                "Messages in the producer's queue.",
                "short",
                f"sum({select('loadgen_queue_messages')})",
                Thresholds(
                    "orange from 100,000, the queue's usual bound: the broker takes less than is sent.",
                    ((100_000.0, "orange"),),
                ),
            ),
            _stat(
                "Errors a second",
                "Messages that the broker did not take.",
                "cps",
                f"sum({rate('loadgen_errors_total')})",
                Thresholds("red above 0: what was not taken is missing from every count.", ((1e-9, "red"),)),
            ),
        ),
    )


def _stat(
    title: str, text: str, unit: str, expr: str, thresholds: Thresholds, high: float = float("inf")
) -> Panel:
    return Panel("stat", title, text, unit, (Query(expr, high=high),), thresholds, width=4)


def _probes() -> Row:
    return Row(
        "Probes: from due to Redis",
        (
            Panel(
                "heatmap",
                "Probe latency",
                "From the moment a probe order was due to its effect in Redis; brighter is more.",
                "s",
                (Query(heat("loadgen_probe_latency_seconds"), "{{le}}", quiet=NO_PROBES),),
                LATENCY,
                width=8,
            ),
            Panel(
                "curves",
                "Probe latency, percentiles",
                "Counted from when the probe was due, not from when it was sent: a load that stalls "
                "cannot hide its own delay.",
                "s",
                tuple(
                    Query(
                        quantile(share, "loadgen_probe_latency_seconds"), f"p{share * 100:g}", quiet=NO_PROBES
                    )
                    for share in (0.5, 0.95, 0.99)
                ),
                LATENCY,
                width=8,
            ),
            Panel(
                "curves",
                "Probes",
                "Probes sent and probes that never showed, a second.",
                "cps",
                (
                    Query(f"sum by (job) ({rate('loadgen_probe_sent_total')})", "sent", quiet=NO_PROBES),
                    Query(f"sum by (job) ({rate('loadgen_probe_lost_total')})", "lost", quiet=NO_PROBES),
                ),
                Thresholds("none for those sent; a lost one is an order that nobody sees.", base="blue"),
                width=4,
            ),
            Panel(
                "stat",
                "Differences from the right answers",
                "Fields in Redis that differ from the oracle's, at the last check.",
                "short",
                (
                    Query(
                        f"sum({select('loadgen_verify_differences')})",
                        quiet="it begins with the first check of the numbers",
                    ),
                ),
                ANY_IS_BAD,
                width=4,
            ),
        ),
    )


def _engine() -> Row:
    return Row(
        "Meanwhile in the war room",
        (
            Panel(
                "curves",
                "Sent and accepted",
                "Events a second that loadgen has sent and that the war room has read.",
                "cps",
                (
                    Query(f"sum({select('loadgen_rate_reached')})", "sent"),
                    Query(f"sum({rate('warroom_events_total')})", "read"),
                ),
                PLAIN,
            ),
            Panel(
                "curves",
                "Unread messages",
                "Messages that the war room has not read yet.",
                "short",
                (Query(f"sum({select('warroom_consumer_lag_messages')})", "unread"),),
                LAG,
            ),
            Panel(
                "curves",
                "Redis behind",
                "How long the oldest merchant with newer values has waited.",
                "s",
                (Query(f"max({select('warroom_redis_backlog_age_seconds')})", "age"),),
                LATENCY,
            ),
        ),
    )
