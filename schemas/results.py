"""Results out: what a reader finds for a merchant, typed."""

from __future__ import annotations

from msgspec import Struct


class MerchantResult(Struct, frozen=True):
    """A merchant's hash in Redis, parsed.

    ``measures``: ``"gmv:1h"`` and the like to integers (amounts in fen); those of clicks are absent where
    there have been none. ``multiples``: every ratio, ``"sales_multiple:1h"``, ``"cart_rate:day"`` and so on;
    one without a divisor is absent. ``peak_sales_multiple_1h`` is over closed buckets; ``peak_at_ms`` is that
    window's exclusive end. Hours to 100 new members count from the start of the merchant's day, or of the
    sale, to the end of the closed minute in which the 100th came.
    """

    merchant_id: str
    name: str | None
    measures: dict[str, int]
    multiples: dict[str, float]
    peak_sales_multiple_1h: float | None
    peak_at_ms: int | None
    peak_same_period_multiple_1h: float | None
    event_time_ms: int
    updated_at_ms: int
    hours_to_100_new_members: float | None = None
    hours_to_100_new_members_sale: float | None = None
    baseline_new_members: float | None = None
    baseline_hours_to_100_new_members: float | None = None
