"""Reading a topic back as anybody would."""

from __future__ import annotations

from typing import Any

from confluent_kafka import Consumer, KafkaError, TopicPartition


def read_topic(broker: str, topic: str, partitions: int) -> list[Any]:
    """Every message of a topic, partition by partition until each one's end."""
    consumer = Consumer(
        {
            "bootstrap.servers": broker,
            "group.id": "tests",
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
            "enable.auto.commit": False,
        }
    )
    consumer.assign([TopicPartition(topic, partition, 0) for partition in range(partitions)])
    messages: list[Any] = []
    ended: set[int] = set()
    while len(ended) < partitions:
        message = consumer.poll(10)
        assert message is not None, f"{topic}: nothing for 10 s"
        error = message.error()
        if error is None:
            messages.append(message)
        else:
            assert error.code() == KafkaError._PARTITION_EOF, error
            ended.add(message.partition() or 0)
    consumer.close()
    return sorted(messages, key=lambda m: (m.partition(), m.offset()))
