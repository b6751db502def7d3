"""How many partitions a topic has, waiting for broker and topic as long as it takes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator

from confluent_kafka import Consumer, KafkaError, KafkaException

from operators.kafka_connection import REFUSALS, KafkaConnection
from operators.kafka_errors import AccessRefusedError, StoppedWaitingError

log = logging.getLogger(__name__)

ANSWER_SECONDS = 2.0
LONGEST_PAUSE_SECONDS = 2.0
STEP_SECONDS = 0.1


def wait_for_partitions(connection: KafkaConnection, topic: str, stopping: Callable[[], bool]) -> int:
    """Number of partitions of a topic, asked until the broker answers and the topic exists.

    Each failed attempt is a log line with the address and the pause. Raises ``AccessRefusedError`` where
    the broker refuses, ``StoppedWaitingError`` once ``stopping()`` is true.
    """
    errors: list[KafkaError] = []
    client = Consumer(
        connection.settings(
            {"group.id": connection.group, "log_level": 0}, {"allow.auto.create.topics": False}
        )
        | {"error_cb": errors.append}
    )
    try:
        for pause in _pauses():
            count, complaint = _ask(client, connection, topic)
            if count:
                return count
            client.poll(0)  # serves errors
            refused = next((e for e in errors if e.code() in REFUSALS), None)
            if refused is not None:
                raise AccessRefusedError(connection.brokers, "the connection", refused.str())
            log.warning("%s; trying again in %g s", complaint, pause)
            _pause(pause, stopping)
            if stopping():
                break
    finally:
        client.close()
    raise StoppedWaitingError(connection.brokers, topic)


def _ask(client: Consumer, connection: KafkaConnection, topic: str) -> tuple[int, str]:
    try:
        found = client.list_topics(topic, ANSWER_SECONDS).topics[topic]
    except KafkaException:
        return 0, f"Kafka at {connection.brokers} does not answer"
    if found.error is None:
        return len(found.partitions), f"Kafka at {connection.brokers}: topic {topic} has no partition yet"
    if found.error.code() in REFUSALS:
        raise AccessRefusedError(connection.brokers, f"to read topic {topic}", found.error.str())
    if found.error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
        return 0, f"Kafka at {connection.brokers} has no topic {topic}"
    return 0, f"Kafka at {connection.brokers}, topic {topic}: {found.error.str()}"


def _pauses() -> Iterator[float]:
    pause = 0.5
    while True:
        yield pause
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


def _pause(seconds: float, stopping: Callable[[], bool]) -> None:
    until = time.monotonic() + seconds
    while not stopping() and (left := until - time.monotonic()) > 0:
        time.sleep(min(STEP_SECONDS, left))
