"""What workers are forked from: what they inherit, whose children they are, how their end is seen."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.warroom.test_standby import ended
from tests.warroom.test_supervisor import FLOW, Script, children_of, settings_of
from warroom.post import Post, post_text
from warroom.waiting import wait_until
from warroom.wiring import options_of
from warroom.zygote import WAR_ROOM, Zygote

FORKS_FOR_ITSELF = """
import os
from warroom.adopted import Adopted, adopt_orphans, fork_for
adopt_orphans(True)
gate, open_gate = os.pipe()
"""


@pytest.fixture
def zygote(script: Script) -> Iterator[Zygote]:
    zygote = Zygote(FLOW)
    yield zygote
    zygote.close()


@pytest.fixture
def endless(post: Post) -> Post:
    """Of a worker that works until it is ended."""
    return replace(post, flow=options_of(settings_of()))


def test_a_worker_is_a_child_of_who_asked_and_its_exit_code_is_known(zygote: Zygote, post: Post) -> None:
    worker = zygote.fork(post_text(post))
    assert str(worker.process.pid) in children_of(os.getpid())
    assert ended(worker) == 0
    assert worker.process.poll() == worker.process.returncode == 0
    assert str(worker.process.pid) not in children_of(os.getpid())


def test_what_ended_a_worker_is_known(zygote: Zygote, endless: Post, script: Script) -> None:
    worker = zygote.fork(post_text(endless))
    script.wait_for("started", 1)
    assert worker.process.poll() is None
    os.kill(worker.process.pid, signal.SIGABRT)
    assert ended(worker) == -signal.SIGABRT
    worker.process.kill()  # nobody: the process id may be another's by now


def test_a_worker_keeps_nothing_of_its_zygote_open(zygote: Zygote, endless: Post, script: Script) -> None:
    worker = zygote.fork(post_text(endless))
    script.wait_for("started", 1)
    zygote.process.kill()
    with pytest.raises(ChildProcessError, match="the process that forks workers gave none: "):
        zygote.fork(post_text(endless))
    assert worker.process.poll() is None
    worker.process.kill()
    assert ended(worker) == -signal.SIGKILL


def test_there_is_nothing_that_a_fork_would_lose(tmp_path: Path) -> None:
    """No thread but one, no connection: also after all compiled code of the war room has run."""
    zygote = Zygote(WAR_ROOM)
    try:
        zygote.get_ready()
        assert is_ready_soon(zygote)
        process = Path(f"/proc/{zygote.process.pid}")
        assert len(list((process / "task").iterdir())) == 1
        opened = [str(descriptor.readlink()) for descriptor in (process / "fd").iterdir()]
        assert len([name for name in opened if name.startswith("socket:")]) == 1  # on which it is asked
    finally:
        zygote.close()


@pytest.mark.parametrize(("asked", "threads"), [(None, "1"), ("3", "3")])
def test_no_threads_for_algebra_unless_they_are_asked_for(
    asked: str | None, threads: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    if asked is not None:
        monkeypatch.setenv("OPENBLAS_NUM_THREADS", asked)
    zygote = Zygote(FLOW)
    try:
        told = Path(f"/proc/{zygote.process.pid}/environ").read_text().split("\0")
        assert f"OPENBLAS_NUM_THREADS={threads}" in told
    finally:
        zygote.close()


@pytest.mark.parametrize("when", ["at once", "when it is ready"])
def test_nothing_is_left_of_getting_ready(
    zygote: Zygote, when: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    zygote.get_ready()
    (scratch,) = tmp_path.iterdir()
    (scratch / "snapshot").touch()
    if when == "when it is ready":
        assert is_ready_soon(zygote)
    zygote.close()
    assert list(tmp_path.iterdir()) == []


def test_who_is_forked_works_once_somebody_knows_of_it() -> None:
    program = """
forked = Adopted(fork_for(os.getpid(), gate, lambda: os.write(1, b"worked\\n")))
assert forked.poll() is None
os.write(open_gate, b".")
print(forked.wait())
"""
    assert said_by(FORKS_FOR_ITSELF + program) == ["worked", "7"]


def test_who_is_forked_ends_when_nobody_will_know_of_it() -> None:
    program = """
os.close(open_gate)
print(Adopted(fork_for(os.getpid(), gate, lambda: os.write(1, b"worked\\n"))).wait())
"""
    assert said_by(FORKS_FOR_ITSELF + program) == ["1"]


def test_the_reason_is_told_where_there_can_be_no_more_processes(post: Post) -> None:
    zygote = Zygote("tests.warroom.no_more_processes:build")
    try:
        with pytest.raises(ChildProcessError, match="no more processes, says the test"):
            zygote.fork(post_text(post))
        assert zygote.lives
    finally:
        zygote.close()


def test_who_forks_learns_that_there_can_be_no_more_processes() -> None:
    program = (
        FORKS_FOR_ITSELF
        + """
def no_more():
    raise BlockingIOError(11, "no more processes")

fork = os.fork
for forks in ([no_more], [fork, no_more]):
    next_fork = iter(forks)
    os.fork = lambda: next(next_fork)()
    try:
        fork_for(os.getpid(), gate, lambda: 0)
    except OSError as error:
        print(error)
"""
    )
    assert said_by(program) == ["[Errno 11] no more processes", "no more processes"]


def is_ready_soon(zygote: Zygote) -> bool:
    def look() -> bool:
        zygote.listen()
        return zygote.is_ready

    return wait_until(look, 120)


def said_by(program: str) -> list[str]:
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    ).stdout.splitlines()
