"""What a publisher tells about itself, for metrics and readiness."""

from __future__ import annotations

from dataclasses import dataclass, field

from operators.metrics_buckets import BucketCounts

LATENCY_BOUNDS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds (inclusive) of the event-to-Redis latency's buckets; one more is for what is above."""


@dataclass(slots=True)
class PublisherStats:
    """How publishing to Redis stands. Counters start with the process."""

    up: bool = False
    backlog_merchants: int = 0
    """Merchants whose newest values are not in Redis."""
    backlog_age_s: float = 0.0
    """How long the oldest of them has waited."""
    held_shards: int = 0
    """Shards that wait until this run has caught up with what Redis shows."""
    merchants_written: int = 0
    transactions: int = 0
    failures: int = 0
    losses: int = 0
    """How often Redis was found to have lost what was written."""
    latency: BucketCounts = field(default_factory=lambda: BucketCounts(LATENCY_BOUNDS_S))
    """Seconds from a record's Kafka timestamp to its merchant's values standing in Redis."""
