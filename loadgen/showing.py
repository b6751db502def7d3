"""What every command that sends shows: how it is getting on, and how it ended."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import typer

from loadgen.metrics import run_metrics
from loadgen.pacing import Pace
from loadgen.progress import Watch, progress
from loadgen.standing import Standing
from loadgen.summary import Summary, sentence

COMPLAINTS_SHOWN: Final = 10


@contextmanager
def watched(name: str, pace: Pace, metrics_port: int | None) -> Iterator[Watch]:
    """A watcher of a run: live on a terminal, and Prometheus metrics where a port is given."""
    with progress(name, pace) as show, run_metrics(name, metrics_port) as keep:

        def watch(standing: Standing) -> None:
            show(standing)
            keep(standing)

        yield watch


def report_complaints(complaints: list[str]) -> None:
    """Rows that were not used, on standard error: the first few one by one, then how many."""
    for complaint in complaints[:COMPLAINTS_SHOWN]:
        typer.echo(f"loadgen: {complaint}", err=True)
    if complaints:
        typer.echo(f"loadgen: {len(complaints):,} rows were not used; all others are", err=True)


def finish(done: Summary) -> None:
    """Say what was done; exit code 1 if not all of it was."""
    typer.echo(sentence(done))
    if not done.complete:
        raise typer.Exit(1)
