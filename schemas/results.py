"""Results out: what a reader finds for a merchant, typed."""

from __future__ import annotations

from msgspec import Struct


class MerchantResult(Struct, frozen=True):
    """A merchant's hash in Redis, parsed.

    ``measures``: ``"gmv:1h"`` and the like to integers (amounts in fen). ``multiples``:
    ``"sales_multiple:1h"`` and the like; one without a baseline is absent.
    ``peak_sales_multiple_1h`` is over closed buckets; ``peak_at_ms`` is that window's exclusive end.
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
