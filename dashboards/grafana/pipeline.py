"""Whether our own pipeline keeps up: health, input, latency, bad input."""

from __future__ import annotations

from dashboards.grafana.definition import Board, Panel, Query, Row, Thresholds
from dashboards.grafana.pipeline_inside import processes, recovery, state, to_redis
from dashboards.grafana.promql import grown, heat, quantile, rate, select
from dashboards.grafana.shared import (
    ANY_IS_BAD,
    BACKLOG,
    DELAY,
    LAG,
    LATENCY,
    UP,
    firing,
    one_query_panel,
    who,
)

DEAD = Thresholds(
    "red from 1 a second: a producer sends what nobody can use. The alert goes by the share of all events.",
    ((1.0, "red"),),
)
DUPLICATE = 'outcome="duplicate"'


def pipeline() -> Board:
    """The whole dashboard."""
    return Board(
        uid="warroom-pipeline",
        title="Warroom / Pipeline",
        text="Whether the war room keeps up: input, latency, bad input, state, recovery, Redis, processes.",
        rows=(_health(), _input(), _latency(), _bad_input(), state(), recovery(), to_redis(), processes()),
        variables=who("warroom_build_info"),
        marks=firing(),
    )


def _health() -> Row:
    return Row(
        "Is it well",
        (
            *_reading_well(),
            *_results_well(),
        ),
    )


def _reading_well() -> tuple[Panel, ...]:
    return (
        one_query_panel(
            "stat", "Workers", "Worker processes that answer.", "short", f"sum({select('up')})", "", UP, 3
        ),
        one_query_panel(
            "stat",
            "Restarts",
            "Times that all workers were started again after a failure, in the time shown.",
            "short",
            f"max(round({grown('warroom_restarts_total')}))",
            "",
            ANY_IS_BAD,
            3,
        ),
        one_query_panel(
            "stat",
            "Unread messages",
            "Messages in Kafka that are not read yet.",
            "short",
            f"sum({select('warroom_consumer_lag_messages')})",
            "",
            LAG,
            3,
        ),
        one_query_panel(
            "stat",
            "Watermark delay",
            "Wall clock less the event time that is complete.",
            "s",
            f"max({select('warroom_watermark_delay_seconds')})",
            "",
            DELAY,
            3,
            low=-86_400.0,
        ),
    )


def _results_well() -> tuple[Panel, ...]:
    return (
        one_query_panel(
            "stat",
            "Event to Redis, p95",
            "From an event's Kafka timestamp to Redis, 95th percentile.",
            "s",
            quantile(0.95, "warroom_event_to_redis_seconds"),
            "",
            LATENCY,
            3,
        ),
        one_query_panel(
            "stat",
            "Dead letters",
            "Events that could not be used, in the time shown.",
            "short",
            f"sum(round({grown('warroom_dead_letters_total')}))",
            "",
            Thresholds(
                "orange from 1: look at the reasons below; alerts go by their share.", ((1.0, "orange"),)
            ),
            3,
        ),
        one_query_panel(
            "stat",
            "Redis",
            "1 while Redis takes the writes of every worker.",
            "bool_yes_no",
            f"min({select('warroom_redis_up')})",
            "",
            Thresholds("red at 0: results stand still.", ((1.0, "green"),), base="red"),
            3,
            high=1.0,
        ),
        one_query_panel(
            "stat",
            "Redis backlog",
            "How long the oldest merchant with newer values has waited to be written.",
            "s",
            f"max({select('warroom_redis_backlog_age_seconds')})",
            "",
            BACKLOG,
            3,
        ),
    )


def _input() -> Row:
    return Row(
        "Input",
        (
            *_what_is_read(),
            *_how_far_it_is(),
            one_query_panel(
                "curves",
                "Views by source",
                "Clicks a second by the source that they name; other: none, or one that is not known.",
                "cps",
                f"sum by (source) ({rate('warroom_click_sources_total')})",
                "{{source}}",
                quiet="without a click stream there are no sources",
                stacked=True,
                width=6,
            ),
        ),
    )


def _what_is_read() -> tuple[Panel, ...]:
    return (
        one_query_panel(
            "curves",
            "Events by topic and outcome",
            "Accepted, duplicate and refused events a second. A late event counts as accepted first.",
            "cps",
            f"sum by (topic, outcome) ({rate('warroom_events_total')})",
            "{{topic}} {{outcome}}",
        ),
        one_query_panel(
            "curves",
            "Messages by topic",
            "Kafka messages a second; one may hold several events.",
            "cps",
            f"sum by (topic) ({rate('warroom_messages_total')})",
            "{{topic}}",
        ),
        one_query_panel(
            "curves",
            "Lag by partition",
            "Messages of each partition that are not read yet: one that grows alone is a hot partition.",
            "short",
            f"sum by (topic, partition) ({select('warroom_consumer_lag_messages')})",
            "{{topic}}/{{partition}}",
            LAG,
        ),
    )


def _how_far_it_is() -> tuple[Panel, ...]:
    return (
        Panel(
            "states",
            "Workers over time",
            "Whether each worker answers Prometheus: a gap in the green is a restart or worse.",
            "none",
            (Query(select("up"), "{{instance}}", high=1.0),),
            UP,
            states=((0, "does not answer", "red"), (1, "answers", "green")),
            width=6,
        ),
        one_query_panel(
            "curves",
            "Watermark delay over time",
            "Wall clock less the event time that is complete.",
            "s",
            f"max by (job) ({select('warroom_watermark_delay_seconds')})",
            "{{job}}",
            DELAY,
            low=-86_400.0,
            width=6,
        ),
        one_query_panel(
            "curves",
            "Newest event before the watermark",
            "How far the newest event is ahead of what is complete; partitions apart widen it.",
            "s",
            f"max by (job) ({select('warroom_newest_event_timestamp_seconds')}) - "
            f"max by (job) ({select('warroom_watermark_timestamp_seconds')})",
            "{{job}}",
            DELAY,
            width=6,
        ),
    )


def _latency() -> Row:
    return Row(
        "Latency",
        (
            one_query_panel(
                "heatmap",
                "Event to Redis",
                "How long events took from their Kafka timestamp to Redis; brighter is more.",
                "s",
                heat("warroom_event_to_redis_seconds"),
                "{{le}}",
                LATENCY,
                12,
            ),
            Panel(
                "curves",
                "Event to Redis, percentiles",
                "Half, 95 of 100 and 99 of 100 events were in Redis within this time.",
                "s",
                tuple(
                    Query(quantile(share, "warroom_event_to_redis_seconds"), f"p{share * 100:g}")
                    for share in (0.5, 0.95, 0.99)
                ),
                LATENCY,
                width=12,
            ),
        ),
    )


def _bad_input() -> Row:
    return Row(
        "Bad input",
        (
            one_query_panel(
                "curves",
                "Dead letters by reason",
                "Refused events a second: malformed (no JSON), invalid (a field), future (a clock), late.",
                "cps",
                f"sum by (reason) ({rate('warroom_dead_letters_total')})",
                "{{reason}}",
                DEAD,
            ),
            one_query_panel(
                "curves",
                "Late events",
                "Events a second that were older than every bucket that is kept.",
                "cps",
                f"sum by (job) ({rate('warroom_late_events_total')})",
                "{{job}}",
                DEAD,
            ),
            one_query_panel(
                "curves",
                "Repeated joins",
                "Joins a second of people who were members already; not counted again.",
                "cps",
                f"sum by (job) ({rate('warroom_repeated_joins_total')})",
                "{{job}}",
            ),
            one_query_panel(
                "curves",
                "Duplicates among orders and clicks",
                "Part of all events that were copies of one taken before.",
                "percentunit",
                f"sum by (topic) ({rate('warroom_events_total', DUPLICATE)}) / "
                f"(sum by (topic) ({rate('warroom_events_total')}) > 0)",
                "{{topic}}",
                Thresholds(
                    "orange from 5 %: Kafka producers that retry send 1 to 2 % twice; more is a loop.",
                    ((0.05, "orange"),),
                ),
                high=1.0,
                quiet="while nothing is read there is no share",
                width=12,
            ),
            one_query_panel(
                "curves",
                "Values without a row of their own",
                "Events a second of values past the first 200 of a dimension; they are counted under other.",
                "cps",
                f"sum by (dimension) ({rate('warroom_rollup_other_total')})",
                "{{dimension}}",
                quiet="it begins with the first value too many",
                width=12,
            ),
        ),
    )
