"""A process that waits for its post as a worker, from its start until it is called or no longer wanted."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import Final

from warroom.children import start
from warroom.post import FORWARDED, Post, post_text
from warroom.worker_report import Listener

_LITTLE_ALGEBRA: Final = {"OPENBLAS_NUM_THREADS": "1"}
"""A flow's matrices have 24 columns; threads that numpy starts for greater ones spin for 0.1 s first."""


class Candidate:
    """A worker process without a post. ``flow``: what it will run, as in ``warroom.cluster.Job``.

    With ``standby`` it imports and compiles before it is called. Whoever starts it must ``call`` or
    ``dismiss`` it; it ends with this process in any case.
    """

    def __init__(self, flow: str, *, standby: bool = False) -> None:
        self._post_fd = os.memfd_create("warroom-post")
        read_call, self._call_fd = os.pipe()
        read_report, write_report = os.pipe()
        try:
            self.process: subprocess.Popen[bytes] = start(
                [
                    *(sys.executable, "-m", "warroom.worker"),
                    *("--post-fd", str(self._post_fd)),
                    *("--call-fd", str(read_call)),
                    *("--report-fd", str(write_report)),
                    *("--flow", flow),
                    *(["--standby"] if standby else []),
                ],
                environment=_LITTLE_ALGEBRA | os.environ,
                pass_fds=(self._post_fd, read_call, write_report),
                blocked=FORWARDED,
            )
        finally:
            os.close(read_call)
            os.close(write_report)
        self.listener = Listener(read_report)

    @property
    def lives(self) -> bool:
        """Whether the process runs."""
        return self.process.poll() is None

    @property
    def is_ready(self) -> bool:
        """Whether it said that only its post is missing."""
        self.listener.listen()
        return self.listener.ready

    def call(self, post: Post) -> None:
        """Give it its post: from now on it is a worker; to end it and its listener is the caller's part."""
        os.write(self._post_fd, post_text(post))
        self.listener.heard_at = time.monotonic()
        self._let_go()

    def dismiss(self) -> None:
        """End the process; it holds nothing that would be lost."""
        self.process.kill()
        self.process.wait()
        self.listener.close()
        self._let_go()

    def _let_go(self) -> None:
        os.close(self._call_fd)
        os.close(self._post_fd)
