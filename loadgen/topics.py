"""The topics that a run writes to: there with the right partitions, or made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec
from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from loadgen.errors import DeliveryError, LoadgenError
from schemas.baselines import Baseline

TIMEOUT_S: Final = 10.0
DEFAULT_PARTITIONS: Final = 4


def partitions_of(settings: Mapping[str, str], names: Iterable[str]) -> dict[str, int]:
    """Partition counts of those of the topics that exist.

    Raises ``DeliveryError`` naming the address if no broker answers.
    """
    try:
        known = _admin(settings).list_topics(timeout=TIMEOUT_S).topics
    except KafkaException as error:
        if error.args[0].code() == KafkaError._INVALID_ARG:
            raise LoadgenError(f"kafka settings: {error.args[0].str()}") from error
        raise DeliveryError(
            f"no Kafka broker answers at {settings['bootstrap.servers']}: {error.args[0].str()}"
        ) from error
    return {name: len(known[name].partitions) for name in names if name in known and not known[name].error}


def ready(
    settings: Mapping[str, str], topic: str, partitions: int | None, create: bool, compacted: bool = False
) -> int:
    """See that a topic can be written to; returns its partitions.

    Raises ``LoadgenError`` if it is absent and not to be made, or has other than ``partitions``.
    """
    there = partitions_of(settings, [topic]).get(topic)
    if there is None and not create:
        raise LoadgenError(
            f"topic {topic!r} does not exist at {settings['bootstrap.servers']}; "
            "create it, or add --create-topics"
        )
    if there is None:
        there = partitions or DEFAULT_PARTITIONS
        _create(settings, topic, there, compacted)
    if partitions is not None and there != partitions:
        raise LoadgenError(
            f"topic {topic!r} has {there} partitions, --partitions says {partitions}; give {there}"
        )
    return there


def _create(settings: Mapping[str, str], topic: str, partitions: int, compacted: bool) -> None:
    config = {"cleanup.policy": "compact"} if compacted else {}
    new = NewTopic(topic, num_partitions=partitions, replication_factor=1, config=config)
    admin = _admin(settings)  # held: the answer is lost with it
    try:
        for made in admin.create_topics([new], operation_timeout=TIMEOUT_S).values():
            made.result()
    except KafkaException as error:
        raise DeliveryError(f"topic {topic!r} could not be created: {error.args[0].str()}") from error


def _admin(settings: Mapping[str, str]) -> AdminClient:
    return AdminClient({**settings, "log_level": 0, "socket.timeout.ms": int(TIMEOUT_S * 1000)})


def send_baselines(settings: Mapping[str, str], topic: str, baselines: Iterable[Baseline]) -> int:
    """Put baselines on their compacted topic, keyed by merchant; wait for them; returns how many."""
    producer = Producer({**settings, "linger.ms": 20, "log_level": 0})
    failures: list[str] = []
    sent = 0
    for baseline in baselines:
        while True:
            try:
                producer.produce(
                    topic,
                    msgspec.json.encode(baseline),
                    baseline.merchant_id,
                    on_delivery=lambda error, _: failures.append(error.str()) if error else None,
                )
                break
            except BufferError:
                producer.poll(0.1)
        sent += 1
    if producer.flush(TIMEOUT_S * 3) or failures:
        raise DeliveryError(
            f"baselines could not be sent to {topic!r}: {failures[0] if failures else 'no answer'}"
        )
    return sent
