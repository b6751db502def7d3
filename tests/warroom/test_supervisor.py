"""The supervisor: starts workers, notices dead and hung ones, starts all again, ends all in order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from warroom.cluster import Job
from warroom.config import Given, load
from warroom.errors import WarroomError
from warroom.hosts import on_this_machine
from warroom.post import read_post
from warroom.settings import Settings
from warroom.standby import Standby
from warroom.supervisor import Supervisor, Wishes
from warroom.waiting import wait_until
from warroom.zygote import Worker

FLOW = "tests.warroom.fake_flow:build"
PARENT = """
import sys
from tests.warroom.test_supervisor import settings_of, supervisor_of
from warroom.supervisor import heard_wishes
with heard_wishes() as wishes:
    supervisor_of(settings_of(), wishes).run()
"""


def settings_of(**supervisor: float) -> Settings:
    quick: dict[str, float] = {
        **{"hung_after_seconds": 10, "backoff_seconds": 0.05, "failures_in_a_row": 3, "standby": False}
    }
    given = [Given(f"supervisor.{k}", v, "test") for k, v in (quick | supervisor).items()]
    return load(flags=[*given, Given("state.enabled", False, "test")]).settings


def supervisor_of(settings: Settings, wishes: Wishes, workers: int = 2, bounded: bool = False) -> Supervisor:
    numbers = iter(range(1, 100))
    return Supervisor(
        Job(settings, bounded, flow=FLOW), wishes, lambda: on_this_machine(workers), lambda: next(numbers)
    )


class Script:
    """The conversation with the fake flow, through files."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def tell(self, index: int, what: str) -> None:
        fresh = self.directory / "order"
        fresh.write_text(what)
        fresh.replace(self.directory / f"do-{index}")

    def lines(self, what: str) -> list[str]:
        file = self.directory / what
        return sorted(file.read_text().splitlines()) if file.exists() else []

    def wait_for(self, what: str, count: int) -> None:
        assert wait_until(lambda: len(self.lines(what)) >= count, 30), self.lines(what)


@contextmanager
def meanwhile(act: Callable[[], None]) -> Iterator[None]:
    """Something that happens while the supervisor runs, in its own thread."""
    thread = threading.Thread(target=act)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def stop_when_started(script: Script, wishes: Wishes, starts: int) -> Callable[[], None]:
    def act() -> None:
        script.wait_for("started", starts)
        wishes.stopping = True

    return act


def runs_of(lines: list[str]) -> list[str]:
    return [line.partition(" step")[0] for line in lines]


def test_every_worker_drains_and_the_run_ends_when_the_input_is_bounded(script: Script) -> None:
    supervisor_of(settings_of(), Wishes(), bounded=True).run()
    assert runs_of(script.lines("finished")) == ["0 run 1", "1 run 1"]


def test_asked_to_stop_every_worker_drains(script: Script) -> None:
    wishes = Wishes()
    with meanwhile(stop_when_started(script, wishes, starts=2)):
        supervisor_of(settings_of(), wishes).run()
    assert runs_of(script.lines("stopped")) == ["0 run 1", "1 run 1"]


def test_asked_to_finish_every_worker_reads_to_the_end(script: Script) -> None:
    wishes = Wishes()

    def finish() -> None:
        script.wait_for("started", 2)
        wishes.finishing = True

    with meanwhile(finish):
        supervisor_of(settings_of(), wishes).run()
    assert runs_of(script.lines("finished")) == ["0 run 1", "1 run 1"]


def test_asked_to_stop_before_the_workers_are_up_they_still_drain(script: Script) -> None:
    wishes = Wishes()
    supervisor = supervisor_of(settings_of(), wishes)

    def take_run() -> int:
        wishes.stopping = True  # between this start and the first look at the workers
        return 1

    supervisor._take_run = take_run
    supervisor.run()
    assert runs_of(script.lines("stopped")) == ["0 run 1", "1 run 1"]


@pytest.mark.parametrize("fault", ["die", "fail"])
def test_one_dead_worker_starts_all_again_as_a_new_run(script: Script, fault: str) -> None:
    wishes = Wishes()

    def act() -> None:
        script.wait_for("started", 2)
        script.tell(1, fault)
        script.wait_for("started", 4)
        wishes.stopping = True

    with meanwhile(act):
        supervisor_of(settings_of(), wishes).run()
    assert runs_of(script.lines("started")) == ["0 run 1", "0 run 2", "1 run 1", "1 run 2"]


def test_workers_are_told_how_often_all_were_started_again(script: Script) -> None:
    wishes = Wishes()
    told: list[list[str]] = []

    def act() -> None:
        for starts in (2, 4, 6):
            script.wait_for("started", starts)
            told.append(script.lines("restarts-0"))
            script.tell(1, "die" if starts < 6 else "nothing")
        wishes.stopping = True

    with meanwhile(act):
        supervisor_of(settings_of(), wishes).run()
    assert told == [["0"], ["1"], ["2"]]


def test_hung_worker_is_killed_and_all_are_started_again(script: Script) -> None:
    wishes = Wishes()

    def act() -> None:
        script.wait_for("started", 2)
        script.tell(0, "hang")
        script.wait_for("hanging", 1)
        script.wait_for("started", 4)
        wishes.stopping = True

    with meanwhile(act):
        # On a busy machine a start alone may seem hung: it is repeated until one does not.
        supervisor_of(settings_of(hung_after_seconds=3, failures_in_a_row=100), wishes).run()
    assert len(script.lines("hanging")) == 1
    assert [line[0] for line in script.lines("stopped")] == ["0", "1"]
    assert "0 run 1" not in runs_of(script.lines("stopped"))


def test_too_many_failures_in_a_row_end_the_run_with_the_reason(script: Script) -> None:
    script.tell(0, "always fail")
    with pytest.raises(WarroomError) as caught:
        supervisor_of(settings_of(), Wishes()).run()
    assert str(caught.value).startswith(
        "gave up after 3 failures in a row; the last: worker 0 ended with exit code 1: "
        "ValueError: the fake flow was told to fail"
    )
    assert "\n" not in str(caught.value)
    assert [run for run in runs_of(script.lines("started")) if run[0] == "0"] == [
        "0 run 1", "0 run 2", "0 run 3",
    ]  # fmt: skip


def test_a_worker_that_cannot_be_started_is_a_failure_and_takes_the_others_along(script: Script) -> None:
    """It is tried again as after any failure, and no worker of such a run goes on."""
    forked: list[Worker] = []

    class OneEach(Standby):
        def fork(self, post: bytes) -> Worker:
            if read_post(post).index:
                raise OSError("no more processes")
            forked.append(super().fork(post))
            return forked[-1]

    supervisor = supervisor_of(settings_of(), Wishes())
    supervisor._standby = OneEach(FLOW)
    with pytest.raises(WarroomError) as caught:
        supervisor.run()
    assert str(caught.value) == (
        "gave up after 3 failures in a row; the last: worker 1 could not be started: no more processes"
    )
    assert [worker.process.returncode for worker in forked] == [-signal.SIGKILL] * 3


def test_failure_after_a_steady_while_is_the_first_again(script: Script) -> None:
    wishes = Wishes()

    def act() -> None:
        for start in range(1, 4):
            script.wait_for("started", 2 * start)
            script.tell(1, "die")
        script.wait_for("started", 8)
        wishes.stopping = True

    with meanwhile(act):
        supervisor_of(settings_of(steady_after_seconds=0.001, failures_in_a_row=2), wishes).run()
    assert len(script.lines("stopped")) == 2


def test_run_that_was_replaced_ends_instead_of_fencing_off_the_newer_one(script: Script) -> None:
    script.tell(0, "always be fenced")
    with pytest.raises(WarroomError, match=r"^run 2 writes to redis\.example:6379/0 now; this is run 1,"):
        supervisor_of(settings_of(), Wishes()).run()


def test_workers_that_do_not_drain_in_time_are_killed(script: Script) -> None:
    wishes = Wishes()

    def act() -> None:
        script.wait_for("started", 2)
        script.tell(0, "hang")
        script.wait_for("hanging", 1)
        wishes.stopping = True

    with meanwhile(act), pytest.raises(WarroomError, match=r"^workers did not drain within 0\.2 s"):
        supervisor_of(settings_of(drain_seconds=0.2), wishes).run()


def test_workers_end_when_their_supervisor_is_killed(script: Script) -> None:
    supervisor = subprocess.Popen([sys.executable, "-c", PARENT])
    script.wait_for("started", 2)
    workers = [int(pid) for pid in children_of(supervisor.pid)]
    assert len(workers) == 2

    supervisor.kill()
    supervisor.wait()

    assert wait_until(lambda: not any(Path(f"/proc/{pid}/fd").exists() for pid in workers), 5)


def test_signals_of_the_terminal_end_a_run_in_order(script: Script) -> None:
    supervisor = subprocess.Popen([sys.executable, "-c", PARENT])
    script.wait_for("started", 2)
    os.kill(supervisor.pid, signal.SIGINT)
    assert supervisor.wait(10) == 0
    assert runs_of(script.lines("stopped")) == ["0 run 1", "1 run 1"]


def children_of(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
