"""Dead letters reach their topic as they came, through outages and restarts."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import bytewax.operators as op
import pytest
from bytewax.dataflow import Dataflow
from bytewax.operators import KeyedStream
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import TestingSource, run_main
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition

from operators.dead_letter_sink import DeadLetterPartition, DeadLetterSink, Outbox, Unsent, open_producer
from operators.kafka_connection import KafkaConnection
from operators.kafka_errors import AccessRefusedError
from schemas.dead_letters import DeadLetter
from tests.operators.kafka_rig import PATIENCE_SECONDS, make_topic
from warroom.children import free_port
from warroom.services import EmbeddedBroker
from warroom.waiting import wait_until

TOPIC = "dead-letters"


def letter(offset: int, value: bytes | None = b"{broken") -> DeadLetter:
    return DeadLetter("orders", 3, offset, 0, "malformed", value, "not JSON")


def messages(brokers: str, count: int) -> list[Message]:
    """The first ``count`` messages of the dead-letter topic, and no more if there are none."""
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "reader", "enable.partition.eof": True})
    consumer.assign([TopicPartition(TOPIC, 0, 0)])
    found: list[Message] = []
    ended = False
    while len(found) < count or not ended:
        message = consumer.poll(PATIENCE_SECONDS)
        assert message is not None, f"{len(found)} of {count} messages within {PATIENCE_SECONDS} s"
        error = message.error()
        if error is None:
            found.append(message)
        ended = error is not None and error.code() == KafkaError._PARTITION_EOF
    consumer.close()
    return found


def offsets(found: list[Message]) -> list[int]:
    """Offsets in the original topics, as the headers tell them."""
    return [int(header(message, "offset")) for message in found]


def header(message: Message, name: str) -> bytes:
    """A header that must be there."""
    value = dict(message.headers() or [])[name]
    assert isinstance(value, bytes)
    return value


def all_sent(sink: DeadLetterPartition) -> bool:
    """Whether Kafka has acknowledged everything, within our patience."""
    return wait_until(lambda: sink.snapshot() == (), PATIENCE_SECONDS)


def partition_of(brokers: str, unsent: Unsent = ()) -> DeadLetterPartition:
    return DeadLetterPartition(Outbox(open_producer(KafkaConnection(brokers), TOPIC)), brokers, TOPIC, unsent)


def test_letter_carries_the_original_bytes_and_where_they_came_from(broker: str) -> None:
    make_topic(broker, TOPIC)
    sink = partition_of(broker)
    sink.write_batch([letter(7, b"\xff{broken\n")])
    assert all_sent(sink)
    (message,) = messages(broker, 1)
    assert message.value() == b"\xff{broken\n"
    assert message.headers() == [
        ("topic", b"orders"),
        ("partition", b"3"),
        ("offset", b"7"),
        ("line", b"0"),
        ("reason", b"malformed"),
        ("detail", b"not JSON"),
    ]


def test_letter_of_a_message_without_value_has_none_either(broker: str) -> None:
    make_topic(broker, TOPIC)
    sink = partition_of(broker)
    sink.write_batch([letter(7, None)])
    assert all_sent(sink)
    assert [message.value() for message in messages(broker, 1)] == [None]


def test_snapshot_is_empty_once_kafka_has_everything(broker: str) -> None:
    make_topic(broker, TOPIC)
    sink = partition_of(broker)
    sink.write_batch([letter(n) for n in range(1000)])
    assert all_sent(sink)
    assert offsets(messages(broker, 1000)) == list(range(1000))


def test_snapshot_holds_what_an_absent_broker_could_not_take() -> None:
    sink = partition_of(f"127.0.0.1:{free_port()}")
    sink.write_batch([letter(1), letter(2)])
    assert sink.snapshot() == (letter(1), letter(2))


def test_partition_sends_what_the_snapshot_before_it_held(broker: str) -> None:
    make_topic(broker, TOPIC)
    sink = partition_of(broker, (letter(1), letter(2)))
    assert all_sent(sink)
    assert offsets(messages(broker, 2)) == [1, 2]


def test_letters_written_while_the_broker_was_away_arrive_when_it_comes() -> None:
    port = free_port()
    sink = partition_of(f"127.0.0.1:{port}")
    sink.write_batch([letter(n) for n in range(100)])
    assert len(sink.snapshot()) == 100
    with EmbeddedBroker(port) as server:
        make_topic(server.address, TOPIC)
        sink.close()
        assert all_sent(sink)
        assert offsets(messages(server.address, 100)) == list(range(100))


def test_closing_without_a_broker_says_how_many_letters_wait(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("operators.dead_letter_sink.CLOSE_SECONDS", 0.1)
    address = f"127.0.0.1:{free_port()}"
    sink = partition_of(address)
    sink.write_batch([letter(1)])
    sink.close()
    assert f"Kafka at {address} did not take 1 dead letters for topic dead-letters" in caplog.text


def test_full_queue_is_waited_for(broker: str) -> None:
    make_topic(broker, TOPIC)
    producer = Producer({"bootstrap.servers": broker, "queue.buffering.max.messages": 10, "linger.ms": 0})
    sink = DeadLetterPartition(Outbox(producer), broker, TOPIC)
    sink.write_batch([letter(n) for n in range(500)])
    assert all_sent(sink)
    assert len(messages(broker, 500)) == 500


def test_value_too_large_for_the_topic_is_left_out_and_its_size_told(
    broker: str, caplog: pytest.LogCaptureFixture
) -> None:
    make_topic(broker, TOPIC)
    sink = DeadLetterPartition(
        Outbox(Producer({"bootstrap.servers": broker, "message.max.bytes": 2000})), broker, TOPIC
    )
    sink.write_batch([letter(1), letter(2, b"x" * 5000), letter(3)])
    assert all_sent(sink)
    found = {header(message, "offset"): message for message in messages(broker, 3)}
    assert found[b"2"].value() is None
    assert header(found[b"2"], "omitted_bytes") == b"5000"
    assert found[b"1"].value() == found[b"3"].value() == b"{broken"
    assert "its value stays at offset 2 of topic orders, partition 3" in caplog.text


class RefusingProducer:
    """Stands for a broker whose access list does not have us."""

    def produce(self, topic: str, **message: object) -> None:
        told = message["on_delivery"]
        assert callable(told)
        told(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED), None)

    def poll(self, seconds: float) -> int:
        return 0

    def flush(self, seconds: float) -> int:
        return 0


def test_refused_access_ends_the_run_with_a_clear_sentence() -> None:
    sink = DeadLetterPartition(Outbox(RefusingProducer()), "kafka:9092", TOPIC)  # type: ignore[arg-type]
    with pytest.raises(AccessRefusedError, match="Kafka at kafka:9092 refuses to write topic dead-letters"):
        sink.write_batch([letter(1)])


def test_only_the_first_partition_of_a_sink_waits_for_an_absent_broker() -> None:
    sink = DeadLetterSink(KafkaConnection(f"127.0.0.1:{free_port()}"), TOPIC)
    parts = [sink.build_part("dead_letters", name, None) for name in sink.list_parts()]
    for part in parts:
        part.write_batch([letter(1)])
    began = time.monotonic()
    assert [part.snapshot() for part in parts] == [(letter(1),)] * 8
    assert time.monotonic() - began < 1.9


def test_letters_of_a_run_are_in_the_topic_when_its_epochs_are_committed(broker: str, tmp_path: Path) -> None:
    make_topic(broker, TOPIC)
    init_db_dir(tmp_path, 1)  # type: ignore[no-untyped-call]
    flow = Dataflow("dead")
    letters = [(f"orders/{n % 4}", letter(n)) for n in range(200)]
    source: TestingSource[Any] = TestingSource(
        [*letters[:100], TestingSource.ABORT(), *letters[100:]], batch_size=10
    )
    stream: KeyedStream[DeadLetter] = op.input("letters", flow, source)
    op.output("out", stream, DeadLetterSink(KafkaConnection(broker), TOPIC))
    for _ in range(2):
        run_main(  # type: ignore[no-untyped-call]
            flow,
            epoch_interval=timedelta(0),
            recovery_config=RecoveryConfig(str(tmp_path)),  # type: ignore[no-untyped-call]
        )
    assert set(offsets(messages(broker, 200))) == set(range(200))
