"""How glibc keeps a worker's memory."""

from __future__ import annotations

import contextlib
import ctypes
from typing import Final

_ARENA_MAX: Final = -8
"""``M_ARENA_MAX`` of ``mallopt(3)``."""


def keep_one_heap() -> None:
    """Let all threads of this process share one heap. Must come before threads are started.

    By default glibc gives every thread a heap of its own. librdkafka's threads fill theirs with messages
    that the dataflow's thread gives back, so pages go to and fro between the kernel and several heaps, each
    of them a page fault. With one heap two workers read a backlog of a million merchants at 1.2 to 1.4 times
    the speed and hold less memory. Another C library is left as it is.
    """
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).mallopt(_ARENA_MAX, 1)
