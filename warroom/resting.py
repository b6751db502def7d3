"""Lets the main thread of a worker rest while Bytewax runs the flow in another one.

Bytewax's own loop there wakes a thousand times a second, takes the interpreter's lock, looks for signals and
sleeps a millisecond (0.21.1, ``cluster_main`` in ``run.rs``): on a machine whose cores are all busy each time
the kernel takes the processor from the thread that does the work. A handler of a signal that sleeps is called
by that look; while it sleeps nothing is looked for, and other signals still wake it.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

REST_SECONDS: Final = 0.05
"""So late, at most, the end of the flow is noticed."""
_SOON_SECONDS: Final = 0.002
"""Until the next rest begins: Bytewax sees whether its thread has ended, and looks for signals."""


def _rest(*_: Any) -> None:  # noqa: ANN401 - a signal's number and frame
    time.sleep(REST_SECONDS)


@contextmanager
def main_thread_rests() -> Iterator[None]:
    """While this lasts, whatever looks for signals in the main thread rests there. Uses ``SIGALRM``.

    A thread asks for each rest, and asks the main thread alone. A timer asks the process: while a debugger or
    a profiler holds the main thread, the kernel would interrupt another one, and a read of Bytewax's
    connections that is interrupted ends the worker.
    """
    resting = threading.get_ident()
    ended = threading.Event()

    def ask() -> None:
        while not ended.wait(REST_SECONDS + _SOON_SECONDS):
            signal.pthread_kill(resting, signal.SIGALRM)

    before = signal.signal(signal.SIGALRM, _rest)
    asking = threading.Thread(target=ask, name="rests", daemon=True)
    asking.start()
    try:
        yield
    finally:
        ended.set()
        asking.join()
        signal.signal(signal.SIGALRM, before)
