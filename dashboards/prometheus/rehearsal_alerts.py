"""Alerts of a rehearsal: is the load what it claims to be, and are the answers right."""

from __future__ import annotations

from typing import Final

from dashboards.prometheus.rule import Alert, Group

REHEARSAL: Final = Group(
    "warroom-rehearsal",
    (
        Alert(
            "LoadgenDifferences",
            expr="loadgen_verify_differences > 0",
            hold_s=0,
            severity="critical",
            area="rehearsal",
            summary="{{ $value }} fields in Redis differ from the right answers",
            means="The war room counted something else than loadgen sent.",
            do="""
                `loadgen verify` lists them. Keep Redis, the state directory and the oracle's file, and
                report it.
            """,
        ),
        Alert(
            "LoadgenBehind",
            expr="loadgen_on_time_ratio < 0.95",
            hold_s=30,
            severity="warning",
            area="rehearsal",
            summary="Only {{ $value | humanizePercentage }} of the load leaves on time",
            means="""
                The load is not the one that was asked for; latencies under it prove nothing.
            """,
            do="Give loadgen a machine of its own, or ask for less.",
        ),
        Alert(
            "LoadgenProbesLost",
            expr="increase(loadgen_probe_lost_total[5m]) >= 0.5",
            hold_s=0,
            severity="critical",
            area="rehearsal",
            summary="Probe orders did not show in Redis",
            means="""
                An order was sent and confirmed by Kafka, and its merchant's numbers did not change in time.
            """,
            do="""
                Is the war room running, on the same topics and the same Redis? Then look at dead letters
                and backlog.
            """,
        ),
    ),
)
