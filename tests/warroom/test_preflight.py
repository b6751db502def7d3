"""Before a run: what waiting can mend is waited for, what it cannot is refused in one line."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable

import pytest

from warroom.children import free_port
from warroom.errors import PreflightError
from warroom.preflight import Interrupted, check_ports, check_redis, topic_partitions
from warroom.services import EmbeddedBroker, EmbeddedRedis, Topic, create_topics
from warroom.settings import KafkaSettings, RedisSettings


def never() -> bool:
    return False


def after(asked: int, then: Callable[[], None] = lambda: None) -> Callable[[], bool]:
    """False as often as ``asked``; then ``then`` is done once and it is True."""
    left = [asked]

    def stopping() -> bool:
        left[0] -= 1
        if left[0] == 0:
            then()
        return left[0] <= 0

    return stopping


def test_partitions_of_the_topics_that_are_read_are_found(broker: str) -> None:
    create_topics(broker)
    cluster_id, partitions = topic_partitions(KafkaSettings(brokers=broker), never)
    assert cluster_id
    assert partitions == {"orders": 4, "clicks": 4, "baselines": 1}


def test_missing_topic_is_refused_by_name(broker: str) -> None:
    create_topics(broker, (Topic("orders", 1), Topic("clicks", 1)))
    with pytest.raises(PreflightError) as caught:
        topic_partitions(KafkaSettings(brokers=broker), never)
    assert str(caught.value) == (
        f"Kafka at {broker} has no topic baselines; create it or set another in [kafka]"
    )


def test_missing_clicks_are_refused_with_the_way_to_do_without(broker: str) -> None:
    create_topics(broker, (Topic("orders", 1), Topic("baselines", 1), Topic("dead-letters", 1)))
    with pytest.raises(PreflightError, match=r'no topic clicks; .* no clicks, set kafka.clicks = ""$'):
        topic_partitions(KafkaSettings(brokers=broker), never)
    _, partitions = topic_partitions(KafkaSettings(brokers=broker, clicks=""), never)
    assert partitions == {"orders": 1, "baselines": 1}


def test_broker_that_is_away_is_waited_for_and_named(caplog: pytest.LogCaptureFixture) -> None:
    address = f"127.0.0.1:{free_port()}"
    with caplog.at_level(logging.WARNING), pytest.raises(Interrupted):
        topic_partitions(KafkaSettings(brokers=address), after(8))
    assert f"Kafka at {address} does not answer; trying again in 0.2 s" in caplog.messages


def test_broker_that_comes_late_is_found() -> None:
    server = EmbeddedBroker(free_port())

    def comes_late() -> bool:
        if not server.is_alive:
            server.start()
            create_topics(server.address)
        return False

    asked = iter([False])
    try:
        _, partitions = topic_partitions(
            KafkaSettings(brokers=server.address), lambda: next(asked, None) is None and comes_late()
        )
    finally:
        server.stop()
    assert partitions["orders"] == 4


def test_wrong_setting_of_librdkafka_is_refused() -> None:
    settings = KafkaSettings(brokers="127.0.0.1:1", client={"no.such.setting": "1"})
    with pytest.raises(PreflightError, match=r"^\[kafka\.client\] is wrong: .*no\.such\.setting"):
        topic_partitions(settings, never)


def test_redis_that_wants_a_password_is_refused_with_the_cure() -> None:
    with EmbeddedRedis(password="s3same") as server, pytest.raises(PreflightError) as caught:
        check_redis(RedisSettings(url=f"redis://{server.address}/0"), never)
    assert str(caught.value).startswith(
        f"Redis at redis://{server.address}/0 wants another user or password;"
    )


def test_wrong_password_is_refused_without_telling_it() -> None:
    with EmbeddedRedis(password="s3same") as server, pytest.raises(PreflightError) as caught:
        check_redis(RedisSettings(url=f"redis://:wr0ng@{server.address}/0"), never)
    assert "wants another user or password" in str(caught.value)
    assert "wr0ng" not in str(caught.value)


def test_redis_that_is_away_is_waited_for_and_named(caplog: pytest.LogCaptureFixture) -> None:
    url = f"redis://127.0.0.1:{free_port()}/0"
    with caplog.at_level(logging.WARNING), pytest.raises(Interrupted):
        check_redis(RedisSettings(url=url), after(8))
    assert f"Redis at {url} does not answer; trying again in 0.2 s" in caplog.messages


def test_port_in_use_is_refused_by_number() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PreflightError) as caught:
            check_ports("127.0.0.1", port, 1)
    assert str(caught.value) == (
        f"metrics cannot be served on 127.0.0.1:{port}: address already in use; choose another --metrics-port"
    )


def test_address_of_another_machine_is_refused() -> None:
    with pytest.raises(PreflightError, match=r"metrics cannot be served on 192\.0\.2\.1:9464: cannot assign"):
        check_ports("192.0.2.1", 9464, 1)
