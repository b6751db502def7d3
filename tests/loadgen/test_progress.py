"""Progress: live on a terminal, quiet without one, and a summary at the end, also after Ctrl-C."""

from __future__ import annotations

import io
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from loadgen.latency import Histogram
from loadgen.pacing import Pace
from loadgen.progress import Speedometer, picture
from loadgen.standing import Standing, added
from tests.loadgen.console import Loadgen

COMMAND = (sys.executable, "-m", "loadgen.cli", "run", "double12-2019", "--create-topics", "--orders", "5000",
           "--hours", "1")  # fmt: skip


def on_a_terminal(command: list[str], interrupt_at: str | None = None) -> tuple[int, str]:
    """Run on a pseudo-terminal of 80 columns; Ctrl-C when a text has been seen. Exit code and all it said."""
    mine, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": "80", "LINES": "24", "TERM": "xterm"}
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True
    )
    os.close(theirs)
    said = b""
    deadline = time.monotonic() + 60
    try:
        while time.monotonic() < deadline:
            if select.select([mine], [], [], 0.5)[0]:
                try:
                    said += os.read(mine, 65536)
                except OSError:
                    break
            if interrupt_at is not None and interrupt_at.encode() in said:
                os.killpg(process.pid, signal.SIGINT)
                interrupt_at = None
        return process.wait(10), said.decode(errors="replace")
    finally:
        os.close(mine)
        process.kill()


@pytest.mark.parametrize("processes", ["1", "2"])
def test_ctrl_c_on_a_terminal_ends_with_the_account_of_what_was_sent(
    processes: str, broker: str, tmp_path: Path
) -> None:
    summary = tmp_path / "summary.json"
    oracle = tmp_path / "oracle.json"
    more = ["--rate", "500", "--summary", str(summary), "--oracle", str(oracle), "--processes", processes]
    code, said = on_a_terminal([*COMMAND, "--brokers", broker, *more], interrupt_at="asked 500/s")
    assert code == 1
    assert "Traceback" not in said
    assert "STOPPED EARLY. double12-2019: " in said
    told = json.loads(summary.read_text())
    assert told["complete"] is False
    assert told["events_sent"] < 5_000
    assert not oracle.exists()


def test_a_terminal_shows_rates_on_time_share_queue_and_errors(broker: str) -> None:
    _, said = on_a_terminal([*COMMAND, "--brokers", broker, "--rate", "5000"])
    for words in ("asked 5,000/s", "reached ", "on time ", "queued ", "errors 0"):
        assert words in said
    assert "double12-2019: " in said


def test_without_a_terminal_nothing_is_said_but_the_summary(broker: str, loadgen: Loadgen) -> None:
    done = loadgen(*COMMAND[3:], "--brokers", broker, "--max")
    assert done.err == ""
    assert len(done.out.splitlines()) == 1
    assert "due to acknowledged, ms: p50 " in done.out


def test_the_picture_fits_80_columns() -> None:
    slow = Histogram()
    slow.record(2_000_000)
    standing = Standing(
        events=123_456_789, messages=1, scenario_ms=86_399_000, rate_asked=987_654.0, queued=500_000,
        failed=12, last_error="Local: Message timed out, and much more", messages_by={"orders/0": 1},
        latency=slow.counts.tobytes(),
    )  # fmt: skip
    console = Console(file=io.StringIO(), width=80)
    console.print(picture("million-merchants", Pace(speed=3600.0), standing, 987_654.0))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert max(len(line.rstrip()) for line in shown.splitlines()) <= 80
    for words in (
        "asked 987,654/s (3600x)",
        "reached 987,654/s",
        "on time 0.00%",
        "queued 500,000",
        "errors 12",
    ):
        assert words in shown


def test_the_rate_reached_is_that_of_the_last_seconds() -> None:
    now = 0.0
    speed = Speedometer(lambda: now)
    reached = []
    for second in range(1, 7):
        now = float(second)
        sent = min(second, 3) * 100
        reached.append(speed.reached(Standing(events=sent, messages=sent, messages_by={"orders/0": sent})))
    assert reached[2] == pytest.approx(100)
    assert reached[-1] == 0


def test_standings_of_several_processes_add_up() -> None:
    one = Standing(events=5, messages=3, seconds=2.0, scenario_ms=60, rate_asked=10.0, ends={"orders/0": 7})
    two = Standing(
        events=6, messages=4, seconds=3.0, scenario_ms=50, rate_asked=20.0, failed=1, last_error="x"
    )
    both = added([one, two])
    assert (both.events, both.messages, both.seconds, both.scenario_ms) == (11, 7, 3.0, 50)
    assert (both.rate_asked, both.failed, both.last_error, both.ends) == (30.0, 1, "x", {"orders/0": 7})
