"""Everything a shard holds of its merchants, one row each, in arrays that grow together."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from operators.added import OF_CLICKS
from operators.batches import F64, I32, I64, U8, U16
from operators.bytes_kernels import compiled, grown
from schemas.windows import CLICK_MEASURES, ORDER_MEASURES, WINDOWS

CLOSED = (
    *("gmv:1h", "gmv:day", "gmv:sale", "orders:day", "orders:sale"),
    *("new_members:day", "new_members:sale"),
)
"""Sums over closed buckets, in the order in which ``closed`` holds them."""
GMV_1H, GMV_DAY, GMV_SALE, ORDERS_DAY, ORDERS_SALE, JOINED_DAY, JOINED_SALE = range(len(CLOSED))
HUNDRED_DAY, HUNDRED_SALE = range(2)
NO_TIME_MS = -1
NO_BASELINE = -1


@compiled
def note_times(
    rows: I32,
    newest_ms: I64,
    arrived_ms: I64,
    held_newest_ms: I64,
    held_arrived_ms: I64,
    urgent: npt.NDArray[np.bool_],
) -> None:
    """Note by row that events came, and the newest of their times."""
    for i in range(len(rows)):
        row = rows[i]
        urgent[row] = True
        held_newest_ms[row] = max(held_newest_ms[row], newest_ms[i])
        held_arrived_ms[row] = max(held_arrived_ms[row], arrived_ms[i])


@dataclass(slots=True)
class MerchantColumns:
    """By merchant row. Rows at and beyond the number of merchants are zeros (or the absent value)."""

    order_sums: I64  # rows x WINDOWS x ORDER_MEASURES, up to the newest event
    click_sums: I64  # rows x WINDOWS x CLICK_MEASURES; zeros that take no memory while nobody has clicked
    closed: I64  # rows x CLOSED, up to the watermark
    peak_gmv: I64  # greatest closed gmv:1h, 0 = none yet
    peak_at_ms: I64  # exclusive end of that hour
    newest_ms: I64
    arrived_ms: I64
    hundred_hours: F64  # rows x 2, hours to 100 new members of the day and of the sale, NaN = not yet
    changed: U16  # bits of operators.changes, since the row was last handed out
    clicked: npt.NDArray[np.bool_]  # has had clicks
    urgent: npt.NDArray[np.bool_]  # an event came, since the row was last handed out
    zone: U8  # number of the time zone in the shard's list
    baseline: I32  # row of the baseline, NO_BASELINE
    shares_changed: npt.NDArray[np.bool_]  # sales by channel or category, since it was last handed out
    scratch: I32  # zeros, for merging
    watched: npt.NDArray[np.bool_]  # has a series
    ordinary_due: npt.NDArray[np.bool_]  # has a series, whose ordinary day is to be handed out
    told_1h: U8  # steps of the 1h multiple that were told as milestones
    told_day: U8  # the same of the day multiple
    told_hundred: npt.NDArray[np.bool_]  # the 100th new member of the day was told

    @staticmethod
    def empty(rows: int = 256) -> MerchantColumns:
        """Room for ``rows`` merchants."""
        return MerchantColumns(
            order_sums=np.zeros((rows, len(WINDOWS), len(ORDER_MEASURES)), np.int64),
            click_sums=np.zeros((rows, len(WINDOWS), len(CLICK_MEASURES)), np.int64),
            closed=np.zeros((rows, len(CLOSED)), np.int64),
            peak_gmv=np.zeros(rows, np.int64),
            peak_at_ms=np.full(rows, NO_TIME_MS, np.int64),
            newest_ms=np.full(rows, NO_TIME_MS, np.int64),
            arrived_ms=np.full(rows, NO_TIME_MS, np.int64),
            hundred_hours=np.full((rows, 2), np.nan),
            changed=np.zeros(rows, np.uint16),
            clicked=np.zeros(rows, np.bool_),
            urgent=np.zeros(rows, np.bool_),
            zone=np.zeros(rows, np.uint8),
            baseline=np.full(rows, NO_BASELINE, np.int32),
            shares_changed=np.zeros(rows, np.bool_),
            scratch=np.zeros(rows, np.int32),
            watched=np.zeros(rows, np.bool_),
            ordinary_due=np.zeros(rows, np.bool_),
            told_1h=np.zeros(rows, np.uint8),
            told_day=np.zeros(rows, np.uint8),
            told_hundred=np.zeros(rows, np.bool_),
        )

    def reserve(self, rows: int) -> None:
        """Make room for ``rows`` merchants in all."""
        have = len(self.changed)
        if rows <= have:
            return
        size = max(rows, 2 * have)  # what is not in use yet is zeros that take no memory
        nobody_clicked = not self.clicked.any()
        for column in fields(self):
            held = getattr(self, column.name)
            if column.name == "click_sums" and nobody_clicked:
                held = held[:0]
            wider = grown(held, size)
            if column.name in ("peak_at_ms", "newest_ms", "arrived_ms", "baseline"):
                wider[have:] = -1
            elif column.name == "hundred_hours":
                wider[have:] = np.nan
            setattr(self, column.name, wider)

    def sums_of(self, kind: int) -> I64:
        """The sums ``OF_ORDERS`` or ``OF_CLICKS``."""
        return self.click_sums if kind == OF_CLICKS else self.order_sums

    def sums(self, rows: slice | npt.NDArray[np.integer]) -> I64:
        """n x WINDOWS x MEASURES of some rows."""
        return np.concatenate((self.order_sums[rows], self.click_sums[rows]), axis=2)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return sum(getattr(self, column.name).nbytes for column in fields(self))
