"""The process that stands by: workers come from it again and again, and it is gone when its supervisor is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults.stage import workers_of
from tests.warroom.test_supervisor import (
    FLOW,
    Script,
    children_of,
    meanwhile,
    runs_of,
    settings_of,
    supervisor_of,
)
from warroom.post import Post, post_text
from warroom.standby import RETRY_SECONDS, Standby
from warroom.supervisor import Supervisor, Wishes
from warroom.waiting import wait_until
from warroom.wiring import options_of
from warroom.zygote import Worker

PARENT = """
import sys
from tests.warroom.test_supervisor import settings_of, supervisor_of
from warroom.supervisor import heard_wishes
with heard_wishes() as wishes:
    supervisor_of(settings_of(standby=True), wishes).run()
"""


class Clock:
    """Monotonic seconds that a test moves."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def standby(script: Script, clock: Clock) -> Iterator[Standby]:
    standby = Standby(FLOW, clock)
    yield standby
    standby.close()


def tended(standby: Standby, within_seconds: float = 60) -> bool:
    """Whether it gets ready, soon."""

    def look() -> bool:
        standby.tend()
        return standby.is_ready

    return wait_until(look, within_seconds)


def is_gone(pid: int) -> bool:
    """Whether a process is no more, or only a zombie that nobody has asked after."""
    return not Path(f"/proc/{pid}/fd").exists()


@pytest.fixture(autouse=True)
def not_ours() -> Iterator[None]:
    """Remember what other tests have left running in this process."""
    _not_ours.update(children_of(os.getpid()))
    yield
    _not_ours.clear()


_not_ours: set[str] = set()


def started_here() -> list[int]:
    """Children of this process that the test has started."""
    return [int(child) for child in children_of(os.getpid()) if child not in _not_ours]


def zygotes_of(supervisor: int) -> list[int]:
    workers = workers_of(supervisor)
    children = [int(child) for child in children_of(supervisor) if child not in _not_ours]
    return [child for child in children if child not in workers]


def ended(worker: Worker) -> int:
    """The exit code of a worker that ends."""
    worker.listener.close()
    return worker.process.wait()


def test_whoever_is_not_tended_starts_nothing(standby: Standby) -> None:
    standby.rest()
    standby.tend()
    assert started_here() == []


def test_one_zygote_is_started_and_gets_ready(standby: Standby) -> None:
    standby.tend()
    standby.tend()
    assert len(started_here()) == 1
    assert not standby.is_ready
    assert tended(standby)
    assert len(started_here()) == 1


def test_a_zygote_under_way_for_a_run_is_the_one_that_stands_by(standby: Standby, post: Post) -> None:
    standby.begin()
    (zygote,) = started_here()
    worker = standby.fork(post_text(post))
    assert tended(standby)
    assert ended(worker) == 0
    assert started_here() == [zygote]


def test_a_run_that_has_just_begun_is_left_alone(standby: Standby, clock: Clock, post: Post) -> None:
    assert ended(standby.fork(post_text(post))) == 0  # by now the zygote has nothing else to do
    standby.rest()
    assert not tended(standby, within_seconds=1)
    clock.now_s += 60
    assert tended(standby)


@pytest.mark.parametrize("when", ["before it is tended", "after"])
def test_a_zygote_that_has_died_is_replaced_when_a_worker_is_wanted(
    standby: Standby, post: Post, when: str
) -> None:
    standby.begin()
    if when == "after":
        assert tended(standby)
    (dead,) = started_here()
    os.kill(dead, signal.SIGKILL)
    worker = standby.fork(post_text(post))
    assert ended(worker) == 0
    assert dead not in started_here()


def test_a_zygote_that_has_died_in_quiet_times_is_replaced_after_a_pause(
    standby: Standby, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    assert tended(standby)
    (dead,) = started_here()
    os.kill(dead, signal.SIGKILL)
    os.waitid(os.P_PID, dead, os.WEXITED | os.WNOWAIT)
    standby.tend()
    assert "the process that stood by has ended" in caplog.text
    assert (started_here(), standby.is_ready) == ([], False)
    clock.now_s += RETRY_SECONDS
    assert tended(standby)


def test_where_no_process_can_be_started_the_run_goes_on_and_it_is_tried_again(
    standby: Standby, clock: Clock, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("sys.executable", "/nowhere/python")
        standby.tend()
    assert "no process stands by (" in caplog.text
    standby.tend()
    assert started_here() == []
    clock.now_s += RETRY_SECONDS
    assert tended(standby)


def test_closing_ends_it_and_not_its_workers(standby: Standby, script: Script, post: Post) -> None:
    settings = settings_of()
    worker = standby.fork(post_text(replace(post, flow=options_of(settings))))
    standby.close()
    script.wait_for("started", 1)
    assert started_here() == [worker.process.pid]
    worker.process.kill()
    assert ended(worker) == -signal.SIGKILL


def with_standby(script: Script, then: Callable[[Supervisor], None]) -> None:
    """Run two workers and, once a zygote is ready to replace them, do something; then stop."""
    wishes = Wishes()
    supervisor = supervisor_of(settings_of(standby=True), wishes)

    def act() -> None:
        try:
            script.wait_for("started", 2)
            assert wait_until(lambda: supervisor.stands_by, 60)
            then(supervisor)
        finally:
            wishes.stopping = True

    with meanwhile(act):
        supervisor.run()
    assert started_here() == []


def test_new_workers_come_from_the_zygote_when_one_is_killed(script: Script) -> None:
    def kill_one(supervisor: Supervisor) -> None:
        (zygote,) = zygotes_of(os.getpid())
        script.tell(1, "die")
        script.wait_for("started", 4)
        assert zygotes_of(os.getpid()) == [zygote]
        assert len(workers_of(os.getpid())) == 2

    with_standby(script, kill_one)
    assert runs_of(script.lines("stopped")) == ["0 run 2", "1 run 2"]


def test_workers_take_no_harm_from_a_zygote_that_dies(script: Script) -> None:
    def kill_zygote(supervisor: Supervisor) -> None:
        (zygote,) = zygotes_of(os.getpid())
        os.kill(zygote, signal.SIGKILL)
        assert wait_until(lambda: not supervisor.stands_by, 30)

    with_standby(script, kill_zygote)
    assert runs_of(script.lines("started")) == ["0 run 1", "1 run 1"]
    assert runs_of(script.lines("stopped")) == ["0 run 1", "1 run 1"]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_all_end_with_their_supervisor(script: Script, how: signal.Signals) -> None:
    supervisor = subprocess.Popen([sys.executable, "-c", PARENT])
    try:
        script.wait_for("started", 2)
        all_of_them = [int(pid) for pid in children_of(supervisor.pid)]
        assert len(all_of_them) == 3
        assert len(zygotes_of(supervisor.pid)) == 1

        supervisor.send_signal(how)

        assert supervisor.wait(10) == (0 if how == signal.SIGTERM else -signal.SIGKILL)
        assert wait_until(lambda: all(is_gone(pid) for pid in all_of_them), 5)
    finally:
        supervisor.kill()  # all of its children end with it
        supervisor.wait()
