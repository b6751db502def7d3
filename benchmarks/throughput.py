"""How many events a second does the whole flow count, and how does that compare to a bare loop?

Both read the same topics in the same run, one after the other: ``--rounds`` times the bare loop in two
processes (consume, decode, group by) and the flow in ``--workers`` processes with duplicates, windows,
snapshots every 2 s, Redis and metrics on. The producer has finished before. Rates are from the first message
to the last;
CPU seconds are of all worker processes over that stretch; medians are printed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]
from rich.console import Console
from rich.table import Table

from benchmarks import clicks
from benchmarks.orders import chunks, produce
from warroom.children import free_port
from warroom.services import EmbeddedBroker, EmbeddedRedis

PARTITIONS = 4
TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of one program."""

    events_a_second: float
    cpu_seconds_a_million: float
    peak_mib: float


def bare_loop(brokers: str, topics: str, events: int) -> Measured:
    """Two processes, half the partitions each."""
    commands = [[sys.executable, "-m", "benchmarks.bare_loop", brokers, topics, p] for p in ("0,1", "2,3")]
    started = [subprocess.Popen(c, stdout=subprocess.PIPE) for c in commands]
    told: list[dict[str, Any]] = [json.loads(p.communicate()[0]) for p in started]
    if sum(t["events"] for t in told) != events:
        sys.exit(f"the bare loop read {sum(t['events'] for t in told)} of {events} events")
    seconds = max(t["last"] for t in told) - min(t["first"] for t in told)
    return Measured(
        events / seconds,
        sum(t["cpu_seconds"] for t in told) / events * 1e6,
        sum(t["peak_mib"] for t in told),
    )


def war_room(brokers: str, redis_url: str, events: int, workers: int, prefix: str) -> Measured:
    """The whole flow; counted by what its metrics say, 50 times a second."""
    state = tempfile.mkdtemp(prefix="warroom-bench-")
    port = free_port()
    command = [
        sys.executable, "-m", "warroom.cli", "run", "--brokers", brokers, "--redis", redis_url,
        "--workers", str(workers), "--bounded", "--state", state, "--prefix", prefix,
        "--metrics-port", str(port), "--sale-opens", "2019-12-12T00:00:00+08:00",
    ]  # fmt: skip
    supervisor = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    first = last = cpu_first = cpu_last = 0.0
    peak_kib: dict[int, int] = {}
    while supervisor.poll() is None:
        pids = _children(supervisor.pid)
        for pid in pids:
            peak_kib[pid] = max(peak_kib.get(pid, 0), _peak_kib(pid))
        counted = sum(_counted(port + index) for index in range(workers))
        now, cpu = time.time(), _cpu_seconds(pids)
        if not first and counted:
            first, cpu_first = now, cpu
        if counted == events and not last:
            last, cpu_last = now, cpu
        time.sleep(0.02)
    shutil.rmtree(state)
    if supervisor.returncode or not last:
        sys.exit(f"the flow ended with exit code {supervisor.returncode} before all was counted")
    return Measured(
        events / (last - first), (cpu_last - cpu_first) / events * 1e6, sum(peak_kib.values()) / 1024
    )


def _children(pid: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return []


def _peak_kib(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(x.split()[1]) for x in status.splitlines() if x.startswith("VmHWM")), 0)


def _cpu_seconds(pids: list[int]) -> float:
    total = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += int(fields[11]) + int(fields[12])
    return total / TICK


def _counted(port: int) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=1) as answer:
            text = answer.read().decode()
    except OSError:
        return 0
    lines = (
        x for x in text.splitlines() if x.startswith("warroom_events_total{") and 'topic="baselines"' not in x
    )
    return int(sum(float(x.rpartition(" ")[2]) for x in lines))


def medians(rounds: list[Measured]) -> Measured:
    """The median of each figure."""
    return Measured(*(statistics.median(getattr(m, f) for m in rounds) for f in Measured.__slots__))


def main() -> None:
    """Produce once, measure in turns, print a table and, if asked, JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=4_000_000)
    parser.add_argument(
        "--clicks-per-order", type=int, default=0, help="so many of the events are clicks for each order"
    )
    parser.add_argument("--merchants", type=int, default=10_000)
    parser.add_argument("--hot-share", type=float, default=0.0, help="share of all orders of one merchant")
    parser.add_argument("--packed", type=int, default=1, help="events a message")
    parser.add_argument("--event-rate", type=int, default=500_000, help="events a second of event time")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--brokers", help="a broker that is there already; otherwise the embedded one")
    parser.add_argument("--json", type=Path, help="append a line for programs to this file")
    given = parser.parse_args()
    with EmbeddedRedis() as redis:
        if given.brokers:
            result = measure(given, given.brokers, redis.url)
        else:
            with EmbeddedBroker() as broker:
                result = measure(given, broker.address, redis.url)
    show(given, result)
    if given.json:
        with given.json.open("a") as file:
            file.write(json.dumps(result) + "\n")


def measure(given: argparse.Namespace, brokers: str, redis_url: str) -> dict[str, Any]:
    """All rounds, and what they were made on."""
    admin = AdminClient({"bootstrap.servers": brokers})
    topics = [NewTopic("orders", PARTITIONS), NewTopic("clicks", PARTITIONS)]
    topics += [NewTopic("baselines", 1), NewTopic("dead-letters", 1)]
    for made in admin.create_topics(topics).values():
        made.result()
    events, streams = 0, {"orders": chunks, "clicks": clicks.chunks}
    for topic, share in _shares(given.clicks_per_order).items():
        stream = streams[topic](
            round(given.events * share), given.merchants, max(1, round(given.event_rate * share)),
            hot_share=given.hot_share, packed=given.packed,
        )  # fmt: skip
        events += produce(brokers, topic, PARTITIONS, stream)
    topics = ",".join(_shares(given.clicks_per_order))
    bare, flow = [], []
    for number in range(given.rounds):
        bare.append(bare_loop(brokers, topics, events))
        flow.append(war_room(brokers, redis_url, events, given.workers, f"bench{number}:"))
    b, f = medians(bare), medians(flow)
    return {
        "benchmark": "throughput",
        "command": " ".join(sys.argv),
        "events": events,
        "merchants": given.merchants,
        "clicks_per_order": given.clicks_per_order,
        "packed": given.packed,
        "workers": given.workers,
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "bare_loop": asdict(b),
        "flow": asdict(f),
        "bare_rates": [round(m.events_a_second) for m in bare],
        "flow_rates": [round(m.events_a_second) for m in flow],
        "ratio": f.events_a_second / b.events_a_second,
    }


def _shares(clicks_per_order: int) -> dict[str, float]:
    """Topics that are measured, with their shares of the events."""
    orders = 1 / (1 + clicks_per_order)
    return {"orders": orders} | ({"clicks": 1 - orders} if clicks_per_order else {})


def show(given: argparse.Namespace, result: dict[str, Any]) -> None:
    """A table for people."""
    what = f"{result['events']:,} events, {given.clicks_per_order} clicks an order"
    table = Table(title=f"{what}, {given.packed} a message, medians of {given.rounds}")
    for heading in ("", "events/s", "CPU s per million", "peak MiB"):
        table.add_column(heading, justify="left" if not heading else "right")
    for name in ("bare_loop", "flow"):
        m = result[name]
        table.add_row(
            name.replace("_", " "),
            f"{m['events_a_second']:,.0f}",
            f"{m['cpu_seconds_a_million']:.2f}",
            f"{m['peak_mib']:,.0f}",
        )
    console = Console()
    console.print(table)
    console.print(f"flow / bare loop: {result['ratio']:.2f}   ({result['machine']})")


if __name__ == "__main__":
    main()
