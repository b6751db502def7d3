"""Milestones: a multiple passes a step, a day has its 100th new member; decided on closed minutes, told once.

A merchant passes a step when, at the end of a closed minute in which it sold, its closed ``1h`` or ``day``
gmv over its baseline's daily gmv has reached it. Of several steps passed in one minute the highest is told.
A step is told once in a merchant's local day; one that still holds when a day begins is not told again. For
events within the lateness every run tells the same, whatever the interleaving, batches or workers.

A rule engine can take this place: it is asked once a closed minute, with the rows that sold in it, and what
it has told and what still holds is part of the shard's state.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from operators.batches import F64, I32, I64, U8, AlertNews
from operators.bytes_kernels import Interner, compiled
from operators.merchant_columns import GMV_1H, GMV_DAY, JOINED_DAY, NO_BASELINE, ORDERS_DAY, MerchantColumns
from operators.milestone_texts import told_of
from operators.multiples import Baselines, ratio
from schemas.alerts import Alert, Severity
from schemas.redis_layout import MULTIPLE_DECIMALS
from schemas.windows import MINUTE_MS

Rows = npt.NDArray[np.integer]

STEPS: Final = (1.0, 5.0, 10.0, 50.0, 100.0)
"""Multiples of the ordinary day that are told."""
_STEPS: Final = np.array(STEPS)
SEVERITIES: Final[tuple[Severity, ...]] = ("info", "info", "warning", "critical", "critical")
"""By step: what a room full of people should look up for."""
SALES_1H: Final = "sales_multiple_1h"
SALES_DAY: Final = "sales_multiple_day"
MEMBERS: Final = "new_members_100"
MANY_MEMBERS: Final = 100
TOLD_A_MINUTE: Final = 20
"""Most alerts that a shard tells of one minute, the highest steps first: a million merchants that pass their
ordinary day at midnight must not bury the one that matters. The others are counted."""
REMEMBERED: Final = 400
"""Alerts of a shard that are handed out again after a restart or when Redis has lost them."""
MOST_ACTIVE: Final = 200
"""Alerts of a shard that can hold at once; the oldest give way."""


class Passed(NamedTuple):
    """A step that a merchant has passed."""

    step: float
    multiple: float
    row: int
    rule: str


def _hundreds(rows: Rows, columns: MerchantColumns) -> list[Passed]:
    """Merchants whose closed day has its 100th new member; they need no baseline."""
    reached = rows[(columns.closed[rows, JOINED_DAY] >= MANY_MEMBERS) & ~columns.told_hundred[rows]]
    columns.told_hundred[reached] = True
    joined = columns.closed[reached, JOINED_DAY].tolist()
    return [
        Passed(float(MANY_MEMBERS), float(count), row, MEMBERS)
        for row, count in zip(reached.tolist(), joined, strict=True)
    ]


def _severity(passed: Passed) -> Severity:
    return "info" if passed.rule == MEMBERS else SEVERITIES[STEPS.index(passed.step)]


@compiled
def find_risen(
    rows: I32,
    closed: I64,
    field: int,
    baseline: I32,
    gmv: F64,
    min_orders: int,
    told: U8,
    steps: F64,
    found: I32,
) -> int:
    """Find those of ``rows`` whose multiple has reached a step above what was told; how many."""
    count = 0
    for row in rows:
        base = baseline[row]
        if base == NO_BASELINE or closed[row, ORDERS_DAY] < min_orders or told[row] >= len(steps):
            continue
        if gmv[base] > 0 and closed[row, field] / gmv[base] >= steps[told[row]]:
            found[count] = row
            count += 1
    return count


class Milestones:
    """What one shard has told. Pickled with the shard: it must not hold what a resume gives anew."""

    def __init__(self) -> None:
        self.recent: deque[Alert] = deque(maxlen=REMEMBERED)
        self.active: dict[str, Alert] = {}
        self.suppressed = 0
        """Alerts that were not told because too many came in one minute."""
        self._untold: list[Alert] = []
        self._ended: list[str] = []
        self._again = False

    def look(
        self, minute: int, rows: I32, columns: MerchantColumns, baselines: Baselines, book: Book
    ) -> None:
        """Decide on a minute that has just been closed; ``rows`` sold in it, each once."""
        self._end_active(columns, baselines, book)
        if not len(rows):
            return  # most minutes of most shards, where time passes fast
        passed = [*_hundreds(rows, columns), *self._steps(rows, columns, baselines, book)]
        if passed:
            self._tell(minute, passed, columns, baselines, book)

    def _steps(self, rows: I32, columns: MerchantColumns, baselines: Baselines, book: Book) -> list[Passed]:
        passed: list[Passed] = []
        found = np.empty(len(rows), np.int32)
        for rule, field, told in _rules_of(columns):
            count = find_risen(
                rows,
                columns.closed,
                field,
                columns.baseline,
                baselines.gmv,
                book.min_orders,
                told,
                _STEPS,
                found,
            )
            if not count:
                continue  # most minutes
            risen = found[:count]
            multiple = ratio(columns.closed[risen, field], baselines.gmv[columns.baseline[risen]])
            told[risen] = level = levels(multiple)
            passed += [
                Passed(STEPS[level - 1], multiple, row, rule)
                for level, multiple, row in zip(
                    level.tolist(), multiple.tolist(), risen.tolist(), strict=True
                )
            ]
        return passed

    def _tell(
        self,
        minute: int,
        passed: list[Passed],
        columns: MerchantColumns,
        baselines: Baselines,
        book: Book,
    ) -> None:
        passed.sort(key=lambda p: (-p.step, -p.multiple, book.merchants.text(p.row), p.rule))
        self.suppressed += max(0, len(passed) - TOLD_A_MINUTE)
        end_ms = (minute + 1) * MINUTE_MS
        for p in passed[:TOLD_A_MINUTE]:
            merchant_id = _unicode(book.merchants.text(p.row))
            base = int(columns.baseline[p.row])
            name = (_unicode(baselines.names[base]) if base != NO_BASELINE else "") or merchant_id
            zone = book.zones[int(columns.zone[p.row])]
            text_zh, text_en = told_of(p.rule, name, p.multiple, p.step, end_ms, zone)
            alert = Alert(
                alert_id=f"{p.rule}|{merchant_id}|{end_ms}",
                rule=p.rule,
                subject=merchant_id,
                severity=_severity(p),
                bucket_end_ms=end_ms,
                value=round(p.multiple, MULTIPLE_DECIMALS),
                threshold=p.step,
                text_zh=text_zh,
                text_en=text_en,
            )
            self._begin(alert)

    def _begin(self, alert: Alert) -> None:
        for held in [a for a in self.active.values() if (a.rule, a.subject) == (alert.rule, alert.subject)]:
            self._end(held)
        if len(self.active) >= MOST_ACTIVE:
            self._end(next(iter(self.active.values())))
        self.active[alert.alert_id] = alert
        self.recent.append(alert)
        self._untold.append(alert)

    def _end(self, alert: Alert) -> None:
        del self.active[alert.alert_id]
        self._ended.append(alert.alert_id)

    def _end_active(self, columns: MerchantColumns, baselines: Baselines, book: Book) -> None:
        """Alerts on the hour end when the closed hour falls below their step."""
        for alert in [a for a in self.active.values() if a.rule == SALES_1H]:
            row = book.merchants.add(alert.subject)
            base = int(columns.baseline[row])
            daily = float(baselines.gmv[base]) if base != NO_BASELINE else np.nan
            if not daily > 0 or columns.closed[row, GMV_1H] / daily < alert.threshold:
                self._end(alert)

    def begin_day(self, rows: Rows, columns: MerchantColumns, baselines: Baselines, book: Book) -> None:
        """A new local day of the merchants in ``rows``: steps can be told again."""
        columns.told_day[rows] = 0
        columns.told_hundred[rows] = False
        base = columns.baseline[rows]
        daily = np.where(base != NO_BASELINE, baselines.gmv[base], np.nan)
        still = levels(ratio(columns.closed[rows, GMV_1H], daily))
        columns.told_1h[rows] = np.minimum(columns.told_1h[rows], still)
        if self.active:
            mine = set(book.merchants.texts(rows))
            for alert in [a for a in self.active.values() if a.rule != SALES_1H and a.subject in mine]:
                self._end(alert)

    def take_news(self) -> AlertNews:
        """What has to be written since the last call; everything that is remembered after ``touch``."""
        fresh, ended, again = self._untold, self._ended, self._again
        self._untold, self._ended, self._again = [], [], False
        if again:
            return AlertNews(list(self.recent), list(self.active.values()), ended, fresh)
        return AlertNews(fresh, [a for a in fresh if a.alert_id in self.active], ended, fresh)

    def touch(self) -> None:
        """Have everything handed out again: what was written is lost or unknown."""
        self._again = True

    def resumed(self) -> None:
        """The shard is back from its journal: what it decided while replaying it was told before."""
        self._untold = []
        self._again = True


@dataclass(frozen=True, slots=True)
class Book:
    """What a shard knows beside its columns. ``min_orders``: fewer orders of the day tell nothing."""

    merchants: Interner
    zones: list[str]
    min_orders: int


def _unicode(text: str) -> str:
    """JSON allows half of a surrogate pair, which no alert can carry."""
    return text.encode("utf-8", "replace").decode()


def levels(multiples: F64) -> U8:
    """How many steps each multiple has reached; 0 where it is absent."""
    reached = np.searchsorted(STEPS, np.nan_to_num(multiples, nan=0.0), side="right")
    return np.asarray(reached, np.uint8)


def _rules_of(columns: MerchantColumns) -> tuple[tuple[str, int, U8], ...]:
    return (SALES_1H, GMV_1H, columns.told_1h), (SALES_DAY, GMV_DAY, columns.told_day)
