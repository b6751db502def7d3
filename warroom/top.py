"""``warroom top``: the live table in the terminal, read from Redis."""

from __future__ import annotations

import select
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console, Group
from rich.live import Live

from warroom.metrics_reader import read_vitals
from warroom.reader import ResultsReader
from warroom.settings import Settings
from warroom.table import HEIGHT, WIDTH, Snapshot, View, picture, rate_per_second, take_snapshot

REFRESH_SECONDS: Final = 0.5


class Screen:
    """Takes snapshots and draws them; remembers the one before for the rate."""

    def __init__(self, settings: Settings, reader: ResultsReader, view: View) -> None:
        self.view = view
        self._settings = settings
        self._reader = reader
        self._before: Snapshot | None = None

    def frame(self, height: int = HEIGHT) -> Group:
        """The table as it is now. Raises ``WarroomError``."""
        settings = self._settings
        workers = settings.engine.workers
        vitals = read_vitals(settings.metrics.host, settings.metrics.port, workers)
        now = take_snapshot(self._reader, self.view, vitals, height)
        rate = rate_per_second(self._before, now)
        self._before = now
        return Group(*picture(now, rate, self.view, settings.engine.timezone, workers, height))


def show_top(settings: Settings, view: View, once: bool) -> None:
    """Draw the table until ``q``; once where there is no terminal. Raises ``WarroomError``."""
    console = Console()
    reader = ResultsReader(settings.redis.url, settings.redis.prefix)
    try:
        screen = Screen(settings, reader, view)
        if once or not (console.is_terminal and sys.stdin.isatty()):
            Console(width=WIDTH, highlight=False).print(screen.frame())
            return
        with pressed_keys() as keys, Live(console=console, screen=True, auto_refresh=False) as live:
            while True:
                live.update(screen.frame(console.height), refresh=True)
                if not obey(screen, keys.wait(REFRESH_SECONDS)):
                    return
    finally:
        reader.close()


def obey(screen: Screen, key: str) -> bool:
    """Change the view as a key asks; False to end."""
    if key == "m":
        screen.view = screen.view.next_metric()
    elif key == "w":
        screen.view = screen.view.next_window()
    return key not in ("q", "\x03", "\x1b")


class Keys:
    """Single keys from the terminal."""

    def wait(self, seconds: float) -> str:
        """The next key, or nothing if none comes in time."""
        ready, _, _ = select.select([sys.stdin], [], [], seconds)
        return sys.stdin.read(1) if ready else ""


@contextmanager
def pressed_keys() -> Iterator[Keys]:
    """Read keys without waiting for the end of a line."""
    before = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin)
    try:
        yield Keys()
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
