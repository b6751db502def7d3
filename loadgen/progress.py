"""How a run is getting on: a live line on a terminal, a line now and then without one."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.live import Live
from rich.table import Table

from loadgen.client import Client
from loadgen.pacing import Pace
from loadgen.sending import Account
from loadgen.stream import Block

REFRESH_S: Final = 0.25
Watch = Callable[[Client, Account, Block | None], None]


@contextmanager
def progress(name: str, pace: Pace, console: Console | None = None) -> Iterator[Watch]:
    """A watcher of a run. Quiet when standard error is no terminal."""
    console = console or Console(file=sys.stderr)
    if not console.is_terminal:
        yield lambda *_: None
        return
    started = shown = time.monotonic()
    scenario_ms = 0
    with Live(console=console, transient=True, auto_refresh=False) as live:

        def watch(client: Client, account: Account, block: Block | None) -> None:
            nonlocal shown, scenario_ms
            scenario_ms = block.end_ms if block else scenario_ms
            now = time.monotonic()
            if now - shown >= REFRESH_S:
                shown = now
                live.update(picture(name, pace, client, account, now - started, scenario_ms), refresh=True)

        yield watch


def picture(
    name: str, pace: Pace, client: Client, account: Account, seconds: float, scenario_ms: int
) -> Table:
    """What is shown: rate asked and reached, on-time share, queue depth, errors."""
    grid = Table.grid(padding=(0, 2))
    asked = f"{pace.rate:,.0f}/s" if pace.rate else (f"{pace.speed:g}x" if pace.speed else "max")
    hours, minutes = divmod(scenario_ms // 60_000, 60)
    grid.add_row(name, f"scenario +{hours:02d}:{minutes:02d}", f"{account.events:,} events")
    grid.add_row(f"asked {asked}", f"reached {account.events / max(seconds, 0.001):,.0f}/s",
                 f"on time {account.on_time_share:.2%}")  # fmt: skip
    grid.add_row(f"queued {client.queued:,}", f"failed {client.failed:,}", client.last_error[:40])
    return grid
