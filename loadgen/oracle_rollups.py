"""Roll-ups: what everybody together sold and saw by channel, category and town, by plain counting.

An event stands under its own field's value, ``unknown`` where it has none. ``day`` is that of the run's time
zone. A returning buyer is one with an order that says it is not the first, at whatever merchant: of the known
members of merchants a roll-up knows nothing. A dimension with more values than get a row of their own is
left out: which values those are depends on who came first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np
import polars as pl

from loadgen.draws import I64
from loadgen.oracle_people import Crowd, returning, visitors_and_buyers
from loadgen.ratios import rates_of
from loadgen.truth import Truth
from schemas.windows import MEASURES, WINDOWS

OWN_ROWS: Final = 200
MOST_NAMES: Final = 1 << 31
"""More than a dimension may have names, so that two make one number."""
UNKNOWN: Final = "unknown"
Row = tuple[dict[str, int], dict[str, int], dict[str, float]]
"""Measures, people and rates of one value."""
_KEYS: Final = {
    "total": (), "channel": ("channel",), "category": ("category",), "city_tier": ("tier",),
    "channel_tier": ("channel", "tier"),
}  # fmt: skip


def rollups_of(
    truth: Truth, channels: tuple[str, ...], categories: tuple[str, ...], spans: Mapping[str, tuple[int, int]]
) -> dict[str, Row]:
    """``"channel:koubei"`` and the like to what its row must show."""
    told: dict[str, Row] = {}
    places = truth.sums(("channel", "tier"))
    by_category = truth.sums(("category",))
    visits, paid = truth.visits(), truth.paid()
    for dimension, keys in _KEYS.items():
        sums = by_category if dimension == "category" else places
        values = sums.select(keys).unique().sort(keys).rows() if keys else [()]
        if len(values) <= OWN_ROWS:
            names = [f"{dimension}:{_name(keys, value, channels, categories)}" for value in values]
            positions = {value: at for at, value in enumerate(values)}
            columns = _columns(positions, keys, sums, visits, paid, spans)
            told |= dict(zip(names, _rows(*columns, len(names)), strict=True))
    return told


def _name(
    keys: tuple[str, ...], value: tuple[int, ...], channels: tuple[str, ...], categories: tuple[str, ...]
) -> str:
    parts = []
    for key, number in zip(keys, value, strict=True):
        if key == "tier":
            parts.append(str(number) if number else UNKNOWN)
        else:
            parts.append((channels if key == "channel" else categories)[number])
    return "|".join(parts) or "all"


def _columns(
    positions: Mapping[tuple[int, ...], int], keys: tuple[str, ...], sums: pl.DataFrame, visits: pl.DataFrame,
    paid: pl.DataFrame, spans: Mapping[str, tuple[int, int]],
) -> tuple[dict[str, I64], dict[str, I64]]:  # fmt: skip
    """Measures and people of every value, (values,) each."""
    size = len(positions)
    at = _positions(positions, keys, sums)
    bucket = sums["bucket_ms"].to_numpy()
    measures = {}
    for window in WINDOWS:
        inside = bucket >= spans[window][0]
        for measure in MEASURES:
            total = np.zeros(size, np.int64)
            np.add.at(total, at[inside], sums[measure].to_numpy()[inside].astype(np.int64))
            measures[f"{measure}:{window}"] = total
    starts = {window: np.full(size, spans[window][0], np.int64) for window in WINDOWS}
    crowds = [
        Crowd(_positions(positions, keys, f), f["person"].to_numpy(), f["event_ms"].to_numpy())
        for f in (visits, paid)
    ]
    old = paid["first_order"].to_numpy() == 0
    people = visitors_and_buyers(crowds[0], crowds[1], starts, size)
    return measures, people | returning(crowds[1], old, starts, size)


def _positions(positions: Mapping[tuple[int, ...], int], keys: tuple[str, ...], frame: pl.DataFrame) -> I64:
    """The position of each row's value."""
    code = np.zeros(len(frame), np.int64)
    table = np.zeros(len(positions), np.int64)
    for place, key in enumerate(keys):
        code = code * MOST_NAMES + frame[key].to_numpy().astype(np.int64)
        table = table * MOST_NAMES + np.array([value[place] for value in positions], np.int64)
    return np.searchsorted(table, code)  # the values are in order


def _rows(measures: Mapping[str, I64], people: Mapping[str, I64], size: int) -> Iterator[Row]:
    rates = rates_of(measures, people)
    for at in range(size):
        yield (
            {key: int(values[at]) for key, values in measures.items()},
            {key: int(values[at]) for key, values in people.items()},
            {key: float(values[at]) for key, values in rates.items() if not np.isnan(values[at])},
        )
