"""High watermarks, lag and committed positions are those of the broker, exactly."""

from __future__ import annotations

from operators.kafka_connection import KafkaConnection
from operators.kafka_partition import ReadOptions
from operators.kafka_source import KafkaSource
from operators.process_clock import ProcessClock
from tests.kafka.messages import order, producer, send
from tests.kafka.stage import Stage
from tests.operators.kafka_rig import RecordingLane
from warroom.waiting import wait_until


def test_lag_is_the_distance_to_the_end_at_every_step(stage: Stage) -> None:
    stage.create(partitions=1)
    send(producer(stage.kafka.address), stage.orders, [(None, order(n)) for n in range(50)])
    told: list[tuple[int, int]] = []
    source = KafkaSource(
        KafkaConnection(stage.kafka.address),
        stage.orders,
        lambda topic, number, state: RecordingLane(topic, number),
        ProcessClock(),
        ReadOptions(batch_messages=10),
        group="",
        on_stats=lambda topic, number, lag, offset: told.append((lag, offset)),
    )
    (name,) = source.list_parts()
    partition = source.build_part("in", name, None)

    def caught_up() -> bool:
        partition.next_batch()
        return bool(told) and told[-1][1] == 50

    assert wait_until(caught_up, 30)
    partition.close()
    assert stage.ends()[f"{stage.orders}/0"] == 50
    assert told[0][0] > 0
    assert [lag for lag, _ in told] == [50 - offset for _, offset in told]


def test_committed_positions_end_at_the_ends_of_all_partitions(stage: Stage) -> None:
    stage.create(partitions=4)
    assert stage.ran(stage.load("--max", orders=5_000)) == 0
    assert stage.ran(stage.war_room("--bounded", workers=2)) == 0, stage.said()
    ends = {name: end for name, end in stage.ends().items() if name.startswith(stage.orders)}
    assert len(ends) == 4 and min(ends.values()) > 0
    assert {name: at for name, at in stage.committed().items() if name in ends} == ends
