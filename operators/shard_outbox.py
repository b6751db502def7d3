"""What a shard has to hand on: merchants that changed, its summary, and points of series, each once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from operators.batches import I64, MerchantRows, SeriesPoint, ShardSummary
from operators.changes import ALL_CHANGED, TEXTS_CHANGED
from operators.leaders import Candidate
from operators.merchant_columns import NO_BASELINE
from operators.shard_results import add_stock, results_of, summary_of
from operators.windows import HOUR_WINDOW
from schemas.windows import GMV

if TYPE_CHECKING:
    from operators.shard import Shard

LEADING = 3
"""So many at the head of a shard's boards have a series in any case."""


class ShardOutbox:
    """Knows what of a shard was not handed on yet, in this process: a resumed shard hands on everything."""

    def __init__(self, shard: Shard) -> None:
        self._shard = shard
        self._turn = 0
        """Row from which on merchants are next handed on in turn."""

    def take(self, most: int | None = None) -> MerchantRows | None:
        """Results of the merchants that changed since they were last taken; None if nothing did.

        ``most``: so many at once; others keep waiting. Half of them are those that have sold most in the
        last hour, the others come in turn.
        """
        columns = self._shard.columns
        stock_due = self._shard.stocks.due(self._shard.clock.newest_ms)
        columns.changed[stock_due] |= TEXTS_CHANGED
        rows = np.flatnonzero(columns.changed[: len(self._shard.merchants)] != 0)
        if most is not None and len(rows) > most:
            rows = self._first_of(rows, most)
        points = self._take_points()
        ordinary = self._take_ordinary()
        alerts = self._shard.milestones.take_news()
        if not len(rows) and not points and not alerts and not ordinary:
            return None
        result = results_of(self._shard, rows)
        result.series = points
        if len(stock_due):
            add_stock(self._shard, rows, stock_due, result.texts)
        result.ordinary = ordinary
        result.alerts = alerts
        columns.changed[rows] = 0
        columns.shares_changed[rows] = False
        columns.urgent[rows] = False
        columns.arrived_ms[rows] = -1
        return result

    def _first_of(self, rows: I64, most: int) -> I64:
        sold = self._shard.columns.order_sums[rows, HOUR_WINDOW, GMV] * self._shard.columns.urgent[rows]
        best = rows[np.argpartition(sold, len(rows) - most // 2)[-(most // 2) :]]
        others = np.setdiff1d(rows, best, assume_unique=True)
        others = np.roll(others, -int(np.searchsorted(others, self._turn)))[: most - len(best)]
        self._turn = int(others[-1]) + 1
        return np.sort(np.concatenate((best, others)))

    def _take_points(self) -> list[SeriesPoint]:
        shard = self._shard
        if not shard.closing.points:
            return []
        watched = np.unique(np.concatenate([rows for _, rows, _ in shard.closing.points]))
        names = dict(zip(watched.tolist(), shard.merchants.texts(watched), strict=True))
        points = [
            SeriesPoint(names[row], minute_ms, values)
            for minute_ms, rows, table in shard.closing.points
            for row, values in zip(rows.tolist(), table.tolist(), strict=True)
        ]
        shard.closing.points = []
        return points

    def _take_ordinary(self) -> dict[str, list[float] | None]:
        """The ordinary days of series whose reader does not know them yet."""
        shard = self._shard
        due = np.flatnonzero(shard.columns.ordinary_due)
        shard.columns.ordinary_due[due] = False
        base = shard.columns.baseline[due].tolist()
        return {
            shard.merchants.text(row): (shard.baselines.ordinary_hours(b) or None)
            if b != NO_BASELINE
            else None
            for row, b in zip(due.tolist(), base, strict=True)
        }

    def touch(self) -> None:
        """Have everything handed out again: what was written of it is lost or unknown."""
        self._shard.milestones.touch()
        self._shard.columns.shares_changed[: len(self._shard.merchants)] = True
        self._shard.stocks.touch()
        self._shard.columns.changed[: len(self._shard.merchants)] = ALL_CHANGED
        self._shard.columns.ordinary_due[:] = self._shard.columns.watched

    def refresh(self, start: int, stop: int) -> None:
        """Have merchants of some rows handed out again: multiples above 0 change as time passes."""
        rows = slice(start, max(start, min(stop, len(self._shard.merchants))))
        columns = self._shard.columns
        sold = (columns.order_sums[rows, :, GMV] != 0) & (columns.baseline[rows] != NO_BASELINE)[:, None]
        columns.changed[rows] |= np.packbits(sold, axis=1, bitorder="little")[:, 0].astype(np.uint16)

    def refresh_all(self) -> None:
        """Have everything handed out that a baseline is compared with, also where it is 0 or was absent."""
        count = len(self._shard.merchants)
        self._shard.columns.changed[:count][self._shard.columns.baseline[:count] != NO_BASELINE] = ALL_CHANGED

    def summary(self) -> ShardSummary:
        """What the board needs of this shard, now; closed minutes are handed over once."""
        summary = summary_of(self._shard)
        self._shard.closing.minutes = []
        self._watch(summary.candidates)
        return summary

    def _watch(self, candidates: dict[tuple[str, str], list[Candidate]]) -> None:
        """Leaders get a series of their own; without room they take the seat of one that leads no longer."""
        shard = self._shard
        seats = shard.rules.series_merchants
        boards = [[c[0] for c in candidates[key]] for key in (("sales_multiple", "1h"), ("gmv", "day"))]
        leading = [merchant for board in boards for merchant in board[:LEADING]]
        watched = shard.merchants.texts(np.flatnonzero(shard.columns.watched))
        if len(watched) >= seats and set(leading) <= set(watched):
            return  # as mostly: nobody comes, so nobody has to leave
        places: dict[str, int] = {}
        for at, merchant in (place for board in boards for place in enumerate(board)):
            places[merchant] = min(at, places.get(merchant, at))
        leaving = [m for m in watched if m not in leading and m not in shard.rules.series_watch]
        leaving.sort(key=lambda m: places.get(m, len(places)))  # the last of them is the first to leave
        room = seats - len(watched)
        for merchant in [*leading, *boards[0], *boards[1]]:
            row = shard.row_of(merchant)
            if shard.columns.watched[row]:
                continue
            if room <= 0 and leaving and merchant in leading:
                self.watch(shard.row_of(leaving.pop()), False)
                room += 1
            if room > 0:
                self.watch(row)
                room -= 1

    def watch(self, row: int, watched: bool = True) -> None:
        """Whether a merchant has a series."""
        self._shard.columns.watched[row] = watched
        self._shard.columns.ordinary_due[row] = watched
