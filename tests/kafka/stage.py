"""What a test on Apache Kafka plays on: its topics, war rooms, loads and their verdict."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

import redis
from confluent_kafka import Consumer, TopicPartition

from tests.faults.stage import workers_of
from tests.kafka.apache_kafka import ApacheKafka
from warroom.children import end, free_port
from warroom.dead_letters import count_dead_letters
from warroom.services import Topic, create_topics
from warroom.waiting import wait_until

SALE_OPENS = "2019-12-12T00:00:00+08:00"
PATIENCE_SECONDS = 90.0


class Stage:
    """Topics of one test on a shared broker, and what runs on them; a context manager."""

    def __init__(self, kafka: ApacheKafka, redis_url: str, directory: Path, name: str) -> None:
        self.kafka = kafka
        self.redis_url = redis_url
        self.directory = directory
        self.group = f"{name}.group"
        self.orders, self.baselines, self.dead_letters = (
            f"{name}.{topic}" for topic in ("orders", "baselines", "dead-letters")
        )
        self.metrics_port = free_port()
        self.log = directory / "warroom.log"
        self.oracle = directory / "oracle.json"
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._processes):
            end(process)

    def create(self, partitions: int = 4) -> None:
        """Make the three topics."""
        create_topics(
            self.kafka.address,
            (
                Topic(self.orders, partitions),
                Topic(self.baselines, 1, compacted=True),
                Topic(self.dead_letters, 1),
            ),
        )

    def war_room(
        self, *flags: str, workers: int = 1, brokers: str = "", **settings: str
    ) -> subprocess.Popen[bytes]:
        """Start ``warroom run``. ``settings``: of the environment, without the prefix."""
        given = {
            "KAFKA__ORDERS": self.orders,
            "KAFKA__CLICKS": "",
            "KAFKA__BASELINES": self.baselines,
            "KAFKA__DEAD_LETTERS": self.dead_letters,
            "KAFKA__GROUP": self.group,
            "SUPERVISOR__FAILURES_IN_A_ROW": "3",
            **settings,
        }
        environment = {**os.environ, **{f"WARROOM_{key}": value for key, value in given.items()}}
        command = [
            *(sys.executable, "-m", "warroom", "run", "--brokers", brokers or self.kafka.address),
            *("--redis", self.redis_url, "--workers", str(workers), "--sale-opens", SALE_OPENS),
            *("--state", str(self.directory / "state"), "--metrics-port", str(self.metrics_port), *flags),
        ]
        return self._start(command, self.log, environment)

    def load(self, *flags: str, orders: int) -> subprocess.Popen[bytes]:
        """Start the load of the double-twelve night."""
        command = [
            *(sys.executable, "-m", "loadgen.cli", "run", "double12-2019", "--orders", str(orders)),
            *("--brokers", self.kafka.address, "--topic-orders", self.orders),
            *(
                "--topic-baselines",
                self.baselines,
                "--topic-clicks",
                "",
                "--oracle",
                str(self.oracle),
                *flags,
            ),
        ]
        return self._start(command, self.directory / "load.log", None)

    def ran(self, process: subprocess.Popen[bytes]) -> int:
        """Wait for a process; its exit code."""
        return process.wait(PATIENCE_SECONDS)

    def said(self) -> str:
        """Everything that the war rooms of this test have written."""
        return self.log.read_text(errors="replace")

    def results(self) -> redis.Redis:
        """A client of the results."""
        return redis.Redis.from_url(self.redis_url, decode_responses=True)

    def shown(self, merchant: str, field: str) -> str:
        """A value of a merchant's, empty if there is none."""
        with self.results() as client:
            return str(client.hget(f"warroom:merchant:{merchant}", field) or "")

    def differences(self, *, catching_up: bool = False) -> str:
        """What ``loadgen verify`` and the dead letters have against the oracle; empty if nothing.

        ``catching_up``: the topic was read as fast as possible. A partition that is read far ahead makes
        nothing late, so fewer events may be late than in a night that is read as it comes.
        """
        command = (sys.executable, "-m", "loadgen.cli", "verify", "--redis", self.redis_url)
        verdict = subprocess.run(
            [*command, "--oracle", str(self.oracle)], capture_output=True, text=True, check=False
        )
        expected: dict[str, Any] = json.loads(self.oracle.read_text())["dead_letters"]
        written = count_dead_letters(self.kafka.address, self.dead_letters)
        if catching_up and written.get("late", 0) <= expected["late"]:
            written["late"] = expected["late"]
        dead = "" if written == expected else f"dead letters: {written}, expected {expected}"
        return (verdict.stdout + verdict.stderr if verdict.returncode else "") + dead

    def kill_workers(self, supervisor: subprocess.Popen[bytes]) -> int:
        """``kill -9`` of every worker that lives; how many that were."""
        found = workers_of(supervisor.pid)
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return len(found)

    def ends(self) -> dict[str, int]:
        """``topic/partition`` to the offset behind its last message, as the broker tells it."""
        client = self._client()
        topics = client.list_topics(timeout=10).topics
        ends = {
            f"{topic}/{number}": client.get_watermark_offsets(TopicPartition(topic, number), timeout=10)[1]
            for topic in (self.orders, self.baselines)
            for number in topics[topic].partitions
        }
        client.close()
        return ends

    def committed(self) -> dict[str, int]:
        """``topic/partition`` to the offset that is committed under the test's group."""
        client = self._client()
        topics = client.list_topics(timeout=10).topics
        parts = [TopicPartition(t, p) for t in (self.orders, self.baselines) for p in topics[t].partitions]
        told = client.committed(parts, timeout=10)
        client.close()
        return {f"{part.topic}/{part.partition}": part.offset for part in told if part.offset >= 0}

    def _client(self) -> Consumer:
        return Consumer({"bootstrap.servers": self.kafka.address, "group.id": self.group, "log_level": 0})

    def _start(
        self, command: list[str], log: Path, environment: dict[str, str] | None
    ) -> subprocess.Popen[bytes]:
        with log.open("ab") as output:
            process = subprocess.Popen(
                command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, env=environment
            )
        self._processes.append(process)
        return process


def is_so(condition: Any, stage: Stage) -> None:  # noqa: ANN401
    """Fails with the war room's log unless ``condition()`` comes true in time."""
    assert wait_until(condition, PATIENCE_SECONDS), stage.said()
