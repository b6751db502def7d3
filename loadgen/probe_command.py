"""``loadgen probe``."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import msgspec
import typer
from prometheus_client import CollectorRegistry
from rich.console import Console
from rich.live import Live
from rich.text import Text

from loadgen.metrics import served
from loadgen.options import Brokers, KafkaSettings, MetricsPort, settings
from loadgen.probe import MERCHANT, Installation, Probe, Tracker, run_probe
from loadgen.probe_view import ProbeMetrics, view
from loadgen.topics import ready
from schemas.redis_layout import DEFAULT_PREFIX

REFRESH_S = 0.25
Watch = Callable[[Tracker, list[int]], None]


def probe(
    brokers: Brokers = "127.0.0.1:9092",
    redis: Annotated[str, typer.Option(help="URL of Redis.")] = "redis://127.0.0.1:6379/0",
    prefix: Annotated[str, typer.Option(help="Prefix of Warroom's keys.")] = DEFAULT_PREFIX,
    rate: Annotated[float, typer.Option(help="Orders a second, at most 500.")] = 20.0,
    seconds: Annotated[float, typer.Option(help="How long; 0: until Ctrl-C.", min=0)] = 30.0,
    merchant: Annotated[str, typer.Option(help="The probe's merchant id.")] = MERCHANT,
    amount: Annotated[int, typer.Option(help="Fen of each order; 0 leaves every sum alone.", min=0)] = 0,
    patience: Annotated[
        float, typer.Option(help="Seconds after which an order that is not seen is lost.", min=0.1)
    ] = 30.0,
    topic_orders: str = "orders",
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Also where the newest event is far from now.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    metrics_port: MetricsPort = None,
    kafka: KafkaSettings = None,
) -> None:
    """Measure a running installation: from when an order is due until Redis shows it."""
    librdkafka = settings(brokers, kafka)
    asked = Probe(rate, seconds or None, merchant, amount, patience_s=patience)
    asked.check()
    where = Installation(
        librdkafka, topic_orders, ready(librdkafka, topic_orders, None, False), redis, prefix
    )
    registry = CollectorRegistry()
    metrics = ProbeMetrics(registry)
    with served(registry, metrics_port), _live(asked) as show:

        def watch(tracker: Tracker, waits_us: list[int]) -> None:
            metrics.watch(tracker, waits_us)
            show(tracker, waits_us)

        outcome = run_probe(asked, where, watch, anyway)
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(outcome), indent=1).decode())
    else:
        Console().print(view(outcome))
    if outcome.lost or not outcome.seen:
        raise typer.Exit(1)


@contextmanager
def _live(asked: Probe) -> Iterator[Watch]:
    console = Console(file=sys.stderr)
    if not console.is_terminal:
        yield lambda *_: None
        return
    shown = 0.0
    with Live(console=console, transient=True, auto_refresh=False) as live:

        def show(tracker: Tracker, _: list[int]) -> None:
            nonlocal shown
            now = time.monotonic()
            if now - shown < REFRESH_S:
                return
            shown = now
            waits = "  ".join(f"{name} {ms:,.1f} ms" for name, ms in tracker.waits.quantiles_ms().items())
            head = f"{tracker.sent:,} sent at {asked.rate:g}/s"
            head += f", {tracker.under_way:,} under way, {tracker.lost:,} lost"
            live.update(Text(f"{head}\n{waits}"), refresh=True)

        yield show
