"""A night that is written straight into Redis, by the names of the contract: for the page and its tests.

``python -m tests.web.night --redis URL`` plays it to its end, to look at the page without any engine.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import Any, Final

import redis

from schemas import redis_layout
from schemas.redis_layout import SERIES_FIELDS, field
from warroom.waiting import wait_until

Client = Any
"""redis-py, whose types leave open whether texts come as bytes, and whether now or later."""
PREFIX: Final = redis_layout.DEFAULT_PREFIX
OPENS_MS: Final = 1_576_080_000_000
"""2019-12-12T00:00:00+08:00."""
MINUTE_MS: Final = 60_000
DAY_MINUTES: Final = 1_440
WINDOW_MINUTES: Final = {"1m": 1, "5m": 5, "1h": 60, "12h": 720, "day": DAY_MINUTES, "sale": DAY_MINUTES}
HOURS: Final = (70, 34, 20, 12, 9, 10, 16, 28, 40, 56, 60, 58, 62, 52, 46, 44, 44, 46, 50, 58, 66, 62, 56, 40)
SCRIPT_NAME: Final = "<script>alert(1)</script>"
EMOJI_NAME: Final = "🛒🧨🎉🍜" * 8
"""128 bytes."""
CHANNELS: Final = {"koubei": 0.42, "taobao": 0.27, "eleme": 0.16, "wechat": 0.09, "offline": 0.06}
TIERS: Final = {"1": 0.31, "2": 0.27, "3": 0.2, "4": 0.12, "5": 0.07, "unknown": 0.03}


@dataclass(frozen=True, slots=True)
class Shop:
    """``day_fen``: an ordinary day's gmv; ``multiple``: of the whole night; ``peak``: minute of its rush."""

    merchant_id: str
    name: str
    day_fen: int
    multiple: float
    peak: int
    joins: int = 40


SHOPS: Final = (
    Shop("waipojia", "外婆家", 2_000_000, 61.0, 750, 160),
    Shop("ledazui", "樂大嘴", 5_000_000, 17.4, 5, 220),
    Shop("zhengongfu", "真功夫", 64_000_000, 1.9, 740, 340),
    Shop("meilijiazu", "美儷家族", 1_200_000, 4.2, 600, 367),
    Shop("sanzhisongshu", "三隻松鼠", 40_000_000, 12.2, 20, 310),
    Shop("xiaoxiong", "小熊電器", 9_000_000, 9.6, 1210, 140),
    Shop("weinuona", "薇諾娜", 22_000_000, 8.8, 1205, 280),
    Shop("jiaoxia", "蕉下戶外", 6_500_000, 7.1, 30, 90),
    Shop("renyang", "認養一頭牛", 11_000_000, 5.9, 1220, 260),
    Shop("yunjing", "雲鯨智能", 18_000_000, 5.1, 10, 70),
    Shop("huaxizi", "花西子", 31_000_000, 3.4, 1200, 330),
    Shop("anta", "安踏官方旗艦店", 88_000_000, 6.6, 1215, 190),
    Shop("script", SCRIPT_NAME, 3_000_000, 6.1, 1202, 20),
    Shop("emoji", EMOJI_NAME, 2_500_000, 5.4, 1190, 18),
)


def ordinary_share(minute: int) -> float:
    """Share of an ordinary day's sales that falls into a minute of the day."""
    return HOURS[minute % DAY_MINUTES // 60] / sum(HOURS) / 60


def rush(minute: int, peak: int) -> float:
    """A rise within minutes and a slow fall."""
    after = minute - peak
    return math.exp(-after / 70) if after >= 0 else math.exp(after / 9)


def running(rows: list[list[int]]) -> list[list[int]]:
    """Sums up to and with each row."""
    return [
        list(sums) for sums in zip(*(accumulate(column) for column in zip(*rows, strict=True)), strict=True)
    ]


class Night:
    """Every result by arithmetic alone, so that a test can say what the page must show."""

    def __init__(self, client: Client, shops: tuple[Shop, ...] = SHOPS, prefix: str = PREFIX) -> None:
        self.client = client
        self._prefix = prefix
        self._shops = shops
        self._written = 0
        self._run = 1
        self._series = {s.merchant_id: self._minutes(s) for s in shops}
        self._series["total"] = [
            [sum(values) for values in zip(*rows, strict=True)]
            for rows in zip(*self._series.values(), strict=True)
        ]
        self._summed = {name: [[0, 0, 0, 0], *running(rows)] for name, rows in self._series.items()}
        self.day_fen = {s.merchant_id: s.day_fen for s in shops}
        self.day_fen["total"] = sum(self.day_fen.values())

    @staticmethod
    def _minutes(shop: Shop) -> list[list[int]]:
        """(orders, gmv, joins, views) of every minute of the day."""
        weights = [
            ordinary_share(m) * 1.2 + rush(m, shop.peak) / 60 + rush(m, 0) / 200 for m in range(DAY_MINUTES)
        ]
        whole = sum(weights)
        rows = []
        for minute, weight in enumerate(weights):
            ripple = 1 + 0.13 * math.sin(minute * 0.9 + len(shop.name)) + 0.07 * math.sin(minute * 2.3)
            gmv = int(shop.day_fen * shop.multiple * weight / whole * ripple)
            joins = int(shop.joins * (minute + 1) / DAY_MINUTES) - int(shop.joins * minute / DAY_MINUTES)
            rows.append([max(gmv // 6_900, 1), gmv, joins, gmv // 900])
        return rows

    def sums(self, subject: str, until: int, minutes: int) -> list[int]:
        """(orders, gmv, joins, views) of the last ``minutes`` up to minute ``until`` (exclusive)."""
        summed = self._summed[subject]
        return [now - then for now, then in zip(summed[until], summed[max(0, until - minutes)], strict=True)]

    def fields(self, subject: str, until: int) -> dict[str, int | float]:
        """Measures and ratios of a subject after ``until`` minutes."""
        found: dict[str, int | float] = {}
        day_fen = self.day_fen[subject]
        joins_a_day = 17.0 if subject != "total" else 17.0 * len(self._shops)
        for window, length in WINDOW_MINUTES.items():
            orders, gmv, joins, views = self.sums(subject, until, length)
            visitors = views * 3 // 4
            found |= {
                field("orders", window): orders,
                field("units", window): orders + orders // 5,
                field("gmv", window): gmv,
                field("refunds", window): gmv // 50,
                field("new_members", window): joins,
                field("views", window): views,
                field("carts", window): views // 6,
                field("favorites", window): views // 11,
                field("private_views", window): views // 3,
                field("platform_views", window): views // 2,
                field("sales_multiple", window): round(gmv / day_fen, 6),
                field("orders_multiple", window): round(gmv / day_fen * 0.97, 6),
                field("new_member_multiple", window): round(joins / joins_a_day, 6),
            }
            ordinary = day_fen * sum(ordinary_share(m) for m in range(max(0, until - length), until))
            if ordinary:
                found[field("same_period_multiple", window)] = round(gmv / ordinary, 6)
            if views:
                found |= {
                    field("private_traffic_share", window): 0.4,
                    field("cart_rate", window): round(views // 6 / views, 6),
                    field("favorite_rate", window): round(views // 11 / views, 6),
                    field("order_rate", window): round(orders / views, 6),
                }
            if visitors and window in ("5m", "1h", "day", "sale"):
                found |= {
                    field("visitors", window): visitors,
                    field("buyers", window): orders * 9 // 10,
                    field("conversion", window): round(orders * 9 // 10 / visitors, 6),
                    field("new_member_rate", window): round(joins / visitors, 6),
                }
        return found

    def write(self, until: int, *, wall_ms: int | None = None) -> None:
        """Redis as it stands after ``until`` minutes of the night."""
        wall_ms = time.time_ns() // 1_000_000 if wall_ms is None else wall_ms
        now_ms = OPENS_MS + until * MINUTE_MS
        if until < self._written:
            self.client.flushdb()
            self._written, self._run = 0, self._run + 1
        pipeline = self.client.pipeline()
        fields = {s.merchant_id: self.fields(s.merchant_id, until) for s in self._shops}
        for shop in self._shops:
            pipeline.hset(
                redis_layout.merchant(self._prefix, shop.merchant_id), mapping=self._hash(shop, until, fields)
            )
        self._boards(pipeline, fields)
        self._rollups(pipeline, until, wall_ms)
        self._points(pipeline, until)
        self._alerts(pipeline, until)
        pipeline.hset(
            redis_layout.meta(self._prefix),
            mapping={
                "run": self._run,
                "run_id": "fake",
                "layout": redis_layout.LAYOUT_VERSION,
                "watermark": now_ms - 5_000 + 5_000,
                "event_time": now_ms + 4_000,
                "updated_at": wall_ms,
                "merchants": 1_004,
                "merchants_without_baseline": 3,
            },
        )
        pipeline.execute()
        self._written = until

    def beat(self) -> None:
        """Say that the engine lives, without any news."""
        self.client.hset(redis_layout.meta(self._prefix), "updated_at", time.time_ns() // 1_000_000)

    def _hash(
        self, shop: Shop, until: int, fields: dict[str, dict[str, int | float]]
    ) -> dict[str, int | float | str]:
        mine = fields[shop.merchant_id]
        peak = min(shop.peak + 60, until)
        gmv = int(mine["gmv:day"])
        found: dict[str, int | float | str] = {
            **mine,
            "name": shop.name,
            "baseline_gmv": shop.day_fen,
            "baseline_orders": shop.day_fen // 6_900,
            "baseline_new_members": 17,
            redis_layout.PEAK: round(self.sums(shop.merchant_id, peak, 60)[1] / shop.day_fen, 6),
            redis_layout.PEAK_AT: OPENS_MS + peak * MINUTE_MS,
            "event_time": OPENS_MS + until * MINUTE_MS,
            "updated_at": OPENS_MS,
            "channels:day": json.dumps([[c, gmv // 9_000, int(gmv * s), s] for c, s in CHANNELS.items()]),
            "categories:day": json.dumps([["restaurant", gmv // 6_900, gmv, 1.0]]),
        }
        if shop.joins * until / DAY_MINUTES >= 100:
            found["hours_to_100_new_members"] = round(100 / shop.joins * 24, 2)
        left = 900 - until // 2 - len(shop.name) * 20
        if shop.merchant_id in ("waipojia", "jiaoxia", "yunjing", "renyang") and 0 < left < 700:
            pace = 12.5 + len(shop.name)
            sold_out = OPENS_MS + int((until + left / pace) * MINUTE_MS)
            found["low_stock"] = json.dumps([[f"{shop.name[:2]}-禮盒", left, pace, sold_out]])
            found["sold_out_at"] = sold_out
        return found

    def _boards(self, pipeline: Client, fields: dict[str, dict[str, int | float]]) -> None:
        for metric in ("sales_multiple", "gmv", "orders", "new_members", "new_member_multiple", "conversion"):
            for window in WINDOW_MINUTES:
                key = redis_layout.top(self._prefix, metric, window)
                scores = {
                    i: f[field(metric, window)] for i, f in fields.items() if f.get(field(metric, window))
                }
                pipeline.delete(key)
                if scores:
                    pipeline.zadd(key, scores)

    def _rollups(self, pipeline: Client, until: int, wall_ms: int) -> None:
        total = self.fields("total", until)
        singles = {
            "merchants": 1_004,
            "late": 12,
            "baseline_gmv": self.day_fen["total"],
            "updated_at": wall_ms,
        }
        pipeline.hset(redis_layout.rollup(self._prefix, "total", "all"), mapping={**total, **singles})
        for dimension, parts in (("channel", CHANNELS), ("city_tier", TIERS)):
            for value, share in parts.items():
                part = {name: int(v * share) for name, v in total.items() if isinstance(v, int)}
                pipeline.hset(redis_layout.rollup(self._prefix, dimension, value), mapping=part)
                pipeline.zadd(redis_layout.rollup_values(self._prefix, dimension), {value: part["gmv:day"]})
        pipeline.zadd(redis_layout.rollup_values(self._prefix, "total"), {"all": total["gmv:day"]})

    def _points(self, pipeline: Client, until: int) -> None:
        for subject, rows in self._series.items():
            ordinary = [self.day_fen[subject] * h / sum(HOURS) for h in HOURS]
            pipeline.set(f"{self._prefix}ordinary:{subject}", json.dumps(ordinary))
            points = {}
            for minute in range(self._written, until):
                orders, gmv, joins, views = rows[minute]
                hour, day = self.sums(subject, minute + 1, 60), self.sums(subject, minute + 1, DAY_MINUTES)
                values = [orders, gmv, hour[1], day[1], day[1], day[0], day[0], joins, day[2], views]
                points[str(OPENS_MS + minute * MINUTE_MS)] = json.dumps(values[: len(SERIES_FIELDS)])
            if points:
                pipeline.hset(redis_layout.series(self._prefix, subject), mapping=points)

    def _alerts(self, pipeline: Client, until: int) -> None:
        for shop in self._shops:
            for minute in range(self._written + 1, until + 1):
                before, now = (
                    self.sums(shop.merchant_id, m, 60)[1] / shop.day_fen for m in (minute - 1, minute)
                )
                for step, severity in ((1, "info"), (5, "info"), (10, "warning"), (50, "critical")):
                    if before < step <= now:
                        alert = alert_of(shop, minute, step, severity, now)
                        pipeline.xadd(
                            redis_layout.alerts(self._prefix), {"alert": json.dumps(alert)}, maxlen=1_000
                        )
                        pipeline.hset(
                            redis_layout.active_alerts(self._prefix),
                            str(alert["alert_id"]),
                            json.dumps(alert),
                        )


def alert_of(shop: Shop, minute: int, step: int, severity: str, value: float) -> dict[str, str | int | float]:
    """A milestone as the engine writes it."""
    end_ms = OPENS_MS + minute * MINUTE_MS
    return {
        "alert_id": f"sales_multiple_1h|{shop.merchant_id}|{end_ms}",
        "rule": "sales_multiple_1h",
        "subject": shop.merchant_id,
        "severity": severity,
        "bucket_end_ms": end_ms,
        "value": round(value, 2),
        "threshold": step,
        "text_zh": f"{shop.name}：最近一小時的業績是平常一整天的 {value:.1f} 倍，超過 {step} 倍。",
        "text_en": f"{shop.name}: the last hour sold {value:.1f} times an ordinary day, past {step} times.",
    }


def main() -> None:
    """Play the night, minute after minute, to its end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--redis", required=True)
    parser.add_argument("--start", type=int, default=1)
    parser.add_argument("--minutes-a-second", type=float, default=6)
    given = parser.parse_args()
    night = Night(redis.Redis.from_url(given.redis))
    began_s = time.monotonic()

    def now() -> int:
        return min(int(given.start + (time.monotonic() - began_s) * given.minutes_a_second), DAY_MINUTES)

    def later_than(minute: int) -> bool:
        return now() > minute

    written = given.start
    night.write(written)
    while written < DAY_MINUTES:
        wait_until(partial(later_than, written), 60 / given.minutes_a_second)
        written = now()
        night.write(written)


if __name__ == "__main__":
    main()
