"""Offsets are committed for lag tools, and their failing hurts nobody."""

from __future__ import annotations

import logging
import time

import pytest
from confluent_kafka import Consumer, TopicPartition

from operators.kafka_connection import KafkaConnection
from operators.kafka_offsets import OffsetReporter
from tests.operators.kafka_rig import PATIENCE_SECONDS, make_topic, send
from warroom.children import free_port
from warroom.waiting import wait_until


def committed(brokers: str, group: str) -> int:
    """Offset of partition 0 of ``orders`` that a lag tool sees."""
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": group})
    found = consumer.committed([TopicPartition("orders", 0)], timeout=PATIENCE_SECONDS)[0].offset
    consumer.close()
    return int(found)


def test_reported_offset_is_what_lag_tools_see(broker: str) -> None:
    make_topic(broker)
    send(broker, [b"x"] * 20)
    reporter = OffsetReporter(KafkaConnection(broker), "warroom")
    reporter.report("orders", 0, 17)
    assert wait_until(lambda: committed(broker, "warroom") == 17, PATIENCE_SECONDS)
    reporter.close()


def test_last_offset_is_reported_when_the_reporter_is_closed(broker: str) -> None:
    make_topic(broker)
    send(broker, [b"x"] * 20)
    reporter = OffsetReporter(KafkaConnection(broker), "warroom")
    for offset in range(20):
        reporter.report("orders", 0, offset)
    reporter.close()
    assert wait_until(lambda: committed(broker, "warroom") == 19, PATIENCE_SECONDS)


def test_absent_broker_is_neither_waited_for_nor_an_error() -> None:
    reporter = OffsetReporter(KafkaConnection(f"127.0.0.1:{free_port()}"), "warroom")
    began = time.monotonic()
    for offset in range(100):
        reporter.report("orders", 0, offset)
    reporter.close()
    assert time.monotonic() - began < 5


def test_refused_commits_are_noted_once(broker: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    reporter = OffsetReporter(KafkaConnection(broker), "warroom")

    def refused() -> bool:
        reporter.report("no-such-topic", 0, 17)
        return "offsets could not be committed" in caplog.text

    assert wait_until(refused, PATIENCE_SECONDS)
    for _ in range(100):
        reporter.report("no-such-topic", 0, 17)
    reporter.close()
    assert caplog.text.count("offsets could not be committed") == 1
