"""What the oracle keeps of the events that count: sums by five seconds, and who was where when last.

Sums shrink as they are added up. Of people a line of 24 bytes is kept for each paid order, and for each
visitor of a merchant in a place: no hash, no sketch, nothing that could be wrong as the engine could be.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import polars as pl

from loadgen.cells import CANCELLED, CREATED, PAID
from loadgen.channels import CART, FAVORITE, FIRST_PRIVATE, JOIN, UNNAMED_SOURCE, VIEW
from loadgen.draws import I64
from loadgen.facts import KINDS, ClickFacts, Facts, Where
from schemas.windows import CLICK_MEASURES, FINEST_BUCKET_MS, MEASURES, ORDER_MEASURES

COMPACT_AT_ROWS: Final = 4_000_000
PLACE: Final = ("channel", "tier", "category")
CUTS: Final[tuple[tuple[str, ...], ...]] = (("row",), ("channel", "tier"), ("category",))
"""What sums are kept by, each beside the bucket."""
_WHO: Final = ("row", "person", *PLACE)


class Truth:
    """Facts added up, for ``answer``. ``kinds`` and ``click_kinds``: events of each of ``KINDS`` by topic."""

    def __init__(self) -> None:
        self._sums = {cut: _Pile(_adding((*cut, "bucket_ms"))) for cut in CUTS}
        self._visits = _Pile(lambda frame: frame.group_by(_WHO).agg(pl.col("event_ms").max()), at_once=False)
        self._joins = _Pile(_first_joins)
        self._paid = _Pile(lambda frame: frame, at_once=False)
        self.kinds: I64 = np.zeros(len(KINDS), np.int64)
        self.click_kinds: I64 = np.zeros(len(KINDS), np.int64)
        self.newest_ms = -1

    @property
    def has_clicks(self) -> bool:
        """Whether any click was taken, of whatever kind."""
        return bool(self.click_kinds.any())

    def add(self, facts: Facts) -> None:
        """Take a block's orders."""
        self.kinds += facts.kinds
        if len(facts.row) == 0:
            return
        self.newest_ms = max(self.newest_ms, int(facts.event_ms.max()))
        paid = facts.code == PAID
        back = (facts.code > PAID) & (facts.code <= CANCELLED)
        assert facts.code.max() <= CREATED
        frame = _frame(facts.row, facts.event_ms, facts.where).with_columns(
            orders=paid.astype(np.int64),
            units=facts.quantity * paid,
            gmv=facts.amount_fen * paid,
            refunds=facts.amount_fen * back,
            first_order=facts.first_order,
        )
        self._add_sums(frame, ORDER_MEASURES)
        self._paid.add(frame.filter(paid).select(*_WHO, "event_ms", "first_order"))

    def add_clicks(self, facts: ClickFacts) -> None:
        """Take a block's clicks of one partition."""
        self.click_kinds += facts.kinds
        if len(facts.row) == 0:
            return
        self.newest_ms = max(self.newest_ms, int(facts.event_ms.max()))
        viewed = facts.action == VIEW
        private = viewed & (facts.source >= FIRST_PRIVATE) & (facts.source < UNNAMED_SOURCE)
        platform = viewed & (facts.source > 0) & (facts.source < FIRST_PRIVATE)
        frame = _frame(facts.row, facts.event_ms, facts.where).with_columns(
            views=viewed.astype(np.int64),
            carts=(facts.action == CART).astype(np.int64),
            favorites=(facts.action == FAVORITE).astype(np.int64),
            private_views=private.astype(np.int64),
            platform_views=platform.astype(np.int64),
        )
        self._add_sums(frame, CLICK_MEASURES[1:])
        self._visits.add(frame.select(*_WHO, "event_ms"))
        joins = frame.filter(facts.action == JOIN).select(*_WHO, "event_ms", times=pl.lit(1, pl.Int64))
        self._joins.add(joins)

    def _add_sums(self, frame: pl.DataFrame, measures: tuple[str, ...]) -> None:
        counted = frame.with_columns(bucket_ms=pl.col("event_ms") - pl.col("event_ms") % FINEST_BUCKET_MS)
        for cut, pile in self._sums.items():
            pile.add(_wide(counted.select(*cut, "bucket_ms", *measures)))

    def joins(self) -> pl.DataFrame:
        """Each visitor's first join of a merchant: row, person, ``PLACE``, event_ms, and how many ``times``.

        First in the order of sending of a partition; the same join in another partition has the same time.
        """
        return self._joins.all(_schema(*_WHO, "event_ms", "times"))

    def sums(self, cut: tuple[str, ...] = ("row",)) -> pl.DataFrame:
        """Columns of a ``cut``, ``bucket_ms`` and ``MEASURES``; those of ``row`` by merchant and time."""
        joined = self.joins().select(
            *cut,
            bucket_ms=pl.col("event_ms") - pl.col("event_ms") % FINEST_BUCKET_MS,
            new_members=pl.lit(1, pl.Int64),
        )
        keys = (*cut, "bucket_ms")
        parts = [self._sums[cut].all(_schema(*keys, *MEASURES)), _wide(joined)]
        whole = _adding(keys)(pl.concat(parts))
        return whole.sort(keys) if cut == ("row",) else whole

    def visits(self) -> pl.DataFrame:
        """Who clicked where: row, person, ``PLACE``, ``event_ms``; of several at least the newest."""
        return self._visits.all(_schema(*_WHO, "event_ms"))

    def paid(self) -> pl.DataFrame:
        """Every paid order: row, person, ``PLACE``, ``event_ms``, ``first_order`` (1, 0, or -1 unsaid)."""
        return self._paid.all({**_schema(*_WHO, "event_ms"), "first_order": pl.Int8})


class _Pile:
    """Frames, made one and shorter by ``shrink`` when they have become many rows; each one ``at_once``."""

    def __init__(self, shrink: Callable[[pl.DataFrame], pl.DataFrame], at_once: bool = True) -> None:
        self._shrink = shrink
        self._at_once = at_once
        self._parts: list[pl.DataFrame] = []
        self._loose = 0

    def add(self, frame: pl.DataFrame) -> None:
        self._parts.append(self._shrink(frame) if self._at_once else frame)
        self._loose += len(self._parts[-1])
        if self._loose > COMPACT_AT_ROWS:
            self._parts, self._loose = [self._shrink(pl.concat(self._parts))], 0

    def all(self, schema: dict[str, type[pl.DataType]]) -> pl.DataFrame:
        """Everything as one frame; an empty one of ``schema`` if nothing came."""
        if not self._parts:
            return pl.DataFrame(schema=schema)
        if len(self._parts) > 1:
            whole = pl.concat(self._parts)
            self._parts = [self._shrink(whole) if self._at_once else whole.rechunk()]
        return self._parts[0]


_TYPES: Final[dict[str, type[pl.DataType]]] = {
    "row": pl.Int32, "person": pl.UInt32, "channel": pl.Int16, "tier": pl.UInt8, "category": pl.Int32,
    # In five seconds there are less than 2**31 of each of these.
    "orders": pl.Int32, **dict.fromkeys(CLICK_MEASURES, pl.Int32),
}  # fmt: skip


def _schema(*names: str) -> dict[str, type[pl.DataType]]:
    return {name: _TYPES.get(name, pl.Int64) for name in names}


def _frame(row: object, event_ms: I64, where: Where) -> pl.DataFrame:
    columns = {
        "row": row, "person": where.person, "channel": where.channel, "tier": where.tier,
        "category": where.category, "event_ms": event_ms,
    }  # fmt: skip
    return pl.DataFrame(columns).with_columns(
        pl.col(name).cast(_TYPES[name]) for name in ("row", "person", *PLACE)
    )


def _wide(frame: pl.DataFrame) -> pl.DataFrame:
    """The same with a column for every measure, 0 where it has none."""
    missing = [pl.lit(0).alias(name) for name in MEASURES if name not in frame.columns]
    keys = [name for name in frame.columns if name not in MEASURES]
    types = [pl.col(name).cast(_TYPES.get(name, pl.Int64)) for name in MEASURES]
    return frame.with_columns(missing).select(*keys, *types)


def _adding(keys: tuple[str, ...]) -> Callable[[pl.DataFrame], pl.DataFrame]:
    return lambda frame: frame.group_by(keys).agg(pl.col(name).sum() for name in MEASURES)


def _first_joins(frame: pl.DataFrame) -> pl.DataFrame:
    grouped = frame.group_by("row", "person", maintain_order=True)
    return grouped.agg(pl.col(*PLACE, "event_ms").first(), pl.col("times").sum()).select(
        *_WHO, "event_ms", "times"
    )
