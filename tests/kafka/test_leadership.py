"""Partitions whose leader moves to another broker and back: reading goes on where it was."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from confluent_kafka import ElectionType, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.kafka.apache_kafka import ApacheKafka
from tests.kafka.stage import Stage, is_so
from warroom.services import EmbeddedRedis

# What Kafka keeps for itself must be there too while one of the two is not.
TWO_COPIES = {"offsets.topic.replication.factor": "2"}


@pytest.mark.timeout(400)
def test_leadership_lost_and_regained_loses_nothing(tmp_path: Path) -> None:
    first = ApacheKafka(tmp_path / "one", settings=TWO_COPIES)
    second = ApacheKafka(tmp_path / "two", settings=TWO_COPIES)
    second.join(first)
    with first, second, EmbeddedRedis() as redis, Stage(first, redis.url, tmp_path, "leaders") as stage:
        admin = AdminClient({"bootstrap.servers": f"{first.address},{second.address}", "log_level": 0})
        wanted = [NewTopic(name, 4, 2) for name in (stage.orders, stage.baselines, stage.dead_letters)]
        is_so(lambda: len(admin.list_topics(timeout=10).brokers) == 2, stage)
        for made in admin.create_topics(wanted).values():
            made.result()

        def leaders() -> set[int]:
            return {
                p.leader for p in admin.list_topics(stage.orders, 10).topics[stage.orders].partitions.values()
            }

        def copies() -> int:
            found = admin.list_topics(stage.orders, 10).topics[stage.orders].partitions.values()
            return min(len(p.isrs) for p in found)

        def newest() -> int:
            return int(stage.results().hget("warroom:meta", "event_time") or 0)

        is_so(lambda: leaders() == {1, 2}, stage)
        # The day in 80 s: a partition without a leader holds the watermark back, and if that lasts for hours
        # of event time, what the oracle calls late is not late yet and no dead letter.
        load = stage.load("--speed", str(86_400 / 80), orders=80_000)
        room = stage.war_room(brokers=f"{first.address},{second.address}", workers=2)
        is_so(lambda: newest() > 0, stage)
        second.stop()
        is_so(lambda: leaders() == {1}, stage)
        before = newest()
        is_so(lambda: newest() > before, stage)
        second.start()
        is_so(lambda: copies() == 2, stage)
        parts = [TopicPartition(stage.orders, n) for n in range(4)]
        admin.elect_leaders(ElectionType.PREFERRED, parts).result()
        is_so(lambda: leaders() == {1, 2}, stage)
        assert stage.ran(load) == 0, (tmp_path / "load.log").read_text()
        room.send_signal(signal.SIGUSR1)
        assert stage.ran(room) == 0, stage.said()
        assert "starting all again" not in stage.said()
        assert stage.differences() == ""
