"""What a benchmark has found: figures with spread, goal and what stands beside them; JSON and Markdown."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

FOLDER: Final = Path(__file__).parent
LINES: Final = FOLDER / "results.jsonl"
PAGE: Final = FOLDER / "RESULTS.md"
LIBRARIES: Final = ("bytewax", "confluent-kafka", "numba", "numpy", "polars", "msgspec", "redis")


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: its median and spread over the rounds. ``beside``: the bare loop's in the same run."""

    name: str
    unit: str
    median: float
    low: float
    high: float
    goal: str = ""
    beside: float | None = None

    @staticmethod
    def of(
        name: str, unit: str, values: Sequence[float], goal: str = "", beside: Sequence[float] = ()
    ) -> Figure:
        """The figure of some rounds."""
        other = statistics.median(beside) if beside else None
        return Figure(name, unit, statistics.median(values), min(values), max(values), goal, other)


@dataclass(frozen=True, slots=True)
class Result:
    """What one benchmark answers to its question."""

    benchmark: str
    question: str
    figures: list[Figure]
    note: str = ""
    command: str = field(default_factory=lambda: " ".join(["python -m benchmarks", *sys.argv[1:]]))
    machine: str = field(default_factory=lambda: machine())
    versions: dict[str, str] = field(default_factory=lambda: {name: version(name) for name in LIBRARIES})
    at: str = field(default_factory=lambda: datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"))
    commit: str = field(default_factory=lambda: commit())
    """Of the code that was measured; empty where nobody knows."""


def machine() -> str:
    """Cores, memory, processor, Python."""
    gib = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    cores = len(os.sched_getaffinity(0))
    model = processor(Path("/proc/cpuinfo").read_text())
    return f"{cores} cores ({model}), {gib:.0f} GiB, Python {platform.python_version()}"


def processor(cpuinfo: str) -> str:
    """The processor's name with its family and model, as rented machines have several of one name."""
    told = {
        name.strip(): value.strip()
        for name, colon, value in (line.partition(":") for line in cpuinfo.splitlines())
        if colon
    }
    name = told.get("model name", platform.machine())
    if "cpu family" not in told:
        return name
    return f"{name}, family {told['cpu family']} model {told.get('model', '?')}"


def commit() -> str:
    """The commit that is checked out, with a ``+`` if something differs from it; empty without git."""
    git = ("git", "-C", str(FOLDER))
    try:
        head = subprocess.run(
            (*git, "rev-parse", "--short", "HEAD"), capture_output=True, check=True, text=True
        )
        kept_by_runs = (f":(top,exclude){FOLDER.name}/{file.name}" for file in (PAGE, LINES))
        differs = subprocess.run((*git, "diff", "--quiet", "HEAD", "--", ":/", *kept_by_runs), check=False)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return head.stdout.strip() + ("+" if differs.returncode else "")


def keep(result: Result) -> None:
    """Append a line for programs."""
    with LINES.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(result), ensure_ascii=False) + "\n")


def kept() -> dict[str, list[Result]]:
    """By benchmark, as they first appeared, the newest result of every machine, newest first."""
    newest: dict[str, dict[str, Result]] = {}
    for line in LINES.read_text(encoding="utf-8").splitlines():
        raw: dict[str, Any] = {"commit": ""} | json.loads(line)
        raw["figures"] = [Figure(**figure) for figure in raw["figures"]]
        newest.setdefault(raw["benchmark"], {})[raw["machine"]] = Result(**raw)
    return {
        benchmark: sorted(of_machines.values(), key=lambda result: result.at, reverse=True)
        for benchmark, of_machines in newest.items()
    }


def show(result: Result) -> None:
    """A table for people, readable at 80 columns."""
    table = Table(title=result.benchmark, title_justify="left", show_edge=False, pad_edge=False)
    for heading in ("", "median", "spread", "beside", "goal"):
        table.add_column(heading, justify="left" if not heading else "right", overflow="fold")
    for f in result.figures:
        table.add_row(f"{f.name} ({f.unit})", *_cells(f))
    console = Console(width=min(100, Console().width))
    console.print(result.question, style="dim")
    console.print(table)
    if result.note:
        console.print(result.note, style="dim")
    console.print()


def write_page() -> None:
    """``RESULTS.md`` from what is kept."""
    parts = [
        "# Measured\n\n"
        "Made by `make bench` (`python -m benchmarks`); the newest run of each benchmark on each machine,\n"
        "newest first. What has no commit was measured before commits were noted. Medians with the\n"
        "least and the greatest round; *beside* is the bare loop (consume, decode, group by; nothing else)\n"
        "over the same topic in the same run. The machines are small and noisy: read the ratios first.\n"
    ]
    newest = kept()
    for benchmark, of_machines in newest.items():
        parts.append(f"\n## {benchmark}\n\n{of_machines[0].question}\n")
        parts += [_table_of(result) for result in of_machines]
    last = max((result for of_machines in newest.values() for result in of_machines), key=lambda r: r.at)
    libraries = ", ".join(f"{name} {number}" for name, number in last.versions.items())
    parts.append(f"\nLibraries of the last run: {libraries}.\n")
    PAGE.write_text("".join(parts), encoding="utf-8")


def _table_of(result: Result) -> str:
    rows = ["| | median | spread | beside | goal |", "|---|---:|---:|---:|---:|"]
    rows += ["| " + " | ".join([f"{f.name} ({f.unit})", *_cells(f)]) + " |" for f in result.figures]
    note = f"\n{result.note}\n" if result.note else ""
    at = f"{result.at}, {result.commit}" if result.commit else result.at
    return "\n" + "\n".join(rows) + f"\n{note}\n{at}, {result.machine}; `{result.command}`\n"


def _cells(f: Figure) -> list[str]:
    spread = "" if f.low == f.high else f"{_number(f.low)}–{_number(f.high)}"
    return [_number(f.median), spread, "" if f.beside is None else _number(f.beside), f.goal]


def _number(value: float) -> str:
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.4f}"
