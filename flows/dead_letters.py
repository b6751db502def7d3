"""The way of what could not be used: from the lanes and the shards to the dead-letter topic."""

from __future__ import annotations

import bytewax.operators as op
from bytewax.dataflow import Stream
from bytewax.operators import KeyedStream

from operators.batches import LaneOutput
from operators.dead_letter_sink import DeadLetterSink
from operators.kafka_connection import KafkaConnection
from operators.metrics import Metrics
from operators.shard_logic import ShardOutput
from schemas.dead_letters import DeadLetter


def send_dead_letters(
    connection: KafkaConnection,
    topic: str,
    events: Stream[LaneOutput],
    baselines: Stream[LaneOutput],
    told: KeyedStream[ShardOutput],
    metrics: Metrics,
) -> None:
    """Gather refused events from everywhere and send them, keyed by the partition they came from."""
    from_events = op.flat_map("bad_events", events, _refused)
    from_baselines = op.flat_map("bad_baselines", baselines, _refused)
    late = op.flat_map("late", told, _late)
    late = op.inspect("count_late", late, lambda _, item: metrics.dead_lettered([item[1]]))
    letters = op.merge("letters", from_events, from_baselines, late)
    op.output("dead_letters", letters, DeadLetterSink(connection, topic))


def _refused(output: LaneOutput) -> list[tuple[str, DeadLetter]]:
    return [(f"{letter.topic}/{letter.partition}", letter) for letter in output.dead_letters]


def _late(item: tuple[str, ShardOutput]) -> list[tuple[str, DeadLetter]]:
    return [(f"{letter.topic}/{letter.partition}", letter) for letter in item[1].late]
