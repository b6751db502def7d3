"""Where results stand in Redis: every key and field, named once.

Values are absolute: writing one twice changes nothing. ``LAYOUT_VERSION`` stands in ``{prefix}meta``.
"""

from __future__ import annotations

from typing import Final

LAYOUT_VERSION: Final = 1
DEFAULT_PREFIX: Final = "warroom:"

NAME: Final = "name"
EVENT_TIME: Final = "event_time"
UPDATED_AT: Final = "updated_at"
PEAK: Final = "peak_sales_multiple:1h"
PEAK_AT: Final = "peak_sales_multiple_at:1h"
"""The exclusive end, in ms, of the closed hour with the greatest gmv."""
PEAK_SAME_PERIOD: Final = "same_period_multiple_at_peak:1h"
"""That hour's gmv over what the baseline sold in the same hour of its day."""
BASELINE_GMV: Final = "baseline_gmv"
"""The baseline's daily gmv in fen."""
BASELINE_ORDERS: Final = "baseline_orders"
BASELINE_NEW_MEMBERS: Final = "baseline_new_members"
BASELINE_HUNDRED_HOURS: Final = "baseline_hours_to_100_new_members"
"""100 over the baseline's daily new members, in hours."""
HUNDRED_HOURS: Final = "hours_to_100_new_members"
"""From the start of the merchant's day to the end of the closed minute in which its 100th member came."""
HUNDRED_HOURS_SALE: Final = "hours_to_100_new_members:sale"
"""The same from the opening of the sale."""
CHANNELS_DAY: Final = "channels:day"
CATEGORIES_DAY: Final = "categories:day"
"""JSON arrays of [value, orders, gmv in fen, share of the day's gmv or null], the greatest gmv first."""
LOW_STOCK: Final = "low_stock"
"""JSON array of [item, stock left, units a minute of the last 5, sold out at (ms)], the soonest first."""
SOLD_OUT_AT: Final = "sold_out_at"
"""When the first of the merchant's items will be gone at its present speed, in ms."""
MULTIPLE_DECIMALS: Final = 6
"""Multiples are written as decimal numbers rounded to this many places."""


def field(measure: str, window: str) -> str:
    """``gmv`` and ``1h`` to ``gmv:1h``."""
    return f"{measure}:{window}"


def merchant(prefix: str, merchant_id: str) -> str:
    """Hash: everything about one merchant."""
    return f"{prefix}merchant:{merchant_id}"


def top(prefix: str, metric: str, window: str) -> str:
    """Sorted set: the best merchants by ``metric`` in ``window``; member = merchant id."""
    return f"{prefix}top:{metric}:{window}"


def rollup(prefix: str, dimension: str, value: str) -> str:
    """Hash: measures of a group of merchants, ``total:all`` for everything."""
    return f"{prefix}rollup:{dimension}:{value}"


def series(prefix: str, subject: str) -> str:
    """Hash: minute start in ms to ``SeriesPoint`` as a JSON array; subject = merchant id or ``total``."""
    return f"{prefix}series:{subject}"


def ordinary(prefix: str, subject: str) -> str:
    """String: JSON array of 24 numbers, the ordinary gmv in fen of each hour of the local clock."""
    return f"{prefix}ordinary:{subject}"


def meta(prefix: str) -> str:
    """Hash: watermark, newest event time, run number, run id, started at, layout version."""
    return f"{prefix}meta"


def shard_progress(prefix: str, shard: int) -> str:
    """Hash: ``topic/partition`` to the next offset whose events may show in this shard's merchants."""
    return f"{prefix}progress:{shard:02d}"


def rollup_progress(prefix: str) -> str:
    """Hash: ``topic/partition`` to the next offset whose events may show in the roll-ups."""
    return f"{prefix}progress:rollups"


def alerts(prefix: str) -> str:
    """Stream, capped: every alert once."""
    return f"{prefix}alerts"


def alert_ids(prefix: str) -> str:
    """Sorted set: ids of alerts that stand or stood in the stream, by the end of their bucket in ms."""
    return f"{prefix}alerts:ids"


def active_alerts(prefix: str) -> str:
    """Hash: alert id to the alert as JSON, while it holds."""
    return f"{prefix}alerts:active"


SERIES_FIELDS: Final = (
    *("orders", "gmv", "gmv:1h", "gmv:day", "gmv:sale", "orders:day", "orders:sale"),
    *("new_members", "new_members:day", "views"),
)
"""A series point: measures without a window are the closed minute's own, the others are sums of closed
buckets up to its end. Readers of an older point find it shorter; new fields come at the end."""
