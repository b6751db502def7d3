"""Events in: what producers send to the topics ``orders`` and ``clicks``.

JSON names are the public contract; attribute names carry the unit. Unknown fields are ignored.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct, field

MAX_ID_BYTES: Final = 128
"""An id longer than this, in UTF-8, is refused as ``invalid``."""
MAX_AMOUNT_FEN: Final = 10**13
"""100 billion yuan. Sums are 64 bit: 900,000 events of this size still add up exactly."""
MAX_QUANTITY: Final = 10**9
MAX_EVENT_TIME_MS: Final = 253_402_300_799_999
"""The last millisecond of the year 9999."""
FUTURE_TOLERANCE_MS: Final = 5 * 60 * 1000
"""An event this much ahead of its record's Kafka timestamp is refused as ``future``."""

Id = Annotated[str, Meta(min_length=1, max_length=MAX_ID_BYTES)]
EventTimeMs = Annotated[int, Meta(ge=0, le=MAX_EVENT_TIME_MS)]
Status = Literal["paid", "refunded", "cancelled", "created"]
Action = Literal["view", "cart", "favorite", "join"]

PLATFORM_SOURCES: Final = ("search", "recommend", "campaign")
"""Sources of a view that is the platform's traffic."""
PRIVATE_SOURCES: Final = ("store_page", "qr_code", "member_push", "map", "direct")
"""Sources of a view that is the merchant's own traffic. Any other source, or none, is neither."""


class Order(Struct, frozen=True, gc=False):
    """One change of an order's status, as ``orders`` carries it."""

    order_id: Id
    merchant_id: Id
    member_id: Id
    amount_fen: Annotated[int, Meta(ge=0, le=MAX_AMOUNT_FEN)] = field(name="amount")
    status: Status
    event_time_ms: EventTimeMs = field(name="event_time")
    quantity: Annotated[int, Meta(ge=1, le=MAX_QUANTITY)] = 1
    channel: str | None = None
    category: str | None = None
    city_tier: int | None = None
    item_id: str | None = None
    first_order: bool | None = None
    stock_left: Annotated[int, Meta(ge=0, le=MAX_QUANTITY)] | None = None


class Click(Struct, frozen=True, gc=False):
    """One step of a visitor, as ``clicks`` carries it. ``join``: became the merchant's member."""

    event_id: Id
    merchant_id: Id
    visitor_id: Id
    action: Action
    event_time_ms: EventTimeMs = field(name="event_time")
    source: str | None = None
    channel: str | None = None
    category: str | None = None
    city_tier: int | None = None


def overlong(*ids: str) -> bool:
    """Whether any id is longer than ``MAX_ID_BYTES`` in UTF-8 (its length in characters is not enough)."""
    return any(len(i) * 4 > MAX_ID_BYTES and len(i.encode()) > MAX_ID_BYTES for i in ids)
