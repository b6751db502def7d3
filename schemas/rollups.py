"""Roll-ups: the dimensions by which all merchants together are cut, and how many values each may show."""

from __future__ import annotations

from typing import Final

TOTAL: Final = "total"
CHANNEL: Final = "channel"
CATEGORY: Final = "category"
CITY_TIER: Final = "city_tier"
CHANNEL_TIER: Final = "channel_tier"
"""A value is a channel and a tier: ``koubei|3``."""

DIMENSIONS: Final = (CHANNEL, CATEGORY, CITY_TIER, CHANNEL_TIER)
"""Every dimension of roll-ups but the total, whose only value is ``all``."""
ALL: Final = "all"

UNKNOWN: Final = "unknown"
"""The value of events that do not carry the field."""
OTHER: Final = "other"
"""The value of events whose own value has no row."""
VALUES_SHOWN: Final = 200
"""Values of a dimension that have a row of their own besides ``unknown`` and ``other``: the first to come."""
