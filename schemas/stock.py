"""Stock in: what is left of an item, as the topic ``stock`` carries it."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct, field

from schemas.events import MAX_QUANTITY, EventTimeMs, Id


class Stock(Struct, frozen=True, gc=False):
    """What a merchant has left of one item at a moment."""

    merchant_id: Id
    item_id: Id
    stock_left: Annotated[int, Meta(ge=0, le=MAX_QUANTITY)]
    event_time_ms: EventTimeMs = field(name="event_time")
