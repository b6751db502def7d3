"""``warroom run --profile``: where a microsecond goes, of every event, over all workers of this machine."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.table import Table

from operators.stage_times import ALL_STAGES
from warroom.metrics_reader import Vitals, read_vitals
from warroom.settings import Settings

LOOK_SECONDS: Final = 1.0
WHAT: Final = {
    "consume": "messages out of the Kafka client",
    "decode": "JSON to columns, ids to rows",
    "dedup": "first copies",
    "tally": "sums per merchant and 5 s",
    "exchange": "Bytewax, deltas between processes, interpreter",
    "windows": "running sums, closing minutes",
    "results": "multiples, leaderboards, what changed",
    "rollups": "sums by channel, category, city tier",
    "snapshot": "journals and references",
    "publish": "the thread that writes to Redis",
    "client": "librdkafka's threads, metrics",
}


class Profiler:
    """Reads the stage times of the workers ``here`` while they run; prints the table on leaving."""

    def __init__(self, settings: Settings, here: Sequence[int]) -> None:
        self._metrics = settings.metrics
        self._here = here
        self._latest = Vitals()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, name="profile", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        Console().print(profile_table(self._latest))

    def _look(self) -> None:
        first = self._metrics.port + self._here[0]
        while not self._ended.wait(LOOK_SECONDS):
            vitals = read_vitals(self._metrics.host, first, len(self._here))
            if vitals.events.total() >= self._latest.events.total():
                self._latest = vitals


def profile_table(vitals: Vitals) -> Table:
    """Microseconds of CPU an event by stage, and each stage's share; 80 columns."""
    events = vitals.events.total()
    total = sum(vitals.stage_seconds.values())
    table = Table(title=f"{events:,} events, {total:.1f} CPU s", title_justify="left", show_edge=False)
    table.add_column("stage")
    table.add_column("µs an event", justify="right")
    table.add_column("share", justify="right")
    table.add_column("what")
    for stage in ALL_STAGES:
        seconds = vitals.stage_seconds[stage]
        table.add_row(stage, _micros(seconds, events), _share(seconds, total), WHAT[stage])
    table.add_row("all", _micros(total, events), _share(total, total), "CPU time of all worker processes")
    return table


def _micros(seconds: float, events: int) -> str:
    return f"{seconds / events * 1e6:.3f}" if events else "–"


def _share(seconds: float, total: float) -> str:
    return f"{seconds / total:.1%}" if total else "–"
