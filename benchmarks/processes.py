"""The war room as a process to be measured: started and watched through /proc and its metrics."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.faults.stage import workers_of
from warroom.children import free_port

TICKS_A_SECOND: Final = os.sysconf("SC_CLK_TCK")
PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
LOOK_SECONDS: Final = 0.02
SALE_OPENS: Final = "2019-12-12T00:00:00+08:00"
MOST_PORTS: Final = 64


@dataclass(slots=True)
class WarRoomProcess:
    """``warroom run`` with everything on: duplicates, windows, snapshots every 2 s, Redis, metrics."""

    brokers: str
    redis_url: str
    workers: int = 2
    prefix: str = "bench:"
    topic: str = "orders"
    bounded: bool = True
    state: Path | None = None
    """A state directory that outlives the process; None: one of its own, removed at the end."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Environment variables, as ``warroom config`` shows them."""
    port: int = 0
    peak_kib: dict[int, int] = field(default_factory=dict)
    _own_state: Path | None = None
    _supervisor: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.port = free_port()
        if self.state is None:
            self.state = self._own_state = Path(tempfile.mkdtemp(prefix="warroom-bench-"))
        command = [
            *(sys.executable, "-m", "warroom", "run", "--brokers", self.brokers),
            *("--redis", self.redis_url, "--workers", str(self.workers), "--state", str(self.state)),
            *("--prefix", self.prefix, "--metrics-port", str(self.port), "--sale-opens", SALE_OPENS),
            *(["--bounded"] if self.bounded else []),
        ]
        # Speed and memory are the workers': nobody stands by for them.
        named = {
            "WARROOM_KAFKA__ORDERS": self.topic,
            "WARROOM_SUPERVISOR__STANDBY": "false",
            **self.settings,
        }
        self._supervisor = subprocess.Popen(command, stdout=subprocess.DEVNULL, env={**os.environ, **named})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process = self.process
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._own_state is not None:
            shutil.rmtree(self._own_state, ignore_errors=True)

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The supervisor."""
        assert self._supervisor is not None
        return self._supervisor

    @property
    def pids(self) -> list[int]:
        """The workers that live now; what they are forked from has ended before they count."""
        return workers_of(self.process.pid)

    def note_peaks(self) -> None:
        """Remember the greatest resident memory of every worker."""
        for pid in self.pids:
            self.peak_kib[pid] = max(self.peak_kib.get(pid, 0), _status_kib(pid, "VmHWM"))

    @property
    def peak_mib(self) -> float:
        """Greatest resident memory of all workers, each at its own peak."""
        return sum(self.peak_kib.values()) / 1024

    @property
    def resident_mib(self) -> float:
        """Resident memory of all workers now."""
        return sum(_status_kib(pid, "VmRSS") for pid in self.pids) / 1024

    def cpu_seconds(self) -> float:
        """User and system time of all workers so far."""
        return sum(_cpu_ticks(pid) for pid in self.pids) / TICKS_A_SECOND

    def metric(self, name: str, *labels: str) -> float:
        """Sum over the workers of every series of a metric whose line holds all of ``labels``."""
        return sum(_metric(self.port + index, name, labels) for index in range(self.workers))

    def events(self, topic: str | None = None) -> int:
        """Events taken so far, whatever became of them."""
        return int(self.metric("warroom_events_total", f'topic="{topic or self.topic}"'))

    def until(self, condition: Callable[[], bool], limit_seconds: float) -> float:
        """Wait for a condition, noting peaks; seconds that it took. Ends the benchmark if it never comes."""
        started = time.perf_counter()
        while not condition():
            if self.process.poll() not in (None, 0):
                sys.exit(f"the war room ended with exit code {self.process.returncode}")
            if time.perf_counter() - started > limit_seconds:
                sys.exit(f"what was waited for did not come within {limit_seconds:g} s")
            self.note_peaks()
            time.sleep(LOOK_SECONDS)
        return time.perf_counter() - started


def _status_kib(pid: int, name: str) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith(name)), 0)


def _cpu_ticks(pid: int) -> int:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return int(fields[11]) + int(fields[12])


def _metric(port: int, name: str, labels: tuple[str, ...]) -> float:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=2) as answer:
            text = answer.read().decode()
    except OSError:
        return 0.0
    lines = (
        line
        for line in text.splitlines()
        if line.startswith((name + "{", name + " ")) and all(label in line for label in labels)
    )
    return sum(float(line.rpartition(" ")[2]) for line in lines)
