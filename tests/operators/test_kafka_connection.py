"""Settings that reach librdkafka, and what is said about the broker's health."""

from __future__ import annotations

import json
import logging

import pytest
from confluent_kafka import KafkaError

from operators.kafka_connection import BrokerHealth, ClientLog, KafkaConnection
from operators.kafka_errors import AccessRefusedError


def statistics(*states: str, source: str = "learned") -> str:
    return json.dumps({"brokers": {str(n): {"state": s, "source": source} for n, s in enumerate(states)}})


def test_settings_of_the_user_override_the_defaults() -> None:
    connection = KafkaConnection("kafka:9092", {"fetch.wait.max.ms": "10", "security.protocol": "ssl"})
    settings = connection.consumer_settings(4)
    assert settings["fetch.wait.max.ms"] == "10"
    assert settings["security.protocol"] == "ssl"


@pytest.mark.parametrize("name", ["auto.offset.reset", "enable.partition.eof", "bootstrap.servers"])
def test_settings_that_exactness_rests_on_cannot_be_overridden(name: str) -> None:
    connection = KafkaConnection("kafka:9092", {name: "changed"})
    assert connection.consumer_settings(4)[name] == KafkaConnection("kafka:9092").consumer_settings(4)[name]


def test_more_partitions_have_smaller_queues_each() -> None:
    connection = KafkaConnection("kafka:9092")
    kbytes = [connection.consumer_settings(n)["queued.max.messages.kbytes"] for n in (1, 4, 100)]
    assert kbytes == [80 * 1024, 20 * 1024, 8 * 1024]


def test_outage_is_told_once_and_its_end_once(caplog: pytest.LogCaptureFixture) -> None:
    health = BrokerHealth("kafka:9092", "reading orders")
    for state in ("UP", "DOWN", "DOWN", "CONNECT", "DOWN", "UP", "UP"):
        health.heard_statistics(statistics(state))
    assert [record.getMessage() for record in caplog.records] == [
        "Kafka at kafka:9092 does not answer; trying again every 2 s (reading orders)",
        "Kafka at kafka:9092 answers again after 0 s (reading orders)",
    ]


def test_one_broker_of_several_going_is_no_outage(caplog: pytest.LogCaptureFixture) -> None:
    health = BrokerHealth("kafka:9092", "reading orders")
    for _ in range(5):
        health.heard_statistics(statistics("DOWN", "UP"))
    assert caplog.records == []


def test_reconnecting_within_a_second_is_no_outage(caplog: pytest.LogCaptureFixture) -> None:
    health = BrokerHealth("kafka:9092", "reading orders")
    for state in ("UP", "DOWN", "UP"):
        health.heard_statistics(statistics(state))
    assert caplog.records == []


def test_refused_login_is_an_error_that_names_the_address() -> None:
    health = BrokerHealth("kafka:9092", "reading orders")
    with pytest.raises(
        AccessRefusedError, match="Kafka at kafka:9092 refuses the connection: wrong password"
    ):
        health.failed(KafkaError._AUTHENTICATION, "wrong password")


def test_lost_connection_is_only_noted(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    BrokerHealth("kafka:9092", "reading orders").failed(KafkaError._TRANSPORT, "refused")
    assert [record.levelno for record in caplog.records] == [logging.INFO]


@pytest.mark.parametrize(
    ("level", "expected"), [(0, logging.CRITICAL), (3, logging.INFO), (4, logging.INFO), (7, logging.DEBUG)]
)
def test_lines_of_the_library_are_milder_than_its_own_level(
    level: int, expected: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "operators.librdkafka")
    ClientLog().syslog(level, "text")
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [(expected, "text")]
