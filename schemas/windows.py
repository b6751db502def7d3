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

ORDER_MEASURES: Final = ("orders", "units", "gmv", "refunds")
CLICK_MEASURES: Final = ("new_members", "views", "carts", "favorites", "private_views", "platform_views")
MEASURES: Final = (*ORDER_MEASURES, *CLICK_MEASURES)
"""Every additive measure's name, in the order in which arrays hold them. Amounts are in fen."""

ORDERS, UNITS, GMV, REFUNDS = range(len(ORDER_MEASURES))
NEW_MEMBERS, VIEWS, CARTS, FAVORITES, PRIVATE_VIEWS, PLATFORM_VIEWS = range(
    len(ORDER_MEASURES), len(MEASURES)
)
"""Where each measure stands on the measures' axis: those of orders first, then those of clicks."""

DISTINCT: Final = ("visitors", "buyers", "repeat_buyers", "returning_buyers")
"""Numbers of different people, exact for small merchants and estimated for large ones."""
DISTINCT_WINDOWS: Final = ("5m", "1h", DAY, SALE)
"""The windows that count people; ``repeat_buyers`` and ``returning_buyers`` only in the last two."""

MULTIPLES: Final = ("sales_multiple", "orders_multiple", "same_period_multiple", "new_member_multiple")
"""Ratios to the merchant's ordinary day."""
RATES: Final = (
    *("private_traffic_share", "cart_rate", "favorite_rate", "order_rate"),
    *("new_member_rate", "conversion", "repurchase_rate"),
)
"""Ratios within a window. The last three are over people, so they stand only in ``windows_of`` them."""
RATIOS: Final = (*MULTIPLES, *RATES)
"""Every ratio's name, in the order in which arrays hold them. Absent where the divisor is 0 or unknown."""


def windows_of(name: str) -> tuple[str, ...]:
    """The windows in which a measure, a number of people or a ratio is told."""
    if name in ("visitors", "buyers", "new_member_rate", "conversion"):
        return DISTINCT_WINDOWS
    if name in ("repeat_buyers", "returning_buyers", "repurchase_rate"):
        return (DAY, SALE)
    return WINDOWS


DEFAULT_TIMEZONE: Final = "Asia/Shanghai"
