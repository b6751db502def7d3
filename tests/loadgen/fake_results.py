"""Redis as a right run would leave it, written from the oracle's answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import redis
from msgspec import UNSET

from loadgen.oracle import Answers
from schemas import redis_layout
from schemas.alerts import Alert
from schemas.windows import WINDOWS


def write_right_results(url: str, prefix: str, answers: Answers) -> redis.Redis:
    """Every hash that ``verify`` reads."""
    client = redis.Redis.from_url(url, decode_responses=True)
    pipeline = client.pipeline(transaction=False)
    for merchant_id, expected in answers.merchants.items():
        fields: dict[Any, Any] = {key: str(value) for key, value in expected.measures.items()}
        for numbers in (expected.multiples, expected.rates, expected.singles):
            fields |= {key: f"{value:.6f}" for key, value in numbers.items()}
        fields |= {key: str(value) for key, value in expected.people.items()}
        if expected.name is not None:
            fields[redis_layout.NAME] = expected.name
        if expected.peak is not None and expected.peak.sales_multiple is not UNSET:
            fields[redis_layout.PEAK] = f"{expected.peak.sales_multiple:.6f}"
            fields[redis_layout.PEAK_AT] = str(expected.peak.at_ms)
        if expected.peak is not None and expected.peak.same_period_multiple is not UNSET:
            fields[redis_layout.PEAK_SAME_PERIOD] = f"{expected.peak.same_period_multiple:.6f}"
        pipeline.hset(redis_layout.merchant(prefix, merchant_id), mapping=fields)
    for name, row in answers.rollups.items():
        fields = {key: str(value) for key, value in (row.measures | row.people).items()}
        fields |= {key: f"{value:.6f}" for key, value in row.rates.items()}
        pipeline.hset(redis_layout.rollup(prefix, *name.split(":", 1)), mapping=fields)
    for metric, window, best in boards_of(answers):
        pipeline.zadd(redis_layout.top(prefix, metric, window), best)
    for alert_id, milestone in answers.alerts.items():
        rule, subject, end_ms = alert_id.split("|")
        alert = Alert(
            alert_id, rule, subject, "info", int(end_ms), milestone.value, milestone.threshold, "中", "en"
        )
        pipeline.xadd(redis_layout.alerts(prefix), {"alert": msgspec.json.encode(alert)})
    totals: dict[Any, Any] = {key: str(value) for key, value in answers.totals.items()}
    pipeline.hset(redis_layout.rollup(prefix, "total", "all"), mapping=totals)
    pipeline.execute()
    return client


def boards_of(answers: Answers) -> Iterator[tuple[str, str, dict[str, float]]]:
    """Every board that has anybody: metric, window, and the best fifty."""
    least = {
        "sales_multiple": (10, ("orders",)),
        "new_member_multiple": (10, ("new_members",)),
        "private_traffic_share": (100, ("private_views", "platform_views")),
    }
    for metric in ("gmv", "orders", "new_members", *least):
        volume, of = least.get(metric, (0, ()))
        for window in WINDOWS:
            scores = {}
            for merchant_id, e in answers.merchants.items():
                everything = {**e.measures, **e.multiples, **e.rates}
                enough = sum(e.measures[f"{name}:{window}"] for name in of) >= volume
                score = float(everything.get(f"{metric}:{window}", 0))
                if enough and score > 0:
                    scores[merchant_id] = score
            best = dict(sorted(scores.items(), key=lambda item: (-item[1], item[0]))[:50])
            if best:
                yield metric, window, best
