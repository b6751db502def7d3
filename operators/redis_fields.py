"""The fields of a merchant's hash: their order, what changes them, and bits for those that may be absent."""

from __future__ import annotations

from functools import cache
from typing import Final, NamedTuple

import numpy as np

from operators.batches import I64, U8
from operators.changes import CLICK_CHANGED, CLICK_SHIFT, ORDER_SHIFT
from schemas import redis_layout
from schemas.redis_layout import field
from schemas.windows import DISTINCT, MEASURES, RATIOS, WINDOWS, windows_of

SINGLES: Final = (
    redis_layout.PEAK,
    redis_layout.PEAK_SAME_PERIOD,
    redis_layout.BASELINE_GMV,
    redis_layout.BASELINE_ORDERS,
    redis_layout.BASELINE_NEW_MEMBERS,
    redis_layout.BASELINE_HUNDRED_HOURS,
    redis_layout.HUNDRED_HOURS,
    redis_layout.HUNDRED_HOURS_SALE,
)
"""Decimal numbers that belong to no window."""
CLICK_SINGLES: Final = 2
"""So many of them, the last ones, come from clicks: a merchant that never had any has no such fields."""

DECIMALS: Final = (*RATIOS, *DISTINCT)
"""Numbers of a window that may be absent: ratios, and numbers of people."""
_DECIMAL_FIELDS: Final = tuple(field(r, w) for w in WINDOWS for r in DECIMALS if w in windows_of(r))
MERCHANT_FIELDS: Final = (
    *(field(measure, window) for window in WINDOWS for measure in MEASURES),
    *_DECIMAL_FIELDS,
    *SINGLES,
    redis_layout.PEAK_AT,
    redis_layout.NAME,
    redis_layout.EVENT_TIME,
    redis_layout.UPDATED_AT,
)
"""Every field of a merchant's hash. Measures are never absent: bit 0 of a mask is the first field behind."""
FIRST_BIT: Final = len(WINDOWS) * len(MEASURES)
"""Place of the field that bit 0 stands for."""
ABSENT_WORDS: Final = 2
"""64-bit words that the bits of all fields that may be absent take."""

SINGLES_AT: Final = FIRST_BIT + len(_DECIMAL_FIELDS)
PEAK_AT: Final = SINGLES_AT + len(SINGLES)
NAME: Final = PEAK_AT + 1
EVENT_TIME: Final = NAME + 1
UPDATED_AT: Final = EVENT_TIME + 1

OF_ORDERS: Final = 1
OF_CLICKS: Final = 2
_CHANGED_BY: Final = {
    "sales_multiple": OF_ORDERS,
    "orders_multiple": OF_ORDERS,
    "same_period_multiple": OF_ORDERS,
    "repurchase_rate": OF_ORDERS,
    "buyers": OF_ORDERS,
    "repeat_buyers": OF_ORDERS,
    "returning_buyers": OF_ORDERS,
    "order_rate": OF_ORDERS | OF_CLICKS,
    "conversion": OF_ORDERS | OF_CLICKS,
}
"""Which events change a ratio or a number of people; clicks alone, where it is not named."""

HEAD_BYTES: Final = 48
"""Room for a field's name as a bulk string. All of it is copied: a fixed length is copied by words."""


class FieldTable(NamedTuple):
    """``MERCHANT_FIELDS`` as kernels take them."""

    heads: U8  # fields x HEAD_BYTES, their names as bulk strings
    lengths: I64  # of these
    ratio_at: I64  # WINDOWS x DECIMALS, place of the field, -1 where there is none
    ratio_by: I64  # DECIMALS, OF_ORDERS and OF_CLICKS


def _table() -> FieldTable:
    texts = [b"$%d\r\n%b\r\n" % (len(name), name.encode()) for name in MERCHANT_FIELDS]
    heads = np.frombuffer(b"".join(t.ljust(HEAD_BYTES) for t in texts), np.uint8)
    places = {name: FIRST_BIT + i for i, name in enumerate(_DECIMAL_FIELDS)}
    return FieldTable(
        heads.reshape(len(texts), HEAD_BYTES),
        np.array([len(t) for t in texts], np.int64),
        np.array([[places.get(field(r, w), -1) for r in DECIMALS] for w in WINDOWS], np.int64),
        np.array([_CHANGED_BY.get(r, OF_CLICKS) for r in DECIMALS], np.int64),
    )


FIELDS: Final = _table()
assert len(MERCHANT_FIELDS) - FIRST_BIT <= 64 * ABSENT_WORDS


@cache
def untouched(changed: int) -> int:
    """Bits of the fields that a write of what is in ``changed`` leaves as they are."""
    bits = 0
    for w in range(len(WINDOWS)):
        groups = (changed >> ORDER_SHIFT + w & 1) * OF_ORDERS | (changed >> CLICK_SHIFT + w & 1) * OF_CLICKS
        for at, by in zip(FIELDS.ratio_at[w].tolist(), FIELDS.ratio_by.tolist(), strict=True):
            if at >= 0 and not by & groups:
                bits |= 1 << at - FIRST_BIT
    if not changed & CLICK_CHANGED:
        bits |= (1 << CLICK_SINGLES) - 1 << PEAK_AT - CLICK_SINGLES - FIRST_BIT
    return bits
