"""How fast loadgen makes events, and how fast it makes and produces them on one core.

``python -m benchmarks.loadgen_speed [--json FILE] [--orders N]``: generation alone in one thread, then
``loadgen run --max`` pinned to one core beside an embedded broker on another.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import msgspec

from loadgen import scenario as scenarios
from loadgen.plan import make_plan
from loadgen.stream import blocks
from warroom.services import EmbeddedBroker

RUNS = 3
PARTITIONS = 4


@dataclass(frozen=True, slots=True)
class Speed:
    """The best of ``RUNS`` runs; CPU seconds are of the process that makes (and sends) events."""

    events: int
    events_per_second: float
    cpu_seconds_per_million: float
    bytes_per_event: float


def generation(orders: int) -> Speed:
    """Make a whole day and throw it away."""
    day = msgspec.structs.replace(scenarios.load("double12-2019"), orders=orders)
    plan = make_plan(day, PARTITIONS, PARTITIONS)
    for _ in zip(range(1), blocks(plan), strict=False):
        pass  # the first block is compiled; later ones are measured
    best: Speed | None = None
    for _ in range(RUNS):
        wall, cpu = time.perf_counter(), time.process_time()
        events = size = 0
        for block in blocks(plan):
            events += sum(int(m.events.sum()) for m in block.messages)
            size += sum(len(m.data) for m in block.messages)
        rate = events / (time.perf_counter() - wall)
        spent = (time.process_time() - cpu) / events * 1e6
        if best is None or rate > best.events_per_second:
            best = Speed(events, rate, spent, size / events)
    assert best is not None
    return best


def production(orders: int) -> list[dict[str, object]]:
    """``loadgen run --max`` on core 0, the broker on the last core; a fresh topic each time."""
    cores = sorted(os.sched_getaffinity(0))
    loadgen = [sys.executable, "-m", "loadgen.cli", "run", "double12-2019", "--max", "--create-topics"]
    told: list[dict[str, object]] = []
    with EmbeddedBroker() as broker, tempfile.TemporaryDirectory() as folder:
        os.sched_setaffinity(broker.pid, {cores[-1]})
        for number in range(RUNS):
            summary = Path(folder) / f"{number}.json"
            more = ["--brokers", broker.address, "--topic-orders", f"orders{number}", "--orders", str(orders)]
            command = ["taskset", "-c", str(cores[0]), *loadgen, *more, "--summary", str(summary)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            told.append(json.loads(summary.read_text()))
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--orders", type=int, default=2_000_000)
    arguments = parser.parse_args()
    made = generation(arguments.orders)
    runs = production(arguments.orders)
    rates = [float(str(run["rate_reached"])) for run in runs]
    machine = (
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        + ", ".join(f"{name} {version(name)}" for name in ("numba", "numpy", "confluent-kafka"))
    )
    print(f"machine: {machine}")
    cost = f"{made.cpu_seconds_per_million:.2f} CPU s a million"
    print(
        f"made:    {made.events_per_second:,.0f} events/s on one core, {cost}, "
        f"{made.bytes_per_event:.0f} bytes each"
    )
    print(f"made and produced on one core: {', '.join(f'{rate:,.0f}' for rate in rates)} events/s")
    if arguments.json:
        result = {"machine": machine, "made": asdict(made), "produced_events_per_second": rates}
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
