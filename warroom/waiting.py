"""Waiting for a condition, never for a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

_POLL_SECONDS: Final = 0.02


def wait_until(condition: Callable[[], bool], timeout_seconds: float) -> bool:
    """Poll until ``condition`` holds; False if it did not within ``timeout_seconds``."""
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True
