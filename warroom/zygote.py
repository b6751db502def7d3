"""The process that workers are forked from, as the supervisor sees it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Final

from warroom.adopted import Adopted, adopt_orphans
from warroom.children import start
from warroom.worker_report import Listener

if TYPE_CHECKING:
    from tempfile import TemporaryDirectory

WAR_ROOM: Final = "warroom.process:war_room"
"""``module:function`` that builds the flow of a worker."""
FORWARDED: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
"""Signals that wait, blocked, until the worker can take them."""
FORK: Final = b"fork"
"""Asks the zygote for a worker; the answer is its process id, or why there is none. Three descriptors come
along: a gate, where it waits until its supervisor knows of it; its post; the pipe by which it reports."""
GET_READY: Final = b"get ready in "
"""Asks the zygote to load what workers load at first use; the path of an empty directory for its files
follows. The answer: ``READY``."""
READY: Final = b"ready"
LONGEST_MESSAGE: Final = 8_192
"""Bytes: a path has at most 4,096."""
ANSWER_SECONDS: Final = 60.0
"""A zygote that has not forked within this long, its imports included, hangs."""
_LITTLE_ALGEBRA: Final = {"OPENBLAS_NUM_THREADS": "1"}
"""A flow's matrices have 24 columns. Threads that numpy starts for greater ones spin for 0.1 s first, and a
process that is forked from must have none."""


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker process and what it tells. To end both is the part of whoever holds it."""

    process: Adopted
    listener: Listener


class Zygote:
    """A process with everything imported that the workers of ``flow`` need. Raises ``OSError``.

    ``flow``: as in ``warroom.cluster.Job``. It ends with this process in any case; ``close`` ends it before.
    """

    def __init__(self, flow: str) -> None:
        self.is_ready = False
        """It has loaded what workers load at first use."""
        self._scratch: TemporaryDirectory[str] | None = None
        adopt_orphans(True)
        self._control, control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with control, ExitStack() as undo:
            undo.callback(self._let_go)
            self.process: subprocess.Popen[bytes] = start(
                [
                    *(sys.executable, "-m", "warroom.zygote_process"),
                    *("--control-fd", str(control.fileno())),
                    *("--flow", flow),
                ],
                environment=_LITTLE_ALGEBRA | os.environ,
                pass_fds=(control.fileno(),),
                blocked=FORWARDED,
            )
            undo.pop_all()

    @property
    def lives(self) -> bool:
        """Whether the process runs."""
        return self.process.poll() is None

    def get_ready(self) -> None:
        """Have it load what workers load at first use, once; ``listen`` until it ``is_ready``."""
        if self._scratch is None:
            from tempfile import TemporaryDirectory  # it takes its time, and a start does without

            self._scratch = TemporaryDirectory(prefix="warroom-standby-")
            self._control.send(GET_READY + os.fsencode(self._scratch.name))

    def listen(self) -> None:
        """Take what it says, without waiting."""
        self._control.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            self.is_ready |= self._control.recv(LONGEST_MESSAGE) == READY

    def fork(self, post: bytes) -> Worker:
        """A worker; ``post`` is of ``post_text``. Raises ``ChildProcessError`` if this zygote gives none."""
        with ExitStack() as stack:
            gate, open_gate = _pipe(stack)
            read_report, report = _pipe(stack)
            # A file without a name: a post holds passwords, and arguments are public.
            post_file = stack.enter_context(os.fdopen(os.memfd_create("warroom-post"), "wb", buffering=0))
            post_file.write(post)
            try:
                self._control.settimeout(ANSWER_SECONDS)
                socket.send_fds(self._control, [FORK], [gate.fileno(), post_file.fileno(), report.fileno()])
                worker = Adopted(self._answer())
            except OSError as error:
                raise ChildProcessError(f"the process that forks workers gave none: {error}") from error
            open_gate.write(b".")
            return Worker(worker, Listener(os.dup(read_report.fileno())))

    def _answer(self) -> int:
        while True:
            said = self._control.recv(LONGEST_MESSAGE)
            if said == READY:
                self.is_ready = True
            elif said.isdigit():
                return int(said)
            else:
                raise OSError(said.decode() or "it has ended")

    def close(self) -> None:
        """End the process; its workers live on."""
        self.process.kill()
        self.process.wait()
        self._let_go()

    def _let_go(self) -> None:
        self._control.close()
        if self._scratch is not None:
            self._scratch.cleanup()
        adopt_orphans(False)


def _pipe(stack: ExitStack) -> tuple[IO[bytes], IO[bytes]]:
    read, write = os.pipe()
    return (
        stack.enter_context(os.fdopen(read, "rb", buffering=0)),
        stack.enter_context(os.fdopen(write, "wb", buffering=0)),
    )
