"""How a run is getting on: live on a terminal, silent without one."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.live import Live
from rich.table import Table

from loadgen.pacing import Pace
from loadgen.standing import Standing

REACHED_OVER_S: Final = 2.0
"""The rate reached is that of this many last seconds."""
Watch = Callable[[Standing], None]


class Speedometer:
    """Events acknowledged a second, over the last ``REACHED_OVER_S`` seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: deque[tuple[float, int]] = deque([(clock(), 0)])

    def reached(self, standing: Standing) -> float:
        """Take a standing; the rate now."""
        now = self._clock()
        self._seen.append((now, standing.events_answered))
        while len(self._seen) > 2 and now - self._seen[1][0] >= REACHED_OVER_S:
            self._seen.popleft()
        (then, before), (now, events) = self._seen[0], self._seen[-1]
        return (events - before) / max(now - then, 0.001)


@contextmanager
def progress(name: str, pace: Pace, console: Console | None = None) -> Iterator[Watch]:
    """A watcher of a run. Quiet when standard error is no terminal."""
    console = console or Console(file=sys.stderr)
    if not console.is_terminal:
        yield lambda _: None
        return
    speed = Speedometer()
    with Live(console=console, transient=True, auto_refresh=False) as live:
        yield lambda standing: live.update(
            picture(name, pace, standing, speed.reached(standing)), refresh=True
        )


def picture(name: str, pace: Pace, standing: Standing, reached: float) -> Table:
    """What is shown: rate asked and reached, on-time share, queue depth, errors."""
    grid = Table.grid(padding=(0, 2))
    asked = "as fast as it goes" if standing.rate_asked is None else f"{standing.rate_asked:,.0f}/s"
    if pace.speed is not None:
        asked += f" ({pace.speed:g}x)"
    hours, minutes = divmod(standing.scenario_ms // 60_000, 60)
    on_time = "" if pace.unpaced else f"on time {standing.on_time_share:.2%}"
    grid.add_row(name, f"scenario +{hours:02d}:{minutes:02d}", f"{standing.events:,} events")
    grid.add_row(f"asked {asked}", f"reached {reached:,.0f}/s", on_time)
    grid.add_row(f"queued {standing.queued:,}", f"errors {standing.failed:,}", standing.last_error[:40])
    return grid
