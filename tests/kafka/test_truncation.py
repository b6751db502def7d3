"""A topic whose beginning is gone: said clearly, or gone on from on request; never silent."""

from __future__ import annotations

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from tests.kafka.messages import order, producer, send
from tests.kafka.stage import Stage


def read_fifty_and_lose_the_next_thirty(stage: Stage) -> None:
    stage.create(partitions=1)
    client = producer(stage.kafka.address)
    send(client, stage.orders, [(None, order(n)) for n in range(50)])
    assert stage.ran(stage.war_room("--bounded")) == 0, stage.said()
    send(client, stage.orders, [(None, order(n)) for n in range(50, 100)])
    admin = AdminClient({"bootstrap.servers": stage.kafka.address})
    lost = TopicPartition(stage.orders, 0, 80)
    assert [f.result().low_watermark for f in admin.delete_records([lost]).values()] == [80]


def test_a_lost_offset_ends_the_run_with_topic_partition_and_both_offsets(stage: Stage) -> None:
    read_fifty_and_lose_the_next_thirty(stage)
    room = stage.war_room("--bounded")
    assert stage.ran(room) != 0
    assert (
        f"Kafka no longer has offset 50 of topic {stage.orders}, partition 0: it holds offsets 80 to 99."
        in stage.said()
    )
    assert "Traceback" not in stage.said()
    assert stage.shown("m1", "orders:day") == "50"


def test_with_on_lost_offsets_earliest_reading_goes_on_with_what_is_left(stage: Stage) -> None:
    read_fifty_and_lose_the_next_thirty(stage)
    room = stage.war_room("--bounded", KAFKA__ON_LOST_OFFSETS="earliest")
    assert stage.ran(room) == 0, stage.said()
    assert "Going on from the earliest one, as on_lost_offsets says." in stage.said()
    assert stage.shown("m1", "orders:day") == "70"
