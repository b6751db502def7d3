"""Before anything starts: are the servers there, do they let us in, are the ports free?

What waiting can mend (a server that does not answer) is waited for, with one line when it begins;
what it cannot mend raises ``PreflightError``: one line with the address and the cure.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import redis
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._metadata import TopicMetadata
from redis.backoff import NoBackoff
from redis.retry import Retry

from operators.kafka_connection import REFUSALS
from warroom.config import without_password
from warroom.errors import PreflightError
from warroom.services import quiet_client
from warroom.settings import KafkaSettings, RedisSettings

log = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS: Final = 0.2
LONGEST_PAUSE_SECONDS: Final = 2.0
ANSWER_SECONDS: Final = 5.0
BROKER_ANSWER_SECONDS: Final = 2.0


class Interrupted(Exception):  # noqa: N818 - no error: somebody asked
    """Told to stop while waiting for a server."""


def redis_client(url: str) -> redis.Redis:
    """A client that answers or raises at once: who calls decides whether to try again."""
    return redis.Redis.from_url(
        url,
        decode_responses=True,
        socket_timeout=ANSWER_SECONDS,
        socket_connect_timeout=ANSWER_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )


def topic_partitions(settings: KafkaSettings, stopping: Callable[[], bool]) -> tuple[str, dict[str, int]]:
    """Wait for the broker; return its cluster's id and the partitions of the topics that are read.

    Raises ``PreflightError`` where a topic is missing or access is refused, ``Interrupted`` when told
    to stop.
    """
    for _ in _attempts(f"Kafka at {settings.brokers} does not answer", stopping):
        refusals: list[KafkaError] = []
        client: dict[str, Any] = {
            **quiet_client(settings.brokers, settings.client),
            "error_cb": refusals.append,
        }
        admin = None
        try:
            admin = AdminClient(client)
            listed = admin.list_topics(timeout=BROKER_ANSWER_SECONDS)
        except KafkaException as error:
            if admin is not None:
                admin.poll(0)  # only here the client tells of a refused login
            _raise_if_hopeless(settings, error.args[0], refusals)
            continue
        partitions = {name: _partitions_of(settings, listed.topics, name) for name in _topics(settings)}
        del partitions[settings.dead_letters]  # only written: its partitions mean nothing to our state
        return str(listed.cluster_id), partitions
    raise Interrupted


def _topics(settings: KafkaSettings) -> tuple[str, ...]:
    optional = [topic for topic in (settings.clicks, settings.stock) if topic]
    return (settings.orders, *optional, settings.baselines, settings.dead_letters)


def _partitions_of(settings: KafkaSettings, topics: Mapping[str, TopicMetadata], name: str) -> int:
    topic = topics.get(name)
    if topic is None or topic.error is not None:
        without = '; where there are no clicks, set kafka.clicks = ""' if name == settings.clicks else ""
        raise PreflightError(
            f"Kafka at {settings.brokers} has no topic {name}; create it or set another in [kafka]{without}"
        )
    return len(topic.partitions)


def check_redis(settings: RedisSettings, stopping: Callable[[], bool]) -> None:
    """Wait for Redis. Raises ``PreflightError`` where it refuses us, ``Interrupted`` when told to stop."""
    shown = without_password(settings.url)
    for _ in _attempts(f"Redis at {shown} does not answer", stopping):
        client = redis_client(settings.url)
        try:
            client.ping()
            return
        except redis.AuthenticationError:
            raise PreflightError(
                f"Redis at {shown} wants another user or password; set redis.url, e.g. with the variable "
                "WARROOM_REDIS__URL=redis://user:password@host:port/0"
            ) from None
        except (redis.ConnectionError, redis.TimeoutError):
            continue
        except redis.RedisError as error:
            raise PreflightError(f"Redis at {shown} refuses us: {error}") from None
        finally:
            client.close()
    raise Interrupted


def check_ports(host: str, first: int, count: int) -> None:
    """Raises ``PreflightError`` unless ``count`` ports from ``first`` can be listened on."""
    for port in range(first, first + count):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                raise PreflightError(
                    f"metrics cannot be served on {host}:{port}: {(error.strerror or str(error)).lower()}; "
                    "choose another --metrics-port"
                ) from None


def _attempts(complaint: str, stopping: Callable[[], bool]) -> Iterator[None]:
    pause = FIRST_PAUSE_SECONDS
    while not stopping():
        yield
        log.warning("%s; trying again in %.1f s", complaint, pause)
        until = time.monotonic() + pause
        while time.monotonic() < until and not stopping():
            time.sleep(0.05)
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


def _raise_if_hopeless(settings: KafkaSettings, error: KafkaError, heard: list[KafkaError]) -> None:
    if error.code() == KafkaError._INVALID_ARG:
        raise PreflightError(f"[kafka.client] is wrong: {error.str()}") from None
    refusal = next((e for e in heard if e.code() in REFUSALS), None)
    if refusal is not None:
        raise PreflightError(
            f"Kafka at {settings.brokers} refuses the login: {refusal.str()}; "
            "see sasl.* and ssl.* under [kafka.client]"
        ) from None
