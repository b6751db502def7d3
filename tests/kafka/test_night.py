"""The night on Apache Kafka equals the oracle, whatever happens to the workers and to the broker."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.faults.stage import workers_of
from tests.kafka.apache_kafka import ApacheKafka
from tests.kafka.stage import Stage, is_so
from warroom.services import EmbeddedRedis

pytestmark = pytest.mark.timeout(300)


def test_a_night_read_to_its_end_equals_the_oracle(stage: Stage) -> None:
    stage.create()
    assert stage.ran(stage.load("--max", orders=100_000)) == 0
    assert stage.ran(stage.war_room("--bounded", workers=2)) == 0, stage.said()
    assert stage.differences(catching_up=True) == ""


def test_killed_workers_and_another_number_of_them_change_nothing(stage: Stage) -> None:
    stage.create()
    load = stage.load("--speed", str(86_400 / 25), orders=80_000)
    alone = stage.war_room(workers=1)
    is_so(lambda: stage.committed().get(f"{stage.orders}/0", 0) > 0, stage)
    assert stage.kill_workers(alone) == 1
    is_so(lambda: "starting all again" in stage.said() and len(workers_of(alone.pid)) == 1, stage)
    alone.send_signal(signal.SIGTERM)
    assert stage.ran(alone) == 0, stage.said()
    pair = stage.war_room(workers=2)
    assert stage.ran(load) == 0
    pair.send_signal(signal.SIGUSR1)
    assert stage.ran(pair) == 0, stage.said()
    assert stage.differences() == ""


def test_a_broker_that_restarts_in_the_middle_loses_nothing(tmp_path: Path) -> None:
    with (
        ApacheKafka(tmp_path / "node") as kafka,
        EmbeddedRedis() as redis,
        Stage(kafka, redis.url, tmp_path, "restart") as stage,
    ):
        stage.create()
        load = stage.load("--speed", str(86_400 / 25), orders=80_000)
        room = stage.war_room(workers=2)
        is_so(lambda: stage.committed().get(f"{stage.orders}/0", 0) > 0, stage)
        kafka.stop()
        is_so(lambda: "does not answer; trying again" in stage.said(), stage)
        kafka.start()
        assert stage.ran(load) == 0, (tmp_path / "load.log").read_text()
        room.send_signal(signal.SIGUSR1)
        assert stage.ran(room) == 0, stage.said()
        assert stage.differences() == ""
