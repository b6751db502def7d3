"""Where people come from: channels, towns and sources, and how often each is drawn."""

from __future__ import annotations

from typing import Final

import numpy as np

from loadgen.draws import U8, compiled, mix

CHANNELS: Final = (
    "koubei", "eleme", "juhuasuan", "taobao", "tmall", "alipay", "freshippo", "amap", "in-store",
)  # fmt: skip
_KOUBEI, _ELEME, _JUHUASUAN, _TAOBAO, _TMALL, _ALIPAY, _FRESHIPPO, _AMAP, _IN_STORE = range(9)
MEAL_CHANNELS: Final = (
    *(_KOUBEI,) * 5, *(_ELEME,) * 5, *(_ALIPAY,) * 2, *(_AMAP,) * 2, *(_IN_STORE,) * 2,
)  # fmt: skip
SHOPPING_CHANNELS: Final = (
    *(_TAOBAO,) * 6, *(_TMALL,) * 5, *(_JUHUASUAN,) * 2, _FRESHIPPO, _ALIPAY, _IN_STORE,
)  # fmt: skip
"""Sixteenths of a merchant's orders by channel, for those who serve meals and for all others."""
CHANNEL_TABLE: Final[U8] = np.array([SHOPPING_CHANNELS, MEAL_CHANNELS], np.uint8)

CITY_TIERS: Final = 5
_TIERS: Final[U8] = np.array([1, 1, 2, 2, 2, 3, 4, 5], np.uint8)
"""Eighths of the people by the tier of their town."""

SOURCES: Final = (
    "", "search", "recommend", "campaign", "store_page", "qr_code", "member_push", "map", "direct",
    "livestream",
)  # fmt: skip
"""Sources by code. 0: the click does not say. The last is none that the contract names."""
UNNAMED_SOURCE: Final = len(SOURCES) - 1
PLATFORM_SOURCES: Final[U8] = np.array([1, 1, 1, 1, 2, 2, 2, 3], np.uint8)
PRIVATE_SOURCES: Final[U8] = np.array([4, 4, 4, 5, 5, 6, 7, 8], np.uint8)
"""Eighths of the views from the platform, and from the merchant's own places."""
FIRST_PRIVATE: Final = 4
ACTIONS: Final = ("view", "cart", "favorite", "join")
"""What a visitor does, by code."""
VIEW, CART, FAVORITE, JOIN = range(len(ACTIONS))


@compiled
def channel_of(table: U8, meals: int, bits: np.uint64) -> int:
    """The channel of an order or a visit, by 64 random bits; ``meals``: 1 for who serves them, else 0."""
    return int(np.int64(table[meals, np.int64((bits >> np.uint64(16)) & np.uint64(15))]))


@compiled
def tier_of(person: int) -> int:
    """The tier, 1 to 5, of the town where a person lives."""
    return int(np.int64(_TIERS[np.int64(mix(np.uint64(person) + np.uint64(77)) >> np.uint64(61))]))
