"""Baselines: a merchant's ordinary day, as the compacted topic ``baselines`` carries it."""

from __future__ import annotations

import math
from typing import Annotated, Final

from msgspec import Meta, Struct

from schemas.events import Id

HOURS: Final = 24
MOST_KNOWN_MEMBERS: Final = 100_000
MOST_DAYS: Final = 36_500
SHARE_TOLERANCE: Final = 1e-6


class Baseline(Struct, frozen=True, omit_defaults=True):
    """The daily average of each measure over ``days`` past days and its spread over the 24 hours.

    ``daily``: measure name to its daily average (gmv in fen). ``hourly_share``: 24 shares of a day's
    sales, in the merchant's time zone, that sum to 1. ``known_members``: who was a member before, so that
    buyers who come back can be told.
    """

    merchant_id: Id
    name: str
    days: Annotated[int, Meta(ge=1, le=MOST_DAYS)]
    daily: dict[str, float]
    hourly_share: Annotated[list[float], Meta(min_length=HOURS, max_length=HOURS)]
    timezone: str | None = None
    category: str | None = None
    estimated: bool | None = None
    spread: dict[str, float] | None = None
    known_members: Annotated[list[Id], Meta(max_length=MOST_KNOWN_MEMBERS)] | None = None


def problem(baseline: Baseline) -> str | None:
    """What is wrong with a baseline beyond its types, in one sentence; None if nothing is."""
    for measure, value in baseline.daily.items():
        if not math.isfinite(value) or value < 0:
            return f"daily.{measure} is {value}; it must be a number of 0 or more"
    if any(not math.isfinite(s) or s < 0 for s in baseline.hourly_share):
        return "hourly_share holds a number below 0 or one that is not finite"
    total = math.fsum(baseline.hourly_share)
    if abs(total - 1) > SHARE_TOLERANCE:
        return f"hourly_share sums to {total:.6f}; it must sum to 1"
    return None
