"""Rates: what part of a window's views, visitors or buyers did something; NaN where the divisor is 0.

``private_traffic_share`` = private views / (private and platform views); ``cart_rate``, ``favorite_rate`` and
``order_rate`` = carts, favourites and orders / views; ``new_member_rate`` = new members / visitors;
``conversion`` = buyers / visitors; ``repurchase_rate`` = returning buyers / buyers. Counts of events are
exact, so the first four are; the last three are as exact as the numbers of people.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from operators.batches import F64, I64
from schemas.windows import (
    CARTS,
    DISTINCT,
    DISTINCT_WINDOWS,
    FAVORITES,
    NEW_MEMBERS,
    ORDERS,
    PLATFORM_VIEWS,
    PRIVATE_VIEWS,
    RATES,
    VIEWS,
    WINDOWS,
)

VISITORS, BUYERS, REPEAT_BUYERS, RETURNING_BUYERS = range(len(DISTINCT))
PEOPLE_WINDOWS: Final = [WINDOWS.index(window) for window in DISTINCT_WINDOWS]
_PLACE: Final = {name: place for place, name in enumerate(RATES)}


def rates_of(measures: I64, people: F64 | None = None) -> F64:
    """All rates: n x WINDOWS x RATES.

    ``measures``: n x WINDOWS x MEASURES. ``people``: n x DISTINCT x DISTINCT_WINDOWS, NaN where unknown; None
    where nobody counts people.
    """
    rates = np.full((*measures.shape[:2], len(RATES)), np.nan)
    views = measures[:, :, VIEWS]
    private = measures[:, :, PRIVATE_VIEWS]
    rates[:, :, _PLACE["private_traffic_share"]] = part(private, private + measures[:, :, PLATFORM_VIEWS])
    rates[:, :, _PLACE["cart_rate"]] = part(measures[:, :, CARTS], views)
    rates[:, :, _PLACE["favorite_rate"]] = part(measures[:, :, FAVORITES], views)
    rates[:, :, _PLACE["order_rate"]] = part(measures[:, :, ORDERS], views)
    if people is not None:
        joined = measures[:, PEOPLE_WINDOWS, NEW_MEMBERS]
        visitors, buyers = people[:, VISITORS], people[:, BUYERS]
        rates[:, PEOPLE_WINDOWS, _PLACE["new_member_rate"]] = part(joined, visitors)
        rates[:, PEOPLE_WINDOWS, _PLACE["conversion"]] = part(buyers, visitors)
        rates[:, PEOPLE_WINDOWS, _PLACE["repurchase_rate"]] = part(people[:, RETURNING_BUYERS], buyers)
    return rates


def part(values: I64 | F64, whole: I64 | F64) -> F64:
    """``values / whole``; NaN where the divisor is 0 or unknown."""
    return np.asarray(np.divide(values, whole, out=np.full(np.shape(whole), np.nan), where=whole > 0))
