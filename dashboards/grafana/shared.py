"""What the four dashboards have in common: variables, annotations, thresholds with one reason."""

from __future__ import annotations

from typing import Final

from dashboards.grafana.definition import Kind, Panel, Query, Thresholds, Variable
from dashboards.grafana.promql import WHO

YUAN: Final = "currencyJPY"
"""Grafana has no unit for the yuan; the yen's writes the same sign before the number."""

NO_ALERT: Final = "no alert fires while all is well"
NEEDS_VOLUME: Final = (
    "multiples are told of merchants with at least 10 orders in the window, so there may be none yet"
)
NEEDS_BASELINE: Final = "without any baseline there is no ordinary day to compare with"

PLAIN: Final = Thresholds(
    "none, no level of this is wrong by itself; read it beside its neighbours.", base="blue"
)

PACE: Final = Thresholds(
    "red below 0.5: half of what an ordinary day sells in these hours is missing, on a night that should "
    "beat it; yellow below 0.8: more than usual scatter; blue from 3: far above, see whether it is real.",
    ((0.5, "yellow"), (0.8, "green"), (3.0, "blue")),
    base="red",
)
TIMES_THE_DAY: Final = Thresholds(
    "the steps at which milestones are told: 1, 5, 10, 50 and 100 ordinary days' sales in the window.",
    ((1.0, "green"), (5.0, "yellow"), (10.0, "orange"), (50.0, "red"), (100.0, "purple")),
    base="blue",
)
LATENCY: Final = Thresholds(
    "yellow from 1 s, the promise of this system; red from 3 s, when the page marks its numbers as old.",
    ((1.0, "yellow"), (3.0, "red")),
)
LAG: Final = Thresholds(
    "yellow from 10,000 messages, more than two epochs of a busy partition; red from 100,000, which takes "
    "seconds to catch up.",
    ((10_000.0, "yellow"), (100_000.0, "red")),
)
DELAY: Final = Thresholds(
    "5 s is the lateness that is always waited for; yellow from 15 s: a partition is slow; red from 60 s: "
    "one is stuck. While a recorded day is replayed the delay is the day's age and means nothing.",
    ((15.0, "yellow"), (60.0, "red")),
)
ANY_IS_BAD: Final = Thresholds("red from 1: there should be none at all.", ((1.0, "red"),))

BACKLOG: Final = Thresholds(
    "yellow from 2 s, four publish intervals; red from 10 s, where an alert fires: pages show old numbers.",
    ((2.0, "yellow"), (10.0, "red")),
)
UP: Final = Thresholds(
    "red at 0: not one worker, or one of several, does not answer.", ((1.0, "green"),), base="red"
)

ALERTS: Final = f'ALERTS{{{WHO}, alertname=~"Warroom.+|Loadgen.+", alertstate="firing"}}'


def who(*metrics: str) -> tuple[Variable, ...]:
    """Job and instance of the processes that export any of ``metrics``."""
    name = f'__name__=~"{"|".join(metrics)}"'
    jobs, instances = f"{{{name}}}", f'{{{name}, job=~"$job"}}'
    return (
        Variable("job", "Job", jobs, "job", text="The Prometheus job that scrapes the processes."),
        Variable("instance", "Instance", instances, "instance", text="The processes."),
    )


def firing(*matchers: str) -> Query:
    """Firing alerts as annotations."""
    return Query(
        f"{ALERTS[:-1]}{''.join(f', {m}' for m in matchers)}}}",
        "{{alertname}} {{merchant_name}}{{value}}",
        low=1.0,
        high=1.0,
        quiet=NO_ALERT,
    )


def one_query_panel(
    kind: Kind,
    title: str,
    text: str,
    unit: str,
    expr: str,
    legend: str,
    thresholds: Thresholds = PLAIN,
    width: int = 8,
    *,
    high: float = float("inf"),
    low: float = 0.0,
    quiet: str = "",
    stacked: bool = False,
) -> Panel:
    """A panel of one question; a big number is half as tall as a curve."""
    query = Query(expr, legend, low, high, quiet)
    height = 4 if kind == "stat" else 8
    return Panel(kind, title, text, unit, (query,), thresholds, width, height, stacked=stacked)
