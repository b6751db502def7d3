"""Rows in a few words, a publisher that ends with its test, and what stands in Redis afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import redis

from operators.batches import BoardRows, MerchantRows, SeriesPoint
from operators.redis_publisher import PublisherSettings, RedisPublisher
from operators.redis_run import Run
from schemas.windows import DISTINCT, DISTINCT_WINDOWS, MEASURES, RATIOS, WINDOWS

WALL_MS = 1_576_080_000_000
WRITTEN_WITHIN_S = 30.0
NAN = float("nan")


def rows(
    *merchants: str,
    shard: int = 0,
    offset: int = 1,
    value: int = 1,
    windows: Sequence[str] = WINDOWS,
    urgent: bool = True,
    clicked: bool = True,
    multiple: float = NAN,
    people: float = NAN,
    arrived_ms: int | None = None,
    series: Sequence[SeriesPoint] = (),
) -> MerchantRows:
    """An offer of a shard in which every measure of every merchant is ``value``."""
    n = len(merchants)
    changed = sum(0b1000001 << WINDOWS.index(w) for w in windows)
    return MerchantRows(
        shard=shard,
        progress={"orders/0": offset},
        merchant_ids=list(merchants),
        names=[f"店{m}" for m in merchants],
        changed=np.full(n, changed, np.uint16),
        clicked=np.full(n, clicked),
        urgent=np.full(n, urgent),
        measures=np.full((n, len(WINDOWS), len(MEASURES)), value, np.int64),
        ratios=np.full((n, len(WINDOWS), len(RATIOS)), multiple),
        people=np.full((n, len(DISTINCT), len(DISTINCT_WINDOWS)), people),
        peak_multiple=np.full(n, multiple),
        peak_same_period=np.full(n, multiple),
        peak_at_ms=np.full(n, -1 if np.isnan(multiple) else WALL_MS, np.int64),
        event_time_ms=np.full(n, WALL_MS + value, np.int64),
        baseline_gmv=np.full(n, NAN if np.isnan(multiple) else 12.5),
        baseline_orders=np.full(n, NAN if np.isnan(multiple) else 3.0),
        baseline_new_members=np.full(n, NAN if np.isnan(multiple) else 16.0),
        hundred_hours=np.full((n, 2), multiple),
        series=list(series),
        arrived_ms=None if arrived_ms is None else np.full(n, arrived_ms, np.int64),
    )


def board(value: float = 1.0, *, watermark_ms: int = WALL_MS, newest_ms: int = WALL_MS) -> BoardRows:
    """A board with one leaderboard and the total."""
    return BoardRows(
        tops={("gmv", "1h"): [("m1", "店m1", value), ("m2", None, value / 2)]},
        rollups={("total", "all"): {"gmv:1h": int(value)}},
        series=[],
        watermark_ms=watermark_ms,
        newest_ms=newest_ms,
        merchants=2,
        without_baseline=1,
        multiples_histogram=np.zeros(12, np.int64),
    )


def settings(
    url: str, *, timeout_s: float = 5.0, start_over: bool = False, writer: int = 0
) -> PublisherSettings:
    """Settings with nothing special."""
    return PublisherSettings(url, timeout_s=timeout_s, start_over=start_over, writer=writer)


@contextmanager
def publishing(
    url: str, run: int = 1, *, timeout_s: float = 5.0, start_over: bool = False, writer: int = 0
) -> Iterator[RedisPublisher]:
    """A publisher that has been started and ends without writing what is pending."""
    publisher = RedisPublisher(
        settings(url, timeout_s=timeout_s, start_over=start_over, writer=writer),
        Run(run, f"run-{run}", WALL_MS),
    )
    publisher.start()
    try:
        yield publisher
    finally:
        publisher.abandon()


def write(publisher: RedisPublisher, *offers: MerchantRows | BoardRows) -> None:
    """Offer and wait until all of it is written."""
    for offer in offers:
        if isinstance(offer, BoardRows):
            publisher.offer_board(offer)
        else:
            publisher.offer(offer)
    assert publisher.flush(WRITTEN_WITHIN_S)


class Reader:
    """What a program that reads Redis sees."""

    def __init__(self, url: str) -> None:
        self.client: Any = redis.Redis.from_url(url, decode_responses=True, protocol=2)

    def hash(self, key: str) -> dict[str, str]:
        """A hash under the prefix."""
        found: dict[str, str] = self.client.hgetall(f"warroom:{key}")
        return found

    def merchant(self, merchant_id: str) -> dict[str, str]:
        """A merchant's hash."""
        return self.hash(f"merchant:{merchant_id}")

    def value(self, merchant_id: str, field: str = "gmv:1h") -> str | None:
        """One field of a merchant."""
        return self.merchant(merchant_id).get(field)

    def everything(self) -> dict[str, dict[str, str]]:
        """All merchants' hashes, but for when they were written."""
        found: dict[str, dict[str, str]] = {}
        for key in self.client.scan_iter("warroom:merchant:*"):
            found[key] = self.client.hgetall(key)
            del found[key]["updated_at"]
        return found

    def close(self) -> None:
        """Drop the connection."""
        self.client.close()
