"""What a run says to Prometheus while it runs, on a port of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server, write_to_textfile

from loadgen.errors import LoadgenError
from loadgen.progress import Speedometer
from loadgen.standing import Standing

LOOPBACK: Final = "127.0.0.1"


class RunMetrics:
    """Gauges and counters of one run, labelled with its scenario."""

    def __init__(self, scenario: str, registry: CollectorRegistry) -> None:
        def gauge(name: str, text: str) -> Gauge:
            return Gauge(name, text, ["scenario"], registry=registry).labels(scenario)

        def counter(name: str, text: str) -> Counter:
            return Counter(name, text, ["scenario"], registry=registry).labels(scenario)

        self._asked = gauge("loadgen_rate_asked", "Events a second that are due now; NaN with --max")
        self._reached = gauge("loadgen_rate_reached", "Events a second that the broker acknowledged lately")
        self._on_time = gauge(
            "loadgen_on_time_ratio", "Messages acknowledged within 1 s of when they were due, of all answered"
        )
        self._queued = gauge(
            "loadgen_queue_messages", "Messages given to the client and not yet answered for"
        )
        self._events = counter("loadgen_events_total", "Events handed over to be sent")
        self._errors = counter("loadgen_errors_total", "Messages that the broker did not take")
        self._asked.set(float("nan"))
        self._on_time.set(1.0)
        self._speed = Speedometer()
        self._before = Standing()

    def watch(self, standing: Standing) -> None:
        """Take how far the run is."""
        self._asked.set(float("nan") if standing.rate_asked is None else standing.rate_asked)
        self._reached.set(self._speed.reached(standing))
        self._on_time.set(standing.on_time_share)
        self._queued.set(standing.queued)
        self._events.inc(max(0, standing.events - self._before.events))
        self._errors.inc(max(0, standing.failed - self._before.failed))
        self._before = standing


def write_verify_metrics(path: Path, scenario: str, differences: int) -> None:
    """Write how many fields differed as a Prometheus text file. Raises ``LoadgenError`` naming it."""
    registry = CollectorRegistry()
    text = "Fields in Redis that differed from the oracle when they were last compared"
    Gauge("loadgen_verify_differences", text, ["scenario"], registry=registry).labels(scenario).set(
        differences
    )
    when = "When Redis was last compared with the oracle"
    Gauge("loadgen_verify_timestamp_seconds", when, ["scenario"], registry=registry).labels(
        scenario
    ).set_to_current_time()
    try:
        write_to_textfile(str(path), registry)
    except OSError as error:
        raise LoadgenError(f"{path}: cannot be written: {error.strerror}") from error


@contextmanager
def served(registry: CollectorRegistry, port: int | None) -> Iterator[None]:
    """Serve a registry on loopback while the block runs; None: nowhere.

    Raises ``LoadgenError`` if the port is taken.
    """
    if port is None:
        yield
        return
    try:
        server, thread = start_http_server(port, LOOPBACK, registry)
    except OSError as error:
        raise LoadgenError(f"--metrics-port {port}: {error.strerror}; choose another port") from error
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def run_metrics(scenario: str, port: int | None) -> Iterator[Callable[[Standing], None]]:
    """A watcher that keeps the metrics of a run, served while the block runs."""
    registry = CollectorRegistry()
    metrics = RunMetrics(scenario, registry)
    with served(registry, port):
        yield metrics.watch
