"""A war room in one process without Kafka, Redis or Bytewax, and a plain recomputation to hold it against."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from operators.batches import Lane, LaneOutput, MerchantRows, Standing
from operators.board_rules import BoardRules
from operators.bytes_kernels import Interner
from operators.click_scan import ClickColumns
from operators.click_tally import ClickTally
from operators.decode import ClickDecoder, OrderDecoder, raw_batch
from operators.dedup import Dedup, DedupBudget
from operators.delta import ShardBaselines
from operators.dimensions import Dimensions
from operators.event_lane import EventLane
from operators.order_scan import OrderColumns
from operators.order_tally import OrderTally
from operators.process_clock import ProcessClock
from operators.rollups import RollupRules, Rollups
from operators.shard import Shard, ShardRules
from operators.shards import SHARDS
from operators.stock_notes import ShardStock
from operators.tally import shard_of_merchant
from schemas.baselines import Baseline
from schemas.dead_letters import DeadLetter
from schemas.events import PLATFORM_SOURCES, PRIVATE_SOURCES
from schemas.windows import (
    DAY_MS,
    DISTINCT,
    DISTINCT_WINDOWS,
    HOUR_MS,
    LATENESS_MS,
    MEASURES,
    MINUTE_MS,
    RATIOS,
    SLIDING,
    WINDOWS,
)

SHANGHAI_OFFSET_MS = 8 * HOUR_MS
DAY_START_MS = 1_576_080_000_000
"""2019-12-12T00:00:00+08:00."""
STAMP_MS = DAY_START_MS + 99999 * DAY_MS
"""A Kafka timestamp that no event of these tests is ahead of."""


def order(number: int, merchant: str = "m1", at_ms: int = DAY_START_MS, **fields: Any) -> dict[str, Any]:  # noqa: ANN401
    """An order as producers send it; ``fields`` override."""
    event = {
        "order_id": f"o{number}",
        "merchant_id": merchant,
        "member_id": f"u{number % 97}",
        "amount": 100,
        "quantity": 1,
        "status": "paid",
        "event_time": at_ms,
    }
    return {**event, **fields}


def click(number: int, merchant: str = "m1", at_ms: int = DAY_START_MS, **fields: Any) -> dict[str, Any]:  # noqa: ANN401
    """A click as producers send it; ``fields`` override."""
    event = {
        "event_id": f"e{number}",
        "merchant_id": merchant,
        "visitor_id": f"u{number % 97}",
        "action": "view",
        "event_time": at_ms,
    }
    return {**event, **fields}


def encoded(event: dict[str, Any]) -> bytes:
    """Compact JSON."""
    return json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode()


def flat_baseline(merchant_id: str, gmv: float = 2400.0, orders: float = 24.0, **fields: Any) -> Baseline:  # noqa: ANN401
    """A baseline that sells the same in every hour."""
    return Baseline(
        merchant_id=merchant_id,
        name=fields.pop("name", merchant_id.upper()),
        days=28,
        daily=fields.pop("daily", {"gmv": gmv, "orders": orders}),
        hourly_share=fields.pop("hourly_share", [1 / 24] * 24),
        **fields,
    )


def rules(partitions: int = 1, click_partitions: int = 0, **fields: Any) -> ShardRules:  # noqa: ANN401
    """Rules of a shard that reads ``orders`` and ``clicks`` with some partitions."""
    counts = {"orders": partitions, "clicks": click_partitions}
    given: dict[str, Any] = {
        "sources": tuple(f"{topic}/{p}" for topic, count in counts.items() for p in range(count)),
        "lateness_ms": LATENESS_MS,
        "timezone": "Asia/Shanghai",
        "sale_opens_ms": DAY_START_MS,
        "top": BoardRules(50, 1, 1, 1, 1),
        "series_watch": (),
        "series_merchants": 0,
        "milestone_min_orders": 1,
        "joins_bytes": 1 << 20,
    }
    return ShardRules(**{**given, **fields})


@dataclass
class WarRoom:
    """Lanes and shards, wired by hand."""

    shard_rules: ShardRules
    horizon_ms: int = 600_000
    memory_bytes: int = 1 << 28
    clock: ProcessClock = field(default_factory=ProcessClock)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    duplicates: int = 0
    accepted: int = 0
    offsets: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def __post_init__(self) -> None:
        self.merchants = Interner()
        self.dimensions = Dimensions()
        r = self.shard_rules
        self.rollups = Rollups(RollupRules(r.sources, r.lateness_ms, r.timezone, r.sale_opens_ms))
        self.budget = DedupBudget(self.memory_bytes)
        partitions = [source.split("/") for source in self.shard_rules.sources]
        self.lanes = [self._order_lane(int(p)) for topic, p in partitions if topic == "orders"]
        self.click_lanes = [self._click_lane(int(p)) for topic, p in partitions if topic == "clicks"]
        self.shards = [Shard(number, self.shard_rules) for number in range(SHARDS)]

    def _order_lane(self, partition: int) -> EventLane[OrderColumns]:
        return EventLane(
            "orders",
            partition,
            OrderDecoder(self.merchants, self.dimensions),
            Dedup(self.horizon_ms, self.budget),
            OrderTally(self.merchants, self.dimensions),
            None,
            self.clock,
            self.shard_rules.lateness_ms,
            self.shard_rules.sale_opens_ms,
        )

    def _click_lane(self, partition: int) -> EventLane[ClickColumns]:
        return EventLane(
            "clicks",
            partition,
            ClickDecoder(self.merchants, self.dimensions),
            Dedup(self.horizon_ms, self.budget),
            ClickTally(self.merchants, self.dimensions),
            None,
            self.clock,
            self.shard_rules.lateness_ms,
            self.shard_rules.sale_opens_ms,
        )

    def send(self, partition: int, values: Sequence[bytes | None], stamp_ms: int = STAMP_MS) -> None:
        """One batch of messages of a partition of orders."""
        self._send("orders", partition, self.lanes[partition], values, stamp_ms)

    def send_clicks(self, partition: int, values: Sequence[bytes | None], stamp_ms: int = STAMP_MS) -> None:
        """One batch of messages of a partition of clicks."""
        self._send("clicks", partition, self.click_lanes[partition], values, stamp_ms)

    def _send(
        self, topic: str, partition: int, lane: Lane, values: Sequence[bytes | None], stamp_ms: int
    ) -> None:
        source = f"{topic}/{partition}"
        output = lane.take(raw_batch(topic, partition, self.offsets[source], list(values), stamp_ms))
        self.offsets[source] += len(values)
        self.dead_letters += output.dead_letters
        self.duplicates += output.duplicates
        self.accepted += output.accepted
        self.deliver(output)

    def deliver(self, output: LaneOutput) -> None:
        for _, rollups in output.to_rollups:
            self.rollups.take(rollups)
        for _, delta in output.to_shards:
            if isinstance(delta, ShardStock):
                self.shards[delta.shard].take_stock(delta)
                continue
            self.clock.note(delta.progress)
            self.dead_letters += self.shards[delta.shard].take(delta)
            share = self.shards[delta.shard].for_rollups.take()
            if share is not None:
                self.rollups.take(share)

    def stand(self, partition: int, standing: Standing) -> None:
        """A partition says how it stands."""
        self.deliver(self.lanes[partition].pulse(standing))

    def end(self) -> None:
        """Every partition is drained."""
        for partition in range(len(self.lanes)):
            self.stand(partition, Standing.ENDED)
        for lane in self.click_lanes:
            self.deliver(lane.pulse(Standing.ENDED))

    def know(self, *baselines: Baseline) -> None:
        """Baselines arrive."""
        for baseline in baselines:
            shard = shard_of_merchant(baseline.merchant_id)
            progress = self.lanes[0].pulse(Standing.LIVE).to_shards[0][1].progress
            self.shards[shard].take_baselines(
                ShardBaselines(shard, progress, [(baseline.merchant_id, baseline)])
            )

    def results(self) -> dict[str, dict[str, Any]]:
        """Everything of every merchant by field name, as a reader sees it."""
        found = {}
        for shard in self.shards:
            shard.outbox.touch()
            rows = shard.outbox.take()
            if rows is not None:
                found.update(fields_of(rows))
        return found


def fields_of(rows: MerchantRows) -> dict[str, dict[str, Any]]:
    """Columns to plain fields; absent ones are left out."""
    found = {}
    for i, merchant_id in enumerate(rows.merchant_ids):
        fields: dict[str, Any] = {"name": rows.names[i], "event_time": int(rows.event_time_ms[i])}
        for w, window in enumerate(WINDOWS):
            for m, measure in enumerate(MEASURES):
                fields[f"{measure}:{window}"] = int(rows.measures[i, w, m])
            for k, multiple in enumerate(RATIOS):
                value = float(rows.ratios[i, w, k])
                if value == value:
                    fields[f"{multiple}:{window}"] = value
        for d, people in enumerate(DISTINCT):
            for w, window in enumerate(DISTINCT_WINDOWS):
                count = float(rows.people[i, d, w])
                if count == count:
                    fields[f"{people}:{window}"] = int(count)
        peak = float(rows.peak_multiple[i])
        if peak == peak:
            fields["peak"] = peak
            fields["peak_at"] = int(rows.peak_at_ms[i])
            fields["peak_same_period"] = float(rows.peak_same_period[i])
        for name, hours in zip(("hundred", "hundred_sale"), rows.hundred_hours[i].tolist(), strict=True):
            if hours == hours:
                fields[name] = hours
        found[merchant_id] = fields
    return found


def recomputed(
    events: Iterable[dict[str, Any]], sale_ms: int | None = DAY_START_MS
) -> dict[str, dict[str, int]]:
    """Measures of every merchant at the newest event, from the events themselves, the slow way."""
    good = list(events)
    newest = max(e["event_time"] for e in good)
    day_start = (newest + SHANGHAI_OFFSET_MS) // DAY_MS * DAY_MS - SHANGHAI_OFFSET_MS
    result: dict[str, dict[str, int]] = {}
    for event in good:
        fields = result.setdefault(event["merchant_id"], {f"{m}:{w}": 0 for m in MEASURES for w in WINDOWS})
        for window in WINDOWS:
            at = event["event_time"]
            if window == "day":
                inside = at >= day_start
            elif window == "sale":
                inside = sale_ms is not None and at >= sale_ms
            else:
                sliding = next(w for w in SLIDING if w.name == window)
                current = newest // sliding.bucket_ms
                inside = current - sliding.buckets < at // sliding.bucket_ms <= current
            if not inside:
                continue
            for measure, value in _added_by(event).items():
                fields[f"{measure}:{window}"] += value
    return result


def _added_by(event: dict[str, Any]) -> dict[str, int]:
    """What one event adds to which measures."""
    if "status" in event:
        if event["status"] == "paid":
            return {"orders": 1, "units": event["quantity"], "gmv": event["amount"]}
        return {"refunds": event["amount"]} if event["status"] in ("refunded", "cancelled") else {}
    if event["action"] != "view":
        return {{"cart": "carts", "favorite": "favorites", "join": "new_members"}[event["action"]]: 1}
    source = event.get("source")
    whose = "platform_views" if source in PLATFORM_SOURCES else "private_views"
    return {"views": 1} | ({whose: 1} if source in (*PLATFORM_SOURCES, *PRIVATE_SOURCES) else {})


def recomputed_hundreds(
    events: Iterable[dict[str, Any]], closed_upto_ms: int, day_start_ms: int = DAY_START_MS
) -> dict[str, float]:
    """Hours from a start to the end of the minute in which each merchant's 100th new member came."""
    joined: dict[str, list[int]] = defaultdict(list)
    for event in events:
        if event.get("action") == "join" and event["event_time"] >= day_start_ms:
            joined[event["merchant_id"]].append(event["event_time"])
    ends = {m: (sorted(at)[99] // MINUTE_MS + 1) * MINUTE_MS for m, at in joined.items() if len(at) >= 100}
    return {m: (end - day_start_ms) / HOUR_MS for m, end in ends.items() if end <= closed_upto_ms}


def recomputed_peaks(events: Iterable[dict[str, Any]], closed_upto_ms: int) -> dict[str, tuple[int, int]]:
    """Greatest closed hour of every merchant, by minutes: (gmv, exclusive end)."""
    minutes: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for event in events:
        if event.get("status") == "paid":
            minutes[event["merchant_id"]][event["event_time"] // MINUTE_MS] += event["amount"]
    peaks = {}
    for merchant, sold in minutes.items():
        best = (0, 0)
        for minute in sorted(sold):
            end_ms = (minute + 1) * MINUTE_MS
            if end_ms > closed_upto_ms:
                continue
            hour = sum(gmv for m, gmv in sold.items() if minute - 60 < m <= minute)
            if hour > best[0]:
                best = (hour, end_ms)
        if best[0]:
            peaks[merchant] = best
    return peaks
