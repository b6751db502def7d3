"""What a flow has to be told, typed. ``warroom`` fills these from its configuration."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from operators.board_rules import BoardRules
from schemas.redis_layout import DEFAULT_PREFIX
from schemas.windows import DEFAULT_TIMEZONE, LATENESS_MS


@dataclass(frozen=True, slots=True)
class KafkaOptions:
    """Where events come from and dead letters go. ``client``: librdkafka settings, passed through."""

    brokers: str
    orders: str = "orders"
    stock: str = ""
    """Empty: what is left is told by orders alone, or not at all."""
    clicks: str = "clicks"
    """Empty: there is no click stream."""
    baselines: str = "baselines"
    dead_letters: str = "dead-letters"
    client: dict[str, str] = field(default_factory=dict)
    group: str = "warroom"
    """Group under which offsets are committed for monitoring."""
    on_lost_offsets: Literal["error", "earliest"] = "error"
    """Whether a stored offset that Kafka no longer has ends the run, or reading goes on from the earliest."""


@dataclass(frozen=True, slots=True)
class RedisOptions:
    """Where results go."""

    url: str
    prefix: str = DEFAULT_PREFIX
    publish_interval_ms: int = 200


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """How the engine counts. Times are event time unless the name says otherwise."""

    state_dir: Path | None = None
    """Directory of snapshots and journals; None: nothing survives the process."""
    bounded: bool = False
    """Stop when every partition has been read to its end."""
    lateness_ms: int = LATENESS_MS
    idle_seconds: float = 30.0
    """Wall-clock silence after which a partition at its end does not hold the watermark back."""
    align_ahead_ms: int = 60 * 60 * 1000
    """A partition this far ahead of the slowest waits: it bounds what is held ahead of the watermark."""
    batch_messages: int = 200_000
    """Most messages that are taken as one batch."""
    epoch_credit_bytes: int = 256 * 1024 * 1024
    """Most raw bytes that a partition reads in one epoch."""
    dedup_horizon_ms: int = 10 * 60 * 1000
    dedup_memory_bytes: int = 1024 * 1024 * 1024
    """Bound for remembered ids of events, over all partitions of one worker process."""
    low_stock_minutes: float = 30.0
    """With less than this left at its present speed, an item is told as low."""
    joins_memory_bytes: int = 1024 * 1024 * 1024
    """Bound for remembered joins, over all shards of one worker process."""
    people_memory_bytes: int = 2 * 1024 * 1024 * 1024
    """Bound for remembered visitors and buyers, over all shards of one worker process."""
    timezone: str = DEFAULT_TIMEZONE
    sale_opens_ms: int | None = None
    top: BoardRules = field(default_factory=BoardRules)
    """Merchants on each leaderboard in Redis, and what they need to stand there."""
    milestone_min_orders: int = 10
    """Orders of a merchant's day below which no milestone of it is told."""
    series_watch: tuple[str, ...] = ()
    """Merchants that always have a series."""
    series_merchants: int = 240
    """Most merchants, besides those watched, that have a series."""


@dataclass(frozen=True, slots=True)
class WarRoomOptions:
    """Everything the war-room flow has to be told."""

    kafka: KafkaOptions
    redis: RedisOptions
    engine: EngineOptions
