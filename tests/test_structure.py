"""What holds the project together: published schemas, the direction of imports, shard names that split."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from operators.batches import Progress, Standing
from operators.shards import SHARD_KEYS, SHARDS, route_hash
from schemas.__main__ import PUBLISHED, RECORDS, published_text

ROOT = Path(__file__).parent.parent
MAY_IMPORT = {
    "schemas": {"schemas"},
    "operators": {"schemas", "operators"},
    "flows": {"schemas", "operators", "flows"},
    "loadgen": {"schemas", "loadgen"},
    "dashboards": {"schemas", "dashboards"},
    "warroom": {"schemas", "operators", "flows", "warroom", "loadgen", "dashboards"},
}
PLAIN = (
    *("batches", "json_scan", "known_keys", "order_scan", "click_scan", "decode", "dedup", "bytes_kernels"),
    *("added", "tally", "order_tally", "click_tally", "delta", "event_lane", "joins", "shard_results"),
    *("event_clock", "calendar_days", "bucket_columns", "merchant_columns", "windows", "closing"),
    *("dimensions", "cuts", "cut_tally", "rollups", "rollup_people", "rollup_results", "shares", "stocks"),
    *("multiples", "leaders", "milestones", "milestone_texts", "shard", "board"),
)
"""Modules of the engine that know no Kafka, Redis, Prometheus or Bytewax."""


def imported(path: Path) -> set[str]:
    """First names of all modules that a file imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("name", RECORDS)
def test_the_published_schema_of_a_record_is_what_the_code_says(name: str) -> None:
    assert (PUBLISHED / f"{name}.schema.json").read_text() == published_text(RECORDS[name])


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_imports_go_one_way(room: str) -> None:
    wrong = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in (ROOT / room).rglob("*.py")
        for name in imported(path) & MAY_IMPORT.keys() - MAY_IMPORT[room]
    }
    assert wrong == set()


@pytest.mark.parametrize("module", PLAIN)
def test_the_engine_runs_without_any_server(module: str) -> None:
    clients = {"bytewax", "confluent_kafka", "redis", "prometheus_client"}
    assert imported(ROOT / "operators" / f"{module}.py") & clients == set()


def test_the_imports_of_workers_begin_before_anything_that_takes_its_time() -> None:
    slow = {"numba", "numpy", "polars", "redis", "confluent_kafka", "prometheus_client", "typer", "pydantic"}
    look = "import sys, warroom.__main__; print(*sys.modules)"
    known = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True).stdout
    assert "warroom.zygote" in known.split()
    assert slow & set(known.split()) == set()


def test_what_workers_are_forked_from_imports_nothing_that_only_settings_or_people_need() -> None:
    look = "import sys, warroom.zygote_process, warroom.process; print(*sys.modules)"
    known = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True).stdout
    assert "flows.war_room" in known.split()
    assert {"pydantic", "typer", "rich", "polars"} & set(known.split()) == set()


@pytest.mark.parametrize("workers", [1, 2, 4, 8])
def test_every_worker_gets_the_same_number_of_shards(workers: int) -> None:
    homes = [route_hash(key) % workers for key in SHARD_KEYS]
    assert {homes.count(worker) for worker in range(workers)} == {SHARDS // workers}


def test_routing_is_rusts_default_hash_of_a_text() -> None:
    # Reference: std::hash::DefaultHasher over the str, printed by a Rust program.
    assert [route_hash(key) for key in ("", "a", "shard-00")] == ROUTES


ROUTES = [3476900567878811119, 8186225505942432243, 3001829788391264951]


def test_progress_names_its_partition_as_redis_and_metrics_do() -> None:
    assert Progress("orders", 3, 7, -1, Standing.LIVE).source == "orders/3"


def test_tests_of_a_group_run_in_one_process(tmp_path: Path) -> None:
    """A night that many tests ask about is played once; pytest 9.2 and xdist 3.8 together play it twice."""
    (tmp_path / "test_group.py").write_text(
        "import os, pathlib, pytest\n"
        "@pytest.mark.xdist_group('night')\n"
        "@pytest.mark.parametrize('number', range(6))\n"
        "def test_ask(number): (pathlib.Path(os.environ['PYTEST_XDIST_WORKER'])).touch()\n"
        "@pytest.mark.parametrize('number', range(6))\n"
        "def test_other(number): pass\n"
    )
    command = [sys.executable, "-m", "pytest", "-n", "2", "--dist", "loadgroup", "-c", "/dev/null", "."]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "12 passed" in done.stdout, done.stdout + done.stderr
    assert len(list(tmp_path.glob("gw*"))) == 1
