"""Reads the dead-letter topic: how many different events were refused, by reason."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from typing import Final, cast

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from warroom.errors import WarroomError
from warroom.services import quiet_client

ANSWER_SECONDS: Final = 10.0
AT_ONCE: Final = 5_000
_LOOK_SECONDS: Final = 0.1

Place = tuple[str, str, str, str]
"""Topic, partition, offset and line that name an event: a repeat has the same."""


def count_dead_letters(brokers: str, topic: str, client: Mapping[str, str] | None = None) -> dict[str, int]:
    """Refused events by reason, each counted once however often it was written.

    Reads the topic from its beginning to the end it has now. Raises ``WarroomError``.
    """
    settings = {
        **quiet_client(brokers, client),
        "group.id": "warroom-dead-letters",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "earliest",
    }
    consumer = Consumer(settings)
    try:
        found = consumer.list_topics(topic, ANSWER_SECONDS).topics[topic]
        if found.error is not None:
            raise KafkaException(found.error)
        partitions = found.partitions
        consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
        reason_of = _read(consumer, set(partitions), f"{brokers}, topic {topic}")
    except KafkaException as error:
        raise WarroomError(f"dead letters at {brokers}, topic {topic}: {error}") from error
    finally:
        consumer.close()
    return dict(Counter(reason_of.values()))


def _read(consumer: Consumer, unread: set[int], where: str) -> dict[Place, str]:
    reason_of: dict[Place, str] = {}
    answered_at = time.monotonic()
    while unread:
        # A long wait would be waited out for messages behind the end that never come.
        messages = consumer.consume(AT_ONCE, _LOOK_SECONDS)
        if messages:
            answered_at = time.monotonic()
        elif time.monotonic() - answered_at > ANSWER_SECONDS:
            raise WarroomError(f"dead letters at {where}: no answer within {ANSWER_SECONDS:g} s")
        for message in messages:
            error = message.error()
            if error is None:
                place, reason = _headers(message)
                reason_of[place] = reason
            elif error.code() == KafkaError._PARTITION_EOF:
                unread.discard(message.partition() or 0)
            else:
                raise KafkaException(error)
    return reason_of


def _headers(message: Message) -> tuple[Place, str]:
    given = cast("list[tuple[str, bytes]]", message.headers() or [])
    headers = {name: value.decode() for name, value in given}
    place = (headers["topic"], headers["partition"], headers["offset"], headers["line"])
    return place, headers["reason"]
