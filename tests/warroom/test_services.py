"""The embedded servers: they answer, on loopback only, and end with their parent."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import redis
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from warroom.errors import WarroomError
from warroom.services import (
    TOPICS,
    EmbeddedBroker,
    EmbeddedRedis,
    EmbeddedServer,
    create_topics,
    quiet_client,
)
from warroom.waiting import wait_until

PARENT = """
import signal
from warroom.services import EmbeddedBroker, EmbeddedRedis
with EmbeddedBroker() as broker, EmbeddedRedis() as redis:
    print(broker.pid, redis.pid, flush=True)
    signal.pause()
"""


def listening_addresses(pid: int) -> set[str]:
    """Hexadecimal addresses on which a process listens, from /proc."""
    targets = open_files(pid)
    inodes = {t.removeprefix("socket:[").removesuffix("]") for t in targets if t.startswith("socket:")}
    rows = [line.split() for name in ("tcp", "tcp6") for line in read_rows(f"/proc/{pid}/net/{name}")]
    return {row[1].split(":")[0] for row in rows if row[3] == "0A" and row[9] in inodes}


def open_files(pid: int) -> list[str]:
    """What a process has open; what it closes meanwhile is left out."""
    targets = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            targets.append(str(link.readlink()))
    return targets


def read_rows(path: str) -> list[str]:
    return Path(path).read_text().splitlines()[1:]


def test_message_that_was_produced_is_consumed(broker: str) -> None:
    create_topics(broker)
    producer = Producer(quiet_client(broker))
    producer.produce("orders", b"one order", partition=3, headers=[("reason", b"late")])
    assert producer.flush(10) == 0

    consumer = Consumer({**quiet_client(broker), "group.id": "test"})
    consumer.assign([TopicPartition("orders", 3, 0)])
    message = consumer.poll(10)
    consumer.close()

    assert message is not None
    assert (message.value(), message.headers()) == (b"one order", [("reason", b"late")])


def test_every_topic_has_the_partitions_of_the_contract(broker: str) -> None:
    create_topics(broker)
    listed = AdminClient(quiet_client(broker)).list_topics(timeout=10).topics
    assert {t.name: len(listed[t.name].partitions) for t in TOPICS} == {
        "orders": 4,
        "clicks": 4,
        "stock": 1,
        "baselines": 1,
        "dead-letters": 1,
    }


def test_creating_topics_twice_keeps_what_they_hold(broker: str) -> None:
    create_topics(broker)
    producer = Producer(quiet_client(broker))
    producer.produce("orders", b"kept", partition=0)
    assert producer.flush(10) == 0

    create_topics(broker)

    consumer = Consumer({**quiet_client(broker), "group.id": "test"})
    consumer.assign([TopicPartition("orders", 0, 0)])
    message = consumer.poll(10)
    consumer.close()
    assert message is not None
    assert message.value() == b"kept"


def test_redis_starts_empty_and_keeps_nothing_on_disk(redis_url: str) -> None:
    client = redis.Redis.from_url(redis_url, decode_responses=True)
    assert client.dbsize() == 0
    assert client.config_get("save") == {"save": ""}
    assert client.config_get("appendonly") == {"appendonly": "no"}
    client.close()


def test_redis_gives_back_what_transactions_freed_whatever_its_size() -> None:
    with EmbeddedRedis() as server, contextlib.closing(redis.Redis.from_url(server.url)) as client:
        for size in range(300, 1000, 32):
            transaction = client.pipeline()
            for number in range(4000):
                transaction.set(f"key{number}", b"x" * size)
            transaction.execute()
        memory = client.info("memory")
    assert memory["used_memory"] < 8 << 20
    assert memory["used_memory_rss"] < 32 << 20


def test_redis_with_a_password_refuses_clients_without_it() -> None:
    with EmbeddedRedis(password="open sesame") as server:
        stranger = redis.Redis(host="127.0.0.1", port=server.port)
        with pytest.raises(redis.AuthenticationError):
            stranger.ping()
        stranger.close()


@pytest.mark.parametrize("kind", [EmbeddedBroker, EmbeddedRedis])
def test_server_listens_on_loopback_only(kind: type[EmbeddedServer]) -> None:
    with kind() as server:
        assert listening_addresses(server.pid) == {"0100007F"}


@pytest.mark.parametrize("kind", [EmbeddedBroker, EmbeddedRedis])
def test_server_on_a_taken_port_says_which(kind: type[EmbeddedServer]) -> None:
    with EmbeddedRedis() as other, pytest.raises(WarroomError) as caught:
        kind(other.port).start()
    assert str(caught.value) == f"{kind.title}: 127.0.0.1:{other.port} is in use; choose another port"


def test_servers_end_when_their_parent_is_killed() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(pids) == 2
    assert all(Path(f"/proc/{pid}").exists() for pid in pids)

    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()

    assert wait_until(lambda: not any(is_running(pid) for pid in pids), 5)


def is_running(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
