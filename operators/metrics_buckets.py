"""Histograms that take whole columns at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from prometheus_client.core import HistogramMetricFamily

from operators.batches import F64


def bound_text(bound: float) -> str:
    """A bucket's upper bound as the label ``le``."""
    return "+Inf" if bound == float("inf") else repr(bound)


class BucketCounts:
    """How many observations fell into each bucket. ``bounds``: upper ones, inclusive, ascending, seconds."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = np.array(bounds, np.float64)
        self.counts = np.zeros(len(bounds) + 1, np.int64)
        self.sum = 0.0

    def observe(self, values: F64) -> None:
        """Count every entry; a negative one (clocks that disagree) counts as 0."""
        if not len(values):
            return
        clipped = np.maximum(values, 0.0)
        buckets = np.searchsorted(self.bounds, clipped, side="left")
        self.counts += np.bincount(buckets, minlength=len(self.counts))
        self.sum += float(clipped.sum())

    def copy(self) -> BucketCounts:
        """As it is now."""
        twin = BucketCounts(self.bounds.tolist())
        twin.counts = self.counts.copy()
        twin.sum = self.sum
        return twin

    def cumulative(self) -> list[tuple[str, float]]:
        """Bound as text to how many observations are at or below it, ending with ``+Inf``."""
        names = [bound_text(b) for b in (*self.bounds.tolist(), float("inf"))]
        return list(zip(names, np.cumsum(self.counts).tolist(), strict=True))

    def family(self, name: str, text: str) -> HistogramMetricFamily:
        """As a Prometheus histogram."""
        return HistogramMetricFamily(name, text, buckets=self.cumulative(), sum_value=self.sum)
