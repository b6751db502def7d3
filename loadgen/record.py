"""Messages of Kafka topics to a file: everything from one time to another, or all there is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from msgspec import Struct

from loadgen.errors import DeliveryError, LoadgenError
from loadgen.recording_file import SCHEMA, open_recording
from loadgen.topics import partitions_of

AT_ONCE: Final = 20_000
SILENCE_S: Final = 30.0
LOOK_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class Span:
    """Kafka timestamps from ``from_ms`` to ``to_ms`` (exclusive); None: no bound."""

    from_ms: int | None = None
    to_ms: int | None = None

    def check(self) -> None:
        """Raises ``LoadgenError`` for a span without any time in it."""
        if self.from_ms is not None and self.to_ms is not None and self.from_ms >= self.to_ms:
            raise LoadgenError("--to is not after --from; nothing lies in between")

    def holds(self, timestamp_ms: int) -> bool:
        """Whether a time lies in it."""
        return (self.from_ms is None or timestamp_ms >= self.from_ms) and (
            self.to_ms is None or timestamp_ms < self.to_ms
        )


class Recorded(Struct):
    """What was written. ``complete``: up to the end that each partition had."""

    messages: int = 0
    size_bytes: int = 0
    read: int = 0
    complete: bool = False


def record(
    settings: Mapping[str, str],
    topics: list[str],
    path: Path,
    span: Span,
    watch: Callable[[Recorded], None] = lambda _: None,
) -> Recorded:
    """Write what the topics hold now. Ctrl-C ends it early and leaves a whole file.

    Topics are read from their beginning, for a broker may not know where a time begins. Raises
    ``LoadgenError`` for a topic that is not there or a disk that is full, saying what is kept, and
    ``DeliveryError`` if the broker goes silent.
    """
    span.check()
    there = partitions_of(settings, topics)
    for topic in topics:
        if topic not in there:
            raise LoadgenError(f"topic {topic!r} does not exist at {settings['bootstrap.servers']}")
    done = Recorded()
    writer = open_recording(path)
    try:
        try:
            for messages in _all_messages(settings, there):
                chosen = [m for m in messages if span.holds(m.timestamp()[1])]
                if chosen:
                    writer.write(frame_of(chosen))
                done.read += len(messages)
                done.messages += len(chosen)
                done.size_bytes += sum(len(m.value() or b"") for m in chosen)
                watch(done)
            done.complete = True
        except KeyboardInterrupt:
            pass
        finally:
            writer.close()
    except OSError as error:
        raise LoadgenError(f"{path}: cannot be written: {error.strerror}; {writer.kept}") from error
    return done


def _all_messages(settings: Mapping[str, str], topics: Mapping[str, int]) -> Iterator[list[Any]]:
    """Messages of all partitions until the end that each has when it is reached."""
    consumer = Consumer(
        {
            "group.id": "loadgen-record",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "log_level": 0,
            **settings,
            "enable.partition.eof": True,
        }
    )
    left = {(topic, partition) for topic, count in topics.items() for partition in range(count)}
    # Offset 0, not "beginning": some brokers do not answer where that is; the reset policy covers the rest.
    consumer.assign([TopicPartition(topic, partition, 0) for topic, partition in left])
    try:
        heard = time.monotonic()
        while left:
            messages = []
            taken = consumer.consume(AT_ONCE, timeout=LOOK_S)
            if taken:
                heard = time.monotonic()
            elif time.monotonic() - heard > SILENCE_S:
                raise DeliveryError(
                    f"Kafka at {settings['bootstrap.servers']} has said nothing for {SILENCE_S:g} s"
                )
            for message in taken:
                error = message.error()
                if error is None:
                    messages.append(message)
                elif error.code() == KafkaError._PARTITION_EOF:
                    left.discard((message.topic(), message.partition()))
                elif error.fatal() or error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise DeliveryError(f"Kafka: {error.str()}")
            if messages:
                yield messages
    except KafkaException as error:
        raise DeliveryError(f"Kafka: {error.args[0].str()}") from error
    finally:
        consumer.close()


def frame_of(messages: list[Any]) -> pl.DataFrame:
    """Kafka messages as a frame of ``recording_file.SCHEMA``."""
    columns: dict[str, list[object]] = {
        "topic": [m.topic() for m in messages],
        "partition": [m.partition() for m in messages],
        "offset": [m.offset() for m in messages],
        "timestamp_ms": [m.timestamp()[1] for m in messages],
        "key": [m.key() for m in messages],
        "value": [m.value() for m in messages],
        "headers": [[{"name": n, "value": v} for n, v in m.headers() or ()] for m in messages],
    }
    return pl.DataFrame(columns, schema=SCHEMA)
