"""Apache Kafka itself, one node in KRaft mode, run from its published jars. Needs ``java`` and ``mvn``."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.kafka.server_properties import server_properties
from warroom.children import LOOPBACK, end, free_port, start
from warroom.waiting import wait_until

KAFKA_VERSION: Final = "4.4.0"
LOG4J_VERSION: Final = "2.25.5"
CACHE: Final = Path(".warroom/kafka").absolute()
READY_SECONDS: Final = 90.0
STOP_SECONDS: Final = 40.0
_DEPENDENCIES: Final = {
    "org.apache.kafka:kafka_2.13": KAFKA_VERSION,
    "org.apache.logging.log4j:log4j-slf4j-impl": LOG4J_VERSION,
    "org.apache.logging.log4j:log4j-core": LOG4J_VERSION,
    "org.apache.logging.log4j:log4j-api": LOG4J_VERSION,
}
_LOGGING: Final = """\
status = error
appender.o.type = Console
appender.o.name = O
appender.o.layout.type = PatternLayout
appender.o.layout.pattern = [%d] %p %m (%c)%n
rootLogger.level = info
rootLogger.appenderRef.o.ref = O
"""


class ApacheKafka:
    """A broker on loopback with its data in ``directory``, which outlives a restart.

    ``password``: clients of its second listener, ``sasl_address``, log in as ``warroom`` with it.
    ``settings``: further lines of server.properties.
    """

    def __init__(
        self, directory: Path, *, password: str = "right", settings: Mapping[str, str] | None = None
    ) -> None:
        self._directory = directory
        self._password = password
        self._settings = dict(settings or {})
        self._process: subprocess.Popen[bytes] | None = None
        self.port, self._sasl_port, self._controller_port = (free_port() for _ in range(3))

    @property
    def address(self) -> str:
        """``host:port`` that asks for no login."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def sasl_address(self) -> str:
        """``host:port`` that asks for a user and a password (SASL/PLAIN)."""
        return f"{LOOPBACK}:{self._sasl_port}"

    def join(self, first: ApacheKafka) -> None:
        """Become a second broker of the cluster whose controller is ``first``; before ``start``."""
        own = f"PLAINTEXT://{self.address},SASL_PLAINTEXT://{self.sasl_address}"
        self._settings |= {
            "process.roles": "broker",
            "node.id": "2",
            "controller.quorum.voters": f"1@{LOOPBACK}:{first._controller_port}",
            "listeners": own,
            "advertised.listeners": own,
        }

    def start(self) -> None:
        """Start on the ports and the data it has, and return when it serves."""
        libraries = fetch_jars()
        if not (self._directory / "data").exists():
            self._format(libraries)
        self._log.write_bytes(b"")
        command = ["java", "-Xms256m", "-Xmx1g", *self._java(libraries), "kafka.Kafka", str(self._properties)]
        with self._log.open("ab") as output:
            self._process = start(command, output=output)
        if not (wait_until(self._is_settled, READY_SECONDS) and self._has_started()):
            said = self._log.read_text(errors="replace")[-3000:]
            self.stop()
            raise RuntimeError(f"Apache Kafka did not start on {self.address}:\n{said}")

    def stop(self) -> None:
        """End it; the data stays."""
        if self._process is not None:
            end(self._process, STOP_SECONDS)
            self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def _log(self) -> Path:
        return self._directory / "server.log"

    @property
    def _properties(self) -> Path:
        return self._directory / "server.properties"

    def _has_started(self) -> bool:
        return "Kafka Server started" in self._log.read_text(errors="replace")

    def _is_settled(self) -> bool:
        return self._has_started() or self._process is None or self._process.poll() is not None

    def _java(self, libraries: Path) -> list[str]:
        logging = self._directory / "log4j2.properties"
        return [f"-Dlog4j2.configurationFile={logging}", "-cp", f"{libraries}/*"]

    def _format(self, libraries: Path) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        (self._directory / "log4j2.properties").write_text(_LOGGING)
        lines = server_properties(
            self._directory / "data", self.port, self._sasl_port, self._controller_port, self._password
        )
        settings = {**lines, **self._settings}
        self._properties.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
        tool = ["java", *self._java(libraries), "kafka.tools.StorageTool"]
        made = ["format", "--cluster-id", "d2Fycm9vbS10ZXN0LTAwMA", "--config", str(self._properties)]
        subprocess.run([*tool, *made], check=True, capture_output=True, text=True, timeout=READY_SECONDS)


def fetch_jars() -> Path:
    """The directory of Kafka's jars, which Maven fills the first time."""
    libraries = CACHE / f"libs-{KAFKA_VERSION}"
    if (libraries / f"kafka_2.13-{KAFKA_VERSION}.jar").exists():
        return libraries
    CACHE.mkdir(parents=True, exist_ok=True)
    pom = CACHE / "pom.xml"
    pom.write_text(_pom())
    goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={libraries}"]
    subprocess.run(["mvn", "-q", "-B", "-f", str(pom), *goal], check=True)
    return libraries


def _pom() -> str:
    wanted = "".join(
        "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>".format(
            *name.split(":"), version
        )
        for name, version in _DEPENDENCIES.items()
    )
    return (
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
        "<groupId>local</groupId><artifactId>apache-kafka</artifactId><version>1</version>"
        f"<packaging>pom</packaging><dependencies>{wanted}</dependencies></project>"
    )
