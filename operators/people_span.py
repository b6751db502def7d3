"""Times as tables of persons hold them, and where the windows of distinct people begin."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np

from operators.batches import I64
from operators.people_tables import MOST_TIME
from schemas.windows import DISTINCT_WINDOWS, FINEST_BUCKET_MS, HOUR_MS, MINUTE_MS, SLIDING

_CELL_BITS: Final = 22
_SHORT_CELL_BITS: Final = 14
CELL: Final = 1 << _CELL_BITS
BUCKETS_AN_HOUR: Final = HOUR_MS // FINEST_BUCKET_MS
BUCKETS_A_MINUTE: Final = MINUTE_MS // FINEST_BUCKET_MS
_SLIDING: Final = tuple(w for w in SLIDING if w.name in DISTINCT_WINDOWS)
NEVER: Final = 1 << 60


@dataclass(frozen=True, slots=True)
class Era:
    """What times are counted from. Both bases follow from the newest event alone.

    ``base``: that of 24-bit times; there is room for 480 days before the newest event, older times count as
    that old. ``short_base``: that of 16-bit stamps, 22 hours before the newest event at the least.
    """

    base: int
    short_base: int

    @staticmethod
    def of(newest_ms: int) -> Era:
        """The era in which the newest event stands."""
        bucket = newest_ms // FINEST_BUCKET_MS
        return Era(
            ((bucket >> _CELL_BITS) - 2) << _CELL_BITS,
            ((bucket >> _SHORT_CELL_BITS) - 2) << _SHORT_CELL_BITS,
        )

    def times(self, buckets: I64) -> I64:
        """Finest buckets as 24-bit times, 1 upwards."""
        # As np.clip does, which takes ten times as long for the few entries that most arrays here have.
        return np.minimum(np.maximum(buckets - self.base, 1), MOST_TIME)

    @property
    def short_offset(self) -> int:
        """What to take from a 24-bit time to make it a stamp."""
        return self.short_base - self.base


@dataclass(frozen=True, slots=True, eq=False)
class Span:
    """Where windows begin, in finest buckets. ``zones``: by number of the time zone.

    One is equal to itself alone, so that ``Bounds.of`` can remember what it told of it.

    The first three by the newest event: what is in a window. ``kept_hour`` and ``kept_day`` by the closed
    minutes, so never later: what nobody will ask for any more is older. They move with closed minutes alone,
    so that a shard that is told its deltas again forgets at the same moments.
    """

    sliding: tuple[int, ...]  # 5m, 1h
    day: I64  # zones
    sale: int  # NEVER without a sale
    kept_hour: int
    kept_day: I64  # zones

    @staticmethod
    def of(
        newest_ms: int, day_ms: I64, sale_bucket: int, closed_minutes: int | None, closed_day_ms: I64
    ) -> Span:
        """``closed_minutes``: the first minute that is not closed, None before there is one."""
        starts = tuple(
            (newest_ms // w.bucket_ms - w.buckets + 1) * (w.bucket_ms // FINEST_BUCKET_MS) for w in _SLIDING
        )
        kept_day = np.zeros(len(day_ms), np.int64)
        known = min(len(closed_day_ms), len(kept_day))
        if closed_minutes is not None:
            kept_day[:known] = closed_day_ms[:known] // FINEST_BUCKET_MS
        kept_hour = 0 if closed_minutes is None else closed_minutes * BUCKETS_A_MINUTE - BUCKETS_AN_HOUR
        return Span(starts, day_ms // FINEST_BUCKET_MS, sale_bucket, kept_hour, kept_day)

    @property
    def kept_all(self) -> I64:
        """By zone: what is older stands in no window of any kind."""
        return np.minimum(np.minimum(self.kept_day, self.kept_hour), self.sale)


@dataclass(frozen=True, slots=True)
class Bounds:
    """A span in 24-bit times."""

    sliding: I64
    day: I64  # zones
    sale: int
    kept_all: I64  # zones
    kept_hour: int
    kept_day: I64  # zones

    @staticmethod
    @lru_cache(maxsize=64)
    def of(span: Span, era: Era) -> Bounds:
        """Most batches find the span of the one before, so it is not worked out again."""
        return Bounds(
            era.times(np.array(span.sliding)),
            era.times(span.day),
            int(era.times(np.array([span.sale]))[0]) if span.sale != NEVER else MOST_TIME + 1,
            era.times(span.kept_all),
            max(span.kept_hour - era.base, 0),
            era.times(span.kept_day),
        )
