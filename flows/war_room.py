"""The war-room flow, from top to bottom the way the data takes.

orders ──┬─ decode · first copies · sums ──┐ one delta a shard and batch      ┌── Redis
clicks ──┘       └── dead letters ──┐      ├── shards: windows, multiples ────┤
baselines ── decode ────────────────┼──────┘        │         └── late ──┐   └── board ── Redis
                                    └── Kafka ──────┼────────────────────┘

Beside the deltas of the shards a batch gives one of the roll-ups: sums by channel, category and city tier.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import bytewax.operators as op
from bytewax.dataflow import Dataflow, Stream

from flows.dead_letters import send_dead_letters
from flows.lanes import BaselineLanes, EventLanes
from flows.options import WarRoomOptions
from flows.rollups import RollupKeeper, roll_up
from flows.shards import Place, Shards, partitions_of
from operators.batches import LaneOutput, ShardSummary
from operators.kafka_connection import KafkaConnection
from operators.kafka_partition import ReadOptions, StatsListener
from operators.kafka_source import KafkaSource, LaneFactory
from operators.metrics import Metrics
from operators.process_clock import ProcessClock
from operators.redis_publisher import RedisPublisher
from operators.redis_sink import RedisSink, Result
from operators.shard_logic import BoardLogic, ShardInput, ShardOutput
from operators.shards import BOARD_KEY
from schemas.alerts import Alert


@dataclass(frozen=True, slots=True)
class Process:
    """What the steps of one worker process share."""

    place: Place
    run_name: str
    """Unlike that of any other run: new state files carry it."""
    clock: ProcessClock
    metrics: Metrics
    publisher: RedisPublisher


def build(options: WarRoomOptions, process: Process) -> Dataflow:
    """The flow of one worker process. Waits for Kafka and its topics."""
    kafka, engine = options.kafka, options.engine
    connection = KafkaConnection(kafka.brokers, kafka.client, kafka.group)
    clock, metrics, publisher = process.clock, process.metrics, process.publisher
    reading = _reading(options)
    publish_seconds = options.redis.publish_interval_ms / 1000
    topics = [kafka.orders, *([kafka.clicks] if kafka.clicks else [])]
    lanes = EventLanes(engine, clock, metrics, process.run_name, all_items=bool(kafka.stock))
    sources = tuple(source for topic in topics for source in partitions_of(connection, topic, clock))
    shards = Shards(
        engine,
        sources,
        clock,
        metrics,
        publisher.needs_everything,
        publish_seconds,
        process.run_name,
        process.place.workers,
    )
    flow = Dataflow("war_room")

    # Until all baselines are known no event is counted: its day depends on its merchant's time zone.
    baseline_parts = partitions_of(connection, kafka.baselines, clock)

    # Events are decoded, freed of copies and added up on the worker that reads their partition.
    def read(step: str, topic: str, lane_factory: LaneFactory) -> Stream[LaneOutput]:
        source = KafkaSource(
            connection,
            topic,
            lane_factory,
            clock,
            reading,
            group=kafka.group,
            on_stats=_lag(metrics),
            hold=lambda: not clock.baselines_through(baseline_parts),
        )
        outputs = op.input(step, flow, source)
        return op.inspect(f"count_{step}", outputs, lambda _, output: lanes.count(topic, output))

    events = [read("orders", kafka.orders, lanes.orders)]
    if kafka.clicks:
        events.append(read("clicks", kafka.clicks, lanes.clicks))
    if kafka.stock:
        events.append(read("stock", kafka.stock, lanes.stock))
    counted = op.merge("events", *events)
    deltas = op.flat_map("deltas", counted, _to_shards)  # (shard, ShardDelta)

    # Baselines go whole to the shard of their merchant.
    baselines = op.input(
        "baselines",
        flow,
        KafkaSource(
            connection,
            kafka.baselines,
            BaselineLanes(),
            clock,
            replace(reading, idle_seconds=0.0),
            group="",
            with_keys=True,
        ),
    )
    changes = op.flat_map("changes", baselines, _to_shards)  # (shard, ShardBaselines)

    # Only here something may cross a process: every shard lives on one worker.
    inputs = op.merge("shard_inputs", deltas, changes)
    told = op.stateful_batch("shards", inputs, shards)  # (shard, ShardOutput)

    told = op.inspect("count_alerts", told, lambda _, item: metrics.alerted(_fresh_alerts(item[1])))

    # What concerns all shards comes together under one key.
    summaries = op.filter_map("summaries", told, _summary)  # ("board", ShardSummary)
    board = op.stateful_batch(
        "board", summaries, lambda resume: BoardLogic(engine.top.size, publish_seconds, resume)
    )  # ("board", BoardRows)
    board = op.inspect("count_board", board, lambda _, item: metrics.board(item[1]))

    # Cuts through all merchants, by channel, category and city tier, come together under another.
    keeper = RollupKeeper(engine, sources, clock, publisher, publish_seconds, process.run_name)
    rollups = roll_up(counted, told, keeper, metrics)  # ("rollups", RollupRows)

    rows = op.filter_map("rows", told, _rows)  # (shard, MerchantRows)
    results = op.merge("results", rows, board, rollups)
    place = process.place
    sink = RedisSink(publisher, place.part_of, place.local_parts, lambda: clock.stopping)
    op.output("redis", results, sink)

    # What could not be used, from wherever it was found.
    send_dead_letters(connection, kafka.dead_letters, counted, baselines, told, metrics)
    return flow


def _reading(options: WarRoomOptions) -> ReadOptions:
    """How partitions are read."""
    engine = options.engine
    return ReadOptions(
        bounded=engine.bounded,
        idle_seconds=engine.idle_seconds,
        align_ahead_ms=engine.align_ahead_ms,
        batch_messages=engine.batch_messages,
        epoch_credit_bytes=engine.epoch_credit_bytes,
        on_lost_offsets=options.kafka.on_lost_offsets,
    )


def _lag(metrics: Metrics) -> StatsListener:
    return lambda topic, partition, messages, next_offset: metrics.lag(topic, partition, messages)


def _to_shards(output: LaneOutput) -> list[tuple[str, ShardInput]]:
    return output.to_shards


def _summary(item: tuple[str, ShardOutput]) -> tuple[str, ShardSummary] | None:
    summary = item[1].summary
    return None if summary is None else (BOARD_KEY, summary)


def _fresh_alerts(output: ShardOutput) -> list[Alert]:
    return [] if output.rows is None else output.rows.alerts.fresh


def _rows(item: tuple[str, ShardOutput]) -> tuple[str, Result] | None:
    key, output = item
    return None if output.rows is None else (key, output.rows)
