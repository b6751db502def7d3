"""Open loop: what a broker's stall holds up is late by that stall, counted, and never left out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from typing import Any

import pytest

from loadgen.latency import Histogram
from tests.loadgen.consumed import read_topic
from warroom.children import free_port
from warroom.services import EmbeddedBroker
from warroom.waiting import wait_until

STALL_S = 5.0
RATE = 1000


def metrics(port: int) -> dict[str, float]:
    """Values by metric name, of a run that may not have begun to serve them."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=2) as answer:
            lines = answer.read().decode().splitlines()
    except OSError:
        return {}
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name.partition("{")[0]: float(value) for name, value in pairs}


pytestmark = pytest.mark.xdist_group("stall")  # one process, which plays it once


@pytest.fixture(scope="module")
def stalled(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], int, dict[str, float]]:
    """A run whose broker stands still for 5 s: its summary, lines that arrived, metrics in between."""
    summary = tmp_path_factory.mktemp("stall") / "summary.json"
    port = free_port()
    with EmbeddedBroker() as broker:
        command = [sys.executable, "-m", "loadgen.cli", "run", "double12-2019", "--brokers", broker.address,
                   "--create-topics", "--orders", "8500", "--hours", "1", "--topic-clicks", "",
                   "--rate", str(RATE), "--summary", str(summary), "--metrics-port", str(port)]  # fmt: skip
        running = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
        assert wait_until(lambda: metrics(port).get("loadgen_events_total", 0) > RATE, 60)
        os.kill(broker.pid, signal.SIGSTOP)
        stopped = time.monotonic()
        during: dict[str, float] = {}
        while time.monotonic() - stopped < STALL_S:
            wait_until(lambda: time.monotonic() - stopped >= STALL_S, 0.5)
            during = metrics(port)
        os.kill(broker.pid, signal.SIGCONT)
        _, said = running.communicate(timeout=60)
        assert running.returncode == 0, said
        lines = [line for m in read_topic(broker.address, "orders", 4) for line in m.value().split(b"\n")]
    return json.loads(summary.read_text()), len(lines), during


def test_nothing_is_skipped(stalled: tuple[dict[str, Any], int, dict[str, float]]) -> None:
    told, arrived, _ = stalled
    assert arrived == told["events_sent"] > 8_500
    assert (told["complete"], told["messages_failed"], told["messages_unanswered"]) == (True, 0, 0)


def test_the_waits_are_counted_from_the_due_times(
    stalled: tuple[dict[str, Any], int, dict[str, float]],
) -> None:
    waits = stalled[0]["latency_ms"]
    assert 1000 * (STALL_S - 0.5) <= waits["max"] <= 1000 * (STALL_S + 20)
    assert waits["p99"] >= 1000 * (STALL_S - 1)


def test_what_was_due_during_the_stall_is_not_on_time(
    stalled: tuple[dict[str, Any], int, dict[str, float]],
) -> None:
    told = stalled[0]
    # Of 5 s at 1,000/s all but what was due in the last second waited for longer than a second.
    assert told["late_messages"] >= 0.8 * RATE * (STALL_S - 1.5)
    assert told["on_time_share"] == round(1 - told["late_messages"] / told["messages_sent"], 6)


def test_the_run_goes_on_while_the_broker_stands_still(
    stalled: tuple[dict[str, Any], int, dict[str, float]],
) -> None:
    during = stalled[2]
    assert during["loadgen_queue_messages"] >= 0.8 * RATE * (STALL_S - 1)
    assert during["loadgen_rate_asked"] == RATE
    assert during["loadgen_rate_reached"] < RATE / 2
    assert during["loadgen_errors_total"] == 0


def test_a_histogram_tells_quantiles_within_two_per_cent() -> None:
    histogram = Histogram()
    for microseconds in range(1, 100_001):
        histogram.record(microseconds)
    assert histogram.quantile_us(0.5) == pytest.approx(50_000, rel=0.02)
    assert histogram.quantile_us(0.99) == pytest.approx(99_000, rel=0.02)
    assert histogram.quantiles_ms()["max"] == pytest.approx(100, rel=0.02)
    assert histogram.within(10_000) == pytest.approx(10_000, rel=0.02)


def test_histograms_add_up() -> None:
    one, two = Histogram(), Histogram()
    one.record(5)
    two.record(7_000)
    assert ((one + two).total, (one + two).within(5)) == (2, 1)
