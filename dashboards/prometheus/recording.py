"""Series that dashboards and alerts ask often. Each name says its level, its metric and its window."""

from __future__ import annotations

from typing import Final

from dashboards.prometheus.rule import Group, Recording


def total(measure: str, window: str) -> str:
    """A measure of all merchants together."""
    return f'warroom_total{{measure="{measure}",window="{window}"}}'


def channel(measure: str, window: str) -> str:
    """A measure of every channel that orders name."""
    named = 'dimension="channel",value!~"unknown|other"'
    return f'warroom_rollup{{{named},measure="{measure}",window="{window}"}}'


def _ordinary(window: str) -> str:
    multiple = total("same_period_multiple", window)
    drop = "sum without (measure, window)"
    return f"{drop} ({total('gmv', window)}) / {drop} ({multiple} > 0)"


# Totals and roll-ups may be told by different workers: they meet by job.
RECORDINGS: Final = Group(
    "warroom-recordings",
    (
        Recording(
            "instance:warroom_events:rate1m",
            "sum by (job, instance, topic, outcome) (rate(warroom_events_total[1m]))",
            "Events a second by topic and outcome, for the wall.",
        ),
        Recording(
            "instance:warroom_event_to_redis_seconds_bucket:rate5m",
            "sum by (job, instance, le) (rate(warroom_event_to_redis_seconds_bucket[5m]))",
            "Latency's histogram, for any percentile.",
        ),
        Recording(
            "job:warroom_event_to_redis_seconds:p95_5m",
            "histogram_quantile(0.95, "
            "sum by (job, le) (instance:warroom_event_to_redis_seconds_bucket:rate5m))",
            "Latency that 95 of 100 events stay below.",
        ),
        Recording(
            "instance:warroom_gmv_ordinary:1h",
            _ordinary("1h"),
            "What an ordinary day sells in the hour that is shown, in yuan.",
        ),
        Recording(
            "instance:warroom_gmv_ordinary:day",
            _ordinary("day"),
            "What an ordinary day has sold by this time of day, in yuan.",
        ),
        Recording(
            "job:warroom_consumer_lag_messages:sum",
            "sum by (job) (warroom_consumer_lag_messages)",
            "Unread messages of all partitions, as of now.",
        ),
        Recording(
            "job:warroom_watermark_timestamp_seconds:max",
            "max by (job) (warroom_watermark_timestamp_seconds)",
            "Event time that is complete, whichever worker holds the board, as of now.",
        ),
        Recording(
            "job:warroom_messages:rate2m",
            'sum by (job) (rate(warroom_messages_total{topic!="baselines"}[2m]))',
            "Messages of the event streams a second.",
        ),
        Recording(
            "job:warroom_dead_letters_per_event:ratio5m",
            "sum by (job) (rate(warroom_dead_letters_total[5m])) / "
            "(sum by (job) (rate(warroom_events_total[5m])) > 0)",
            "Part of all events that cannot be used.",
        ),
        Recording(
            "instance:warroom_channel_orders_expected:5m",
            f"sum without (measure, window) ({channel('orders', 'day')}) "
            f"/ on (job) group_left () max by (job) ({total('orders', 'day')}) "
            f"* on (job) group_left () max by (job) ({total('orders', '5m')})",
            "Orders that a channel would have had in five minutes with its share of the day so far.",
        ),
        Recording(
            "instance:warroom_channel_orders_over_expected:5m",
            f"(sum without (measure, window) ({channel('orders', '5m')}) "
            "or 0 * instance:warroom_channel_orders_expected:5m) "
            "/ (instance:warroom_channel_orders_expected:5m > 0)",
            "Orders that a channel had (none told: 0) over those expected; 1 is its usual share.",
        ),
    ),
)
