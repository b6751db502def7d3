"""Baselines after compaction: the newest record of each key holds, and a tombstone takes one away."""

from __future__ import annotations

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import Consumer, NewTopic

from tests.kafka.messages import baseline, order, producer, send
from tests.kafka.stage import Stage
from warroom.services import Topic, create_topics

COMPACTED_AT_ONCE = {
    "cleanup.policy": "compact",
    "min.cleanable.dirty.ratio": "0.001",
    "segment.ms": "100",
    "max.compaction.lag.ms": "100",
}


def kept(stage: Stage) -> list[tuple[str, bytes | None]]:
    consumer = Consumer(
        {
            "bootstrap.servers": stage.kafka.address,
            "group.id": f"{stage.group}.reader",
            "enable.partition.eof": True,
        }
    )
    consumer.assign([TopicPartition(stage.baselines, 0, 0)])
    found: list[tuple[str, bytes | None]] = []
    while (message := consumer.poll(10)) is not None and message.error() is None:
        found.append(((message.key() or b"").decode(), message.value()))
    consumer.close()
    return found


def test_the_newest_baseline_of_a_key_holds_and_a_tombstone_removes_it(stage: Stage) -> None:
    admin = AdminClient({"bootstrap.servers": stage.kafka.address})
    for made in admin.create_topics([NewTopic(stage.baselines, 1, 1, config=COMPACTED_AT_ONCE)]).values():
        made.result()
    create_topics(stage.kafka.address, (Topic(stage.orders, 1), Topic(stage.dead_letters, 1)))
    client = producer(stage.kafka.address)
    versions = [("m1", baseline("m1", f"version {n}", 1000.0 + n)) for n in range(50)]
    send(client, stage.baselines, [*versions, ("m2", baseline("m2", "gone", 5.0)), ("m2", None)])

    send(client, stage.orders, [(None, order(n, m)) for n, m in enumerate(["m1", "m2", "m1"])])
    assert stage.ran(stage.war_room("--bounded")) == 0, stage.said()
    assert stage.shown("m1", "name") == "version 49"
    assert stage.shown("m2", "name") == ""
    assert stage.shown("m2", "orders:day") == "1"
