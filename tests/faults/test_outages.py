"""Servers that go away, come back empty, fill up or answer slowly: the night ends with the right numbers.

Nobody scrapes the metrics of these runs until the end. ``WARROOM_OUTAGE_SECONDS``: how long a server is away,
a few seconds unless told otherwise; ``make soak`` has it a minute.
"""

from __future__ import annotations

import os
import signal
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.rig import restart_empty
from tests.faults.stage import META, ONE_BY_ONE, PATIENCE_SECONDS, Stage
from warroom.waiting import wait_until

OUTAGE_SECONDS = float(os.environ.get("WARROOM_OUTAGE_SECONDS", "2"))

pytestmark = [pytest.mark.timeout(600), ONE_BY_ONE]


@contextmanager
def outage(begin: Callable[[], object], end: Callable[[], object]) -> Iterator[None]:
    """What happens inside does so while a server is away, and it is away for ``OUTAGE_SECONDS`` at least."""
    until = time.monotonic() + OUTAGE_SECONDS
    begin()
    yield
    time.sleep(max(0.0, until - time.monotonic()))
    end()


def merchants(stage: Stage) -> int:
    with stage.results() as client:
        return sum(1 for _ in client.scan_iter("warroom:merchant:*", count=1000))


def test_broker_away_at_the_start_and_in_the_middle_delays_everything_and_loses_nothing(
    tmp_path: Path,
) -> None:
    with Stage(tmp_path) as stage:
        with outage(stage.kafka.cut, stage.kafka.mend):
            room = stage.war_room()
            assert room.says(f"Kafka at {stage.kafka.address} does not answer; trying again"), room.said()
        load = stage.load(21, max(10.0, 2 * OUTAGE_SECONDS), 50_000)
        stage.is_counting(room)
        with outage(stage.kafka.cut, stage.kafka.mend):
            assert room.says("worker 0: Kafka at"), room.said()
        assert "warroom_events_total" in scraped(room.metrics_port)
        assert room.ask(signal.SIGTERM) == 0, room.said()
        assert "starting all again" not in room.said()
        again = stage.war_room(workers=3)
        stage.loaded(load)
        assert again.ask(signal.SIGUSR1) == 0, again.said()
        assert stage.differences() == "", again.said()


def test_redis_away_emptied_full_read_only_and_slow_holds_up_results_and_loses_none(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        room = stage.war_room()
        load = stage.load(22, max(20.0, 3 * OUTAGE_SECONDS), 60_000)
        stage.is_counting(room)

        with outage(stage.redis.cut, stage.redis.mend):
            assert room.says("takes no writes")
        stage.writes(room)

        before = merchants(stage)
        restart_empty(stage.redis_server)
        # Quiet merchants too: each of them is written again.
        assert wait_until(lambda: merchants(stage) >= before, PATIENCE_SECONDS), room.said()
        assert "has lost what was written; writing all of it again" in room.said()

        with stage.results() as client:
            with outage(
                lambda: client.config_set("maxmemory", "1mb"), lambda: client.config_set("maxmemory", "0")
            ):
                assert room.says("takes no writes: OOM"), room.said()
            stage.writes(room)
            with outage(lambda: client.replicaof("127.0.0.1", "1"), lambda: client.replicaof("NO", "ONE")):
                assert room.says("takes no writes: READONLY"), room.said()
            stage.writes(room)

        stage.redis.answer_delay_s = 0.5
        stage.writes(room)
        stage.writes(room)
        stage.redis.mend()

        stage.loaded(load)
        assert room.ask(signal.SIGUSR1) == 0, room.said()
        assert "starting all again" not in room.said()
        assert stage.differences() == "", room.said()


def test_asked_to_stop_while_redis_is_away_the_run_drains_in_time_and_the_next_goes_on(
    tmp_path: Path,
) -> None:
    """In time: the supervisor kills what has not drained within 10 s and ends with code 1."""
    with Stage(tmp_path) as stage:
        first = stage.war_room()
        load = stage.load(23, 10.0, 50_000)
        stage.is_counting(first)
        stage.redis.cut()
        assert first.says("takes no writes"), first.said()
        assert first.ask(signal.SIGINT) == 0, first.said()
        stage.redis.mend()
        second = stage.war_room(workers=3)
        stage.loaded(load)
        assert second.ask(signal.SIGUSR1) == 0, second.said()
        assert stage.differences() == "", second.said()


def test_a_clock_that_steps_back_an_hour_changes_no_result(tmp_path: Path) -> None:
    step = tmp_path / "an-hour-back"
    with Stage(tmp_path) as stage:
        room = stage.war_room(module="tests.faults.stepping_clock", TEST_CLOCK=str(step))
        load = stage.load(24, 8.0, 40_000)
        stage.is_counting(room)
        before = stage.shown("updated_at", META)
        step.touch()
        stepped = wait_until(lambda: 0 < stage.shown("updated_at", META) < before, PATIENCE_SECONDS)
        assert stepped, room.said()
        stage.loaded(load)
        assert room.ask(signal.SIGUSR1) == 0, room.said()
        assert "starting all again" not in room.said()
        assert stage.differences() == "", room.said()


def scraped(port: int) -> str:
    """The metrics of a worker."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text: str = answer.read().decode()
        return text
