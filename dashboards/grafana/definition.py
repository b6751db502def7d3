"""What a dashboard is made of, as data: tests ask every query of it of a real Prometheus.

How it becomes Grafana's JSON is ``render``'s business.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Kind = Literal["stat", "curves", "bars", "heatmap", "ranking", "list", "states"]
"""One big number; lines over time; a bar a series; a histogram over time; a table with a bar and a sparkline
for each row; a plain table; coloured stretches over time."""

COLUMNS = 24
"""Grafana's grid."""


@dataclass(frozen=True, slots=True)
class Query:
    """A question to Prometheus, with Grafana's variables in it, and what a sensible answer is.

    ``low`` and ``high``: every value lies between these, both inclusive. ``quiet``: why there may be no
    series while all is well; empty where there must always be one.
    """

    expr: str
    legend: str = ""
    low: float = 0.0
    high: float = math.inf
    quiet: str = ""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From which value on which colour, ascending, and why there. ``base``: the colour below the first."""

    reason: str
    steps: tuple[tuple[float, str], ...] = ()
    base: str = "green"


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel. ``unit``: a name of Grafana's. ``width`` of ``COLUMNS``, ``height`` in rows of 30 px."""

    kind: Kind
    title: str
    text: str
    unit: str
    queries: tuple[Query, ...]
    thresholds: Thresholds
    width: int = 8
    height: int = 8
    decimals: int | None = None
    highest: float | None = None
    """Where bars end; None: at the greatest."""
    stacked: bool = False
    states: tuple[tuple[float, str, str], ...] = ()
    """For coloured stretches: a value, what it is called, its colour."""

    @property
    def description(self) -> str:
        """What the panel's tooltip says: meaning, thresholds with their reason, when it may be empty."""
        parts = [self.text, f"Thresholds: {self.thresholds.reason}"]
        parts += [f"May be empty: {q.quiet}" for q in self.queries if q.quiet]
        return "\n\n".join(dict.fromkeys(parts))


@dataclass(frozen=True, slots=True)
class Row:
    """A heading and the panels below it."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Variable:
    """A choice above the dashboard: the values of ``label_name`` of the series of ``selector``."""

    name: str
    label: str
    selector: str
    label_name: str
    multi: bool = True
    text: str = ""

    @property
    def query(self) -> str:
        """As Grafana's Prometheus source takes it."""
        return f"label_values({self.selector}, {self.label_name})"


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard. ``marks``: a query whose series are drawn as annotations over every panel."""

    uid: str
    title: str
    text: str
    rows: tuple[Row, ...]
    variables: tuple[Variable, ...]
    marks: Query
    refresh: str = "5s"
    since: str = "now-1h"

    @property
    def panels(self) -> tuple[Panel, ...]:
        """All panels in reading order."""
        return tuple(panel for row in self.rows for panel in row.panels)
