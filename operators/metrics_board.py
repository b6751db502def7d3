"""The board, a shard's figures and the publisher's as Prometheus families: bounded, set as a whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import numpy as np
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from operators.batches import MULTIPLE_BOUNDS, NO_EVENT_MS, BoardRows, ShardSummary
from operators.metrics_buckets import bound_text
from operators.redis_stats import PublisherStats
from schemas.windows import WINDOWS

AMOUNTS = ("gmv", "refunds")
"""Measures in fen; metrics are in base units, so these are told in yuan."""


def gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    """A gauge without labels."""
    return GaugeMetricFamily(name, text, value=value)


def counter(name: str, text: str, value: float) -> CounterMetricFamily:
    """A counter without labels; ``name`` without ``_total``."""
    return CounterMetricFamily(name, text, value=value)


def label(text: str | None) -> str:
    """A label's value: also what is no valid Unicode may not break a scrape."""
    return (text or "").encode("utf-8", "replace").decode()


def board_families(rows: BoardRows, top_n: int, now_s: float) -> Iterator[Metric]:
    """What the board says. ``now_s``: wall clock, for the watermark's delay."""
    yield _tops(rows, top_n)
    yield _totals(rows)
    yield _distribution(rows)
    if rows.watermark_ms != NO_EVENT_MS:
        watermark_s = rows.watermark_ms / 1000
        yield gauge("warroom_watermark_timestamp_seconds", "Event time that is complete.", watermark_s)
        yield gauge("warroom_watermark_delay_seconds", "Wall clock less the watermark.", now_s - watermark_s)
    if rows.newest_ms != NO_EVENT_MS:
        yield gauge(
            "warroom_newest_event_timestamp_seconds", "Greatest event time so far.", rows.newest_ms / 1000
        )


def _tops(rows: BoardRows, top_n: int) -> Metric:
    family = GaugeMetricFamily(
        "warroom_top",
        "The best merchants by metric and window (gmv in yuan); no other merchant has a series.",
        labels=("metric", "window", "merchant", "merchant_name"),
    )
    for (metric, window), best in rows.tops.items():
        scale = 0.01 if metric in AMOUNTS else 1.0
        for merchant_id, name, score in best[:top_n]:
            family.add_metric((metric, window, label(merchant_id), label(name)), score * scale)
    return family


def _totals(rows: BoardRows) -> Metric:
    family = GaugeMetricFamily(
        "warroom_total",
        "Measures and multiples of all merchants together by window; amounts in yuan.",
        labels=("measure", "window"),
    )
    for field, value in rows.rollups.get(("total", "all"), {}).items():
        measure, _, window = field.rpartition(":")
        if window in WINDOWS:
            family.add_metric((measure, window), value * 0.01 if measure in AMOUNTS else value)
    return family


def _distribution(rows: BoardRows) -> Metric:
    family = GaugeMetricFamily(
        "warroom_merchants_by_sales_multiple",
        "Merchants whose 1h sales multiple is at most le, as of now; histogram_quantile takes it as it is.",
        labels=("le",),
    )
    bounds = (*MULTIPLE_BOUNDS, float("inf"))
    for bound, count in zip(bounds, np.cumsum(rows.multiples_histogram).tolist(), strict=True):
        family.add_metric((bound_text(bound),), count)
    return family


def shard_families(summaries: Iterable[ShardSummary]) -> Iterator[Metric]:
    """What the shards of this process hold."""
    shards = list(summaries)
    yield gauge("warroom_merchants", "Merchants known.", sum(s.merchants for s in shards))
    yield gauge(
        "warroom_merchants_without_baseline",
        "Merchants without a usable baseline: they have no multiples.",
        sum(s.without_baseline for s in shards),
    )
    yield _active_alerts(shards)
    yield counter(
        "warroom_alerts_suppressed",
        "Milestones that were not told because too many came in one minute.",
        sum(s.alerts_suppressed for s in shards),
    )
    yield gauge(
        "warroom_joins_remembered", "Joins remembered, so that a repeated one does not count.",
        sum(s.joins for s in shards),
    )  # fmt: skip
    yield gauge("warroom_joins_bytes", "Bytes that these take.", sum(s.joins_bytes for s in shards))
    yield counter(
        "warroom_repeated_joins", "Joins of visitors who had joined before.",
        sum(s.repeated_joins for s in shards),
    )  # fmt: skip
    yield gauge(
        "warroom_people_bytes", "Bytes that visitors and buyers take.", sum(s.people_bytes for s in shards)
    )
    yield counter(
        "warroom_people_thinned",
        "Times that the people of a merchant were halved to a sample for want of memory.",
        sum(s.thinned for s in shards),
    )
    yield counter(
        "warroom_forgotten_joins", "Joins forgotten for want of memory; a repetition would count again.",
        sum(s.forgotten_joins for s in shards),
    )  # fmt: skip
    yield counter("warroom_late_events", "Events older than every kept bucket.", sum(s.late for s in shards))


def _active_alerts(shards: list[ShardSummary]) -> Metric:
    family = GaugeMetricFamily("warroom_alerts_active", "Alerts that hold now.", labels=("rule", "severity"))
    counts: Counter[tuple[str, str]] = Counter()
    for shard in shards:
        counts.update(shard.alerts_active)
    for labels, count in counts.items():
        family.add_metric(labels, count)
    return family


def publisher_families(stats: PublisherStats) -> Iterator[Metric]:
    """How publishing to Redis stands."""
    yield gauge("warroom_redis_up", "1 while Redis takes writes.", float(stats.up))
    yield gauge(
        "warroom_redis_backlog_merchants",
        "Merchants whose newest values are not in Redis.",
        stats.backlog_merchants,
    )
    yield gauge(
        "warroom_redis_backlog_age_seconds", "How long the oldest of them has waited.", stats.backlog_age_s
    )
    yield gauge(
        "warroom_redis_held_shards",
        "Shards that wait until this run has caught up with what Redis shows.",
        stats.held_shards,
    )
    yield counter("warroom_redis_writes", "Merchants written to Redis.", stats.merchants_written)
    yield counter("warroom_redis_transactions", "Transactions that took effect.", stats.transactions)
    yield counter("warroom_redis_failures", "Tries that failed.", stats.failures)
    yield counter("warroom_redis_losses", "Times that Redis had lost what was written.", stats.losses)
    yield stats.latency.family(
        "warroom_event_to_redis_seconds",
        "From an event's Kafka timestamp to its merchant's values in Redis.",
    )
