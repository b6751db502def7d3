"""Sums of a batch by dimension, in compiled passes over its columns: for roll-ups, and for merchants' shares.

The passes follow ``operators.tally``'s, which tells the group (merchant, bucket) of each event; events that
were not added there are in no group and are passed over here.
"""

from __future__ import annotations

from typing import Final

from operators.batches import I16, I32, I64, U8
from operators.bytes_kernels import AHEAD, compiled, inlined, prefetch
from operators.click_scan import CART, FAVORITE, FIRST_PRIVATE, OTHER_SOURCE, VIEW
from operators.order_scan import CANCELLED, PAID, REFUNDED
from schemas.rollups import CATEGORY, CHANNEL, CHANNEL_TIER, CITY_TIER, DIMENSIONS
from schemas.windows import (
    CARTS,
    FAVORITES,
    GMV,
    ORDERS,
    PLATFORM_VIEWS,
    PRIVATE_VIEWS,
    REFUNDS,
    UNITS,
    VIEWS,
)

_CHANNEL, _CATEGORY, _CITY_TIER, _CHANNEL_TIER = (
    DIMENSIONS.index(name) for name in (CHANNEL, CATEGORY, CITY_TIER, CHANNEL_TIER)
)
NO_GROUP: Final = -1
"""Group of an event that was not added."""


@compiled
def cut_of(channel: int, category: int, tier: int) -> int:
    """One number for the three values of an event. Tiers may be -2."""
    return (channel << 32) | (category << 16) | (tier + 2)


@compiled
def value_key(dimension: int, first: int, second: int) -> int:
    """One number for a value of a dimension; ``second`` is 0 unless the value is a pair."""
    return (dimension << 32) | (first << 16) | second


@compiled
def key_in(dimension: int, channel: int, category: int, tier: int) -> int:
    """The key of an event's value in one dimension; ``tier`` + 2, as in a cut."""
    if dimension == _CHANNEL:
        return int(value_key(dimension, channel, 0))
    if dimension == _CATEGORY:
        return int(value_key(dimension, category, 0))
    if dimension == _CITY_TIER:
        return int(value_key(dimension, tier, 0))
    return int(value_key(dimension, channel, tier))


@inlined
def _slot_of(key: int, bucket: int, scratch: I32) -> int:
    """Where the search for a place begins."""
    mixed = (key * 0x1E3779B97F4A7C15) ^ (bucket * 0x42B2AE3D27D4EB4F)
    return int((((mixed ^ (mixed >> 29)) * 0x1E3779B97F4A7C15) >> 33) & (len(scratch) - 1))


@compiled
def place_of(key: int, bucket: int, keys: I64, buckets: I64, scratch: I32, count: int) -> tuple[int, int]:
    """(place, places in use) of (key, bucket), a new place if it has none.

    ``scratch``: a power of two of zeros at first, more than twice the places.
    """
    mask = len(scratch) - 1
    slot = _slot_of(key, bucket, scratch)
    while True:
        place = scratch[slot] - 1
        if place < 0:
            keys[count] = key
            buckets[count] = bucket
            scratch[slot] = count + 1
            return count, count + 1
        if keys[place] == key and buckets[place] == bucket:
            return place, count
        slot = (slot + 1) & mask


@compiled
def cut_orders(
    amount_fen: I64,
    quantity: I64,
    status: U8,
    channel: I16,
    category: I16,
    tier: I16,
    group_of: I32,
    group_bucket: I64,
    scratch: I32,
    keys: I64,
    buckets: I64,
    values: I64,
    events: I64,
) -> int:
    """Add up orders by (cut, bucket); the number of places.

    ``scratch``: as in ``place_of``; left as zeros.
    """
    count = 0
    for i in range(len(group_of)):
        if group_of[i] < 0:
            continue
        key = cut_of(channel[i], category[i], tier[i])
        place, now = place_of(key, group_bucket[group_of[i]], keys, buckets, scratch, count)
        if now > count:
            count = now
            values[place] = 0
            events[place] = 0
        events[place] += 1
        if status[i] == PAID:
            values[place, ORDERS] += 1
            values[place, UNITS] += quantity[i]
            values[place, GMV] += amount_fen[i]
        elif status[i] == REFUNDED or status[i] == CANCELLED:
            values[place, REFUNDS] += amount_fen[i]
    scratch[:] = 0
    return count


@compiled
def cut_clicks(
    action: U8,
    source: U8,
    channel: I16,
    category: I16,
    tier: I16,
    group_of: I32,
    group_bucket: I64,
    scratch: I32,
    keys: I64,
    buckets: I64,
    values: I64,
    events: I64,
) -> int:
    """The same for clicks. Joins are events, but which of them count, their merchants' shards know."""
    count = 0
    for i in range(len(group_of)):
        if group_of[i] < 0:
            continue
        key = cut_of(channel[i], category[i], tier[i])
        place, now = place_of(key, group_bucket[group_of[i]], keys, buckets, scratch, count)
        if now > count:
            count = now
            values[place] = 0
            events[place] = 0
        events[place] += 1
        if action[i] == VIEW:
            values[place, VIEWS] += 1
            if source[i] != OTHER_SOURCE:
                values[place, PRIVATE_VIEWS if source[i] >= FIRST_PRIVATE else PLATFORM_VIEWS] += 1
        elif action[i] == CART:
            values[place, CARTS] += 1
        elif action[i] == FAVORITE:
            values[place, FAVORITES] += 1
    scratch[:] = 0
    return count


@compiled
def spread_cuts(
    cuts: I64,
    cut_buckets: I64,
    cut_values: I64,
    cut_events: I64,
    scratch: I32,
    keys: I64,
    buckets: I64,
    values: I64,
    events: I64,
) -> int:
    """Sums by (value of a dimension, bucket) from sums by cut; the number of places.

    Room for four places a cut; ``scratch``: as in ``place_of``; left as zeros.
    """
    count = 0
    for i in range(len(cuts)):
        channel, category, tier = cuts[i] >> 32, (cuts[i] >> 16) & 0xFFFF, cuts[i] & 0xFFFF
        for dimension in range(4):
            key = key_in(dimension, channel, category, tier)
            place, now = place_of(key, cut_buckets[i], keys, buckets, scratch, count)
            if now > count:
                count = now
                values[place] = 0
                events[place] = 0
            events[place] += cut_events[i]
            for m in range(values.shape[1]):
                values[place, m] += cut_values[i, m]
    scratch[:] = 0
    return count


@compiled
def cut_sales(
    amount_fen: I64,
    status: U8,
    channel: I16,
    category: I16,
    group_of: I32,
    scratch: I32,
    keys: I64,
    groups: I64,
    orders: I64,
    gmv: I64,
) -> int:
    """Add up paid orders by (group, channel and category); the number of places.

    Orders with neither are passed over. ``scratch``: as in ``place_of``; left as zeros.
    """
    count = 0
    for i in range(len(group_of)):
        if i + AHEAD < len(group_of):
            soon = i + AHEAD
            prefetch(scratch, _slot_of((channel[soon] << 16) | category[soon], group_of[soon], scratch))
        if group_of[i] < 0 or status[i] != PAID:
            continue
        key = (channel[i] << 16) | category[i]
        if key == 0:
            continue
        place, now = place_of(key, group_of[i], keys, groups, scratch, count)
        if now > count:
            count = now
            orders[place] = 0
            gmv[place] = 0
        orders[place] += 1
        gmv[place] += amount_fen[i]
    scratch[:] = 0
    return count
