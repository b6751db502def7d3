"""Roll-ups as a Prometheus family: bounded, the best values of every dimension."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from operators.metrics_board import AMOUNTS, label
from operators.rollup_delta import Value
from operators.rollup_results import Fields
from schemas.redis_layout import field

VALUES_TOLD: Final = 20
"""Values of a dimension that have series: those that sold most today."""
MEASURES_TOLD: Final = ("orders", "gmv", "views", "new_members", "visitors", "private_traffic_share")
WINDOWS_TOLD: Final = ("5m", "1h", "day")


def best_values(rows: Mapping[Value, Fields], size: int) -> list[Value]:
    """The ``size`` values of each dimension that sold most today, in the order of their sales."""
    by_dimension: dict[str, list[Value]] = {}
    for value in sorted(rows, key=lambda v: (-rows[v].get("gmv:day", 0), v)):
        by_dimension.setdefault(value[0], []).append(value)
    return [value for values in by_dimension.values() for value in values[:size]]


def rollup_families(rows: Mapping[Value, Fields], others: Mapping[str, int]) -> Iterator[Metric]:
    """What the roll-ups say, in the process that keeps them."""
    family = GaugeMetricFamily(
        "warroom_rollup",
        "Measures by channel, category and city tier and window, of the best values; amounts in yuan.",
        labels=("dimension", "value", "measure", "window"),
    )
    for dimension, value in best_values(rows, VALUES_TOLD):
        fields = rows[dimension, value]
        for measure in MEASURES_TOLD:
            scale = 0.01 if measure in AMOUNTS else 1.0
            for window in WINDOWS_TOLD:
                told = fields.get(field(measure, window))
                if told is not None:
                    family.add_metric((dimension, label(value), measure, window), told * scale)
    yield family
    counter = CounterMetricFamily(
        "warroom_rollup_other",
        "Events of values beyond the first 200 of their dimension.",
        labels=("dimension",),
    )
    for dimension, count in others.items():
        counter.add_metric((dimension,), count)
    yield counter
