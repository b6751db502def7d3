"""From the settings a person gives to the options a flow and its processes take."""

from __future__ import annotations

from flows.options import EngineOptions, KafkaOptions, RedisOptions, WarRoomOptions
from operators.board_rules import BoardRules
from schemas.windows import SECOND_MS
from warroom.post import ProcessOptions
from warroom.settings import MEBIBYTE, Settings, milliseconds


def options_of(settings: Settings, *, bounded: bool = False) -> WarRoomOptions:
    """Everything the war-room flow has to be told."""
    kafka, redis = settings.kafka, settings.redis
    return WarRoomOptions(
        kafka=KafkaOptions(
            brokers=kafka.brokers,
            orders=kafka.orders,
            clicks=kafka.clicks,
            stock=kafka.stock,
            baselines=kafka.baselines,
            dead_letters=kafka.dead_letters,
            client=dict(kafka.client),
            group=kafka.group,
            on_lost_offsets=kafka.on_lost_offsets,
        ),
        redis=RedisOptions(url=redis.url, prefix=redis.prefix, publish_interval_ms=redis.publish_interval_ms),
        engine=_engine(settings, bounded),
    )


def process_options_of(settings: Settings) -> ProcessOptions:
    """What every worker process is told besides its flow."""
    return ProcessOptions(
        epoch_interval_seconds=settings.engine.epoch_interval_seconds,
        hung_after_seconds=settings.supervisor.hung_after_seconds,
        metrics_host=settings.metrics.host,
        metrics_port=settings.metrics.port,
        metrics_top_n=settings.metrics.top_n,
    )


def _engine(settings: Settings, bounded: bool) -> EngineOptions:
    engine, opens = settings.engine, settings.sale.opens
    return EngineOptions(
        state_dir=settings.state.directory.absolute() if settings.state.enabled else None,
        bounded=bounded,
        lateness_ms=engine.lateness_ms,
        idle_seconds=engine.idle_seconds,
        align_ahead_ms=round(engine.align_ahead_seconds * SECOND_MS),
        batch_messages=engine.batch_messages,
        epoch_credit_bytes=engine.epoch_credit_mib * MEBIBYTE,
        dedup_horizon_ms=round(engine.dedup_horizon_seconds * SECOND_MS),
        dedup_memory_bytes=engine.dedup_memory_mib * MEBIBYTE,
        low_stock_minutes=engine.low_stock_minutes,
        joins_memory_bytes=engine.joins_memory_mib * MEBIBYTE,
        people_memory_bytes=engine.people_memory_mib * MEBIBYTE,
        timezone=engine.timezone,
        sale_opens_ms=None if opens is None else milliseconds(opens),
        top=BoardRules(
            size=engine.leaderboard_size,
            min_orders=engine.leaderboard_min_orders,
            min_new_members=engine.leaderboard_min_new_members,
            min_visitors=engine.leaderboard_min_visitors,
            min_views=engine.leaderboard_min_views,
        ),
        milestone_min_orders=engine.milestone_min_orders,
        series_watch=engine.series_watch,
        series_merchants=engine.series_merchants,
    )
