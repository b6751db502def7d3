"""The windows, measures and multiples of Warroom: their names and what they mean.

Everything that names a window or a measure (Redis fields, metrics, the oracle of ``loadgen``)
takes the name from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SECOND_MS: Final = 1_000
MINUTE_MS: Final = 60 * SECOND_MS
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS

LATENESS_MS: Final = 5 * SECOND_MS
"""How far behind its partition's newest event an event may come and still be on time."""

FINEST_BUCKET_MS: Final = 5 * SECOND_MS
"""The grid on which events are summed first; every other bucket is made of whole ones of these."""


@dataclass(frozen=True, slots=True)
class SlidingWindow:
    """A window of ``buckets`` buckets of ``bucket_ms``: the current one and those before it."""

    name: str
    bucket_ms: int
    buckets: int

    @property
    def length_ms(self) -> int:
        """The whole window in milliseconds."""
        return self.bucket_ms * self.buckets


SLIDING: Final = (
    SlidingWindow("1m", 5 * SECOND_MS, 12),
    SlidingWindow("5m", 5 * SECOND_MS, 60),
    SlidingWindow("1h", MINUTE_MS, 60),
    SlidingWindow("12h", 10 * MINUTE_MS, 72),
)
DAY: Final = "day"
"""The calendar day of the merchant's own time zone."""
SALE: Final = "sale"
"""Since the sale opened."""

WINDOWS: Final = (*(w.name for w in SLIDING), DAY, SALE)
"""Every window's name, in the order in which arrays hold them."""

MEASURES: Final = ("orders", "units", "gmv", "refunds")
"""Every additive measure's name, in the order in which arrays hold them. Amounts are in fen."""

DISTINCT: Final = ("visitors", "buyers", "repeat_buyers", "returning_buyers")
"""Numbers of different people, exact for small merchants and estimated for large ones."""
DISTINCT_WINDOWS: Final = ("5m", "1h", DAY, SALE)
"""The windows that count people; ``repeat_buyers`` and ``returning_buyers`` only in the last two."""

MULTIPLES: Final = ("sales_multiple", "orders_multiple", "same_period_multiple")
"""Every multiple's name, in the order in which arrays hold them."""

DEFAULT_TIMEZONE: Final = "Asia/Shanghai"

ORDERS, UNITS, GMV, REFUNDS = range(len(MEASURES))
"""Where each measure stands on the measures' axis."""
