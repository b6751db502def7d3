"""``warroom services``: the embedded broker and Redis, until somebody ends them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from warroom.errors import WarroomError
from warroom.services import TOPICS, EmbeddedBroker, EmbeddedRedis, EmbeddedServer, create_topics
from warroom.supervisor import heard_wishes

_LOOK_SECONDS: Final = 0.1


def configuration_text(brokers: str, redis_url: str) -> str:
    """A ``warroom.toml`` for these servers."""
    return f'[kafka]\nbrokers = "{brokers}"\n\n[redis]\nurl = "{redis_url}"\n'


def serve(write: Path | None, kafka_port: int, redis_port: int) -> None:
    """Start both, say where they are, and end them when told to. Raises ``WarroomError``.

    An existing file is never overwritten.
    """
    if write is not None and write.exists():
        raise WarroomError(f"--write: {write} exists; remove it or name another file")
    with heard_wishes() as wishes, EmbeddedBroker(kafka_port) as broker, EmbeddedRedis(redis_port) as redis:
        create_topics(broker.address)
        text = configuration_text(broker.address, redis.url)
        _announce(text, write)
        while not wishes.stopping:
            _raise_if_ended(broker, redis)
            time.sleep(_LOOK_SECONDS)


def _announce(text: str, write: Path | None) -> None:
    topics = ", ".join(f"{t.name} ({t.partitions})" for t in TOPICS)
    print(f"{text}\n# Topics and their partitions: {topics}", flush=True)
    if write is not None:
        write.write_text(text)
        print(f"# Written to {write}; now: warroom run --config {write}", flush=True)
    print("# Everything is in memory and ends with this process (Ctrl-C).", flush=True)


def _raise_if_ended(*servers: EmbeddedServer) -> None:
    for server in servers:
        if not server.is_alive:
            raise WarroomError(f"the {server.title} at {server.address} has ended by itself")
