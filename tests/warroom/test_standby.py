"""Processes that stand by: they replace workers, and are gone when their supervisor is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from operators.redis_run import Run
from tests.faults.stage import is_standby
from tests.warroom.fake_flow import SCRIPT
from tests.warroom.test_supervisor import (
    FLOW,
    Script,
    children_of,
    meanwhile,
    runs_of,
    settings_of,
    supervisor_of,
)
from warroom.candidate import Candidate
from warroom.children import free_port
from warroom.post import Post
from warroom.standby import RETRY_SECONDS, Standbys
from warroom.supervisor import Supervisor, Wishes
from warroom.waiting import wait_until
from warroom.wiring import options_of, process_options_of

PARENT = """
import sys
from tests.warroom.test_supervisor import settings_of, supervisor_of
from warroom.supervisor import heard_wishes
with heard_wishes() as wishes:
    supervisor_of(settings_of(standby=True), wishes).run()
"""


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Script:
    monkeypatch.setenv(SCRIPT, str(tmp_path))
    return Script(tmp_path)


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
def standbys(script: Script, clock: Clock) -> Iterator[Standbys]:
    standbys = Standbys(FLOW, clock)
    yield standbys
    standbys.close()


def tended(standbys: Standbys, ready: int) -> bool:
    """Whether so many are ready, soon."""

    def look() -> bool:
        standbys.tend()
        return standbys.ready == ready

    return wait_until(look, 60)


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


def standbys_among(children: Iterable[int]) -> list[int]:
    return [child for child in children if is_standby(child)]


def standbys_here() -> list[int]:
    return standbys_among(started_here())


def workers_here() -> list[int]:
    return [child for child in started_here() if not is_standby(child)]


def test_as_many_as_are_wanted_get_ready_one_after_the_other(standbys: Standbys) -> None:
    standbys.want(2)
    standbys.tend()
    standbys.tend()
    assert len(standbys_here()) == 1
    assert tended(standbys, 2)
    standbys.tend()
    assert len(standbys_here()) == 2


def test_without_a_wish_there_is_none_and_a_fresh_process_is_taken(standbys: Standbys) -> None:
    standbys.tend()
    assert started_here() == []
    fresh = standbys.take()
    assert fresh.lives
    assert not is_standby(fresh.process.pid)
    fresh.dismiss()


def test_processes_under_way_for_a_run_are_taken_for_it(standbys: Standbys) -> None:
    standbys.begin(2)
    under_way = workers_here()
    assert standbys_here() == []
    taken = [standbys.take(), standbys.take()]
    assert sorted(one.process.pid for one in taken) == sorted(under_way)
    for one in taken:
        one.dismiss()


def test_one_under_way_that_dies_is_replaced_by_a_fresh_process(standbys: Standbys) -> None:
    standbys.begin(1)
    (dead,) = workers_here()
    os.kill(dead, signal.SIGKILL)
    os.waitid(os.P_PID, dead, os.WEXITED | os.WNOWAIT)
    fresh = standbys.take()
    assert fresh.lives
    assert fresh.process.pid != dead
    fresh.dismiss()


def test_a_run_that_has_just_begun_is_left_alone(standbys: Standbys, clock: Clock) -> None:
    standbys.want(1)
    standbys.rest()
    standbys.tend()
    assert standbys_here() == []
    clock.now_s += 60
    standbys.tend()
    assert len(standbys_here()) == 1


def test_the_ready_one_is_taken_before_one_that_has_just_been_started(standbys: Standbys) -> None:
    standbys.want(1)
    assert tended(standbys, 1)
    (ready,) = standbys_here()
    standbys.want(2)
    standbys.tend()
    taken = standbys.take()
    assert taken.process.pid == ready
    taken.dismiss()


def test_one_that_has_died_is_not_used_and_replaced_after_a_pause(
    standbys: Standbys, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    standbys.want(1)
    assert tended(standbys, 1)
    (dead,) = standbys_here()
    os.kill(dead, signal.SIGKILL)
    assert wait_until(lambda: standbys.ready == 0, 10)
    standbys.tend()
    assert "a process that stood by has ended" in caplog.text
    taken = standbys.take()
    assert taken.process.pid != dead
    taken.dismiss()
    standbys.tend()
    assert standbys_here() == []
    clock.now_s += RETRY_SECONDS
    assert tended(standbys, 1)


def test_one_that_has_waited_for_long_is_not_taken_for_hung_once_it_is_called(standbys: Standbys) -> None:
    standbys.want(1)
    assert tended(standbys, 1)
    taken = standbys.take()
    taken.listener.heard_at = 0.0
    settings = settings_of()
    taken.call(
        Post(
            index=0,
            addresses=(f"127.0.0.1:{free_port()}",),
            run=Run(1, "run", 1),
            flow=options_of(settings, bounded=True),
            process=process_options_of(settings),
            start_over=False,
        )
    )
    assert taken.listener.heard_at > 0
    assert taken.process.wait(60) == 0  # it has worked through its bounded input
    taken.listener.close()


@pytest.mark.parametrize(("asked", "threads"), [(None, "1"), ("3", "3")])
def test_a_worker_starts_no_threads_for_algebra_unless_it_is_told_to(
    asked: str | None, threads: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    if asked is not None:
        monkeypatch.setenv("OPENBLAS_NUM_THREADS", asked)
    candidate = Candidate(FLOW)
    try:
        told = Path(f"/proc/{candidate.process.pid}/environ").read_text().split("\0")
        assert f"OPENBLAS_NUM_THREADS={threads}" in told
    finally:
        candidate.dismiss()


def test_closing_ends_all_of_them(standbys: Standbys) -> None:
    standbys.want(1)
    assert tended(standbys, 1)
    standbys.close()
    assert started_here() == []


def with_standbys(script: Script, then: Callable[[Supervisor, list[int]], None]) -> None:
    """Run two workers and, once two others stand by, do something; then stop."""
    wishes = Wishes()
    supervisor = supervisor_of(settings_of(standby=True), wishes)

    def act() -> None:
        try:
            script.wait_for("started", 2)
            assert wait_until(lambda: supervisor.standing_by == 2, 60)
            then(supervisor, standbys_here())
        finally:
            wishes.stopping = True

    with meanwhile(act):
        supervisor.run()
    assert started_here() == []


def test_standbys_replace_the_workers_when_one_is_killed(script: Script) -> None:
    replaced: list[tuple[list[int], list[int]]] = []

    def kill_one(supervisor: Supervisor, waiting: list[int]) -> None:
        script.tell(1, "die")
        script.wait_for("started", 4)
        replaced.append((sorted(workers_here()), sorted(waiting)))
        assert wait_until(lambda: supervisor.standing_by == 2, 60)  # and there are new ones

    with_standbys(script, kill_one)
    ((workers, waited),) = replaced
    assert workers == waited
    assert runs_of(script.lines("stopped")) == ["0 run 2", "1 run 2"]


def test_workers_take_no_harm_from_a_standby_that_dies(script: Script) -> None:
    def kill_standby(supervisor: Supervisor, waiting: list[int]) -> None:
        os.kill(waiting[0], signal.SIGKILL)
        assert wait_until(lambda: supervisor.standing_by == 1, 30)

    with_standbys(script, kill_standby)
    assert runs_of(script.lines("started")) == ["0 run 1", "1 run 1"]
    assert runs_of(script.lines("stopped")) == ["0 run 1", "1 run 1"]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_standbys_end_with_their_supervisor(script: Script, how: signal.Signals) -> None:
    supervisor = subprocess.Popen([sys.executable, "-c", PARENT])
    try:
        script.wait_for("started", 2)
        assert wait_until(lambda: len(standbys_among(map(int, children_of(supervisor.pid)))) == 2, 60)
        all_of_them = [int(pid) for pid in children_of(supervisor.pid)]
        assert len(all_of_them) == 4

        supervisor.send_signal(how)

        assert supervisor.wait(10) == (0 if how == signal.SIGTERM else -signal.SIGKILL)
        assert wait_until(lambda: all(is_gone(pid) for pid in all_of_them), 5)
    finally:
        supervisor.kill()  # its workers and standbys end with it
        supervisor.wait()
