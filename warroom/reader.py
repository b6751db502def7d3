"""Reads results from Redis, typed: merchants, totals, leaderboards, series, the clock."""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

import redis

from schemas import redis_layout
from schemas.redis_layout import SERIES_FIELDS
from schemas.results import MerchantResult
from schemas.windows import DISTINCT, MEASURES, MINUTE_MS, RATIOS, windows_of
from warroom.config import without_password
from warroom.errors import PreflightError, WarroomError
from warroom.preflight import redis_client

AT_ONCE: Final = 2_000
"""Merchants that are asked for in one round trip."""

_MEASURE_FIELDS: Final = tuple(
    redis_layout.field(m, w) for m in (*MEASURES, *DISTINCT) for w in windows_of(m)
)
_MULTIPLE_FIELDS: Final = tuple(redis_layout.field(r, w) for r in RATIOS for w in windows_of(r))


@dataclass(frozen=True, slots=True)
class Merchant:
    """A merchant's result, and its ordinary day's gmv in fen if it has a baseline."""

    result: MerchantResult
    baseline_gmv_fen: float | None


@dataclass(frozen=True, slots=True)
class Clock:
    """``meta``: how far results are; times in ms since the epoch, None before there are any."""

    run: int | None = None
    watermark_ms: int | None = None
    event_time_ms: int | None = None
    updated_at_ms: int | None = None
    merchants: int = 0
    without_baseline: int = 0


class ResultsReader:
    """Reads one prefix of one Redis. Raises ``WarroomError`` naming the address when it does not answer."""

    def __init__(self, url: str, prefix: str) -> None:
        self._shown = without_password(url)
        self._prefix = prefix
        self._client = redis_client(url)

    def close(self) -> None:
        """Drop the connection."""
        self._client.close()

    def clock(self) -> Clock:
        """How far the results are."""
        found = self._hash(redis_layout.meta(self._prefix))
        return Clock(
            run=_whole(found, "run"),
            watermark_ms=_whole(found, "watermark"),
            event_time_ms=_whole(found, redis_layout.EVENT_TIME),
            updated_at_ms=_whole(found, redis_layout.UPDATED_AT),
            merchants=_whole(found, "merchants") or 0,
            without_baseline=_whole(found, "merchants_without_baseline") or 0,
        )

    def totals(self) -> dict[str, float]:
        """``rollup:total:all``: measures and multiples of everything."""
        found = self._hash(redis_layout.rollup(self._prefix, "total", "all"))
        return {name: float(text) for name, text in found.items()}

    def top(self, metric: str, window: str, count: int) -> list[tuple[str, float]]:
        """The best merchants of a leaderboard: id and score, best first."""
        key = redis_layout.top(self._prefix, metric, window)
        with self._named_errors():
            found = self._client.zrevrange(key, 0, count - 1, withscores=True)
        return cast("list[tuple[str, float]]", found)

    def merchants(self, merchant_ids: Sequence[str]) -> list[Merchant | None]:
        """Merchants in the order asked for; None for one that has no results."""
        found: list[Merchant | None] = []
        for first in range(0, len(merchant_ids), AT_ONCE):
            some = merchant_ids[first : first + AT_ONCE]
            with self._named_errors():
                pipeline = self._client.pipeline(transaction=False)
                for merchant_id in some:
                    pipeline.hgetall(redis_layout.merchant(self._prefix, merchant_id))
                hashes = pipeline.execute()
            found += [merchant_of(i, h) if h else None for i, h in zip(some, hashes, strict=True)]
        return found

    def merchant_ids(self) -> Iterator[str]:
        """Every merchant with results, each at least once."""
        before = redis_layout.merchant(self._prefix, "")
        with self._named_errors():
            for key in self._client.scan_iter(match=_literally(before) + "*", count=AT_ONCE):
                yield str(key).removeprefix(before)

    def best_peaks(self, count: int, least_orders: int, window: str) -> list[Merchant]:
        """Merchants with the greatest peak of sales, best first.

        One with fewer than ``least_orders`` orders in ``window`` is left out. Reads every merchant.
        """
        orders = redis_layout.field("orders", window)
        peaks: dict[str, float] = {}
        for some in _in_groups(self.merchant_ids(), AT_ONCE):
            with self._named_errors():
                pipeline = self._client.pipeline(transaction=False)
                for merchant_id in some:
                    key = redis_layout.merchant(self._prefix, merchant_id)
                    pipeline.hmget(key, redis_layout.PEAK, orders)
                answers = pipeline.execute()
            for merchant_id, answer in zip(some, answers, strict=True):
                if answer[0] is not None and int(answer[1] or 0) >= least_orders:
                    peaks[merchant_id] = float(answer[0])
            peaks = dict(heapq.nsmallest(count, peaks.items(), key=lambda pair: (-pair[1], pair[0])))
        return [m for m in self.merchants(list(peaks)) if m is not None]

    def series_until(self, subject: str, end_ms: int) -> dict[str, int] | None:
        """Sums of closed buckets up to ``end_ms`` (exclusive), by ``SERIES_FIELDS``; None if not there."""
        key = redis_layout.series(self._prefix, subject)
        with self._named_errors():
            point = self._client.hget(key, str(end_ms - MINUTE_MS))
        # A point that an older version wrote is shorter.
        return None if point is None else dict(zip(SERIES_FIELDS, json.loads(point), strict=False))

    def active_alerts(self) -> int:
        """How many alerts hold now."""
        with self._named_errors():
            return int(self._client.hlen(redis_layout.active_alerts(self._prefix)))

    def _hash(self, key: str) -> dict[str, str]:
        with self._named_errors():
            return {str(k): str(v) for k, v in self._client.hgetall(key).items()}

    def _named_errors(self) -> _NamedErrors:
        return _NamedErrors(self._shown)


@dataclass(frozen=True, slots=True)
class _NamedErrors:
    """Turns what redis-py raises into one line with the address."""

    address: str

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, redis.AuthenticationError):
            raise PreflightError(
                f"Redis at {self.address} wants another user or password; see redis.url"
            ) from None
        if isinstance(error, redis.ConnectionError | redis.TimeoutError):
            raise WarroomError(f"Redis at {self.address} does not answer; is it running?") from None
        if isinstance(error, redis.RedisError):
            raise WarroomError(f"Redis at {self.address}: {error}") from None


def merchant_of(merchant_id: str, found: Mapping[str, str]) -> Merchant:
    """A merchant's hash, parsed."""
    result = MerchantResult(
        merchant_id=merchant_id,
        name=found.get(redis_layout.NAME),
        measures={name: int(found[name]) for name in _MEASURE_FIELDS if name in found},
        multiples={name: float(found[name]) for name in _MULTIPLE_FIELDS if name in found},
        peak_sales_multiple_1h=_decimal(found, redis_layout.PEAK),
        peak_at_ms=_whole(found, redis_layout.PEAK_AT),
        peak_same_period_multiple_1h=_decimal(found, redis_layout.PEAK_SAME_PERIOD),
        event_time_ms=_whole(found, redis_layout.EVENT_TIME) or 0,
        updated_at_ms=_whole(found, redis_layout.UPDATED_AT) or 0,
        hours_to_100_new_members=_decimal(found, redis_layout.HUNDRED_HOURS),
        hours_to_100_new_members_sale=_decimal(found, redis_layout.HUNDRED_HOURS_SALE),
        baseline_new_members=_decimal(found, redis_layout.BASELINE_NEW_MEMBERS),
        baseline_hours_to_100_new_members=_decimal(found, redis_layout.BASELINE_HUNDRED_HOURS),
    )
    return Merchant(result, _decimal(found, redis_layout.BASELINE_GMV))


def _whole(found: Mapping[str, str], name: str) -> int | None:
    return int(found[name]) if name in found else None


def _decimal(found: Mapping[str, str], name: str) -> float | None:
    return float(found[name]) if name in found else None


def _literally(text: str) -> str:
    """``text`` as a pattern of SCAN that matches nothing else."""
    return "".join(f"\\{c}" if c in "*?[]\\^" else c for c in text)


def _in_groups(items: Iterable[str], size: int) -> Iterator[list[str]]:
    group: list[str] = []
    for item in items:
        group.append(item)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group
