"""PromQL that dashboards ask often, with the variables that every query has to honour."""

from __future__ import annotations

WHO = 'job=~"$job", instance=~"$instance"'
"""The workers that are looked at. Every selector of every query has it."""


def select(metric: str, *matchers: str) -> str:
    """``metric`` of the workers that are looked at, narrowed by further matchers."""
    return f"{metric}{{{', '.join((WHO, *matchers))}}}"


def rate(counter: str, *matchers: str) -> str:
    """What a counter grows by in a second; ``counter`` with its ``_total`` or ``_bucket``."""
    return f"rate({select(counter, *matchers)}[$__rate_interval])"


def grown(counter: str, *matchers: str) -> str:
    """What a counter has grown by in the time that the dashboard shows."""
    return f"increase({select(counter, *matchers)}[$__range])"


def quantile(share: float, histogram: str, *matchers: str, by: str = "job") -> str:
    """The value below which ``share`` of a histogram's observations lie, a group of ``by`` each."""
    return f"histogram_quantile({share:g}, sum by ({by}, le) ({rate(f'{histogram}_bucket', *matchers)}))"


def heat(histogram: str, *matchers: str) -> str:
    """A histogram's buckets over time, for a heat map."""
    return f"sum by (le) ({rate(f'{histogram}_bucket', *matchers)})"


def total(measure: str, window: str) -> str:
    """A measure of all merchants together. One worker holds the board at a time: the greatest is its."""
    return f"max by (job) ({_total(measure, window)})"


def _total(measure: str, window: str) -> str:
    return select("warroom_total", f'measure="{measure}"', f'window="{window}"')


def top(metric: str, window: str, *matchers: str) -> str:
    """The exported merchants' values of a metric."""
    selected = select("warroom_top", f'metric="{metric}"', f'window="{window}"', *matchers)
    return f"max by (merchant, merchant_name) ({selected})"


def rollup(dimension: str, measure: str, window: str) -> str:
    """A measure by the values of a dimension."""
    matchers = (f'dimension="{dimension}"', f'measure="{measure}"', f'window="{window}"')
    return f"max by (value) ({select('warroom_rollup', *matchers)})"


def share_of_total(dimension: str, measure: str, window: str) -> str:
    """What part of all merchants' ``measure`` each value of a dimension has, 0 to 1."""
    whole = f"max({_total(measure, window)})"
    return f"{rollup(dimension, measure, window)} / scalar({whole} > 0)"


def ordinary(measure: str, multiple: str, window: str) -> str:
    """What an ordinary day has in the same stretch: the measure over its multiple."""
    return f"{total(measure, window)} / ({total(multiple, window)} > 0)"
