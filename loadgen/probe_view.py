"""What a probe found, for people on 80 columns and for Prometheus."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter
from prometheus_client import Histogram as Buckets
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from loadgen.probe import Outcome, Tracker

EDGES_MS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 60_000)
BAR_WIDTH: Final = 44
EIGHTHS: Final = " ▏▎▍▌▋▊▉█"


def view(outcome: Outcome) -> RenderableType:
    """Quantiles and a histogram."""
    head = f"{outcome.sent:,} orders at {outcome.rate:g}/s"
    head += f", {outcome.seen:,} seen in Redis, {outcome.lost:,} lost"
    quantiles = Table.grid(padding=(0, 3))
    if outcome.latency_ms:
        quantiles.add_row(*(Text(name, style="dim") for name in outcome.latency_ms))
        quantiles.add_row(*(f"{ms:,.1f} ms" for ms in outcome.latency_ms.values()))
    return Group(Text(head), quantiles, _bars(outcome))


def _bars(outcome: Outcome) -> Table:
    """How many waits fell between each two edges, from the first to the last that has any."""
    counts = [0] * (len(EDGES_MS) + 1)
    for upper_ms, count in outcome.histogram:
        counts[next((i for i, edge in enumerate(EDGES_MS) if upper_ms <= edge), len(EDGES_MS))] += count
    held = [i for i, count in enumerate(counts) if count]
    table = Table.grid(padding=(0, 1))
    table.add_column(justify="right")
    table.add_column(width=BAR_WIDTH)
    table.add_column(justify="right")
    for i in range(held[0], held[-1] + 1) if held else ():
        label = f"≤ {EDGES_MS[i]:,} ms" if i < len(EDGES_MS) else f"> {EDGES_MS[-1]:,} ms"
        table.add_row(label, _bar(counts[i] / max(counts)), f"{counts[i]:,}")
    return table


def _bar(share: float) -> str:
    whole, eighths = divmod(round(share * BAR_WIDTH * 8), 8)
    return "█" * whole + (EIGHTHS[eighths] if eighths else "")


class ProbeMetrics:
    """A probe's counters and histogram for Prometheus."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._latency = Buckets(
            "loadgen_probe_latency_seconds",
            "From when a probe order was due until Redis showed it",
            buckets=[edge / 1000 for edge in EDGES_MS],
            registry=registry,
        )
        self._sent = Counter("loadgen_probe_sent_total", "Probe orders sent", registry=registry)
        self._lost = Counter(
            "loadgen_probe_lost_total", "Probe orders that Redis did not show in time", registry=registry
        )
        self._told = (0, 0)

    def watch(self, tracker: Tracker, waits_us: list[int]) -> None:
        """Take what is new."""
        for wait_us in waits_us:
            self._latency.observe(wait_us / 1e6)
        self._sent.inc(tracker.sent - self._told[0])
        self._lost.inc(tracker.lost - self._told[1])
        self._told = (tracker.sent, tracker.lost)
