"""What the demo plays on: broker, Redis, the war room itself and the load, each a real process."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from warroom.children import end, free_port, free_ports, start
from warroom.config import Given, load
from warroom.errors import WarroomError
from warroom.services import EmbeddedBroker, EmbeddedRedis, create_topics
from warroom.services_command import configuration_text
from warroom.settings import Settings

SCENARIO: Final = "double12-2019"
SALE_OPENS: Final = "2019-12-12T00:00:00+08:00"
FEATURED: Final = ("waipojia", "zhengongfu", "meilijiazu", "ledazui")
WORKERS: Final = 2
DRAIN_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Pace:
    """How much is played how fast. ``speed``: scenario seconds a second."""

    speed: float = 1440.0
    orders: int | None = None


class Stage:
    """Everything the demo runs, ended on leaving the context; broker and Redis stay if ``keep``."""

    def __init__(self, pace: Pace, keep: bool) -> None:
        self._pace = pace
        self._keep = keep
        self._stack = ExitStack()
        self.directory = Path(tempfile.mkdtemp(prefix="warroom-demo-"))
        self.broker = EmbeddedBroker(outlive=keep)
        self.redis = EmbeddedRedis(outlive=keep)
        self.oracle_file = self.directory / "oracle.json"
        self.summary_file = self.directory / "summary.json"
        self.config_file = self.directory / "warroom.toml"

    def __enter__(self) -> Self:
        try:
            self._open()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Kept services are kept only where the demo came to its end.
        self._keep = self._keep and kind is None
        self._close()

    def _open(self) -> None:
        self.broker.start()
        self.redis.start()
        create_topics(self.broker.address)
        self.config_file.write_text(self._configuration())
        self.settings: Settings = load(
            self.config_file, {}, [Given("engine.workers", WORKERS, "demo")]
        ).settings
        self.war_room = self._spawn("warroom", "run", "--config", self.config_file, "--workers", WORKERS)
        orders = ["--orders", self._pace.orders] if self._pace.orders is not None else []
        self.web = self._start_web()
        self.load = self._spawn(
            *("loadgen.cli", "run", SCENARIO, "--brokers", self.broker.address),
            *("--speed", self._pace.speed, *orders),
            *("--oracle", self.oracle_file, "--summary", self.summary_file),
        )

    def _configuration(self) -> str:
        watch = ", ".join(f'"{merchant_id}"' for merchant_id in FEATURED)
        return configuration_text(self.broker.address, self.redis.url) + (
            f"\n[metrics]\nport = {free_ports(WORKERS)}\n"
            f'\n[sale]\nopens = "{SALE_OPENS}"\n'
            f"\n[engine]\nworkers = {WORKERS}\nseries_watch = [{watch}]\n"
            "\n[supervisor]\nstandby = false\n"  # one minute, on which nobody is killed
            f'\n[state]\ndirectory = "state"\n'
            f"\n[web]\nport = {free_port()}\n"
        )

    def _start_web(self) -> subprocess.Popen[bytes] | None:
        """The wall page, which no number depends on; None where its packages are not installed."""
        if find_spec("starlette") is None or find_spec("uvicorn") is None:
            return None
        with self._log("web").open("wb") as output:
            command = [sys.executable, "-m", "warroom", "web", "--config", str(self.config_file)]
            process = start(command, output=output, outlive_parent=self._keep)
        self._stack.callback(lambda: None if self._keep else end(process))
        return process

    @property
    def wall_address(self) -> str | None:
        """Where a browser finds the wall page; None where there is none."""
        web = self.settings.web
        return None if self.web is None else f"http://{web.host}:{web.port}/"

    def _spawn(self, module: str, *arguments: object) -> subprocess.Popen[bytes]:
        with self._log(module).open("wb") as output:
            process = start([sys.executable, "-m", module, *(str(a) for a in arguments)], output=output)
        self._stack.callback(end, process)
        return process

    def _log(self, module: str) -> Path:
        return self.directory / f"{module.partition('.')[0]}.log"

    def raise_if_failed(self) -> None:
        """Raise ``WarroomError`` with the last words of a process that has failed."""
        for module, process in (("warroom", self.war_room), ("loadgen.cli", self.load)):
            code = process.poll()
            if code:
                words = self._log(module).read_text(errors="replace").strip().splitlines()
                name = module.partition(".")[0]
                raise WarroomError(
                    f"{name} ended with exit code {code}: {words[-1] if words else 'silently'}"
                )

    def _close(self) -> None:
        self._stack.close()
        if not self._keep:
            self.broker.stop()
            self.redis.stop()
