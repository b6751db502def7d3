"""Keeps the interpreter's state of a thread that is not Python's own.

Whenever Bytewax calls from its thread into Python and has not done so further up, PyO3 makes a thread state
and drops it behind the call (``PyGILState_Ensure``, ``PyGILState_Release``): objects, a dictionary, and
16 KiB that are asked of the kernel and given back, hundreds of times a second. A state that is held once more
stays.
"""

from __future__ import annotations

import ctypes
import threading

_held = threading.local()


def keep_thread_state() -> None:
    """Let the calling thread keep its state until it ends. To be called from Python; once is enough."""
    if not hasattr(_held, "once"):
        ctypes.pythonapi.PyGILState_Ensure()
        _held.once = True
