"""Redis as a right run would leave it, written from the oracle's answers."""

from __future__ import annotations

from typing import Any

import redis
from msgspec import UNSET

from loadgen.oracle import Answers
from schemas import redis_layout


def write_right_results(url: str, prefix: str, answers: Answers) -> redis.Redis:
    """Every hash that ``verify`` reads."""
    client = redis.Redis.from_url(url, decode_responses=True)
    pipeline = client.pipeline(transaction=False)
    for merchant_id, expected in answers.merchants.items():
        fields: dict[Any, Any] = {key: str(value) for key, value in expected.measures.items()}
        fields |= {key: f"{value:.6f}" for key, value in expected.multiples.items()}
        if expected.name is not None:
            fields[redis_layout.NAME] = expected.name
        if expected.peak is not None and expected.peak.sales_multiple is not UNSET:
            fields[redis_layout.PEAK] = f"{expected.peak.sales_multiple:.6f}"
            fields[redis_layout.PEAK_AT] = str(expected.peak.at_ms)
        if expected.peak is not None and expected.peak.same_period_multiple is not UNSET:
            fields[redis_layout.PEAK_SAME_PERIOD] = f"{expected.peak.same_period_multiple:.6f}"
        pipeline.hset(redis_layout.merchant(prefix, merchant_id), mapping=fields)
    totals: dict[Any, Any] = {key: str(value) for key, value in answers.totals.items()}
    pipeline.hset(redis_layout.rollup(prefix, "total", "all"), mapping=totals)
    pipeline.execute()
    return client
