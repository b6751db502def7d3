"""Processes that another process forks for this one: their parent is this one all the same.

Who is to be a child of its grandparent is forked twice. The process between ends at once, and its child goes
to the nearest ancestor that adopts orphans (``PR_SET_CHILD_SUBREAPER`` of prctl(2)): that one waits for it
and learns how it ended, as of any child.
"""

from __future__ import annotations

import os
import signal
import socket
import traceback
from collections.abc import Callable
from typing import Final, NoReturn

from warroom.children import die_with, process_control

_PR_SET_CHILD_SUBREAPER: Final = 36


def adopt_orphans(wanted: bool) -> None:
    """Whether this process becomes the parent of descendants that lose theirs. Raises ``OSError``."""
    process_control(_PR_SET_CHILD_SUBREAPER, int(wanted))


class Adopted:
    """A process that ``fork_for`` has made a child of this one."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        """Exit code, or the negative number of the signal that ended it; None while nobody has asked."""

    def poll(self) -> int | None:
        """Its exit code as in ``returncode``; None while it runs."""
        return self._ask(os.WNOHANG)

    def wait(self) -> int:
        """Wait for its end; its exit code as in ``returncode``."""
        code = self._ask(0)
        assert code is not None
        return code

    def send_signal(self, which: signal.Signals) -> None:
        """Send a signal unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, which)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    def _ask(self, how: int) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, how)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode


def fork_for(parent_pid: int, gate: int, work: Callable[[], int]) -> int:
    """Fork a child of an ancestor that adopts orphans; its process id.

    It begins to ``work``, whose result is its exit code, once it can read a byte from the descriptor
    ``gate``: when whoever holds the other end knows of it. It ends where that end is closed instead, and when
    its parent ends. Raises ``OSError`` if there can be no more processes. To be called by a process without
    other threads.
    """
    here, there = socket.socketpair()
    with here:
        with there:
            between = os.fork()
            if between == 0:
                _fork_and_end(there, lambda: _begin(parent_pid, gate, work))
        # A process whose end is known has no children any more: they are its ancestor's.
        os.waitpid(between, 0)
        pid = here.recv(32)
    if not pid:
        raise OSError("no more processes")
    return int(pid)


def _fork_and_end(told: socket.socket, begin: Callable[[], NoReturn]) -> NoReturn:
    try:
        pid = os.fork()
        if pid == 0:
            begin()
        told.send(str(pid).encode())
    finally:
        os._exit(0)


def _begin(parent_pid: int, gate: int, work: Callable[[], int]) -> NoReturn:
    code = 1
    try:
        if os.read(gate, 1):
            die_with(parent_pid)
            code = work()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)
