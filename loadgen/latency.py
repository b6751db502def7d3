"""Latencies counted in log-linear buckets, as HdrHistogram does: exact below 128, then within 1.6 %.

Every wait is counted from the time it was due, so that a stall is seen by all that it held up.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from loadgen.draws import I64, compiled

SUB_BITS: Final = 6
BUCKETS: Final = (64 - SUB_BITS) << SUB_BITS
QUANTILES: Final = (0.5, 0.9, 0.99, 0.999)


@compiled
def latency_bucket(value: int) -> int:
    """Bucket of a value of 0 or more: exact below 128, then 64 buckets a power of two (within 1.6 %)."""
    shift = 0
    while (value >> shift) >= (2 << SUB_BITS):
        shift += 1
    return (shift << SUB_BITS) + (value >> shift)


def bucket_upper(bucket: int) -> int:
    """The greatest value that falls into a bucket."""
    shift = max(0, (bucket >> SUB_BITS) - 1)
    return ((bucket - (shift << SUB_BITS) + 1) << shift) - 1


class Histogram:
    """Counts of waits in microseconds. ``counts`` is (``BUCKETS``,); two histograms add up."""

    def __init__(self, counts: I64 | None = None) -> None:
        self.counts: I64 = np.zeros(BUCKETS, np.int64) if counts is None else counts

    def record(self, microseconds: int) -> None:
        """Count one wait; a negative one counts as 0."""
        self.counts[latency_bucket(max(0, microseconds))] += 1

    def __add__(self, other: Histogram) -> Histogram:
        return Histogram(self.counts + other.counts)

    @property
    def total(self) -> int:
        """How many waits were counted."""
        return int(self.counts.sum())

    def within(self, microseconds: int) -> int:
        """How many waits were at most this long, to the bucket."""
        return int(self.counts[: latency_bucket(microseconds) + 1].sum())

    def quantile_us(self, share: float) -> int:
        """The wait that ``share`` of all did not exceed (upper edge of its bucket); 0 without any."""
        running = np.cumsum(self.counts)
        if running[-1] == 0:
            return 0
        return bucket_upper(int(np.searchsorted(running, share * running[-1])))

    def quantiles_ms(self) -> dict[str, float]:
        """``p50``, ``p90``, ``p99``, ``p99.9`` and ``max`` in milliseconds; empty without any wait."""
        if self.total == 0:
            return {}
        marks = {f"p{100 * share:g}": self.quantile_us(share) / 1000 for share in QUANTILES}
        return {**marks, "max": bucket_upper(int(np.flatnonzero(self.counts)[-1])) / 1000}

    def buckets_ms(self) -> list[tuple[float, int]]:
        """Upper edge in milliseconds and count of every bucket that is not empty, ascending."""
        held = np.flatnonzero(self.counts)
        return [(bucket_upper(int(bucket)) / 1000, int(self.counts[bucket])) for bucket in held]
