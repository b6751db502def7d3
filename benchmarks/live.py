"""A live night at a steady rate: ``loadgen`` sends orders when they are due, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self


@dataclass(slots=True)
class LiveLoad:
    """``loadgen run`` at ``rate`` orders a second, event times of now, until it is left (an hour at most)."""

    brokers: str
    topic: str
    rate: int
    scenario: str = "ordinary-day"
    _process: subprocess.Popen[bytes] | None = field(default=None)

    def __enter__(self) -> Self:
        command = [
            *(sys.executable, "-m", "loadgen.cli", "run", self.scenario, "--brokers", self.brokers),
            *("--speed", "1", "--hours", "1", "--orders", str(self.rate * 3600), "--times", "now"),
            *("--topic-orders", self.topic, "--topic-clicks", ""),
        ]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait()

    @property
    def is_running(self) -> bool:
        """Whether it still sends."""
        return self._process is not None and self._process.poll() is None
